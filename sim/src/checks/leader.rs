//! Eventually, of elections: some time after the faults each has a leader, if a quorum of its voters runs and one of
//! them can send to the others of a quorum and be sent to by them.

use tidings::voters::Voters;
use tidings::{Member, Protocol};

use crate::app::App;
use crate::violation::Violation;
use crate::watch::Watch;
use crate::world::{Host, World};

/// An election of which a quorum runs and that has no leader.
#[must_use]
pub fn unled<A: App, W: Watch>(world: &World<A, W>) -> Option<Violation> {
    for (place, election) in world.config().elections.iter().enumerate() {
        let voters = electorate(world, place);
        if is_quorum(world, &voters, meet) && world.leader(place).is_none() {
            let text = format!("a quorum of the voters of {} runs and meets, and nobody leads", election.name);
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
    (0..world.config().elections.len()).any(|place| {
        let voters = electorate(world, place);
        is_quorum(world, &voters, meet) && !is_quorum(world, &voters, know)
    })
}

/// An election that has a leader, and whose voters change: the hash of both lists, and what is wrong if that goes on
/// and on.
#[must_use]
pub fn unsettled<A: App, W: Watch>(world: &World<A, W>) -> Option<(u64, Violation)> {
    for (place, election) in world.config().elections.iter().enumerate() {
        let leader = world.leader(place).and_then(|host| world.hosts().get(host as usize)?.protocol());
        let of_leader = leader.and_then(|protocol| protocol.election(&election.name));
        if let Some(voters) = of_leader.map(|of| of.rules().electorate()).filter(|voters| voters.is_joint()) {
            let text = format!("the voters of {} change and never have: {voters:?}", election.name);
            let check = Violation { check: "changes-end", at: world.now(), text, hosts: Vec::new() };
            return Some((voters.digest(), check));
        }
    }
    None
}

/// The latest configuration of voters that any running host knows.
fn electorate<A: App, W: Watch>(world: &World<A, W>, place: usize) -> Voters {
    let Some(election) = world.config().elections.get(place) else { return Voters::first([""; 0]) };
    let known = world.hosts().iter().filter_map(|host| host.protocol()?.election(&election.name));
    let latest = known.map(|known| known.rules().electorate()).max_by_key(|voters| voters.version());
    latest.map_or_else(|| Voters::first(&election.voters), Voters::clone)
}

/// Whether one voter is with more than half of each list.
fn is_quorum<A: App, W: Watch>(
    world: &World<A, W>,
    voters: &Voters,
    is_with: fn(&World<A, W>, Voter<'_>, Voter<'_>) -> bool,
) -> bool {
    let present: Vec<&str> = voters.present().map(|name| &**name).collect();
    let next: Option<Vec<&str>> = voters.next().map(|next| next.map(|name| &**name).collect());
    let has_quorum = |list: &Vec<&str>| most(world, list, is_with) * 2 > list.len();
    has_quorum(&present) && next.is_none_or(|next| has_quorum(&next))
}

/// A voter that runs: its host, and itself.
type Voter<'a> = (u32, &'a Protocol);

/// The most of some voters that one of them is with, itself among them.
fn most<A: App, W: Watch>(
    world: &World<A, W>,
    names: &[&str],
    is_with: fn(&World<A, W>, Voter<'_>, Voter<'_>) -> bool,
) -> usize {
    let votes = |host: &&Host<A>| {
        let stays = host.protocol().is_some_and(|protocol| protocol.leave_progress().is_none());
        stays && host.runs() && !host.is_blocked() && names.contains(&host.name())
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
