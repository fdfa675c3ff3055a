//! The flight recorder: what a protocol was told, written down so that it can be lived through again.
//!
//! A [`Protocol`](crate::protocol::Protocol) does nothing by a clock or by chance of its own, so its seed and the calls
//! made to it are the whole story. A [`Recorder`] writes each call down before it is made, and afterwards a hash of
//! what came of it; a [`Replay`] makes the same calls again, proves by the hashes that it arrives at the same place,
//! and answers every question that the node could have been asked. Only a recording without a gap can be replayed:
//! whatever goes wrong while writing ends the recording, and what there is until then stays good.
//! `docs/recording.md` describes the format and its limits.

mod fields;
mod knobs;
mod outputs;
mod reader;
mod recorder;
mod replay;
mod writer;

#[cfg(test)]
mod tests;

pub use reader::{Ending, Entry, ReadError, Reader};
pub use recorder::Recorder;
pub use replay::{Divergence, Replay, ReplayError, Summary, Turn, replay};
pub use writer::{RecordError, Writer};

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use crate::config::Config;
use crate::election::{SaveOutcome, VoterState};
use crate::member::{Generation, Identity, Incarnation, NodeId, Record};
use crate::protocol::Reach;
use crate::time::Instant;

/// The version of the format, the byte after the file's first seven.
pub const RECORDING_VERSION: u8 = 1;
const MAGIC: [u8; 7] = *b"tidings";

/// What a protocol is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The release of this crate that made the recording; another one may decide otherwise.
    pub release: String,
    /// All knobs, as the protocol was given them.
    pub config: Config,
    /// The node's name, id, generation, address and metadata, as they were at its start.
    pub identity: Identity,
    /// What every random draw comes from. A reader of the recording can foretell the node's nonces by it.
    pub seed: u64,
    /// When the protocol was made.
    pub now: Instant,
}

impl Header {
    /// What a protocol of this release is made from.
    #[must_use]
    pub fn new(config: Config, identity: Identity, seed: u64, now: Instant) -> Self {
        Header { release: env!("CARGO_PKG_VERSION").to_owned(), config, identity, seed, now }
    }
}

/// One call to a protocol that changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input<'a> {
    /// The moment that the call named.
    pub at: Instant,
    /// Which call, with its arguments.
    pub what: What<'a>,
}

/// Which call it was, with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What<'a> {
    /// A datagram came in.
    Datagram {
        /// Where it came from.
        from: SocketAddr,
        /// Its bytes, as they came, accepted or not.
        bytes: Cow<'a, [u8]>,
    },
    /// A deadline was due.
    Timeout,
    /// The driver gave contacts to dial.
    Join(Cow<'a, [SocketAddr]>),
    /// The driver gave the records of a saved view.
    Preload(Cow<'a, [Record]>),
    /// The application changed this node's metadata.
    SetMetadata(Cow<'a, [u8]>),
    /// The application forgot a dead member.
    Forget(NodeId),
    /// The application let the node leave.
    Leave,
    /// A voter's store was read.
    StartVoting {
        /// The election's name.
        election: Cow<'a, str>,
        /// What the store held, and the wall clock.
        voter_state: VoterState,
    },
    /// The application wants to lead, or wants to no more.
    SetCandidacy {
        /// The election's name.
        election: Cow<'a, str>,
        /// Its priority, if it is a candidate.
        candidacy: Option<u8>,
    },
    /// The application said what it says as leader.
    SetWord {
        /// The election's name.
        election: Cow<'a, str>,
        /// What it says.
        word: Cow<'a, [u8]>,
    },
    /// Other voters were asked for.
    ChangeVoters {
        /// The election's name.
        election: Cow<'a, str>,
        /// The names of the voters.
        list: Vec<Cow<'a, str>>,
        /// Whether too few that live were no reason to refuse.
        is_forced: bool,
    },
    /// They are asked for no more.
    StopChange(Cow<'a, str>),
    /// The wall clock was set, in Unix milliseconds.
    SetWallClock(u64),
    /// A voter's store answered.
    Saved {
        /// The election's name.
        election: Cow<'a, str>,
        /// The number of the save.
        number: u64,
        /// What came of it.
        outcome: SaveOutcome,
    },
    /// The application gave leadership up.
    Resign {
        /// The election's name.
        election: Cow<'a, str>,
        /// The successor that was named, if one was.
        to: Option<NodeId>,
    },
    /// Which families the driver's socket can send to.
    Reach(Reach),
}

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Datagram { from, bytes } => write!(f, "datagram of {} bytes from {from}", bytes.len()),
            What::Timeout => f.write_str("timeout"),
            What::Join(contacts) => write!(f, "join of {} contacts", contacts.len()),
            What::Preload(records) => write!(f, "preload of {} records", records.len()),
            What::SetMetadata(metadata) => write!(f, "set_metadata of {} bytes", metadata.len()),
            What::Forget(id) => write!(f, "forget {id}"),
            What::Leave => f.write_str("leave"),
            What::StartVoting { election, .. } => write!(f, "stand in {election:?}"),
            What::SetCandidacy { election, candidacy } => write!(f, "candidacy in {election:?}: {candidacy:?}"),
            What::SetWord { election, word } => write!(f, "word of {} bytes in {election:?}", word.len()),
            What::ChangeVoters { election, list, .. } => write!(f, "change voters of {election:?} to {list:?}"),
            What::StopChange(election) => write!(f, "stop the change of voters of {election:?}"),
            What::SetWallClock(unix_ms) => write!(f, "wall clock {unix_ms}"),
            What::Saved { election, number, outcome } => write!(f, "save {number} of {election:?}: {outcome:?}"),
            What::Resign { election, to: None } => write!(f, "resign {election:?}"),
            What::Resign { election, to: Some(to) } => write!(f, "resign {election:?} to {to}"),
            What::Reach(reach) => write!(f, "reach {reach:?}"),
        }
    }
}

/// What had come of all calls when the protocol's outputs were drained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained {
    /// A hash over every datagram sent, every event told, every answer given and every next deadline since the start.
    pub hash: u64,
    /// How many datagrams were sent since the drain before.
    pub transmits: u64,
    /// The events told since the drain before.
    pub events: Vec<Told>,
}

/// An event in brief.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its kind, as [`Event::kind`](crate::event::Event::kind) names it.
    pub kind: Cow<'static, str>,
    /// The member that it was about, at which standing.
    pub member: Option<(NodeId, Generation, Incarnation)>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.member {
            Some((id, generation, incarnation)) => write!(f, "{} {id} {generation}.{incarnation}", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}
