//! One partition's log behind its fence: a file that any broker can open, and that only the newest owner may write to.
//!
//! No lease can keep a stopped process from going on with a write when it wakes; the storage can, because every write
//! passes there. What matters is that nothing comes between the check of the token and the write. Here the gate's file
//! lock is held for both: a process that is stopped in between keeps the lock, the next owner waits for it, and its
//! write counts as one that came before. Real storage does both in one step of its own and waits for no process: a
//! conditional write, a ledger that is closed to its former writer, a log server that keeps the highest epoch beside
//! the log. It would refuse by the same rule.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tidings::Term;
use tidings::election::{FenceError, FenceGate};
use tidings::leader::Token;

/// Bytes of a record: its number, its writer's token (term and sequence), and the end of the line.
const RECORD: usize = 12 + 1 + 20 + 1 + 20 + 1;

/// Which record, by which owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub number: u64,
    /// The order of its writer's token.
    pub token: (Term, u64),
}

#[derive(Debug)]
pub enum AppendError {
    /// A newer owner has been here.
    Fenced {
        highest: (Term, u64),
    },
    /// Another process holds the lock: try again.
    Busy,
    Io(io::Error),
}

/// A partition's log, as one process sees it.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    fenced: bool,
    /// What this process knows of the file, as the owner by this token.
    owned: Option<Owned>,
}

#[derive(Clone, Copy, Debug)]
struct Owned {
    token: Token,
    /// Where the next record goes. An owner need not look where the file ends, because no other writes.
    end: u64,
    /// The last record's number.
    last: u64,
}

impl Log {
    pub fn new(folder: &Path, partition: usize, fenced: bool) -> Self {
        Log { path: path(folder, partition), fenced, owned: None }
    }

    /// Makes the owner by this token the newest, which shuts out all earlier ones, and then reads what they have
    /// written: in the other order one of them might still write in between.
    pub fn take_over(&mut self, token: Token) -> Result<(), AppendError> {
        self.write(token, None)
    }

    /// Writes a record, unless it is there: a client that got no answer sends it again, perhaps to another owner.
    pub fn append(&mut self, token: Token, number: u64) -> Result<(), AppendError> {
        self.write(token, Some(number))
    }

    fn write(&mut self, token: Token, number: Option<u64>) -> Result<(), AppendError> {
        // Opened for each write, and locked until it is dropped at the end, after the write.
        let mut gate = FenceGate::durable(self.path.with_extension("fence"))?;
        if self.fenced {
            gate.admit(token)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.path)?;
        let mut owned = match self.owned.take().filter(|owned| owned.token == token) {
            Some(owned) => owned,
            None => recover(&mut file, token)?,
        };
        if let Some(number) = number.filter(|number| *number > owned.last) {
            file.seek(SeekFrom::Start(owned.end))?;
            file.write_all(Record { number, token: token.order() }.line().as_bytes())?;
            file.sync_data()?; // the answer must be true after a power failure, too
            owned = Owned { token, end: owned.end + RECORD as u64, last: number };
        }
        self.owned = Some(owned);
        Ok(())
    }
}

/// Cuts off what a killed owner began and never finished (no client was told of it), and finds the last record.
fn recover(file: &mut File, token: Token) -> io::Result<Owned> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.len() - bytes.len() % RECORD;
    file.set_len(whole as u64)?;
    let last = bytes.chunks_exact(RECORD).filter_map(Record::read).map(|record| record.number).max();
    Ok(Owned { token, end: whole as u64, last: last.unwrap_or(0) })
}

/// Every record of a partition, in the file's order; none in the place of one that cannot be read.
pub fn read_all(folder: &Path, partition: usize) -> io::Result<Vec<Option<Record>>> {
    match std::fs::read(path(folder, partition)) {
        Ok(bytes) => Ok(bytes.chunks(RECORD).map(Record::read).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn path(folder: &Path, partition: usize) -> PathBuf {
    folder.join(format!("{partition:02}.log"))
}

impl Record {
    fn line(self) -> String {
        let (Term(term), sequence) = self.token;
        format!("{:>12} {term:>20} {sequence:>20}\n", self.number)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(bytes).ok()?;
        let numbers: Vec<u64> = line.split_whitespace().map_while(|number| number.parse().ok()).collect();
        let [number, term, sequence] = numbers[..] else { return None };
        let record = Record { number, token: (Term(term), sequence) };
        (record.line() == line).then_some(record)
    }
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::ResourceBusy { AppendError::Busy } else { AppendError::Io(error) }
    }
}

impl From<FenceError> for AppendError {
    fn from(error: FenceError) -> Self {
        match error {
            FenceError::Fenced { highest, .. } => AppendError::Fenced { highest },
            FenceError::Held { offered, .. } => AppendError::Fenced { highest: offered.order() },
            FenceError::NotSaved { error, .. } => AppendError::Io(error),
            other => AppendError::Io(io::Error::other(other)),
        }
    }
}
