//! Watches a lease from a thread of its own, to say when it ended, and whether another was valid before that.
//!
//! Applications are told of an end or a beginning by a task that has to wake first; here the leases themselves are
//! asked, many times a millisecond. One that is valid before and after another is seen to be valid overlaps with it,
//! however long the looks took.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tidings::Node;
use tidings::runtime::Lease;

use crate::ELECTION;
use crate::Outcome;

/// How long the thread sleeps between two looks; the kernel makes it about 0.1 ms.
const PAUSE: Duration = Duration::from_micros(30);

/// A lease that is being watched.
pub struct Ending {
    is_done: Arc<AtomicBool>,
    thread: JoinHandle<Option<Ended>>,
}

/// When a lease ended, between two moments.
#[derive(Clone, Copy)]
pub struct Ended {
    /// It was seen valid after this.
    pub last_valid: Instant,
    /// It was not valid after this any more.
    pub by: Instant,
    /// Another node's lease was seen valid in between.
    pub is_overlapped: bool,
}

impl Ending {
    /// Watches a lease and what these other nodes have meanwhile; they are kept running until it is finished.
    pub fn of(lease: Lease, others: Vec<Node>) -> Outcome<Self> {
        let is_done = Arc::new(AtomicBool::new(false));
        let watch = {
            let is_done = Arc::clone(&is_done);
            move || watch(&lease, &others, &is_done)
        };
        Ok(Ending { is_done, thread: thread::Builder::new().spawn(watch)? })
    }

    /// Looks once more, and says what was seen; none if it never was valid.
    pub fn finish(self) -> Option<Ended> {
        self.is_done.store(true, SeqCst);
        self.thread.join().ok().flatten()
    }
}

fn watch(lease: &Lease, others: &[Node], is_done: &AtomicBool) -> Option<Ended> {
    let (mut last_valid, mut runs_out, mut over_by, mut is_overlapped) = (None, None, None, false);
    let leads = |node: &Node| node.election(ELECTION).is_some_and(|status| status.lease.is_some());

    loop {
        let is_last = is_done.load(SeqCst);
        let before = Instant::now();
        let left = lease.valid_for();
        let after = Instant::now();

        if left.is_zero() {
            over_by = over_by.or(Some(after));
        } else {
            is_overlapped |= others.iter().any(leads) && lease.is_valid();
            // One that a stalled node took back, and then had again, has not ended.
            (last_valid, over_by) = (Some(before), None);
            runs_out = runs_out.max(Some(after + left));
        }

        if is_last {
            let by = [over_by, runs_out].into_iter().flatten().min()?;
            return Some(Ended { last_valid: last_valid?, by, is_overlapped });
        }

        thread::sleep(PAUSE);
    }
}
