//! What voters write to each other: one letter a datagram, each with the same four fields.
//!
//! Letters name an election by the hash of its name and its charter (voters, lease, drift) by another, so
//! that voters under different ones never elect together by mistake.

use std::time::Duration;

use bincode::enc::Encoder;
use bincode::error::EncodeError;
use bincode::{Decode, Encode};

use super::Rejected;
use super::bytes::take;
use super::fields::Wire;
use super::varint::Varint;
use crate::leader::{Term, Trigger};

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

/// What a letter asks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Question {
    /// Would you vote for me, were the leader's lease over? You, too, have not heard it lately?
    Sounding,
    /// Would you vote for me? Costs no term (Raft's pre-vote, Ongaro's thesis 9.6).
    PreVote,
    /// Do you vote for me?
    Vote,
    /// I lead: do you still follow?
    Heartbeat,
}

impl Question {
    pub(super) const ALL: [Question; 4] = [Question::Sounding, Question::PreVote, Question::Vote, Question::Heartbeat];
}

/// A letter between two voters of one election.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Letter {
    /// [`Question::Sounding`], about this term to come.
    Sounding {
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
    },
    /// Yes. To a vote or a heartbeat it is a promise too: to help nobody else to lead for the time of a lease and the
    /// drift of two clocks.
    Granted {
        /// What was asked.
        asked: Question,
        /// The term asked about.
        term: Term,
        /// The round of the question.
        round: Round,
    },
    /// No.
    Refused {
        /// What was asked.
        asked: Question,
        /// The refusing voter's own term.
        term: Term,
        /// The round of the question.
        round: Round,
        /// How long the voter is still bound by a promise, in microseconds as sent; zero if that is not why.
        wait: Duration,
    },
    /// The sender does not act as leader of this term, and never will again: promises to it are void.
    Resign {
        /// The term.
        term: Term,
    },
    /// The leader of this term asks the receiver to be elected in its place.
    HandOver {
        /// The leader's term.
        term: Term,
    },
    /// The sender, who would be elected, asks the leader of this term to hand over.
    AskHandOver {
        /// The leader's term.
        term: Term,
    },
}

impl Letter {
    /// The letter's name in lower case, as traces print it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Letter::Sounding { .. } => "sounding",
            Letter::PreVote { .. } => "pre_vote",
            Letter::Vote { .. } => "vote",
            Letter::Heartbeat { .. } => "heartbeat",
            Letter::Granted { .. } => "granted",
            Letter::Refused { .. } => "refused",
            Letter::Resign { .. } => "resign",
            Letter::HandOver { .. } => "hand_over",
            Letter::AskHandOver { .. } => "ask_hand_over",
        }
    }

    /// The term that the letter names.
    #[must_use]
    pub fn term(&self) -> Term {
        match *self {
            Letter::Sounding { term, .. }
            | Letter::PreVote { term, .. }
            | Letter::Vote { term, .. }
            | Letter::Heartbeat { term, .. }
            | Letter::Granted { term, .. }
            | Letter::Refused { term, .. }
            | Letter::Resign { term }
            | Letter::HandOver { term }
            | Letter::AskHandOver { term } => term,
        }
    }
}

mod kind {
    pub(super) const SOUNDING: u8 = 1;
    pub(super) const PRE_VOTE: u8 = 2;
    pub(super) const VOTE: u8 = 3;
    pub(super) const HEARTBEAT: u8 = 4;
    /// And as many more as there are questions.
    pub(super) const GRANTED: u8 = 8;
    pub(super) const REFUSED: u8 = 16;
    pub(super) const RESIGN: u8 = 24;
    pub(super) const HAND_OVER: u8 = 25;
    pub(super) const ASK_HAND_OVER: u8 = 26;
}

/// A letter's four fields: its kind, a term, a round and what else it says.
#[derive(Encode, Decode)]
pub(super) struct LetterBody {
    kind: u8,
    term: Varint,
    round: Varint,
    detail: Varint,
}

