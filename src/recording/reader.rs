//! Bytes to entries: strict, total, and never more memory than the bytes there are.
//!
//! A recording may end anywhere, because a process may be killed anywhere. What is whole until then is handed out, and
//! how it ended is said.

use std::fmt;
use std::io::{self, Read};

use crate::election::SaveOutcome;
use crate::protocol::Reach;
use crate::recording::fields::Fields;
use crate::recording::knobs::take_config;
use crate::recording::writer::{HEAD_BYTES, check, kind, reach_code};
use crate::recording::{Drained, Header, Input, MAGIC, RECORDING_VERSION, What};

/// One entry of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A call was made.
    Input(Input<'static>),
    /// All outputs were drained, and hashed.
    Drained(Drained),
}

/// How a recording ended. What came before is good in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The node stopped, and said so in the last entry.
    Stopped,
    /// The recording had reached its bound; the node went on.
    BytesMax,
    /// It just ends: the process was killed, or the disk was full, failed or fell behind, which the node's log says.
    CutOff {
        /// Where the last whole entry ends.
        at_byte: u64,
    },
    /// What follows is not as it was written, or was written by a later release.
    Damaged {
        /// Where the last good entry ends.
        at_byte: u64,
    },
    /// It could not be read on.
    Unreadable {
        /// Where the last good entry ends.
        at_byte: u64,
        /// The error's kind.
        error: io::ErrorKind,
    },
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Stopped => f.write_str("the node stopped"),
            Ending::BytesMax => f.write_str("the recording reached its bound, the node went on"),
            Ending::CutOff { at_byte } => write!(f, "the recording is cut off after byte {at_byte}"),
            Ending::Damaged { at_byte } => {
                write!(f, "after byte {at_byte} the recording is damaged, or of a later release")
            }
            Ending::Unreadable { at_byte, error } => {
                write!(f, "after byte {at_byte} the recording cannot be read: {error}")
            }
        }
    }
}

/// Why there is no recording to read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// It does not begin as a recording does.
    NotARecording,
    /// It is of another version of the format.
    Version(u8),
    /// It ends before it has begun: the process was killed at once, or the bound was too low.
    CutOff,
    /// Its header is damaged, or names a knob that this release does not know.
    Header,
    /// It cannot be read.
    Io(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::NotARecording => {
                f.write_str("this is no recording of a node; give a file that .record(..) made")
            }
            ReadError::Version(version) => write!(
                f,
                "this recording is of format {version}, and this release reads {RECORDING_VERSION}; replay it with the release that made it"
            ),
            ReadError::CutOff => f.write_str("this recording ends before it has begun; give the node a higher bound"),
            ReadError::Header => f.write_str(
                "the recording's header is damaged, or of a later release; replay it with the release that made it",
            ),
            ReadError::Io(error) => write!(f, "cannot read the recording: {error}"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Reads a recording entry by entry, as an iterator; afterwards [`Reader::ending`] says how it ended.
#[derive(Debug)]
pub struct Reader<R: Read> {
    source: Source<R>,
    header: Header,
    ending: Option<Ending>,
}

impl<R: Read> Reader<R> {
    /// Reads the header. The source is buffered here.
    ///
    /// # Errors
    /// When it is no recording, or one that this release cannot read.
    pub fn new(from: R) -> Result<Self, ReadError> {
        let mut source = Source { from: io::BufReader::new(from), body: Vec::new(), entries: 0, at_byte: 0 };
        source.signature()?;
        match source.entry() {
            Ok(Some(body)) => {
                let header = header(body).ok_or(ReadError::Header)?;
                Ok(Reader { source, header, ending: None })
            }
            Ok(None) => Err(ReadError::Header),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ReadError::CutOff),
            Err(error) => Err(ReadError::Io(error)),
        }
    }

    /// What the recorded protocol was made from.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How far it was read: where the last good entry ends.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.source.at_byte
    }

    /// How the recording ended, once all entries are read.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.ending.is_some() {
            return None;
        }
        let at_byte = self.source.at_byte;
        let ending = match self.source.entry() {
            Ok(Some([kind::STOPPED])) => Ending::Stopped,
            Ok(Some([kind::BYTES_MAX])) => Ending::BytesMax,
            Ok(body) => match body.and_then(entry) {
                Some(entry) => return Some(entry),
                None => Ending::Damaged { at_byte },
            },
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ending::CutOff { at_byte },
            Err(error) => Ending::Unreadable { at_byte, error: error.kind() },
        };
        self.ending = Some(ending);
        None
    }
}

/// The bytes of entries, checked.
#[derive(Debug)]
struct Source<R: Read> {
    from: io::BufReader<R>,
    body: Vec<u8>,
    entries: u64,
    /// Where the last good entry ends.
    at_byte: u64,
}

