//! How a report of a member stands to the row that is held of it (`protocol.md 3.1`, `3.6`).
//!
//! The order of reports is [`Standing`]'s: generation, then incarnation, then state. What is made of a report is
//! decided where it is heard: an owner's words are adopted, an accusation makes a node look.

use std::cmp::Ordering;

use crate::member::{Generation, Incarnation, Standing};

/// How far ahead of what is known an incarnation may be before its owner is asked. A guess: an owner raises it
/// once for each refutation or change of its record, and 65,536 of those unheard are far more than any outage brings.
pub(crate) const INCARNATION_LEAP: u32 = 1 << 16;
/// How far ahead of the present a generation may claim to be before its owner is asked: a day, in milliseconds.
const GENERATION_LEAP: u64 = 24 * 3_600 * 1_000;

/// A report against the row, by start and incarnation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Precedence {
    /// Of an earlier start of the process.
    EarlierStart,
    /// Of an earlier incarnation of the same start.
    EarlierWords,
    /// Of what is held.
    SameWords,
    /// Of a later incarnation.
    LaterWords,
    /// Of an incarnation so far ahead that its owner is asked before it counts.
    Leap,
    /// Of a later start.
    LaterStart,
}

/// How a report at this start and incarnation stands to what is held.
pub(crate) fn precedence(held: Standing, generation: Generation, incarnation: Incarnation) -> Precedence {
    match (generation.cmp(&held.generation), incarnation.cmp(&held.incarnation)) {
        (Ordering::Less, _) => Precedence::EarlierStart,
        (Ordering::Greater, _) => Precedence::LaterStart,
        (Ordering::Equal, Ordering::Less) => Precedence::EarlierWords,
        (Ordering::Equal, Ordering::Equal) => Precedence::SameWords,
        (Ordering::Equal, Ordering::Greater) if incarnation.0 - held.incarnation.0 > INCARNATION_LEAP => {
            Precedence::Leap
        }
        (Ordering::Equal, Ordering::Greater) => Precedence::LaterWords,
    }
}

/// Whether a third party's claim is too far from what is known to be stored before its owner was asked. `present` is
/// the latest generation that a process starting now would have, in milliseconds since 1970.
pub(crate) fn leaps(held: Option<Standing>, present: u64, generation: Generation, incarnation: Incarnation) -> bool {
    if let Some(held) = held.filter(|held| held.generation == generation) {
        return precedence(held, generation, incarnation) == Precedence::Leap;
    }
    generation.0 > present.saturating_add(GENERATION_LEAP) || incarnation.0 > INCARNATION_LEAP
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::member::State;

    fn standing(generation: u64, incarnation: u32, state: State) -> Standing {
        Standing { generation: Generation(generation), incarnation: Incarnation(incarnation), state }
    }

    fn incarnation() -> impl Strategy<Value = u32> {
        prop_oneof![0..4_u32, INCARNATION_LEAP..INCARNATION_LEAP + 4]
    }

    #[test]
    fn a_start_goes_before_an_incarnation_and_a_leap_is_asked_for() {
        let table = [
            ((6, 9), Precedence::EarlierStart),
            ((7, 2), Precedence::EarlierWords),
            ((7, 3), Precedence::SameWords),
            ((7, 4), Precedence::LaterWords),
            ((7, 3 + INCARNATION_LEAP), Precedence::LaterWords),
            ((7, 4 + INCARNATION_LEAP), Precedence::Leap),
            ((8, 0), Precedence::LaterStart),
            ((8, u32::MAX), Precedence::LaterStart),
        ];
        for ((generation, incarnation), expected) in table {
            let held = standing(7, 3, State::Suspect);
            let is = precedence(held, Generation(generation), Incarnation(incarnation));
            assert_eq!(is, expected, "({generation}, {incarnation})");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_order_of_standings(
            held in (0..4_u64, incarnation()),
            report in (0..4_u64, incarnation()),
        ) {
            let (held, report) = (standing(held.0, held.1, State::Alive), standing(report.0, report.1, State::Alive));
            let is = precedence(held, report.generation, report.incarnation);
            let is_later = matches!(is, Precedence::LaterWords | Precedence::Leap | Precedence::LaterStart);
            prop_assert_eq!(is_later, report.supersedes(held));
            prop_assert_eq!(is == Precedence::SameWords, report == held);
        }
    }
}
