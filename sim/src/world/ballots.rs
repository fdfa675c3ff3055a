//! What the disk of a voter holds, and what is on its way there.

use tidings::Instant;
use tidings::election::{Ballot, SaveOutcome};
use tidings::explore::DiskStore;

use crate::disk::HostDisk;

/// What a host's disk holds, and which answers of it its process has not heard yet.
#[derive(Debug)]
pub(super) struct Ballots {
    /// The store that production uses, of the process that runs.
    pub(super) store: DiskStore<HostDisk>,
    pub(super) unheard: Vec<(Write, SaveOutcome)>,
    /// What the process's clock said when it started.
    pub(super) began: Instant,
}

impl Default for Ballots {
    fn default() -> Self {
        Ballots { store: store_on(HostDisk::default()), unheard: Vec::new(), began: Instant::ORIGIN }
    }
}

impl Ballots {
    /// A process starts, and opens the store anew.
    pub(super) fn open(&mut self) {
        let store = std::mem::replace(&mut self.store, store_on(HostDisk::default()));
        self.store = store_on(store.into_disk());
    }

    /// The disk is replaced by an empty one.
    pub(super) fn lose(&mut self) {
        self.store = store_on(HostDisk::default());
    }
}

fn store_on(disk: HostDisk) -> DiskStore<HostDisk> {
    DiskStore::new(disk, "/ballots")
}

/// A ballot on its way to a disk.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) host: u32,
    /// Which start of the host's process wrote it.
    pub(super) start: u32,
    pub(super) election: usize,
    /// The protocol's number for it; none for the one that comes before the voter stands.
    pub(super) number: Option<u64>,
    pub(super) ballot: Ballot,
}