impl<R: Read> Source<R> {
    fn signature(&mut self) -> Result<(), ReadError> {
        let mut begun = Vec::new();
        let length = MAGIC.len() + 1;
        self.from.by_ref().take(length as u64).read_to_end(&mut begun).map_err(ReadError::Io)?;
        match begun.split_at_checked(MAGIC.len()) {
            Some((magic, _)) if *magic != MAGIC => Err(ReadError::NotARecording),
            Some((_, [RECORDING_VERSION])) => {
                self.at_byte = length as u64;
                Ok(())
            }
            Some((_, [version])) => Err(ReadError::Version(*version)),
            None if !MAGIC.starts_with(&begun) => Err(ReadError::NotARecording),
            _ => Err(ReadError::CutOff),
        }
    }

    /// The body of the next entry; none if its check does not match. The end of the source is an error.
    fn entry(&mut self) -> io::Result<Option<&[u8]>> {
        let mut head = [0; HEAD_BYTES];
        self.from.read_exact(&mut head)?;
        let [a, b, c, d, e, f, g, h] = head;
        let length = u32::from_le_bytes([a, b, c, d]);
        // Not reserved in advance: the length may be anything, and only what is there is read.
        self.body.clear();
        let read = self.from.by_ref().take(u64::from(length)).read_to_end(&mut self.body)?;
        if read as u64 != u64::from(length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if u32::from_le_bytes([e, f, g, h]) != check(self.entries, &self.body) {
            return Ok(None);
        }
        self.entries += 1;
        self.at_byte += (HEAD_BYTES + read) as u64;
        Ok(Some(&self.body))
    }
}

fn header(body: &[u8]) -> Option<Header> {
    let mut fields = Fields(body);
    if fields.u8()? != kind::HEADER {
        return None;
    }
    let header = Header {
        release: fields.text()?.to_owned(),
        config: take_config(&mut fields)?,
        identity: fields.header_identity()?,
        seed: fields.u64()?,
        now: fields.instant()?,
    };
    fields.is_empty().then_some(header)
}

fn entry(body: &[u8]) -> Option<Entry> {
    let mut fields = Fields(body);
    let kind = fields.u8()?;
    let entry = if kind == kind::DRAINED {
        let (hash, transmits) = (fields.u64()?, fields.u64()?);
        Entry::Drained(Drained { hash, transmits, events: fields.list(Fields::told)? })
    } else {
        let at = fields.instant()?;
        let what = match kind {
            kind::DATAGRAM => What::Datagram { from: fields.address()?, bytes: fields.bytes()?.to_owned().into() },
            kind::TIMEOUT => What::Timeout,
            kind::JOIN => What::Join(fields.list(Fields::address)?.into()),
            kind::PRELOAD => What::Preload(fields.list(Fields::record)?.into()),
            kind::SET_METADATA => What::SetMetadata(fields.bytes()?.to_owned().into()),
            kind::FORGET => What::Forget(fields.id()?),
            kind::LEAVE => What::Leave,
            kind::STAND => {
                What::StartVoting { election: fields.text()?.to_owned().into(), voter_state: fields.voter_state()? }
            }
            kind::SET_CANDIDACY => {
                let (election, above) = (fields.text()?.to_owned().into(), fields.u32()?);
                let candidacy = above.checked_sub(1).map(u8::try_from).transpose().ok()?;
                What::SetCandidacy { election, candidacy }
            }
            kind::SET_WORD => {
                What::SetWord { election: fields.text()?.to_owned().into(), word: fields.bytes()?.to_owned().into() }
            }
            kind::SET_WALL_CLOCK => What::SetWallClock(fields.u64()?),
            kind::CHANGE_VOTERS => What::ChangeVoters {
                election: fields.text()?.to_owned().into(),
                list: fields.list(|fields| Some(fields.text()?.to_owned().into()))?,
                is_forced: fields.flag()?,
            },
            kind::STOP_CHANGE => What::StopChange(fields.text()?.to_owned().into()),
            kind::SAVED => {
                let (election, number) = (fields.text()?.to_owned().into(), fields.u64()?);
                let outcome = if fields.flag()? { SaveOutcome::Done } else { SaveOutcome::Failed };
                What::Saved { election, number, outcome }
            }
            kind::RESIGN => What::Resign { election: fields.text()?.to_owned().into(), to: fields.choice()? },
            kind::REACH => {
                let code = fields.u8()?;
                What::Reach([Reach::V4, Reach::V6, Reach::Both].into_iter().find(|reach| reach_code(*reach) == code)?)
            }
            _ => return None,
        };
        Entry::Input(Input { at, what })
    };

    fields.is_empty().then_some(entry)
}
