//! Members' own words: the rulings of [`merge`](crate::swim::members::merge), carried out (`protocol.md 3.1` to `3.7`).
//! What others hold against a member is for [`accusations`](super::accusations).

use std::time::Duration;

use crate::event::{DeadReason, Event};
use crate::member::{Accusers, Generation, Incarnation, Record, State};
use crate::sabotage;
use crate::swim::detector::probe::Occasion;
use crate::swim::dissemination::gossip::Urgency;
use crate::swim::dissemination::outbox::First;
use crate::swim::joining::Purpose;
use crate::swim::machine::Machine;
use crate::swim::machine::origin::Origin;
use crate::swim::members::merge::{Admission, Departed, Held, Known, Merge, Report, Source, admit, departed, merge};
use crate::swim::members::precedence::{Precedence, precedence};
use crate::swim::slot::Slot;
use crate::wire::{Accusation, Departure, Digest, RecordRef};

impl Machine {
    pub(super) fn hear_alive(&mut self, origin: Origin, record: &RecordRef<'_>, source: Source) {
        let was_known = self.members.find(record.id).is_some();
        self.hear_words(origin, record, source);
        self.weigh(origin, record.id, source, was_known);
    }

    fn hear_words(&mut self, origin: Origin, record: &RecordRef<'_>, source: Source) {
        if record.id == self.me().id() {
            self.hear_my_name(record);
            return;
        }
        if record.address.ip().is_unspecified() {
            return;
        }

        let (generation, incarnation) = (record.generation, record.incarnation);
        let report = Report { generation, incarnation, source, present: self.present() };
        let Some(slot) = self.members.find(record.id) else {
            // protocol.md 3.7: a tombstone holds the member down, and its owner is told what it has to outrank.
            let buried = self.ghosts.buried(self.now, record.id, generation, incarnation);
            return match admit(&report, buried) {
                Admission::TakeIn => self.take_in(record.to_record(), source),
                Admission::AskOwner => self.ask_owner(origin, record),
                Admission::Outranked(generation, incarnation) => {
                    self.answer_the_buried(origin, record, (generation, incarnation));
                }
            };
        };

        match merge(&self.held(slot), &report) {
            Merge::AskOwner => self.ask_owner(origin, record),
            Merge::Restart => self.restarted(slot, record.to_record(), source),
            Merge::Adopt => self.adopt(slot, record.to_record(), source),
            Merge::EarlierStart => self.hear_earlier_start(origin, slot, record, source),
            Merge::Known { fills, then } => {
                if fills {
                    self.fill_in(slot, record.to_record(), source);
                }
                if sabotage::is_off("first_receipt") && incarnation == self.members.member(slot).incarnation() {
                    self.gossip(slot, Urgency::Joined);
                }
                match then {
                    Known::Nothing => {}
                    Known::Undo => self.undo_provisional(slot),
                    Known::TellNewer => self.tell_newer(origin, slot, source),
                }
                self.tell_apart(origin, slot, record, source);
            }
        }
    }

    /// The latest generation that a process which starts now would have, by the latest start that is known to be true.
    pub(super) fn present(&self) -> u64 {
        self.latest_start.saturating_add(self.running_ms())
    }

