//! Always, of a leader that did not run for a while: it acts only once a quorum has answered it anew.
//!
//! A leader that is looked at twice, more than two heartbeats apart by its own clock, missed one that was due by more
//! than a heartbeat in between, and had to notice. What is let through: an answer that was sent after it woke counts,
//! though the question may be one of before.

use std::collections::{BTreeMap, BTreeSet};

use tidings::election::Election;
use tidings::{Instant, NodeId, Protocol, Term};

use crate::checks::votes::is_quorum;
use crate::violation::Violation;
use crate::watch::Life;

#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// By election and host.
    leaderships: BTreeMap<(usize, u32), Leadership>,
}

/// The leadership of one host in one term.
#[derive(Debug)]
struct Leadership {
    term: Term,
    /// The latest that its clock had said when it was last looked at.
    seen: Instant,
    /// When it woke, in true time, and which voters have answered since.
    woke: Option<(Instant, BTreeSet<NodeId>)>,
}

impl Fresh {
    /// Whether answers to a host are of interest now.
    pub(super) fn awaits(&self, host: u32) -> bool {
        self.leaderships.iter().any(|((_, of), leadership)| *of == host && leadership.woke.is_some())
    }

    /// A voter's answer to a heartbeat has arrived, which was sent then.
    pub(super) fn answered(&mut self, host: u32, election: usize, term: Term, voter: NodeId, sent: Instant) {
        let leadership = self.leaderships.get_mut(&(election, host)).filter(|leadership| leadership.term == term);
        if let Some((woke, voters)) = leadership.and_then(|leadership| leadership.woke.as_mut()) {
            if sent >= *woke {
                voters.insert(voter);
            }
        }
    }

    pub(super) fn lives(&mut self, host: u32, life: Life) {
        if matches!(life, Life::Started | Life::Crashed | Life::Left | Life::Superseded) {
            self.leaderships.retain(|(_, of), _| *of != host);
        }
    }

    /// A host has been looked at, at a moment of true time, whose own clock had said `latest` at most.
    pub(super) fn turned(
        &mut self,
        now: Instant,
        latest: Instant,
        host: u32,
        protocol: &Protocol,
    ) -> Option<Violation> {
        let each = protocol.elections().enumerate();
        each.filter_map(|(place, election)| self.look((now, latest), (place, host), election)).next()
    }

    fn look(
        &mut self,
        (now, latest): (Instant, Instant),
        (place, host): (usize, u32),
        election: &Election,
    ) -> Option<Violation> {
        let Some((term, _)) = election.leadership() else {
            self.leaderships.remove(&(place, host));
            return None;
        };

        let leadership = self.leaderships.entry((place, host)).or_insert(Leadership { term, seen: latest, woke: None });
        if leadership.term != term {
            *leadership = Leadership { term, seen: latest, woke: None };
        }

        // It was not looked at for so long that it must have missed a heartbeat.
        if latest.since(leadership.seen) > election.rules().heartbeat() * 2 {
            leadership.woke = Some((now, BTreeSet::new()));
        }
        leadership.seen = latest;

        let (woke, voters) = leadership.woke.as_ref()?;
        let me = election.me();
        if is_quorum(election.rules().electorate(), |id| id == me || voters.contains(&id)) {
            leadership.woke = None;
            return None;
        }

        // Without a lease it does not act.
        election.lease(latest)?;
        Some(Violation {
            check: "acts-fresh",
            at: now,
            text: format!(
                "n{host} woke at {woke} and acts in term {term} of {}, and since then only {voters:?} answered",
                election.rules().name()
            ),
            hosts: vec![host],
        })
    }
}
