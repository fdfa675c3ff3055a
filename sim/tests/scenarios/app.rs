//! Applications in the simulator: their messages meet the faults, their timers keep the host's time, they die alone.

#[allow(dead_code)] // Its `main` runs as an example.
#[path = "../../examples/test_your_failover.rs"]
mod example;

use std::time::Duration;

use tidings::Instant;
use tidings_sim::fault::{Fault, Hosts, Inbox, Links, Planned, Towards};
use tidings_sim::scenario::{Scenario, Start};
use tidings_sim::shrink::shrink;
use tidings_sim::world::World;
use tidings_sim::{App, Context, Experiment};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than a message takes where nothing is wrong.
const SOON: Duration = Duration::from_millis(1);

/// Counts its starts on its disk and its ticks in memory, and says each tick to its neighbour and to itself.
#[derive(Debug, Default)]
struct Ticker {
    ticks: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Start(usize),
    Tick(u64),
    Heard { from: u32, tick: u64 },
}

impl App for Ticker {
    type Fact = Seen;

    fn on_start(&mut self, context: &mut Context<'_, Self>) {
        let starts = context.persisted().len() + 1;
        context.persist(vec![0; starts]);
        context.record(Seen::Start(starts));
        context.set_timer(SECOND, 1);
    }

    fn on_message(&mut self, context: &mut Context<'_, Self>, from: u32, message: &[u8]) {
        let tick = message.iter().fold(0, |tick, byte| tick << 8 | u64::from(*byte));
        context.record(Seen::Heard { from, tick });
    }

    fn on_timer(&mut self, context: &mut Context<'_, Self>, timer: u64) {
        self.ticks += 1;
        context.record(Seen::Tick(timer));
        let me = context.host();
        for to in [me ^ 1, me] {
            context.send(to, self.ticks.to_be_bytes());
        }
        context.set_timer(SECOND, self.ticks + 1);
    }
}

/// Two tickers that live through a fault; what they put on record.
fn lived_through(fault: Planned, seconds: u64) -> Vec<(Instant, u32, Seen)> {
    let mut scenario = Scenario::new("t", 2, SECOND * seconds as u32).with(fault);
    scenario.start = Start::Preloaded;
    let mut world: World<Ticker, ()> = World::new(&scenario, 3, |_| Ticker::default(), ()).unwrap();
    world.run(SECOND * seconds as u32);
    world.facts().iter().map(|recorded| (recorded.at, recorded.host, recorded.fact)).collect()
}

fn at(millis: u64) -> Instant {
    Instant::ORIGIN + Duration::from_millis(millis)
}

/// When a host ticked, in true time.
fn ticks(seen: &[(Instant, u32, Seen)], host: u32) -> Vec<Instant> {
    let ticks = seen.iter().filter(|(_, who, what)| *who == host && matches!(what, Seen::Tick(_)));
    ticks.map(|(at, ..)| *at).collect()
}

/// What a host heard of another, and when.
fn heard(seen: &[(Instant, u32, Seen)], host: u32, of: u32) -> Vec<(Instant, u64)> {
    let heard = seen.iter().filter_map(|(at, who, what)| match what {
        Seen::Heard { from, tick } if *who == host && *from == of => Some((*at, *tick)),
        _ => None,
    });
    heard.collect()
}

#[test]
fn messages_are_cut_one_way_and_pass_the_other() {
    let cut = Fault::Cut { links: Links::from_to(&[0], &[1]) };
    let seen = lived_through(Planned::at(SECOND * 9 / 2, cut).lasting(SECOND * 4), 12);
    let of = |host, of| heard(&seen, host, of).into_iter().map(|(_, tick)| tick).collect::<Vec<_>>();
    assert_eq!(of(1, 0), [1, 2, 3, 4, 9, 10, 11]);
    assert_eq!(of(0, 1), (1..=11).collect::<Vec<_>>());
}

#[test]
fn messages_are_lost_and_doubled_as_datagrams_are_but_not_those_to_oneself() {
    let seen = lived_through(Planned::at(Duration::ZERO, Fault::loss(500)), 201);
    let arrived = heard(&seen, 1, 0).len();
    assert!((60..140).contains(&arrived), "{arrived} of 200");
    assert_eq!(heard(&seen, 1, 1).len(), 200);
    let twice = Fault::Duplicate { links: Links::default(), permille: 1_000 };
    let seen = lived_through(Planned::at(Duration::ZERO, twice), 12);
    assert_eq!((heard(&seen, 1, 0).len(), heard(&seen, 1, 1).len()), (22, 11));
}

#[test]
fn what_a_blocked_host_says_waits_until_it_is_not_blocked() {
    let seen = lived_through(
        Planned::at(SECOND * 9 / 2, Fault::Block { hosts: Hosts::These(vec![0]) }).lasting(SECOND * 2),
        8,
    );
    assert_eq!(ticks(&seen, 0), (1..=8).map(|second| at(second * 1_000)).collect::<Vec<_>>());
    let late: Vec<_> = heard(&seen, 1, 0).into_iter().filter(|(_, tick)| [5, 6].contains(tick)).collect();
    assert!(late.iter().all(|(when, _)| *when > at(6_500) && *when < at(6_500) + SOON), "{late:?}");
    assert_eq!(late.len(), 2);
}

