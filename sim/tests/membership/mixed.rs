//! Clusters whose members differ: in their configuration, and in the release they run.
#![allow(clippy::unwrap_used)]

mod later;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tidings::config::{Config, ElectionConfig};
use tidings::event::Event;
use tidings::member::{Fingerprint, NodeId, State};
use tidings::wire::Rejected;
use tidings_sim::Scenario;
use tidings_sim::fault::Hosts;
use tidings_sim::scenario::Differs;
use tidings_sim::world::{Rewrite, World};

use crate::support::{Cluster, Net, Tap, id, lan, ms, secs};

fn net(scenario: &Scenario, seed: u64) -> Net {
    let mut net = World::new(scenario, seed, |_| (), Tap::default()).unwrap();
    net.keep_told();
    net
}

#[test]
fn one_short_datagram_among_long_ones_divides_nothing() {
    for (usual, other) in [(8_192, 1_400), (1_400, 65_507)] {
        let config = Config { datagram_bytes_max: usual, ..lan() };
        let scenario = Scenario::new("limits", 200, secs(60)).configured(&config);
        let scenario = scenario.differing(Hosts::These(vec![0]), [("datagram_bytes_max", other.into())]);
        let mut net = net(&scenario, 1);
        let is_whole = |net: &Net| net.up().len() == 200 && net.all_agree();
        assert!(net.until(secs(10), is_whole), "{usual} and one {other}: {:?}", net.protocol(0).metrics());
    }
}

/// A knob at an end of its range, and what else must then differ for the configuration to be allowed.
type Extreme = (&'static str, &'static [(&'static str, &'static str)]);

const EXTREMES: [Extreme; 40] = [
    ("probe_interval low", &[("probe_interval", "20ms"), ("probe_timeout", "20ms")]),
    ("probe_interval high", &[("probe_interval", "3s")]),
    ("probe_timeout low", &[("probe_timeout", "10ms")]),
    ("probe_timeout high", &[("probe_timeout", "1s")]),
    ("stall_tolerance low", &[("stall_tolerance", "300ms"), ("probe_interval", "300ms"), ("probe_timeout", "300ms")]),
    ("stall_tolerance at the interval", &[("stall_tolerance", "1s")]),
    ("stall_tolerance high", &[("stall_tolerance", "1h")]),
    ("both high", &[("stall_tolerance", "1h"), ("probe_interval", "1h"), ("probe_timeout", "1h")]),
    ("indirect_checks low", &[("indirect_checks", "0")]),
    ("indirect_checks high", &[("indirect_checks", "16")]),
    ("confirmations low", &[("confirmations", "0")]),
    ("confirmations high", &[("confirmations", "3")]),
    ("retransmit_mult low", &[("retransmit_mult", "1")]),
    ("retransmit_mult high", &[("retransmit_mult", "10")]),
    ("forward_fanout low", &[("forward_fanout", "1")]),
    ("forward_fanout high", &[("forward_fanout", "16")]),
    ("forward_rate low", &[("forward_rate", "1")]),
    ("forward_rate high", &[("forward_rate", "10000")]),
    ("forward_burst low", &[("forward_burst", "1")]),
    ("forward_burst high", &[("forward_burst", "10000")]),
    ("metadata_bytes_per_second low", &[("metadata_bytes_per_second", "1024")]),
    ("metadata_bytes_per_second high", &[("metadata_bytes_per_second", "1000000000")]),
    ("sync_quiet low", &[("sync_quiet", "10ms")]),
    ("sync_quiet high", &[("sync_quiet", "1h")]),
    ("sync_patience low", &[("sync_patience", "10ms")]),
    ("sync_patience high", &[("sync_patience", "1h")]),
    ("ghosts_max low", &[("ghosts_max", "0")]),
    ("ghosts_max high", &[("ghosts_max", "65536")]),
    ("ghost_retention low", &[("ghost_retention", "0ms")]),
    ("ghost_retention high", &[("ghost_retention", "8760h")]),
    ("news_max low", &[("news_max", "16")]),
    ("news_max high", &[("news_max", "65536")]),
    ("leave_timeout low", &[("leave_timeout", "0ms")]),
    ("leave_timeout high", &[("leave_timeout", "1h")]),
    ("members_max low", &[("members_max", "2")]),
    ("members_max high", &[("members_max", "65536")]),
    ("datagram_bytes_max low", &[("datagram_bytes_max", "1200")]),
    ("datagram_bytes_max high", &[("datagram_bytes_max", "65507")]),
    ("events_max low", &[("events_max", "16")]),
    ("events_max high", &[("events_max", "1048576")]),
];

/// Hosts of each cluster; the last one crashes, the one before it leaves, and neither differs.
const HOSTS: u32 = 8;

