//! Which members flap: suspected and refuted again and again, until each turn is no longer worth an
//! event (`protocol.md 5.12`).
//!
//! A member that few can reach is suspected by the others and refutes each time, as both should, and it suspects them
//! in turn; an application that is told each pair does nothing else. Here is decided what is told, never what is
//! believed. The first pairs are told as they come. From its third refutation within a minute on a member *flaps*: a
//! suspicion of it is told only 10 s after the last told one began. A suspicion that flapping members alone make says
//! more of them than of the suspect: it is told when another accuses too, or after 10 s, and if refuted before it does
//! not count. What is told has an end that is told, and a verdict is never held back. A minute without a refutation
//! ends it; so does a verdict, a Left and a new start.
//!
//! The model is the damping of route flaps (RFC 2439), without its penalty that decays by a power of two: the last
//! three moments are exact, need no fractions, and say when it ends. Nothing here knows what an event is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::sabotage;
use crate::swim::slot::Slot;
use crate::time::Instant;

/// Refutations within [`WITHIN`] that make a member flap. Chosen: two are what one burst of loss brings.
const REFUTATIONS: usize = 3;
/// Chosen: 20 times the P of `lan`, so that a member suspected now and then does not count.
const WITHIN: Duration = Duration::from_secs(60);
/// The least time from one told pair's beginning to the next of a member that flaps. Chosen: what
/// a log and a person bear.
const APART: Duration = Duration::from_secs(10);

/// Whether the application hears of a change of state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Telling {
    Told,
    /// The table alone shows it.
    Held,
}

/// What kind of members suspect another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accused {
    /// By one at least that does not flap.
    BySteady,
    /// By none that does not flap.
    ByFlapping,
}

/// What is due of a member when time has passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// A suspicion that was held back still runs, and is told now.
    Suspicion,
    /// The member flaps no more.
    Calm,
}

/// What is known of the turns of each member that was lately suspected.
#[derive(Debug, Default)]
pub(crate) struct Flapping {
    by_slot: BTreeMap<Slot, Turns>,
    /// When something is due, by its member.
    due: BTreeSet<(Instant, Slot)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Turns {
    /// The latest refutations, oldest first.
    refuted: [Option<Instant>; REFUTATIONS],
    /// When the pair that was told last began.
    told_at: Option<Instant>,
    suspicion: Option<Suspicion>,
    is_flapping: bool,
}

/// The suspicion that runs.
#[derive(Clone, Copy, Debug)]
struct Suspicion {
    accused: Accused,
    /// When it is told, if it was held back.
    held_until: Option<Instant>,
}

impl Turns {
    /// When a pair may be told.
    fn next_told(&self) -> Instant {
        self.told_at.filter(|_| self.is_flapping).map_or(Instant::ORIGIN, |at| at + APART)
    }

    fn is_held(&self) -> bool {
        self.suspicion.is_some_and(|suspicion| suspicion.held_until.is_some())
    }

    /// The suspicion that runs is told at this moment or, if that has come, now.
    fn tell_at(&mut self, now: Instant, at: Instant, accused: Accused) -> Telling {
        let is_held = now < at && !sabotage::is_off("flapping");
        self.suspicion = Some(Suspicion { accused, held_until: is_held.then_some(at) });
        if is_held {
            return Telling::Held;
        }
        self.told_at = Some(now);
        Telling::Told
    }

    fn due_at(&self) -> Option<Instant> {
        let calm = self.refuted[REFUTATIONS - 1].map(|at| at + WITHIN);
        [calm, self.suspicion.and_then(|suspicion| suspicion.held_until)].into_iter().flatten().min()
    }
}

impl Flapping {
    /// Whether the latest refutation of the member that counts, told or not, is less than a minute old.
    pub(crate) fn has_refuted_lately(&self, slot: Slot) -> bool {
        self.by_slot.get(&slot).is_some_and(|turns| turns.refuted[REFUTATIONS - 1].is_some())
    }

