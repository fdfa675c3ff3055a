//! The late-wake rule: a node that did not run blames itself first (`protocol.md 6.1`).
//!
//! Lateness is `now` minus the soonest deadline that was asked for. Beyond the tolerance it means that this
//! process was stopped, starved or suspended; the silence it sees is its own. One lateness is counted once: while
//! timers have not fired since, only its growth counts. After it, no verdict falls until others have answered, or
//! until 2 P after its deadline.

use std::time::Duration;

use crate::time::Instant;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lateness {
    counted: Duration,
    longest: Duration,
    last: Duration,
    wakes: u64,
    bar: Option<Instant>,
}

/// What a late wake means now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LateWake {
    /// By how much all judgement moves.
    pub(crate) growth: Duration,
    /// Whether this is the first notice of this lateness.
    pub(crate) is_new: bool,
}

impl Lateness {
    /// Judges a call at `now` when `soonest` was the deadline asked for.
    pub(crate) fn observe(&mut self, now: Instant, soonest: Option<Instant>, tolerance: Duration) -> Option<LateWake> {
        let late = soonest.map_or(Duration::ZERO, |soonest| now.since(soonest));
        if late <= tolerance || late <= self.counted {
            return None;
        }

        let is_new = self.counted == Duration::ZERO;
        let growth = late - self.counted;
        self.counted = late;
        self.wakes += u64::from(is_new);
        self.bar = Some(now);
        self.note(late);
        Some(LateWake { growth, is_new })
    }

    /// Timers have fired: a later lateness is a new one.
    pub(crate) fn fired(&mut self, now: Instant, soonest: Option<Instant>) {
        if self.counted == Duration::ZERO {
            self.note(soonest.map_or(Duration::ZERO, |soonest| now.since(soonest)));
        }
        self.counted = Duration::ZERO;
    }

    /// The moment since which others must answer before this node judges anyone, if it stalled.
    pub(crate) fn bar(&self) -> Option<Instant> {
        self.bar
    }

    pub(crate) fn lift_bar(&mut self) {
        self.bar = None;
    }

    pub(crate) fn wakes(&self) -> u64 {
        self.wakes
    }

    pub(crate) fn last(&self) -> Duration {
        self.last
    }

    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }

    fn note(&mut self, late: Duration) {
        self.last = late;
        self.longest = self.longest.max(late);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lateness_counts_once_and_then_by_its_growth() {
        let at = |ms: u64| Instant::ORIGIN + Duration::from_millis(ms);
        let least = Duration::from_millis(100);
        let mut lateness = Lateness::default();
        assert_eq!(lateness.observe(at(1_100), Some(at(1_000)), least), None);
        let wake = lateness.observe(at(3_000), Some(at(1_000)), least).unwrap();
        assert_eq!((wake.growth, wake.is_new), (Duration::from_secs(2), true));
        assert_eq!(lateness.observe(at(3_000), Some(at(1_000)), least), None);
        let wake = lateness.observe(at(3_500), Some(at(1_000)), least).unwrap();
        assert_eq!((wake.growth, wake.is_new), (Duration::from_millis(500), false));
        assert_eq!(lateness.bar(), Some(at(3_500)));
        lateness.fired(at(3_500), Some(at(1_000)));
        assert!(lateness.observe(at(9_000), Some(at(4_000)), least).unwrap().is_new);
        assert_eq!((lateness.wakes(), lateness.longest()), (2, Duration::from_secs(5)));
        assert_eq!(lateness.observe(at(9_999), None, least), None);
    }
}
