//! What a voter must not forget, and the promise that whoever keeps it for the voter makes.
//!
//! A vote that is forgotten may be given twice, and two leaders in one term are what an election exists to rule out. So
//! a vote is durable before it is told, and where it cannot be, the voter must act as one that may have voted for
//! anyone a moment ago: see [`MemoryStore`].

use std::io;
use std::time::Duration;

use crate::leader::Term;
use crate::member::NodeId;

/// What a voter must not forget: the highest term it voted in, for whom, and the longest promise it may still be bound
/// by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ballot {
    /// The highest term it knows: it votes in no lower one.
    pub term: Term,
    /// Whom it voted for in that term.
    pub vote: Option<NodeId>,
    /// The longest time for which it may have promised a leader to vote for no other.
    pub promise: Duration,
}

/// Keeps ballots, one for each election.
///
/// A voter tells nobody of a vote before [`TermStore::save`] has returned `Ok` for it, and after an error it does not
/// vote. Whether the new ballot was saved is unknown then; the old or the new one is there, whole.
pub trait TermStore: Send {
    /// What was saved last; None if nothing ever was (a new voter, or one whose disk was replaced).
    ///
    /// # Errors
    /// When there is something that cannot be read, or not be trusted. The voter must not vote then.
    fn load(&mut self, election: &str) -> io::Result<Option<Ballot>>;

    /// Returns Ok only once it is durable.
    ///
    /// # Errors
    /// When it is not known to be durable, whatever the reason.
    fn save(&mut self, election: &str, ballot: &Ballot) -> io::Result<()>;

    /// Whether what is saved outlives the process.
    fn is_durable(&self) -> bool;
}

/// Keeps nothing: for voters whose process has no disk to write to.
///
/// A voter with this store does not know what it has voted before it was started. It starts its term at the Unix
/// millisecond of its start, votes in no term beyond its own clock, so that the clock of its next start is above them
/// all, and waits one promise before it votes, so that whoever it has promised its vote has had the time. That holds
/// only while clocks do not step back: after a step back it may vote a second time in one term, and then there may be
/// two leaders in a term (E1), two votes of one voter (E2), and a fencing token that does not rise (E3). `FileStore`
/// needs no such clause.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStore;

impl TermStore for MemoryStore {
    fn load(&mut self, _election: &str) -> io::Result<Option<Ballot>> {
        Ok(None)
    }

    fn save(&mut self, _election: &str, _ballot: &Ballot) -> io::Result<()> {
        Ok(())
    }

    fn is_durable(&self) -> bool {
        false
    }
}
