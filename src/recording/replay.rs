//! A recording lived through again: the same calls in the same order, and proof that the same came of them.
//!
//! A replay stops at the first difference, because from there on it is another story. A difference means that another
//! release decides otherwise, or that something besides the inputs decided, which is a bug in this crate.

use std::fmt;
use std::io::Read;

use crate::config::ConfigError;
use crate::event::Event;
use crate::protocol::Protocol;
use crate::recording::outputs::Outputs;
use crate::recording::recorder::{code, resign_code};
use crate::recording::{Drained, Ending, Entry, Input, ReadError, Reader, Told, What};
use crate::time::Instant;

/// What happened from one drain to the next: mostly one call and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    /// Counts the turns, from 0: the start of the node.
    pub number: u64,
    /// When: the moment of its last call.
    pub at: Instant,
    /// The calls, in order; the first turn may have none.
    pub inputs: Vec<Input<'static>>,
    /// How many datagrams came of them.
    pub transmits: u64,
    /// The events that came of them.
    pub events: Vec<Event>,
    /// Whether the recording has what came of the calls, and it is the same. Only of the last turn it may not: the
    /// recording then ends in the middle of it.
    pub is_proved: bool,
}

/// A protocol that goes through a recording, turn by turn.
#[derive(Debug)]
pub struct Replay<R: Read> {
    reader: Reader<R>,
    protocol: Protocol,
    outputs: Outputs,
    turns: u64,
    at: Instant,
    buf: Vec<u8>,
}

impl<R: Read> Replay<R> {
    /// Makes the protocol as it was made then.
    ///
    /// # Errors
    /// When this release does not take the configuration or the identity.
    pub fn new(reader: Reader<R>) -> Result<Self, ConfigError> {
        let header = reader.header();
        let (config, identity) = (header.config.clone(), header.identity.clone());
        let (protocol, at) = (Protocol::new(config, identity, header.seed, header.now)?, header.now);
        Ok(Replay { reader, protocol, outputs: Outputs::default(), turns: 0, at, buf: Vec::new() })
    }

    /// The protocol as it stood after the last turn: ask it for its members, or why one is dead.
    #[must_use]
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Where the recording is read from; its header, and its ending once there are no more turns.
    #[must_use]
    pub fn reader(&self) -> &Reader<R> {
        &self.reader
    }

    /// Goes through the next turn; none at the end of the recording.
    ///
    /// # Errors
    /// When something else came of the calls than is recorded. What follows would prove nothing: stop here.
    pub fn turn(&mut self) -> Result<Option<Turn>, Box<Divergence>> {
        let mut inputs = Vec::new();
        let recorded = loop {
            match self.reader.next() {
                Some(Entry::Input(input)) => {
                    self.apply(&input);
                    inputs.push(input);
                }
                Some(Entry::Drained(drained)) => break Some(drained),
                None if inputs.is_empty() => return Ok(None),
                None => break None,
            }
        };

        let events = self.drain();
        let replayed = self.outputs.drained(self.protocol.poll_timeout());

        let number = self.turns;
        self.turns += 1;
        let (at, transmits, is_proved) = (self.at, replayed.transmits, recorded.is_some());

        match recorded {
            Some(recorded) if recorded != replayed => {
                let release = self.reader.header().release.clone();
                Err(Box::new(Divergence { turn: number, at, inputs, recorded, replayed, release }))
            }
            _ => Ok(Some(Turn { number, at, inputs, transmits, events, is_proved })),
        }
    }

    fn apply(&mut self, input: &Input<'_>) {
        let (at, protocol) = (input.at, &mut self.protocol);
        self.at = at;
        match &input.what {
            What::Datagram { from, bytes } => {
                self.buf.clear();
                self.buf.extend_from_slice(bytes);
                self.outputs.answer(code(protocol.handle_datagram(at, *from, &mut self.buf)));
            }
            What::Timeout => protocol.handle_timeout(at),
            What::Join(contacts) => protocol.join(at, contacts),
            What::Preload(records) => protocol.preload(at, records),
            What::SetMetadata(metadata) => {
                self.outputs.answer(u8::from(protocol.set_metadata(at, metadata).is_err()));
            }
            What::Forget(id) => self.outputs.answer(u8::from(protocol.forget(at, *id).is_err())),
            What::Leave => protocol.leave(at),
            What::StartVoting { election, voter_state } => {
                self.outputs.answer(u8::from(protocol.start_voting(at, election, voter_state.clone()).is_err()));
            }
            What::SetCandidacy { election, candidacy } => {
                self.outputs.answer(u8::from(protocol.set_candidacy(at, election, *candidacy).is_err()));
            }
            What::SetWord { election, word } => {
                self.outputs.answer(u8::from(protocol.set_word(at, election, word).is_err()));
            }
            What::SetWallClock(unix_ms) => protocol.set_wall_clock(at, *unix_ms),
            What::Saved { election, number, outcome } => protocol.handle_saved(at, election, *number, *outcome),
            What::Resign { election, to } => {
                self.outputs.answer(resign_code(protocol.resign(at, election, *to)));
            }
            What::Reach(reach) => protocol.set_reach(at, *reach),
            What::ChangeVoters { election, list, is_forced } => {
                let done = protocol.change_voters(at, election, list, *is_forced);
                self.outputs.answer(u8::from(done.is_err()));
            }
            What::StopChange(election) => protocol.stop_change(at, election),
        }
    }

