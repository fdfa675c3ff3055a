//! Which processes are let in: greetings, proofs of address, contacts to dial, saved views
//! (`protocol.md 7.5`, `8.4`, `9`).

use std::net::SocketAddr;

use crate::event::Event;
use crate::member::{Record, State, canonical};
use crate::sabotage;
use crate::swim::anti_entropy::Aim;
use crate::swim::detector::pings::PingPurpose;
use crate::swim::dissemination::outbox::{First, Intent, Piggyback};
use crate::swim::joining::Purpose;
use crate::swim::machine::Machine;
use crate::swim::machine::origin::{AsksWhere, Origin, Path};
use crate::swim::members::ghosts::{Dial, Share};
use crate::swim::members::merge::Source;
use crate::swim::slot::Slot;
use crate::swim::timers::Timer;
use crate::time::Instant;
use crate::wire::{Datagram, Digest, Item, Message, Nonce, RecordRef, Rejected};

/// While no other member is known contacts are dialled after so many times `probe_timeout` at most,
const DIAL_PATIENCE: u32 = 4;
/// so many of them in turn: a node that stays alone for days must not flood a list of 64.
const DIALS_AT_ONCE: usize = 4;

impl Machine {
    /// Dials contacts until one answers, and now and then for ever after.
    pub(crate) fn join(&mut self, now: Instant, contacts: &[SocketAddr]) {
        if self.stopped {
            return;
        }
        self.enter(now);

        let contacts: Vec<SocketAddr> = contacts.iter().map(|contact| canonical(*contact)).collect();
        self.joining.add_contacts(&contacts);
        for contact in contacts {
            if !self.is_live_member(contact) {
                self.greet(contact);
            }
        }

        self.set_join_timer();
        self.settle();
    }

    /// Takes in a saved view: its members are pinged without a proof, and are no news.
    pub(crate) fn preload(&mut self, now: Instant, records: &[Record]) {
        if self.stopped {
            return;
        }
        self.enter(now);

        let space = self.rules.members_max.saturating_sub(self.members.counts().present());
        let usable = records.iter().filter(|record| !record.address().ip().is_unspecified());
        let (added, refused) = self.members.insert_all(usable, space);

        if !added.is_empty() {
            self.anti_entropy.note_news(self.now);
        }
        self.events.expect(added.len());
        for slot in added {
            self.events.push(Event::Up(self.members.member(slot).clone()));
        }

        self.refuse(refused);
        self.settle();
    }

    /// Dials some of the contacts again while no other member is known.
    pub(super) fn dial_contacts(&mut self) {
        if !self.is_alone() || self.leaving.is_some() {
            return;
        }
        self.weigh_word_of_contact();
        self.joining.dials = self.joining.dials.saturating_add(1);
        for _ in 0..self.joining.contacts().len().min(DIALS_AT_ONCE) {
            if let Some(contact) = self.joining.next_contact() {
                self.greet(contact);
            }
        }
        self.set_join_timer();
    }

    fn set_join_timer(&mut self) {
        if !self.joining.contacts().is_empty() {
            let patience = self.rules.probe_timeout * self.joining.dials.clamp(1, DIAL_PATIENCE);
            let jitter = self.random.healing.fraction_of(patience / 4);
            self.timers.set(Timer::Join, self.now + patience + jitter);
        }
    }

    /// Greets the process that receives at an address, whichever it is, with our own record.
    fn greet(&mut self, contact: SocketAddr) {
        self.metrics.dials += 1;
        let nonce = self.pings.start(self.now, &mut self.random.nonces, (Digest::NOBODY, contact), PingPurpose::Look);
        self.send(contact, Message::Ping { to: Digest::NOBODY, nonce }, First::Me, Piggyback::Nothing);
    }

