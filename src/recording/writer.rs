//! Entries to bytes, up to a bound that is never passed.
//!
//! An entry is written whole or not at all, and space is kept for the last one, which says why the recording ends.

use std::fmt;
use std::io;

use twox_hash::XxHash3_64;

use crate::election::SaveOutcome;
use crate::member::Advertise;
use crate::protocol::Reach;
use crate::recording::fields::{
    put_address, put_bytes, put_choice, put_id, put_identity, put_instant, put_record, put_told, put_u32, put_u64,
    put_voter_state,
};
use crate::recording::knobs::put_config;
use crate::recording::{Drained, Header, Input, MAGIC, RECORDING_VERSION, What};

/// The kinds of entries, as their first byte.
pub(super) mod kind {
    pub(in crate::recording) const HEADER: u8 = 0;
    pub(in crate::recording) const DATAGRAM: u8 = 1;
    pub(in crate::recording) const TIMEOUT: u8 = 2;
    pub(in crate::recording) const JOIN: u8 = 3;
    pub(in crate::recording) const PRELOAD: u8 = 4;
    pub(in crate::recording) const SET_METADATA: u8 = 5;
    pub(in crate::recording) const FORGET: u8 = 6;
    pub(in crate::recording) const LEAVE: u8 = 7;
    pub(in crate::recording) const DRAINED: u8 = 8;
    pub(in crate::recording) const STOPPED: u8 = 9;
    pub(in crate::recording) const BYTES_MAX: u8 = 10;
    pub(in crate::recording) const STAND: u8 = 11;
    pub(in crate::recording) const SAVED: u8 = 12;
    pub(in crate::recording) const RESIGN: u8 = 13;
    pub(in crate::recording) const REACH: u8 = 14;
    pub(in crate::recording) const SET_CANDIDACY: u8 = 15;
    pub(in crate::recording) const SET_WORD: u8 = 16;
    pub(in crate::recording) const SET_WALL_CLOCK: u8 = 17;
    pub(in crate::recording) const CHANGE_VOTERS: u8 = 18;
    pub(in crate::recording) const STOP_CHANGE: u8 = 19;
}

/// Before each entry: its length and its check, 4 bytes each.
pub(super) const HEAD_BYTES: usize = 8;
/// An entry without fields, such as the last one.
const BARE_BYTES: u64 = HEAD_BYTES as u64 + 1;

/// The check of an entry: by its place as well as its bytes, so that one that is lost or moved is noticed.
pub(super) fn check(number: u64, body: &[u8]) -> u32 {
    XxHash3_64::oneshot_with_seed(number, body) as u32
}

/// Why a recording ends before the node does.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecordError {
    /// The next entry would pass this bound. What was written is whole.
    BytesMax(u64),
    /// What is written to took no more.
    Io(io::Error),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::BytesMax(bytes_max) => write!(f, "its bound of {bytes_max} bytes is reached"),
            RecordError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RecordError::BytesMax(_) => None,
            RecordError::Io(error) => Some(error),
        }
    }
}

/// Writes a recording. After its first error it is of no more use: drop it.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    entry: Vec<u8>,
    entries: u64,
    bytes: u64,
    bytes_max: u64,
}

impl<W: io::Write> Writer<W> {
    /// Will write at most so many bytes. Each entry is one `write_all`.
    #[must_use]
    pub fn new(to: W, bytes_max: u64) -> Self {
        Writer { to, entry: Vec::new(), entries: 0, bytes: 0, bytes_max }
    }

    /// Bytes written so far, which the bound limits.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is written to.
    pub fn into_inner(self) -> W {
        self.to
    }

    /// Begins the recording; once, before all else.
    ///
    /// # Errors
    /// When it does not fit, of which nothing is then written, or the writer fails.
    pub fn start(&mut self, header: &Header) -> Result<(), RecordError> {
        self.begin(kind::HEADER);
        put_bytes(&mut self.entry, header.release.as_bytes());
        put_config(&mut self.entry, &header.config);
        put_identity(&mut self.entry, &header.identity);
        self.entry.push(u8::from(header.identity.advertise == Advertise::AsGiven));
        put_u64(&mut self.entry, header.seed);
        put_instant(&mut self.entry, header.now);

        let signature_bytes = MAGIC.len() as u64 + 1;
        if signature_bytes + self.entry.len() as u64 + BARE_BYTES > self.bytes_max {
            return Err(RecordError::BytesMax(self.bytes_max));
        }

        let [a, b, c, d, e, f, g] = MAGIC;
        self.bytes += signature_bytes;
        self.to.write_all(&[a, b, c, d, e, f, g, RECORDING_VERSION]).map_err(RecordError::Io)?;
        self.finish()
    }

