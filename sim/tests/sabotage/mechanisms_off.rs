//! Switches each mechanism off, one at a time, and demands that the test named for it then fails.
//!
//! Each named test runs twice as a child process: untouched, when it must pass, and with `TIDINGS_SABOTAGE` naming the
//! fault, when it must fail.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};

use tidings_sim::expect::Expect;
use tidings_sim::scenario::Scenario;
use tidings_sim::world::World;

/// Each fault and the test that must notice it.
const FAULTS: [(&str, &str); 23] = [
    ("late_wake", "mechanisms::late_wake_a_driver_that_stops_for_ten_seconds_declares_nobody_dead"),
    ("stall_tolerance", "mechanisms::stall_tolerance_a_stall_below_p_is_never_a_death"),
    ("accusers", "mechanisms::accusers_one_observer_alone_waits_for_three_p"),
    ("last_ping", "mechanisms::last_ping_a_lost_refutation_kills_nobody"),
    ("last_question", "mechanisms::last_question_who_alone_missed_a_refutation_is_told_before_its_verdict"),
    ("outdated", "mechanisms::last_question_who_alone_missed_a_refutation_is_told_before_its_verdict"),
    ("self_tests", "mechanisms::self_tests_a_deaf_node_accuses_nobody_aloud"),
    ("isolated", "mechanisms::isolated_verdicts_are_provisional_and_undone"),
    ("ghosts", "mechanisms::ghosts_a_ten_minute_partition_heals"),
    ("tombstones", "mechanisms::tombstones_an_old_rumour_does_not_raise_the_forgotten"),
    ("pre_vote", "runs::a_deaf_voter_raises_no_term"),
    ("buddy", "mechanisms::buddy_a_ping_to_a_suspect_carries_the_suspicion"),
    ("forwarding", "mechanisms::forwarding_spreads_a_suspicion_within_100_ms"),
    ("metadata_pace", "economy::metadata_that_change_all_the_time_keep_to_their_budget_and_no_crash_waits_for_them"),
    ("configurations_in_order", "one_voter::a_voter_refuses_who_stands_under_voters_of_before"),
    ("leaps_asked", "one_voter::a_term_that_leaps_is_asked_for"),
    ("holders_in_term", "one_voter::what_a_voter_of_a_later_term_has_saved_does_not_count"),
    ("lease_recounted", "one_voter::a_lease_is_counted_anew_under_other_voters"),
    ("ends_reelection", "one_voter::a_hand_over_ends_an_attempt_to_be_elected_anew"),
    ("failed_save_stays", "one_voter::voters_that_a_failed_save_may_have_kept_are_saved_before_earlier_ones"),
    ("new_waits", "one_voter::a_voter_that_may_have_forgotten_waits_before_it_follows_a_lower_term"),
    ("repeated_resign", "one_voter::a_resignation_is_repeated_until_it_is_confirmed"),
    ("proof_of_address", "bad_input::no_reply_to_an_unproved_address_is_larger_than_what_provoked_it"),
];

/// Each fault and the scenario of the catalogue that must not show what it expects.
const SCENARIOS: [(&str, &str); 8] = [
    ("adopts_address", "moved-under-way"),
    ("death_by_word", "families-crash"),
    ("flapping", "flapping-few-reach"),
    ("greeter_moved", "moved-while-joining"),
    ("hearsay", "suspended-past-tombstones"),
    ("reach", "families-apart"),
    ("true_starts", "join-1970"),
    ("ways", "nat-each-answers-10"),
];

/// Runs the scenario that `SCENARIO` names.
const OF_SCENARIO: &str = "mechanisms_off::the_scenario_that_is_named_shows_what_it_expects";
const SCENARIO: &str = "TIDINGS_SCENARIO";
const SEEDS: [u64; 2] = [1, 2];

/// How the one test of this name ends in a process of its own, and what it said.
fn run(test: &str, scenario: &str, fault: Option<&str>) -> (bool, String) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--test-threads=1", "--include-ignored"]).stdin(Stdio::null());
    child.env(SCENARIO, scenario).env_remove("TIDINGS_SABOTAGE");
    if let Some(fault) = fault {
        child.env("TIDINGS_SABOTAGE", fault);
    }
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("running 1 test"), "there is no test {test}");
    (output.status.success(), said)
}

#[test]
fn each_fault_fails_the_test_named_for_it() {
    let mut wrong = Vec::new();
    let by_test = FAULTS.map(|(fault, test)| (fault, test, ""));
    let by_scenario = SCENARIOS.map(|(fault, scenario)| (fault, OF_SCENARIO, scenario));
    for (fault, test, scenario) in by_test.into_iter().chain(by_scenario) {
        let (sound, _) = run(test, scenario, None);
        let (faulty, said) = run(test, scenario, Some(fault));
        let why = said.lines().skip_while(|line| !line.contains("panicked at")).skip(1).take(1).next().unwrap_or("-");
        eprintln!("{fault:<17} untouched: {:<6} switched off: {:<6} {why}", word(sound), word(faulty));
        if !sound || faulty {
            wrong.push(fault);
        }
    }
    assert!(wrong.is_empty(), "not as they should be: {wrong:?}");
}

#[test]
#[ignore = "each_fault_fails_the_test_named_for_it names the scenario"]
fn the_scenario_that_is_named_shows_what_it_expects() {
    let name = std::env::var(SCENARIO).unwrap();
    let scenario = Scenario::named(&name).unwrap_or_else(|| panic!("there is no scenario {name}"));
    for seed in SEEDS {
        let mut world = World::new(&scenario, seed, |_| (), Expect::new(&scenario)).unwrap();
        world.run(scenario.lasts);
        let end = world.now();
        world.watch_mut().finish(end);
        let violations = world.watch().violations();
        assert!(violations.is_empty(), "{name}, seed {seed}: {}", violations[0]);
    }
}

fn word(passes: bool) -> &'static str {
    if passes { "passes" } else { "fails" }
}
