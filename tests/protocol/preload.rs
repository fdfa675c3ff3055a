//! Taking in a saved view: all of it at once, and each member once.
#![allow(clippy::unwrap_used)]

use tidings::config::Config;
use tidings::event::Event;
use tidings::member::{Generation, Identity, Incarnation, Member, Record};
use tidings::protocol::Protocol;
use tidings::time::Instant;

fn identity(n: usize) -> Identity {
    Identity::named(&format!("n{n}"), Generation(1_000), ([10, 0, 0, n as u8], 7_340).into())
}

fn record(n: usize) -> Record {
    Record::new(&identity(n), Incarnation(0), &[]).unwrap()
}

fn names<'a>(members: impl Iterator<Item = &'a Member>) -> Vec<String> {
    members.map(|member| member.name().to_owned()).collect()
}

#[test]
fn what_there_is_room_for_is_taken_in_once_each_and_told_in_order() {
    let nowhere = Identity { address: "0.0.0.0:1".parse().unwrap(), ..identity(99) };
    let nowhere = Record::new(&nowhere, Incarnation(0), &[]).unwrap();
    let saved: Vec<Record> =
        [3, 0, 1, 3, 7].map(record).into_iter().chain([nowhere]).chain((1..6).map(record)).collect();
    let all = [0, 3, 1, 7, 2, 4, 5];
    // How many of the saved view find no space: an id that is there twice is refused twice.
    for (members_max, refused) in [(2, 6), (3, 4), (4, 3), (5, 2), (6, 1), (7, 0), (20, 0)] {
        let config = Config { members_max, ..Config::lan("c") };
        let mut protocol = Protocol::new(config, identity(0), 1, Instant::ORIGIN).unwrap();
        protocol.preload(Instant::ORIGIN, &saved);

        let expected: Vec<String> = all.into_iter().take(members_max).map(|n| identity(n).name).collect();
        assert_eq!(names(protocol.members()), expected, "{members_max}");
        assert_eq!(protocol.metrics().members_refused, refused, "{members_max}");

        let events: Vec<Event> = std::iter::from_fn(|| protocol.poll_event()).collect();
        assert_eq!(names(events.iter().filter_map(Event::member)), expected);
        let is_full = |event: &Event| matches!(event, Event::Full { .. });
        assert_eq!(events.iter().filter(|event| is_full(event)).count(), usize::from(refused > 0));
        assert!(refused == 0 || events.last().is_some_and(is_full), "{members_max}");

        protocol.preload(Instant::ORIGIN, &saved[..2]);
        assert!(protocol.poll_event().is_none(), "known members are no news");
    }
}
