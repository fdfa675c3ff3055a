//! What an election and the node around it tell each other, beside messages: what the detector thinks, what is to be
//! saved and what came of it, the lease, and what became known of the leadership.

use std::hash::{Hash, Hasher};

use crate::election::store::Ballot;
use crate::leader::{LossReason, Term, Trigger};
use crate::member::NodeId;
use crate::time::Instant;

/// What the detector thinks of a voter: a hint, never a vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// It was never heard of.
    #[default]
    Unknown,
    /// It answers, as far as the detector knows.
    Alive,
    /// Its silence is being judged.
    Suspect,
    /// It was declared dead.
    Dead,
    /// It left, or was forgotten.
    Left,
}

/// The right to act as leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeldLease {
    /// The term: the fencing token.
    pub term: Term,
    /// Until when, by the clock of the node that holds it, if it is not renewed.
    pub until: Instant,
}

/// A ballot to be saved before anything that follows from it is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Save {
    /// Numbers the saves of one process, so that an answer finds its question.
    pub number: u64,
    /// What to save, whole: it replaces the ballot before.
    pub ballot: Ballot,
}

/// What came of a [`Save`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SaveOutcome {
    /// It is durable.
    Done,
    /// It is not, or that is unknown: nothing that depends on it is told.
    Failed,
}

/// What a node learns of the leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// A leader is known.
    Led {
        /// The leader's id.
        id: NodeId,
        /// The term that it leads in.
        term: Term,
        /// What started the election that it won.
        trigger: Trigger,
    },
    /// The leader that was known is not known as one any more.
    Lost {
        /// The id of the leader that was.
        id: NodeId,
        /// The term that it led in.
        term: Term,
        /// Since when it was known.
        since: Instant,
        /// How it ended.
        reason: LossReason,
    },
    /// The voters are others, or will be: [`Rules::electorate`](crate::election::Rules::electorate).
    Voters {
        /// Whether they replace the list that this node is configured with.
        replace_own: bool,
    },
}

/// How often something happened, since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ElectionCounts {
    /// Elections that this node stood in: pre-votes begun.
    pub campaigns: u64,
    /// Terms that it was elected in.
    pub terms_won: u64,
    /// Votes it gave to others.
    pub votes_given: u64,
    /// Ballots that could not be saved, so that nothing was told of them.
    pub saves_failed: u64,
    /// Times that it lost its leadership because the lease ran out.
    pub leases_lost: u64,
}

/// Counters decide nothing, so an exploration takes two states that differ in them alone for one.
impl Hash for ElectionCounts {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
