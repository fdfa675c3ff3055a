//! The reasons that a view keeps with its rows.

use crate::event::{DeadReason, Event, SuspectReason};
use crate::member::{Accusers, State};
use crate::time::Instant;

/// Why a listed member is Suspect or Dead: the words of the event that made it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Its silence is being judged.
    Suspect {
        /// The members whose own ping to it went unanswered, so far.
        by: Accusers,
        /// How this node came to suspect it.
        reason: SuspectReason,
        /// When it is declared dead if enough members agree and it stays silent.
        dead_after: Instant,
        /// When it is declared dead even without that agreement.
        dead_by: Instant,
    },
    /// This node's own verdict.
    Dead {
        /// The members whose own ping to it went unanswered.
        by: Accusers,
        /// Why the verdict fell.
        reason: DeadReason,
        /// Whether the verdict is provisional.
        provisional: bool,
    },
}

impl Judgement {
    /// The state that this judgement belongs to.
    #[must_use]
    pub fn state(&self) -> State {
        match self {
            Judgement::Suspect { .. } => State::Suspect,
            Judgement::Dead { .. } => State::Dead,
        }
    }

    pub(crate) fn of(event: &Event) -> Option<Self> {
        match *event {
            Event::Suspect { by, reason, dead_after, dead_by, .. } => {
                Some(Judgement::Suspect { by, reason, dead_after, dead_by })
            }
            Event::Dead { by, reason, provisional, .. } => Some(Judgement::Dead { by, reason, provisional }),
            _ => None,
        }
    }

    /// Stands in when a row turns up Suspect or Dead without the event that says why, so that every such row has one.
    pub(crate) fn unexplained(state: State) -> Option<Self> {
        let by = Accusers::default();
        match state {
            State::Suspect => {
                let never = Instant::NEVER;
                Some(Judgement::Suspect { by, reason: SuspectReason::Accused, dead_after: never, dead_by: never })
            }
            State::Dead => Some(Judgement::Dead { by, reason: DeadReason::Silent, provisional: false }),
            State::Alive | State::Left => None,
        }
    }
}
