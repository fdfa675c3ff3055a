//! When each round of questions was sent, for as long as an answer to it is of use.
//!
//! An answer counts from the moment its question was *sent*, so a late one is worth little and a forged number nothing.

use crate::election::message::Round;
use crate::time::Instant;

/// Rounds remembered; at three heartbeats a lease or more, older ones are worth nothing.
const ROUNDS_MAX: usize = 64;

/// When each of the latest rounds of questions was sent, and the number of the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Rounds {
    next: Round,
    sent: Vec<(Round, Instant)>,
}

impl Rounds {
    /// No rounds yet; the first will have this number.
    pub(super) fn starting_at(next: Round) -> Self {
        Rounds { next, sent: Vec::new() }
    }

    /// A new round, sent now; those sent before `oldest` are forgotten.
    pub(super) fn begin(&mut self, now: Instant, oldest: Instant) -> Round {
        self.sent.retain(|(_, sent)| *sent >= oldest);
        if self.sent.len() >= ROUNDS_MAX {
            self.sent.remove(0);
        }
        let round = self.next;
        self.next = round.next();
        self.sent.push((round, now));
        round
    }

    /// When a round was sent, if it still counts.
    pub(super) fn sent(&self, round: Round) -> Option<Instant> {
        self.sent.iter().find(|(known, _)| *known == round).map(|(_, sent)| *sent)
    }

    /// The number of the round to come.
    pub(super) fn next(&self) -> Round {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn old_rounds_are_forgotten_and_all_are_bounded() {
        let at = |ms: u64| Instant::ORIGIN + Duration::from_millis(ms);
        let mut rounds = Rounds::starting_at(Round(7));
        assert_eq!(rounds.begin(at(0), at(0)), Round(7));
        assert_eq!(rounds.begin(at(10), at(5)), Round(8));
        assert_eq!((rounds.sent(Round(7)), rounds.sent(Round(8))), (None, Some(at(10))));
        for _ in 0..1_000 {
            rounds.begin(at(20), at(0));
        }
        assert_eq!(rounds.sent.len(), ROUNDS_MAX);
        assert_eq!(rounds.sent(Round(1_008)), Some(at(20)));
    }
}
