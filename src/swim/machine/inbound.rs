//! What came in: verified, attributed to a member, and taken apart.

use std::net::SocketAddr;

use crate::member::{Incarnation, State, canonical};
use crate::swim::attempts::Errand;
use crate::swim::machine::origin::{Origin, SaidOfPlaces, Source};
use crate::swim::machine::{Machine, Received};
use crate::time::Instant;
use crate::wire::{Datagram, Digest, Item, Message, Nonce, Pulse, Rejected};

/// A round further ahead than this is not believed of one member alone.
const AHEAD_MAX: i16 = 64;
/// So many members further ahead are believed, or all others if they are fewer.
const AHEAD_VOICES: usize = 3;

impl Machine {
    /// Takes a datagram in, and hands a letter out for the election that it is about.
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
            return self.receive_from_namesake(address, heard, bytes).map(|()| None);
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
            Message::Election { to, council, letter } => {
                return self.receive_letter(origin, to, council, letter).map(Some);
            }
        }
        if let Some(slot) = origin.slot.filter(|_| !is_answer) {
            self.ping_back(slot);
        }
        Ok(None)
    }

    fn receive_ping(&mut self, origin: Origin, heard: &Datagram<'_>, to: Digest, nonce: Nonce) -> Result<(), Rejected> {
        if to == Digest::NOBODY {
            return self.receive_greeting(origin, heard, nonce);
        }
        if to != self.members.row(self.members.me()).digest() {
            self.introduce_ourselves(origin);
            return Ok(());
        }
        self.outdated = None;
        let said = self.take_items(origin, heard);
        self.hear(origin, heard.pulse);
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
        let Some(attempt) = self.attempts.look(self.now, nonce) else {
            return self.forward_relayed(origin, nonce, heard.pulse.incarnation);
        };
        if attempt.target != Digest::NOBODY && attempt.target != origin.digest {
            return Err(Rejected::Misdirected);
        }
        self.attempts.answer(self.now, nonce);
        let origin = match attempt.errand {
            Errand::Proof(serial) => self.receive_proof(origin, serial, attempt.sent),
            _ => origin,
        };
        if attempt.errand == Errand::Twin {
            self.twin_answered(origin);
            return Ok(());
        }
        let was_ghost = origin.slot.is_some_and(|slot| self.members.member(slot).state() == State::Dead);
        if let Some(slot) = origin.slot {
            // Whoever echoes what was sent to the member's address is the member, wherever the echo comes from. A ping
            // that went elsewhere may have met another process of its name and start.
            if self.members.member(slot).address() == attempt.to {
                if !attempt.answered {
                    self.answers.note_answered();
                    let rtt = self.now.since(attempt.sent);
                    self.members.sample_rtt(slot, rtt);
                    self.pooled.sample(rtt);
                }
                self.note_way(slot, attempt.to, origin.source);
                self.note_evidence(slot, attempt.sent, attempt.errand);
            } else if attempt.to == origin.source {
                self.note_answer_beyond_reach(slot, attempt.sent);
            }
        }
        let was_proved = origin.is_proved;
        // The evidence may have proved the address.
        let origin = self.origin(origin.source, origin.digest, origin.bytes);
        let is_proved = origin.is_proved;
        self.take_items(origin, heard);
        self.hear(origin, heard.pulse);
        self.after_answer(origin, attempt.errand);
        if is_proved && !was_proved && attempt.errand != Errand::Introduction {
            self.tell_what_could_not_ride(origin);
        }
        if was_ghost {
            self.greet_ghost(origin);
        }
        self.compare_views(origin, heard.pulse.view_hash);
        Ok(())
    }

    fn receive_nack(&mut self, origin: Origin, nonce: Nonce) -> Result<(), Rejected> {
        let attempt = self.attempts.look(self.now, nonce).ok_or(Rejected::UnknownNonce)?;
        let Errand::Relay { round, relay } = attempt.errand else { return Err(Rejected::UnknownNonce) };
        if origin.slot != Some(relay) {
            return Err(Rejected::Misdirected);
        }
        self.attempts.answer(self.now, nonce);
        let id = self.members.member(relay).id();
        if let Some(round) = self.rounds.get_mut(round) {
            round.nackers.insert(id);
        }
        self.note_evidence(relay, attempt.sent, Errand::Look);
        Ok(())
    }

    fn receive_relayed(
        &mut self,
        origin: Origin,
        nonce: Nonce,
        target: Digest,
        incarnation: Incarnation,
    ) -> Result<(), Rejected> {
        let attempt = self.attempts.look(self.now, nonce).ok_or(Rejected::UnknownNonce)?;
        let Errand::Relay { round, relay } = attempt.errand else { return Err(Rejected::UnknownNonce) };
        if attempt.target != target || origin.slot != Some(relay) {
            return Err(Rejected::Misdirected);
        }
        self.attempts.answer(self.now, nonce);
        self.note_evidence(relay, attempt.sent, Errand::Look);
        if let Some(slot) = self.members.find_digest(target) {
            self.metrics.probes_acked_by_relay += u64::from(self.rounds.get_mut(round).is_some());
            self.note_evidence(slot, attempt.sent, Errand::Look);
            self.hear_incarnation(slot, incarnation);
        }
        Ok(())
    }

    /// Takes what rode on a datagram as gossip, each item decoded once; what the items say together of where this node and
    /// the sender are.
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
    pub(super) fn hear(&mut self, origin: Origin, pulse: Pulse) {
        if let Some(slot) = origin.slot {
            let others = self.others();
            self.rounding.hear(origin.digest, pulse.round, others);
            self.hear_incarnation(slot, pulse.incarnation);
        }
    }
}

