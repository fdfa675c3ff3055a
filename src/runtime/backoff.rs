//! How often a standing mistake is told again: at once, then at doubling intervals, then once an hour.
//!
//! A line a second hides the other lines, and a single line is missed by an operator who looks an hour later. All
//! warnings that may repeat are spaced by this one rule.

use std::time::Duration;

use crate::time::Instant;

/// From the first line to the second. Chosen: a minute is what an operator gives a restart before looking again.
const FIRST: Duration = Duration::from_secs(60);
/// The longest interval between two lines.
const LONGEST: Duration = Duration::from_secs(3_600);

/// When one thing may be told again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    /// When it was told last, and how long it then rests; none before the first time.
    told: Option<(Instant, Duration)>,
}

impl Backoff {
    /// Whether it may be told now; if so it counts as told. After an hour in which it could have been told and was not,
    /// it begins anew.
    pub(crate) fn takes_turn(&mut self, now: Instant) -> bool {
        let rest = match self.told {
            None => FIRST,
            Some((told, rest)) => match now.since(told) {
                passed if passed < rest => return false,
                passed if passed >= rest + LONGEST => FIRST,
                _ => (rest * 2).min(LONGEST),
            },
        };
        self.told = Some((now, rest));
        true
    }

    /// The earliest moment at which it may be told.
    pub(crate) fn next_at(&self) -> Instant {
        self.told.map_or(Instant::ORIGIN, |(told, rest)| told + rest)
    }
}

/// Things told apart by a value: each value has its own back-off, and a bounded number is remembered, the latest.
#[derive(Clone, Debug)]
pub(crate) struct Backoffs<K> {
    told: Vec<(K, Backoff)>,
}

/// Values remembered at most. A value beyond them is told as if it were new.
const VALUES_MAX: usize = 32;

impl<K> Default for Backoffs<K> {
    fn default() -> Self {
        Backoffs { told: Vec::new() }
    }
}

impl<K: PartialEq> Backoffs<K> {
    /// As [`Backoff::takes_turn`], of this value.
    pub(crate) fn takes_turn(&mut self, now: Instant, value: K) -> bool {
        if let Some((_, backoff)) = self.told.iter_mut().find(|(known, _)| *known == value) {
            return backoff.takes_turn(now);
        }
        if self.told.len() >= VALUES_MAX {
            self.told.remove(0);
        }
        let mut backoff = Backoff::default();
        let is_due = backoff.takes_turn(now);
        self.told.push((value, backoff));
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    /// The seconds at which something is told that could be told each second.
    fn told(mut takes_turn: impl FnMut(u64) -> bool, seconds: u64) -> Vec<u64> {
        (0..seconds).filter(|second| takes_turn(*second)).collect()
    }

    #[test]
    fn at_once_then_doubling_up_to_an_hour() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next_at(), at(0));
        let told = told(|second| backoff.takes_turn(at(second)), 16_000);
        assert_eq!(told, [0, 60, 180, 420, 900, 1_860, 3_780, 7_380, 10_980, 14_580]);
        assert_eq!(backoff.next_at(), at(18_180));
    }

    #[test]
    fn after_an_hour_of_quiet_it_begins_anew() {
        let mut backoff = Backoff::default();
        for (second, is_told) in [(0, true), (59, false), (60, true), (179, false), (3_779, true), (3_898, false)] {
            assert_eq!(backoff.takes_turn(at(second)), is_told, "{second}");
        }
        assert!(backoff.takes_turn(at(3_779 + 3_600 + 240)), "quiet for long");
        assert_eq!(backoff.next_at(), at(3_779 + 3_600 + 240 + 60));
    }

    #[test]
    fn each_value_has_its_own_and_the_latest_are_remembered() {
        let mut backoffs = Backoffs::default();
        assert!(backoffs.takes_turn(at(0), 1) && backoffs.takes_turn(at(0), 2));
        assert!(!backoffs.takes_turn(at(59), 1) && backoffs.takes_turn(at(60), 2));
        for value in 3..3 + VALUES_MAX {
            assert!(backoffs.takes_turn(at(61), value));
        }
        assert_eq!(backoffs.told.len(), VALUES_MAX);
        assert!(backoffs.takes_turn(at(62), 1), "forgotten, so told as if new");
    }
}
