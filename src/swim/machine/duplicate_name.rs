//! Another process that bears this node's name: whether it is this node's own past or runs, and which of the two stays.
//!
//! A rumour alone stops no process (`protocol.md 3.5`): the other one has to answer.

use crate::event::Event;
use crate::member::{Generation, Incarnation};
use crate::swim::detector::pings::PingPurpose;
use crate::swim::dissemination::outbox::{First, Intent, Piggyback};
use crate::swim::joining::{DuplicateName, Stance};
use crate::swim::machine::Machine;
use crate::swim::machine::origin::Origin;
use crate::wire::{Datagram, Digest, Message, Nonce, RecordRef, Rejected};
use std::net::SocketAddr;

impl Machine {
    /// A datagram reports a record of our own name.
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

    /// Logs once which start of our name we replaced. Were it another process that still runs, it
    /// ends when it hears of us.
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

    /// Another process may bear our name: a live answer means that it does, silence that it is our past.
    fn challenge(&mut self, generation: Generation, address: SocketAddr) {
        let is_known = self.joining.duplicate.is_some_and(|duplicate| duplicate.generation >= generation);
        if !is_known && !address.ip().is_unspecified() {
            let until = self.now + self.rules.stall_tolerance;
            self.joining.duplicate = Some(DuplicateName { generation, address, until, stance: Stance::Asking });
            self.challenge_again();
        }
    }

    /// Challenges the duplicate once more, or outlives it. Runs with each tick.
    pub(super) fn challenge_again(&mut self) {
        let Some(duplicate) = self.joining.duplicate else { return };

        // protocol.md 3.5: silence for P means that it is our past.
        if duplicate.until <= self.now {
            self.joining.duplicate = None;
            if duplicate.stance == Stance::Asking {
                self.outlive(duplicate.generation);
            }
            return;
        }

        if duplicate.stance == Stance::Answered {
            return;
        }

        let target = Digest::of(self.me().id(), duplicate.generation);
        let nonce = self.pings.start(
            self.now,
            &mut self.random.nonces,
            (target, duplicate.address),
            PingPurpose::DuplicateName,
        );
        self.send(duplicate.address, Message::Ping { to: target, nonce }, First::Nothing, Piggyback::Nothing);
    }

    /// The duplicate is alive: the later start stays, and that is not ours.
    pub(super) fn duplicate_answered(&mut self, origin: Origin) {
        let asked = self.joining.duplicate.filter(|duplicate| duplicate.stance == Stance::Asking);
        if asked.is_some_and(|duplicate| Digest::of(self.me().id(), duplicate.generation) == origin.digest) {
            self.give_way(origin.source);
        }
    }

    /// A datagram of our own name and generation: one of ours that came back, or a word of another process with both.
    pub(super) fn receive_from_duplicate(
        &mut self,
        address: SocketAddr,
        heard: &Datagram<'_>,
        bytes: usize,
    ) -> Result<(), Rejected> {
        let is_here = address == self.me().address();
        let asks = |target: Digest| target == heard.from || target == Digest::NOBODY;

        match heard.message {
            Message::Ping { to, nonce } if asks(to) && !is_here && self.pings.look(self.now, nonce).is_none() => {
                self.answer_duplicate(address, heard.sender_state.incarnation, nonce, bytes);
                Ok(())
            }
            Message::Ack { nonce } if self.pings.look(self.now, nonce).is_some_and(|sent| asks(sent.target)) => {
                if self.joining.duplicate.is_none_or(|duplicate| duplicate.stance == Stance::Asking) {
                    self.give_way(address);
                }
                Ok(())
            }
            _ => Err(Rejected::FromSelf),
        }
    }

    /// Another process of our name and generation asks whether we are alive. We are, and the answer stops it. Of two
    /// that ask each other only the one at the lower address answers, or both would stop.
    fn answer_duplicate(&mut self, address: SocketAddr, incarnation: Incarnation, nonce: Nonce, bytes_max: usize) {
        let generation = self.me().generation();
        match self.joining.duplicate {
            _ if self.leaving.is_some() => return,
            Some(duplicate) if duplicate.generation > generation => return,
            Some(duplicate) if duplicate.stance == Stance::Asking && duplicate.address < self.me().address() => return,
            Some(DuplicateName { stance: Stance::Answered, .. }) => {}
            Some(_) | None => {
                let until = self.now + self.rules.stall_tolerance;
                self.joining.duplicate = Some(DuplicateName { generation, address, until, stance: Stance::Answered });
                // A member that holds its record instead of ours takes this one.
                self.speak(self.me().incarnation().max(incarnation).next(), |_| {});
            }
        }

        let (message, first, piggyback) = (Message::Ack { nonce }, First::Nothing, Piggyback::Nothing);
        self.outbox.push(Intent { to: address, message, first, bytes_max, piggyback });
    }

    /// Another process of our name stays, and we do not.
    fn give_way(&mut self, by: SocketAddr) {
        self.events.push(Event::Superseded { by });
        self.stop();
    }
}
