//! Who has answered us lately, as evidence about ourselves.
//!
//! A node that nobody answers has no business judging others. What counts is an answer to a ping sent after the moment
//! in question; the table of the sixteen most recent answerers is enough, because no rule asks for more than two.

use crate::swim::slot::Slot;
use crate::time::Instant;

const KEPT: usize = 16;

#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    /// Distinct members, the most recent answer first.
    recent: Vec<(Slot, Instant)>,
}

impl Answers {
    /// Notes that `slot` answered a ping sent at `sent`.
    pub(crate) fn note(&mut self, slot: Slot, sent: Instant) {
        let latest = match self.recent.iter().position(|(known, _)| *known == slot) {
            Some(place) => self.recent.remove(place).1.max(sent),
            None => sent,
        };
        self.recent.truncate(KEPT - 1);
        self.recent.insert(0, (slot, latest));
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
    fn counts_distinct_members_since_a_moment() {
        let at = Instant::from_nanos;
        let mut answers = Answers::default();
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
