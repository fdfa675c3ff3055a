//! Seeded randomness, forked by purpose so that a new draw in one place moves no other.
//!
//! The generator is one that `rand` names and keeps stable; ranges are ours over `next_u64`, because the crate's own
//! may change between minor releases and a replay must not.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// What a stream of draws is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Nonces = 1,
    Probing = 2,
    Gossip = 3,
    Healing = 4,
    Election = 5,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(crate) fn fork(seed: u64, purpose: Purpose) -> Self {
        let stream = (purpose as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Random(Xoshiro256PlusPlus::seed_from_u64(seed ^ stream))
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, or 0 when `bound` is 0; the bias of one part in 2^64 / bound is of no matter here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    /// A duration below `whole`, in nanoseconds.
    pub(crate) fn fraction_of(&mut self, whole: Duration) -> Duration {
        Duration::from_nanos(self.below(u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// An index into something of `length` items.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }
}

/// By what it would draw next, which tells two states apart as well as the state would.
impl Hash for Random {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.clone().draw());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_differ_and_repeat() {
        let draws = |purpose| {
            let mut random = Random::fork(7, purpose);
            (0..4).map(|_| random.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draws(Purpose::Nonces), draws(Purpose::Nonces));
        assert_ne!(draws(Purpose::Nonces), draws(Purpose::Gossip));
    }

    #[test]
    fn below_stays_below_and_reaches_all() {
        let mut random = Random::fork(1, Purpose::Probing);
        let mut seen = [false; 7];
        for _ in 0..200 {
            seen[random.index(7)] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(random.below(0), 0);
    }
}
