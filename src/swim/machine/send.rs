//! What goes out: intents become datagrams when the driver asks, with the freshest news on them
//! (`protocol.md 7.2`, `7.4`, `9`).

use std::net::SocketAddr;

use crate::member::State;
use crate::sabotage;
use crate::swim::detector::pings::PingPurpose;
use crate::swim::dissemination::gossip::{ChangedNews, Urgency, sends_in_all};
use crate::swim::dissemination::outbox::{First, Intent, Outgoing, Piggyback};
use crate::swim::machine::Machine;
use crate::swim::machine::origin::{AsksWhere, Origin, Path};
use crate::swim::slot::Slot;
use crate::wire::{ChangeRef, Digest, Item, Message, Nonce, SenderState};

/// The least bytes that a news takes; with less space there is no use in trying.
const ITEM_BYTES_MIN: usize = 20;
/// News tried for one datagram at most.
const BATCH_MAX: usize = 48;

impl Machine {
    /// Makes the next datagram; the buffer is cleared first.
    pub(crate) fn poll_transmit(&mut self, buf: &mut Vec<u8>) -> Option<SocketAddr> {
        let to = loop {
            match self.outbox.pop()? {
                Outgoing::Intent(intent) if !self.reach.covers(intent.to) => {}
                Outgoing::Intent(intent) => {
                    self.make(&intent, buf);
                    // Even without news it may be longer than an unproved address may be sent: then nothing is said.
                    if buf.len() <= intent.bytes_max {
                        break intent.to;
                    }
                }
                Outgoing::Prepared(to, datagram) => {
                    buf.clear();
                    buf.extend_from_slice(&datagram);
                    break to;
                }
            }
        };

        self.metrics.datagrams_out += 1;
        self.metrics.bytes_out += buf.len() as u64;
        Some(to)
    }

    fn make(&mut self, intent: &Intent, buf: &mut Vec<u8>) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.clear();

        let (from, sender_state) = (self.my_digest(), self.sender_state());
        let mut writer = self.codec.writer(buf, intent.bytes_max, from, sender_state, intent.message.clone());
        self.news().write_first(intent.first, &mut writer);

        if intent.piggyback == Piggyback::News && self.gossip.len() > 0 {
            let most = (writer.bytes_left() / ITEM_BYTES_MIN).min(BATCH_MAX);
            let changes = if self.change_meter.has_any(self.now) { ChangedNews::Go } else { ChangedNews::Wait };
            self.gossip.list(most, changes, &mut batch);
            let sends_max = sends_in_all(self.rules.retransmit_mult, self.members.counts().present());

            for slot in &batch {
                // protocol.md 7.4: changed metadata keep to a budget.
                let is_change = self.gossip.urgency(*slot) == Some(Urgency::Changed);
                if is_change && !self.change_meter.has_any(self.now) {
                    break;
                }

                let Some(item) = self.news().of(*slot) else {
                    self.gossip.hush(*slot);
                    continue;
                };
                let item = match (item, self.gossip.base(*slot)) {
                    (Item::Alive(record), Some(base)) => Item::Change(ChangeRef::of(record, base)),
                    (item, _) => item,
                };

                let space = writer.bytes_left();
                if writer.item(&item) {
                    self.gossip.sent(*slot, sends_max);
                    let bytes = if is_change { space - writer.bytes_left() } else { 0 };
                    self.change_meter.take(bytes);
                }
            }
        }

