//! The bytes of an election message and of the context it is about.
//!
//! Every election message has the same four fields, and two kinds have a configuration of voters after them. What a
//! kind does not use is written as 0 and not read, so that a later release may use it.

use std::sync::Arc;
use std::time::Duration;

use bincode::enc::Encoder;
use bincode::error::EncodeError;
use bincode::{Decode, Encode};

use super::Rejected;
use super::bytes::{take, take_borrowed};
use super::fields::{Metadata, Wire};
use super::varint::Varint;
use crate::election::{Context, Message as ElectionMessage, Progress, Question, Round};
use crate::leader::{Term, Trigger};
use crate::voters::{Version, Voters};

mod kind {
    pub(super) const LEADER_CHECK: u8 = 1;
    pub(super) const PRE_VOTE: u8 = 2;
    pub(super) const VOTE: u8 = 3;
    pub(super) const HEARTBEAT: u8 = 4;
    /// And as many more as there are questions.
    pub(super) const GRANTED: u8 = 8;
    pub(super) const REFUSED: u8 = 16;
    pub(super) const RESIGN: u8 = 24;
    pub(super) const HAND_OVER: u8 = 25;
    pub(super) const ASK_HAND_OVER: u8 = 26;
    /// A configuration follows the four fields of these.
    pub(super) const VOTERS: u8 = 27;
    pub(super) const ASK_CHANGE: u8 = 28;
    pub(super) const HOLDS: u8 = 29;
    pub(super) const CHANGE: u8 = 30;
}

/// The trigger of a heartbeat takes so many of the detail's low bits.
const TRIGGER_BITS: u32 = 8;

fn micros(span: Duration, most: u64) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(most).min(most)
}

/// An election message's four fields: its kind, a term, a round and what else it says.
#[derive(Encode, Decode)]
pub(super) struct ElectionMessageBody {
    kind: u8,
    term: Varint,
    round: Varint,
    detail: Varint,
}

impl From<&ElectionMessage> for ElectionMessageBody {
    fn from(election_message: &ElectionMessage) -> Self {
        let (kind, term, round, detail) = match *election_message {
            ElectionMessage::LeaderCheck { term, round } => (kind::LEADER_CHECK, term, round, 0),
            ElectionMessage::PreVote { term, round } => (kind::PRE_VOTE, term, round, 0),
            ElectionMessage::Vote { term, round, hand_over } => {
                (kind::VOTE, term, round, hand_over.map_or(0, |term| term.0))
            }
            ElectionMessage::Heartbeat { term, round, trigger, turn } => {
                let micros = micros(turn, (Term::LIMIT - 1) >> TRIGGER_BITS);
                (kind::HEARTBEAT, term, round, u64::from(trigger.code()) | micros << TRIGGER_BITS)
            }
            ElectionMessage::Granted { asked, term, round } => (kind::GRANTED + asked as u8, term, round, 0),
            ElectionMessage::Refused { asked, term, round, wait } => {
                (kind::REFUSED + asked as u8, term, round, micros(wait, Term::LIMIT - 1))
            }
            ElectionMessage::Resign { term } => (kind::RESIGN, term, Round(0), 0),
            ElectionMessage::HandOver { term } => (kind::HAND_OVER, term, Round(0), 0),
            ElectionMessage::AskHandOver { term, priority } => {
                (kind::ASK_HAND_OVER, term, Round(0), priority.map_or(0, |priority| u64::from(priority) + 1))
            }
            ElectionMessage::Voters { term, .. } => (kind::VOTERS, term, Round(0), 0),
            ElectionMessage::AskChange { term, round, is_forced, .. } => {
                (kind::ASK_CHANGE, term, round, u64::from(is_forced))
            }
            ElectionMessage::Holds { term, is_durable } => (kind::HOLDS, term, Round(0), u64::from(is_durable)),
            ElectionMessage::Change { term, round, progress } => (kind::CHANGE, term, round, progress as u64),
        };
        ElectionMessageBody { kind, term: Varint(term.0), round: Varint(u64::from(round.0)), detail: Varint(detail) }
    }
}

