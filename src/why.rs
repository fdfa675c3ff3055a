//! The chain of happenings behind a suspicion or a verdict, as data and as text.
//!
//! Operators ask for nothing as often as for the reason of a death. Each suspicion keeps what it heard and did, in
//! order, bounded; after the verdict the chain stays with the dead member until it returns or is forgotten.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::event::{DeadReason, SuspectReason};
use crate::member::{Generation, Incarnation, NodeId, State};
use crate::time::{Instant, Utc};

/// Why a member is Suspect or Dead here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The member's id.
    pub member: NodeId,
    /// The member's name, 1 to 64 bytes.
    pub name: String,
    /// The process start in question.
    pub generation: Generation,
    /// The incarnation in question.
    pub incarnation: Incarnation,
    /// What this node believes now.
    pub state: State,
    /// When the silence began, as far as this node knows.
    pub start: Instant,
    /// What happened, oldest first; at most [`STEPS_MAX`], later ones are counted in `omitted`.
    pub steps: Vec<Step>,
    /// How many steps did not fit.
    pub omitted: u32,
    /// The names of the members that the steps speak of, as far as they are still known.
    pub names: Vec<(NodeId, String)>,
    /// When this node's timeline began by its wall clock, in Unix milliseconds, if the driver knows; printing then
    /// shows each moment in UTC too. The wall clock may be wrong or have been set since.
    pub wall_origin_ms: Option<u64>,
}

/// Steps kept of one suspicion.
pub const STEPS_MAX: usize = 64;

/// One happening in the chain, and when this node saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When this node saw it.
    pub at: Instant,
    /// What happened.
    pub what: Cause,
}

/// A happening that a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// This node pinged the member directly and had no answer when the round failed.
    Unanswered {
        /// How many pings the round sent.
        pings: u32,
    },
    /// A relay was asked to ping it and did not report.
    RelaySilent(NodeId),
    /// A relay pinged it on this node's behalf and had no answer.
    RelayNack(NodeId),
    /// The suspicion began here for this reason.
    Suspected(SuspectReason),
    /// The suspicion was kept to this node until another member answered it.
    Unpublished,
    /// Another member answered, so the suspicion was published and its clock restarted.
    Published,
    /// A member accused it: its own ping went unanswered.
    Accused(NodeId),
    /// The member answered a ping sent at this moment, which moved the deadline.
    Answered {
        /// When the answered ping was sent.
        sent: Instant,
    },
    /// This node did not run for so long; the deadline moved with it.
    Stalled {
        /// How much later than asked it was woken; the deadline moved by that, 3 P in all at most.
        gap: Duration,
    },
    /// A last ping was sent before the deadline.
    LastPing {
        /// 1, 2 or 3.
        attempt: u8,
    },
    /// The verdict was due but something held it back.
    Waiting(Waiting),
    /// This node's verdict fell.
    Verdict {
        /// Why it fell.
        reason: DeadReason,
        /// Whether it is provisional.
        provisional: bool,
        /// The moment from which the silence counted.
        since: Instant,
    },
}

/// What holds a verdict back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Waiting {
    /// Too few members have accused it.
    Accusers,
    /// Too few others have answered this node since the suspicion began.
    Answers,
    /// This node stalled and has not yet had answers since.
    LateWake,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} is {:?} (generation {}, incarnation {}), silent since {}{}",
            self.name,
            self.state,
            self.generation,
            self.incarnation,
            self.start,
            self.by_wall_clock(self.start)
        )?;
        for step in &self.steps {
            writeln!(f, "  {}{}  {}", step.at, self.by_wall_clock(step.at), self.in_words(step))?;
        }
        if self.omitted > 0 {
            writeln!(f, "  ... and {} more", self.omitted)?;
        }
        Ok(())
    }
}

impl Why {
    /// A step in words, with the names that are known.
    #[must_use]
    pub fn in_words(&self, step: &Step) -> String {
        struct InWords<'a>(&'a Why, &'a Step);
        impl fmt::Display for InWords<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.1.what.describe(f, &|id| self.0.name_of(id))
            }
        }
        InWords(self, step).to_string()
    }

    /// ` 2026-11-21T15:44:10.123Z`, if the origin of the timeline is known by the wall clock.
    fn by_wall_clock(&self, at: Instant) -> String {
        let at_ms = |origin: u64| origin.saturating_add(at.as_nanos() / 1_000_000);
        self.wall_origin_ms.map(|origin| format!(" {}", Utc::from_unix_ms(at_ms(origin)))).unwrap_or_default()
    }

    fn name_of(&self, id: NodeId) -> String {
        let named = self.names.iter().find(|(known, _)| *known == id);
        named.map_or_else(|| id.to_string(), |(_, name)| name.clone())
    }
}

impl Cause {
    /// The member that the step speaks of, if it is another than the suspect.
    #[must_use]
    pub fn other(&self) -> Option<NodeId> {
        match self {
            Cause::RelaySilent(id) | Cause::RelayNack(id) | Cause::Accused(id) => Some(*id),
            _ => None,
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>, name_of: &dyn Fn(NodeId) -> String) -> fmt::Result {
        match self {
            Cause::Unanswered { pings } => write!(f, "{pings} pings of ours went unanswered"),
            Cause::RelaySilent(relay) => write!(f, "relay {} did not report", name_of(*relay)),
            Cause::RelayNack(relay) => write!(f, "relay {} had no answer either", name_of(*relay)),
            Cause::Suspected(reason) => write!(f, "suspected: {reason}"),
            Cause::Unpublished => write!(f, "kept to ourselves: nobody answered us either"),
            Cause::Published => write!(f, "somebody answered us: published, clock restarted"),
            Cause::Accused(by) => write!(f, "accused by {}", name_of(*by)),
            Cause::Answered { sent } => write!(f, "it answered a ping of {sent}: deadline moved"),
            Cause::Stalled { gap } => write!(f, "we did not run for {gap:?}: deadline moved"),
            Cause::LastPing { attempt } => write!(f, "last ping, attempt {attempt}"),
            Cause::Waiting(Waiting::Accusers) => write!(f, "verdict waits: too few accusers"),
            Cause::Waiting(Waiting::Answers) => write!(f, "verdict waits: too few answer us"),
            Cause::Waiting(Waiting::LateWake) => write!(f, "verdict waits: we stalled"),
            Cause::Verdict { reason, provisional, since } => {
                write!(f, "dead: {reason}, counted from {since}")?;
                if *provisional { write!(f, " (provisional)") } else { Ok(()) }
            }
        }
    }
}

/// With ids for names; [`Why`] prints the names it knows.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f, &|id| id.to_string())
    }
}
