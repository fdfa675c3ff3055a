//! Which members flap: suspected and refuted again and again, until each turn is no longer worth an event.
//!
//! A member that few can reach is suspected by those few's neighbours and refutes each time, as both should, and an
//! application that is told each pair does nothing else. Here is decided what is told of it, never what is believed: the
//! first pairs are told as they come; from the third refutation within a minute on the member *flaps*, and a suspicion
//! is told only 10 s after the pair before it that was told began. One that still runs by then is told late. What was
//! told has an end that is told, and a verdict is never held back. A minute without a refutation ends it; so does a
//! verdict, a farewell and a new start, after which the next pairs are told as they come.
//!
//! The model is the damping of route flaps (RFC 2439), without its penalty that decays by a power of two: the last three
//! moments are exact, need no fractions, and say when it ends. Nothing here knows what an event is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::sabotage;
use crate::swim::slot::Slot;
use crate::time::Instant;

/// Refutations within [`WITHIN`] that make a member flap. Chosen: two are what one burst of loss brings.
const REFUTATIONS: usize = 3;
/// Chosen: 20 times the P of `lan`, so that a member suspected now and then does not count.
const WITHIN: Duration = Duration::from_secs(60);
/// The least time from one told pair's beginning to the next of a member that flaps. Chosen: what a log and a person bear.
const APART: Duration = Duration::from_secs(10);

/// Whether the application hears of a change of state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Telling {
    Told,
    /// The table alone shows it.
    Held,
}

/// What time has brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// A suspicion that was held back still runs, and may be told now.
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
    /// How the suspicion that runs was told.
    suspicion: Option<Telling>,
    is_flapping: bool,
}

impl Turns {
    /// When a pair may be told, for a member that flaps.
    fn next_told(&self) -> Instant {
        self.told_at.map_or(Instant::ORIGIN, |at| at + APART)
    }

    fn due_at(&self) -> Option<Instant> {
        let calm = self.refuted[REFUTATIONS - 1].map(|at| at + WITHIN);
        let held = (self.suspicion == Some(Telling::Held)).then(|| self.next_told());
        [calm, held].into_iter().flatten().min()
    }
}

impl Flapping {
    /// A suspicion begins: whether it is told now.
    pub(crate) fn suspected(&mut self, now: Instant, slot: Slot) -> Telling {
        let mut turns = self.turns(slot);
        let is_held = turns.is_flapping && now < turns.next_told() && !sabotage::is_off("flapping");
        let telling = if is_held { Telling::Held } else { Telling::Told };
        turns.suspicion = Some(telling);
        turns.told_at = if is_held { turns.told_at } else { Some(now) };
        self.put(slot, turns);
        telling
    }

    /// The suspicion is refuted: whether that is told, which is so if the suspicion was. It may be the one from which on
    /// the member flaps.
    pub(crate) fn refuted(&mut self, now: Instant, slot: Slot) -> Telling {
        let mut turns = self.turns(slot);
        let is_told = turns.suspicion != Some(Telling::Held);
        let is_held = !is_told || (sabotage::is_off("told_ends") && turns.is_flapping);
        turns.suspicion = None;
        turns.refuted.rotate_left(1);
        turns.refuted[REFUTATIONS - 1] = Some(now);
        turns.is_flapping |= turns.refuted[0].is_some_and(|first| now.since(first) <= WITHIN);
        self.put(slot, turns);
        if is_held { Telling::Held } else { Telling::Told }
    }

    /// The member is Dead, gone or another process from now on: how the suspicion that ran was told, if one did.
    pub(crate) fn forget(&mut self, slot: Slot) -> Option<Telling> {
        let turns = self.by_slot.remove(&slot)?;
        if let Some(at) = turns.due_at() {
            self.due.remove(&(at, slot));
        }
        turns.suspicion
    }

    pub(crate) fn is_flapping(&self, slot: Slot) -> bool {
        self.by_slot.get(&slot).is_some_and(|turns| turns.is_flapping)
    }

