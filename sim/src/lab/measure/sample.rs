//! Values measured, and what can be said of them: nearest ranks, and intervals that assume no distribution.
//!
//! A percentile is a value that was measured, never one between two. Its interval goes by order statistics: how many
//! of the values lie below the true percentile is binomial, whatever they are distributed like. Where the values of
//! one run hang together, as those of the observers of one crash do, that interval would claim too much, so it is made
//! from whole runs drawn again instead (a bootstrap over runs, seeded, so that it says the same every time).

use std::time::Duration;

use crate::lab::measure::interval::{self, Interval};
use crate::random::{Random, nanos};

/// How often runs are drawn again for an interval.
const RESAMPLES: usize = 400;

/// Values measured, each with the run that it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Ascending once it is sealed.
    values: Vec<(u64, u32)>,
}

/// A share of a thousand: where in a sample a percentile stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permille(pub u32);

/// Half of the values are no greater.
pub const MEDIAN: Permille = Permille(500);
/// 99 of 100 are no greater.
pub const P99: Permille = Permille(990);
/// 999 of 1,000 are no greater.
pub const P999: Permille = Permille(999);

impl Sample {
    /// Of these values, each of a run of its own.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = u64>) -> Self {
        let mut sample = Sample { values: values.into_iter().zip(0..).collect() };
        sample.sort();
        sample
    }

    /// Of spans, each with its run.
    #[must_use]
    pub fn of_spans(values: impl IntoIterator<Item = (Duration, u32)>) -> Self {
        let mut sample = Sample { values: values.into_iter().map(|(span, run)| (nanos(span), run)).collect() };
        sample.sort();
        sample
    }

    fn sort(&mut self) {
        self.values.sort_unstable();
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The least value; none if there is none.
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        self.values.first().map(|(value, _)| *value)
    }

    /// The greatest value; none if there is none.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        self.values.last().map(|(value, _)| *value)
    }

    /// The mean, rounded down.
    #[must_use]
    pub fn mean(&self) -> Option<u64> {
        let sum: u128 = self.values.iter().map(|(value, _)| u128::from(*value)).sum();
        sum.checked_div(self.values.len() as u128).map(|mean| mean as u64)
    }

    /// The percentile by nearest rank: the least value that so large a share of all does not exceed.
    #[must_use]
    pub fn percentile(&self, at: Permille) -> Option<u64> {
        let rank = (self.values.len() as u64 * u64::from(at.0)).div_ceil(1_000).max(1);
        self.values.get(rank as usize - 1).map(|(value, _)| *value)
    }

    /// The 95 % interval of a percentile: from values of independent runs by order statistics, else by drawing runs
    /// again.
    #[must_use]
    pub fn interval(&self, at: Permille) -> Interval {
        if self.runs_hang_together() { self.redrawn(at) } else { self.by_ranks(at) }
    }

    /// Whether some run gave more than one value.
    fn runs_hang_together(&self) -> bool {
        let mut runs: Vec<u32> = self.values.iter().map(|(_, run)| *run).collect();
        runs.sort_unstable();
        runs.windows(2).any(|pair| pair[0] == pair[1])
    }

    fn by_ranks(&self, at: Permille) -> Interval {
        let (low, high) = interval::ranks(self.values.len() as u64, at.0);
        let value = |rank: u64| self.values.get(rank as usize - 1).map(|(value, _)| *value as f64);
        Interval { low: low.and_then(value), high: high.and_then(value) }
    }

    fn redrawn(&self, at: Permille) -> Interval {
        let runs = self.values.iter().map(|(_, run)| *run as usize + 1).max().unwrap_or(0);
        if runs < 2 {
            return Interval::default();
        }

        let mut random = Random::new(u64::from(at.0), "redraw");
        let mut found: Vec<u64> = Vec::with_capacity(RESAMPLES);
        let mut times = vec![0_u64; runs];

        // As many whole runs as there are, each drawn by itself: one may come twice, and another not at all.
        for _ in 0..RESAMPLES {
            times.fill(0);
            (0..runs).for_each(|_| times[random.below(runs as u64) as usize] += 1);
            let count: u64 = self.values.iter().map(|(_, run)| times[*run as usize]).sum();
            let mut left = (count * u64::from(at.0)).div_ceil(1_000).max(1);
            let reached = self.values.iter().find(|(_, run)| {
                let many = times[*run as usize];
                left = left.saturating_sub(many);
                left == 0
            });
            found.extend(reached.map(|(value, _)| *value));
        }

        found.sort_unstable();
        let place = |share: usize| found.get((found.len() * share / 1_000).min(found.len().saturating_sub(1)));
        Interval { low: place(25).map(|low| *low as f64), high: place(975).map(|high| *high as f64) }
    }
}
