//! What the application is told, and the reasons given with it.
//!
//! Events of one member come in an order that a fold can trust: applying them to a list of members gives exactly the
//! present list, but for suspicions that are held back: of a member that flaps ([`Member::is_flapping`]) one is told
//! 10 s after the last told one began at the soonest, and one that flapping members alone accuse after 10 s or when
//! another accuses it too. Meanwhile the list calls Alive what the view calls Suspect.
//!
//! A suspicion is an event like the others, with its accusers, its reason, and until when the member may refute.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::leader::{Leader, LossReason, Trigger};
use crate::member::{Accusers, Member, NodeId};
use crate::time::Instant;

/// A change of what this node believes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A member is here: new, restarted, or back from the dead.
    Up(Member),
    /// A member's silence is being judged. The member's Refuted, Dead or Left always follows. Where members flap not
    /// every suspicion is told, but one that ends in Dead is, before it.
    Suspect {
        /// The suspect as it is now known.
        member: Member,
        /// The members whose own ping to it went unanswered, so far.
        by: Accusers,
        /// How this node came to suspect it.
        reason: SuspectReason,
        /// When it is declared dead if enough members agree and it stays silent (start + P).
        dead_after: Instant,
        /// When it is declared dead even without that agreement (start + 3 P).
        dead_by: Instant,
    },
    /// The suspect showed that it lives, or the suspicion proved to be about this node itself. The third within a
    /// minute is marked: the member flaps from then on.
    Refuted(Member),
    /// This node's own verdict.
    Dead {
        /// The member as it was last known; its generation says which start of the process died.
        member: Member,
        /// The members whose own ping to it went unanswered.
        by: Accusers,
        /// Why the verdict fell.
        reason: DeadReason,
        /// Whether the verdict is provisional: too few others answered this node, or too few of its pings were
        /// answered, or this node itself did not run for 3 P in all. Any sign of life undoes it.
        provisional: bool,
    },
    /// The member left by its own word, or was forgotten here.
    Left(Member),
    /// The member changed its address or metadata, or flaps no more; of this node itself also its incarnation or
    /// generation, when it refuted or outlived what was said of it. Refutations of its own are told like another's.
    Updated(Member),
    /// This node did not run for so long at least; it judges no member until two others have answered it, for 2 P at
    /// most.
    SelfStalled {
        /// How much later than asked the driver woke the protocol: the node did not run for longer, by up to the time
        /// that it would have waited for its next deadline.
        gap: Duration,
    },
    /// Too few members answer this node: its verdicts are provisional from now on.
    Isolated {
        /// How many members answered lately.
        reachable: usize,
        /// How many members there are, this node not counted.
        known: usize,
    },
    /// Enough members answer again.
    Reconnected,
    /// Another process of the same name and a later start is alive; this node has stopped.
    Superseded {
        /// Where the other process answers.
        by: SocketAddr,
    },
    /// An election has a leader, or another one than before.
    Leader {
        /// The leader and its term.
        leader: Leader,
        /// What started the election that it won.
        trigger: Trigger,
    },
    /// The leader that is known, in the same term, says something else than it did: [`Leader::word`].
    LeaderUpdated {
        /// The leader, with what it says now.
        leader: Leader,
    },
    /// The leader that was known is not known as one any more. On the leader itself: it must not act any more.
    LeaderLost {
        /// The leader that was.
        leader: Leader,
        /// How it ended.
        reason: LossReason,
    },
    /// Members take part in an election under other voters, another lease or another drift than this node, and do not
    /// elect together until their configurations agree. This node itself, if its configuration names others than the
    /// voters that are agreed: those count.
    VotersDiffer {
        /// The election's name.
        election: Arc<str>,
        /// The members with another configuration, as far as this node heard them.
        members: Vec<NodeId>,
    },
    /// The voters of an election are others, or will be when both lists have agreed to it.
    VotersChanged {
        /// The election's name.
        election: Arc<str>,
        /// The names of the voters that are agreed, ascending.
        voters: Vec<Arc<str>>,
        /// The names of those that are to follow, while the voters change.
        next: Option<Vec<Arc<str>>>,
    },
    /// A new member was refused because the table is full.
    Full {
        /// The cap that was reached.
        members_max: usize,
    },
}

