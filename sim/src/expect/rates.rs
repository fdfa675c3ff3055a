//! What hosts send and receive at most in a span, as an expectation has it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::Instant;

use crate::random::nanos;

/// Whose datagrams are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// Those that the hosts send.
    Sent,
    /// Those that are sent to the hosts' addresses, whether or not a process is there.
    Received,
}

/// What each host may send or receive on average over the hosts meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// Datagrams in a minute.
    pub per_minute: u64,
    /// Bytes of them in a second, if those matter.
    pub bytes_per_s: Option<u64>,
}

/// What was counted, by host.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts(Vec<(u64, u64)>);

impl Counts {
    pub(super) fn count(&mut self, host: u32, bytes: usize) {
        let place = host as usize;
        if self.0.len() <= place {
            self.0.resize(place + 1, (0, 0));
        }
        self.0[place].0 += 1;
        self.0[place].1 += bytes as u64;
    }

    /// What is too much in a span, in words; none if nothing is.
    pub(super) fn excess(&self, hosts: &[u32], from: Instant, end: Instant, ceiling: Ceiling) -> Option<String> {
        let of = |host: &u32| self.0.get(*host as usize).copied().unwrap_or_default();
        let (datagrams, bytes) = hosts.iter().map(of).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let span = u128::from(nanos(end.since(from)).max(1));
        let each = |count: u64, unit: Duration| {
            u128::from(count) * u128::from(nanos(unit)) * 1_000 / span / hosts.len().max(1) as u128
        };
        let per_minute = each(datagrams, Duration::from_secs(60));
        let bytes_per_s = each(bytes, Duration::from_secs(1));
        let is_over = per_minute > u128::from(ceiling.per_minute) * 1_000
            || ceiling.bytes_per_s.is_some_and(|most| bytes_per_s > u128::from(most) * 1_000);
        let text = || {
            let (whole, rest) = (per_minute / 1_000, per_minute % 1_000);
            format!("{whole}.{rest:03} datagrams a minute and {} bytes a second were counted", bytes_per_s / 1_000)
        };
        is_over.then(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_of_those_meant_counts() {
        let mut counts = Counts::default();
        (0..60).for_each(|_| counts.count(1, 100));
        (0..30).for_each(|_| counts.count(2, 100));
        let end = Instant::ORIGIN + Duration::from_secs(60);
        let excess = |hosts: &[u32], per_minute, bytes_per_s| {
            counts.excess(hosts, Instant::ORIGIN, end, Ceiling { per_minute, bytes_per_s })
        };
        assert_eq!((excess(&[1], 60, Some(100)), excess(&[1, 2], 45, None)), (None, None));
        assert!(excess(&[1], 59, None).is_some_and(|text| text.starts_with("60.000 datagrams")));
        assert!(excess(&[1, 2], 44, None).is_some() && excess(&[1], 60, Some(99)).is_some());
        assert_eq!(excess(&[7], 0, None), None);
    }
}
