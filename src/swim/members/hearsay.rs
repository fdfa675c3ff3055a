//! Members of which this node knows only what was so before it was away for long (`protocol.md 3.8`).
//!
//! A machine that was suspended for longer than the others remember a death wakes with members that they have declared
//! dead and forgotten. Nothing would then hold its records of them down: to the others they would be new. So what it
//! holds at waking is *hearsay*, which it does not tell, until the member itself has answered or another, which
//! has answered since, has told of it. A member that is not confirmed dies here like any that does not answer, untold.

use std::collections::BTreeSet;

use crate::swim::slot::Slot;

/// The members whose records are hearsay, by slot.
#[derive(Debug, Default)]
pub(crate) struct Hearsay {
    slots: BTreeSet<Slot>,
    /// The member that was asked last.
    asked: Option<Slot>,
}

impl Hearsay {
    /// What is held of a member may be long past.
    pub(crate) fn doubt(&mut self, slot: Slot) {
        self.slots.insert(slot);
    }

    /// A member has answered, or was told of by one that had; or its row is another's from now on.
    pub(crate) fn confirm(&mut self, slot: Slot) {
        self.slots.remove(&slot);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn contains(&self, slot: Slot) -> bool {
        self.slots.contains(&slot)
    }

    /// The member to ask next, each in turn.
    pub(crate) fn next(&mut self) -> Option<Slot> {
        let after = |asked: Slot| self.slots.range(Slot(asked.0.saturating_add(1))..).next();
        self.asked = self.asked.and_then(after).or(self.slots.first()).copied();
        self.asked
    }

    /// What a report of a member means: `origin` is the member that told it, if its address is proved.
    pub(crate) fn weigh(&self, origin: Option<Slot>, is_new: bool) -> Weight {
        match (origin, is_new) {
            _ if self.slots.is_empty() => Weight::Nothing,
            (Some(origin), _) if !self.slots.contains(&origin) => Weight::Confirms,
            // What waited in the socket while this node was away is as old as what it holds.
            (_, true) => Weight::Hearsay,
            (_, false) => Weight::Nothing,
        }
    }
}

/// What a report means for what is held of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weight {
    Confirms,
    Hearsay,
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_answered_since_can_confirm() {
        let mut hearsay = Hearsay::default();
        let (doubted, answered) = (Slot(1), Slot(2));
        assert_eq!(hearsay.weigh(Some(doubted), true), Weight::Nothing, "nobody was away");
        hearsay.doubt(doubted);
        let rows = [
            ("a member that answered", Some(answered), false, Weight::Confirms),
            ("the same, of a stranger", Some(answered), true, Weight::Confirms),
            ("one that is hearsay itself", Some(doubted), false, Weight::Nothing),
            ("the same, of a stranger", Some(doubted), true, Weight::Hearsay),
            ("nobody that we know", None, false, Weight::Nothing),
            ("the same, of a stranger", None, true, Weight::Hearsay),
        ];
        for (what, origin, is_new, weight) in rows {
            assert_eq!(hearsay.weigh(origin, is_new), weight, "{what}");
        }
    }

    #[test]
    fn each_is_asked_in_turn_until_it_is_confirmed() {
        let mut hearsay = Hearsay::default();
        assert_eq!(hearsay.next(), None);
        [3, 1, 2].into_iter().for_each(|slot| hearsay.doubt(Slot(slot)));
        assert_eq!([1, 2, 3, 1].map(|slot| hearsay.next() == Some(Slot(slot))), [true; 4]);
        hearsay.confirm(Slot(2));
        assert_eq!((hearsay.next(), hearsay.next(), hearsay.contains(Slot(2))), (Some(Slot(3)), Some(Slot(1)), false));
    }
}