    /// A greeting: a member that we know at the address that it tells is answered; any other sender must
    /// first prove its address.
    pub(super) fn receive_greeting(
        &mut self,
        origin: Origin,
        heard: &Datagram<'_>,
        nonce: Nonce,
    ) -> Result<(), Rejected> {
        let record = heard.items().find_map(|item| match item {
            Item::Alive(record) if Digest::of(record.id, record.generation) == origin.digest => Some(record),
            _ => None,
        });

        if origin.is_proved && !record.is_some_and(|record| self.is_recorded_elsewhere(origin, &record)) {
            for item in heard.items() {
                self.take_item(origin, &item, Source::Gossip);
            }
            self.hear(origin, heard.sender_state);
            self.ack(origin, nonce, AsksWhere::No);
            self.introduce_beyond_reach(origin);
            return Ok(());
        }

        let record = record.ok_or(Rejected::Misdirected)?;
        if record.id == self.me().id() {
            self.hear_my_name(&with_address(record, origin.source));
            if record.generation < self.me().generation() {
                // An earlier process that still runs may know no member but us, and none else would stop it.
                let first = First::Seen(origin.source);
                self.ask_for_proof(origin.source, origin.digest, Purpose::TellUs, origin.bytes, first);
            }
            return Ok(());
        }

        if record.address.ip().is_unspecified() {
            self.send_limited(origin, First::Seen(origin.source));
            return Ok(());
        }

        // A node that speaks both families tells one address, which may be of the family that we do not speak. It
        // proves what can be proved here, that it receives where it sends from.
        let is_reached = self.reach.covers(record.address) || sabotage::is_off("greeted_beyond_reach");
        let address = if is_reached { record.address } else { origin.source };

        // It may have moved since it learned its address. Then that proves nothing, and no member could tell it so.
        if origin.path == Path::Unknown && address != origin.source && !sabotage::is_off("greeter_moved") {
            self.send_limited(origin, First::Seen(origin.source));
        }

        // protocol.md 7.5: the joiner's address is proved by a ping no longer than what came from it.
        let purpose = Purpose::TakeIn(record.to_record());
        let first = First::Seen(origin.source);
        self.ask_for_proof(address, origin.digest, purpose, origin.bytes, first);
        Ok(())
    }

    /// A member greets us, so it does not know us. One that we can send to is pinged in its turn and learns it from
    /// that; one that we can answer, and not ask, is told at once.
    fn introduce_beyond_reach(&mut self, origin: Origin) {
        let is_beyond = origin.slot.is_some_and(|slot| !self.can_reach(slot));
        if is_beyond && !sabotage::is_off("greeted_beyond_reach") {
            self.send_news(origin.address, First::Me);
        }
    }

    /// Whether a member behind a gateway tells another address than we have of it: its datagrams come from where they
    /// came from before, and yet what goes to its recorded address no longer reaches it.
    fn is_recorded_elsewhere(&self, origin: Origin, record: &RecordRef<'_>) -> bool {
        let known = origin.slot.filter(|_| origin.path == Path::WayOut);
        known.is_some_and(|slot| {
            !record.address.ip().is_unspecified() && record.address != self.members.member(slot).address()
        })
    }

    /// A ping for an earlier start of us, or for another process that was here before: its sender learns which one is
    /// here now (`protocol.md 4.8`).
    pub(super) fn introduce_ourselves(&mut self, origin: Origin) {
        match origin.slot {
            _ if origin.is_proved => self.send_news(origin.address, First::Me),
            // Our ping to where it is seen must say so, and has no space until the tick.
            Some(slot) if origin.path == Path::Unknown => self.notice_stranger(origin, slot),
            Some(_) | None => {
                let first = Self::where_asked(origin);
                self.ask_for_proof(origin.address, origin.digest, Purpose::TellUs, origin.bytes, first);
            }
        }
    }

    /// Pings an address whose owner must echo the nonce before `purpose` is carried out.
    pub(super) fn ask_for_proof(
        &mut self,
        address: SocketAddr,
        target: Digest,
        purpose: Purpose,
        bytes_max: usize,
        first: First,
    ) {
        let serial = self.joining.wait_for_proof(address, purpose);
        let nonce = self.pings.start(self.now, &mut self.random.nonces, (target, address), PingPurpose::Proof(serial));
        let message = Message::Ping { to: target, nonce };
        let bytes_max = bytes_max.min(self.rules.datagram_bytes_max);
        self.outbox.push(Intent { to: address, message, first, bytes_max, piggyback: Piggyback::Nothing });
    }

    /// The echo that proves an address: what waited for it is done. The member it made known is named.
    pub(super) fn receive_proof(&mut self, origin: Origin, serial: u32, sent: Instant) -> Origin {
        let Some((address, purpose)) = self.joining.proved(serial) else { return origin };
        let proved = Origin { is_proved: true, address, ..origin };

        match purpose {
            Purpose::TakeIn(record) => {
                self.tell_of_predecessor(address, &record);
                self.hear_alive(proved, &RecordRef::of(&record), Source::Owner);
                if let Some(slot) = self.members.find_digest(origin.digest) {
                    self.note_answer_beyond_reach(slot, sent);
                    self.introduce_beyond_reach(Origin { slot: Some(slot), ..proved });
                }
            }
            Purpose::TellUs => self.send_news(address, First::Me),
            Purpose::Serve => {}
        }

        self.joining.welcome(origin.digest, address);
        let Some(slot) = self.members.find_digest(origin.digest) else { return origin };

        if self.members.member(slot).address() == address {
            self.members.note_alive(slot, sent);
            self.note_way(slot, address, origin.source);
            return self.origin(origin.source, origin.digest, origin.bytes);
        }

        if self.members.row(slot).is_present() {
            // A member with two addresses knows its record. Another process of its name and start learns that it is not
            // alone, and asks there.
            self.send_news(address, First::Record(slot));
        }
        origin
    }

