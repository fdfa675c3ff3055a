//! The same seed does the same: in two processes, in debug and in release, on one thread and on many.
//!
//! The release build is the program that `SIM_RELEASE_BIN` names, as `.ci/run` sets it; without it that comparison is
//! skipped by name and the debug build is compared with itself in two processes alone.

use std::path::PathBuf;
use std::process::Command;

use tidings_sim::Experiment;
use tidings_sim::swarm::swarm;
use tidings_sim::trace::{Header, Trace};

use crate::program::{self, PROGRAM};

/// Seeds compared.
const SEEDS: &str = "0..100";

/// The hash of each seed of the swarm, a line each, as a program says.
fn hashes(program: &str, jobs: &str) -> Vec<String> {
    let folder = folder().display().to_string();
    let args = ["sweep", "swarm", "--seeds", SEEDS, "--jobs", jobs, "--hashes", "--no-shrink", "--out", &folder];
    let swept = program::ended(Command::new(program).args(args));
    // A broken promise is no disorder, and other tests' business.
    assert!(matches!(swept.code, Some(0 | 1)), "{}{}", swept.out, swept.err);
    let lines: Vec<String> = swept.out.lines().take(100).map(str::to_owned).collect();
    assert!(lines[0].starts_with("0 ") && lines[99].starts_with("99 "), "{}", swept.out);
    lines
}

fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("determinism");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The first line that two texts do not share, with its number from 1.
fn first_difference<'a>(one: &'a str, other: &'a str) -> Option<(usize, &'a str, &'a str)> {
    let (mut ones, mut others) = (one.lines(), other.lines());
    (1..).map(|number| (number, ones.next(), others.next())).find_map(|(number, one, other)| match (one, other) {
        (None, None) => Some(None),
        (one, other) if one != other => Some(Some((number, one.unwrap_or("the end"), other.unwrap_or("the end")))),
        _ => None,
    })?
}

/// Demands equal hashes of two programs; where they part is told with the first line of the trace that differs.
fn compare(one: &str, other: &str) {
    let (first, second) = (hashes(one, "1"), hashes(other, "1"));
    let Some(seed) = first.iter().zip(&second).find(|(one, other)| one != other).map(|(line, _)| line) else { return };
    let seed = seed.split_whitespace().next().unwrap();
    let trace = |program: &str, name: &str| {
        let path = folder().join(format!("{name}-{seed}.jsonl"));
        program::ended(Command::new(program).args(["run", "swarm", "--seed", seed, "--json", "--trace"]).arg(&path));
        std::fs::read_to_string(path).unwrap()
    };
    let (one, other) = (trace(one, "one"), trace(other, "other"));
    match first_difference(&one, &other) {
        Some((line, one, other)) => panic!("seed {seed} differs first in line {line} of its trace:\n{one}\n{other}"),
        None => panic!("seed {seed} has two hashes and one trace: something is hashed that is not told"),
    }
}

#[test]
fn a_hundred_seeds_are_the_same_in_two_processes() {
    compare(PROGRAM, PROGRAM);
}

#[test]
fn a_hundred_seeds_are_the_same_in_debug_and_release() {
    let Ok(release) = std::env::var("SIM_RELEASE_BIN") else {
        eprintln!("SKIPPED: SIM_RELEASE_BIN names no release build to compare with");
        return;
    };
    compare(PROGRAM, &release);
}

#[test]
fn one_thread_and_many_give_the_same() {
    assert_eq!(hashes(PROGRAM, "1"), hashes(PROGRAM, "4"));
}

#[test]
fn equal_hashes_come_with_equal_text() {
    let text = |seed: u64| -> (u64, String, Vec<u8>) {
        let (outcome, trace): (_, Trace) = Experiment::drawn(swarm).trace(seed).unwrap();
        let told = trace.lines().iter().map(|line| format!("{line}\n")).collect();
        let end = tidings::Instant::ORIGIN + outcome.lasted;
        let (title, hosts) = ("t".to_owned(), outcome.hosts);
        let header = Header { title, seed: 0, hosts, end, replay: String::new() };
        let mut json = Vec::new();
        trace.write_json(&header, &mut json).unwrap();
        (outcome.trace_hash, told, json)
    };
    let (one, again, other) = (text(7), text(7), text(8));
    assert!(one.1.lines().count() > 1_000);
    assert_eq!(one.0, again.0);
    assert!(one.1 == again.1 && one.2 == again.2, "one hash, two texts: {:?}", first_difference(&one.1, &again.1));
    assert!(one.0 != other.0 && one.1 != other.1 && one.2 != other.2);
}

#[test]
fn keeping_lines_changes_nothing() {
    let experiment = Experiment::drawn(swarm);
    for seed in 0..20 {
        let (traced, _) = experiment.trace(seed).unwrap();
        assert_eq!(experiment.run(seed).unwrap().trace_hash, traced.trace_hash, "seed {seed}");
    }
}

#[test]
fn the_first_difference_is_found() {
    assert_eq!(first_difference("a\nb\nc", "a\nb\nc"), None);
    assert_eq!(first_difference("a\nb\nc", "a\nx\nc"), Some((2, "b", "x")));
    assert_eq!(first_difference("a", "a\nb"), Some((2, "the end", "b")));
}
