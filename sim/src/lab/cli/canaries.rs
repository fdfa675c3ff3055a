//! Whether the checks find what they are for: faults planted in the protocol, each to be found by the check named for
//! it.
//!
//! A check that has never failed may be one that cannot. Only builds with `--cfg tidings_sabotage` have the faults, and
//! `TIDINGS_SABOTAGE` switches one on in a child process. A run ends with its first broken promise: what other checks
//! find first is counted and shown, and the search goes on.

mod faults;
pub(crate) mod hunt;

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::Verdict;
use crate::cli::stopwatch::Stopwatch;
use crate::cli::sweep::Seeds;
use crate::cli::trouble::Trouble;
use faults::{CANARIES, Canary};
use hunt::Hunted;

/// What names the fault to a build that has it.
const SABOTAGE: &str = "TIDINGS_SABOTAGE";
/// Seeds of a short search. It begins where the fault is known to be found, so most end with their first seed; the rest
/// are for the day when the protocol changes.
const SHORT: u64 = 1_000;

/// Plants faults in the protocol, one at a time, and demands that the check named for each finds it.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
It needs a build that has the faults, in a target directory of its own:
  RUSTFLAGS='--cfg tidings_sabotage' cargo run --release -p tidings-sim --target-dir target/sabotage -- canaries

It fails if a fault is missed, or if a check finds something where nothing is planted.")]
pub(crate) struct Args {
    /// Only these faults [default: all]
    #[arg(value_name = "FAULT")]
    faults: Vec<String>,
    /// Seeds searched for each fault at most
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    seeds: u64,
    /// Seeds that must be clean without a fault
    #[arg(long, value_name = "N", default_value_t = 200)]
    clean: u64,
    /// Searches from the seeds at which each fault is known to be found
    #[arg(long)]
    short: bool,
    /// How many seeds run at once [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Ends with one line of JSON
    #[arg(long)]
    json: bool,
}

/// What a search for one fault came to.
#[derive(Debug)]
struct Row {
    canary: &'static Canary,
    hunted: Hunted,
    took: Duration,
}

pub(crate) fn canaries(args: &Args, out: &mut impl Write) -> Result<Verdict, Trouble> {
    let chosen = chosen(&args.faults)?;
    if !cfg!(tidings_sabotage) {
        let needed = "this build has no faults to plant; `tidings-sim canaries --help` names one that has";
        return Err(Trouble::say(needed));
    }

    let watch = Stopwatch::start();
    let control = args.hunt(None, "swarm", Seeds::new(0, args.clean))?;
    match (control.seed, &control.text) {
        (Some(seed), Some(text)) => writeln!(out, "no fault: BROKEN at seed {seed}: {text}")?,
        _ => writeln!(out, "no fault: {} seeds, all promises held", control.runs)?,
    }

    writeln!(
        out,
        "{:<16}  {:<15}  {:<11}  {:>6}  {:>4}  {:>5}  planted",
        "fault", "check", "scenario", "seed", "runs", "s"
    )?;

    let mut rows = Vec::new();
    for canary in chosen {
        let watch = Stopwatch::start();
        let hunted = args.find(canary)?;
        let row = Row { canary, hunted, took: watch.elapsed() };
        writeln!(out, "{}", line(&row))?;
        out.flush()?;
        rows.push(row);
    }

    let found = rows.iter().filter(|row| row.hunted.seed.is_some()).count();
    let wall_s = watch.elapsed().as_secs_f64();
    writeln!(out, "{found} of {} found in {wall_s:.1} s", rows.len())?;
    if args.json {
        let canaries: Vec<Value> = rows.iter().map(object).collect();
        let missed = rows.len() - found;
        writeln!(out, "{}", json!({"control": control, "canaries": canaries, "missed": missed, "wall_s": wall_s}))?;
    }

    Ok(if control.seed.is_none() && found == rows.len() { Verdict::Held } else { Verdict::Broken })
}

/// The faults of these names, all if none is named.
fn chosen(names: &[String]) -> Result<Vec<&'static Canary>, Trouble> {
    if let Some(unknown) = names.iter().find(|name| CANARIES.iter().all(|canary| canary.fault != *name)) {
        let known: Vec<&str> = CANARIES.iter().map(|canary| canary.fault).collect();
        return Err(Trouble::say(format!("there is no fault {unknown:?}\n  there are: {}", known.join(", "))));
    }
    Ok(CANARIES.iter().filter(|canary| names.is_empty() || names.iter().any(|name| name == canary.fault)).collect())
}

impl Args {
    /// The first seed at which the check finds the fault; one that breaks a promise without the fault too says nothing
    /// and is passed over.
    fn find(&self, canary: &Canary) -> Result<Hunted, Trouble> {
        let (first, count) = if self.short { (canary.near, SHORT) } else { (0, self.seeds) };
        let mut rest = Seeds::new(first, first.saturating_add(count));
        let (mut runs, mut others) = (0, BTreeMap::new());
        loop {
            let hunted = self.hunt(Some(canary), canary.scenario, rest)?;
            runs += hunted.runs;
            for (check, count) in &hunted.others {
                *others.entry(check.clone()).or_default() += count;
            }
            let Some(seed) = hunted.seed else { return Ok(Hunted { runs, others, ..hunted }) };
            if self.hunt(None, canary.scenario, Seeds::new(seed, seed + 1))?.seed.is_none() {
                return Ok(Hunted { runs, others, ..hunted });
            }
            rest = Seeds::new(seed + 1, first.saturating_add(count));
            if rest.is_none() {
                return Ok(Hunted { seed: None, text: None, runs, others });
            }
        }
    }

    /// Searches in a process of its own: without a fault, for any broken promise.
    fn hunt(&self, canary: Option<&Canary>, scenario: &str, seeds: Option<Seeds>) -> Result<Hunted, Trouble> {
        let seeds = seeds.ok_or_else(|| Trouble::say("there is no seed to search: give larger numbers"))?;
        let trouble = |error| Trouble::say(format!("cannot search in a process of its own: {error}"));
        let mut child = Command::new(std::env::current_exe().map_err(trouble)?);
        child.args(["hunt", scenario, "--seeds", &seeds.to_string()]).env_remove(SABOTAGE);
        if let Some(canary) = canary {
            child.args(["--check", canary.check]).env(SABOTAGE, canary.fault);
        }
        if let Some(jobs) = self.jobs {
            child.args(["--jobs", &jobs.to_string()]);
        }
        let said = child.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(trouble)?.stdout;
        serde_json::from_slice(&said).map_err(|error| Trouble::say(format!("a search said nothing sensible: {error}")))
    }
}

fn line(Row { canary, hunted, took }: &Row) -> String {
    let seed = hunted.seed.map_or("missed".to_owned(), |seed| seed.to_string());
    let others: Vec<String> = hunted.others.iter().map(|(check, count)| format!("{check} {count}")).collect();
    let others =
        if others.is_empty() { String::new() } else { format!(" (other seeds broke first: {})", others.join(", ")) };
    format!(
        "{:<16}  {:<15}  {:<11}  {seed:>6}  {:>4}  {:>5.1}  {}{others}",
        canary.fault,
        canary.check,
        canary.scenario,
        hunted.runs,
        took.as_secs_f64(),
        canary.planted,
    )
}

fn object(Row { canary, hunted, took }: &Row) -> Value {
    json!({
        "fault": canary.fault,
        "planted": canary.planted,
        "check": canary.check,
        "scenario": canary.scenario,
        "seed": hunted.seed,
        "text": hunted.text,
        "runs": hunted.runs,
        "others": hunted.others,
        "wall_s": took.as_secs_f64(),
    })
}
