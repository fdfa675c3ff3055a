//! Golden traces: a dozen scenarios tell what they told before, to the byte.
//!
//! A change that is meant to change nothing leaves them as they are. Where another run is wanted, `UPDATE=1` writes them
//! anew, and the difference shows in the review what the change does:
//!
//! ```text
//! UPDATE=1 cargo test -p tidings-sim --test scenarios golden
//! ```

use std::fmt::Write;
use std::path::{Path, PathBuf};

use tidings_sim::trace::{Line, What};
use tidings_sim::{Experiment, Scenario};

const SEED: u64 = 1;

const SCENARIOS: [&str; 12] = [
    "crash",
    "election-change",
    "election-crash",
    "election-hand-over",
    "leave-rejoin",
    "nat-one-10",
    "partition-heal",
    "partition-one-way",
    "pause-short",
    "restart-same-name",
    "suspend",
    "twin",
];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/golden").join(format!("{name}.txt"))
}

/// What a run tells but for its reasons, a line each, under the hash of all that happened in it.
fn told(name: &str) -> String {
    let scenario = Scenario::named(name).unwrap_or_else(|| panic!("there is no scenario {name}"));
    let (outcome, trace) = Experiment::new(scenario).trace(SEED).unwrap();

    let mut text = format!(
        "{name}, seed {SEED}: hash {:016x}, {} datagrams, {} bytes\n",
        outcome.trace_hash,
        trace.datagrams(),
        trace.bytes()
    );
    let is_reason = |line: &&Line| matches!(line.what, What::Why(_));
    for line in trace.story().filter(|line| !is_reason(line)) {
        writeln!(text, "{line}").unwrap();
    }
    text
}

#[test]
fn golden_traces_are_told_again() {
    let is_update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    assert!(!is_update || std::env::var_os("CI").is_none(), "CI compares");
    let mut wrong = Vec::new();
    for name in SCENARIOS {
        let (told, file) = (told(name), file(name));
        if is_update {
            std::fs::write(&file, &told).unwrap();
            continue;
        }

        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        let lines = golden.lines().map(Some).chain(std::iter::repeat(None));
        let is_other = |(line, golden): &(&str, Option<&str>)| Some(*line) != *golden;
        if let Some((line, golden)) = told.lines().zip(lines).skip(1).find(is_other) {
            wrong.push(format!("{name}: {line}\n  before: {}", golden.unwrap_or("the end")));
        } else if told != golden {
            let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
            wrong.push(format!("{}: it tells the same or less\n  before: {}", first(&told), first(&golden)));
        }
    }
    assert!(wrong.is_empty(), "UPDATE=1 writes what is told now; first differences:\n{}", wrong.join("\n"));
}
