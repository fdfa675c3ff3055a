//! Eventually, of elections: some time after the faults each has a leader, if a quorum of its voters runs and one of
//! them can send to the others of a quorum and be sent to by them.

use tidings::{Member, Protocol};

use crate::app::App;
use crate::violation::Violation;
use crate::watch::Watch;
use crate::world::{Host, World};

/// An election of which a quorum runs and which nobody leads.
#[must_use]
pub fn unled<A: App, W: Watch>(world: &World<A, W>) -> Option<Violation> {
    for (place, election) in world.config().elections.iter().enumerate() {
        let voting = most(world, place, meet);
        if voting * 2 > election.voters.len() && world.leader(place).is_none() {
            let text = format!("{voting} voters of {} run and meet, and nobody leads", election.name);
            return Some(Violation { check: "leads", at: world.now(), text, hosts: Vec::new() });
        }
    }
    None
}

/// Whether of some election a quorum runs that could meet, and that does not know yet where to write.
///
/// Voters write to each other where the membership list has them. After a partition, a move or a start whose clock does
/// not prove it to be the later one the list takes longer than an election to be right: members dial contacts seldom,
/// and an address is asked about for P. How long that may take, `finds` and `known` ask.
#[must_use]
pub fn is_estranged<A: App, W: Watch>(world: &World<A, W>) -> bool {
    world.config().elections.iter().enumerate().any(|(place, election)| {
        let is_quorum = |voting: usize| voting * 2 > election.voters.len();
        is_quorum(most(world, place, meet)) && !is_quorum(most(world, place, know))
    })
}

/// A voter that runs: its host, and itself.
type Voter<'a> = (u32, &'a Protocol);

/// The most voters of an election that one of them is with, itself among them.
fn most<A: App, W: Watch>(
    world: &World<A, W>,
    place: usize,
    is_with: fn(&World<A, W>, Voter<'_>, Voter<'_>) -> bool,
) -> usize {
    let names = world.config().elections.get(place).map_or(&[][..], |election| &election.voters);
    let votes = |host: &&Host<A>| {
        let stays = host.protocol().is_some_and(|protocol| protocol.leave_progress().is_none());
        stays && host.runs() && !host.is_blocked() && names.iter().any(|voter| voter == host.name())
    };
    let running = (0..).zip(world.hosts()).filter(|(_, host)| votes(host));
    let voters: Vec<Voter<'_>> = running.filter_map(|(number, host)| Some((number, host.protocol()?))).collect();
    let with = |one: &Voter<'_>| voters.iter().filter(|other| is_with(world, *one, **other)).count();
    voters.iter().map(with).max().unwrap_or_default()
}

/// Whether two voters can write to each other by the addresses that they tell.
fn meet<A: App, W: Watch>(world: &World<A, W>, (some, one): Voter<'_>, (others, other): Voter<'_>) -> bool {
    world.has_route(some, other.me().address()) && world.has_route(others, one.me().address())
}

/// Whether they can, and each has the other where it receives.
fn know<A: App, W: Watch>(world: &World<A, W>, one: Voter<'_>, other: Voter<'_>) -> bool {
    let holds = |(some, one): Voter<'_>, (others, other): Voter<'_>| {
        let held = one.member(other.me().id()).map(Member::address);
        some == others || held.is_some_and(|at| world.reach(some, at) == Some(others))
    };
    meet(world, one, other) && holds(one, other) && holds(other, one)
}
