//! What happened in a run, an aligned line each: what hosts were told, what happened to them, what went wrong.

use std::io::Write;

use tidings::Event;
use tidings_sim::trace::{Line, Trace, What};

use crate::cli::trouble::Trouble;

/// Lines shown, unless every datagram is asked for.
const LINES_MAX: usize = 1_000;

/// Tells a trace: without datagrams and reasons, unless everything is asked for.
pub(crate) fn tell(trace: &Trace, is_verbose: bool, out: &mut impl Write) -> Result<(), Trouble> {
    if is_verbose {
        for line in trace.lines() {
            writeln!(out, "{line}")?;
        }
        return Ok(());
    }

    let (mut shown, mut ups): (Vec<String>, Vec<&Line>) = Default::default();
    for line in trace.lines() {
        if !is_of_interest(line) {
            continue;
        }
        let names = ups.last().is_some_and(|last| is_same_welcome(last, line));
        if !names {
            flush(&mut ups, &mut shown);
        }
        match &line.what {
            What::Told(Event::Up(_)) => ups.push(line),
            _ => shown.push(line.to_string()),
        }
    }
    flush(&mut ups, &mut shown);

    // The beginning of a long story says little about its end.
    let left_out = shown.len().saturating_sub(LINES_MAX);
    if left_out > 0 {
        writeln!(out, "  ... {left_out} lines before these: --verbose shows all, --trace FILE writes them")?;
    }
    for line in &shown[left_out..] {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn is_of_interest(line: &Line) -> bool {
    match &line.what {
        What::Sent { .. } | What::Handled { .. } | What::Lost { .. } | What::Why(..) => false,
        // The report says it, with everything else about it.
        What::Violation { .. } => false,
        _ => true,
    }
}

/// Whether a host was told of one more member that is up at the same moment.
fn is_same_welcome(one: &Line, next: &Line) -> bool {
    matches!(next.what, What::Told(Event::Up(_))) && one.host == next.host && one.at == next.at
}

/// Members that a host was told of at once share a line.
fn flush(ups: &mut Vec<&Line>, shown: &mut Vec<String>) {
    let mut text = match ups.first() {
        Some(line) => line.to_string(),
        None => return,
    };
    if ups.len() > 1 {
        let names = ups.iter().filter_map(|line| match &line.what {
            What::Told(event) => Some(event.member()?.name()),
            _ => None,
        });
        let names: Vec<&str> = names.collect();
        let told = text.find("told").unwrap_or(text.len());
        text.truncate(told);
        text.push_str(&format!("told     {} up", names.join(" ")));
    }
    shown.push(text);
    ups.clear();
}
