//! Measures against values made by hand: ranks, ranges, and what a watched run is said to have shown.
//!
//! The figures of the ranges are those of published tables, so that no formula is checked against itself.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde_json::Value;
use tidings::Instant;
use tidings_sim::Scenario;
use tidings_sim::fault::{Fault, Hosts, Place, Planned, WallClock};
use tidings_sim::lab::measure::interval::{self, Interval};
use tidings_sim::lab::measure::sample::{MEDIAN, P99, P999, Sample};
use tidings_sim::lab::measure::{Measures, measure};
use tidings_sim::scenario::Start;
use tidings_sim::world::World;

use crate::program;

const SECOND: Duration = Duration::from_secs(1);

#[track_caller]
fn near(found: Interval, low: f64, high: f64) {
    let is_near =
        |found: Option<f64>, wanted: f64| found.is_some_and(|found| (found - wanted).abs() < 0.002 * wanted.max(0.1));
    assert!(is_near(found.low, low) && is_near(found.high, high), "{found:?}, not {low} to {high}");
}

#[test]
fn percentiles_are_values_measured_by_nearest_rank() {
    let ten = Sample::of([50, 10, 20, 30, 100, 90, 80, 40, 70, 60]);
    let told = |sample: &Sample| {
        [sample.min(), sample.percentile(MEDIAN), sample.percentile(P99), sample.max(), sample.mean()]
    };
    assert_eq!(told(&ten), [10, 50, 100, 100, 55].map(Some));
    let thousand = Sample::of((1..=1_000).rev());
    assert_eq!([P99, P999].map(|at| thousand.percentile(at)), [Some(990), Some(999)]);
    assert_eq!(told(&Sample::of([7])), [Some(7); 5]);
    assert_eq!(told(&Sample::of([])), [None; 5]);
}

#[test]
fn ranges_of_percentiles_are_the_tabulated_ranks() {
    // Conover, table of the binomial: the median of 10 lies between ranks 2 and 9, that of 100 between 40 and 61.
    assert_eq!(interval::ranks(10, 500), (Some(2), Some(9)));
    assert_eq!(interval::ranks(100, 500), (Some(40), Some(61)));
    // 0.99 to the power of 300 is above 0.025, to that of 400 below: only then is there an upper end.
    assert_eq!([interval::ranks(300, 990).1, interval::ranks(400, 990).1], [None, Some(400)]);
    assert_eq!(interval::ranks(3, 500), (None, None));
    near(Sample::of(1..=100).interval(MEDIAN), 40.0, 61.0);
}

#[test]
fn values_of_one_run_do_not_pass_for_independent() {
    let runs = [1, 2, 3, 4, 5, 6, 7, 8].map(|run| (Duration::from_secs(u64::from(run)), run));
    let one_each = Sample::of_spans(runs).interval(MEDIAN);
    let hundred_each = Sample::of_spans(runs.into_iter().flat_map(|value| [value; 100]));
    let range = hundred_each.interval(MEDIAN);
    // A hundred times the values of the same eight runs say no more of where the median is.
    assert!(range.low <= Some(3e9) && range.high >= Some(6e9), "{range:?}");
    assert!(one_each.low <= range.low && one_each.high >= range.high, "{one_each:?} {range:?}");
    let of_one_run = Sample::of_spans([(SECOND, 0), (SECOND * 2, 0)]);
    assert_eq!(of_one_run.interval(MEDIAN), Interval::default());
}

#[test]
fn ranges_of_counts_and_shares_are_the_tabulated_ones() {
    // Garwood 1936; the rule of three; Wilson 1927.
    near(interval::count(1), 0.0253, 5.572);
    near(interval::count(10), 4.795, 18.39);
    near(interval::count(100), 81.36, 121.63);
    assert_eq!(interval::count(0), Interval { low: Some(0.0), high: Some(3.0) });
    near(interval::share(5, 10), 0.2366, 0.7634);
    near(interval::share(0, 30), 0.0, 0.1135);
    assert_eq!(interval::share(0, 0), Interval::default());
}

