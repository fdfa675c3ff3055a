//! Ballots in a folder: a file for each election, and a lock, so that one store at a time has them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use crate::durable::{Kind, Lock, Place, beside, create_folder};
use crate::election::store::{Ballot, TermStore};
use crate::voters::Voters;

const ELECTION_BYTES_MAX: usize = 64;
const WAY_OUT: &str = "this voter must not vote on it; the documentation of FileStore::start_over says when it is safe \
                       to start over as a new voter";
/// Names that some file systems keep for devices, whatever follows the dot.
const DEVICES: [&str; 6] = ["aux", "con", "nul", "prn", "com", "lpt"];

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
    folder: PathBuf,
    lock: Lock,
    /// What was loaded or saved here. Should a file vanish or go back while it is ours, this does not.
    known: BTreeMap<String, Ballot>,
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
        Ok(FileStore { folder, lock, known: BTreeMap::new() })
    }

    /// The way out of a ballot that cannot be read: puts the file aside as `<election>.term.bad`, in the place of an
    /// earlier one of that name, and returns where. The voter is then a new one: it starts its term at the Unix
    /// millisecond of its start and waits one promise before it votes, as with [`MemoryStore`](super::MemoryStore), but
    /// only this once.
    ///
    /// The voter has forgotten whom it voted for, in which term, and what it promised. Starting over is safe when all
    /// of these hold:
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
        let place = place(&folder, election)?;
        if !folder.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no folder {}", folder.display())));
        }
        let _lock = Lock::take(&folder.join("lock"))?;
        let shown = place.path().display();
        match place.peek().and_then(|body| ballot_of(&place, body, election)) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let aside = beside(place.path(), ".bad");
                place.move_to(&aside)?;
                Ok(aside)
            }
            Err(error) => Err(error),
            Ok(None) => Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no {shown} to put aside"))),
            Ok(Some(_)) => Err(refused(format!("{shown} is whole, so the voter can go on with it as it is"))),
        }
    }
}

impl TermStore for FileStore {
    fn load(&mut self, election: &str) -> io::Result<Option<Ballot>> {
        let place = place(&self.folder, election)?;
        // A folder that is gone would look like a new voter's.
        self.lock.check()?;
        let found = ballot_of(&place, place.read()?, election)?;
        if let Some(ballot) = &found {
            let known = self.known.entry(election.to_owned()).or_insert_with(|| ballot.clone());
            if follows(election, known, ballot).is_ok() {
                known.clone_from(ballot);
            }
        }
        Ok(found)
    }

    /// # Errors
    /// `InvalidInput` for a term lower than the saved one, for another vote in the same term, and for an election's
    /// name that is none (1 to 64 bytes, no control characters); `InvalidData` if the saved ballot cannot be read; or
    /// the operating system's own. In each case a whole ballot that was there is still there, or the new one, whole, if
    /// only the last step failed, which makes its name durable.
    fn save(&mut self, election: &str, ballot: &Ballot) -> io::Result<()> {
        let place = place(&self.folder, election)?;
        self.lock.check()?;
        let saved = ballot_of(&place, place.peek()?, election)?;
        for before in saved.iter().chain(self.known.get(election)) {
            follows(election, before, ballot)?;
        }
        place.replace(&ballot.to_body(election))?;
        self.known.insert(election.to_owned(), ballot.clone());
        Ok(())
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// Whether a voter that has saved the one may save the other: terms never go back, and a vote is neither changed nor
/// taken back.
fn follows(election: &str, before: &Ballot, after: &Ballot) -> io::Result<()> {
    if after.term < before.term {
        return Err(refused(format!(
            "election {election:?}: term {} is lower than the saved {}; terms never go back",
            after.term, before.term
        )));
    }
    let holds = |ballot: &Ballot| ballot.voters.as_ref().map(Voters::version);
    if holds(after) < holds(before) {
        return Err(refused(format!(
            "election {election:?}: the saved voters are of a later configuration; it never goes back"
        )));
    }
    match before.vote {
        Some(vote) if after.term == before.term && after.vote != Some(vote) => Err(refused(format!(
            "election {election:?}: the vote of term {} went to {vote} and cannot be given again",
            before.term
        ))),
        _ => Ok(()),
    }
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn ballot_of(place: &Place, body: Option<Vec<u8>>, election: &str) -> io::Result<Option<Ballot>> {
    let ballot = body.map(|body| Ballot::from_body(&body, election)).transpose();
    ballot.map_err(|error| place.damaged(error))
}

fn place(folder: &Path, election: &str) -> io::Result<Place> {
    if !(1..=ELECTION_BYTES_MAX).contains(&election.len()) || election.chars().any(char::is_control) {
        let what = format!("{election:?} names no election: take 1 to 64 bytes without control characters");
        return Err(refused(what));
    }
    Ok(Place::new(folder.join(file_name(election)), Kind::Ballot, WAY_OUT))
}

/// A name for the file of an election: another one for each, even where names differ in case only, and one that no file
/// system gives a meaning to.
fn file_name(election: &str) -> String {
    let mut name = String::new();
    let is_device = DEVICES.iter().any(|device| election.starts_with(device)) && election.len() <= 4;
    for (at, byte) in election.bytes().enumerate() {
        let is_plain = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') && !(at == 0 && is_device);
        if is_plain {
            name.push(char::from(byte));
        } else {
            // A String takes everything.
            let _ = write!(name, "%{byte:02x}");
        }
    }
    name.push_str(".term");
    name
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::leader::Term;
    use crate::member::NodeId;

    #[test]
    fn each_election_has_a_file_name_of_its_own() {
        let long = "ä".repeat(32);
        let table = [
            ("default", "default.term"),
            ("shard-7_b", "shard-7_b.term"),
            ("Default", "%44efault.term"),
            ("a/b", "a%2fb.term"),
            ("a%2fb", "a%252fb.term"),
            ("..", "%2e%2e.term"),
            ("lock", "lock.term"),
            ("a.term", "a%2eterm.term"),
            ("con", "%63on.term"),
            ("com1", "%63om1.term"),
            ("console", "console.term"),
            ("%63on", "%2563on.term"),
        ];
        for (election, name) in table {
            assert_eq!(file_name(election), name);
        }
        let names: BTreeSet<_> = table.iter().map(|(election, _)| file_name(election).to_lowercase()).collect();
        assert_eq!(names.len(), table.len());
        assert!(file_name(&long).len() + ".tmp".len() <= 255);
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        let long = "x".repeat(65);
        for (election, is_one) in [("", false), ("a\nb", false), ("a\u{85}", false), (&long, false), (&long[1..], true)]
        {
            assert_eq!(place(Path::new("/"), election).is_ok(), is_one, "{election:?}");
        }
    }

    #[test]
    fn what_may_follow_a_ballot() {
        let (one, two) = (Some(NodeId::from_u128(1)), Some(NodeId::from_u128(2)));
        let table = [
            ((5, None), (5, None), true),
            ((5, None), (5, one), true),
            ((5, one), (5, one), true),
            ((5, one), (5, two), false),
            ((5, one), (5, None), false),
            ((5, one), (6, two), true),
            ((5, one), (6, None), true),
            ((5, None), (4, None), false),
            ((5, None), (4, one), false),
        ];
        let ballot = |(term, vote): (u64, _), promise| Ballot { term: Term(term), vote, promise, voters: None };
        for (before, after, may) in table {
            let (before, after) = (ballot(before, Duration::from_secs(2)), ballot(after, Duration::from_secs(1)));
            assert_eq!(follows("default", &before, &after).is_ok(), may, "{before:?} {after:?}");
        }
    }
}
