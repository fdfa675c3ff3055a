//! What is said of this node itself: refutations, its past starts, a living twin, the address it is seen at.

use std::net::SocketAddr;

use crate::event::Event;
use crate::member::{Accusers, Generation, Incarnation};
use crate::sabotage;
use crate::swim::attempts::Errand;
use crate::swim::gossip::Urgency;
use crate::swim::joining::{Stance, Twin};
use crate::swim::machine::Machine;
use crate::swim::machine::origin::Origin;
use crate::swim::outbox::{First, Intent, Rides};
use crate::swim::timers::Timer;
use crate::wire::{Datagram, Digest, Message, Nonce, RecordRef, Rejected};

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
        self.tell(self.members.me(), Urgency::Refutation);
    }

    /// Changes our record without a word to anybody: [`Machine::speak`] but for the speaking.
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

    /// Our own record is another than it was: whoever folds the events hears of it. One that leaves has said its last.
    fn note_own_change(&mut self, what: OwnChange) {
        self.repair.note_news(self.now);
        match what {
            _ if !self.me().state().is_live() => {}
            OwnChange::Incarnation => self.tell_own_refutation(),
            OwnChange::Words => self.events.push(Event::Updated(self.me().clone())),
        }
    }

    /// We are said to be Suspect, Dead or gone at this standing.
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
            // Our own farewell has come round, or is news to somebody who heard less: it stands either way.
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

    /// What we say now, to every accuser named and to who told us; everyone else hears it by gossip.
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

    /// Somebody reports a record of our own name.
    pub(super) fn hear_my_name(&mut self, record: &RecordRef<'_>) {
        let (generation, incarnation) = (self.me().generation(), self.me().incarnation());
        let is_here = record.address == self.me().address();
        if record.generation < generation {
            self.note_predecessor(record);
        } else if record.generation > generation && is_here {
            self.outlive(record.generation);
        } else if record.generation > generation || (!is_here && record.incarnation >= incarnation) {
            self.challenge(record.generation, record.address);
        } else if record.incarnation > incarnation {
            self.outlive_words(record.incarnation);
        }
    }

    /// This process never said what it is told at this incarnation of its own start: an earlier process did, whose start had
    /// the same reading of the clock. What else that said nobody knows, so that a higher incarnation may be one of its own.
    pub(super) fn outlive_words(&mut self, incarnation: Incarnation) {
        let generation = self.me().generation();
        self.outlive(generation);
        if self.me().generation() == generation {
            // No generation is left: better heard by most than by nobody.
            self.speak(incarnation.next(), |_| {});
        }
    }

    /// Logs once whom we replaced. Were it another process that still runs, it ends when it hears of us.
    fn note_predecessor(&mut self, record: &RecordRef<'_>) {
        if self.joining.predecessor.replace(record.generation) != Some(record.generation) {
            tracing::warn!(
                name = record.name,
                generation = record.generation.0,
                address = %record.address,
                "this process replaces an earlier one of its name; if that still runs, it stops as superseded"
            );
        }
    }

    /// That was our past: we take the next generation.
    fn outlive(&mut self, generation: Generation) {
        // We may have taken a later one while we asked.
        if generation < self.me().generation() || generation.next().0 >= Generation::LIMIT {
            return;
        }
        self.joining.twin = self.joining.twin.filter(|twin| twin.generation > generation);
        self.members.set_my_generation(generation.next());
        self.note_own_change(OwnChange::Words);
        self.tell(self.members.me(), Urgency::Refutation);
        if self.is_alone() {
            self.timers.set(Timer::Join, self.now);
        }
    }

    /// Another process may bear our name: a live answer means that it does, silence that it is our past.
    fn challenge(&mut self, generation: Generation, address: SocketAddr) {
        let is_known = self.joining.twin.is_some_and(|twin| twin.generation >= generation);
        if !is_known && !address.ip().is_unspecified() {
            let until = self.now + self.rules.stall_tolerance;
            self.joining.twin = Some(Twin { generation, address, until, stance: Stance::Asking });
            self.challenge_again();
        }
    }

    /// Challenges the twin once more, or outlives it. Runs with each tick.
    pub(super) fn challenge_again(&mut self) {
        let Some(twin) = self.joining.twin else { return };
        if twin.until <= self.now {
            self.joining.twin = None;
            if twin.stance == Stance::Asking {
                self.outlive(twin.generation);
            }
            return;
        }
        if twin.stance == Stance::Answered {
            return;
        }
        let target = Digest::of(self.me().id(), twin.generation);
        let nonce = self.attempts.start(self.now, &mut self.random.nonces, (target, twin.address), Errand::Twin);
        self.send(twin.address, Message::Ping { to: target, nonce }, First::Nothing, Rides::Nothing);
    }

    /// The twin is alive: the later start stays, and that is not ours.
    pub(super) fn twin_answered(&mut self, origin: Origin) {
        let asked = self.joining.twin.filter(|twin| twin.stance == Stance::Asking);
        if asked.is_some_and(|twin| Digest::of(self.me().id(), twin.generation) == origin.digest) {
            self.give_way(origin.source);
        }
    }

    /// Another process of our name stays, and we do not.
    fn give_way(&mut self, by: SocketAddr) {
        self.events.push(Event::Superseded { by });
        self.stop();
    }

    /// A datagram of our own name and generation: one of ours that came back, or a word of another process with both.
    pub(super) fn receive_from_namesake(
        &mut self,
        address: SocketAddr,
        heard: &Datagram<'_>,
        bytes: usize,
    ) -> Result<(), Rejected> {
        let is_here = address == self.me().address();
        let asks = |target: Digest| target == heard.from || target == Digest::NOBODY;
        match heard.message {
            Message::Ping { to, nonce } if asks(to) && !is_here && self.attempts.look(self.now, nonce).is_none() => {
                self.answer_namesake(address, heard.pulse.incarnation, nonce, bytes);
                Ok(())
            }
            Message::Ack { nonce } if self.attempts.look(self.now, nonce).is_some_and(|sent| asks(sent.target)) => {
                if self.joining.twin.is_none_or(|twin| twin.stance == Stance::Asking) {
                    self.give_way(address);
                }
                Ok(())
            }
            _ => Err(Rejected::FromSelf),
        }
    }

    /// Another process of our name and generation asks whether we are alive. We are, and the answer stops it. Of two
    /// that ask each other only the one at the lower address answers, or both would stop.
    fn answer_namesake(&mut self, address: SocketAddr, incarnation: Incarnation, nonce: Nonce, bytes_max: usize) {
        let generation = self.me().generation();
        match self.joining.twin {
            _ if self.leaving.is_some() => return,
            Some(twin) if twin.generation > generation => return,
            Some(twin) if twin.stance == Stance::Asking && twin.address < self.me().address() => return,
            Some(Twin { stance: Stance::Answered, .. }) => {}
            Some(_) | None => {
                let until = self.now + self.rules.stall_tolerance;
                self.joining.twin = Some(Twin { generation, address, until, stance: Stance::Answered });
                // Whoever holds its record instead of ours takes this one.
                self.speak(self.me().incarnation().max(incarnation).next(), |_| {});
            }
        }
        let (message, first, rides) = (Message::Ack { nonce }, First::Nothing, Rides::Nothing);
        self.outbox.push(Intent { to: address, message, first, bytes_max, rides });
    }

    /// Nothing more is done or sent.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.outbox.clear();
    }
}