fn jobs(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn preloaded(hosts: u32, seconds: u64) -> Scenario {
    Scenario { start: Start::Preloaded, ..Scenario::new("measured", hosts, SECOND * seconds as u32) }
}

fn crash() -> Planned {
    let hosts = Hosts::Random { random: 1 };
    Planned::at(SECOND * 10, Fault::Crash { hosts, clock: WallClock::Right, address: Place::Same })
}

fn measured(scenario: &Scenario, seeds: u64) -> Measures {
    measure(|_| scenario.clone(), 0..seeds, jobs(2)).unwrap()
}

#[test]
fn a_crash_is_found_after_p_by_all_and_nobody_else_is_dead() {
    let found = measured(&preloaded(5, 30).with(crash()), 8);
    assert_eq!((found.runs, found.crashes, found.unfound, found.false_deaths.len()), (8, 8, 0, 0));
    let counts = [&found.first_suspect, &found.first_dead, &found.last_dead, &found.spread].map(Sample::len);
    assert_eq!(counts, [8; 4]);
    // P counts from the first ping that went unanswered, which may have been under way at the crash.
    assert!(found.first_dead.min() >= Some(2_990_000_000) && found.last_dead.max() < Some(6_000_000_000), "{found:?}");
    assert!(found.first_suspect.max() < found.first_dead.max() && found.first_dead.min() <= found.last_dead.min());
    // Eight runs of four hosts for 30 s, and of one for 10 s.
    assert_eq!(found.node_time, SECOND * 8 * (4 * 30 + 10));
    assert_eq!((found.suspects, found.refuted, found.datagrams_rate.len()), (8 * 4, 0, 8 * 5));
}

#[test]
fn a_join_is_known_to_all_and_a_restart_too() {
    let restart = crash().lasting(SECOND * 15);
    let found = measured(
        &preloaded(4, 60)
            .with(restart)
            .with(Planned::at(SECOND * 40, Fault::Join { count: 1, clock: Default::default() })),
        4,
    );
    assert_eq!((found.joins, found.joined.len(), found.crashes), (8, 8, 4));
    assert!(found.joined.min() > Some(0) && found.joined.max() < Some(5_000_000_000), "{:?}", found.joined);
}

#[test]
fn false_deaths_are_counted_with_who_was_ill() {
    let block = Planned::at(SECOND * 10, Fault::Block { hosts: Hosts::These(vec![0]) }).lasting(SECOND * 33);
    let found = measured(&preloaded(16, 60).with(block), 2);
    let by = |observer: bool, victim: bool| {
        let is_one = |death: &&tidings_sim::lab::measure::observer::FalseDeath| {
            (death.observer_ailed, death.victim_ailed) == (observer, victim)
        };
        found.false_deaths.iter().filter(is_one).count()
    };
    // All others rightly give up the blocked host, and it gives up them, but only provisionally.
    assert_eq!((by(false, false), by(false, true)), (0, 2 * 15));
    assert!(by(true, false) > 0, "{found:?}");
    assert!(found.false_deaths.iter().all(|death| death.verdict.is_provisional == death.observer_ailed));
    // Each of the two runs lost the blocked one once, whichever host said so.
    assert_eq!(found.incidents, (2 + by(true, false)) as u64);
}

#[test]
fn measures_are_the_same_whoever_makes_them() {
    let scenario = Scenario::named("lossy-burst").unwrap();
    let scenario = Scenario { lasts: SECOND * 20, expectations: Vec::new(), ..scenario };
    let all = [1, 3, 1].map(|count| measure(|_| scenario.clone(), 5..11, jobs(count)).unwrap());
    let told = all.map(|measures| (measures.trace_hash, measures.table(), measures.json().to_string()));
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
    let others = measure(|_| scenario.clone(), 6..12, jobs(1)).unwrap();
    assert_ne!(others.trace_hash, told[0].0);
}

#[test]
fn the_last_line_of_json_is_an_object_with_the_measures() {
    let ran = program::sim(&["measure", "crash", "--seeds", "3..7", "--jobs", "2", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let last = program::last_json(&ran);
    assert_eq!((&last["seeds"], &last["violations"]), (&"3..7".into(), &Value::Array(Vec::new())));
    for key in ["trace_hash", "virtual_s", "wall_s", "happenings", "datagrams"] {
        assert!(!last[key].is_null(), "{key} in {last}");
    }
    let measures = &last["measures"];
    assert_eq!((&measures["crashes"], &measures["first_dead"]["n"]), (&4.into(), &4.into()));
    let median = measures["first_dead"]["median"].as_f64().unwrap();
    assert!((2.9..6.0).contains(&median), "{median}");
    // Four values are too few for a range.
    assert_eq!(measures["first_dead"]["median_95"], serde_json::json!([null, null]));
}

#[test]
fn commands_that_make_no_sense_are_refused() {
    for bad in [&["measure", "crash"][..], &["measure", "--seeds", "0..3"], &["measure", "no-such", "--seeds", "0..3"]]
    {
        let ran = program::sim(bad);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{bad:?}");
        assert!(ran.err.len() > 20, "{bad:?}: {}", ran.err);
    }
}

#[test]
fn views_may_lack_members_at_the_beginning() {
    let lacking = |permille| Scenario { unknown_permille: permille, ..preloaded(64, 1) };
    let known = |permille, seed| {
        let mut world = World::new(&lacking(permille), seed, |_| (), ()).unwrap();
        world.run_until(Instant::ORIGIN);
        world.hosts().iter().map(|host| host.protocol().unwrap().members().count()).sum::<usize>()
    };
    assert_eq!(known(0, 1), 64 * 64);
    // Of 64 others each view lacks three in ten, never itself.
    assert!((2_700..3_100).contains(&known(300, 1)), "{}", known(300, 1));
    assert_eq!(known(300, 1), known(300, 1));
    assert_eq!(known(1_000, 1), 64);
    assert!(lacking(1_001).check().is_err());
}
