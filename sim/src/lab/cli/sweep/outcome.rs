//! What came of a sweep: its figures, the seeds that failed, and the first of them made small and written down.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_sim::Experiment;

use crate::cli::known::{self, Source};
use crate::cli::run::limit_words;
use crate::cli::stopwatch::rate;
use crate::cli::sweep::Args;
use crate::cli::sweep::pool::Ran;
use crate::cli::sweep::tally::Tally;
use crate::cli::trouble::Trouble;
use crate::cli::{Verdict, interrupt, report, shrink};

/// A sweep that was not interrupted.
pub(super) struct Finished<'a> {
    pub(super) args: &'a Args,
    pub(super) source: &'a Source,
    pub(super) experiment: &'a Experiment,
    pub(super) tally: &'a Tally,
    pub(super) took: Duration,
    /// What should have happened in it but did not.
    pub(super) missing: Vec<&'static str>,
}

impl Finished<'_> {
    pub(super) fn tell(&self, out: &mut impl Write) -> Result<Verdict, Trouble> {
        let Finished { args, source, tally, took, missing, .. } = self;
        table(tally, out)?;
        figures(tally, *took, out)?;
        for failure in &tally.failures {
            self::failure(failure, source, args, out)?;
        }

        let more = tally.failed - tally.failures.len() as u64;
        if more > 0 {
            writeln!(out, "and {more} more seeds")?;
        }
        if !missing.is_empty() {
            writeln!(out, "BROKEN   sometimes: never happened in {} seeds: {}", tally.seeds, missing.join(", "))?;
        }

        let mut object = json(args, tally, *took, missing);
        if let Some(first) = tally.failures.first() {
            interrupt::end_at_once();
            out.flush()?;
            if let Some(replay) = self.explain(first.seed, out)? {
                object["replay"] = replay.into();
            }
        }

        if args.json {
            writeln!(out, "{object}")?;
        }
        let is_broken = tally.failed > 0 || !missing.is_empty();
        Ok(if is_broken { Verdict::Broken } else { Verdict::Held })
    }

    /// Makes a failing seed small, unless not wanted, writes it down and says all about it.
    fn explain(&self, seed: u64, out: &mut impl Write) -> Result<Option<String>, Trouble> {
        let whole = run_command(self.source, self.args, seed);
        let runs = if self.args.no_shrink { 1 } else { self.args.runs };
        let small = match shrink::smaller(self.experiment, seed, runs) {
            Ok(Some(small)) => small,
            Ok(None) => {
                writeln!(out, "seed {seed} does not fail when it runs again: something is not decided by the seed")?;
                return Ok(None);
            }
            Err(trouble) => {
                writeln!(out, "not shrunk: {}", trouble.text().unwrap_or_default())?;
                return Ok(None);
            }
        };

        if !self.args.no_shrink {
            writeln!(out)?;
            shrink::tell(&small, out)?;
        }

        let path = shrink::folder(self.args.out.as_deref())?.join(format!("sim-failure-{seed}.toml"));
        let written = shrink::write(self.experiment, &small, seed, &path, self.args.happenings_max)?;
        report::failure(&written.outcome, Some(&written.trace), &written.replay, out)?;
        writeln!(out, "unshrunk {whole}")?;
        writeln!(out, "written  {0}, {1}", path.display(), path.with_extension("jsonl").display())?;
        Ok(Some(written.replay))
    }
}

/// The command that runs one seed of a sweep.
fn run_command(source: &Source, args: &Args, seed: u64) -> String {
    let mut words = vec!["run".to_owned(), source.name.clone(), "--seed".to_owned(), seed.to_string()];
    words.extend(limit_words(args.happenings_max));
    known::command(&words)
}

/// In how many seeds each thing happened.
fn table(tally: &Tally, out: &mut impl Write) -> Result<(), Trouble> {
    writeln!(out, "happened in so many of {} seeds", tally.seeds)?;
    for (what, count) in tally.sometimes.iter() {
        writeln!(out, "{count:>9}  {what}")?;
    }
    Ok(())
}

/// One line of sums.
pub(super) fn figures(tally: &Tally, took: Duration, out: &mut impl Write) -> Result<(), Trouble> {
    writeln!(
        out,
        "{} seeds, {} failed: {:.0} s virtual in {:.1} s wall, {:.1} seeds/s, {} happenings ({:.0}/s), {} datagrams, hash {}",
        tally.seeds,
        tally.failed,
        tally.lasted.as_secs_f64(),
        took.as_secs_f64(),
        rate(tally.seeds, took),
        tally.happenings,
        rate(tally.happenings, took),
        tally.datagrams,
        report::hash(tally.hash),
    )?;
    Ok(())
}

/// One failing seed in two lines.
pub(super) fn failure(ran: &Ran, source: &Source, args: &Args, out: &mut impl Write) -> Result<(), Trouble> {
    if let Some(violation) = &ran.violation {
        writeln!(out, "FAILED   seed {}: {violation}\n         {}", ran.seed, run_command(source, args, ran.seed))?;
    }
    Ok(())
}

/// A sweep as the object that the last line of `--json` is.
pub(super) fn json(args: &Args, tally: &Tally, took: Duration, missing: &[&str]) -> Value {
    let mut violations: Vec<Value> = tally.failures.iter().filter_map(violated).collect();
    if !missing.is_empty() {
        let text = format!("never happened: {}", missing.join(", "));
        violations.push(json!({"check": "sometimes", "at_s": 0.0, "text": text, "hosts": []}));
    }

    json!({
        "scenario": args.scenario,
        "seeds": args.seeds.to_string(),
        "seeds_run": tally.seeds,
        "seeds_failed": tally.failed,
        "jobs": args.jobs(),
        "trace_hash": report::hash(tally.hash),
        "virtual_s": tally.lasted.as_secs_f64(),
        "wall_s": took.as_secs_f64(),
        "seeds_per_s": rate(tally.seeds, took),
        "happenings": tally.happenings,
        "happenings_per_s": rate(tally.happenings, took),
        "datagrams": tally.datagrams,
        "bytes": tally.bytes,
        "violations": violations,
        "sometimes": report::sometimes(&tally.sometimes),
        "missing": missing,
    })
}

fn violated(ran: &Ran) -> Option<Value> {
    let mut object = report::violated(ran.violation.as_ref()?);
    object["seed"] = ran.seed.into();
    Some(object)
}
