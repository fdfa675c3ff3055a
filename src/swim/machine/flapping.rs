//! What the application is told of suspicions, and what its view alone shows of members that flap (`protocol.md 5.12`).
//!
//! Every suspicion and every refutation is gossiped and counts towards verdicts, flapping or not: this is about events.

use crate::event::Event;
use crate::member::State;
use crate::sabotage;
use crate::swim::flapping::{Accused, Due, Telling};
use crate::swim::machine::Machine;
use crate::swim::slot::Slot;

impl Machine {
    /// A suspicion begins: its event is told or held back.
    pub(super) fn tell_suspicion(&mut self, slot: Slot) {
        let telling = self.flapping.suspected(self.now, slot, self.accused_by(slot));
        self.push_suspicion(slot, telling);
    }

    /// Others accuse it too: a suspicion that was held back because only flapping members made it may be told.
    pub(super) fn tell_accusers(&mut self, slot: Slot) {
        if self.accused_by(slot) == Accused::BySteady && self.flapping.confirmed(self.now, slot) {
            self.push_suspicion(slot, Telling::Told);
        }
    }

    fn accused_by(&self, slot: Slot) -> Accused {
        let flaps = |id| self.members.find(id).is_some_and(|slot| self.flapping.is_flapping(slot));
        match self.suspicions.get(slot) {
            _ if sabotage::is_off("flapping_accusers") => Accused::BySteady,
            Some(suspicion) if !suspicion.accusers.is_empty() && suspicion.accusers.iter().all(flaps) => {
                Accused::ByFlapping
            }
            _ => Accused::BySteady,
        }
    }

    /// A suspicion ended with the member alive; it may be the turn from which on it flaps.
    pub(super) fn tell_refutation(&mut self, slot: Slot) {
        let telling = self.flapping.refuted(self.now, slot);
        self.members.set_flapping(slot, self.flapping.is_flapping(slot));
        let member = self.members.member(slot).clone();
        self.push(Event::Refuted(member), telling);
    }

    /// A live member changed what it says of itself. It is told in the state that was told.
    pub(super) fn tell_update(&mut self, slot: Slot) {
        let mut member = self.members.member(slot).clone();
        if self.flapping.is_held(slot) {
            member.state = State::Alive;
        }
        self.events.push(Event::Updated(member));
    }

    /// We refuted what was said of us: to ourselves both turns at once.
    pub(super) fn tell_own_refutation(&mut self) {
        let me = self.members.me();
        self.flapping.suspected(self.now, me, Accused::BySteady);
        let telling = self.flapping.refuted(self.now, me);
        self.members.set_flapping(me, self.flapping.is_flapping(me));
        let member = self.me().clone();
        self.push(Event::Updated(member), telling);
    }

    /// A verdict falls. It is told of a flapping member too, and after the suspicion that it ends: if that was
    /// held back, it is told now.
    pub(super) fn tell_before_verdict(&mut self, slot: Slot) {
        let telling = self.flapping.forget(slot);
        if telling == Some(Telling::Held) && !sabotage::is_off("suspect_first") {
            self.push_suspicion(slot, Telling::Told);
        }
        self.members.set_flapping(slot, false);
    }

    /// The member is gone, or another process now: what it did before says nothing of what it will do.
    pub(super) fn forget_flapping(&mut self, slot: Slot) {
        self.flapping.forget(slot);
        self.members.set_flapping(slot, false);
    }

    pub(super) fn run_flapping(&mut self) {
        while let Some((slot, due)) = self.flapping.next_due(self.now) {
            match due {
                Due::Suspicion => self.push_suspicion(slot, Telling::Told),
                Due::Calm => {
                    self.members.set_flapping(slot, false);
                    // So that what is folded from events is exact again.
                    if self.members.member(slot).state().is_live() {
                        self.tell_update(slot);
                    }
                }
            }
        }
    }

    fn push_suspicion(&mut self, slot: Slot, telling: Telling) {
        let Some(suspicion) = self.suspicions.get(slot) else { return };
        let dead_by = suspicion.hard_deadline();
        let dead_after = if sabotage::is_off("named_moment") { dead_by } else { suspicion.soft_deadline() };
        let (by, reason) = (suspicion.accusers, suspicion.reason);
        let member = self.members.member(slot).clone();
        self.push(Event::Suspect { member, by, reason, dead_after, dead_by }, telling);
    }

    fn push(&mut self, event: Event, telling: Telling) {
        match telling {
            Telling::Told => self.events.push(event),
            Telling::Held => self.events.hold(event),
        }
    }
}
