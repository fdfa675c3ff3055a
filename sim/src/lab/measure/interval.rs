//! Intervals that hold the true value in 95 of 100 cases, by exact sums rather than approximations.
//!
//! Nothing but the four operations and a square root is used, which every machine rounds alike, so that the same
//! figures come out everywhere. A count of zero says something too: the true mean is below 3 with that certainty (the
//! rule of three).

/// A range that holds the true value in 95 of 100 cases; an end that the sample is too small to know is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Interval {
    /// No less than this.
    pub low: Option<f64>,
    /// No more than this.
    pub high: Option<f64>,
}

/// What each side may miss.
const MISSED: f64 = 0.025;
/// A mean above this is seen as no event at all in less than 5 of 100 cases: the rule of three.
const NONE_SEEN_MAX: f64 = 3.0;
/// The normal deviate that 95 of 100 do not exceed.
const DEVIATE: f64 = 1.959_964;
/// Weights below this are nothing beside those of the middle.
const NOTHING: f64 = 1e-20;

/// Between which ranks of `count` values, counted from 1, a percentile lies.
#[must_use]
pub fn ranks(count: u64, permille: u32) -> (Option<u64>, Option<u64>) {
    let share = f64::from(permille) / 1_000.0;
    // How many of the values lie below the percentile: each does with the same chance.
    let below = weights(count, share);
    let (mut sum, mut low, mut high) = (0.0, None, None);
    for (found, weight) in (0..).zip(below) {
        sum += weight;
        if sum <= MISSED {
            low = Some(found + 1);
        }
        if high.is_none() && sum >= 1.0 - MISSED {
            high = Some(found + 1);
        }
    }
    (low.filter(|rank| *rank <= count), high.filter(|rank| *rank <= count))
}

/// The binomial distribution, made from its middle outwards so that nothing overflows.
fn weights(count: u64, share: f64) -> Vec<f64> {
    let middle = ((count as f64 * share) as u64).min(count) as usize;
    let mut weights = vec![0.0; count as usize + 1];
    let odds = share / (1.0 - share);
    weights[middle] = 1.0;
    for found in middle..count as usize {
        weights[found + 1] = weights[found] * odds * (count as usize - found) as f64 / (found + 1) as f64;
    }
    for found in (0..middle).rev() {
        weights[found] = weights[found + 1] / odds * (found + 1) as f64 / (count as usize - found) as f64;
    }
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// The mean that so many events came from (Poisson, Garwood's exact interval; for none the rule of three).
#[must_use]
pub fn count(events: u64) -> Interval {
    if events == 0 {
        return Interval { low: Some(0.0), high: Some(NONE_SEEN_MAX) };
    }
    let (mut low, mut high) = (0.0, events as f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if 1.0 - poisson_to(events - 1, middle) < MISSED { low = middle } else { high = middle }
    }
    let least = low;
    let root = (events as f64).sqrt();
    (low, high) = (events as f64, events as f64 + 6.0 * root + 10.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if poisson_to(events, middle) < MISSED { high = middle } else { low = middle }
    }
    Interval { low: Some(least), high: Some(high) }
}

/// The chance of at most so many events where `mean` are expected.
fn poisson_to(events: u64, mean: f64) -> f64 {
    let middle = mean as u64;
    let (mut total, mut within) = (1.0, if middle <= events { 1.0 } else { 0.0 });
    let mut add = |at: u64, weight: f64| {
        total += weight;
        within += if at <= events { weight } else { 0.0 };
    };

    // Weights are relative to that of the middle, first below it, then above, until they add nothing.
    let (mut weight, mut at) = (1.0, middle);
    while at > 0 && weight > NOTHING {
        weight *= at as f64 / mean;
        at -= 1;
        add(at, weight);
    }

    (weight, at) = (1.0, middle);
    while weight > NOTHING {
        at += 1;
        weight *= mean / at as f64;
        add(at, weight);
    }

    within / total
}

/// The chance that so many hits among so many tries came from (Wilson's interval).
#[must_use]
pub fn share(hits: u64, tries: u64) -> Interval {
    if tries == 0 {
        return Interval::default();
    }
    let (tries, squared) = (tries as f64, DEVIATE * DEVIATE);
    let found = hits as f64 / tries;
    let scale = 1.0 + squared / tries;
    let middle = (found + squared / (2.0 * tries)) / scale;
    let reach = DEVIATE * (found * (1.0 - found) / tries + squared / (4.0 * tries * tries)).sqrt() / scale;
    Interval { low: Some((middle - reach).max(0.0)), high: Some((middle + reach).min(1.0)) }
}