        writer.finish();
        self.batch = batch;
    }

    pub(super) fn my_digest(&self) -> Digest {
        self.members.row(self.members.me()).digest()
    }

    pub(super) fn sender_state(&self) -> SenderState {
        SenderState {
            incarnation: self.me().incarnation(),
            view_hash: self.members.view_hash(),
            round: self.round_number.round() as u16,
        }
    }

    pub(super) fn send(&mut self, to: SocketAddr, message: Message, first: First, piggyback: Piggyback) {
        let bytes_max = self.rules.datagram_bytes_max;
        self.outbox.push(Intent { to, message, first, bytes_max, piggyback });
    }

    /// News of its own, to a proved address.
    pub(super) fn send_news(&mut self, to: SocketAddr, first: First) {
        self.send(to, Message::News, first, Piggyback::News);
    }

    /// Something in answer to a datagram, within what its sender's address may be sent.
    pub(super) fn send_limited(&mut self, origin: Origin, first: First) {
        let bytes_max = self.reply_bytes_max(origin);
        let piggyback = Piggyback::Nothing;
        self.outbox.push(Intent { to: origin.address, message: Message::News, first, bytes_max, piggyback });
    }

    /// An unproved address is answered with no more than it sent.
    pub(super) fn reply_bytes_max(&self, origin: Origin) -> usize {
        if origin.is_proved { self.rules.datagram_bytes_max } else { origin.bytes.min(self.rules.datagram_bytes_max) }
    }

    /// Pings a member; what is held against it goes with the ping (Lifeguard's Buddy System). An unproved address gets
    /// no news.
    pub(super) fn ping(&mut self, slot: Slot, purpose: PingPurpose, first: First) -> Nonce {
        let first = if first == First::Nothing { self.accusation_of(slot) } else { first };
        self.ping_carrying(slot, purpose, first, self.piggyback_to(slot))
    }

    /// Pings a member with this and no more.
    pub(super) fn ping_carrying(
        &mut self,
        slot: Slot,
        purpose: PingPurpose,
        first: First,
        piggyback: Piggyback,
    ) -> Nonce {
        let row = self.members.row(slot);
        let (to, digest) = (row.member.address(), row.digest());
        if row.member.state() == State::Alive || self.is_unheard(slot) {
            self.reachability.note_asked();
        }

        let nonce = self.pings.start(self.now, &mut self.random.nonces, (digest, to), purpose);
        self.send(to, Message::Ping { to: digest, nonce }, first, piggyback);
        nonce
    }

    /// What may ride on a datagram that a member did not ask for: nothing until its address is proved.
    pub(super) fn piggyback_to(&self, slot: Slot) -> Piggyback {
        if self.members.row(slot).is_proved() { Piggyback::News } else { Piggyback::Nothing }
    }

    /// What a ping to a member says of it: our suspicion or verdict, so that it hears first.
    pub(super) fn accusation_of(&self, slot: Slot) -> First {
        let row = self.members.row(slot);
        match row.member.state() {
            _ if sabotage::is_off("buddy") => First::Nothing,
            State::Suspect | State::Dead if !row.is_provisional() => First::About(slot),
            _ => First::Nothing,
        }
    }

    /// What an echo says of the pinger: a member that runs for moments only must hear that it is suspected in the one
    /// exchange that it gets through (`protocol.md 5.8`).
    fn accusation_of_sender(&self, origin: Origin) -> First {
        match origin.slot {
            Some(slot) if !sabotage::is_off("ack_to_suspect") => self.accusation_of(slot),
            Some(_) | None => First::Nothing,
        }
    }

    /// What an echo says first: what is held against the pinger, else the newer words of a member that the ping
    /// accuses at an older standing.
    fn first_of_ack(&self, origin: Origin) -> First {
        match (self.accusation_of_sender(origin), self.outdated) {
            (First::Nothing, Some(slot)) if !sabotage::is_off("outdated") => First::About(slot),
            (belief, _) => belief,
        }
    }

    /// Echoes a ping's nonce: to where its sender receives, if that is known, else to where it came from.
    pub(super) fn ack(&mut self, origin: Origin, nonce: Nonce, asks_where: AsksWhere) {
        let is_stranger = origin.path == Path::Unknown;
        let is_seen_elsewhere = is_stranger || asks_where == AsksWhere::Yes;
        let seen = Self::where_seen(origin);

        let first = if is_seen_elsewhere { seen } else { self.first_of_ack(origin) };
        let bytes_max = self.reply_bytes_max(origin);
        let message = Message::Ack { nonce };
        self.outbox.push(Intent { to: origin.address, message, first, bytes_max, piggyback: Piggyback::News });

        if let Some(to) = self.other_address(origin).filter(|_| !sabotage::is_off("ways")) {
            let (bytes_max, piggyback) = (origin.bytes, Piggyback::Nothing);
            self.outbox.push(Intent { to, message: Message::Ack { nonce }, first: seen, bytes_max, piggyback });
        }

        match origin.slot {
            Some(slot) if is_seen_elsewhere => self.notice_stranger(origin, slot),
            Some(slot) if !origin.is_proved && self.gossip.len() > 0 => self.unmet = Some(slot),
            Some(_) | None => {}
        }
    }

    /// Where else a member may receive than where its answer goes: a stranger where it is recorded, and one that does
    /// not answer there where its datagrams come from.
    fn other_address(&self, origin: Origin) -> Option<SocketAddr> {
        let member = self.members.member(origin.slot?);
        let other = match origin.path {
            Path::Unknown => Some(member.address()),
            Path::WayOut if member.state() != State::Alive => Some(origin.source),
            Path::Home | Path::WayOut => None,
        };
        // What it has just told may have made the two one.
        other.filter(|other| *other != origin.address)
    }

    /// Pings a member that pinged us while its address was not proved, so that the news that could not ride on our ack
    /// reach it. Waits for the tick: more at once would be a reply longer than the ping.
    pub(super) fn meet_pinger(&mut self) {
        let Some(slot) = self.unmet.take() else { return };
        let row = self.members.row(slot);
        if row.is_live() && !row.is_proved() && self.gossip.len() > 0 {
            self.ping(slot, PingPurpose::Introduction, First::Nothing);
        }
    }

    /// The address was proved just now: what could not ride on our ping to it goes after it.
    pub(super) fn tell_what_could_not_ride(&mut self, origin: Origin) {
        if self.gossip.len() > 0 {
            self.send_news(origin.address, First::Nothing);
        }
    }
}
