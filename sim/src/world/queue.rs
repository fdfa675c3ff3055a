//! What happens next: the soonest turn, and of equal ones the one that was asked for first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tidings::Instant;

/// Something that will happen, with the number of the host, the parcel, the fault or the timer that it happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// A parcel arrives.
    Arrive(u32),
    /// A host's protocol wanted to be woken.
    Wake(u32),
    /// A host's processor is free for its inbox.
    Ready(u32),
    /// A host's process starts.
    Start(u32),
    /// A fault begins, or begins again.
    Begin(u32),
    /// A fault ends, or pauses.
    End(u32),
    /// A liar speaks.
    Lie(u32),
    /// A writer changes its metadata.
    Change(u32),
    /// An application's timer goes off.
    Timer(u32),
    /// A disk is done with a ballot.
    Saved(u32),
    /// Hosts that are alone resolve their contacts.
    Resolve,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) at: Instant,
    order: u64,
    pub(super) what: What,
}

const AFTER_ENDS: u64 = 1 << 63;

#[derive(Debug, Default)]
pub(super) struct Queue {
    turns: BinaryHeap<Reverse<Turn>>,
    order: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: Instant, what: What) {
        self.order += 1;
        // What ends at a moment ends before anything else happens at it, the next of its kind among that.
        let order = if matches!(what, What::End(_)) { self.order } else { self.order | AFTER_ENDS };
        self.turns.push(Reverse(Turn { at, order, what }));
    }

    /// The soonest turn, if it comes no later than `end`.
    pub(super) fn pop_until(&mut self, end: Instant) -> Option<Turn> {
        if self.turns.peek()?.0.at > end {
            return None;
        }
        self.turns.pop().map(|Reverse(turn)| turn)
    }
}
