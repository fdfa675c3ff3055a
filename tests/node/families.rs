//! Clusters of both address families: members that cannot be sent to are listed, not accused.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::time::{Duration, Instant as Wall};

use tidings::config::Config;
use tidings::event::Event;
use tidings::member::{Generation, Identity, State};
use tidings::protocol::{Protocol, Reach};
use tidings::time::Instant;

use crate::support::{node, read_until, start, state, until, within};

/// A host with an address of one family or of both; the first is the one that it tells.
struct Host {
    addresses: Vec<SocketAddr>,
    protocol: Protocol,
    told: Vec<Event>,
}

/// Whether the protocols are told which families their sockets can send to.
#[derive(Clone, Copy, PartialEq)]
enum Told {
    Reach,
    Nothing,
}

fn hosts(told: Told) -> Vec<Host> {
    let layouts: [(&str, &[&str]); 5] = [
        ("a1", &["10.0.0.1:7340"]),
        ("a2", &["10.0.0.2:7340"]),
        ("d", &["10.0.0.9:7340", "[fd00::9]:7340"]),
        ("c1", &["[fd00::1]:7340"]),
        ("c2", &["[fd00::2]:7340"]),
    ];

    let make = |(seed, (name, addresses)): (u64, (&str, &[&str]))| {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let identity = Identity::named(name, Generation(1), addresses[0]);
        let mut protocol = Protocol::new(Config::lan("mixed"), identity, seed, Instant::ORIGIN).unwrap();
        if told == Told::Reach && addresses.len() == 1 {
            protocol.set_reach(Instant::ORIGIN, Reach::of(addresses[0]));
        }
        let contact = if addresses[0].is_ipv4() { "10.0.0.9:7340" } else { "[fd00::9]:7340" };
        if addresses.len() == 1 {
            protocol.join(Instant::ORIGIN, &[contact.parse().unwrap()]);
        }
        Host { addresses, protocol, told: Vec::new() }
    };

    (1..).zip(layouts).map(make).collect()
}

/// Runs the hosts from one second to another, with a millisecond on every way; how many datagrams no socket could have
/// sent.
fn run(hosts: &mut [Host], seconds: Range<u64>) -> u64 {
    let (mut unsendable, mut buffer) = (0, Vec::new());
    let mut under_way: VecDeque<(Instant, SocketAddr, SocketAddr, Vec<u8>)> = VecDeque::new();

    for ms in seconds.start * 1_000..seconds.end * 1_000 {
        let now = Instant::ORIGIN + Duration::from_millis(ms);
        while under_way.front().is_some_and(|(at, ..)| *at <= now) {
            let (_, from, to, mut bytes) = under_way.pop_front().unwrap();
            if let Some(host) = hosts.iter_mut().find(|host| host.addresses.contains(&to)) {
                let _ = host.protocol.handle_datagram(now, from, &mut bytes);
            }
        }

        for host in hosts.iter_mut() {
            if host.protocol.poll_timeout().is_some_and(|at| at <= now) {
                host.protocol.handle_timeout(now);
            }
            while let Some(transmit) = host.protocol.poll_transmit(&mut buffer) {
                let own = host.addresses.iter().find(|own| own.is_ipv4() == transmit.to.is_ipv4());
                match own {
                    Some(own) => {
                        under_way.push_back((now + Duration::from_millis(1), *own, transmit.to, buffer.clone()));
                    }
                    None => unsendable += 1,
                }
            }
            host.told.extend(std::iter::from_fn(|| host.protocol.poll_event()));
        }
    }

    unsendable
}

fn accusations(hosts: &[Host]) -> usize {
    let is_one = |event: &&Event| matches!(event, Event::Suspect { .. } | Event::Dead { .. } | Event::Isolated { .. });
    hosts.iter().flat_map(|host| &host.told).filter(is_one).count()
}

#[test]
fn who_cannot_be_sent_to_is_listed_and_not_accused() {
    let mut mixed = hosts(Told::Reach);
    let unsendable = run(&mut mixed, 0..120);
    assert!(mixed.iter().all(|host| host.protocol.members().count() == 5), "all list all");
    assert_eq!((accusations(&mixed), unsendable), (0, 0));

    let mut untold = hosts(Told::Nothing);
    let unsendable = run(&mut untold, 0..30);
    assert!(accusations(&untold) > 0 && unsendable > 0, "without a word about sockets it goes wrong");
}

#[test]
fn who_cannot_be_sent_to_is_shown_as_the_others_say_and_dead_later() {
    let mut mixed = hosts(Told::Reach);
    run(&mut mixed, 0..30);
    let id = mixed.pop().unwrap().protocol.me().id();
    let mut seen = |seconds| {
        run(&mut mixed, seconds);
        let state = |host: &Host| host.protocol.member(id).map(|member| member.state());
        mixed.iter().map(state).collect::<Option<Vec<_>>>().unwrap()
    };
    // P is 3 s: one that asks it alone knows then, and those that cannot ask it three P after its silence began.
    let [a1, a2, _, c1] = seen(30..37)[..] else { panic!("four others") };
    assert_eq!([a1, a2, c1], [State::Suspect, State::Suspect, State::Dead]);
    assert_eq!(seen(37..60), [State::Dead; 4]);
}

/// Real sockets: two of each family, and one of both between them.
#[test]
fn real_sockets_of_both_families_live_together() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("SKIPPED: no IPv6 here");
        return;
    }
    let between = start(node("d").bind("[::]:0").advertise("127.0.0.1"));
    let port = between.local_address().port();
    let member = |name: &str, own: &str| start(node(name).bind(format!("{own}:0")).contacts([format!("{own}:{port}")]));
    let mut nodes = vec![between.clone()];
    nodes.extend(
        [("a1", "127.0.0.1"), ("a2", "127.0.0.1"), ("c1", "[::1]"), ("c2", "[::1]")].map(|(n, at)| member(n, at)),
    );
    for node in &nodes {
        until(node, |view| view.alive().count() == 5);
    }

    let end = Wall::now() + Duration::from_secs(8);
    let mut events: Vec<_> = nodes.iter().map(|node| node.events()).collect();
    for (node, events) in nodes.iter().zip(&mut events) {
        while let Some(Some(notice)) = within(end.saturating_duration_since(Wall::now()), events.next()) {
            let kind = notice.event.kind();
            assert!(!["suspect", "dead", "isolated"].contains(&kind), "{} told {:?}", node.name(), notice.event);
        }
    }

    drop(nodes.pop());
    read_until(&mut events[0], "dead", "c2");
    until(&nodes[1], |view| state(view, "c2") == Some(State::Dead));
}
