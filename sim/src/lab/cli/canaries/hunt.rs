//! One search: seeds of a scenario until the check looked for finds something.
//!
//! A process can hold one planted fault only, so each search is a process of its own and its answer one line of JSON.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::cli::Verdict;
use crate::cli::known::Source;
use crate::cli::sweep::{Seeds, pool};
use crate::cli::trouble::Trouble;

/// A fault that lets no run end must not hold the search up.
const HAPPENINGS_MAX: u64 = 2_000_000;

/// Runs seeds until one breaks the promise named, or any promise at all.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A scenario's name, or a scenario file
    #[arg(value_name = "SCENARIO|FILE")]
    scenario: String,
    /// Which seeds: from A up to, but without, B
    #[arg(long, value_name = "A..B")]
    seeds: Seeds,
    /// The check that must find something; without it any that does
    #[arg(long, value_name = "CHECK")]
    check: Option<String>,
    /// How many seeds run at once [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

/// What one search found, as its process prints it.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Hunted {
    /// The first seed that was looked for, if there is one.
    pub(crate) seed: Option<u64>,
    /// What was found there.
    pub(crate) text: Option<String>,
    /// Seeds that ran.
    pub(crate) runs: u64,
    /// How many of them broke another promise first.
    pub(crate) others: BTreeMap<String, u64>,
}

pub(crate) fn hunt(args: &Args, out: &mut impl Write) -> Result<Verdict, Trouble> {
    let experiment = Source::find(&args.scenario)?.experiment().happenings_max(HAPPENINGS_MAX);
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let mut hunted = Hunted { seed: None, text: None, runs: 0, others: BTreeMap::new() };
    // A panic is a broken promise too, and is counted like the others.
    std::panic::set_hook(Box::new(|_| {}));
    pool::run(&experiment, args.seeds, jobs, |ran| {
        hunted.runs += 1;
        let Some(violation) = ran.violation else { return ControlFlow::Continue(()) };
        if args.check.as_ref().is_none_or(|check| violation.check == check) {
            hunted.seed = Some(ran.seed);
            hunted.text = Some(violation.to_string());
            return ControlFlow::Break(());
        }
        *hunted.others.entry(violation.check.to_owned()).or_default() += 1;
        ControlFlow::Continue(())
    });
    writeln!(out, "{}", serde_json::to_value(&hunted).map_err(|error| Trouble::say(error.to_string()))?)?;
    Ok(if hunted.seed.is_some() { Verdict::Broken } else { Verdict::Held })
}
