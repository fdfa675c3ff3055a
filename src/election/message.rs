//! What voters write to each other: one message a datagram, each under the four fields of its [`Context`].
//!
//! Messages name an election by the hash of its name, its rules (lease, drift) and its voters by others, so that voters
//! under different ones never elect together by mistake.

use std::sync::Arc;
use std::time::Duration;

use twox_hash::XxHash3_64;

use crate::leader::{Term, Trigger};
use crate::voters::{Version, Voters};

/// Numbers the rounds in which one voter asks the others; an answer echoes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Round(pub u32);

impl Round {
    /// The round after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Round(self.0.wrapping_add(1))
    }
}

/// What a message asks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Question {
    /// Would you vote for me, were the leader's lease over? You, too, have not heard it lately?
    LeaderCheck,
    /// Would you vote for me? Costs no term (Raft's pre-vote, Ongaro's thesis 9.6).
    PreVote,
    /// Do you vote for me?
    Vote,
    /// I lead: do you still follow?
    Heartbeat,
    /// I do not act as leader of this term, nor ever will: have you heard that? Asked by [`Message::Resign`].
    Resigned,
    /// Will you be elected in my place? Asked by [`Message::HandOver`], and answered by standing.
    HandOver,
}

impl Question {
    pub(crate) const ALL: [Question; 6] = [
        Question::LeaderCheck,
        Question::PreVote,
        Question::Vote,
        Question::Heartbeat,
        Question::Resigned,
        Question::HandOver,
    ];
}

/// A message between two voters of one election.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Message {
    /// [`Question::LeaderCheck`], about this term to come.
    LeaderCheck {
        /// The term asked about.
        term: Term,
        /// The round to echo.
        round: Round,
    },
    /// [`Question::PreVote`], about this term to come.
    PreVote {
        /// The term asked about.
        term: Term,
        /// The round to echo.
        round: Round,
    },
    /// [`Question::Vote`], in this term.
    Vote {
        /// The term voted in.
        term: Term,
        /// The round to echo.
        round: Round,
        /// The term of the leader that hands over to the sender, if one does.
        hand_over: Option<Term>,
    },
    /// [`Question::Heartbeat`]: the sender leads in this term.
    Heartbeat {
        /// The term led in.
        term: Term,
        /// The round to echo.
        round: Round,
        /// What started the election that the sender won.
        trigger: Trigger,
        /// How long an election takes, as the sender measured it, in microseconds as sent: when it is gone, candidates
        /// stand as far apart.
        turn: Duration,
    },
    /// The receiver's question is answered by yes. To a vote or a heartbeat it is a promise too: to help no other voter
    /// to lead for the time of a lease and the drift of two clocks.
    Granted {
        /// What was asked.
        asked: Question,
        /// The term asked about.
        term: Term,
        /// The round of the question.
        round: Round,
    },
    /// The receiver's question is answered by no.
    Refused {
        /// What was asked.
        asked: Question,
        /// The refusing voter's own term; the leader's, if it was asked to take over.
        term: Term,
        /// The round of the question.
        round: Round,
        /// How long the voter is still bound by a promise, in microseconds as sent; zero if that is not why.
        wait: Duration,
    },
    /// The sender does not act as leader of this term, and never will again: promises to it are void. Repeated until
    /// it is confirmed.
    Resign {
        /// The term that is over.
        term: Term,
    },
    /// The leader of this term asks the receiver to be elected in its place.
    HandOver {
        /// The leader's term.
        term: Term,
    },
    /// The sender, which would be elected, asks the leader of this term to hand over.
    AskHandOver {
        /// The leader's term.
        term: Term,
        /// The sender's priority, if that is why; none if a quorum misses the leader.
        priority: Option<u8>,
    },
    /// These are the voters: save that, and say that you hold it. A receiver that holds a later configuration says
    /// that.
    Voters {
        /// The sender's own term.
        term: Term,
        /// The configuration to save, in effect at the sender or offered by it.
        voters: Arc<Voters>,
    },
    /// The sender has saved the configuration that its messages name.
    Holds {
        /// The sender's own term.
        term: Term,
        /// Whether what it saves outlives its process.
        is_durable: bool,
    },
    /// The leader of this term is asked to make others the voters. Repeated until it says that this is done, or
    /// refused.
    AskChange {
        /// The leader's term.
        term: Term,
        /// The round to echo.
        round: Round,
        /// Whether to begin where too few of the new voters live to agree.
        is_forced: bool,
        /// The list that is to be the only one, as [`Voters::first`] makes it of names, and the number of the
        /// configuration that it is to follow.
        list: Arc<Voters>,
    },
    /// The leader's answer to [`Message::AskChange`].
    Change {
        /// The leader's term.
        term: Term,
        /// The round of the question.
        round: Round,
        /// How far that has come.
        progress: Progress,
    },
}

