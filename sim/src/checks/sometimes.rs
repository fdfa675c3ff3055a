//! Sometimes: what ever happened in a run, so that a sweep which tried nothing can be told from one that passed.

use std::collections::BTreeMap;

use tidings::Event;
use tidings::metrics::Metrics;

use crate::fault::{Fault, Planned};
use crate::swarm::is_drawn;
use crate::watch::Phase;

/// Datagrams as long as this carry a page that does not hold everything.
const PAGE_BYTES: usize = 1_000;
const SYNC_REPLY: u8 = 8;

/// In how many runs each thing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sometimes {
    counts: BTreeMap<&'static str, u64>,
}

/// What must happen in a sweep of the swarm, besides every fault.
pub const MUST_HAPPEN: &[&str] = &[
    "told up",
    "told suspect",
    "told refuted",
    "told dead",
    "told left",
    "told updated",
    "told self_stalled",
    "told isolated",
    "told reconnected",
    "told superseded",
    "told full",
    "healed",
    "paged",
    "refutation",
    "acked by relay",
    "told leader",
    "told leader lost",
    "elected: no leader",
    "elected: lease ran out",
    "elected: leader resigned",
    "elected: handed over",
    "elected: outrun",
    "own lease lost",
    "own leadership given up",
    "lease doubted",
    "refused by promise",
    "save failed",
    "votes forgotten",
    "torn disk found",
    "two candidates in one term",
    "write admitted",
    "write fenced off",
];

impl Sometimes {
    /// Counts something once for this run.
    pub fn note(&mut self, what: &'static str) {
        self.counts.entry(what).or_insert(1);
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Sometimes) {
        for (what, count) in &other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }

    /// In how many runs this happened.
    #[must_use]
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// What must happen in a sweep of the swarm, but did not.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let must = MUST_HAPPEN.iter().chain(Fault::NAMES).copied().filter(|what| is_drawn(what));
        must.filter(|what| self.count(what) == 0).collect()
    }

    /// Everything that happened, with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.counts.iter().map(|(what, count)| (*what, *count))
    }

    pub(super) fn told(&mut self, event: &Event) {
        self.note(match event {
            Event::Up(_) => "told up",
            Event::Suspect { .. } => "told suspect",
            Event::Refuted(_) => "told refuted",
            Event::Dead { provisional: true, .. } => "told dead, provisional",
            Event::Dead { .. } => "told dead",
            Event::Left(_) => "told left",
            Event::Updated(_) => "told updated",
            Event::SelfStalled { .. } => "told self_stalled",
            Event::Isolated { .. } => "told isolated",
            Event::Reconnected => "told reconnected",
            Event::Superseded { .. } => "told superseded",
            Event::Full { .. } => "told full",
            Event::Leader { .. } => "told leader",
            Event::LeaderUpdated { .. } => "told leader updated",
            Event::LeaderLost { .. } => "told leader lost",
            _ => "told something new",
        });
    }

    pub(super) fn healed(&mut self, is_so: bool) {
        if is_so {
            self.note("healed");
        }
    }

    pub(super) fn handled(&mut self, datagram: &[u8]) {
        if datagram.len() >= PAGE_BYTES && datagram[1] == SYNC_REPLY {
            self.note("paged");
        }
    }

    /// Takes in what a protocol counted.
    pub(crate) fn counted(&mut self, metrics: &Metrics) {
        let counters = [
            ("refutation", metrics.refutations),
            ("acked by relay", metrics.probes_acked_by_relay),
            ("late wake", metrics.late_wakes),
            ("sync", metrics.syncs),
            ("verdict undone", metrics.verdicts_undone),
            ("member refused", metrics.members_refused),
            ("datagram rejected", metrics.rejected.total()),
        ];
        counters.into_iter().filter(|(_, count)| *count > 0).for_each(|(what, _)| self.note(what));
    }

    pub(super) fn fault(&mut self, fault: &Planned, phase: Phase) {
        debug_assert!(Fault::NAMES.contains(&fault.what.name()), "{} is not in the list", fault.what.name());
        if phase == Phase::Begins {
            self.note(fault.what.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happened_is_missed_by_name() {
        let mut sometimes = Sometimes::default();
        let drawn = Fault::NAMES.iter().filter(|kind| is_drawn(kind)).count();
        assert_eq!(sometimes.missing().len(), MUST_HAPPEN.len() + drawn);
        MUST_HAPPEN.iter().chain(Fault::NAMES).filter(|what| **what != "twin").for_each(|what| sometimes.note(what));
        assert_eq!(sometimes.missing(), ["twin"]);
    }
}