impl Encode for ElectionMessage {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        ElectionMessageBody::from(self).encode(encoder)?;
        match self {
            ElectionMessage::Voters { voters, .. } | ElectionMessage::AskChange { list: voters, .. } => {
                Metadata(&voters.to_bytes()).encode(encoder)
            }
            _ => Ok(()),
        }
    }
}

impl ElectionMessage {
    pub(super) fn decode(rest: &mut &[u8]) -> Result<Self, Rejected> {
        let ElectionMessageBody { kind, term: Varint(term), round: Varint(round), detail: Varint(detail) } =
            take(rest)?;
        if term == 0 || term >= Term::LIMIT || detail >= Term::LIMIT {
            return Err(Rejected::Malformed);
        }

        let term = Term(term);
        let round = Round(u32::try_from(round).map_err(|_| Rejected::Malformed)?);
        let question = |base: u8| Question::ALL.get(usize::from(kind - base)).copied().ok_or(Rejected::Kind);

        Ok(match kind {
            kind::LEADER_CHECK => ElectionMessage::LeaderCheck { term, round },
            kind::PRE_VOTE => ElectionMessage::PreVote { term, round },
            kind::VOTE => ElectionMessage::Vote { term, round, hand_over: (detail > 0).then_some(Term(detail)) },
            kind::HEARTBEAT => {
                // It is only told: a heartbeat with the trigger of a later release is one all the same.
                let trigger = Trigger::from_code(detail & ((1 << TRIGGER_BITS) - 1)).unwrap_or(Trigger::NoLeader);
                ElectionMessage::Heartbeat { term, round, trigger, turn: Duration::from_micros(detail >> TRIGGER_BITS) }
            }
            kind::GRANTED..kind::REFUSED => match question(kind::GRANTED)? {
                // A voter that takes over answers by standing.
                Question::HandOver => return Err(Rejected::Kind),
                asked => ElectionMessage::Granted { asked, term, round },
            },
            kind::REFUSED..kind::RESIGN => match question(kind::REFUSED)? {
                // A resignation is confirmed, never refused.
                Question::Resigned => return Err(Rejected::Kind),
                asked => ElectionMessage::Refused { asked, term, round, wait: Duration::from_micros(detail) },
            },
            kind::RESIGN => ElectionMessage::Resign { term },
            kind::HAND_OVER => ElectionMessage::HandOver { term },
            kind::ASK_HAND_OVER => {
                let priority = detail.checked_sub(1).map(u8::try_from).transpose();
                ElectionMessage::AskHandOver { term, priority: priority.map_err(|_| Rejected::Malformed)? }
            }
            kind::VOTERS => ElectionMessage::Voters { term, voters: voters(rest)? },
            kind::ASK_CHANGE => {
                ElectionMessage::AskChange { term, round, is_forced: detail & 1 == 1, list: voters(rest)? }
            }
            kind::HOLDS => ElectionMessage::Holds { term, is_durable: detail & 1 == 1 },
            kind::CHANGE => {
                let progress = usize::try_from(detail).ok().and_then(|code| Progress::ALL.get(code));
                ElectionMessage::Change { term, round, progress: *progress.ok_or(Rejected::Kind)? }
            }
            _ => return Err(Rejected::Kind),
        })
    }
}

fn voters(rest: &mut &[u8]) -> Result<Arc<Voters>, Rejected> {
    let Metadata(bytes) = take_borrowed(rest)?;
    Voters::from_bytes(bytes).map(Arc::new).ok_or(Rejected::Malformed)
}

#[derive(Encode, Decode)]
pub(super) struct ContextBody {
    election: Wire<u64>,
    rules: Wire<u64>,
    voters: Wire<u64>,
    version: Wire<Version>,
}

impl From<Context> for ContextBody {
    fn from(context: Context) -> Self {
        let Context { election, rules, voters, version } = context;
        ContextBody { election: Wire(election), rules: Wire(rules), voters: Wire(voters), version: Wire(version) }
    }
}

impl From<ContextBody> for Context {
    fn from(body: ContextBody) -> Self {
        let ContextBody { election, rules, voters, version } = body;
        Context { election: election.0, rules: rules.0, voters: voters.0, version: version.0 }
    }
}
