//! Runs every small scenario of the catalogue, and every regression, and demands what each expects.
//!
//! What a scenario expects is worth nothing if it cannot fail, so each is also run with something else gone wrong,
//! until each of its expectations was broken once.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tidings_sim::Experiment;
use tidings_sim::expect::Expect;
use tidings_sim::fault::{Fault, Flap, Hosts, Inbox, Lie, Place, Planned, Repeat, WallClock};
use tidings_sim::scenario::{Scenario, catalogue};
use tidings_sim::violation::Violation;
use tidings_sim::world::World;

/// Scenarios in which more hosts than this can start are run by command.
const HOSTS_MAX: u32 = 64;
/// And so are those of more time than this, of all hosts together.
const HOST_TIME_MAX: Duration = Duration::from_secs(50_000);
const SEEDS: [u64; 2] = [1, 2];

/// Regressions that still fail, each for a defect of the protocol. One that passes must go from here.
const OPEN: [&str; 0] = [];

/// What a scenario expected and a run did not show.
fn run(scenario: &Scenario, seed: u64) -> Vec<Violation> {
    let mut world = World::new(scenario, seed, |_| (), Expect::new(scenario)).unwrap();
    world.run(scenario.lasts);
    let end = world.now();
    world.watch_mut().finish(end);
    world.watch().violations().to_vec()
}

fn small() -> impl Iterator<Item = Scenario> {
    let scenarios = catalogue().filter_map(|(name, _)| Scenario::named(name));
    scenarios.filter(is_small)
}

fn is_small(scenario: &Scenario) -> bool {
    scenario.host_limit() <= HOSTS_MAX && scenario.lasts * scenario.host_limit() <= HOST_TIME_MAX
}

#[test]
fn every_small_scenario_shows_what_it_expects() {
    let mut wrong = Vec::new();
    for scenario in small() {
        for seed in SEEDS {
            wrong.extend(run(&scenario, seed).iter().map(|violation| format!("seed {seed}: {violation}")));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_regression_is_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/found");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let scenario = Scenario::from_toml(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let seed = scenario.seed.unwrap_or_else(|| panic!("{}: name the seed", path.display()));
            let mut broken = run(&scenario, seed);
            broken.extend(Experiment::new(scenario.clone()).run(seed).unwrap().violations);
            let is_open = OPEN.contains(&scenario.name.as_str());
            assert_eq!(!broken.is_empty(), is_open, "{}: {broken:?}", path.display());
        }
    }
}

/// A change of a scenario, all of whose expectations stay.
type Change = fn(&mut Scenario);

