//! Makes one failing run smaller, and writes what is left as a file.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tidings_sim::shrink::{Shrunk, shrink as shrunk};
use tidings_sim::trace::Trace;
use tidings_sim::{Experiment, Outcome, span};

use crate::cli::Verdict;
use crate::cli::known::{self, Source};
use crate::cli::run::{limit_words, write_trace};
use crate::cli::stopwatch::Stopwatch;
use crate::cli::trouble::Trouble;

/// Makes a failing run smaller while it still breaks the same check.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  tidings-sim shrink swarm --seed 41
  tidings-sim shrink big.toml --seed 1 --runs 10000 --out small.toml

Hosts and faults are taken away, faults made shorter and sooner, the end earlier. What is written replays by itself.")]
pub(crate) struct Args {
    /// A scenario's name (see `list`), or a scenario file
    #[arg(value_name = "SCENARIO|FILE")]
    scenario: String,
    /// The seed that fails; without it the one written in the file
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Tries at most so many smaller scenarios
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    runs: u32,
    /// Where to write what is left [default: sim-failure-SEED.toml in target/sim, or here without a target]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn shrink(args: &Args, out: &mut impl Write) -> Result<Verdict, Trouble> {
    let source = Source::find(&args.scenario)?;
    let Some(seed) = args.seed.or(source.seed) else {
        return Err(Trouble::say("which seed fails? give --seed N"));
    };

    let experiment = source.experiment();
    let watch = Stopwatch::start();
    let Some(small) = smaller(&experiment, seed, args.runs)? else {
        writeln!(out, "{} with seed {seed} breaks no promise: nothing to shrink", source.name)?;
        return Ok(Verdict::Held);
    };

    let path = match &args.out {
        Some(path) => path.clone(),
        None => folder(None)?.join(format!("sim-failure-{seed}.toml")),
    };

    let replay = write(&experiment, &small, seed, &path, None)?.replay;
    tell(&small, out)?;
    writeln!(out, "{} runs in {:.1} s", small.runs, watch.elapsed().as_secs_f64())?;
    writeln!(out, "BROKEN   {}", small.violation)?;
    writeln!(out, "\n{}", known::file(&small.scenario, seed))?;
    writeln!(out, "replay   {replay}")?;
    Ok(Verdict::Broken)
}

/// Shrinks a seed that fails; none if it does not fail.
pub(crate) fn smaller(experiment: &Experiment, seed: u64, runs: u32) -> Result<Option<Shrunk>, Trouble> {
    // Smaller scenarios may panic in turn, and each would say so.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let small = catch_unwind(AssertUnwindSafe(|| shrunk(experiment, seed, runs)));
    std::panic::set_hook(hook);
    match small {
        Ok(small) => small.map_err(|error| Trouble::say(format!("seed {seed}: {error}"))),
        Err(_) => Err(Trouble::say(format!("seed {seed} panics before its world begins"))),
    }
}

/// Says how small it has become.
pub(crate) fn tell(small: &Shrunk, out: &mut impl Write) -> Result<(), Trouble> {
    let Shrunk { scenario, runs, .. } = small;
    let (hosts, faults, lasts) = (scenario.hosts, scenario.faults.len(), span::text(scenario.lasts));
    writeln!(out, "shrunk to {hosts} hosts, {faults} faults and {lasts} in {runs} runs")?;
    Ok(())
}

/// A scenario that fails, written down, and what came of it when it ran again.
#[derive(Debug)]
pub(crate) struct Written {
    /// The command that replays it.
    pub(crate) replay: String,
    pub(crate) outcome: Outcome,
    pub(crate) trace: Trace,
}

/// Writes a scenario that fails, and beside it its trace.
pub(crate) fn write(
    experiment: &Experiment,
    small: &Shrunk,
    seed: u64,
    path: &Path,
    happenings_max: Option<u64>,
) -> Result<Written, Trouble> {
    let wrong = |error: std::io::Error| Trouble::file("write", path, error);
    std::fs::write(path, known::file(&small.scenario, seed)).map_err(wrong)?;
    let mut words = vec!["replay".to_owned(), path.display().to_string()];
    words.extend(limit_words(happenings_max));
    let replay = known::command(&words);
    let traced = experiment.on(small.scenario.clone()).trace(seed);
    let (outcome, trace) = traced.map_err(|error| Trouble::say(format!("seed {seed}: {error}")))?;
    write_trace(&path.with_extension("jsonl"), &outcome, &trace, &replay)?;
    Ok(Written { replay, outcome, trace })
}

/// Where failures are written: as asked for, else beside what cargo builds, else here.
pub(crate) fn folder(asked: Option<&Path>) -> Result<PathBuf, Trouble> {
    let path = match asked {
        Some(path) => path.to_path_buf(),
        None if Path::new("target").is_dir() => Path::new("target").join("sim"),
        None => return Ok(PathBuf::from(".")),
    };
    std::fs::create_dir_all(&path).map_err(|error| Trouble::file("make the folder", &path, error))?;
    Ok(path)
}