    /// A suspicion begins: whether it is told now.
    pub(crate) fn suspected(&mut self, now: Instant, slot: Slot, accused: Accused) -> Telling {
        let mut turns = self.turns(slot);
        let at = if accused == Accused::ByFlapping { turns.next_told().max(now + APART) } else { turns.next_told() };
        let telling = turns.tell_at(now, at, accused);
        self.put(slot, turns);
        telling
    }

    /// A member that does not flap accuses it too: whether the suspicion, held back until now, is told.
    pub(crate) fn confirmed(&mut self, now: Instant, slot: Slot) -> bool {
        let mut turns = self.turns(slot);
        if turns.suspicion.is_none_or(|suspicion| suspicion.accused == Accused::BySteady) {
            return false;
        }

        let was_held = turns.is_held();
        if was_held {
            turns.tell_at(now, turns.next_told(), Accused::BySteady);
        } else {
            turns.suspicion = Some(Suspicion { accused: Accused::BySteady, held_until: None });
        }

        self.put(slot, turns);
        was_held && !turns.is_held()
    }

    /// The suspicion is refuted: whether that is told, which is so if the suspicion was. It may be the one from
    /// which on the member flaps.
    pub(crate) fn refuted(&mut self, now: Instant, slot: Slot) -> Telling {
        let mut turns = self.turns(slot);
        let is_held = turns.is_held() || (sabotage::is_off("told_ends") && turns.is_flapping);
        let suspicion = turns.suspicion.take();
        if suspicion.is_none_or(|suspicion| suspicion.accused == Accused::BySteady) {
            turns.refuted.rotate_left(1);
            turns.refuted[REFUTATIONS - 1] = Some(now);
            turns.is_flapping |= turns.refuted[0].is_some_and(|first| now.since(first) <= WITHIN);
        }
        self.put(slot, turns);
        if is_held { Telling::Held } else { Telling::Told }
    }

    /// The member is Dead, gone or another process from now on: how the suspicion that ran was told, if one did.
    pub(crate) fn forget(&mut self, slot: Slot) -> Option<Telling> {
        let turns = self.by_slot.remove(&slot)?;
        if let Some(at) = turns.due_at() {
            self.due.remove(&(at, slot));
        }
        turns.suspicion.map(|_| if turns.is_held() { Telling::Held } else { Telling::Told })
    }

    pub(crate) fn is_flapping(&self, slot: Slot) -> bool {
        self.turns(slot).is_flapping
    }

    /// Whether a suspicion of the member runs that is held back.
    pub(crate) fn is_held(&self, slot: Slot) -> bool {
        self.turns(slot).is_held()
    }

    /// How many members flap.
    pub(crate) fn count(&self) -> usize {
        self.by_slot.values().filter(|turns| turns.is_flapping).count()
    }

    /// When [`Flapping::next_due`] is next worth asking.
    pub(crate) fn next_at(&self) -> Instant {
        self.due.first().map_or(Instant::NEVER, |(at, _)| *at)
    }

    /// What is due at `now`, once each; ask until there is nothing.
    pub(crate) fn next_due(&mut self, now: Instant) -> Option<(Slot, Due)> {
        while let Some((_, slot)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            let mut turns = self.turns(slot);
            if let Some(suspicion) = turns.suspicion.filter(|suspicion| suspicion.held_until.is_some()) {
                turns.tell_at(now, now, suspicion.accused);
                self.put(slot, turns);
                return Some((slot, Due::Suspicion));
            }

            turns.refuted = [None; REFUTATIONS];
            let was_flapping = std::mem::take(&mut turns.is_flapping);
            self.put(slot, turns);
            if was_flapping {
                return Some((slot, Due::Calm));
            }
        }
        None
    }

    fn turns(&self, slot: Slot) -> Turns {
        self.by_slot.get(&slot).copied().unwrap_or_default()
    }

    /// Stores a member's turns, as long as there is something to be remembered.
    fn put(&mut self, slot: Slot, turns: Turns) {
        self.forget(slot);
        if let Some(at) = turns.due_at() {
            self.due.insert((at, slot));
        }
        if turns.due_at().is_some() || turns.suspicion.is_some() {
            self.by_slot.insert(slot, turns);
        }
    }
}

#[cfg(test)]
mod tests;
