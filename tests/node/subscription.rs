//! The subscription over real nodes: whatever its speed, a reader arrives at the view, and it costs the protocol
//! nothing.

use std::time::Duration;

use tidings::config::Config;
use tidings::event::{DeadReason, Event};
use tidings::member::State;
use tidings::runtime::{Events, Node, Notice, View};

use crate::support::{block_on, cluster, drain, is, node, start, state, until, within};

/// Whatever changes is told at once: these tests make events of metadata.
const UNPACED: u32 = 1_000_000_000;

/// A cluster name of its own, and a ring that is easily fallen out of.
fn small_ring() -> Config {
    Config { events_max: 16, metadata_bytes_per_second: UNPACED, ..Config::local("test") }
}

fn fold(view: &mut View, read: &[Notice]) {
    for notice in read {
        view.apply(&notice.event);
    }
}

/// Says so many things that everyone has to hear of the last.
fn chatter(node: &Node, words: u32) {
    for word in 0..words {
        block_on(node.set_metadata(word.to_le_bytes())).unwrap();
    }
}

#[test]
fn readers_of_every_speed_arrive_at_the_view() {
    let first = start(node("n1").config(small_ring()));
    let mut others: Vec<_> = (2..=4).map(|n| start(node(&format!("n{n}")).contacts([first.local_address()]))).collect();
    until(&first, |view| view.alive().count() == 4);

    // Each reads so many events every so many rounds; a round makes one, and the ring holds 16.
    let mut readers: Vec<(Events, View, u32, usize)> = [(1, 7), (1, 1), (30, 40), (1_000, 0)]
        .into_iter()
        .map(|(every, count)| (first.events(), View::empty(first.id()), every, count))
        .collect();

    for round in 0..200_u32 {
        block_on(first.set_metadata(round.to_le_bytes())).unwrap();
        if round == 50 {
            drop(others.pop());
        }
        if round == 100 {
            block_on(others.pop().unwrap().leave()).unwrap();
        }
        for (events, folded, every, count) in &mut readers {
            let now = if round % *every == *every - 1 { *count } else { 0 };
            let read: Vec<_> = (0..now).map_while(|_| events.try_next()).collect();
            assert!(*every > 1 || read.iter().all(|notice| !notice.coalesced), "it keeps up");
            fold(folded, &read);
        }
    }

    until(&first, |view| state(view, "n4") == Some(State::Dead) && view.len() == 3);
    for (events, folded, every, _) in &mut readers {
        let read = drain(events);
        assert!(*every < 1_000 || read.iter().any(|notice| notice.coalesced), "it never came");
        fold(folded, &read);
        assert!(folded.says_the_same(&first.view()), "every {every}: {folded:?}");
    }
}

#[test]
fn one_that_reads_only_at_the_end_sees_the_death_before_the_return() {
    let first = start(node("n1").config(small_ring()));
    let contact = first.local_address();
    let second = start(node("n2").contacts([contact]));
    let old = second.view().me().unwrap().generation();
    until(&first, |view| view.alive().count() == 2);
    let mut late = first.events();

    let address = second.local_address();
    let stopped = second.stopped();
    drop(second);
    block_on(stopped);
    let new = old.next(); // a start within the same millisecond would have the same by default
    let _second = start(node("n2").generation(new).bind(address).contacts([contact]));
    let returned =
        |view: &View| view.by_name("n2").is_some_and(|n2| n2.generation() == new && n2.state() == State::Alive);
    until(&first, returned);
    chatter(&first, 40);

    let read = drain(&mut late);
    let about: Vec<_> = read.iter().filter(|notice| notice.event.member().is_some_and(|m| m.name() == "n2")).collect();
    let [came, died, returned] = about.as_slice() else { panic!("{about:?}") };
    assert!(is(came, "up", "n2") && !came.coalesced && came.event.member().unwrap().generation() == old);
    assert!(died.coalesced && returned.coalesced);
    assert!(
        matches!(&died.event, Event::Dead { member, reason: DeadReason::Restarted, .. } if member.generation() == old)
    );
    assert!(is(returned, "up", "n2") && returned.event.member().unwrap().generation() == new);
    let mut folded = View::empty(first.id());
    fold(&mut folded, &read);
    assert!(folded.says_the_same(&first.view()));
}

#[test]
fn readers_that_never_come_cost_the_protocol_nothing() {
    let lan = |name: &str| {
        node(name).config(Config { events_max: 16, metadata_bytes_per_second: UNPACED, ..Config::lan("test") })
    };
    let first = start(lan("n1"));
    let second = start(lan("n2").contacts([first.local_address()]));
    until(&first, |view| view.alive().count() == 2);
    until(&second, |view| view.alive().count() == 2);
    let sleepers: Vec<Events> = (0..500).map(|_| first.events()).collect();
    let before = block_on(first.metrics()).protocol;
    chatter(&first, 5_000);
    let after = block_on(first.metrics()).protocol;
    assert_eq!(after.late_wakes, before.late_wakes, "lateness rose to {} us", after.lateness_max_us);
    drop(sleepers);
}

#[test]
fn a_waiting_reader_hears_at_once_and_keeps_nothing_alive() {
    let nodes = cluster(2);
    let mut events = nodes[0].events();
    drain(&mut events);
    assert!(within(Duration::ZERO, events.next()).is_none(), "nothing has happened");
    block_on(nodes[0].set_metadata("news")).unwrap();
    assert!(is(&block_on(events.next()).unwrap(), "updated", "n1"));
    let stopped = nodes[0].stopped();
    drop(nodes);
    block_on(stopped);
    while let Some(notice) = block_on(events.next()) {
        assert!(!notice.coalesced);
    }
}

#[cfg(feature = "stream")]
#[test]
fn a_subscription_is_a_stream() {
    use futures_core::Stream;
    use std::pin::Pin;
    let node = start(node("n1"));
    let mut events = node.events();
    let next = std::future::poll_fn(|cx| Stream::poll_next(Pin::new(&mut events), cx));
    assert!(is(&block_on(next).unwrap(), "up", "n1"));
}
