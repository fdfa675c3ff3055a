//! Eventually, of elections: some time after the faults each has a leader, if a quorum of its voters runs.

use crate::app::App;
use crate::violation::Violation;
use crate::watch::Watch;
use crate::world::{Host, World};

/// An election of which a quorum runs and which nobody leads.
#[must_use]
pub fn unled<A: App, W: Watch>(world: &World<A, W>) -> Option<Violation> {
    for (place, election) in world.config().elections.iter().enumerate() {
        let votes = |host: &&Host<A>| {
            let stays = host.protocol().is_some_and(|protocol| protocol.leave_progress().is_none());
            stays && host.runs() && !host.is_blocked() && election.voters.iter().any(|voter| voter == host.name())
        };
        let voting = world.hosts().iter().filter(votes).count();
        if voting * 2 > election.voters.len() && world.leader(place).is_none() {
            let text = format!("{voting} voters of {} run, and nobody leads", election.name);
            return Some(Violation { check: "leads", at: world.now(), text, hosts: Vec::new() });
        }
    }
    None
}
