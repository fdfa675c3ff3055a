//! A few members chosen at random, without allocating.

use crate::random::Random;
use crate::swim::slot::Slot;

/// Members that can be picked at once.
pub(crate) const SAMPLE_MAX: usize = 16;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    slots: [Slot; SAMPLE_MAX],
    count: usize,
}

impl Default for Sample {
    fn default() -> Self {
        Sample { slots: [Slot(0); SAMPLE_MAX], count: 0 }
    }
}

impl Sample {
    /// Up to `wanted` distinct of `count` candidates that pass `fits`: random draws first, then a walk from a random
    /// place, so that few fitting ones among many are still found.
    pub(crate) fn choose(
        random: &mut Random,
        wanted: usize,
        count: usize,
        at: impl Fn(usize) -> Option<Slot>,
        fits: impl Fn(Slot) -> bool,
    ) -> Self {
        let wanted = wanted.min(SAMPLE_MAX);
        let mut sample = Sample::default();

        for _ in 0..wanted * 3 {
            if sample.count >= wanted {
                return sample;
            }
            sample.take(at(random.index(count)), &fits);
        }

        let start = random.index(count);
        for step in 0..count {
            if sample.count >= wanted {
                break;
            }
            sample.take(at((start + step) % count), &fits);
        }
        sample
    }

    pub(crate) fn push(&mut self, slot: Slot) {
        if let Some(place) = self.slots.get_mut(self.count) {
            *place = slot;
            self.count += 1;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.slots.iter().take(self.count).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn contains(&self, slot: Slot) -> bool {
        self.iter().any(|known| known == slot)
    }

    fn take(&mut self, candidate: Option<Slot>, fits: &impl Fn(Slot) -> bool) {
        if let Some(slot) = candidate {
            if !self.contains(slot) && fits(slot) {
                self.push(slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn picks_are_distinct_fitting_and_complete() {
        let mut random = Random::fork(5, Purpose::Gossip);
        for wanted in 0..6 {
            let sample = Sample::choose(&mut random, wanted, 1_000, |n| Some(Slot(n as u32)), |slot| slot.0 % 333 == 1);
            assert_eq!(sample.len(), wanted.min(3), "three of a thousand fit, and all are found");
            assert!(sample.iter().all(|slot| slot.0 % 333 == 1));
        }
        assert_eq!(Sample::choose(&mut random, 3, 0, |_| None, |_| true).len(), 0);
    }
}
