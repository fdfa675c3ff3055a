//! The file system of a host: what is not synced may be lost when the host loses its power, and a process may end
//! between any two calls.
//!
//! Bytes of a file that were not synced come back as any beginning of them, with or without zeros behind. Names come
//! back as some time after the folder was last synced, in the order in which they changed, as a journal keeps them:
//! that a file system loses a rename and keeps a later one is not tried.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use tidings::explore::Disk;

use crate::random::Random;

/// A file system of a host's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostDisk {
    files: BTreeMap<u32, File>,
    made: u32,
    /// As processes see them.
    names: BTreeMap<PathBuf, u32>,
    /// As they are on the disk, and how they changed since.
    synced: BTreeMap<PathBuf, u32>,
    changes: Vec<NameChange>,
    /// How many more calls succeed, if not all do.
    calls_left: Option<u32>,
}

#[derive(Clone, Debug)]
struct File {
    bytes: Vec<u8>,
    is_synced: bool,
}

#[derive(Clone, Debug)]
enum NameChange {
    Made(PathBuf, u32),
    Moved(PathBuf, PathBuf),
    Removed(PathBuf),
}

impl NameChange {
    /// The name that is there after it, or is not.
    fn path(&self) -> &Path {
        match self {
            NameChange::Made(path, _) | NameChange::Moved(_, path) | NameChange::Removed(path) => path,
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, u32>) {
        match self {
            NameChange::Made(path, file) => _ = names.insert(path.clone(), *file),
            NameChange::Moved(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            NameChange::Removed(path) => _ = names.remove(path),
        }
    }
}

impl HostDisk {
    /// All calls fail after so many, for the disk takes no more or the process ends; none, if neither is so.
    pub(crate) fn fail_after(&mut self, calls: Option<u32>) {
        self.calls_left = calls;
    }

    /// The host loses its power, and has it again.
    pub(crate) fn lose_power(&mut self, random: &mut Random) {
        let kept = random.below(self.changes.len() as u64 + 1) as usize;
        self.changes.iter().take(kept).for_each(|change| change.apply(&mut self.synced));
        self.changes.clear();
        self.names.clone_from(&self.synced);
        for file in self.files.values_mut().filter(|file| !file.is_synced) {
            let kept = random.below(file.bytes.len() as u64 + 1) as usize;
            if random.permille(500) {
                file.bytes.truncate(kept);
            } else {
                file.bytes.iter_mut().skip(kept).for_each(|byte| *byte = 0);
            }
            file.is_synced = true;
        }
        self.forget_the_nameless();
    }

    /// It has lied: of the file that was made last a part is gone.
    pub(crate) fn tear(&mut self) {
        if let Some(file) = self.files.get_mut(&self.made) {
            file.bytes.truncate(file.bytes.len() / 2);
        }
    }

    fn call(&mut self) -> io::Result<()> {
        match &mut self.calls_left {
            None => Ok(()),
            Some(0) => Err(io::Error::other("it takes no more, or the process has ended")),
            Some(calls) => {
                *calls -= 1;
                Ok(())
            }
        }
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn forget_the_nameless(&mut self) {
        let (names, synced, changes) = (&self.names, &self.synced, &self.changes);
        if changes.is_empty() {
            self.files.retain(|file, _| names.values().chain(synced.values()).any(|named| named == file));
        }
    }
}

impl Disk for HostDisk {
    type File = u32;

    fn read(&mut self, path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
        self.call()?;
        let file = self.names.get(path).and_then(|file| self.files.get(file));
        let most = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        Ok(file.map(|file| file.bytes.iter().take(most).copied().collect()))
    }

    fn create(&mut self, path: &Path, bytes: &[u8]) -> io::Result<u32> {
        self.call()?;
        if self.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.made += 1;
        self.files.insert(self.made, File { bytes: bytes.to_vec(), is_synced: false });
        self.change(NameChange::Made(path.to_owned(), self.made));
        Ok(self.made)
    }

    fn sync(&mut self, file: &u32) -> io::Result<()> {
        self.call()?;
        if let Some(file) = self.files.get_mut(file) {
            file.is_synced = true;
        }
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.call()?;
        if !self.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.change(NameChange::Moved(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.call()?;
        if !self.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.change(NameChange::Removed(path.to_owned()));
        Ok(())
    }

    fn sync_name(&mut self, path: &Path) -> io::Result<()> {
        self.call()?;
        let folder = path.parent();
        let is_there = |change: &NameChange| change.path().parent() == folder;
        self.changes.iter().filter(|change| is_there(change)).for_each(|change| change.apply(&mut self.synced));
        self.changes.retain(|change| !is_there(change));
        self.forget_the_nameless();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use tidings::election::{Ballot, TermStore};
    use tidings::explore::DiskStore;
    use tidings::{NodeId, Term};

    use super::*;

    fn ballot(term: u64) -> Ballot {
        let vote = Some(NodeId::from_u128(u128::from(term)));
        Ballot { term: Term(term), vote, promise: Duration::from_secs(1), voters: None, owner: None }
    }

    fn store(disk: HostDisk) -> DiskStore<HostDisk> {
        DiskStore::new(disk, "/ballots")
    }

    #[test]
    fn whenever_a_process_ends_and_whatever_is_lost_the_old_ballot_or_the_new_one_is_there() {
        let mut random = Random::new(1, "disks");
        let (mut found, mut calls) = (BTreeSet::new(), u32::MAX);
        for run in 0..400 {
            let mut one = store(HostDisk::default());
            one.save("default", &ballot(1)).unwrap();

            let ends_after = run % 8;
            one.disk_mut().fail_after(Some(ends_after));
            let is_saved = one.save("default", &ballot(2)).is_ok();
            let mut disk = one.into_disk();
            disk.fail_after(None);

            if run % 16 < 8 {
                disk.lose_power(&mut random);
            }

            let mut next = store(disk);
            let term = next.load("default").unwrap().unwrap().term;
            assert!(!is_saved || term == Term(2), "what was said to be saved is there");
            found.insert((is_saved, term));
            calls = calls.min(if is_saved { ends_after } else { u32::MAX });

            // What the next process has read stays.
            let mut disk = next.into_disk();
            disk.lose_power(&mut random);
            assert_eq!(store(disk).load("default").unwrap().unwrap().term, term);
        }

        assert_eq!(found, BTreeSet::from([(false, Term(1)), (false, Term(2)), (true, Term(2))]));
        assert_eq!(calls, 6, "a save takes so many calls, and was ended before each");
    }

    #[test]
    fn what_is_not_synced_may_be_lost() {
        let mut random = Random::new(2, "disks");
        let (path, other) = (Path::new("/a"), Path::new("/b"));
        let mut found = BTreeSet::new();
        for _ in 0..200 {
            let mut disk = HostDisk::default();
            disk.create(path, b"abc").unwrap();
            disk.rename(path, other).unwrap();
            disk.lose_power(&mut random);
            found.insert((disk.read(path, 9).unwrap(), disk.read(other, 9).unwrap()));
        }
        let bytes = [&b""[..], b"a", b"ab", b"abc", b"\0\0\0", b"a\0\0", b"ab\0"].map(|bytes| Some(bytes.to_vec()));
        let expected = bytes.map(|bytes| [(bytes.clone(), None), (None, bytes)]).concat();
        assert_eq!(found, expected.into_iter().chain([(None, None)]).collect());
    }

    #[test]
    fn a_disk_that_takes_no_more_keeps_the_old_ballot_or_has_the_new_one() {
        for calls in 0..6 {
            let mut one = store(HostDisk::default());
            one.save("default", &ballot(1)).unwrap();
            one.disk_mut().fail_after(Some(calls));
            assert!(one.save("default", &ballot(2)).is_err());
            one.disk_mut().fail_after(None);
            let term = one.load("default").unwrap().unwrap().term;
            assert_eq!(term, Term(if calls < 5 { 1 } else { 2 }), "only its name was not synced");
            one.save("default", &ballot(3)).unwrap();
            assert_eq!(one.into_disk().files.len(), 1, "nothing nameless is kept");
        }
    }
}
