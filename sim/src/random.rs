//! Seeded randomness with ranges of our own, forked by purpose so that a new draw in one place moves no other.

use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use twox_hash::XxHash3_64;

/// A stream of draws that a seed and a purpose decide.
#[derive(Clone, Debug)]
pub struct Random(Xoshiro256PlusPlus);

impl Random {
    /// The stream of this seed for this purpose.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        Random(Xoshiro256PlusPlus::seed_from_u64(XxHash3_64::oneshot_with_seed(seed, purpose.as_bytes())))
    }

    /// Any number of 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, or 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True in so many of a thousand cases.
    pub fn permille(&mut self, chance: u32) -> bool {
        self.below(1_000) < u64::from(chance)
    }

    /// A span from `low` to `high`.
    pub fn span(&mut self, low: Duration, high: Duration) -> Duration {
        Duration::from_nanos(self.between(nanos(low), nanos(high)))
    }

    /// One of several, or none of none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len() as u64) as usize)
    }

    /// Puts things in a random order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// `count` different numbers below `bound`, ascending; fewer when there are fewer.
    pub fn choose(&mut self, count: usize, bound: u32) -> Vec<u32> {
        let mut all: Vec<u32> = (0..bound).collect();
        self.shuffle(&mut all);
        all.truncate(count);
        all.sort_unstable();
        all
    }
}

/// A duration in nanoseconds, as far as 64 bits reach.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_differ_and_a_seed_repeats() {
        let draws = |purpose| {
            let mut random = Random::new(7, purpose);
            (0..4).map(|_| random.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draws("network"), draws("network"));
        assert_ne!(draws("network"), draws("faults"));
    }

    #[test]
    fn ranges_reach_both_ends_and_choices_differ() {
        let mut random = Random::new(1, "test");
        let drawn: Vec<u64> = (0..200).map(|_| random.between(3, 5)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&3), Some(&5)));
        let mut chosen = random.choose(4, 6);
        assert!(chosen.iter().all(|place| *place < 6));
        chosen.dedup();
        assert_eq!((chosen.len(), random.choose(9, 3)), (4, vec![0, 1, 2]));
        assert_eq!((random.pick(&[0; 0]), random.below(0)), (None, 0));
    }
}
