//! Leaving, and being left (`protocol.md 7.6`).

use crate::event::Event;
use crate::member::State;
use crate::sabotage;
use crate::swim::detector::pings::PingPurpose;
use crate::swim::dissemination::gossip::Urgency;
use crate::swim::dissemination::outbox::First;
use crate::swim::machine::Machine;
use crate::swim::machine::origin::Origin;
use crate::swim::members::merge::Source;
use crate::swim::slot::Slot;
use crate::swim::timers::Timer;
use crate::time::Instant;

/// Members asked to confirm that they heard our Left; the others hear it from them.
const CONFIRMERS_MAX: usize = 32;

/// How far a leave has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaveProgress {
    /// Members that confirmed they heard it.
    pub confirmed: usize,
    /// Members that were asked to confirm.
    pub asked: usize,
    /// Whether the protocol has stopped: all asked have confirmed, or all that could, or the leave timeout is over.
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
    /// How many tries had been made when a member last confirmed.
    confirmed_at: u32,
}

/// A member is not waited for after so many times as many tries as the slowest of the others needed.
const LEAVE_TRIES: u32 = 3;

impl Leaving {
    /// Whether no member is left to wait for: all have confirmed, or those that could have, or the time is over.
    /// `is_well` says which members are Alive here.
    fn is_done(&self, now: Instant, is_well: impl Fn(Slot) -> bool) -> bool {
        let waits = self.unconfirmed.iter().any(|slot| is_well(*slot));
        let is_told = self.unconfirmed.is_empty() || (self.tries > 0 && !waits);
        let is_silent = self.confirmed_at > 0 && self.tries >= self.confirmed_at * LEAVE_TRIES;
        self.until <= now || is_told || is_silent
    }
}

impl Machine {
    /// Tells that this node leaves: others are told until they confirm or the leave timeout is over.
    pub(crate) fn leave(&mut self, now: Instant) {
        if self.stopped || self.leaving.is_some() {
            return;
        }
        self.enter(now);

        let me = self.members.me();
        self.forget_flapping(me);
        self.members.set_state(me, State::Left);
        self.raise(self.me().incarnation().next(), |_| {});

        // protocol.md 7.6: so many members are asked to echo our Left that others will hear it when we have stopped.
        let wanted = self.members.ring_len().min(CONFIRMERS_MAX);
        let mut unconfirmed = Vec::with_capacity(wanted);
        while unconfirmed.len() < wanted {
            let sample = self.pick_others(wanted - unconfirmed.len(), unconfirmed.last().copied());
            let before = unconfirmed.len();
            unconfirmed.extend(sample.iter().filter(|slot| !unconfirmed.contains(slot)).collect::<Vec<_>>());
            if unconfirmed.len() == before {
                break;
            }
        }

        let asked = unconfirmed.len();
        self.leaving =
            Some(Leaving { unconfirmed, asked, until: self.now + self.rules.leave_timeout, tries: 0, confirmed_at: 0 });

        self.events.push(Event::Left(self.me().clone()));
        self.gossip(me, Urgency::Left);
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
            self.ping(slot, PingPurpose::Leave, First::About(self.members.me()));
        }
        self.timers.set(Timer::Leave, next.min(until));
    }

    /// A member echoed our Left.
    pub(super) fn note_leave_confirmed(&mut self, origin: Origin) {
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
        self.anti_entropy.note_news(self.now);
        self.full = false;
        self.events.push(Event::Left(self.members.member(slot).clone()));

        if source == Source::Bulk {
            self.gossip.hush(slot);
        } else {
            self.gossip(slot, Urgency::Left);
        }
    }
}
