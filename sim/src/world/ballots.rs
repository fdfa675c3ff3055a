//! What the disk of a voter holds, and what is on its way there.

use tidings::Instant;
use tidings::election::{Ballot, SaveOutcome};

/// What a host's disk holds, and which answers of it its process has not heard yet.
#[derive(Debug, Default)]
pub(super) struct Ballots {
    /// By the election's place in the configuration.
    pub(super) kept: Vec<Option<Vec<u8>>>,
    pub(super) unheard: Vec<(Write, SaveOutcome)>,
    /// What the process's clock said when it started.
    pub(super) began: Instant,
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
