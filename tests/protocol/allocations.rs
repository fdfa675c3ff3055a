//! What the core takes from the heap for each member it knows, and for the messages of a steady leader. In the steady
//! state it takes nothing, which the simulator's tests show for membership.
//!
//! The counter is `allocation-counter`'s: it counts the calling thread alone, so that neither the harness nor another
//! test is counted.
#![allow(clippy::unwrap_used)]

#[path = "../../benches/support/steady_leader.rs"]
mod steady_leader;

use allocation_counter::measure;
use steady_leader::SteadyLeader;
use tidings::config::Config;
use tidings::member::{Generation, Identity, Incarnation, Record};
use tidings::protocol::Protocol;
use tidings::time::Instant;

/// Heap for each healthy member known, in bytes.
const MEMBER_BYTES_MAX: f64 = 160.0;
/// The same when the records are the caller's too, so that names are shared, and are taken in at once.
const SHARED_MEMBER_BYTES_MAX: f64 = 125.0;
const MEMBERS: usize = 10_000;

/// The identity of member `n`; its name has 16 bytes.
fn identity(n: usize) -> Identity {
    let [_, a, b, c] = (n as u32).to_be_bytes();
    Identity::named(&format!("node-{n:011}"), Generation(1_000), ([10, a, b, c], 7_340).into())
}

#[test]
fn a_known_healthy_member_takes_at_most_160_bytes() {
    let mut protocol = Protocol::new(Config::lan("c"), identity(0), 1, Instant::ORIGIN).unwrap();
    while protocol.poll_event().is_some() {}
    let info = measure(|| {
        let records: Vec<Record> =
            (1..=MEMBERS).map(|n| Record::new(&identity(n), Incarnation(0), &[]).unwrap()).collect();
        for page in records.chunks(100) {
            protocol.preload(Instant::ORIGIN, page);
            while protocol.poll_event().is_some() {}
        }
    });
    assert_eq!(protocol.metrics().members_alive, MEMBERS + 1);
    let each = info.bytes_current as f64 / MEMBERS as f64;
    println!("{each:.1} bytes for each of {MEMBERS} members, {} blocks", info.count_current);
    assert!(each <= MEMBER_BYTES_MAX, "{each:.1} bytes for each of {MEMBERS} members");
    assert_eq!(protocol.member(identity(MEMBERS).id).unwrap().address(), identity(MEMBERS).address);
}

#[test]
fn ten_thousand_taken_in_at_once_leave_nothing_behind_but_their_rows() {
    let records: Vec<Record> = (1..=MEMBERS).map(|n| Record::new(&identity(n), Incarnation(0), &[]).unwrap()).collect();
    let mut kept = None;
    let info = measure(|| {
        let mut protocol = Protocol::new(Config::lan("c"), identity(0), 1, Instant::ORIGIN).unwrap();
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

#[test]
fn a_steady_leader_takes_nothing_from_the_heap() {
    const ROUNDS: usize = 1_000;
    let (mut leader, mut follower) = (SteadyLeader::leading(), SteadyLeader::following());
    // What is remembered of rounds has grown to its size by then.
    for _ in 0..100 {
        assert_eq!((leader.beat(), leader.answer(), follower.hear()), (4, 4, true));
    }
    let led = measure(|| {
        for _ in 0..ROUNDS {
            assert_eq!((leader.beat(), leader.answer()), (4, 4));
        }
    });
    let followed = measure(|| {
        for _ in 0..ROUNDS {
            assert!(follower.hear());
        }
    });
    assert_eq!((led.count_total, followed.count_total), (0, 0));
    assert!(leader.voter.lease(leader.now).is_some() && follower.voter.leader().is_some());
}
