//! Many seeds under all checks: over every core, with the same answer as over one.
//!
//! A sweep goes on when a seed fails, so that its end says how often that happens; the lowest seeds that fail are kept,
//! and the first of them is shrunk and written down. Its hash covers every seed's in the order of the seeds.

mod outcome;
pub(super) mod pool;
pub(crate) mod seeds;
mod tally;

use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use tidings_sim::Experiment;

use crate::cli::known::{self, Source};
use crate::cli::run::limit_words;
use crate::cli::stopwatch::Stopwatch;
use crate::cli::trouble::Trouble;
use crate::cli::{Verdict, interrupt, report};
use outcome::Finished;
pub(super) use seeds::Seeds;
use tally::Tally;

/// A sweep that is shorter need not have seen everything happen.
const SEEDS_MUST_HAPPEN: u64 = 1_000;

/// Runs many seeds under all checks, on all cores.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  tidings-sim sweep --seeds 0..1000
  tidings-sim sweep partition-heal --seeds 0..200 --jobs 1
  tidings-sim sweep --profile large --seeds 0..50 --json | tail -n 1

A sweep of the swarm of at least 1,000 seeds fails too if some kind of fault or event never occurred in it.")]
pub(crate) struct Args {
    /// A scenario's name (see `list`), or a scenario file
    #[arg(value_name = "SCENARIO|FILE", default_value = "swarm", hide_default_value = true)]
    scenario: String,
    /// Which seeds: from A up to, but without, B
    #[arg(long, value_name = "A..B")]
    seeds: Seeds,
    /// How many seeds run at once [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// How large the drawn scenarios of the swarm are [default: swarm]
    #[arg(long, value_enum)]
    profile: Option<Profile>,
    /// Ends with one line of JSON
    #[arg(long)]
    json: bool,
    /// Prints each seed with its hash, in order
    #[arg(long)]
    hashes: bool,
    /// Ends with the first seed that fails
    #[arg(long)]
    fail_fast: bool,
    /// Leaves the first failing seed as large as it is
    #[arg(long)]
    no_shrink: bool,
    /// Tries at most so many smaller scenarios
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    runs: u32,
    /// Fails a seed that is not over after so many happenings [default: 50000000]
    #[arg(long, value_name = "N")]
    happenings_max: Option<u64>,
    /// Where a failing seed's scenario and trace are written [default: target/sim, or here without a target]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// How large the drawn scenarios are.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Profile {
    /// 3 to 9 hosts
    Swarm,
    /// 10 to 24 hosts, and sometimes 64
    Large,
    /// A few seconds of 3 or 5 voters
    Election,
}

pub(crate) fn sweep(args: &Args, out: &mut impl Write) -> Result<Verdict, Trouble> {
    let source = args.source()?;
    let mut experiment = source.experiment();
    if let Some(happenings_max) = args.happenings_max {
        experiment = experiment.happenings_max(happenings_max);
    }

    if !source.is_drawn() {
        let scenario = source.scenario(args.seeds.first());
        scenario.check().map_err(|error| Trouble::say(format!("{}: {error}", source.name)))?;
    }

    interrupt::watch()?;
    let watch = Stopwatch::start();
    let mut tally = Tally::new(args.seeds.first());

    // Each seed that panics is reported with its words; the program's own hook would print them over the bar.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let swept = run_all(args, &experiment, &mut tally, out);
    std::panic::set_hook(hook);
    swept?;

    let took = watch.elapsed();
    if interrupt::is_asked() && tally.next < args.seeds.end() && !(args.fail_fast && tally.failed > 0) {
        return interrupted(args, &source, &tally, took, out);
    }

    let must_happen = source.is_swarm() && tally.seeds >= SEEDS_MUST_HAPPEN;
    let missing = if must_happen { tally.sometimes.missing() } else { Vec::new() };
    let finished = Finished { args, source: &source, experiment: &experiment, tally: &tally, took, missing };
    finished.tell(out)
}

impl Args {
    fn source(&self) -> Result<Source, Trouble> {
        match (self.scenario.as_str(), self.profile) {
            ("swarm", Some(Profile::Large)) => Source::find("swarm-large"),
            ("swarm", Some(Profile::Election)) => Source::find("swarm-election"),
            ("swarm", _) | (_, None) => Source::find(&self.scenario),
            (other, Some(_)) => {
                Err(Trouble::say(format!("--profile is for the swarm; leave out {other} or --profile")))
            }
        }
    }

    /// One for each core, unless asked for otherwise.
    fn jobs(&self) -> NonZeroUsize {
        self.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
    }

    /// The words that sweep the same with other seeds.
    fn command(&self, source: &Source, seeds: Seeds) -> String {
        let mut words = vec!["sweep".to_owned(), source.name.clone(), "--seeds".to_owned(), seeds.to_string()];
        if let Some(jobs) = self.jobs {
            words.extend(["--jobs".to_owned(), jobs.to_string()]);
        }
        words.extend(limit_words(self.happenings_max));
        if let Some(folder) = &self.out {
            words.extend(["--out".to_owned(), folder.display().to_string()]);
        }
        let flags = [
            ("--json", self.json),
            ("--hashes", self.hashes),
            ("--fail-fast", self.fail_fast),
            ("--no-shrink", self.no_shrink),
        ];
        words.extend(flags.iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| (*flag).to_owned()));
        known::command(&words)
    }
}

fn run_all(args: &Args, experiment: &Experiment, tally: &mut Tally, out: &mut impl Write) -> Result<(), Trouble> {
    let bar = bar(args.seeds);
    let mut trouble = Ok(());

    pool::run(experiment, args.seeds, args.jobs(), |ran| {
        if args.hashes {
            trouble = writeln!(out, "{} {}", ran.seed, report::hash(ran.trace_hash));
        }
        let is_broken = ran.violation.is_some();
        tally.add(ran);
        bar.inc(1);
        if is_broken {
            bar.set_message(format!("{} failed", tally.failed));
        }
        if trouble.is_err() || (is_broken && args.fail_fast) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });

    bar.finish_and_clear();
    Ok(trouble?)
}

/// On a terminal only: how far it is, and how fast.
fn bar(seeds: Seeds) -> ProgressBar {
    let bar = ProgressBar::new(seeds.count());
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} seeds, {per_sec}, {eta} left {msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// Says how to go on.
fn interrupted(
    args: &Args,
    source: &Source,
    tally: &Tally,
    took: Duration,
    out: &mut impl Write,
) -> Result<Verdict, Trouble> {
    let rest = Seeds::new(tally.next, args.seeds.end()).ok_or_else(|| Trouble::say("no seed is left"))?;

    outcome::figures(tally, took, out)?;
    for failure in &tally.failures {
        outcome::failure(failure, source, args, out)?;
    }

    let go_on = args.command(source, rest);
    writeln!(out, "interrupted; go on with\n  {go_on}")?;
    if args.json {
        let mut object = outcome::json(args, tally, took, &[]);
        object["continue"] = go_on.into();
        writeln!(out, "{object}")?;
    }
    Ok(Verdict::Interrupted)
}