/// What came of one difference.
struct Row {
    seen: Option<Duration>,
    suspects: usize,
    false_dead: usize,
    found: Option<Duration>,
    /// The same among those that do not differ.
    found_by_others: Option<Duration>,
    left: Option<Duration>,
}

fn knobs(knobs: &[(&str, &str)]) -> BTreeMap<String, Value> {
    let value = |text: &str| text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from);
    knobs.iter().map(|(knob, text)| ((*knob).to_owned(), value(text))).collect()
}

/// A cluster of which the first `differing` hosts are otherwise: joins, stays quiet, loses a host and lets one go.
fn try_difference(differing: u32, config: &BTreeMap<String, Value>) -> Row {
    let mut scenario = Scenario::new("knobs", HOSTS, secs(36_000));
    scenario.differs.push(Differs { hosts: Hosts::These((0..differing).collect()), config: config.clone() });
    let configs = scenario.configs().unwrap();
    let mut net = net(&scenario, 1);
    // A host with a small table holds as many as fit; no other may miss a member for it.
    let has_room = |n: u32| configs.of(n).members_max >= HOSTS as usize;
    let all = |net: &Net, of: u32, holds: fn(Option<State>) -> bool| {
        net.up().into_iter().filter(|n| has_room(*n) && *n != of).all(|n| holds(net.state(n, of)))
    };
    let began = net.now();
    let seen = net.until(secs(30), |net| {
        net.up().len() == HOSTS as usize && (0..HOSTS).all(|of| all(net, of, |state| state == Some(State::Alive)))
    });
    let seen = seen.then(|| net.now().since(began));
    net.run(secs(60));
    let suspects = net.told().iter().filter(|(.., event)| matches!(event, Event::Suspect { .. })).count();
    let false_dead = net.told().iter().filter(|(.., event)| matches!(event, Event::Dead { .. })).count();

    let tolerance = configs.most(|config| config.stall_tolerance);
    let (crashed, began) = (HOSTS - 1, net.now());
    net.crash(crashed);
    let is_found = |state: Option<State>| state.is_none_or(|state| state == State::Dead);
    let others = |net: &Net| (differing..HOSTS - 1).all(|n| is_found(net.state(n, crashed)));
    let found_by_others = net.until(tolerance * 4, others).then(|| net.now().since(began));
    let found = net.until(tolerance * 4, |net| all(net, crashed, is_found)).then(|| net.now().since(began));

    let (leaver, began) = (HOSTS - 2, net.now());
    net.leave(leaver);
    let left = net.until(secs(30), |net| all(net, leaver, |state| state.is_none())).then(|| net.now().since(began));
    Row { seen, suspects, false_dead, found, found_by_others, left }
}

/// The larger P, and some rounds of the member that probes least.
fn found_within(differing: u32, config: &BTreeMap<String, Value>) -> Duration {
    let mut scenario = Scenario::new("knobs", HOSTS, secs(1));
    scenario.differs.push(Differs { hosts: Hosts::These((0..differing).collect()), config: config.clone() });
    let configs = scenario.configs().unwrap();
    configs.most(|config| config.stall_tolerance) + configs.most(|config| config.probe_interval) * 2
}

