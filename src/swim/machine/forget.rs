//! How rows go: forgotten by the application, or over the cap or the time for which the dead are kept
//! (`protocol.md 8.4`, `8.5`).

use crate::event::Event;
use crate::member::{NodeId, State};
use crate::swim::machine::Machine;
use crate::swim::slot::Slot;
use crate::time::Instant;
use std::fmt;

/// Why a member cannot be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForgetError {
    /// No such member is known.
    Unknown,
    /// The member is not dead; only the dead can be forgotten.
    NotDead,
}

impl fmt::Display for ForgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ForgetError::Unknown => "no such member is known here",
            ForgetError::NotDead => "the member is not dead; only the dead can be forgotten",
        })
    }
}

impl std::error::Error for ForgetError {}

impl Machine {
    /// Drops a dead member here and nowhere else; a tombstone stays.
    ///
    /// # Errors
    /// When there is no such member, or it is not dead; nothing changes.
    pub(crate) fn forget(&mut self, now: Instant, id: NodeId) -> Result<(), ForgetError> {
        self.enter(now);
        let slot = self.members.find(id).ok_or(ForgetError::Unknown)?;
        match self.members.member(slot).state() {
            State::Left => return Err(ForgetError::Unknown),
            State::Dead => {}
            State::Alive | State::Suspect => return Err(ForgetError::NotDead),
        }

        self.ghosts.take_back(slot);
        self.bury(slot);
        self.settle();
        Ok(())
    }

    /// Drops the dead and the left that are over the cap or too long gone.
    pub(super) fn evict_ghosts(&mut self) {
        while let Some(slot) = self.ghosts.next_evicted(self.now) {
            self.bury(slot);
        }
    }

    fn bury(&mut self, slot: Slot) {
        let mut member = self.members.member(slot).clone();
        self.ghosts.bury(self.now, member.id(), member.generation(), member.incarnation());
        if member.state() == State::Dead {
            member.state = State::Left;
            self.events.push(Event::Left(member));
        }

        self.clear_judgement(slot);
        self.gossip.hush(slot);
        self.reachability.forget(slot);
        self.hearsay.confirm(slot);
        self.ways.forget(slot);
        self.metadata_pace.forget(slot);
        self.forget_flapping(slot);
        self.members.remove(slot);
    }
}
