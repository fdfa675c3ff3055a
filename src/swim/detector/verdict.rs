//! What becomes of a suspicion when its verdict is due: rulings from what this node holds, has asked and
//! has heard (`protocol.md 5.3`, `5.5`, `6.1`, `6.4`). Nothing here knows how the evidence was gathered or
//! how a ruling is carried out.

use std::time::Duration;

use crate::event::DeadReason;
use crate::sabotage;
use crate::time::Instant;
use crate::why::Waiting;

/// What is known of a suspect, and of this node, when a verdict is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    pub(crate) now: Instant,
    /// P.
    pub(crate) tolerance: Duration,
    /// When the verdict may fall with enough accusers.
    pub(crate) soft: Instant,
    /// When it falls without enough accusers.
    pub(crate) hard: Instant,
    /// Whether enough members have accused.
    pub(crate) is_accused: bool,
    /// Whether enough others have answered this node since the silence began, and one since the last ping.
    pub(crate) is_answered: bool,
    /// Whether enough of what this node asked since its first last ping was answered for a
    /// verdict on its evidence alone.
    pub(crate) hears_well: bool,
    /// Whether this node did not run, and too few have answered it since.
    pub(crate) woke_unanswered: bool,
    /// Whether a verdict can only be provisional: this node did not run for 3 P in all, or suspects the
    /// member in isolation alone.
    pub(crate) provisional_only: bool,
}

/// What the machine does about the suspicion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ruling {
    /// The deadline has moved since this was planned: a last ping for then.
    NotYet(Instant),
    /// It waits for this until then, and no ping would bring it sooner.
    Hold(Waiting, Instant),
    /// No answer would bring what it lacks: a last ping for then.
    Wait(Waiting, Instant),
    /// This node does not know whether it is heard: it asks again soon, until then at the latest.
    AskAgain(Instant),
    Dead(DeadReason),
    /// Dead, and maybe by this node's own fault: kept from the others, undone by any sign of life.
    Provisional,
}

pub(crate) fn rule(known: &Evidence) -> Ruling {
    let Evidence { now, soft, hard, tolerance, .. } = *known;
    if now < soft && !sabotage::is_off("whole_p") {
        return Ruling::NotYet(soft);
    }

    // A node that did not run takes the silence for its own, for 2 P at most (6.1).
    let lapses = soft + tolerance * 2;
    if known.woke_unanswered && now < lapses {
        return Ruling::Hold(Waiting::LateWake, lapses);
    }

    // With enough accusers two answers are enough; on its own evidence alone a node must hear well, too (5.5).
    let is_certain = known.is_answered && !known.provisional_only;
    if is_certain && known.is_accused {
        return Ruling::Dead(DeadReason::Silent);
    }
    if now >= hard {
        return match (is_certain, known.hears_well) {
            (true, true) => Ruling::Dead(DeadReason::SilentUnconfirmed),
            (true, false) if now < hard + tolerance => Ruling::AskAgain(hard + tolerance),
            (true, false) | (false, _) => Ruling::Provisional,
        };
    }

    match (known.is_answered, known.is_accused) {
        (true, true) => Ruling::Wait(Waiting::LateWake, hard),
        (true, false) => Ruling::Wait(Waiting::Accusers, hard),
        (false, _) => Ruling::AskAgain(hard),
    }
}

/// When the verdict is due: with enough accusers or before P is over at P, else at 3 P (5.3).
pub(crate) fn due(now: Instant, soft: Instant, hard: Instant, is_accused: bool) -> Instant {
    if soft > now || is_accused { soft.max(now) } else { hard }
}

/// What becomes of a suspicion that was kept to this node, because no member answered it then (6.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Private {
    Keep,
    /// The silence was this node's own.
    Drop,
    /// It is told, and its clock starts anew.
    Publish,
}

/// `is_old` if the silence has lasted so long that this node must have missed answers. A provisional death that is as
/// silent as before is no mistake yet: another's answer is no sign of its life.
pub(crate) fn rule_private(another_answered: bool, it_answered: bool, is_old: bool, is_provisional: bool) -> Private {
    match (another_answered, it_answered) {
        (false, false) => Private::Keep,
        // No other node was told, so there is nothing that the member would have to refute.
        (_, true) => Private::Drop,
        (true, false) if is_old && !is_provisional => Private::Drop,
        (true, false) => Private::Publish,
    }
}

/// What becomes of a suspect that cannot be asked, because the socket cannot send to it (6.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Beyond {
    Wait,
    /// Those that can ask may know of no suspicion: its accusers restarted. They are told, and look.
    TellAgain,
    Dead,
    /// A refutation may have been missed: the wait begins anew.
    Again,
}

