//! Goes through what a real node recorded: the same protocol, the same calls, the same events, and why.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use serde_json::json;
use tidings::recording::{Ending, Reader, Replay, Turn};
use tidings::{Event, NodeId};
use tidings_sim::trace::{describe, message_name};
use twox_hash::XxHash3_64;

use crate::cli::Verdict;
use crate::cli::run::Shown;
use crate::cli::stopwatch::Stopwatch;
use crate::cli::trouble::Trouble;

/// What is counted on the way.
#[derive(Default)]
struct Counts {
    inputs: u64,
    datagrams: u64,
    events: u64,
    unproved: u64,
    /// Of the events told, with their moments.
    hash: u64,
}

pub(crate) fn replay(path: &Path, shown: &Shown, out: &mut impl Write) -> Result<Verdict, Trouble> {
    if shown.draws() {
        return Err(Trouble::say("a recording shows one node alone: --trace and --html draw whole clusters"));
    }
    let wrong = |error: &dyn std::fmt::Display| Trouble::file("replay", path, error);
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let reader = Reader::new(BufReader::new(file)).map_err(|error| wrong(&error))?;

    let watch = Stopwatch::start();
    let header = reader.header().clone();
    let began = header.now;
    let is_told = shown.verbose || !shown.json;
    if is_told {
        let (name, address, release) = (&header.identity.name, header.identity.address, &header.release);
        writeln!(out, "{name} at {address}, generation {}, release {release}", header.identity.generation)?;
    }

    let mut replay = Replay::new(reader).map_err(|error| wrong(&error))?;
    let (mut counts, mut until) = (Counts::default(), began);
    let diverged = loop {
        match replay.turn() {
            Ok(Some(turn)) => {
                until = turn.at;
                counts.take_in(&turn);
                if is_told {
                    tell(&replay, &turn, shown.verbose, out)?;
                }
            }
            Ok(None) => break None,
            Err(divergence) => break Some(divergence.to_string()),
        }
    };

    let ending = replay.reader().ending().unwrap_or(Ending::CutOff { at_byte: replay.reader().bytes_read() });
    let Counts { inputs, datagrams, events, unproved, hash } = counts;
    let (lasted, wall_s) = (until.since(began).as_secs_f64(), watch.elapsed().as_secs_f64());

    if shown.json {
        let object = json!({
            "recording": path.display().to_string(),
            "trace_hash": format!("{hash:016x}"),
            "virtual_s": lasted,
            "wall_s": wall_s,
            "happenings": inputs,
            "datagrams": datagrams,
            "events": events,
            "ending": ending.to_string(),
            "violations": diverged.iter().map(|text| json!({"check": "replays", "text": text})).collect::<Vec<_>>(),
        });
        writeln!(out, "{object}")?;
    } else {
        if let Some(text) = &diverged {
            writeln!(out, "DIVERGED {text}")?;
        }
        let proof = if unproved > 0 { ", the last turn without what came of it" } else { "" };
        writeln!(out, "{inputs} inputs, {events} events in {lasted:.1} s{proof}; {ending}")?;
    }

    Ok(if diverged.is_some() { Verdict::Broken } else { Verdict::Held })
}

impl Counts {
    fn take_in(&mut self, turn: &Turn) {
        self.inputs += turn.inputs.len() as u64;
        self.datagrams += turn.transmits;
        self.events += turn.events.len() as u64;
        self.unproved += u64::from(!turn.is_proved);
        for event in &turn.events {
            let text = describe(event);
            self.hash = XxHash3_64::oneshot_with_seed(self.hash ^ turn.at.as_nanos(), text.as_bytes());
        }
    }
}

/// Tells a turn's events, with the reason of each verdict; its inputs too when everything is asked for.
fn tell<R: std::io::Read>(
    replay: &Replay<R>,
    turn: &Turn,
    is_verbose: bool,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    use tidings::recording::What;

    for input in turn.inputs.iter().filter(|_| is_verbose) {
        let at = input.at;
        match &input.what {
            What::Datagram { from, bytes } => {
                writeln!(out, "{at:>14}  handles  {} from {from}, {} bytes", message_name(bytes), bytes.len())?;
            }
            What::Timeout => writeln!(out, "{at:>14}  wakes")?,
            other => writeln!(out, "{at:>14}  is told {other:?}")?,
        }
    }

    for event in &turn.events {
        writeln!(out, "{:>14}  told     {}", turn.at, describe(event))?;
        if let Some(why) = verdict_on(event).and_then(|id| replay.protocol().why(id)) {
            writeln!(
                out,
                "                because  {}",
                why.to_string().trim_end().replace('\n', "\n                ")
            )?;
        }
    }
    Ok(())
}

fn verdict_on(event: &Event) -> Option<NodeId> {
    match event {
        Event::Suspect { member, .. } | Event::Dead { member, .. } => Some(member.id()),
        _ => None,
    }
}
