//! What this node would tell of each member, read from the tables at the moment of telling (`protocol.md 7.2`).
//!
//! Nothing is kept here: what waits to be told is a member's slot, so that a datagram always carries the newest.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::member::{Accusers, State};
use crate::sabotage;
use crate::swim::detector::suspicion::{Publicity, Suspicions, Verdict};
use crate::swim::dissemination::outbox::First;
use crate::swim::machine::Machine;
use crate::swim::members::Members;
use crate::swim::members::hearsay::Hearsay;
use crate::swim::slot::Slot;
use crate::time::Instant;
use crate::wire::{Accusation, Departure, Item, RecordRef, Writer};

/// The tables that tell what is believed of each member.
#[derive(Clone, Copy)]
pub(super) struct News<'a> {
    members: &'a Members,
    suspicions: &'a Suspicions,
    verdicts: &'a BTreeMap<Slot, Verdict>,
    hearsay: &'a Hearsay,
    now: Instant,
}

impl Machine {
    /// What this node would tell of a member now.
    pub(super) fn news(&self) -> News<'_> {
        News {
            members: &self.members,
            suspicions: &self.suspicions,
            verdicts: &self.verdicts,
            hearsay: &self.hearsay,
            now: self.now,
        }
    }
}

impl<'a> News<'a> {
    /// The item that says what we believe of a member; none if there is nothing that others may hear.
    pub(super) fn of(&self, slot: Slot) -> Option<Item<'a>> {
        let row = self.members.row(slot);
        if !row.is_used() {
            return None;
        }

        match row.member.state() {
            State::Alive if self.hearsay.contains(slot) => None,
            State::Alive if row.member.record.incarnation() == row.member.incarnation() => {
                Some(Item::Alive(RecordRef::of(&row.member.record)))
            }
            State::Alive => None,
            State::Suspect => self.suspicion(slot),
            State::Dead if row.is_provisional() => None,
            State::Dead => Some(Item::Dead(self.verdict(slot))),
            State::Left => Some(Item::Left(Departure {
                id: row.member.id(),
                generation: row.member.generation(),
                incarnation: row.member.incarnation(),
            })),
        }
    }

    /// The owner's words, whatever is believed of it: what a comparison of views exchanges, and what a start is told
    /// that another outranks.
    pub(super) fn record(&self, slot: Slot) -> Option<Item<'a>> {
        let row = self.members.row(slot);
        if self.hearsay.contains(slot) && row.is_present() {
            return None;
        }

        if row.is_present() { Some(Item::Alive(RecordRef::of(&row.member.record))) } else { self.of(slot) }
    }

    /// Writes what a datagram says first, in fewer bytes if there is no space for all of it.
    pub(super) fn write_first(&self, first: First, writer: &mut Writer<'_>) {
        let item = match first {
            First::Nothing => None,
            First::Me => self.of(self.members.me()),
            First::About(slot) => self.of(slot),
            First::Record(slot) => self.record(slot),
            First::ProbeThis(slot) => self.suspicion(slot).map(|item| match item {
                Item::Suspect(accusation) => Item::Suspect(Accusation { probe: true, ..accusation }),
                other => other,
            }),
            First::Accusation(accusation) => Some(Item::Dead(accusation)),
            First::Seen(address) | First::SeenElsewhere(address) => Some(Item::Seen(address)),
        };
        let Some(item) = item else { return };

        let is_said = writer.item(&item) || writer.item(&without_accusers(&item));
        if !is_said && matches!(first, First::SeenElsewhere(_)) && !sabotage::is_off("seen_elsewhere") {
            writer.item(&Item::SeenElsewhere);
        }
    }

    fn suspicion(&self, slot: Slot) -> Option<Item<'a>> {
        let suspicion = self.suspicions.get(slot).filter(|s| s.publicity == Publicity::Published)?;
        let member = self.members.member(slot);
        Some(Item::Suspect(Accusation {
            id: member.id(),
            generation: member.generation(),
            incarnation: member.incarnation(),
            age: self.now.since(suspicion.start),
            probe: false,
            accusers: suspicion.accusers,
        }))
    }

    fn verdict(&self, slot: Slot) -> Accusation {
        let member = self.members.member(slot);
        let verdict = self.verdicts.get(&slot);
        Accusation {
            id: member.id(),
            generation: member.generation(),
            incarnation: member.incarnation(),
            age: verdict.map_or(Duration::ZERO, |verdict| self.now.since(verdict.start)),
            probe: false,
            accusers: verdict.map(|verdict| verdict.accusers).unwrap_or_default(),
        }
    }
}

/// The same accusation in fewer bytes: the accused can refute without knowing its accusers.
fn without_accusers<'a>(item: &Item<'a>) -> Item<'a> {
    match item {
        Item::Suspect(accusation) => Item::Suspect(Accusation { accusers: Accusers::default(), ..*accusation }),
        Item::Dead(accusation) => Item::Dead(Accusation { accusers: Accusers::default(), ..*accusation }),
        other => *other,
    }
}