/// How far a change of voters has come, as the leader says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// The list is the only one, and more than half of it hold it.
    Done,
    /// It is under way.
    UnderWay,
    /// It is not begun: another change is under way.
    Busy,
    /// It is not begun, or came to nothing: the voters are others than those that it was to follow.
    Overtaken,
    /// It came to nothing: too few of the list answer.
    TooFewLive,
    /// It came to nothing: too few voters keep what they save for longer than their process runs.
    NotDurable,
    /// It is not begun: the names of the voters of before and after do not fit into a datagram together.
    TooLong,
}

impl Progress {
    /// All of them, each at the place of its number on the wire.
    pub const ALL: [Progress; 7] = [
        Progress::Done,
        Progress::UnderWay,
        Progress::Busy,
        Progress::Overtaken,
        Progress::TooFewLive,
        Progress::NotDurable,
        Progress::TooLong,
    ];
}

impl Message {
    /// The message's name in lower case, as traces print it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Message::LeaderCheck { .. } => "leader_check",
            Message::PreVote { .. } => "pre_vote",
            Message::Vote { .. } => "vote",
            Message::Heartbeat { .. } => "heartbeat",
            Message::Granted { .. } => "granted",
            Message::Refused { .. } => "refused",
            Message::Resign { .. } => "resign",
            Message::HandOver { .. } => "hand_over",
            Message::AskHandOver { .. } => "ask_hand_over",
            Message::Voters { .. } => "voters",
            Message::Holds { .. } => "holds",
            Message::AskChange { .. } => "ask_change",
            Message::Change { .. } => "change",
        }
    }

    /// The term that the message names.
    #[must_use]
    pub fn term(&self) -> Term {
        match *self {
            Message::LeaderCheck { term, .. }
            | Message::PreVote { term, .. }
            | Message::Vote { term, .. }
            | Message::Heartbeat { term, .. }
            | Message::Granted { term, .. }
            | Message::Refused { term, .. }
            | Message::Resign { term }
            | Message::HandOver { term }
            | Message::AskHandOver { term, .. }
            | Message::Voters { term, .. }
            | Message::Holds { term, .. }
            | Message::AskChange { term, .. }
            | Message::Change { term, .. } => term,
        }
    }
}

/// Which election a message is about, and under which rules.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Context {
    /// The hash of the election's name.
    pub election: u64,
    /// The hash of its lease and drift.
    pub rules: u64,
    /// The hash of the sender's configuration of voters.
    pub voters: u64,
    /// Where that configuration stands in the order of all.
    pub version: Version,
}

impl Context {
    /// Whether those that write so and so can never elect together: nothing that one tells the other would change that.
    #[must_use]
    pub fn differs(&self, other: &Context) -> bool {
        self.rules != other.rules || self.version == other.version && self.voters != other.voters
    }

    /// One hash of its rules and its voters, for where there is little space.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.rules.to_le_bytes());
        bytes[8..].copy_from_slice(&self.voters.to_le_bytes());
        XxHash3_64::oneshot(&bytes)
    }

    /// Whether its voters are others than those of a later configuration.
    #[must_use]
    pub fn is_behind(&self, other: &Context) -> bool {
        self.version < other.version && self.voters != other.voters
    }
}
