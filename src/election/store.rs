//! What a voter keeps on disk.

use std::time::Duration;

use crate::leader::Term;
use crate::member::NodeId;

/// What a voter must not forget: the highest term it voted in, for whom, and the longest promise it may be bound by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ballot {
    /// The highest term it voted in.
    pub term: Term,
    /// Whom it voted for in that term; none if it only must not vote in it.
    pub vote: Option<NodeId>,
    /// The longest promise it may still be bound by after a restart.
    pub promise: Duration,
}