    /// Writes a call down, before it is made.
    ///
    /// # Errors
    /// When it does not fit, and the recording then ends with a word about that, or the writer fails.
    pub fn input(&mut self, input: &Input<'_>) -> Result<(), RecordError> {
        self.begin(match &input.what {
            What::Datagram { .. } => kind::DATAGRAM,
            What::Timeout => kind::TIMEOUT,
            What::Join(_) => kind::JOIN,
            What::Preload(_) => kind::PRELOAD,
            What::SetMetadata(_) => kind::SET_METADATA,
            What::Forget(_) => kind::FORGET,
            What::Leave => kind::LEAVE,
            What::StartVoting { .. } => kind::STAND,
            What::SetCandidacy { .. } => kind::SET_CANDIDACY,
            What::SetWord { .. } => kind::SET_WORD,
            What::SetWallClock(_) => kind::SET_WALL_CLOCK,
            What::ChangeVoters { .. } => kind::CHANGE_VOTERS,
            What::StopChange(_) => kind::STOP_CHANGE,
            What::Saved { .. } => kind::SAVED,
            What::Resign { .. } => kind::RESIGN,
            What::Reach(_) => kind::REACH,
        });

        let entry = &mut self.entry;
        put_instant(entry, input.at);
        match &input.what {
            What::Datagram { from, bytes } => {
                put_address(entry, *from);
                put_bytes(entry, bytes);
            }
            What::Join(contacts) => put_list(entry, contacts, |entry, contact| put_address(entry, *contact)),
            What::Preload(records) => put_list(entry, records, put_record),
            What::SetMetadata(metadata) => put_bytes(entry, metadata),
            What::Forget(id) => put_id(entry, *id),
            What::Timeout | What::Leave => {}
            What::StartVoting { election, voter_state } => {
                put_bytes(entry, election.as_bytes());
                put_voter_state(entry, voter_state);
            }
            What::SetCandidacy { election, candidacy } => {
                put_bytes(entry, election.as_bytes());
                put_u32(entry, candidacy.map_or(0, |priority| u32::from(priority) + 1));
            }
            What::SetWord { election, word } => {
                put_bytes(entry, election.as_bytes());
                put_bytes(entry, word);
            }
            What::SetWallClock(unix_ms) => put_u64(entry, *unix_ms),
            What::Saved { election, number, outcome } => {
                put_bytes(entry, election.as_bytes());
                put_u64(entry, *number);
                entry.push(u8::from(*outcome == SaveOutcome::Done));
            }
            What::Resign { election, to } => {
                put_bytes(entry, election.as_bytes());
                put_choice(entry, *to);
            }
            What::Reach(reach) => entry.push(reach_code(*reach)),
            What::ChangeVoters { election, list, is_forced } => {
                put_bytes(entry, election.as_bytes());
                put_list(entry, list, |entry, name| put_bytes(entry, name.as_bytes()));
                entry.push(u8::from(*is_forced));
            }
            What::StopChange(election) => put_bytes(entry, election.as_bytes()),
        }
        self.finish_bounded()
    }

    /// Writes down what came of the calls since the last time, once everything is drained.
    ///
    /// # Errors
    /// As for [`Writer::input`].
    pub fn drained(&mut self, drained: &Drained) -> Result<(), RecordError> {
        self.begin(kind::DRAINED);
        put_u64(&mut self.entry, drained.hash);
        put_u64(&mut self.entry, drained.transmits);
        put_list(&mut self.entry, &drained.events, put_told);
        self.finish_bounded()
    }

    /// Ends the recording of a node that has stopped.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn stopped(&mut self) -> Result<(), RecordError> {
        self.end(kind::STOPPED)
    }

    /// Passes on what the writer holds back.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        self.to.flush().map_err(RecordError::Io)
    }

    fn end(&mut self, kind: u8) -> Result<(), RecordError> {
        self.begin(kind);
        self.finish()
    }

    fn begin(&mut self, kind: u8) {
        self.entry.clear();
        self.entry.extend_from_slice(&[0; HEAD_BYTES]);
        self.entry.push(kind);
    }

    fn finish_bounded(&mut self) -> Result<(), RecordError> {
        if self.bytes + self.entry.len() as u64 + BARE_BYTES > self.bytes_max {
            self.end(kind::BYTES_MAX)?;
            return Err(RecordError::BytesMax(self.bytes_max));
        }
        self.finish()
    }

    fn finish(&mut self) -> Result<(), RecordError> {
        let Some((head, body)) = self.entry.split_first_chunk_mut::<HEAD_BYTES>() else { return Ok(()) };
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let [a, b, c, d] = length.to_le_bytes();
        let [e, f, g, h] = check(self.entries, body).to_le_bytes();
        *head = [a, b, c, d, e, f, g, h];
        self.entries += 1;
        self.bytes += self.entry.len() as u64;
        self.to.write_all(&self.entry).map_err(RecordError::Io)
    }
}

fn put_list<T>(to: &mut Vec<u8>, items: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    put_u32(to, u32::try_from(items.len()).unwrap_or(u32::MAX));
    items.iter().for_each(|item| put(to, item));
}

/// The families of a socket, as bits: 1 is IPv4, 2 is IPv6.
pub(super) fn reach_code(reach: Reach) -> u8 {
    match reach {
        Reach::V4 => 1,
        Reach::V6 => 2,
        Reach::Both => 3,
    }
}