/// The round of the ring, and what was heard of the others'.
#[derive(Clone, Debug, Default)]
pub(super) struct Rounding {
    round: u64,
    heard: u64,
    far_ahead: Vec<(Digest, u64)>,
    /// Whether enough were far ahead since the last tick.
    is_outvoted: bool,
}

impl Rounding {
    pub(super) fn round(&self) -> u64 {
        self.round
    }

    /// The round of a new tick: the highest heard, if it is ahead of ours, else the next. Taking the highest plus one
    /// would make the whole cluster run away.
    pub(super) fn advance(&mut self) -> u64 {
        self.round = if self.heard > self.round { self.heard } else { self.round + 1 };
        if self.is_outvoted {
            self.far_ahead.clear();
            self.is_outvoted = false;
        }
        self.round
    }

    /// A joiner takes its contact's round as it is.
    pub(super) fn adopt(&mut self, round: u64) {
        self.round = self.round.max(round.min(u64::MAX >> 1));
    }

    /// Hears the low 16 bits of a member's round. One far ahead is not believed; the lowest of three is, or of all
    /// `others`.
    fn hear(&mut self, from: Digest, low_bits: u16, others: usize) {
        let ahead = low_bits.wrapping_sub(self.round as u16) as i16;
        if ahead <= 0 {
            return;
        }
        let round = self.round + ahead as u64;
        if ahead <= AHEAD_MAX {
            self.heard = self.heard.max(round);
            return;
        }
        if self.far_ahead.len() < AHEAD_VOICES && self.far_ahead.iter().all(|(known, _)| *known != from) {
            self.far_ahead.push((from, round));
        }
        self.is_outvoted = self.far_ahead.len() >= AHEAD_VOICES.min(others.max(1));
        if self.is_outvoted {
            let lowest = self.far_ahead.iter().map(|(_, round)| *round).min().unwrap_or(self.round);
            self.heard = self.heard.max(lowest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::ring;

    #[test]
    fn rounds_align_without_running_away() {
        let mut a = Rounding::default();
        a.adopt(70_000);
        let mut b = Rounding::default();
        b.adopt(69_990);
        b.hear(Digest(1), a.round() as u16, 9);
        assert_eq!(b.advance(), 70_000);
        a.hear(Digest(2), b.round() as u16, 9);
        assert_eq!(a.advance(), 70_001);
    }

    #[test]
    fn one_far_ahead_is_ignored_and_the_lowest_of_three_is_taken() {
        let mut rounding = Rounding::default();
        rounding.hear(Digest(1), 5_000, 9);
        rounding.hear(Digest(1), 5_000, 9);
        rounding.hear(Digest(2), 4_000, 9);
        assert_eq!(rounding.advance(), 1);
        for (from, round) in [(1, 5_000), (2, 4_000), (3, 4_500)] {
            rounding.hear(Digest(from), round, 9);
        }
        assert_eq!(rounding.advance(), 4_000);
        rounding.hear(Digest(9), 3_990, 9);
        assert_eq!(rounding.advance(), 4_001, "a round behind ours is nothing new");
    }

    #[test]
    fn a_small_cluster_finds_whoever_was_away() {
        for others in 1..4 {
            let mut rounding = Rounding::default();
            for from in 0..others as u64 {
                assert_eq!(rounding.advance(), 1 + from);
                rounding.hear(Digest(from), 30_000, others);
            }
            assert_eq!(rounding.advance(), 30_000, "all {others} others are there");
        }
    }

    #[test]
    fn rounds_of_which_the_low_bits_agree_are_one() {
        // Away for nine hours of seconds: more than half of what 16 bits hold, so that the other side seems behind.
        let (mut away, mut here) = (Rounding::default(), Rounding::default());
        away.adopt(100);
        here.adopt(100 + 33_000);
        for n in 0..4 {
            away.hear(Digest(n), here.round() as u16, 9);
            here.hear(Digest(n), away.round() as u16, 9);
        }
        let (away, here) = (away.advance(), here.advance());
        let same_target = |members| ring::offset(away, members) == ring::offset(here + 1, members);
        assert!((3..200).all(same_target) || (3..200).all(|m| ring::offset(away + 1, m) == ring::offset(here, m)));
    }
}