    fn drain(&mut self) -> Vec<Event> {
        while let Some(transmit) = self.protocol.poll_transmit(&mut self.buf) {
            self.outputs.transmit(transmit.to, &self.buf);
        }
        let mut events = Vec::new();
        while let Some(event) = self.protocol.poll_event() {
            self.outputs.event(&event);
            events.push(event);
        }
        while let Some(save) = self.protocol.poll_save() {
            self.outputs.save(&save);
        }
        events
    }
}

/// The first place where a replay and its recording part.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// The number of the turn.
    pub turn: u64,
    /// When, on the node's timeline.
    pub at: Instant,
    /// The calls of that turn.
    pub inputs: Vec<Input<'static>>,
    /// What came of them then.
    pub recorded: Drained,
    /// What comes of them now.
    pub replayed: Drained,
    /// The release that recorded.
    pub release: String,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.inputs.last().map_or_else(|| "start".to_owned(), |input| input.what.to_string());
        let (then, now) = (&self.recorded, &self.replayed);
        write!(f, "the replay parts from the recording at {}, turn {} ({last}): ", self.at, self.turn)?;
        if (then.transmits, &then.events) == (now.transmits, &now.events) {
            f.write_str("as many datagrams and the same events, but other bytes or another deadline")?;
        } else {
            let (then_told, now_told) = (List(&then.events), List(&now.events));
            write!(f, "recorded {} datagrams and {then_told}, ", then.transmits)?;
            write!(f, "replayed {} datagrams and {now_told}", now.transmits)?;
        }
        write!(f, "; recorded by release {}, this is {}", self.release, env!("CARGO_PKG_VERSION"))
    }
}

impl std::error::Error for Divergence {}

struct List<'a>(&'a [Told]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no event");
        }
        for (place, told) in self.0.iter().enumerate() {
            write!(f, "{}{told}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// What a whole replay came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Turns, the start among them.
    pub turns: u64,
    /// Events that were told in all turns.
    pub events: u64,
    /// The moment of the last turn.
    pub until: Instant,
    /// How the recording ended.
    pub ending: Ending,
}

/// Why a recording could not be replayed to its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplayError {
    /// There is no recording to read.
    Read(ReadError),
    /// This release does not take the configuration or the identity.
    Config(ConfigError),
    /// Something else came of the calls than is recorded.
    Diverged(Box<Divergence>),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Read(error) => error.fmt(f),
            ReplayError::Config(error) => write!(f, "this release does not take the recorded configuration: {error}"),
            ReplayError::Diverged(divergence) => divergence.fmt(f),
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReplayError::Read(error) => Some(error),
            ReplayError::Config(error) => Some(error),
            ReplayError::Diverged(divergence) => Some(divergence.as_ref()),
        }
    }
}

/// Replays a whole recording; `each` sees every event that a subscriber of the node was told, when it was told, and the
/// protocol as it stood after that turn.
///
/// # Errors
/// When it cannot be read or diverges. That it is cut off is none: the summary says so.
pub fn replay<R: Read>(from: R, mut each: impl FnMut(Instant, &Event, &Protocol)) -> Result<Summary, ReplayError> {
    let reader = Reader::new(from).map_err(ReplayError::Read)?;
    let mut replay = Replay::new(reader).map_err(ReplayError::Config)?;
    let mut events = 0;
    while let Some(turn) = replay.turn().map_err(ReplayError::Diverged)? {
        for event in &turn.events {
            each(turn.at, event, replay.protocol());
            events += 1;
        }
    }
    let cut_off = Ending::CutOff { at_byte: 0 };
    let ending = replay.reader.ending().unwrap_or(cut_off);
    Ok(Summary { turns: replay.turns, events, until: replay.at, ending })
}
