//! Round-trip times, and the retry timeout that follows from them (`protocol.md 4.2`).
//!
//! The smoothed mean and deviation of RFC 6298 in integers. Every attempt has a nonce of its own, so that an answer
//! always names the ping it answers and Karn's ambiguity cannot arise. A member that was never sampled is given twice
//! the estimate pooled over everyone: the configured cap would make a fresh node slow for n seconds (measured: first
//! Suspect 1.7 s against 1.0 s).

use std::time::Duration;

/// An estimate; zero until the first sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rtt {
    mean_us: u32,
    deviation_us: u32,
}

impl Rtt {
    pub(crate) fn sample(&mut self, rtt: Duration) {
        let sample = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX).clamp(1, 60_000_000);
        if self.mean_us == 0 {
            *self = Rtt { mean_us: sample, deviation_us: sample / 2 };
            return;
        }
        let error = self.mean_us.abs_diff(sample);
        self.deviation_us = self.deviation_us - self.deviation_us / 4 + error / 4;
        self.mean_us = (self.mean_us - self.mean_us / 8 + sample / 8).max(1);
    }

    /// Mean plus four deviations, or none before the first sample.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        (self.mean_us > 0).then(|| Duration::from_micros(u64::from(self.mean_us) + 4 * u64::from(self.deviation_us)))
    }
}

/// The retry timeout for one member, within its minimum and its cap.
pub(crate) fn retry_timeout(
    own: Option<Duration>,
    pooled: Option<Duration>,
    least: Duration,
    cap: Duration,
) -> Duration {
    own.or(pooled.map(|pooled| pooled * 2)).unwrap_or(cap).clamp(least, cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn follows_its_samples() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.timeout(), None);
        rtt.sample(MS(10));
        assert_eq!(rtt.timeout(), Some(MS(30)));
        for _ in 0..100 {
            rtt.sample(MS(10));
        }
        let settled = rtt.timeout().unwrap();
        assert!(settled >= MS(9) && settled < MS(12), "{settled:?}");
        rtt.sample(MS(100));
        assert!(rtt.timeout().unwrap() > MS(80));
    }

    #[test]
    fn unsampled_takes_twice_the_pool_within_bounds() {
        assert_eq!(retry_timeout(None, None, MS(100), MS(500)), MS(500));
        assert_eq!(retry_timeout(None, Some(MS(80)), MS(100), MS(500)), MS(160));
        assert_eq!(retry_timeout(Some(MS(3)), Some(MS(80)), MS(100), MS(500)), MS(100));
        assert_eq!(retry_timeout(Some(MS(3_000)), None, MS(100), MS(500)), MS(500));
    }
}
