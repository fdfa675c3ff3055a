//! How many bytes of one kind may go out: so many a second, with what was not used saved up for a
//! while (`protocol.md 7.4`).
//!
//! The last item may be longer than what is left; the debt is paid before the next, so that the mean is exact.

use std::time::Duration;

use crate::time::Instant;

const SECOND_NANOS: u128 = 1_000_000_000;

/// A token bucket in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    /// What may be sent at once; less than nothing is a debt.
    bytes: i64,
    per_second: u32,
    burst: i64,
    filled_at: Instant,
}

impl Meter {
    /// A full meter: `burst` says for how long what is not used is saved up.
    pub(crate) fn new(now: Instant, per_second: u32, burst: Duration) -> Self {
        let per_second = per_second.max(1);
        let burst = i64::try_from(u128::from(per_second) * burst.as_nanos() / SECOND_NANOS).unwrap_or(i64::MAX).max(1);
        Meter { bytes: burst, per_second, burst, filled_at: now }
    }

    /// Whether something may be sent.
    pub(crate) fn has_any(&mut self, now: Instant) -> bool {
        if self.filled_at != now {
            self.fill(now);
        }
        self.bytes > 0
    }

    fn fill(&mut self, now: Instant) {
        let earned = now.since(self.filled_at).as_nanos() * u128::from(self.per_second) / SECOND_NANOS;
        let earned = i64::try_from(earned).unwrap_or(i64::MAX);
        self.bytes = self.bytes.saturating_add(earned).min(self.burst);
        self.filled_at = if self.bytes == self.burst { now } else { self.filled_at + self.time_for(earned) };
    }

    /// So many bytes went out.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// When something may be sent again; as of the last look.
    pub(crate) fn next_at(&self) -> Instant {
        self.filled_at + self.time_for(1_i64.saturating_sub(self.bytes).max(0))
    }

    /// How long it takes to earn so many bytes, rounded up.
    fn time_for(&self, bytes: i64) -> Duration {
        let nanos = (u128::from(bytes.unsigned_abs()) * SECOND_NANOS).div_ceil(u128::from(self.per_second));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(ms)
    }

    #[test]
    fn saves_up_its_burst_and_pays_its_debt() {
        let mut meter = Meter::new(at(0), 1_000, Duration::from_secs(2));
        assert!(meter.has_any(at(0)));
        meter.take(2_300);
        assert!(!meter.has_any(at(0)));
        assert_eq!(meter.next_at(), at(301));
        assert!(!meter.has_any(at(300)) && meter.has_any(at(301)));
        meter.take(1);
        assert!(meter.has_any(at(99_000)));
        meter.take(2_000);
        assert!(!meter.has_any(at(99_000)), "no more than the burst was saved up");
    }

    #[test]
    fn looking_often_loses_nothing() {
        let mut meter = Meter::new(at(0), 999, Duration::from_secs(1));
        let mut sent = 0;
        for tick in 1..=100_000_u64 {
            while meter.has_any(Instant::from_nanos(tick * 333_333)) {
                meter.take(100);
                sent += 100;
            }
        }
        // 33.3 s at 999 bytes a second, and the burst.
        assert!((34_200..=34_400).contains(&sent), "{sent}");
    }
}
