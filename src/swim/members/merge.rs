//! What a member's own words change in the table: rulings from what is held of it, what is reported and how
//! the report came (`protocol.md 3.1`, `3.4`, `3.6`, `3.7`). The order of reports is [`precedence`]'s;
//! accusations are judged elsewhere.

use crate::member::{Generation, Incarnation, Standing, State};
use crate::sabotage;
use crate::swim::members::precedence::{Precedence, leaps, precedence};

/// How a report reached us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// From the member itself, whose address is proved.
    Owner,
    /// Riding on a datagram.
    Gossip,
    /// In a comparison of views.
    Sync,
    /// In a joiner's first pages or a saved view; it is no news.
    Bulk,
}

/// A member's record as it was reported: which words of which start, how they came, and the latest start
/// that the present allows for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) generation: Generation,
    pub(crate) incarnation: Incarnation,
    pub(crate) source: Source,
    /// Milliseconds since 1970, as [`leaps`] takes them.
    pub(crate) present: u64,
}

/// What becomes of the record of a member without a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Admission {
    TakeIn,
    /// Its owner is asked first; what it answers is taken in.
    AskOwner,
    /// It is held down by a tombstone: its owner, if it is the owner that speaks, is told what it has to outrank.
    Outranked(Generation, Incarnation),
}

/// `buried` is the tombstone that holds the record down, if there is one.
pub(crate) fn admit(report: &Report, buried: Option<(Generation, Incarnation)>) -> Admission {
    let Report { generation, incarnation, source, present } = *report;
    if source != Source::Owner && leaps(None, present, generation, incarnation) {
        return Admission::AskOwner;
    }
    match buried {
        // The other side of a comparison holds it alive: that is no old rumour, so its owner is asked. Two that forgot
        // each other would else stay apart for as long as tombstones last.
        Some(_) if source == Source::Sync => Admission::AskOwner,
        Some((generation, incarnation)) => Admission::Outranked(generation, incarnation),
        None => Admission::TakeIn,
    }
}

/// What a row holds, as far as a report of the same member may change it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) standing: Standing,
    /// The incarnation of the stored record; lower than the standing's where that was only heard of.
    pub(crate) recorded: Incarnation,
    /// Whether it is dead by a verdict that any sign of life undoes.
    pub(crate) is_provisional: bool,
}

/// What a record of a known member changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Merge {
    /// It leaps ahead of all that is known: its owner is asked before it counts.
    AskOwner,
    /// A later start takes the place of the held one, which is dead.
    Restart,
    /// Newer words: stored, and the member is alive.
    Adopt,
    /// Of an earlier start: the sender hears of the later one.
    EarlierStart,
    /// Of words that are known. The record may still be the one that is missing; the member's state changes as said.
    Known { fills: bool, then: Known },
}

/// What words that are known already do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    Nothing,
    /// A sign of life undoes a provisional verdict.
    Undo,
    /// The sender holds alive what is dead or gone here: it hears of that.
    TellNewer,
}

pub(crate) fn merge(held: &Held, report: &Report) -> Merge {
    let Report { generation, incarnation, source, present } = *report;
    if source != Source::Owner && leaps(Some(held.standing), present, generation, incarnation) {
        return Merge::AskOwner;
    }

    let is_live = held.standing.state.is_live();

    match precedence(held.standing, generation, incarnation) {
        Precedence::EarlierStart if !sabotage::is_off("old_starts") => Merge::EarlierStart,
        Precedence::LaterStart | Precedence::EarlierStart => Merge::Restart,
        Precedence::LaterWords | Precedence::Leap => Merge::Adopt,
        Precedence::SameWords | Precedence::EarlierWords if sabotage::is_off("strictly_newer") && !is_live => {
            Merge::Adopt
        }
        known @ (Precedence::SameWords | Precedence::EarlierWords) => {
            let then = match (held.is_provisional, known) {
                (true, Precedence::SameWords) => Known::Undo,
                (false, _) if !is_live => Known::TellNewer,
                _ => Known::Nothing,
            };
            let fills = incarnation > held.recorded && held.standing.state != State::Left;
            Merge::Known { fills, then }
        }
    }
}

