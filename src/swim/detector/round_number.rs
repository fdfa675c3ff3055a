//! The number of this node's round: which place of the ring it probes, in step with the others (`protocol.md 4.1`).

use crate::wire::Digest;

/// A round further ahead than this is not believed of one member alone.
const AHEAD_MAX: i16 = 64;
/// So many members further ahead are believed, or all others if they are fewer.
const AHEAD_VOICES: usize = 3;

/// The round of the ring, and what was heard of the others'.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoundNumber {
    round: u64,
    heard: u64,
    far_ahead: Vec<(Digest, u64)>,
    /// Whether enough were far ahead since the last tick.
    is_outvoted: bool,
}

impl RoundNumber {
    pub(crate) fn round(&self) -> u64 {
        self.round
    }

    /// The round of a new tick: the highest heard, if it is ahead of ours, else the next. Taking the highest plus one
    /// would make the whole cluster run away.
    pub(crate) fn advance(&mut self) -> u64 {
        self.round = if self.heard > self.round { self.heard } else { self.round + 1 };
        if self.is_outvoted {
            self.far_ahead.clear();
            self.is_outvoted = false;
        }
        self.round
    }

    /// A joiner takes its contact's round as it is.
    pub(crate) fn adopt(&mut self, round: u64) {
        self.round = self.round.max(round.min(u64::MAX >> 1));
    }

    /// Hears the low 16 bits of a member's round. One far ahead is not believed; the lowest of three is, or of all
    /// `others`.
    pub(crate) fn hear(&mut self, from: Digest, low_bits: u16, others: usize) {
        let ahead = low_bits.wrapping_sub(self.round as u16) as i16;
        if ahead <= 0 {
            return;
        }
        let round = self.round + ahead as u64;
        if ahead <= AHEAD_MAX {
            self.heard = self.heard.max(round);
            return;
        }
        if self.far_ahead.len() < AHEAD_VOICES && self.far_ahead.iter().all(|(known, _)| *known != from) {
            self.far_ahead.push((from, round));
        }
        self.is_outvoted = self.far_ahead.len() >= AHEAD_VOICES.min(others.max(1));
        if self.is_outvoted {
            let lowest = self.far_ahead.iter().map(|(_, round)| *round).min().unwrap_or(self.round);
            self.heard = self.heard.max(lowest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::members::ring;

    #[test]
    fn rounds_align_without_running_away() {
        let mut a = RoundNumber::default();
        a.adopt(70_000);
        let mut b = RoundNumber::default();
        b.adopt(69_990);
        b.hear(Digest(1), a.round() as u16, 9);
        assert_eq!(b.advance(), 70_000);
        a.hear(Digest(2), b.round() as u16, 9);
        assert_eq!(a.advance(), 70_001);
    }

    #[test]
    fn one_far_ahead_is_ignored_and_the_lowest_of_three_is_taken() {
        let mut number = RoundNumber::default();
        number.hear(Digest(1), 5_000, 9);
        number.hear(Digest(1), 5_000, 9);
        number.hear(Digest(2), 4_000, 9);
        assert_eq!(number.advance(), 1);
        for (from, round) in [(1, 5_000), (2, 4_000), (3, 4_500)] {
            number.hear(Digest(from), round, 9);
        }
        assert_eq!(number.advance(), 4_000);
        number.hear(Digest(9), 3_990, 9);
        assert_eq!(number.advance(), 4_001, "a round behind ours is nothing new");
    }

    #[test]
    fn a_small_cluster_finds_whoever_was_away() {
        for others in 1..4 {
            let mut number = RoundNumber::default();
            for from in 0..others as u64 {
                assert_eq!(number.advance(), 1 + from);
                number.hear(Digest(from), 30_000, others);
            }
            assert_eq!(number.advance(), 30_000, "all {others} others are there");
        }
    }

    #[test]
    fn rounds_of_which_the_low_bits_agree_are_one() {
        // Away for nine hours of seconds: more than half of what 16 bits hold, so that the other side seems behind.
        let (mut away, mut here) = (RoundNumber::default(), RoundNumber::default());
        away.adopt(100);
        here.adopt(100 + 33_000);
        for n in 0..4 {
            away.hear(Digest(n), here.round() as u16, 9);
            here.hear(Digest(n), away.round() as u16, 9);
        }
        let (away, here) = (away.advance(), here.advance());
        let same_target = |members| ring::offset(away, members) == ring::offset(here + 1, members);
        assert!((3..200).all(same_target) || (3..200).all(|m| ring::offset(away + 1, m) == ring::offset(here, m)));
    }
}