    /// Whether a suspicion of the member runs that was held back.
    pub(crate) fn is_held(&self, slot: Slot) -> bool {
        self.by_slot.get(&slot).is_some_and(|turns| turns.suspicion == Some(Telling::Held))
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
            if turns.suspicion == Some(Telling::Held) {
                turns.suspicion = Some(Telling::Told);
                turns.told_at = Some(now);
                self.put(slot, turns);
                return Some((slot, Due::Suspicion));
            }
            let was_flapping = turns.is_flapping;
            turns.refuted = [None; REFUTATIONS];
            turns.is_flapping = false;
            self.put(slot, turns);
            if turns.suspicion.is_none() {
                self.forget(slot);
            }
            if was_flapping {
                return Some((slot, Due::Calm));
            }
        }
        None
    }

    fn turns(&self, slot: Slot) -> Turns {
        self.by_slot.get(&slot).copied().unwrap_or_default()
    }

    fn put(&mut self, slot: Slot, turns: Turns) {
        self.forget(slot);
        if let Some(at) = turns.due_at() {
            self.due.insert((at, slot));
        }
        self.by_slot.insert(slot, turns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Slot = Slot(7);

    fn at(secs: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(1_000 + secs)
    }

    /// What happens to a member, in words: `S` suspected, `R` refuted, `D` dead or gone; and what is told of it: the
    /// letter if it is told, `-` if it is held back, then `s` for a suspicion told late and `c` for calm, each with its
    /// moment.
    fn told(happenings: &[(u64, char)]) -> String {
        let mut flapping = Flapping::default();
        let mut told = String::new();
        let last = happenings.last().map_or(0, |(secs, _)| *secs);
        for secs in 0..=last + 100 {
            while let Some((slot, due)) = flapping.next_due(at(secs)) {
                assert_eq!(slot, SLOT);
                told += &format!("{}{secs} ", if due == Due::Suspicion { 's' } else { 'c' });
            }
            assert!(flapping.next_at() > at(secs));
            for (_, what) in happenings.iter().filter(|(when, _)| *when == secs) {
                let telling = match what {
                    'S' => flapping.suspected(at(secs), SLOT),
                    'R' => flapping.refuted(at(secs), SLOT),
                    _ => flapping.forget(SLOT).unwrap_or(Telling::Told),
                };
                told += &if telling == Telling::Told { format!("{what}{secs} ") } else { "- ".to_owned() };
            }
        }
        let is_suspected = happenings.iter().rev().find(|(_, what)| *what != 's').is_some_and(|(_, what)| *what == 'S');
        assert_eq!(flapping.by_slot.len(), usize::from(is_suspected), "nothing is kept of the calm");
        assert_eq!((flapping.count(), flapping.next_at()), (0, Instant::NEVER));
        told.trim_end().to_owned()
    }

    /// Pairs of a second each.
    fn pairs(starts: &[u64]) -> Vec<(u64, char)> {
        starts.iter().flat_map(|start| [(*start, 'S'), (start + 1, 'R')]).collect()
    }

    #[test]
    fn each_sentence_of_the_rule() {
        let quick = [0, 2, 4];
        let after = |more: &[(u64, char)]| [pairs(&quick).as_slice(), more].concat();
        let first = "S0 R1 S2 R3 S4 R5";
        for (sentence, happenings, expected) in [
            ("two pairs are told", pairs(&[0, 2]), "S0 R1 S2 R3".to_owned()),
            ("the third makes it flap, and is told", pairs(&quick), format!("{first} c65")),
            ("three in more than a minute do not", pairs(&[0, 30, 61]), "S0 R1 S30 R31 S61 R62".to_owned()),
            ("three within exactly a minute do", pairs(&[0, 30, 60]), "S0 R1 S30 R31 S60 R61 c121".to_owned()),
            ("then a pair is held back", after(&pairs(&[6])), format!("{first} - - c67")),
            ("until 10 s after the last told began", after(&pairs(&[12, 14])), format!("{first} - - S14 R15 c75")),
            ("and again 10 s after that", after(&pairs(&[14, 20, 24])), format!("{first} S14 R15 - - S24 R25 c85")),
            (
                "one that still runs is told late, with its end",
                after(&[(6, 'S'), (16, 'R'), (18, 'S'), (19, 'R')]),
                format!("{first} - s14 R16 - - c79"),
            ),
            ("a minute without a refutation ends it", after(&pairs(&[65, 67])), format!("{first} c65 S65 R66 S67 R68")),
            ("less does not", after(&pairs(&[60, 62])), format!("{first} S60 R61 - - c123")),
            ("it ends in a suspicion, too", after(&[(50, 'S'), (70, 'D')]), format!("{first} S50 c65 D70")),
            ("who is gone begins anew", after(&[(6, 'S'), (7, 'D'), (8, 'S'), (9, 'R')]), format!("{first} - - S8 R9")),
        ] {
            assert_eq!(told(&happenings), expected, "{sentence}");
        }
    }

    #[test]
    fn each_member_has_turns_of_its_own() {
        let mut flapping = Flapping::default();
        let (some, other) = (Slot(1), Slot(2));
        for secs in 0..3 {
            for slot in [some, other] {
                assert_eq!(flapping.suspected(at(secs), slot), Telling::Told);
                assert!(!flapping.is_flapping(slot));
                assert_eq!(flapping.refuted(at(secs), slot), Telling::Told);
            }
        }
        assert_eq!((flapping.count(), flapping.is_flapping(some)), (2, true));
        assert_eq!(flapping.suspected(at(3), some), Telling::Held);
        assert_eq!((flapping.forget(some), flapping.forget(some)), (Some(Telling::Held), None));
        assert_eq!((flapping.count(), flapping.is_flapping(some), flapping.is_flapping(other)), (1, false, true));
        assert_eq!(flapping.next_at(), at(62), "the other is calm a minute after its last refutation");
    }

    #[test]
    fn however_it_flaps_what_is_told_is_whole_and_seldom() {
        for step in 1..40_u64 {
            let mut flapping = Flapping::default();
            let (mut runs, mut last) = (None, None);
            for turn in 0..2_000_u64 {
                let now = Instant::ORIGIN + Duration::from_millis(turn * step * 37 % 4_001 + turn * 4_001);
                while let Some((_, due)) = flapping.next_due(now) {
                    if due == Due::Suspicion {
                        assert_eq!(runs, Some(Telling::Held));
                        runs = Some(Telling::Told);
                        last = Some(now);
                    }
                }
                let was_flapping = flapping.is_flapping(SLOT);
                if turn % 2 == 0 {
                    let telling = flapping.suspected(now, SLOT);
                    if telling == Telling::Told {
                        assert!(!was_flapping || last.is_none_or(|last| now.since(last) >= APART));
                        last = Some(now);
                    }
                    runs = Some(telling);
                } else {
                    assert_eq!(Some(flapping.refuted(now, SLOT)), runs);
                    runs = None;
                }
                assert!(flapping.by_slot.len() <= 1 && flapping.due.len() <= 1);
            }
        }
    }
}