/// A change as the core hands it out: an application's view shows all, its events tell all but those that are held
/// back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// An event for the application.
    Told(Event),
    /// A turn of a member that flaps, for the view alone.
    Held(Event),
}

impl From<Event> for Change {
    fn from(event: Event) -> Self {
        Change::Told(event)
    }
}

impl Change {
    /// What changed, told or not.
    pub(crate) fn event(&self) -> &Event {
        let (Change::Told(event) | Change::Held(event)) = self;
        event
    }

    /// The event, if the application is told.
    pub(crate) fn told(self) -> Option<Event> {
        if let Change::Told(event) = self { Some(event) } else { None }
    }
}

impl Event {
    /// The member the event is about, if it is about one.
    #[must_use]
    pub fn member(&self) -> Option<&Member> {
        match self {
            Event::Up(member) | Event::Refuted(member) | Event::Left(member) | Event::Updated(member) => Some(member),
            Event::Suspect { member, .. } | Event::Dead { member, .. } => Some(member),
            Event::SelfStalled { .. }
            | Event::Isolated { .. }
            | Event::Reconnected
            | Event::Superseded { .. }
            | Event::Leader { .. }
            | Event::LeaderUpdated { .. }
            | Event::LeaderLost { .. }
            | Event::VotersDiffer { .. }
            | Event::VotersChanged { .. }
            | Event::Full { .. } => None,
        }
    }

    /// The election the event is about, if it is about one.
    #[must_use]
    pub fn election(&self) -> Option<&str> {
        match self {
            Event::VotersDiffer { election, .. } | Event::VotersChanged { election, .. } => Some(election),
            _ => self.leader().map(|leader| &*leader.election),
        }
    }

    /// The leader that the event is about, one that leads or one that led, if it is about one.
    #[must_use]
    pub fn leader(&self) -> Option<&Leader> {
        match self {
            Event::Leader { leader, .. } | Event::LeaderUpdated { leader } | Event::LeaderLost { leader, .. } => {
                Some(leader)
            }
            _ => None,
        }
    }

    /// The event's name in lower case, as logs and JSON print it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Up(_) => "up",
            Event::Suspect { .. } => "suspect",
            Event::Refuted(_) => "refuted",
            Event::Dead { .. } => "dead",
            Event::Left(_) => "left",
            Event::Updated(_) => "updated",
            Event::SelfStalled { .. } => "self_stalled",
            Event::Isolated { .. } => "isolated",
            Event::Reconnected => "reconnected",
            Event::Superseded { .. } => "superseded",
            Event::Leader { .. } => "leader",
            Event::LeaderUpdated { .. } => "leader_updated",
            Event::LeaderLost { .. } => "leader_lost",
            Event::VotersDiffer { .. } => "voters_differ",
            Event::VotersChanged { .. } => "voters_changed",
            Event::Full { .. } => "full",
        }
    }
}

/// How a suspicion began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SuspectReason {
    /// This node's own round of pings went unanswered.
    ProbeFailed,
    /// Another member suspects it.
    Accused,
    /// Another member declared it dead; here that is an accusation.
    CalledDead,
}

/// Why a verdict fell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeadReason {
    /// Silent for the stall tolerance P, with enough accusers.
    Silent,
    /// Silent for 3 P; too few members agreed, or too few answered this node, to say so sooner.
    SilentUnconfirmed,
    /// A later start of the same process has taken its place.
    Restarted,
}

impl fmt::Display for SuspectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SuspectReason::ProbeFailed => "its pings went unanswered",
            SuspectReason::Accused => "another member suspects it",
            SuspectReason::CalledDead => "another member called it dead",
        })
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeadReason::Silent => "silent for the stall tolerance",
            DeadReason::SilentUnconfirmed => "silent for three times the stall tolerance",
            DeadReason::Restarted => "a later start took its place",
        })
    }
}
