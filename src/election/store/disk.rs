//! Ballots on a disk: a file for each election, each replaced as a whole.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use crate::durable::{Disk, Kind, Place, beside};
use crate::election::store::{Ballot, TermStore};
use crate::voters::Voters;

const ELECTION_BYTES_MAX: usize = 64;
const WAY_OUT: &str = "this voter must not vote on it; the documentation of FileStore::start_over says when it is safe \
                       to start over as a new voter";
/// Names that some file systems keep for devices, whatever follows the dot.
const DEVICES: [&str; 6] = ["aux", "con", "nul", "prn", "com", "lpt"];

/// Ballots on any [`Disk`]: what [`FileStore`](super::FileStore) is, without the lock on its folder.
#[derive(Debug)]
pub struct DiskStore<D> {
    disk: D,
    folder: PathBuf,
    /// What was loaded or saved here. Should a file vanish or go back while it is ours, this does not.
    known: BTreeMap<String, Ballot>,
}

impl<D: Disk> DiskStore<D> {
    /// A store in a folder, which exists. As long as it is open nothing else may write there.
    #[must_use]
    pub fn new(disk: D, folder: impl Into<PathBuf>) -> Self {
        DiskStore { disk, folder: folder.into(), known: BTreeMap::new() }
    }

    /// The disk that it writes to.
    pub fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// The disk, for the store that comes next.
    #[must_use]
    pub fn into_disk(self) -> D {
        self.disk
    }

    /// As [`FileStore::start_over`](super::FileStore::start_over).
    ///
    /// # Errors
    /// `NotFound` if there is no such file; `InvalidInput` if its ballot is whole; or the disk's own.
    pub fn start_over(&mut self, election: &str) -> io::Result<PathBuf> {
        let place = place(&self.folder, election)?;
        let shown = place.path().display();
        match place.peek(&mut self.disk).and_then(|body| ballot_of(&place, body, election)) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let aside = beside(place.path(), ".bad");
                place.move_to(&mut self.disk, &aside)?;
                self.known.remove(election);
                Ok(aside)
            }
            Err(error) => Err(error),
            Ok(None) => Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no {shown} to put aside"))),
            Ok(Some(_)) => Err(refused(format!("{shown} is whole, so the voter can go on with it as it is"))),
        }
    }
}

impl<D: Disk> TermStore for DiskStore<D> {
    fn load(&mut self, election: &str) -> io::Result<Option<Ballot>> {
        let place = place(&self.folder, election)?;
        let found = ballot_of(&place, place.read(&mut self.disk)?, election)?;
        if let Some(ballot) = &found {
            let known = self.known.entry(election.to_owned()).or_insert_with(|| ballot.clone());
            if follows(election, known, ballot).is_ok() {
                known.clone_from(ballot);
            }
        }
        Ok(found)
    }

    /// # Errors
    /// As [`FileStore`](super::FileStore)'s.
    fn save(&mut self, election: &str, ballot: &Ballot) -> io::Result<()> {
        let place = place(&self.folder, election)?;
        let saved = ballot_of(&place, place.peek(&mut self.disk)?, election)?;
        for before in saved.iter().chain(self.known.get(election)) {
            follows(election, before, ballot)?;
        }
        place.replace(&mut self.disk, &ballot.to_body(election))?;
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

    if before.owner.is_some() && after.owner != before.owner {
        return Err(refused(format!("election {election:?}: the saved ballot is of another voter")));
    }

    let holds = |ballot: &Ballot| ballot.voters.as_ref().map(Voters::version);
    if holds(after) < holds(before) {
        return Err(refused(format!(
            "election {election:?}: the saved voters are of a later configuration; it never goes back"
        )));
    }

    // docs/elections.md, E2: one vote for each voter and term, over restarts.
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

pub(super) fn place(folder: &Path, election: &str) -> io::Result<Place> {
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
        let ballot =
            |(term, vote): (u64, _), promise| Ballot { term: Term(term), vote, promise, voters: None, owner: None };
        for (before, after, may) in table {
            let (before, after) = (ballot(before, Duration::from_secs(2)), ballot(after, Duration::from_secs(1)));
            assert_eq!(follows("default", &before, &after).is_ok(), may, "{before:?} {after:?}");
        }
        let of = |owner| Ballot { owner, ..ballot((5, None), Duration::ZERO) };
        for (before, after, may) in [(None, one, true), (one, one, true), (one, two, false), (one, None, false)] {
            assert_eq!(follows("default", &of(before), &of(after)).is_ok(), may, "{before:?} {after:?}");
        }
    }
}
