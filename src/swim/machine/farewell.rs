//! Leaving, being left, and forgetting: how rows go.

use std::fmt;

use crate::event::Event;
use crate::member::{NodeId, State};
use crate::sabotage;
use crate::swim::attempts::Errand;
use crate::swim::gossip::Urgency;
use crate::swim::machine::Machine;
use crate::swim::machine::origin::{Origin, Source};
use crate::swim::outbox::First;
use crate::swim::slot::Slot;
use crate::swim::timers::Timer;
use crate::time::Instant;

/// Members asked to confirm that they heard our farewell; the others hear it from them.
const FAREWELLS_MAX: usize = 32;

/// How far a leave has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaveProgress {
    /// Members that confirmed they heard it.
    pub confirmed: usize,
    /// Members that were asked to confirm.
    pub asked: usize,
    /// Whether the protocol has stopped: all asked have confirmed, or the leave timeout is over.
    pub done: bool,
}

/// Our own leave under way.
#[derive(Clone, Debug)]
pub(super) struct Leaving {
    unconfirmed: Vec<Slot>,
    asked: usize,
    until: Instant,
    /// How often those that have not confirmed were asked.
    tries: u32,
    /// After how many tries the last one confirmed that did.
    confirmed_at: u32,
}

/// Whoever has not answered so many times as many farewells as the slowest of the others is not waited for.
const FAREWELL_TRIES: u32 = 3;

impl Leaving {
    /// Whether nobody is left to wait for: all have confirmed, or those that could have. `is_well` says who is not
    /// suspected.
    fn is_done(&self, now: Instant, is_well: impl Fn(Slot) -> bool) -> bool {
        let waits = self.unconfirmed.iter().any(|slot| is_well(*slot));
        let is_told = self.unconfirmed.is_empty() || (self.tries > 0 && !waits);
        let is_silent = self.confirmed_at > 0 && self.tries >= self.confirmed_at * FAREWELL_TRIES;
        self.until <= now || is_told || is_silent
    }
}

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
    /// Says farewell: others are told until they confirm or the leave timeout is over.
    pub(crate) fn leave(&mut self, now: Instant) {
        if self.stopped || self.leaving.is_some() {
            return;
        }
        self.enter(now);
        let me = self.members.me();
        self.forget_flapping(me);
        self.members.set_state(me, State::Left);
        self.raise(self.me().incarnation().next(), |_| {});
        let wanted = self.members.ring_len().min(FAREWELLS_MAX);
        let mut unconfirmed = Vec::with_capacity(wanted);
        while unconfirmed.len() < wanted {
            let picks = self.pick_others(wanted - unconfirmed.len(), unconfirmed.last().copied());
            let before = unconfirmed.len();
            unconfirmed.extend(picks.iter().filter(|slot| !unconfirmed.contains(slot)).collect::<Vec<_>>());
            if unconfirmed.len() == before {
                break;
            }
        }
        let asked = unconfirmed.len();
        self.leaving =
            Some(Leaving { unconfirmed, asked, until: self.now + self.rules.leave_timeout, tries: 0, confirmed_at: 0 });
        self.events.push(Event::Left(self.me().clone()));
        self.tell(me, Urgency::Left);
        self.run_leave();
        self.settle();
    }

    /// None until `leave` was called.
    pub(crate) fn leave_progress(&self) -> Option<LeaveProgress> {
        let leaving = self.leaving.as_ref()?;
        let confirmed = leaving.asked - leaving.unconfirmed.len();
        Some(LeaveProgress { confirmed, asked: leaving.asked, done: self.stopped })
    }

    /// Asks those that have not confirmed again, or stops.
    pub(super) fn run_leave(&mut self) {
        let Some(leaving) = &mut self.leaving else { return };
        let members = &self.members;
        let is_well = |slot: Slot| members.member(slot).state() == State::Alive || sabotage::is_off("left_behind");
        if leaving.is_done(self.now, is_well) {
            // What is queued still goes out: the driver drains before it looks whether we have stopped.
            self.stopped = true;
            return;
        }
        leaving.tries = leaving.tries.saturating_add(1);
        let until = leaving.until;
        let unconfirmed = leaving.unconfirmed.clone();
        let mut next = self.now;
        for slot in unconfirmed {
            next = next.max(self.now + self.rto(slot));
            self.ping(slot, Errand::Farewell, First::About(self.members.me()));
        }
        self.timers.set(Timer::Leave, next.min(until));
    }

    /// A member echoed our farewell.
    pub(super) fn note_farewell(&mut self, origin: Origin) {
        let Some(leaving) = &mut self.leaving else { return };
        let before = leaving.unconfirmed.len();
        leaving.unconfirmed.retain(|slot| Some(*slot) != origin.slot);
        if leaving.unconfirmed.len() < before {
            leaving.confirmed_at = leaving.tries;
        }
        if leaving.unconfirmed.is_empty() {
            self.timers.set(Timer::Leave, self.now);
        }
    }

    /// A member left by its own word.
    pub(super) fn let_go(&mut self, slot: Slot, source: Source) {
        if self.members.member(slot).state() == State::Left {
            return;
        }
        if !sabotage::is_off("left_acquits") {
            self.clear_judgement(slot);
        }
        self.forget_flapping(slot);
        self.members.set_state(slot, State::Left);
        self.ghosts.add(slot, self.now, false);
        self.repair.note_news(self.now);
        self.full = false;
        self.events.push(Event::Left(self.members.member(slot).clone()));
        if source == Source::Bulk {
            self.gossip.hush(slot);
        } else {
            self.tell(slot, Urgency::Left);
        }
    }

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
        self.answers.forget(slot);
        self.hearsay.confirm(slot);
        self.ways.forget(slot);
        self.metadata_pace.forget(slot);
        self.forget_flapping(slot);
        self.members.remove(slot);
    }
}
