//! What came of a run, for people and for programs: figures, and all that is known about a broken promise.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};
use tidings::{Instant, NodeId};
use tidings_sim::Outcome;
use tidings_sim::checks::{CHECKS, Sometimes};
use tidings_sim::trace::{Trace, What};
use tidings_sim::violation::Violation;

use crate::cli::known;
use crate::cli::stopwatch::rate;
use crate::cli::trouble::Trouble;

/// Figures of one run.
pub(crate) fn summary(outcome: &Outcome, took: Duration, out: &mut impl Write) -> Result<(), Trouble> {
    let settled = match (outcome.settled_after, outcome.scenario.never_settles()) {
        (Some(after), _) => format!(", settled {after:?} after the faults"),
        (None, Some(why)) => format!(", and what must hold in the end was not asked: {why}"),
        (None, None) => String::new(),
    };

    writeln!(
        out,
        "{}, seed {}: {:.1} s virtual in {:.2} s wall, {} happenings, {} datagrams, hash {}{settled}",
        outcome.scenario.name,
        outcome.seed,
        outcome.lasted.as_secs_f64(),
        took.as_secs_f64(),
        outcome.happenings,
        outcome.datagrams,
        hash(outcome.trace_hash),
    )?;

    if outcome.violations.is_empty() {
        writeln!(out, "all promises held")?;
    }
    Ok(())
}

/// A hash as all outputs write it.
pub(crate) fn hash(hash: u64) -> String {
    format!("{hash:016x}")
}

/// Everything about the first broken promise of a run.
pub(crate) fn failure(
    outcome: &Outcome,
    trace: Option<&Trace>,
    replay: &str,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    let Some(violation) = outcome.violations.first() else { return Ok(()) };
    writeln!(out, "\nBROKEN   {} at {}: {}", violation.check, violation.at, violation.text)?;
    if let Some(demand) = demand(violation.check) {
        writeln!(out, "promise  {demand}")?;
    }

    if !violation.hosts.is_empty() {
        let names: Vec<String> = violation.hosts.iter().map(|host| name(outcome, *host)).collect();
        writeln!(out, "members  {}", names.join(", "))?;
    }

    writeln!(out, "seed     {}", outcome.seed)?;
    for other in &outcome.violations[1..] {
        writeln!(out, "also     {} at {}: {}", other.check, other.at, other.text)?;
    }

    match trace.and_then(|trace| why(outcome, trace, violation)) {
        Some(why) => writeln!(out, "why      {}", why.trim_end().replace('\n', "\n         "))?,
        None => writeln!(out, "why      no verdict of these members is on record")?,
    }

    writeln!(out, "\n# what ran, as a file\n{}", known::file(&outcome.scenario, outcome.seed))?;
    writeln!(out, "replay   {replay}")?;
    Ok(())
}

/// What a check demands.
fn demand(check: &str) -> Option<&'static str> {
    CHECKS.iter().find(|(name, _)| *name == check).map(|(_, demand)| *demand)
}

/// A host as reports call it; a twin has its number beside its name.
fn name(outcome: &Outcome, host: u32) -> String {
    let plain = format!("n{host}");
    match outcome.hosts.get(host as usize) {
        Some(name) if *name != plain => format!("{name} (host {host}, a twin)"),
        _ => plain,
    }
}

/// The chain behind the last suspicion or verdict of the members concerned: the observer's of the other if both are
/// named, else the observer's, else any host's about them.
fn why(outcome: &Outcome, trace: &Trace, violation: &Violation) -> Option<String> {
    let id = |host: &u32| outcome.hosts.get(*host as usize).map(|name| NodeId::from_name(name));
    let observer = violation.hosts.first().copied();
    let about: Vec<NodeId> = violation.hosts.iter().filter_map(id).collect();
    let mut best: Option<(u32, String)> = None;

    for line in trace.lines().iter().rev().filter(|line| line.at <= violation.at) {
        let What::Why(why) = &line.what else { continue };
        let is_observer = line.host.is_some() && line.host == observer;
        let is_about = about.iter().skip(usize::from(is_observer)).any(|id| *id == why.member);
        let fit = match (is_observer, is_about) {
            (true, true) => 3,
            (true, false) => 2,
            (false, true) => 1,
            (false, false) => continue,
        };

        if best.as_ref().is_none_or(|(known, _)| *known < fit) {
            let host = line.host.map_or(String::new(), |host| format!("n{host} "));
            best = Some((fit, format!("{host}said at {}: {}", line.at, why)));
        }
        if fit == 3 {
            break;
        }
    }

    best.map(|(_, text)| text)
}

/// One run as the object that the last line of `--json` is.
pub(crate) fn json(outcome: &Outcome, took: Duration, replay: &str) -> Value {
    json!({
        "scenario": outcome.scenario.name,
        "seed": outcome.seed,
        "trace_hash": hash(outcome.trace_hash),
        "virtual_s": outcome.lasted.as_secs_f64(),
        "wall_s": took.as_secs_f64(),
        "happenings": outcome.happenings,
        "happenings_per_s": rate(outcome.happenings, took),
        "datagrams": outcome.datagrams,
        "bytes": outcome.bytes,
        "settled_after_s": outcome.settled_after.map(|after| after.as_secs_f64()),
        "violations": outcome.violations.iter().map(violated).collect::<Vec<_>>(),
        "sometimes": sometimes(&outcome.sometimes),
        "replay": replay,
    })
}

/// A broken promise as an object.
pub(crate) fn violated(violation: &Violation) -> Value {
    json!({
        "check": violation.check,
        "at_s": violation.at.since(Instant::ORIGIN).as_secs_f64(),
        "text": violation.text,
        "hosts": violation.hosts,
    })
}

/// What ever happened, as an object of counts.
pub(crate) fn sometimes(sometimes: &Sometimes) -> Value {
    sometimes
        .iter()
        .map(|(what, count)| (what.to_owned(), Value::from(count)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
