//! What a node writes to the log: one line per change of state, and a bounded number about everything else.
//!
//! A flood of bad datagrams, or an address that flaps, must not fill a disk; so those lines are counted and told at
//! most once in their interval.

use std::net::SocketAddr;
use std::time::Duration;

use tracing::{debug, info, warn};

use crate::event::Event;
use crate::member::Member;
use crate::recording::RecordError;
use crate::time::Instant;
use crate::wire::Rejected;

/// Rejected datagrams are told at most this often.
const REJECTED_EVERY: Duration = Duration::from_secs(1);
/// A doubtful advertised address is told at most this often.
const ADDRESS_EVERY: Duration = Duration::from_secs(60);

/// A store that fails is told at most this often.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Remembers what was told, and when.
#[derive(Debug)]
pub(crate) struct Reporter {
    node: String,
    rejected: u64,
    rejected_told: Option<Instant>,
    seen_at: Option<SocketAddr>,
    seen_told: Option<Instant>,
    saves_failed: u64,
    save_told: Option<Instant>,
}

impl Reporter {
    pub(crate) fn new(node: &str) -> Self {
        Reporter {
            node: node.to_owned(),
            rejected: 0,
            rejected_told: None,
            seen_at: None,
            seen_told: None,
            saves_failed: 0,
            save_told: None,
        }
    }

    pub(crate) fn started(&self, me: &Member, local: SocketAddr, contacts: usize) {
        let node = self.node.as_str();
        info!(target: "tidings::node", node, generation = me.generation().0, %local, address = %me.address(), contacts, "started");
    }

    pub(crate) fn stopped(&self, reason: &dyn std::fmt::Display) {
        info!(target: "tidings::node", node = self.node.as_str(), "stopped: {reason}");
    }

    /// One line per change of state.
    pub(crate) fn event(&self, event: &Event) {
        let node = self.node.as_str();
        match event {
            Event::Suspect { member, by, reason, .. } => {
                let (peer, generation) = (member.name(), member.generation().0);
                info!(target: "tidings::member", node, peer, generation, address = %member.address(), ?by, "suspect: {reason}");
            }
            Event::Dead { member, by, reason, isolated } => {
                let (peer, generation) = (member.name(), member.generation().0);
                info!(target: "tidings::member", node, peer, generation, address = %member.address(), ?by, provisional = *isolated, "dead: {reason}");
            }
            Event::Up(member) | Event::Refuted(member) | Event::Left(member) | Event::Updated(member) => {
                let (peer, generation) = (member.name(), member.generation().0);
                info!(target: "tidings::member", node, peer, generation, address = %member.address(), "{}", event.kind());
            }
            Event::SelfStalled { gap } => {
                info!(target: "tidings::node", node, ?gap, "this node did not run; it judges nobody until others answered");
            }
            Event::Isolated { reachable, known } => {
                warn!(target: "tidings::node", node, reachable, known, "too few members answer this node; its verdicts are provisional");
            }
            Event::Reconnected => info!(target: "tidings::node", node, "enough members answer again"),
            Event::Superseded { by } => tracing::error!(
                target: "tidings::node", node, %by,
                "a later start of this name is alive at {by}: this node stops; stop one of the two, or give one another name"
            ),
            Event::Leader { leader, trigger } => {
                let (election, term, peer) = (&*leader.election, leader.term.0, &*leader.name);
                info!(target: "tidings::election", node, election, term, peer, "leader: {trigger}");
            }
            Event::LeaderLost { leader, reason } => {
                let (election, term, peer) = (&*leader.election, leader.term.0, &*leader.name);
                info!(target: "tidings::election", node, election, term, peer, "leader lost: {reason}");
            }
            Event::VotersDiffer { election, members } => {
                warn!(target: "tidings::election", node, election = &**election, ?members, "these members have another configuration of the election: give all the same voters, lease and drift");
            }
            Event::Full { members_max } => {
                warn!(target: "tidings::node", node, members_max, "the table is full, a new member was refused; raise members_max");
            }
        }
    }

