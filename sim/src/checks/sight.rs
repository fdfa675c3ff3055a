//! Which hosts hear of each other where they speak different families of addresses.
//!
//! A host that speaks both carries news between the others. Without one that runs, each family is a cluster of its own,
//! and nothing can be asked of the two together. Where every host speaks v4 alone all hear of all.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::app::App;
use crate::watch::Watch;
use crate::world::World;

/// The running hosts in groups, within each of which news get around.
#[derive(Debug)]
pub(super) struct Sight {
    /// The group of each running host: the lowest number in it.
    groups: BTreeMap<u32, u32>,
}

impl Sight {
    pub(super) fn of<A: App, W: Watch>(world: &World<A, W>) -> Self {
        let running: Vec<(u32, SocketAddr)> =
            (0..).zip(world.hosts()).filter_map(|(host, one)| Some((host, one.protocol()?.me().address()))).collect();
        let mut groups: BTreeMap<u32, u32> = running.iter().map(|(host, _)| (*host, *host)).collect();
        for (some, at) in &running {
            for (other, other_at) in running.iter().filter(|(other, _)| other > some) {
                let ways = (world.has_route(*some, *other_at), world.has_route(*other, *at));
                // A host that can be sent to answers to where it was asked from, though it has no route by which to
                // ask. With a liar about that is not enough: a member that the liar said has left is not asked any
                // more.
                let meet = if world.scenario().has_liar() { ways.0 && ways.1 } else { ways.0 || ways.1 };
                let (one, two) = (groups[some], groups[other]);
                if meet && one != two {
                    groups.values_mut().filter(|group| **group == one.max(two)).for_each(|group| *group = one.min(two));
                }
            }
        }
        Sight { groups }
    }

    /// The group of a host, if it runs.
    pub(super) fn group(&self, host: u32) -> Option<u32> {
        self.groups.get(&host).copied()
    }

    /// Whether a host's group can tell what became of a member at this address: some host of it can send there.
    pub(super) fn sees<A: App, W: Watch>(&self, world: &World<A, W>, host: u32, at: SocketAddr) -> bool {
        let group = self.group(host);
        self.groups
            .iter()
            .any(|(other, others)| Some(*others) == group && *other != host && world.has_route(*other, at))
            || world.has_route(host, at)
    }
}