impl From<Letter> for LetterBody {
    fn from(letter: Letter) -> Self {
        let (kind, term, round, detail) = match letter {
            Letter::Sounding { term, round } => (kind::SOUNDING, term, round, 0),
            Letter::PreVote { term, round } => (kind::PRE_VOTE, term, round, 0),
            Letter::Vote { term, round, hand_over } => (kind::VOTE, term, round, hand_over.map_or(0, |term| term.0)),
            Letter::Heartbeat { term, round, trigger } => (kind::HEARTBEAT, term, round, u64::from(trigger.code())),
            Letter::Granted { asked, term, round } => (kind::GRANTED + asked as u8, term, round, 0),
            Letter::Refused { asked, term, round, wait } => {
                let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
                (kind::REFUSED + asked as u8, term, round, micros)
            }
            Letter::Resign { term } => (kind::RESIGN, term, Round(0), 0),
            Letter::HandOver { term } => (kind::HAND_OVER, term, Round(0), 0),
            Letter::AskHandOver { term } => (kind::ASK_HAND_OVER, term, Round(0), 0),
        };
        LetterBody { kind, term: Varint(term.0), round: Varint(u64::from(round.0)), detail: Varint(detail) }
    }
}

impl Encode for Letter {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        LetterBody::from(*self).encode(encoder)
    }
}

impl Letter {
    pub(super) fn decode(rest: &mut &[u8]) -> Result<Self, Rejected> {
        let LetterBody { kind, term: Varint(term), round: Varint(round), detail: Varint(detail) } = take(rest)?;
        if term == 0 || term >= Term::LIMIT || detail >= Term::LIMIT {
            return Err(Rejected::Malformed);
        }
        let term = Term(term);
        let round = Round(u32::try_from(round).map_err(|_| Rejected::Malformed)?);
        let question = |base: u8| Question::ALL.get(usize::from(kind - base)).copied().ok_or(Rejected::Malformed);
        let letter = match kind {
            kind::SOUNDING => Letter::Sounding { term, round },
            kind::PRE_VOTE => Letter::PreVote { term, round },
            kind::VOTE => Letter::Vote { term, round, hand_over: (detail > 0).then_some(Term(detail)) },
            kind::HEARTBEAT => {
                let trigger = Trigger::from_code(detail).ok_or(Rejected::Malformed)?;
                Letter::Heartbeat { term, round, trigger }
            }
            kind::GRANTED..kind::REFUSED => Letter::Granted { asked: question(kind::GRANTED)?, term, round },
            kind::REFUSED..kind::RESIGN => {
                Letter::Refused { asked: question(kind::REFUSED)?, term, round, wait: Duration::from_micros(detail) }
            }
            kind::RESIGN => Letter::Resign { term },
            kind::HAND_OVER => Letter::HandOver { term },
            kind::ASK_HAND_OVER => Letter::AskHandOver { term },
            _ => return Err(Rejected::Malformed),
        };
        // What a letter does not use is zero, or one meaning would have many datagrams.
        let again = LetterBody::from(letter);
        let is_canonical = (again.round, again.detail) == (Varint(u64::from(round.0)), Varint(detail));
        if is_canonical { Ok(letter) } else { Err(Rejected::Malformed) }
    }
}

/// Which election a letter is about, and under which charter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Council {
    /// The hash of the election's name.
    pub election: u64,
    /// The hash of its voters, lease and drift.
    pub charter: u64,
}

#[derive(Encode, Decode)]
pub(super) struct CouncilBody {
    election: Wire<u64>,
    charter: Wire<u64>,
}

impl From<Council> for CouncilBody {
    fn from(council: Council) -> Self {
        CouncilBody { election: Wire(council.election), charter: Wire(council.charter) }
    }
}

impl From<CouncilBody> for Council {
    fn from(body: CouncilBody) -> Self {
        Council { election: body.election.0, charter: body.charter.0 }
    }
}
