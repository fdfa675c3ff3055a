//! A host's own clock: set off from the world's true time, fast or slow, jumping, or standing still.
//!
//! The protocol is told this clock's time and names its deadlines in it; the world keeps true time. Integers only.

use std::time::Duration;

use tidings::Instant;

use crate::random::nanos;

/// A host's own clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// A true moment, and what this clock said then.
    since: Instant,
    read: Instant,
    /// How much faster than true time it runs, in parts of a million.
    ppm: i64,
}

impl Clock {
    /// A clock that says `read` at the true moment `now` and runs true.
    #[must_use]
    pub fn new(now: Instant, read: Instant) -> Self {
        Clock { since: now, read, ppm: 0 }
    }

    /// What it says at a true moment.
    #[must_use]
    pub fn read(&self, now: Instant) -> Instant {
        self.read + Duration::from_nanos(scaled(nanos(now.since(self.since)), 1_000_000, self.rate()))
    }

    /// The first true moment at which it says `read`.
    #[must_use]
    pub fn when(&self, read: Instant) -> Instant {
        if read == Instant::NEVER {
            return Instant::NEVER;
        }
        let ahead = nanos(read.since(self.read));
        self.since
            + Duration::from_nanos(scaled(ahead, self.rate(), 1_000_000).saturating_add(u64::from(self.ppm != 0)))
    }

    /// By how much it is fast, in parts of a million.
    #[must_use]
    pub fn ppm(&self) -> i64 {
        self.ppm
    }

    /// From now on it runs so many parts of a million fast, or slow when negative.
    pub fn drift(&mut self, now: Instant, ppm: i64) {
        *self = Clock { since: now, read: self.read(now), ppm: ppm.clamp(-900_000, 900_000) };
    }

    /// It jumps ahead.
    pub fn step_ahead(&mut self, now: Instant, by: Duration) {
        *self = Clock { since: now, read: self.read(now) + by, ..*self };
    }

    /// It jumps back, which a monotonic clock never should.
    pub fn step_back(&mut self, now: Instant, by: Duration) {
        *self = Clock { since: now, read: self.read(now) - by, ..*self };
    }

    /// It stood still for so long until now, as while a machine sleeps.
    pub fn stood_still(&mut self, now: Instant, span: Duration) {
        self.step_back(now, Duration::from_nanos(scaled(nanos(span), 1_000_000, self.rate())));
    }

    fn rate(&self) -> u64 {
        1_000_000_u64.saturating_add_signed(self.ppm)
    }
}

/// `value` in proportion of `from` to `to`.
fn scaled(value: u64, from: u64, to: u64) -> u64 {
    if from == to {
        return value;
    }
    u64::try_from(u128::from(value) * u128::from(to) / u128::from(from.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_deadline_read_is_never_early_and_barely_late() {
        for ppm in [0, 10_000, -10_000, 333, -7] {
            let start = Instant::from_nanos(5_000_000_000);
            let mut clock = Clock::new(start, Instant::from_nanos(77));
            clock.drift(start + SECOND, ppm);
            for ahead in [1, 999, 123_456_789, 3_600_000_000_000] {
                let deadline = clock.read(start + SECOND * 2) + Duration::from_nanos(ahead);
                let when = clock.when(deadline);
                assert!(clock.read(when) >= deadline, "{ppm} {ahead}");
                assert!(clock.read(when).since(deadline) <= Duration::from_nanos(3), "{ppm} {ahead}");
            }
        }
    }

    #[test]
    fn it_jumps_and_stands_still() {
        let start = Instant::from_nanos(5_000_000_000);
        let mut clock = Clock::new(start, start);
        clock.step_ahead(start + SECOND, SECOND * 10);
        assert_eq!(clock.read(start + SECOND * 2), start + SECOND * 12);
        clock.stood_still(start + SECOND * 5, SECOND * 3);
        assert_eq!(clock.read(start + SECOND * 5), start + SECOND * 12);
        clock.step_back(start + SECOND * 5, SECOND * 2);
        assert_eq!(clock.read(start + SECOND * 6), start + SECOND * 11);
    }
}
