//! In the steady state nothing is taken from the heap, by the protocol or by the world that drives it.
//!
//! The counter is `allocation-counter`'s: it counts the calling thread alone, so that neither the harness nor another
//! test is counted.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use allocation_counter::measure;
use tidings::config::Config;
use tidings::time::Instant;
use tidings_sim::Scenario;
use tidings_sim::forge::{NACK, PING};
use tidings_sim::network::Fate;
use tidings_sim::scenario::Start;
use tidings_sim::watch::Watch;
use tidings_sim::world::{Filter, World};

/// An ack without news is 38 bytes; a record with a name of two bytes and 3 bytes of metadata more than 41.
const SIX_UPDATES_BYTES: usize = 38 + 6 * 41;
const HOSTS: u32 = 8;
const SPAN: Duration = Duration::from_secs(12);

/// Counts the datagrams with six updates by their kind, while it is asked to.
#[derive(Debug, Default)]
struct Laden {
    by_kind: [u64; 9],
    counts: bool,
}

impl Watch for Laden {
    fn sent(&mut self, _: Instant, _: u32, _: Option<u32>, datagram: &[u8], _: &Fate) {
        self.by_kind[usize::from(datagram[1])] += u64::from(self.counts && datagram.len() >= SIX_UPDATES_BYTES);
    }
}

/// Seven of the eight have something new to tell.
fn renew(world: &mut World<(), Laden>, version: u8) {
    for n in 1..HOSTS {
        world.call(n, |protocol, now| protocol.set_metadata(now, &[version, 0, 0])).unwrap().unwrap();
    }
}

#[test]
fn ten_thousand_datagrams_and_the_wakes_between_allocate_nothing() {
    let config = Config { retransmit_mult: 10, ..Config::lan("c") };
    let mut scenario = Scenario::new("t", HOSTS, Duration::from_secs(3_600)).configured(&config);
    // A host without contacts resolves none, which the world does every few minutes and which allocates.
    scenario.start = Start::Preloaded;
    let mut world = World::new(&scenario, 1, |_| (), Laden::default()).unwrap();
    world.run(Duration::from_secs(10));

    // Pings of 0 and of 2 to 1 are lost, those of others come through: relays both nack and answer, and no member is
    // suspected.
    world.set_filter(Some(Filter::new(|from, to, datagram| datagram[1] == PING && to == 1 && [0, 2].contains(&from))));

    // The queues grow to what this traffic needs: 3 P and more, because every ping is remembered for so long.
    for version in 0..4 {
        renew(&mut world, version);
        world.run(SPAN);
    }

    let kinds = usize::from(PING)..=usize::from(NACK);
    let (mut version, mut allocations) = (4, 0);
    while world.watch().by_kind[kinds.clone()].iter().sum::<u64>() < 10_000 {
        assert!(version < 200, "too few datagrams carry six updates: {:?}", world.watch().by_kind);
        // A new update must be stored, which allocates; once all hold it, it is known and rides on.
        renew(&mut world, version);
        world.run(Duration::from_secs(1));
        world.watch_mut().counts = true;
        allocations += measure(|| world.run(SPAN)).count_total;
        world.watch_mut().counts = false;
        version += 1;
    }

    let laden = world.watch().by_kind;
    assert!(laden[kinds].iter().all(|count| *count > 50), "{laden:?}");
    let suspicions: u64 = world.hosts().iter().map(|host| host.protocol().unwrap().metrics().suspicions).sum();
    assert_eq!((allocations, suspicions), (0, 0), "{laden:?} by kind");
}
