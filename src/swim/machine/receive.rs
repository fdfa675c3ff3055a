//! What came in: verified, attributed to a member, and taken apart (`protocol.md 4.4`, `4.8`, `5.8`, `9`).

use std::net::SocketAddr;

use crate::member::{Incarnation, State, canonical};
use crate::swim::detector::pings::PingPurpose;
use crate::swim::machine::origin::{Origin, SaidOfPlaces};
use crate::swim::machine::{Machine, Received};
use crate::swim::members::merge::Source;
use crate::time::Instant;
use crate::wire::{Datagram, Digest, Item, Message, Nonce, Rejected, SenderState};

impl Machine {
    /// Takes a datagram in, and hands an election message out for the election that it is about.
    ///
    /// # Errors
    /// The reason it was rejected; nothing but lateness and the counters changed.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<Option<Received>, Rejected> {
        let outcome = if self.stopped {
            Err(Rejected::Stopped)
        } else {
            self.enter(now);
            let codec = self.codec.clone();
            codec.decode(datagram).and_then(|heard| self.receive(canonical(from), &heard, datagram.len()))
        };

        match outcome {
            Ok(None) => {
                self.accept(datagram.len());
                self.settle();
            }
            // Nothing came of it here; whether it is accepted is for the election to say.
            Ok(Some(_)) => {}
            Err(reason) => self.metrics.rejected.count(reason),
        }
        outcome
    }

    /// Counts a datagram that was accepted.
    pub(crate) fn accept(&mut self, bytes: usize) {
        self.metrics.datagrams_in += 1;
        self.metrics.bytes_in += bytes as u64;
    }

    fn receive(
        &mut self,
        address: SocketAddr,
        heard: &Datagram<'_>,
        bytes: usize,
    ) -> Result<Option<Received>, Rejected> {
        if heard.from == self.my_digest() {
            return self.receive_from_duplicate(address, heard, bytes).map(|()| None);
        }

        let origin = self.origin(address, heard.from, bytes);
        let is_answer = matches!(heard.message, Message::Ack { .. } | Message::Relayed { .. });

        match heard.message.clone() {
            Message::Ping { to, nonce } => self.receive_ping(origin, heard, to, nonce)?,
            Message::Ack { nonce } => self.receive_ack(origin, heard, nonce)?,
            Message::PingReq { nonce, target } => {
                self.receive_ping_req(origin, nonce, target);
                self.take_items(origin, heard);
            }
            Message::Nack { nonce } => {
                self.receive_nack(origin, nonce)?;
                self.take_items(origin, heard);
            }
            Message::Relayed { nonce, target, incarnation } => {
                self.receive_relayed(origin, nonce, target, incarnation)?;
                self.take_items(origin, heard);
            }
            Message::News => {
                self.take_items(origin, heard);
            }
            Message::Unknown { .. } => {
                self.metrics.messages_unknown += 1;
                self.take_items(origin, heard);
            }
            Message::SyncRequest { nonce } => self.answer_sync(origin, heard, nonce),
            Message::SyncReply { nonce, done } => self.receive_sync_reply(origin, heard, nonce, done)?,
            Message::Election { to, context, election_message } => {
                return self.receive_election_message(origin, to, context, election_message).map(Some);
            }
        }

        // protocol.md 5.8: a suspect that sends anything but an answer runs at this moment, and is pinged back.
        if let Some(slot) = origin.slot.filter(|_| !is_answer) {
            self.ping_back(slot);
        }
        Ok(None)
    }

    fn receive_ping(&mut self, origin: Origin, heard: &Datagram<'_>, to: Digest, nonce: Nonce) -> Result<(), Rejected> {
        if to == Digest::NOBODY {
            return self.receive_greeting(origin, heard, nonce);
        }

        // protocol.md 4.8: a ping for another process, or for an earlier start of this one, gets no ack.
        if to != self.members.row(self.members.me()).digest() {
            self.introduce_ourselves(origin);
            return Ok(());
        }

        self.outdated = None;
        let said = self.take_items(origin, heard);
        self.hear(origin, heard.sender_state);
        let asks_where = self.hear_whereabouts(origin, said);
        self.ack(origin, nonce, asks_where);
        self.tell_who_can_ask(origin);

        if origin.slot.is_none() {
            self.echo_to_contacts(nonce);
            self.pull_from_contact(origin.address);
        }
        Ok(())
    }

    fn receive_ack(&mut self, origin: Origin, heard: &Datagram<'_>, nonce: Nonce) -> Result<(), Rejected> {
        let Some(attempt) = self.pings.look(self.now, nonce) else {
            return self.forward_relayed(origin, nonce, heard.sender_state.incarnation);
        };
        if attempt.target != Digest::NOBODY && attempt.target != origin.digest {
            return Err(Rejected::Misdirected);
        }

        self.pings.answer(self.now, nonce);
        let origin = match attempt.purpose {
            PingPurpose::Proof(serial) => self.receive_proof(origin, serial, attempt.sent),
            _ => origin,
        };
        if attempt.purpose == PingPurpose::DuplicateName {
            self.duplicate_answered(origin);
            return Ok(());
        }

        let was_ghost = origin.slot.is_some_and(|slot| self.members.member(slot).state() == State::Dead);
        if let Some(slot) = origin.slot {
            // protocol.md 1: a process that echoes what was sent to the member's address is the member, wherever the
            // echo comes from. A ping that went elsewhere may have met another process of its name and start.
            if self.members.member(slot).address() == attempt.to {
                if !attempt.answered {
                    self.reachability.note_answered();
                    let rtt = self.now.since(attempt.sent);
                    self.members.sample_rtt(slot, rtt);
                    self.pooled.sample(rtt);
                }
                self.note_way(slot, attempt.to, origin.source);
                self.on_answer(slot, attempt.sent, attempt.purpose);
            } else if attempt.to == origin.source {
                self.note_answer_beyond_reach(slot, attempt.sent);
            }
        }

        let was_proved = origin.is_proved;
        // The evidence may have proved the address.
        let origin = self.origin(origin.source, origin.digest, origin.bytes);
        let is_proved = origin.is_proved;

        self.take_items(origin, heard);
        self.hear(origin, heard.sender_state);

        self.after_answer(origin, attempt.purpose);
        if is_proved && !was_proved && attempt.purpose != PingPurpose::Introduction {
            self.tell_what_could_not_ride(origin);
        }

        // protocol.md 8.4: the answer of a ghost begins a comparison.
        if was_ghost {
            self.greet_ghost(origin);
        }
        self.compare_views(origin, heard.sender_state.view_hash);
        Ok(())
    }

    fn receive_nack(&mut self, origin: Origin, nonce: Nonce) -> Result<(), Rejected> {
        let attempt = self.pings.look(self.now, nonce).ok_or(Rejected::UnknownNonce)?;
        let PingPurpose::Relay { round, relay } = attempt.purpose else { return Err(Rejected::UnknownNonce) };
        if origin.slot != Some(relay) {
            return Err(Rejected::Misdirected);
        }

        self.pings.answer(self.now, nonce);

        // protocol.md 4.4: a nack counts as the relay's accusation while the round lasts, and shows
        // that this node is heard.
        let id = self.members.member(relay).id();
        if let Some(round) = self.rounds.get_mut(round) {
            round.nackers.insert(id);
        }
        self.on_answer(relay, attempt.sent, PingPurpose::Look);
        Ok(())
    }

    fn receive_relayed(
        &mut self,
        origin: Origin,
        nonce: Nonce,
        target: Digest,
        incarnation: Incarnation,
    ) -> Result<(), Rejected> {
        let attempt = self.pings.look(self.now, nonce).ok_or(Rejected::UnknownNonce)?;
        let PingPurpose::Relay { round, relay } = attempt.purpose else { return Err(Rejected::UnknownNonce) };
        if attempt.target != target || origin.slot != Some(relay) {
            return Err(Rejected::Misdirected);
        }

        self.pings.answer(self.now, nonce);
        self.on_answer(relay, attempt.sent, PingPurpose::Look);

        if let Some(slot) = self.members.find_digest(target) {
            self.metrics.probes_acked_by_relay += u64::from(self.rounds.get_mut(round).is_some());
            self.on_answer(slot, attempt.sent, PingPurpose::Look);
            self.hear_incarnation(slot, incarnation);
        }
        Ok(())
    }

    /// Takes what rode on a datagram as gossip, each item decoded once; what the items say together of where this
    /// node and the sender are.
    fn take_items(&mut self, origin: Origin, heard: &Datagram<'_>) -> SaidOfPlaces {
        let mut said = SaidOfPlaces::default();
        for item in heard.items() {
            said.note(origin, &item);
            match (&heard.message, &item) {
                (Message::Ping { .. }, Item::Seen(address)) => self.hear_sent_to(origin, *address),
                _ => self.take_item(origin, &item, Source::Gossip),
            }
        }
        said
    }

    pub(super) fn take_item(&mut self, origin: Origin, item: &Item<'_>, source: Source) {
        match item {
            Item::Alive(record) => self.hear_alive(origin, record, source),
            Item::Suspect(accusation) => self.hear_suspect(origin, accusation),
            Item::Dead(accusation) => self.hear_dead(origin, accusation, source),
            Item::Left(departure) => self.hear_left(origin, departure, source),
            Item::Change(change) => self.hear_change(origin, change, source),
            Item::Seen(address) => self.hear_seen(origin, *address),
            Item::SeenElsewhere => self.hear_seen_elsewhere(origin),
            // The steps of a comparison mean something only inside one.
            Item::Range { .. }
            | Item::Children { .. }
            | Item::Terms { .. }
            | Item::Want { .. }
            | Item::Pull { .. }
            | Item::Page { .. } => {}
        }
    }

    /// Takes what every datagram tells of its sender.
    pub(super) fn hear(&mut self, origin: Origin, sender_state: SenderState) {
        if let Some(slot) = origin.slot {
            let others = self.others();
            self.round_number.hear(origin.digest, sender_state.round, others);
            self.hear_incarnation(slot, sender_state.incarnation);
        }
    }
}
