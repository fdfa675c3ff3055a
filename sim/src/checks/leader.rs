//! Eventually, of elections: some time after the faults each has a leader, if a quorum of its voters runs and one of
//! them can send to the others of a quorum and be sent to by them.

use std::net::SocketAddr;

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
        let voters: Vec<(u32, SocketAddr)> = (0..)
            .zip(world.hosts())
            .filter(|(_, host)| votes(host))
            .filter_map(|(number, host)| Some((number, host.protocol()?.me().address())))
            .collect();
        // A candidate and its voters write to each other by the addresses that they tell.
        let meet = |(some, at): &(u32, SocketAddr), (other, other_at): &(u32, SocketAddr)| {
            world.has_route(*some, *other_at) && world.has_route(*other, *at)
        };
        let met = |some: &(u32, SocketAddr)| voters.iter().filter(|other| meet(some, other)).count();
        let voting = voters.iter().map(met).max().unwrap_or_default();
        if voting * 2 > election.voters.len() && world.leader(place).is_none() {
            let text = format!("{voting} voters of {} run and meet, and nobody leads", election.name);
            return Some(Violation { check: "leads", at: world.now(), text, hosts: Vec::new() });
        }
    }
    None
}
