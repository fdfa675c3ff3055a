//! What the core takes from the heap: nothing in the steady state, and so much for each member it knows.
//!
//! The counter is `allocation-counter`'s: it counts the calling thread alone, so that neither the harness nor another
//! test is counted.
#![allow(clippy::unwrap_used)]

#[path = "../benches/support/cluster.rs"]
mod cluster;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use allocation_counter::measure;
use cluster::{Cluster, address, identity};
use tidings::config::Config;
use tidings::member::{Incarnation, Record};
use tidings::protocol::Protocol;
use tidings::time::Instant;

/// Heap for each healthy member known, in bytes.
const MEMBER_BYTES_MAX: f64 = 160.0;
/// The same when the records are the caller's too, who shares their names, and are taken in at once.
const SHARED_MEMBER_BYTES_MAX: f64 = 125.0;
const MEMBERS: usize = 10_000;

const PING: u8 = 1;
const NACK: u8 = 4;
/// An ack without news is 38 bytes; a record with a 16-byte name and 3 bytes of metadata more than 49.
const SIX_UPDATES_BYTES: usize = 38 + 6 * 49;

thread_local! {
    static COUNTED: Cell<u64> = const { Cell::new(0) };
    static IS_COUNTING: Cell<bool> = const { Cell::new(false) };
}

/// Makes a call into a protocol and counts what it allocated.
fn counting(call: &mut dyn FnMut()) {
    if IS_COUNTING.get() {
        COUNTED.set(COUNTED.get() + measure(call).count_total);
    } else {
        call();
    }
}

/// Pings of 0 and of 2 to 1 are lost, those of others come through: relays both nack and answer, and nobody is
/// suspected.
fn lose_some_pings(from: usize, to: usize, bytes: &[u8]) -> bool {
    bytes[1] == PING && to == 1 && (from == 0 || from == 2)
}

#[test]
fn ten_thousand_datagrams_and_the_wakes_between_allocate_nothing() {
    let config = Config { retransmit_mult: 10, ..Config::lan("c") };
    let mut cluster = Cluster::formed(config, 1, 8).unwrap().unwrap();
    let laden = Rc::new(RefCell::new([0_u64; 16]));
    let seen = Rc::clone(&laden);
    cluster.tap = Some(Box::new(move |_, _, bytes| {
        if IS_COUNTING.get() && bytes.len() >= SIX_UPDATES_BYTES {
            seen.borrow_mut()[usize::from(bytes[1])] += 1;
        }
    }));
    cluster.drops = lose_some_pings;
    cluster.around = counting;
    // The queues grow to what this traffic needs: 3 P and more, because every ping is remembered for so long.
    for version in 0..4_u8 {
        renew(&mut cluster, version);
        cluster.run(Duration::from_secs(12));
    }
    let mut version = 4;
    while laden.borrow()[usize::from(PING)..=usize::from(NACK)].iter().sum::<u64>() < 10_000 {
        assert!(version < 200, "too few datagrams carry six updates: {:?}", laden.borrow());
        // A new update must be stored, which allocates; once all hold it, it is known and rides on.
        renew(&mut cluster, version);
        cluster.run(Duration::from_secs(1));
        IS_COUNTING.set(true);
        cluster.run(Duration::from_secs(12));
        IS_COUNTING.set(false);
        version += 1;
    }
    assert!(
        laden.borrow()[usize::from(PING)..=usize::from(NACK)].iter().all(|count| *count > 50),
        "{:?}",
        laden.borrow()
    );
    let suspicions: u64 = cluster.hosts.iter().map(|host| host.protocol.metrics().suspicions).sum();
    assert_eq!((COUNTED.get(), suspicions), (0, 0), "{:?} by kind", laden.borrow());
}

/// Seven of the eight have something new to tell.
fn renew(cluster: &mut Cluster, version: u8) {
    for n in 1..cluster.hosts.len() {
        cluster.call(n, |protocol, now| protocol.set_metadata(now, &[version, 0, 0])).unwrap();
    }
}

#[test]
fn a_known_healthy_member_takes_at_most_160_bytes() {
    let mut protocol = Protocol::new(Config::lan("c"), identity(0, 0), 1, Instant::ORIGIN).unwrap();
    while protocol.poll_event().is_some() {}
    let info = measure(|| {
        let records: Vec<Record> =
            (1..=MEMBERS).map(|n| Record::new(&identity(n, 0), Incarnation(0), &[]).unwrap()).collect();
        for page in records.chunks(100) {
            protocol.preload(Instant::ORIGIN, page);
            while protocol.poll_event().is_some() {}
        }
    });
    assert_eq!(protocol.metrics().members_alive, MEMBERS + 1);
    let each = info.bytes_current as f64 / MEMBERS as f64;
    println!("{each:.1} bytes for each of {MEMBERS} members, {} blocks", info.count_current);
    assert!(each <= MEMBER_BYTES_MAX, "{each:.1} bytes for each of {MEMBERS} members");
    assert_eq!(protocol.member(identity(MEMBERS, 0).id).unwrap().address(), address(MEMBERS));
}

#[test]
fn ten_thousand_taken_in_at_once_leave_nothing_behind_but_their_rows() {
    let records: Vec<Record> =
        (1..=MEMBERS).map(|n| Record::new(&identity(n, 0), Incarnation(0), &[]).unwrap()).collect();
    let mut kept = None;
    let info = measure(|| {
        let mut protocol = Protocol::new(Config::lan("c"), identity(0, 0), 1, Instant::ORIGIN).unwrap();
        protocol.preload(Instant::ORIGIN, &records);
        let mut datagram = Vec::new();
        while protocol.poll_transmit(&mut datagram).is_some() {}
        while protocol.poll_event().is_some() {}
        kept = Some(protocol);
    });
    assert_eq!(kept.unwrap().metrics().members_alive, MEMBERS + 1);
    let each = info.bytes_current as f64 / MEMBERS as f64;
    println!("{each:.1} bytes for each of {MEMBERS} members with shared names, {} blocks", info.count_current);
    assert!(each <= SHARED_MEMBER_BYTES_MAX, "{each:.1} bytes for each of {MEMBERS} members");
}
