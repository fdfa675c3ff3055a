//! Which members have answered us lately, as evidence about ourselves (`protocol.md 5.5`, `6.1` to `6.3`).
//!
//! A node that no member answers has no business judging others. What counts is an answer to a ping sent
//! after the moment in question; the table of the sixteen most recent answerers is enough, because no
//! rule asks for more than two.

use crate::swim::slot::Slot;
use crate::time::Instant;

const KEPT: usize = 16;

#[derive(Clone, Debug, Default)]
pub(crate) struct Reachability {
    /// Distinct members, the most recent answer first.
    recent: Vec<(Slot, Instant)>,
    heard: Heard,
}

/// How many pings to members held Alive, or suspected in isolation alone, were sent, and how many pings were answered,
/// since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    asked: u64,
    answered: u64,
}

impl Heard {
    /// Whether at least a third of what was asked since `before` was answered. Where a tenth of all datagrams gets
    /// through, a node hears each member once in a while, and yet has no business calling one silent.
    pub(crate) fn is_well_since(self, before: Heard) -> bool {
        (self.answered - before.answered) * 3 >= self.asked - before.asked
    }
}

impl Reachability {
    /// Notes that `slot` answered a ping sent at `sent`.
    pub(crate) fn note(&mut self, slot: Slot, sent: Instant) {
        let latest = match self.recent.iter().position(|(known, _)| *known == slot) {
            Some(place) => self.recent.remove(place).1.max(sent),
            None => sent,
        };
        self.recent.truncate(KEPT - 1);
        self.recent.insert(0, (slot, latest));
    }

    /// Notes a ping to a member that is held Alive, or suspected in isolation alone.
    pub(crate) fn note_asked(&mut self) {
        self.heard.asked += 1;
    }

    /// Notes the first answer to a ping.
    pub(crate) fn note_answered(&mut self) {
        self.heard.answered += 1;
    }

    /// The counts up to now.
    pub(crate) fn heard(&self) -> Heard {
        self.heard
    }

    /// When the latest ping that anyone has answered was sent.
    pub(crate) fn latest(&self) -> Option<Instant> {
        self.recent.iter().map(|(_, sent)| *sent).max()
    }

    /// Forgets a member whose slot is about to be reused.
    pub(crate) fn forget(&mut self, slot: Slot) {
        self.recent.retain(|(known, _)| *known != slot);
    }

    /// How many members that pass `counts` have answered pings sent at or after `since`.
    pub(crate) fn since(&self, since: Instant, counts: impl Fn(Slot) -> bool) -> usize {
        self.recent.iter().filter(|(slot, sent)| *sent >= since && counts(*slot)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_what_is_asked_since_is_heard_well() {
        let mut answers = Reachability::default();
        (0..9).for_each(|_| answers.note_asked());
        let before = answers.heard();
        assert!(answers.heard().is_well_since(before), "where nothing was asked nothing is missed");
        (0..6).for_each(|_| answers.note_asked());
        answers.note_answered();
        assert!(!answers.heard().is_well_since(before));
        answers.note_answered();
        assert!(answers.heard().is_well_since(before));
    }

    #[test]
    fn counts_distinct_members_since_a_moment() {
        let at = Instant::from_nanos;
        let mut answers = Reachability::default();
        answers.note(Slot(1), at(10));
        answers.note(Slot(2), at(20));
        answers.note(Slot(1), at(5));
        assert_eq!(answers.since(at(10), |_| true), 2);
        assert_eq!(answers.since(at(11), |_| true), 1);
        assert_eq!(answers.since(at(0), |slot| slot != Slot(2)), 1);
        for n in 10..40 {
            answers.note(Slot(n), at(30));
        }
        assert_eq!(answers.since(at(0), |_| true), KEPT);
        answers.forget(Slot(39));
        assert_eq!(answers.since(at(0), |_| true), KEPT - 1);
    }
}
