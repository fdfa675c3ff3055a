//! The checks find what they are for: each fault that is planted in the protocol by the check named for it.
//!
//! ```text
//! RUSTFLAGS="--cfg tidings_sabotage" cargo test --release -p tidings-sim --target-dir target/sabotage --test sabotage canaries
//! ```
//!
//! That is the short form, from the seeds where each is known to be found; `tidings-sim canaries` is the long one. An
//! ordinary build has no faults and must say so.

#[cfg(tidings_sabotage)]
use crate::program::last_json;
use crate::program::sim;

#[cfg(tidings_sabotage)]
#[test]
fn each_fault_is_found_by_its_check_and_nothing_without_a_fault() {
    let ended = sim(&["canaries", "--short", "--json"]);
    eprintln!("{}", ended.out);
    let object = last_json(&ended);
    let found = |row: &serde_json::Value| row["seed"].is_u64();
    let rows = object["canaries"].as_array().unwrap();
    let missed: Vec<_> = rows.iter().filter(|row| !found(row)).map(|row| &row["fault"]).collect();
    assert!(missed.is_empty() && !found(&object["control"]), "{missed:?} {}{}", object["control"], ended.err);
    assert!(rows.len() >= 30, "{}", rows.len());
    assert_eq!(ended.code, Some(0));
}

#[cfg(tidings_sabotage)]
#[test]
fn what_no_check_finds_is_missed_and_fails() {
    // Too few seeds for a fault that the first of them cannot show.
    let ended = sim(&["canaries", "own_verdict", "--seeds", "1", "--clean", "1"]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("missed") && ended.out.contains("0 of 1 found"), "{}", ended.out);
}

#[cfg(not(tidings_sabotage))]
#[test]
fn an_ordinary_build_says_which_build_has_faults() {
    let refused = sim(&["canaries"]);
    assert_eq!(refused.code, Some(2), "{}", refused.out);
    assert!(refused.err.contains("no faults to plant") && refused.err.contains("--help"), "{}", refused.err);
    assert!(sim(&["canaries", "--help"]).out.contains("--cfg tidings_sabotage"));
    assert!(sim(&["canaries", "no-such-fault"]).err.contains("own_verdict"));
}