#[test]
fn timers_keep_the_time_of_a_clock_that_drifts() {
    let drift = Fault::Drift { hosts: Hosts::These(vec![0]), ppm: 250_000 };
    // It begins in the middle of a tick, whose second half passes a quarter faster.
    let seen = lived_through(Planned::at(SECOND / 2, drift), 10);
    let ticked = ticks(&seen, 0);
    for (tick, when) in (0..).zip(&ticked) {
        let exact = at(500 + 400 + tick * 800);
        assert!(*when >= exact && *when < exact + Duration::from_micros(1), "tick {tick} at {when}");
    }
    assert_eq!((ticked.len(), ticks(&seen, 1).len()), (12, 10));
}

#[test]
fn timers_follow_a_clock_that_is_set() {
    let step = |towards| Fault::Step { hosts: Hosts::These(vec![0]), by: SECOND * 5, towards };
    let seen = lived_through(Planned::at(SECOND * 7 / 2, step(Towards::Future)), 6);
    assert_eq!(ticks(&seen, 0), [1_000, 2_000, 3_000, 3_500, 4_500, 5_500].map(at));
    let seen = lived_through(Planned::at(SECOND * 7 / 2, step(Towards::Past)), 11);
    assert_eq!(ticks(&seen, 0), [1_000, 2_000, 3_000, 9_000, 10_000, 11_000].map(at));
}

#[test]
fn timers_of_a_paused_host_are_late_and_not_lost() {
    let seen = lived_through(Planned::at(SECOND * 9 / 2, Fault::pause(&[0])).lasting(SECOND * 3), 9);
    assert_eq!(ticks(&seen, 0), [1_000, 2_000, 3_000, 4_000, 7_500, 8_500].map(at));
    // What came meanwhile waited in the socket.
    assert_eq!(heard(&seen, 0, 1).len(), 8);
    let deaf = Fault::Pause { hosts: Hosts::These(vec![0]), inbox: Inbox::Dropped };
    let seen = lived_through(Planned::at(SECOND * 9 / 2, deaf).lasting(SECOND * 3), 9);
    assert_eq!(heard(&seen, 0, 1).len(), 5);
}

#[test]
fn timers_of_a_sleeping_machine_are_due_when_it_wakes() {
    let sleep = Fault::Suspend { hosts: Hosts::These(vec![0]), inbox: Inbox::Kept };
    let seen = lived_through(Planned::at(SECOND * 9 / 2, sleep).lasting(SECOND * 10), 17);
    assert_eq!(ticks(&seen, 0), [1_000, 2_000, 3_000, 4_000, 14_500, 15_500, 16_500].map(at));
}

#[test]
fn an_application_dies_with_its_process_and_its_disk_does_not() {
    let seen = lived_through(Planned::at(SECOND * 17 / 4, Fault::crash(&[0])).lasting(SECOND / 2), 9);
    let of_0: Vec<_> = seen.iter().filter(|(_, who, what)| *who == 0 && !matches!(what, Seen::Heard { .. })).collect();
    let expected = [
        (0, Seen::Start(1)),
        (1_000, Seen::Tick(1)),
        (2_000, Seen::Tick(2)),
        (3_000, Seen::Tick(3)),
        (4_000, Seen::Tick(4)),
        // The tick that was due at 5 s never comes: its successor runs then, and counts from 1 again.
        (4_750, Seen::Start(2)),
        (5_750, Seen::Tick(1)),
        (6_750, Seen::Tick(2)),
        (7_750, Seen::Tick(3)),
        (8_750, Seen::Tick(4)),
    ];
    assert_eq!(of_0, expected.map(|(millis, what)| (at(millis), 0, what)).iter().collect::<Vec<_>>());
}

#[test]
fn a_process_that_starts_on_a_stopped_host_begins_when_that_resumes() {
    let mut scenario = Scenario::new("t", 2, SECOND * 9)
        .with(Planned::at(SECOND * 2, Fault::crash(&[0])).lasting(SECOND * 2))
        .with(Planned::at(SECOND * 3, Fault::pause(&[0])).lasting(SECOND * 3));
    scenario.start = Start::Preloaded;
    let mut world: World<Ticker, ()> = World::new(&scenario, 3, |_| Ticker::default(), ()).unwrap();
    world.run(SECOND * 5);
    assert!(world.hosts()[0].is_up() && world.hosts()[0].app().is_none());
    world.run(SECOND * 2);
    let starts = world.facts().iter().filter(|recorded| recorded.host == 0 && recorded.fact == Seen::Start(2));
    assert_eq!(starts.map(|recorded| recorded.at).collect::<Vec<_>>(), [at(6_000)]);
}

