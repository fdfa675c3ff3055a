//! One seed of one scenario: what happened, what came of it, and everything about a promise that was broken.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tidings::Instant;
use tidings_sim::trace::{Header, Trace};
use tidings_sim::{Experiment, Outcome, Scenario, page, span};

use crate::cli::known::{self, Source};
use crate::cli::stopwatch::Stopwatch;
use crate::cli::trouble::Trouble;
use crate::cli::{Verdict, report, story};

/// Events of more hosts than this are told only when asked for.
const HOSTS_TOLD: u32 = 64;

/// Runs one seed of a scenario and tells what happened.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  tidings-sim run partition-heal --seed 3
  tidings-sim run swarm --seed 41 --html out.html
  tidings-sim run my-scenario.toml --seed 1 --json | tail -n 1

Without --seed it is the seed written in the file, or 0.")]
pub(crate) struct Args {
    /// A scenario's name (see `list`), or a scenario file
    #[arg(value_name = "SCENARIO|FILE")]
    scenario: String,
    /// What chance is drawn from
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Runs it with another number of hosts
    #[arg(long, value_name = "N")]
    nodes: Option<u32>,
    /// Runs it for another span of virtual time, e.g. 120s
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    lasts: Option<Duration>,
    #[command(flatten)]
    shown: Shown,
}

/// What is shown of a run.
#[derive(clap::Args, Debug)]
pub(crate) struct Shown {
    /// Shows every datagram too
    #[arg(long)]
    pub(crate) verbose: bool,
    /// Ends with one line of JSON; events are then shown only with --verbose
    #[arg(long)]
    pub(crate) json: bool,
    /// Writes the trace as JSON lines
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Writes the trace as a page to look at
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Fails a seed that is not over after so many happenings [default: 50000000]
    #[arg(long, value_name = "N")]
    happenings_max: Option<u64>,
}

impl Shown {
    /// Whether the trace is to be written.
    pub(crate) fn draws(&self) -> bool {
        self.trace.is_some() || self.html.is_some()
    }

    /// The words that ask for what decides how a run ends, and not merely what is shown of it.
    pub(crate) fn words(&self) -> Vec<String> {
        limit_words(self.happenings_max)
    }
}

/// The words that ask for a limit of happenings.
pub(crate) fn limit_words(happenings_max: Option<u64>) -> Vec<String> {
    happenings_max.map_or(Vec::new(), |most| vec!["--happenings-max".to_owned(), most.to_string()])
}

/// Reads a span of virtual time.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    span::parse(text).ok_or_else(|| "write a span as 200ms, 60s or 5m".to_owned())
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Result<Verdict, Trouble> {
    let source = Source::find(&args.scenario)?;
    let seed = args.seed.or(source.seed).unwrap_or(0);
    let mut scenario = source.scenario(seed);
    let mut words = vec!["run".to_owned(), source.name.clone(), "--seed".to_owned(), seed.to_string()];
    if let Some(nodes) = args.nodes {
        scenario.hosts = nodes;
        words.extend(["--nodes".to_owned(), nodes.to_string()]);
    }
    if let Some(lasts) = args.lasts {
        scenario.lasts = lasts;
        words.extend(["--for".to_owned(), span::text(lasts)]);
    }
    words.extend(args.shown.words());
    let one = One { scenario, is_drawn: source.is_drawn(), seed, replay: known::command(&words) };
    one.run(&args.shown, out)
}

/// One seed to run and to tell of.
#[derive(Debug)]
pub(crate) struct One {
    pub(crate) scenario: Scenario,
    /// Whether it was drawn and not written, so that it has to be shown.
    pub(crate) is_drawn: bool,
    pub(crate) seed: u64,
    /// The command that does the same again.
    pub(crate) replay: String,
}

impl One {
    pub(crate) fn run(&self, shown: &Shown, out: &mut impl Write) -> Result<Verdict, Trouble> {
        let is_traced = shown.verbose
            || shown.trace.is_some()
            || shown.html.is_some()
            || (!shown.json && self.scenario.hosts <= HOSTS_TOLD);

        let mut experiment = Experiment::new(self.scenario.clone());
        if let Some(happenings_max) = shown.happenings_max {
            experiment = experiment.happenings_max(happenings_max);
        }
        let wrong =
            |error: tidings_sim::scenario::ScenarioError| Trouble::say(format!("{}: {error}", self.scenario.name));

        let watch = Stopwatch::start();
        let (outcome, mut trace) = if is_traced {
            let (outcome, trace) = experiment.trace(self.seed).map_err(wrong)?;
            (outcome, Some(trace))
        } else {
            (experiment.run(self.seed).map_err(wrong)?, None)
        };
        let took = watch.elapsed();

        // What is said of a failure holds the scenario too.
        if self.is_drawn && outcome.violations.is_empty() && (shown.verbose || !shown.json) {
            writeln!(out, "{}", known::file(&outcome.scenario, self.seed))?;
        }

        match &trace {
            Some(trace) if shown.verbose || !shown.json => story::tell(trace, shown.verbose, out)?,
            None if !shown.json => {
                writeln!(out, "more than {HOSTS_TOLD} hosts: what they were told is shown with --verbose")?
            }
            _ => {}
        }
        if let Some(trace) = &trace {
            self.write_files(shown, &outcome, trace, out)?;
        }

        report::summary(&outcome, took, out)?;

        // What led to a failure is told by its trace; a run that had none is gone through again.
        if !outcome.violations.is_empty() {
            if trace.is_none() {
                trace = experiment.trace(self.seed).ok().map(|(_, trace)| trace);
            }
            report::failure(&outcome, trace.as_ref(), &self.replay, out)?;
        }

        if shown.json {
            writeln!(out, "{}", report::json(&outcome, took, &self.replay))?;
        }
        Ok(if outcome.violations.is_empty() { Verdict::Held } else { Verdict::Broken })
    }

    fn write_files(
        &self,
        shown: &Shown,
        outcome: &Outcome,
        trace: &Trace,
        out: &mut impl Write,
    ) -> Result<(), Trouble> {
        if let Some(path) = &shown.trace {
            write_trace(path, outcome, trace, &self.replay)?;
            writeln!(out, "trace: {}", path.display())?;
        }
        if let Some(path) = &shown.html {
            let mut lines = Vec::new();
            trace.write_json(&header(outcome, &self.replay), &mut lines)?;
            write_page(path, &String::from_utf8_lossy(&lines))?;
            writeln!(out, "page: {}", path.display())?;
        }
        Ok(())
    }
}

fn header(outcome: &Outcome, replay: &str) -> Header {
    Header {
        title: outcome.scenario.name.clone(),
        seed: outcome.seed,
        hosts: outcome.hosts.clone(),
        end: Instant::ORIGIN + outcome.lasted,
        replay: replay.to_owned(),
    }
}

/// Writes a trace as JSON lines into a file.
pub(crate) fn write_trace(path: &Path, outcome: &Outcome, trace: &Trace, replay: &str) -> Result<(), Trouble> {
    let wrong = |error: std::io::Error| Trouble::file("write", path, error);
    let mut file = BufWriter::new(File::create(path).map_err(wrong)?);
    trace.write_json(&header(outcome, replay), &mut file).map_err(wrong)?;
    file.flush().map_err(wrong)
}

fn write_page(path: &Path, lines: &str) -> Result<(), Trouble> {
    std::fs::write(path, page::html(lines)).map_err(|error| Trouble::file("write", path, error))
}
