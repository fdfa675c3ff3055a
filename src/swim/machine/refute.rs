//! What is said of this node itself: it refutes what is held against it, and takes a later generation where an earlier
//! process of its name is known by a higher one (`protocol.md 3.3`, `3.5`).

use crate::event::Event;
use crate::member::{Accusers, Generation, Incarnation};
use crate::sabotage;
use crate::swim::dissemination::gossip::Urgency;
use crate::swim::dissemination::outbox::First;
use crate::swim::machine::Machine;
use crate::swim::machine::origin::Origin;
use crate::swim::timers::Timer;

/// What is new of our own record.
enum OwnChange {
    /// The incarnation alone: we said again what we said before.
    Incarnation,
    /// What it says, or which start says it.
    Words,
}

impl Machine {
    /// Says something new of ourselves, at this incarnation or, if those are used up, as a new start.
    pub(super) fn speak(&mut self, incarnation: Incarnation, change: impl FnOnce(&mut crate::member::Record)) {
        self.raise(incarnation, change);
        self.gossip(self.members.me(), Urgency::Refutation);
    }

    /// Changes our record and gossips nothing of it: [`Machine::speak`] without the news.
    pub(super) fn raise(&mut self, incarnation: Incarnation, change: impl FnOnce(&mut crate::member::Record)) {
        let mut repeated = self.me().record().clone();
        let is_last = self.me().generation().next().0 >= Generation::LIMIT;

        let incarnation = if incarnation.0 >= Incarnation::LIMIT && is_last {
            // Anything higher would be rejected as malformed: better unheard this once than mute for ever.
            self.me().incarnation()
        } else if incarnation.0 >= Incarnation::LIMIT {
            self.members.set_my_generation(self.me().generation().next());
            Incarnation(0)
        } else {
            incarnation
        };

        self.members.change_my_record(incarnation, change);
        repeated.set_incarnation(incarnation);
        let is_refutation = repeated == *self.me().record();
        self.note_own_change(if is_refutation { OwnChange::Incarnation } else { OwnChange::Words });
    }

    /// Our own record has changed: the application hears of it, so that the folded events stay the view. A node that
    /// leaves has told its last.
    fn note_own_change(&mut self, what: OwnChange) {
        self.anti_entropy.note_news(self.now);
        match what {
            _ if !self.me().state().is_live() => {}
            OwnChange::Incarnation => self.tell_own_refutation(),
            OwnChange::Words => self.events.push(Event::Updated(self.me().clone())),
        }
    }

    /// We are said to be Suspect, Dead or gone at this standing (`protocol.md 3.3`).
    pub(super) fn accused(
        &mut self,
        origin: Origin,
        generation: Generation,
        incarnation: Incarnation,
        accusers: Accusers,
    ) {
        let mine = (self.me().generation(), self.me().incarnation());

        if generation > mine.0 {
            self.outlive(generation);
        } else if self.leaving.is_some() && (generation, incarnation) == mine {
            // Our own Left has come round, or its sender has not heard of it yet: the Left stands either way.
        } else if generation == mine.0 && incarnation > mine.1 && !sabotage::is_off("refutation") {
            self.outlive_words(incarnation);
            self.answer_accusers(origin, accusers);
        } else if (generation, incarnation) == mine && !sabotage::is_off("refutation") {
            self.awareness.refuted();
            self.metrics.refutations += 1;
            self.speak(incarnation.next(), |_| {});
            self.answer_accusers(origin, accusers);
        } else if generation == mine.0 && origin.is_proved && self.bucket.take(self.now) {
            self.send_news(origin.address, First::Me);
        }
    }

    /// Tells what we say now to each accuser named and to the sender, where their addresses are proved; the other
    /// members hear it by gossip.
    fn answer_accusers(&mut self, origin: Origin, accusers: Accusers) {
        for accuser in accusers.iter() {
            let slot = self.members.find(accuser).filter(|slot| *slot != self.members.me());
            if let Some(row) = slot.map(|slot| self.members.row(slot)).filter(|row| row.is_proved()) {
                self.send_news(row.member.address(), First::Me);
            }
        }

        if origin.is_proved {
            self.send_news(origin.address, First::Me);
        }
    }

    /// This process never said what it is told at this incarnation of its own start: an earlier process did, whose
    /// start had the same reading of the clock. What else that process said is not known, so that a higher
    /// incarnation may be one of its own.
    pub(super) fn outlive_words(&mut self, incarnation: Incarnation) {
        let generation = self.me().generation();
        self.outlive(generation);
        if self.me().generation() == generation {
            // No generation is left: it is better that most members hear us than that none does.
            self.speak(incarnation.next(), |_| {});
        }
    }

    /// That was our past: we take the next generation.
    pub(super) fn outlive(&mut self, generation: Generation) {
        // We may have taken a later one while we asked.
        if generation < self.me().generation() || generation.next().0 >= Generation::LIMIT {
            return;
        }
        self.joining.duplicate = self.joining.duplicate.filter(|duplicate| duplicate.generation > generation);
        self.members.set_my_generation(generation.next());
        self.note_own_change(OwnChange::Words);
        self.gossip(self.members.me(), Urgency::Refutation);
        if self.is_alone() {
            self.timers.set(Timer::Join, self.now);
        }
    }
}
