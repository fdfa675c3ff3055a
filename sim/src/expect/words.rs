//! The words of an expectation: what a host can believe of a member, and what it can be told.
//!
//! The three kinds of Dead are words of their own, because a promise about one says nothing about the others.

use serde::{Deserialize, Serialize};
use tidings::Event;
use tidings::event::DeadReason;

/// What a host believes of a member, as its application knows from what it was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opinion {
    /// It was never told of it.
    #[default]
    Unknown,
    /// It is up.
    Alive,
    /// It is being judged.
    Suspect,
    /// It is dead, provisionally or not.
    Dead,
    /// It left by its own word, or was forgotten.
    Left,
    /// It leads the first election, whatever else is believed of it; hosts have this opinion of themselves, too.
    Leads,
    /// It does not lead the first election.
    LeadsNot,
    /// Its process has ended, whatever is believed of it.
    Over,
}

impl Opinion {
    /// Whether it is about leading, and not about living.
    pub(super) fn is_of_leading(self) -> bool {
        matches!(self, Opinion::Leads | Opinion::LeadsNot)
    }

    /// The word that scenario files use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Opinion::Unknown => "unknown",
            Opinion::Alive => "alive",
            Opinion::Suspect => "suspect",
            Opinion::Dead => "dead",
            Opinion::Left => "left",
            Opinion::Leads => "leads",
            Opinion::LeadsNot => "leads_not",
            Opinion::Over => "over",
        }
    }

    /// The opinion that an event brings, if it brings one.
    pub(super) fn after(event: &Event) -> Option<Opinion> {
        match event {
            Event::Up(_) | Event::Refuted(_) => Some(Opinion::Alive),
            Event::Suspect { .. } => Some(Opinion::Suspect),
            Event::Dead { .. } => Some(Opinion::Dead),
            Event::Left(_) => Some(Opinion::Left),
            _ => None,
        }
    }
}

/// Something that a host's application can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Word {
    /// A member is here.
    Up,
    /// A member's silence is being judged.
    Suspect,
    /// A suspect showed that it lives.
    Refuted,
    /// A verdict that stands.
    Dead,
    /// A provisional verdict, of a host that too few answer.
    Provisional,
    /// A member's earlier process is over because a later one is here.
    Restarted,
    /// A member left by its own word, or was forgotten.
    Left,
    /// A member changed.
    Updated,
    /// The host itself did not run.
    SelfStalled,
    /// Too few members answer the host.
    Isolated,
    /// Enough members answer it again.
    Reconnected,
    /// A later process of the host's own name took its place.
    Superseded,
    /// A member was refused because the table is full.
    Full,
    /// A member leads an election.
    Leads,
    /// A member that led an election is not known as its leader any more.
    LeaderLost,
    /// A member takes part in an election under another configuration.
    VotersDiffer,
}

impl Word {
    /// The word for an event.
    #[must_use]
    pub fn of(event: &Event) -> Option<Word> {
        Some(match event {
            Event::Up(_) => Word::Up,
            Event::Suspect { .. } => Word::Suspect,
            Event::Refuted(_) => Word::Refuted,
            Event::Dead { reason: DeadReason::Restarted, .. } => Word::Restarted,
            Event::Dead { provisional: true, .. } => Word::Provisional,
            Event::Dead { .. } => Word::Dead,
            Event::Left(_) => Word::Left,
            Event::Updated(_) => Word::Updated,
            Event::SelfStalled { .. } => Word::SelfStalled,
            Event::Isolated { .. } => Word::Isolated,
            Event::Reconnected => Word::Reconnected,
            Event::Superseded { .. } => Word::Superseded,
            Event::Full { .. } => Word::Full,
            Event::Leader { .. } => Word::Leads,
            Event::LeaderLost { .. } => Word::LeaderLost,
            Event::VotersDiffer { .. } => Word::VotersDiffer,
            _ => return None,
        })
    }

    /// Whether a host can be told it of itself, as of any other.
    pub(super) fn is_of_leading(self) -> bool {
        matches!(self, Word::Leads | Word::LeaderLost)
    }

    /// Whether it is about a member, and not about the host that is told.
    #[must_use]
    pub fn is_about_a_member(self) -> bool {
        let is_of_itself =
            matches!(self, Word::SelfStalled | Word::Isolated | Word::Reconnected | Word::Superseded | Word::Full);
        !is_of_itself && self != Word::VotersDiffer
    }
}
