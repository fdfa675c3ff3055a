//! Ballots in a folder of the operating system's, locked, so that one store at a time has them.

use std::io;
use std::path::{Path, PathBuf};

use crate::durable::{Files, Lock, create_folder};
use crate::election::store::disk::place;
use crate::election::store::{Ballot, DiskStore, TermStore};

/// Ballots in a folder of this process' own, durable before [`TermStore::save`] returns.
///
/// Each election has a file `<election>.term`, in which bytes other than `a-z`, `0-9`, `-` and `_` are written as `%`
/// and two hexadecimal digits. Each replaces the one before as a whole: a temporary file is written and synced, renamed
/// over it, and the folder is synced. The folder is locked for as long as the store is open, and belongs to one voter
/// for ever: never put a copy or a backup of it back, because an older ballot is whole, and nothing can tell that it is
/// older. If it lies on a disk of its own, see that the disk is mounted first: an empty folder is a new voter's. On
/// Windows a folder cannot be synced, so the new name is as durable as the file system's journal makes it.
///
/// A file that is torn, corrupt or of another election is refused, by [`TermStore::load`] and [`TermStore::save`]
/// alike: see [`FileStore::start_over`].
#[derive(Debug)]
pub struct FileStore {
    store: DiskStore<Files>,
    lock: Lock,
}

impl FileStore {
    /// Opens the folder, and makes it, for this user alone, if it is missing.
    ///
    /// # Errors
    /// `ResourceBusy` if another process, or another store in this one, has the folder open; or the operating system's
    /// own.
    pub fn open(folder: impl AsRef<Path>) -> io::Result<Self> {
        let folder = std::path::absolute(folder)?;
        create_folder(&folder)?;
        let lock = Lock::take(&folder.join("lock"))?;
        Ok(FileStore { store: DiskStore::new(Files, folder), lock })
    }

    /// The way out of a ballot that cannot be read: puts the file aside as `<election>.term.bad`, in the place of an
    /// earlier one of that name, and returns where. The voter is then a new one: it starts its term at the Unix
    /// millisecond of its start and waits one promise before it votes, as with [`MemoryStore`](super::MemoryStore), but
    /// only this once.
    ///
    /// The voter has forgotten which candidate it voted for, in which term, and what it promised. Starting over is safe
    /// when all of these hold:
    /// - Exactly one voter of the election does so at a time: the next one only after this one has voted again.
    /// - Its clock is not behind the terms that it has voted in. Terms count up from the Unix millisecond at which a
    ///   voter started, so a clock that is right is enough; the term of the present leader, which any other voter
    ///   tells, must be lower than this machine's Unix time in milliseconds.
    /// - The promise is not configured to be shorter than when the voter last voted: one promise, as configured now, is
    ///   what it waits.
    ///
    /// It is not safe while the clock may be wrong, nor for a second voter at the same time, nor for as many voters as
    /// make a quorum: together these may elect a second leader in a term that had one. If a quorum has lost its
    /// ballots, stop all voters and everything that acts for a leader first, and set the clocks right.
    ///
    /// # Errors
    /// `ResourceBusy` while the folder is open, here or elsewhere; `NotFound` if there is no such file; `InvalidInput`
    /// if its ballot is whole, because to forget that one is never needed; or the operating system's own. Nothing has
    /// changed then, unless only the last step failed, which makes the new name durable.
    pub fn start_over(folder: impl AsRef<Path>, election: &str) -> io::Result<PathBuf> {
        let folder = std::path::absolute(folder)?;
        place(&folder, election)?;
        if !folder.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no folder {}", folder.display())));
        }
        let _lock = Lock::take(&folder.join("lock"))?;
        DiskStore::new(Files, folder).start_over(election)
    }
}

impl TermStore for FileStore {
    fn load(&mut self, election: &str) -> io::Result<Option<Ballot>> {
        // A folder that is gone would look like a new voter's.
        self.lock.check()?;
        self.store.load(election)
    }

    /// # Errors
    /// `InvalidInput` for a term lower than the saved one, for another vote in the same term, and for an election's
    /// name that is none (1 to 64 bytes, no control characters); `InvalidData` if the saved ballot cannot be read; or
    /// the operating system's own. In each case a whole ballot that was there is still there, or the new one, whole, if
    /// only the last step failed, which makes its name durable.
    fn save(&mut self, election: &str, ballot: &Ballot) -> io::Result<()> {
        self.lock.check()?;
        self.store.save(election, ballot)
    }

    fn is_durable(&self) -> bool {
        true
    }
}