    /// A newcomer takes the place of an earlier start that was present until now: it is told which start it replaces.
    fn tell_of_predecessor(&mut self, newcomer: SocketAddr, record: &Record) {
        let Some(slot) = self.members.find(record.id()) else { return };
        let row = self.members.row(slot);
        if !row.is_present() || row.member.generation() >= record.generation() {
            return;
        }

        let mut datagram = Vec::new();
        let limit = self.rules.datagram_bytes_max;
        let mut writer = self.codec.writer(&mut datagram, limit, self.my_digest(), self.sender_state(), Message::News);
        writer.item(&Item::Alive(RecordRef::of(&row.member.record)));
        writer.finish();
        self.outbox.push_prepared(newcomer, datagram);
    }

    /// A stranger pings us: mostly a contact that we greeted. It may not receive where it sends from, so what echoes
    /// its nonce goes where we greeted too: to all that were dialled at once while we are alone, else to the one that
    /// was dialled an interval ago at most.
    pub(super) fn echo_to_contacts(&mut self, nonce: Nonce) {
        let (contacts, since) = (self.joining.contacts(), self.now - self.rules.probe_interval);
        let greeted: Vec<SocketAddr> = if self.is_alone() {
            contacts.iter().rev().take(DIALS_AT_ONCE).rev().copied().collect()
        } else {
            let lately = self.joining.dialled.filter(|(at, _)| *at >= since && !sabotage::is_off("echo_to_contact"));
            lately.map(|(_, contact)| contact).into_iter().collect()
        };
        for to in greeted {
            self.send(to, Message::Ack { nonce }, First::Nothing, Piggyback::Nothing);
        }
    }

    /// A process that we do not know pinged us: while we are alone, we take it for a contact and ask for its
    /// table (`protocol.md 9`).
    pub(super) fn pull_from_contact(&mut self, contact: SocketAddr) {
        if self.is_alone() && !self.joining.contacts().is_empty() && !self.anti_entropy.is_busy() {
            self.begin_session(contact, Aim::Join);
        }
    }

    /// A node that is alone again, because the others left or died, dials its contacts as if it had just begun.
    pub(super) fn dial_when_alone(&mut self) {
        if self.is_alone() && self.timers.at(Timer::Join) == Instant::NEVER {
            self.joining.dials = 0;
            self.set_join_timer();
        }
    }

    /// Now and then a dead member or a contact is dialled, so that a partition that is over is
    /// noticed (`protocol.md 8.4`).
    pub(super) fn dial_somebody(&mut self) {
        let share = Share {
            now: self.now,
            live: self.members.counts().live(),
            interval: self.rules.probe_interval,
            // A node that is alone dials them by a timer of their own.
            has_contacts: !self.is_alone() && !self.joining.contacts().is_empty(),
        };

        match self.ghosts.dial(&mut self.random.healing, &share) {
            Some(Dial::Ghost(slot)) => self.dial_ghost(slot),
            Some(Dial::Contact) => self.dial_a_contact(),
            None => {}
        }
    }

    fn dial_a_contact(&mut self) {
        let contacts = self.joining.contacts();
        if contacts.is_empty() {
            return;
        }
        let contact = contacts[self.random.healing.index(contacts.len())];
        if !self.is_live_member(contact) {
            self.joining.dialled = Some((self.now, contact));
            self.greet(contact);
        }
    }

    /// Whether a live member is recorded at an address.
    fn is_live_member(&self, address: SocketAddr) -> bool {
        let mut live = self.members.slots().filter(|slot| self.members.row(*slot).is_live());
        live.any(|slot| self.members.member(slot).address() == address)
    }

    /// A dead member answers: it hears our verdict, and views are compared.
    pub(super) fn greet_ghost(&mut self, origin: Origin) {
        let dead = origin.slot.filter(|slot| self.members.member(*slot).state() == State::Dead);
        if let Some(slot) = dead.filter(|_| origin.is_proved) {
            self.send_news(origin.address, First::About(slot));
        }
        self.begin_repair(origin.address);
    }

    /// Pings a dead member. Our verdict follows when it answers, so that it can refute it: mostly none answers.
    pub(super) fn dial_ghost(&mut self, slot: Slot) {
        self.metrics.dials += 1;
        self.ping_carrying(slot, PingPurpose::Look, First::Nothing, Piggyback::Nothing);
    }
}

fn with_address<'a>(record: RecordRef<'a>, seen: SocketAddr) -> RecordRef<'a> {
    if record.address.ip().is_unspecified() { RecordRef { address: seen, ..record } } else { record }
}