#[test]
fn every_knob_may_differ() {
    let (mut wrong, text) =
        (Vec::new(), |span: Option<Duration>| span.map_or("never".to_owned(), |s| format!("{s:.1?}")));
    println!(
        "{:32} {:>4} {:>8} {:>8} {:>5} {:>9} {:>9} {:>8}",
        "knob", "of 8", "seen", "suspects", "dead", "found", "by others", "left"
    );

    for (name, differs) in EXTREMES {
        for differing in [1, HOSTS / 2] {
            let config = knobs(differs);
            let row = try_difference(differing, &config);
            let Row { seen, suspects, false_dead, found, found_by_others, left } = row;
            let (s, f, o, l) = (text(seen), text(found), text(found_by_others), text(left));
            println!("{name:32} {differing:>4} {s:>8} {suspects:>8} {false_dead:>5} {f:>9} {o:>9} {l:>8}");

            // `Config::members_max` says so: a node that joins through full tables alone may miss a member, and too few
            // may then be there to confirm.
            let is_divided = (name, differing) == ("members_max low", HOSTS / 2);
            let within = if is_divided { lan().stall_tolerance * 3 } else { found_within(differing, &config) };
            let is_well = (is_divided || seen.is_some_and(|seen| seen <= secs(10)))
                && suspects == 0
                && false_dead == 0
                && found.is_some_and(|found| found <= within)
                && found_by_others.is_some_and(|found| found <= lan().stall_tolerance + secs(5))
                && left.is_some_and(|left| left <= secs(5));

            if !is_well {
                wrong.push((name, differing));
            }
        }
    }

    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_knob_is_in_the_table() {
    let config = serde_json::to_value(lan()).unwrap();
    for knob in config.as_object().unwrap().keys().filter(|knob| !["cluster", "elections"].contains(&knob.as_str())) {
        let ends = EXTREMES.iter().filter(|(_, knobs)| knobs.iter().any(|(name, _)| name == knob)).count();
        assert!(ends >= 2, "{knob} has no ends in the table");
    }
}

#[test]
fn what_differs_is_told_in_words() {
    let scenario = Scenario::new("told", 3, secs(60));
    let differs = [("probe_interval", "2s".into()), ("stall_tolerance", "8s".into())];
    let mut net = net(&scenario.differing(Hosts::These(vec![1]), differs), 1);
    assert!(net.until(secs(10), |net| net.up().len() == 3 && net.all_agree()));
    let told = |net: &Net, n: u32| -> Vec<(String, String)> {
        let protocol = net.protocol(n);
        let ours: Fingerprint = protocol.me().fingerprint().unwrap();
        let words = |theirs: Fingerprint| theirs.difference_from(&ours).unwrap();
        protocol.differing().map(|(member, theirs)| (member.name().to_owned(), words(theirs))).collect()
    };
    let words = "probe_interval 2s, here 1s; stall_tolerance 8s, here 3s".to_owned();
    for n in [0, 2] {
        assert_eq!(told(&net, n), [("n1".to_owned(), words.clone())]);
        let reads = net.protocol(n).member(id(1)).and_then(tidings::Member::reads).unwrap();
        assert_eq!((reads.lowest, reads.highest, reads.features), (1, 1, 0));
    }
    assert_eq!(told(&net, 1).len(), 2);
}

#[test]
fn members_of_a_later_release_are_understood() {
    let hosts = 8;
    let voters: Vec<String> = (0..5).map(|n| format!("n{n}")).collect();
    let config = Config { elections: vec![ElectionConfig::lan("default", voters).stands_always()], ..lan() };
    for seed in 1..=3 {
        let scenario = Scenario::new("later", hosts, secs(600)).configured(&config);
        let mut net = net(&scenario, seed);
        let is_later = |host: u32| host % 2 == 1;
        net.set_rewrite(Some(Rewrite::new(move |from, datagram| {
            let me = NodeId::from_name(&format!("n{from}"));
            is_later(from).then(|| later::said_later("c", me, datagram))
        })));

        let is_whole = |net: &Net| net.up().len() == hosts as usize && net.all_agree();
        assert!(net.until(secs(10), is_whole), "seed {seed}");
        for n in 0..hosts {
            net.on(n, |protocol, now| protocol.set_metadata(now, &[n as u8; 300]).unwrap());
        }
        assert!(net.until(secs(20), is_whole), "seed {seed}");
        net.run(secs(20));

        for n in 0..hosts {
            let protocol = net.protocol(n);
            let metrics = protocol.metrics();
            // Messages that cross or come before their sender is known are refused among equals too.
            let unread =
                [Rejected::Truncated, Rejected::Oversized, Rejected::Version, Rejected::Kind, Rejected::Malformed];
            let unread: u64 = unread.into_iter().map(|reason| metrics.rejected.of(reason)).sum();
            assert_eq!(unread, 0, "{n}, seed {seed}: {:?}", metrics.rejected);
            assert!(metrics.messages_unknown > 0, "{n} met no message of a later kind, seed {seed}");
            assert!(
                net.told_to(n, tidings::Instant::ORIGIN).all(|(_, event)| event.kind() != "suspect"),
                "seed {seed}"
            );
            assert!(protocol.elections().all(|election| election.leader().is_some()), "{n}, seed {seed}");

            for other in (0..hosts).filter(|other| *other != n) {
                let record = protocol.member(id(other)).unwrap().record();
                assert_eq!(record.extra().ends_with(&later::FIELD), is_later(other), "{n} of {other}, seed {seed}");
                assert_eq!(record.fingerprint(), net.protocol(other).me().fingerprint(), "{n} of {other}");
                assert_eq!(record.metadata(), [other as u8; 300], "{n} of {other}, seed {seed}");
            }
        }

        for crashed in [6, 7] {
            let began = net.now();
            net.crash(crashed);
            let is_dead = |net: &Net| net.up().into_iter().all(|n| net.state(n, crashed) == Some(State::Dead));
            assert!(net.until(secs(5), is_dead), "{crashed}, seed {seed}");
            let dead: Vec<_> =
                net.told().iter().filter(|(at, _, e)| *at >= began && matches!(e, Event::Dead { .. })).collect();
            assert_eq!(net.false_dead(began), 0, "seed {seed}, {crashed}: {dead:#?}");
        }

        net.restart(7, 2_000_000_000_000);
        net.leave(5);
        assert!(net.until(secs(10), |net| net.up() == [0, 1, 2, 3, 4, 7] && net.all_agree()), "seed {seed}");
        net.run(ms(500));
    }
}