/// What else goes wrong.
const MISCHIEF: [(&str, Change); 15] = [
    ("nothing goes wrong", |scenario| {
        scenario.faults.retain(|planned| matches!(planned.what, Fault::Join { .. } | Fault::Twin { .. }));
    }),
    ("P is half a second", |scenario| scenario.config.extend(knobs("500ms"))),
    ("P is two seconds", |scenario| scenario.config.extend(knobs("2s"))),
    ("tables are small", |scenario| drop(scenario.config.insert("members_max".to_owned(), 2.into()))),
    ("all crash", |scenario| add(scenario, ms(600), crash(Hosts::All), None)),
    ("half crash", |scenario| add(scenario, ms(600), crash(every_other(scenario, 0)), None)),
    ("the other half crashes", |scenario| add(scenario, ms(600), crash(every_other(scenario, 1)), None)),
    ("two halves for good", |scenario| {
        let half = every_other(scenario, 0).numbers(scenario.hosts);
        add(scenario, ms(600), Fault::Partition { groups: vec![half, Vec::new()], bridges: Vec::new() }, None);
    }),
    ("each is alone for good", |scenario| add(scenario, ms(600), singles(scenario), None)),
    ("each is alone for a while, twice", |scenario| {
        add(scenario, ms(3_000), singles(scenario), Some(ms(8_000)));
        add(scenario, ms(20_000), singles(scenario), Some(ms(15_000)));
    }),
    ("each restarts, and all restart", |scenario| {
        add(scenario, ms(1_500), crash(Hosts::All), Some(ms(300)));
        add(scenario, ms(41_000), crash(Hosts::All), Some(ms(300)));
        for planned in scenario.faults.iter_mut().rev().take(2) {
            planned.stagger = Some(ms(400));
        }
    }),
    ("all stop now and then", |scenario| {
        let pause = Fault::Pause { hosts: Hosts::All, inbox: Inbox::Dropped };
        add(scenario, ms(600), pause, Some(scenario.lasts));
        scenario.faults.iter_mut().last().unwrap().flap = Some(Flap { on: ms(900), off: ms(900) });
    }),
    ("each has a twin, and later another", |scenario| {
        for of in 0..scenario.hosts {
            add(scenario, ms(700), Fault::Twin { of }, None);
            add(scenario, ms(41_000), Fault::Twin { of }, None);
        }
    }),
    ("what goes wrong is over soon, and leaders resign", |scenario| {
        for planned in &mut scenario.faults {
            planned.flap = None;
            planned.lasts = planned.lasts.map(|lasts| lasts.min(ms(100)));
        }
        add(scenario, ms(700), Fault::Resign { hosts: Hosts::Leader, to: None }, None);
        scenario.faults.iter_mut().last().unwrap().again = Some(Repeat { every: ms(500), times: 100 });
    }),
    ("all change, and all are said to have left", |scenario| {
        add(scenario, ms(6_000), Fault::Metadata { hosts: Hosts::All, bytes: 7 }, None);
        add(scenario, ms(26_000), Fault::Metadata { hosts: Hosts::All, bytes: 8 }, None);
        let (hosts, every) = (Hosts::These(vec![0]), ms(700));
        let left = Fault::Lie { hosts, about: Hosts::All, what: Lie::Left, every };
        add(scenario, ms(600), left, None);
    }),
];

/// A quick prober that tolerates silence for so long.
fn knobs(stall_tolerance: &str) -> impl Iterator<Item = (String, serde_json::Value)> {
    let knobs = [("probe_interval", "200ms"), ("probe_timeout", "100ms"), ("stall_tolerance", stall_tolerance)];
    knobs.map(|(knob, value)| (knob.to_owned(), value.into())).into_iter()
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn add(scenario: &mut Scenario, at: Duration, what: Fault, lasts: Option<Duration>) {
    scenario.faults.push(Planned { lasts, ..Planned::at(at, what) });
}

fn crash(hosts: Hosts) -> Fault {
    Fault::Crash { hosts, clock: WallClock::Right, address: Place::Same }
}

fn every_other(scenario: &Scenario, first: usize) -> Hosts {
    Hosts::These((0..scenario.hosts).skip(first).step_by(2).collect())
}

fn singles(scenario: &Scenario) -> Fault {
    Fault::Partition { groups: (0..scenario.hosts).map(|host| vec![host]).collect(), bridges: Vec::new() }
}

#[test]
fn every_expectation_can_fail() {
    let mut firm = Vec::new();
    for scenario in small() {
        let mut left: BTreeSet<usize> = (1..=scenario.expectations.len()).collect();
        for (_, change) in MISCHIEF {
            if left.is_empty() {
                break;
            }
            let mut changed = scenario.clone();
            change(&mut changed);
            for violation in run(&changed, SEEDS[0]) {
                left.retain(|number| !violation.text.contains(&format!("expectation {number}:")));
            }
        }
        let never_broken = left.iter().map(|number| &scenario.expectations[number - 1]);
        firm.extend(never_broken.map(|expectation| format!("{}: {expectation}", scenario.name)));
    }
    assert!(firm.is_empty(), "nothing breaks these {}:\n{}", firm.len(), firm.join("\n"));
}