/// Says the same thing to everyone twenty times a second.
#[derive(Debug)]
struct Chatterbox;

impl App for Chatterbox {
    type Fact = ();

    fn on_start(&mut self, context: &mut Context<'_, Self>) {
        context.set_timer(SECOND / 20, 0);
    }

    fn on_timer(&mut self, context: &mut Context<'_, Self>, _: u64) {
        context.live_hosts().into_iter().for_each(|other| context.send(other, *b"hello"));
        context.set_timer(SECOND / 20, 0);
    }
}

#[test]
fn messages_are_no_datagrams_of_the_protocol() {
    let scenario = Scenario::new("t", 3, SECOND * 60).with(Planned::at(SECOND * 5, Fault::pause(&[1])).lasting(SECOND));
    let quiet = Experiment::new(scenario.clone()).run(1).unwrap();
    let loud = Experiment::new(scenario).with_app(|_| Chatterbox).run(1).unwrap();
    assert_eq!((&quiet.violations, &loud.violations), (&Vec::new(), &Vec::new()));
    assert!(loud.datagrams < quiet.datagrams * 5 / 4 && loud.happenings > quiet.happenings * 3, "{loud:?}");
}

#[test]
fn an_eventual_promise_may_be_broken_during_the_faults_and_not_after_them() {
    let scenario =
        Scenario::new("t", 3, SECOND * 60).with(Planned::at(SECOND * 5, Fault::pause(&[1])).lasting(SECOND * 9));
    let recovers = Experiment::new(scenario.clone()).eventually("all run", |world| {
        if world.hosts().iter().all(|host| host.runs()) { Ok(()) } else { Err("one is paused".to_owned()) }
    });
    assert_eq!(recovers.run(1).unwrap().violations, []);
    let never = Experiment::new(scenario).eventually("never", |_| Err("so it is".to_owned()));
    let broken = never.run(1).unwrap().violations;
    assert_eq!(
        broken.iter().map(|broken| (broken.check, &broken.text[..])).collect::<Vec<_>>(),
        [("never", "so it is")]
    );
    // Asked only when they are over, and given the time that the protocol has.
    assert!(broken[0].at > at(14_000) + SECOND * 27, "{}", broken[0].at);
}

#[test]
fn the_same_seed_gives_the_same_applications_and_what_they_say_is_in_the_hash() {
    let run = |seed| {
        let (outcome, trace) = example::experiment(example::Rule::AtOnce).trace(seed).unwrap();
        (outcome.trace_hash, trace.lines().iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let first = run(7);
    assert_eq!(first, run(7));
    let other = run(8);
    assert!(first.0 != other.0 && first.1 != other.1);

    struct Says<const WHAT: u64>;
    impl<const WHAT: u64> App for Says<WHAT> {
        type Fact = ();
        fn on_start(&mut self, context: &mut Context<'_, Self>) {
            context.note(WHAT.to_string());
        }
    }
    let scenario = Scenario::new("t", 1, SECOND);
    let one = Experiment::new(scenario.clone()).with_app(|_| Says::<1>).run(1).unwrap();
    let two = Experiment::new(scenario).with_app(|_| Says::<2>).run(1).unwrap();
    assert_ne!(one.trace_hash, two.trace_hash);
}

#[test]
fn the_example_loses_a_write_and_shrinks_to_a_file_that_loses_it_again() {
    let experiment = example::experiment(example::Rule::AtOnce);
    let sweep = experiment.sweep(0..200).unwrap();
    let failure = sweep.failure.expect("no seed of 200 found the bug");
    assert_eq!((failure.violations[0].check, sweep.runs), ("nothing-is-lost", failure.seed + 1));
    let shrunk = shrink(&experiment, failure.seed, 60).unwrap().unwrap();
    assert!(shrunk.scenario.hosts == 5 && shrunk.scenario.faults.len() < 4, "{:?}", shrunk.scenario);
    let file = Scenario::from_toml(&shrunk.scenario.to_toml()).unwrap();
    let (again, trace) = experiment.on(file).trace(failure.seed).unwrap();
    assert_eq!(again.violations[0], shrunk.violation);
    let story: Vec<String> = trace.story().map(ToString::to_string).collect();
    assert!(story.iter().any(|line| line.contains("note     Acknowledged(")));
    assert!(story.iter().any(|line| line.contains("loses") && line.ends_with(": cut")));
    assert!(story.len() < trace.lines().len() / 4 && story.last().unwrap().contains("BROKEN   nothing-is-lost"));
}

#[test]
fn the_examples_other_rule_loses_nothing() {
    let sweep = example::experiment(example::Rule::Majority).sweep(0..100).unwrap();
    let failure = sweep.failure.map(|failure| (failure.seed, failure.violations));
    assert_eq!((failure, sweep.runs), (None, 100));
    // The sweep tried something: the faults had an effect.
    assert!(sweep.sometimes.count("told dead") > 50 && sweep.sometimes.count("healed") > 10, "{:?}", sweep.sometimes);
}