    /// How long this process has run, in milliseconds.
    pub(super) fn running_ms(&self) -> u64 {
        u64::try_from(self.now.since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    fn held(&self, slot: Slot) -> Held {
        let row = self.members.row(slot);
        Held {
            standing: row.member.standing(),
            recorded: row.member.record.incarnation(),
            is_provisional: row.is_provisional(),
        }
    }

    fn hear_earlier_start(&mut self, origin: Origin, slot: Slot, record: &RecordRef<'_>, source: Source) {
        let held = self.members.member(slot).standing();
        if must_hear_outlived(held.state, &origin, Digest::of(record.id, record.generation)) {
            self.answer_the_buried(origin, record, (held.generation, held.incarnation));
        }
        self.tell_newer(origin, slot, source);
    }

    /// Two processes of one name and start, of which neither outranks the other: the one that we do not hold is told of
    /// the other, as soon as it has shown that it is there, and finds out which of the two stays.
    fn tell_apart(&mut self, origin: Origin, slot: Slot, record: &RecordRef<'_>, source: Source) {
        let row = self.members.row(slot);
        let is_outranked = record.incarnation < row.member.incarnation();
        if is_outranked || !row.is_present() || row.member.address() == record.address || source == Source::Owner {
            return;
        }
        let digest = row.digest();
        if (origin.digest, origin.source) == (digest, record.address) {
            // If it has proved nothing yet, it is asked to with the next tick.
            if origin.is_proved && self.bucket.take(self.now) {
                self.send_news(origin.address, First::Record(slot));
            }
        } else if !self.joining.is_guest(digest, record.address) {
            self.ask_owner(origin, record);
        }
    }

    /// The record of words that were only heard of until now.
    fn fill_in(&mut self, slot: Slot, record: Record, source: Source) {
        let before = self.members.member(slot).record.clone();
        self.members.set_record(slot, record);
        self.note_change(slot, &before, source);
    }

    /// A record of a live member replaced another of the same generation.
    fn note_change(&mut self, slot: Slot, before: &Record, source: Source) {
        self.anti_entropy.note_news(self.now);
        if !self.members.member(slot).state().is_live() {
            return;
        }
        if has_new_words(before, self.members.member(slot).record()) {
            self.tell_update(slot);
        }
        let urgency = what_changed(before, self.members.member(slot).record());
        if urgency == Urgency::Changed {
            self.note_metadata(slot);
        }
        if source != Source::Bulk && self.members.member(slot).state() == State::Alive {
            self.gossip(slot, urgency);
        }
    }

    /// A member we did not know.
    pub(super) fn take_in(&mut self, record: Record, source: Source) {
        if self.is_full() {
            self.refuse(1);
            return;
        }
        let slot = self.members.insert(record);
        self.anti_entropy.note_news(self.now);
        self.events.push(Event::Up(self.members.member(slot).clone()));
        if source != Source::Bulk {
            self.gossip(slot, Urgency::Joined);
        }
    }

    /// Whether no further member is let in. A provisionally dead member keeps its place, for any
    /// sign of life undoes that.
    fn is_full(&self) -> bool {
        self.members.counts().present() >= self.rules.members_max && !sabotage::is_off("members_max")
    }

    /// Whether a row may be live from now on: a member that is dead or gone comes back like a
    /// new one, if there is space.
    pub(super) fn may_be_live(&mut self, slot: Slot) -> bool {
        let may = self.members.row(slot).is_present() || !self.is_full();
        self.refuse(u64::from(!may));
        may
    }

    /// There is no space for so many new members; the application is told once until there is again.
    pub(super) fn refuse(&mut self, count: u64) {
        self.metrics.members_refused += count;
        if count > 0 && !std::mem::replace(&mut self.full, true) {
            self.events.push(Event::Full { members_max: self.rules.members_max });
        }
    }

    /// A later start of a member we know: the old start, if it was present, is told as dead, then the new one as up.
    fn restarted(&mut self, slot: Slot, record: Record, source: Source) {
        if !self.may_be_live(slot) {
            return;
        }

        // protocol.md 3.4: the application hears that the old start is dead before it hears of the new one.
        self.forget_flapping(slot);
        let was_present = self.members.row(slot).is_present() || sabotage::is_off("left_is_absent");
        if was_present && !sabotage::is_off("death_at_restart") {
            let mut member = self.members.member(slot).clone();
            member.state = State::Dead;
            let by = Accusers::default();
            self.events.push(Event::Dead { member, by, reason: DeadReason::Restarted, provisional: false });
        }

        self.clear_judgement(slot);
        self.members.set_record(slot, record);
        self.members.set_state(slot, State::Alive);

        self.anti_entropy.note_news(self.now);
        self.events.push(Event::Up(self.members.member(slot).clone()));
        if source != Source::Bulk {
            self.gossip(slot, Urgency::Joined);
        }
    }

    /// A member's own newer words: it is alive.
    fn adopt(&mut self, slot: Slot, record: Record, source: Source) {
        if !self.may_be_live(slot) {
            return;
        }

        let before = self.members.member(slot).record.clone();
        let was_live_and_well = self.members.member(slot).state() == State::Alive;
        self.members.set_record(slot, record);
        self.anti_entropy.note_news(self.now);

        if was_live_and_well {
            self.note_change(slot, &before, source);
        } else {
            let is_held = self.flapping.is_held(slot);
            self.revive(slot);
            if is_held && has_new_words(&before, self.members.member(slot).record()) {
                self.tell_update(slot);
            }
            self.gossip(slot, Urgency::Refutation);
        }
    }

    /// A datagram of the member, or a relay's report of it, showed this incarnation: if higher than known, it is its
    /// Alive.
    pub(super) fn hear_incarnation(&mut self, slot: Slot, incarnation: Incarnation) {
        let held = self.members.member(slot).standing();
        let is_news = precedence(held, held.generation, incarnation) == Precedence::LaterWords;
        if !is_news || slot == self.members.me() {
            return;
        }
        if !self.may_be_live(slot) {
            return;
        }
        self.members.raise_incarnation(slot, incarnation);
        if self.members.member(slot).state() != State::Alive {
            self.revive(slot);
        }
    }

    /// The member is Alive again at the incarnation that is now stored.
    pub(super) fn revive(&mut self, slot: Slot) {
        let was = self.members.member(slot).state();
        self.metrics.suspicions_refuted += u64::from(was == State::Suspect);
        self.metrics.verdicts_undone += u64::from(self.members.row(slot).is_provisional());
        self.clear_judgement(slot);
        self.members.set_state(slot, State::Alive);
        self.gossip.hush(slot);

        if was == State::Suspect {
            self.tell_refutation(slot);
            return;
        }
        if was == State::Dead && sabotage::is_off("up_again") {
            return;
        }
        let member = self.members.member(slot).clone();
        self.events.push(Event::Up(member));
    }

    /// Any sign of life undoes a provisional verdict; to the application the member is up again.
    pub(super) fn undo_provisional(&mut self, slot: Slot) {
        self.revive(slot);
    }

    /// Forgets all that was held against a member.
    pub(super) fn clear_judgement(&mut self, slot: Slot) {
        self.suspicions.remove(slot);
        self.verdicts.remove(&slot);
        self.ghosts.take_back(slot);
        self.rounds.end_for(slot);
    }

    pub(super) fn hear_left(&mut self, origin: Origin, departure: &Departure, source: Source) {
        if departure.id == self.me().id() {
            self.accused(origin, departure.generation, departure.incarnation, Accusers::default());
            return;
        }

        let Some(slot) = self.members.find(departure.id) else { return };
        let (generation, incarnation) = (departure.generation, departure.incarnation);

        let is_later_start =
            match departed(self.members.member(slot).standing(), self.present(), generation, incarnation) {
                Departed::Old => return,
                Departed::Look => {
                    self.begin_round(slot, Occasion::Look);
                    return;
                }
                Departed::Gone { is_later_start } => is_later_start,
            };

        // protocol.md 3.2: a Left is its owner's word, whichever member passes it on.
        if is_later_start {
            let mut record = self.members.member(slot).record.clone();
            record.set_generation(generation);
            record.set_incarnation(incarnation);
            self.members.set_record(slot, record);
        }
        self.members.raise_incarnation(slot, departure.incarnation);
        self.let_go(slot, source);
    }

    /// Asks the owner of a doubtful record whether it is so; its echo makes the record its own word. One datagram
    /// can hold many such records, so the bucket bounds what is asked. An owner beyond reach can be asked only where
    /// its own datagram came from.
    fn ask_owner(&mut self, origin: Origin, record: &RecordRef<'_>) {
        let target = Digest::of(record.id, record.generation);
        let address = match self.reach.covers(record.address) || sabotage::is_off("owner_beyond_reach") {
            true => record.address,
            false if origin.digest == target => origin.source,
            false => return,
        };

        if !self.bucket.take(self.now) {
            return;
        }
        let purpose = Purpose::TakeIn(record.to_record());
        self.ask_for_proof(address, target, purpose, self.rules.datagram_bytes_max, First::Nothing);
    }

    /// The sender believes what we know to be old: it hears the newer words. A member that is dead here is dialled, so
    /// that it hears our verdict and can refute it.
    fn tell_newer(&mut self, origin: Origin, slot: Slot, source: Source) {
        match source {
            Source::Bulk => {}
            Source::Sync => self.anti_entropy.give_back(slot),
            Source::Owner => self.send_news(origin.address, First::Record(slot)),
            Source::Gossip => {
                if origin.is_proved && self.bucket.take(self.now) {
                    self.send_news(origin.address, First::Record(slot));
                }
            }
        }

        let is_dead = self.members.member(slot).state() == State::Dead;
        if is_dead && source != Source::Bulk && self.bucket.take(self.now) {
            self.dial_ghost(slot);
        }
    }

    /// A process speaks for a start that is buried or outlived here: it is told, so that it can outrank its past.
    fn answer_the_buried(
        &mut self,
        origin: Origin,
        record: &RecordRef<'_>,
        (generation, incarnation): (Generation, Incarnation),
    ) {
        if origin.digest != Digest::of(record.id, record.generation) {
            return;
        }

        if self.bucket.take(self.now) {
            let accusation = Accusation {
                id: record.id,
                generation,
                incarnation,
                age: Duration::ZERO,
                probe: false,
                accusers: Accusers::default(),
            };
            self.send_limited(origin, First::Accusation(accusation));
        }
    }
}

/// Whether the sender of words of a start before the one that is held must hear at once that it is outlived: it speaks
/// for itself, the later start is gone, and its address is not proved, so that the newer record is not sent there.
/// Where no other member remembers the later start, no news of it reaches this process.
fn must_hear_outlived(held: State, origin: &Origin, speaks_for: Digest) -> bool {
    let is_owner = origin.digest == speaks_for;
    !held.is_live() && is_owner && !origin.is_proved && !sabotage::is_off("tells_outlived")
}

/// Whether a record differs in what the application is told of it.
fn has_new_words(before: &Record, after: &Record) -> bool {
    after.address() != before.address() || after.metadata() != before.metadata()
}

/// How urgent the newer words of a live member are: those that say nothing else than before refute what another
/// member holds against it.
fn what_changed(before: &Record, after: &Record) -> Urgency {
    if before.address() != after.address() || before.extra() != after.extra() {
        Urgency::Joined
    } else if before.metadata() != after.metadata() {
        Urgency::Changed
    } else {
        Urgency::Refutation
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::swim::machine::origin::Path;

    #[test]
    fn a_process_hears_that_a_later_start_of_its_name_is_gone() {
        let source = SocketAddr::from(([10, 0, 0, 2], 7));
        let (its, anothers) = (Digest(1), Digest(2));
        let from = |digest, is_proved| {
            let (path, slot, bytes) = (Path::Unknown, None, 100);
            Origin { source, address: source, path, digest, slot, is_proved, bytes }
        };
        let rows = [
            ("the later start is dead", State::Dead, from(its, false), true),
            ("it left", State::Left, from(its, false), true),
            ("it lives, and says so itself", State::Alive, from(its, false), false),
            ("it may live", State::Suspect, from(its, false), false),
            ("a third party tells of the earlier start", State::Dead, from(anothers, false), false),
            ("its address is proved: the newer record goes there", State::Dead, from(its, true), false),
        ];
        for (what, held, origin, must_hear) in rows {
            assert_eq!(must_hear_outlived(held, &origin, its), must_hear, "{what}");
        }
    }
}