pub(crate) fn rule_beyond_reach(called_dead: bool, is_over: bool, hears_others: bool) -> Beyond {
    match (called_dead, is_over, hears_others) {
        (_, false, _) => Beyond::Wait,
        (false, true, _) if sabotage::is_off("suspicion_told_again") => Beyond::Wait,
        (false, true, _) => Beyond::TellAgain,
        (true, true, true) => Beyond::Dead,
        (true, true, false) => Beyond::Again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(ms)
    }

    /// P is 3 s, and the silence began at 1 s: due at 4 s with enough accusers, at 10 s without. Nothing is lacking.
    fn at_ms(now: u64) -> Evidence {
        Evidence {
            now: at(now),
            tolerance: Duration::from_secs(3),
            soft: at(4_000),
            hard: at(10_000),
            is_accused: true,
            is_answered: true,
            hears_well: true,
            woke_unanswered: false,
            provisional_only: false,
        }
    }

    #[test]
    fn what_a_verdict_needs() {
        let unaccused = |now| Evidence { is_accused: false, ..at_ms(now) };
        let unanswered = |now| Evidence { is_answered: false, ..at_ms(now) };
        let woke = |now| Evidence { woke_unanswered: true, ..at_ms(now) };
        let stalled = |now| Evidence { provisional_only: true, ..at_ms(now) };
        let deaf = |now| Evidence { is_accused: false, hears_well: false, ..at_ms(now) };

        let (silent, unconfirmed) = (Ruling::Dead(DeadReason::Silent), Ruling::Dead(DeadReason::SilentUnconfirmed));
        let rows = [
            ("5.3: no verdict before P is over", at_ms(3_999), Ruling::NotYet(at(4_000))),
            ("5.3: at P with enough accusers", at_ms(4_000), silent),
            ("5.3: too few wait for 3 P", unaccused(4_000), Ruling::Wait(Waiting::Accusers, at(10_000))),
            ("5.3: at 3 P without them", unaccused(10_000), unconfirmed),
            ("5.3: with them it needs no 3 P", at_ms(10_000), silent),
            ("5.5: without answers the others are asked again", unanswered(4_000), Ruling::AskAgain(at(10_000))),
            ("5.5: and at 3 P it is provisional", unanswered(10_000), Ruling::Provisional),
            ("5.5: with accusers, badly heard is enough", Evidence { is_accused: true, ..deaf(4_000) }, silent),
            ("5.5: without them it is not", deaf(10_000), Ruling::AskAgain(at(13_000))),
            ("5.5: until P is over", deaf(12_999), Ruling::AskAgain(at(13_000))),
            ("5.5: for P, then it is provisional", deaf(13_000), Ruling::Provisional),
            ("6.1: a late wake bars it", woke(4_000), Ruling::Hold(Waiting::LateWake, at(10_000))),
            ("6.1: for 2 P", woke(9_999), Ruling::Hold(Waiting::LateWake, at(10_000))),
            ("6.1: and then lapses", woke(10_000), silent),
            ("6.1: no late wake brings it forward", woke(3_999), Ruling::NotYet(at(4_000))),
            (
                "6.1: 2 P after a deadline that was moved",
                Evidence { soft: at(9_000), ..woke(12_000) },
                Ruling::Hold(Waiting::LateWake, at(15_000)),
            ),
            ("6.1: and then lapses, too", Evidence { soft: at(9_000), ..woke(15_000) }, silent),
            ("6.1: stalled for 3 P in all", stalled(4_000), Ruling::Wait(Waiting::LateWake, at(10_000))),
            ("6.1: it is provisional", stalled(10_000), Ruling::Provisional),
            (
                "6.1: stalled, and too few agree",
                Evidence { is_accused: false, ..stalled(4_000) },
                Ruling::Wait(Waiting::Accusers, at(10_000)),
            ),
            (
                "6.1: stalled, and not answered",
                Evidence { is_answered: false, ..stalled(4_000) },
                Ruling::AskAgain(at(10_000)),
            ),
            ("5.5: unanswered and deaf", Evidence { is_answered: false, ..deaf(10_000) }, Ruling::Provisional),
        ];

        for (rule_of, known, ruling) in rows {
            assert_eq!(rule(&known), ruling, "{rule_of}: {known:?}");
        }
    }

    #[test]
    fn a_verdict_is_due_at_p_or_at_three_p() {
        for (now, is_accused, expected) in [
            (2_000, false, 4_000),
            (2_000, true, 4_000),
            (4_000, false, 10_000),
            (4_000, true, 4_000),
            (5_000, true, 5_000),
        ] {
            assert_eq!(due(at(now), at(4_000), at(10_000), is_accused), at(expected), "at {now}, {is_accused}");
        }
    }

    #[test]
    fn a_silence_all_around_is_told_once_another_answers() {
        let rows = [
            ("no member answers", (false, false, true, false), Private::Keep),
            ("another answers: the member alone is silent", (true, false, false, false), Private::Publish),
            ("the member itself answers", (false, true, false, false), Private::Drop),
            ("both answer", (true, true, false, false), Private::Drop),
            ("another answers, of a provisional death", (true, false, false, true), Private::Publish),
            ("both answer, late", (true, true, true, true), Private::Drop),
            ("another answers at last: this node was deaf", (true, false, true, false), Private::Drop),
            ("the same, of a provisional death", (true, false, true, true), Private::Publish),
        ];
        for (what, (another, itself, is_old, is_provisional), ruling) in rows {
            assert_eq!(rule_private(another, itself, is_old, is_provisional), ruling, "{what}");
        }
    }

    #[test]
    fn who_cannot_be_asked_is_dead_by_anothers_word_alone_and_late() {
        let rows = [
            ("it is suspected, and 3 P are not over", (false, false, true), Beyond::Wait),
            ("they are, and its accusers may have forgotten it", (false, true, true), Beyond::TellAgain),
            ("the same, and we hear nobody", (false, true, false), Beyond::TellAgain),
            ("it was called dead, and 3 P are not over", (true, false, true), Beyond::Wait),
            ("the same, and we hear no other", (true, false, false), Beyond::Wait),
            ("suspected, not over, and we hear no other", (false, false, false), Beyond::Wait),
            ("they are, and we hear others, who would have told us otherwise", (true, true, true), Beyond::Dead),
            ("they are, and we hear nobody", (true, true, false), Beyond::Again),
        ];
        for (what, (called_dead, is_over, hears_others), ruling) in rows {
            assert_eq!(rule_beyond_reach(called_dead, is_over, hears_others), ruling, "{what}");
        }
    }
}
