//! What a sweep adds up, seed after seed.

use std::time::Duration;

use tidings_sim::checks::Sometimes;
use twox_hash::XxHash3_64;

use crate::cli::sweep::pool::Ran;

/// Failing seeds kept; how many there were is counted.
const FAILURES_MAX: usize = 100;

/// The sums of a sweep so far.
#[derive(Debug)]
pub(super) struct Tally {
    /// The seed that comes next.
    pub(super) next: u64,
    /// How many seeds have run.
    pub(super) seeds: u64,
    /// Covers every seed and its hash, in order.
    pub(super) hash: u64,
    pub(super) lasted: Duration,
    pub(super) happenings: u64,
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
    pub(super) sometimes: Sometimes,
    /// How many seeds failed.
    pub(super) failed: u64,
    /// The lowest of them.
    pub(super) failures: Vec<Ran>,
}

impl Tally {
    pub(super) fn new(first: u64) -> Self {
        Tally {
            next: first,
            seeds: 0,
            hash: 0,
            lasted: Duration::ZERO,
            happenings: 0,
            datagrams: 0,
            bytes: 0,
            sometimes: Sometimes::default(),
            failed: 0,
            failures: Vec::new(),
        }
    }

    /// Takes in the next seed.
    pub(super) fn add(&mut self, ran: Ran) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&ran.seed.to_le_bytes());
        bytes[8..].copy_from_slice(&ran.trace_hash.to_le_bytes());
        self.hash = XxHash3_64::oneshot_with_seed(self.hash, &bytes);
        self.next = ran.seed + 1;
        self.seeds += 1;
        self.lasted += ran.lasted;
        self.happenings += ran.happenings;
        self.datagrams += ran.datagrams;
        self.bytes += ran.bytes;
        self.sometimes.add(&ran.sometimes);
        if ran.violation.is_some() {
            self.failed += 1;
            if self.failures.len() < FAILURES_MAX {
                self.failures.push(ran);
            }
        }
    }
}