/// What becomes of the report that a member has left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Departed {
    /// It is known, or outlived by later words.
    Old,
    /// So far ahead that no incarnation would be left in which the member could contradict: the member is looked at.
    Look,
    /// The member is gone; a later start than the held one if so said.
    Gone { is_later_start: bool },
}

pub(crate) fn departed(held: Standing, present: u64, generation: Generation, incarnation: Incarnation) -> Departed {
    if leaps(Some(held), present, generation, incarnation) {
        return Departed::Look;
    }
    if !(Standing { generation, incarnation, state: State::Left }).supersedes(held) {
        return Departed::Old;
    }
    Departed::Gone { is_later_start: generation > held.generation }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::members::precedence::INCARNATION_LEAP;

    const PRESENT: u64 = 1_000;
    const TWO_DAYS_AHEAD: u64 = 2 * 86_400_000 + PRESENT;
    const DAY_AHEAD: u64 = 86_400_000 + PRESENT;

    fn report(generation: u64, incarnation: u32, source: Source) -> Report {
        Report { generation: Generation(generation), incarnation: Incarnation(incarnation), source, present: PRESENT }
    }

    fn standing(state: State) -> Standing {
        Standing { generation: Generation(7), incarnation: Incarnation(3), state }
    }

    #[test]
    fn who_is_let_in() {
        let grave = Some((Generation(7), Incarnation(3)));
        let outranked = Admission::Outranked(Generation(7), Incarnation(3));
        let rows = [
            ("an unknown member", report(7, 3, Source::Gossip), None, Admission::TakeIn),
            ("3.6: of the day after tomorrow", report(TWO_DAYS_AHEAD, 0, Source::Gossip), None, Admission::AskOwner),
            ("3.6: or of far too many words", report(7, INCARNATION_LEAP + 1, Source::Sync), None, Admission::AskOwner),
            ("3.6: of a day ahead", report(DAY_AHEAD, 0, Source::Gossip), None, Admission::TakeIn),
            ("3.6: of a day and a millisecond", report(DAY_AHEAD + 1, 0, Source::Gossip), None, Admission::AskOwner),
            ("3.6: of as many words as may be", report(7, INCARNATION_LEAP, Source::Gossip), None, Admission::TakeIn),
            ("3.6: of more, by its own word", report(7, INCARNATION_LEAP + 1, Source::Owner), None, Admission::TakeIn),
            ("a comparison of views", report(7, 3, Source::Sync), None, Admission::TakeIn),
            ("3.7: under a tombstone in a joiner's pages", report(7, 3, Source::Bulk), grave, outranked),
            ("3.6: leaping and buried", report(TWO_DAYS_AHEAD, 0, Source::Gossip), grave, Admission::AskOwner),
            ("3.6: unless it says so itself", report(TWO_DAYS_AHEAD, 0, Source::Owner), None, Admission::TakeIn),
            ("3.7: under a tombstone by rumour", report(7, 3, Source::Gossip), grave, outranked),
            ("3.7: by its own word", report(7, 3, Source::Owner), grave, outranked),
            ("3.7: in a comparison of views", report(7, 3, Source::Sync), grave, Admission::AskOwner),
        ];
        for (what, report, buried, expected) in rows {
            assert_eq!(admit(&report, buried), expected, "{what}");
        }
    }

    #[test]
    fn which_words_win() {
        let known = |fills, then| Merge::Known { fills, then };
        let (gossip, owner) = (Source::Gossip, Source::Owner);
        let (alive, dead, left) = (State::Alive, State::Dead, State::Left);
        // Row: what is held, the incarnation of its record, whether provisionally; the report.
        let rows = [
            ("3.1: newer words", alive, 3, false, report(7, 4, gossip), Merge::Adopt),
            ("3.1: newer words of a dead member", dead, 3, false, report(7, 4, gossip), Merge::Adopt),
            ("3.1: the same words", alive, 3, false, report(7, 3, gossip), known(false, Known::Nothing)),
            ("3.1: older words", alive, 3, false, report(7, 2, gossip), known(false, Known::Nothing)),
            ("the record of words only heard of", alive, 1, false, report(7, 3, gossip), known(true, Known::Nothing)),
            ("a newer record, if not the newest", alive, 1, false, report(7, 2, gossip), known(true, Known::Nothing)),
            (
                "one that left keeps its last record",
                left,
                1,
                false,
                report(7, 3, gossip),
                known(false, Known::TellNewer),
            ),
            ("one that is dead here is told", dead, 3, false, report(7, 3, gossip), known(false, Known::TellNewer)),
            ("6.3: undoes a provisional verdict", dead, 3, true, report(7, 3, gossip), known(false, Known::Undo)),
            ("6.3: older words do not", dead, 3, true, report(7, 2, gossip), known(false, Known::Nothing)),
            ("3.1: older words of the dead", dead, 3, false, report(7, 2, gossip), known(false, Known::TellNewer)),
            ("the missing record of the dead", dead, 1, false, report(7, 3, gossip), known(true, Known::TellNewer)),
            ("6.3: with the missing record", dead, 1, true, report(7, 3, gossip), known(true, Known::Undo)),
            ("a suspect lives", State::Suspect, 3, false, report(7, 3, gossip), known(false, Known::Nothing)),
            ("newer words of one that left", left, 3, false, report(7, 4, gossip), Merge::Adopt),
            ("3.6: as many words as may be", alive, 3, false, report(7, 3 + INCARNATION_LEAP, gossip), Merge::Adopt),
            (
                "3.6: absurd words of a later start",
                alive,
                3,
                false,
                report(8, INCARNATION_LEAP + 1, gossip),
                Merge::AskOwner,
            ),
            ("3.6: the owner's own", alive, 3, false, report(8, INCARNATION_LEAP + 1, owner), Merge::Restart),
            ("3.6: and of an earlier one", alive, 3, false, report(6, INCARNATION_LEAP + 1, gossip), Merge::AskOwner),
            ("3.4: a later start", alive, 3, false, report(8, 0, gossip), Merge::Restart),
            ("3.4: an earlier one", alive, 3, false, report(6, 9, gossip), Merge::EarlierStart),
            ("3.6: a start too late", alive, 3, false, report(TWO_DAYS_AHEAD, 0, gossip), Merge::AskOwner),
            ("3.6: the owner's own", alive, 3, false, report(TWO_DAYS_AHEAD, 0, owner), Merge::Restart),
            ("3.6: a leap of words", alive, 3, false, report(7, 4 + INCARNATION_LEAP, gossip), Merge::AskOwner),
            ("3.6: the owner's own", alive, 3, false, report(7, 4 + INCARNATION_LEAP, owner), Merge::Adopt),
        ];

        for (what, state, recorded, is_provisional, report, expected) in rows {
            let held = Held { standing: standing(state), recorded: Incarnation(recorded), is_provisional };
            assert_eq!(merge(&held, &report), expected, "{what}: {held:?}, {report:?}");
        }
    }

    #[test]
    fn who_is_gone() {
        let gone = |is_later_start| Departed::Gone { is_later_start };
        let rows = [
            ("it leaves at its present words", State::Alive, (7, 3), gone(false)),
            ("3.1: who is dead may have left", State::Dead, (7, 3), gone(false)),
            ("a later start leaves", State::Alive, (8, 0), gone(true)),
            ("it has spoken since", State::Alive, (7, 2), Departed::Old),
            ("an earlier start left", State::Alive, (6, 9), Departed::Old),
            ("it said so with new words", State::Alive, (7, 4), gone(false)),
            ("a suspect leaves", State::Suspect, (7, 3), gone(false)),
            ("it is known", State::Left, (7, 3), Departed::Old),
            ("3.6: no words would be left above", State::Alive, (7, 4 + INCARNATION_LEAP), Departed::Look),
            ("3.6: of a start too late", State::Alive, (TWO_DAYS_AHEAD, 0), Departed::Look),
        ];
        for (what, state, (generation, incarnation), expected) in rows {
            let is = departed(standing(state), PRESENT, Generation(generation), Incarnation(incarnation));
            assert_eq!(is, expected, "{what}");
        }
    }
}