    /// The recording has ended before the node: told once, for there is one recording.
    pub(crate) fn recording_ended(&self, why: &RecordError, bytes: u64) {
        warn!(target: "tidings::node", node = self.node.as_str(), bytes, "the recording has ended, the node goes on: {why}");
    }

    /// An even number of voters bears the loss of no more of them than one fewer does.
    pub(crate) fn even_voters(&self, election: &str, voters: usize) {
        warn!(target: "tidings::election", node = self.node.as_str(), election, voters, "an even number of voters bears no more losses than one fewer: configure an odd one");
    }

    /// Counts a ballot that could not be saved, and tells of it unless that was done a while ago.
    pub(crate) fn save_failed(&mut self, now: Instant, election: &str, error: &dyn std::fmt::Display) {
        self.saves_failed += 1;
        if is_due(self.save_told, now, SAVE_EVERY) {
            warn!(target: "tidings::election", node = self.node.as_str(), election, count = self.saves_failed, "this voter could not save its ballot, so it does not vote: {error}");
            self.saves_failed = 0;
            self.save_told = Some(now);
        }
    }

    /// Counts a rejected datagram, and tells of it unless that was done a moment ago.
    pub(crate) fn rejected(&mut self, now: Instant, from: SocketAddr, reason: Rejected) {
        self.rejected += 1;
        if is_due(self.rejected_told, now, REJECTED_EVERY) {
            debug!(target: "tidings::node", node = self.node.as_str(), %from, count = self.rejected, "rejected datagrams; the last was {reason}");
            self.rejected = 0;
            self.rejected_told = Some(now);
        }
    }

    /// Warns when most others see this node elsewhere than it says.
    pub(crate) fn seen_elsewhere(&mut self, now: Instant, seen_at: Option<SocketAddr>, own: SocketAddr) {
        if seen_at == self.seen_at || !is_due(self.seen_told, now, ADDRESS_EVERY) {
            return;
        }
        self.seen_at = seen_at;
        if let Some(seen_at) = seen_at {
            self.seen_told = Some(now);
            warn!(target: "tidings::node", node = self.node.as_str(), %own, %seen_at, "most members see this node at {seen_at}, it says {own}; call .advertise(..) with the address they should use");
        }
    }
}

fn is_due(told: Option<Instant>, now: Instant, every: Duration) -> bool {
    told.is_none_or(|told| now.since(told) >= every)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Metadata, Subscriber};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<AtomicUsize>);

    impl Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    /// How many lines ten minutes of something make, told a hundred times a second.
    fn lines_of_ten_minutes(mut tell: impl FnMut(&mut Reporter, Instant, u64)) -> usize {
        let (lines, mut reporter) = (Lines::default(), Reporter::new("n1"));
        tracing::subscriber::with_default(lines.clone(), || {
            for ms in (0..600_000).step_by(10) {
                tell(&mut reporter, Instant::from_nanos(ms * 1_000_000), ms);
            }
        });
        lines.0.load(Ordering::SeqCst)
    }

    #[test]
    fn a_flood_of_bad_datagrams_makes_one_line_a_second() {
        let from = "127.0.0.1:1".parse().unwrap();
        let lines = lines_of_ten_minutes(|reporter, now, _| reporter.rejected(now, from, Rejected::Tag));
        assert_eq!(lines, 600);
    }

    #[test]
    fn a_store_that_fails_makes_one_line_a_minute() {
        let lines = lines_of_ten_minutes(|reporter, now, _| reporter.save_failed(now, "default", &"disk full"));
        assert_eq!(lines, 10);
    }

    #[test]
    fn a_flapping_address_makes_one_line_a_minute_and_a_steady_one_a_single_line() {
        let at = |port| std::net::SocketAddr::from(([10, 0, 0, 1], port));
        let flapping = |ms: u64| Some(at(1 + (ms % 7) as u16)).filter(|_| ms % 30 > 0);
        let lines = lines_of_ten_minutes(|reporter, now, ms| reporter.seen_elsewhere(now, flapping(ms), at(9)));
        assert_eq!(lines, 10);
        assert_eq!(lines_of_ten_minutes(|reporter, now, _| reporter.seen_elsewhere(now, Some(at(1)), at(9))), 1);
    }
}
