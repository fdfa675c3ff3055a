//! A moment on the driver's own timeline, named by the driver and never read from a clock.
//!
//! The core is told what time it is in every call, so that the same code runs over real sockets and in virtual time.
//! All arithmetic saturates: a hostile or absurd duration can make a deadline late, never wrap it into the past.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use serde::{Serialize, Serializer};

/// Nanoseconds since an origin that the driver chose; a u64 of them lasts 584 years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The driver's origin.
    pub const ORIGIN: Instant = Instant(0);
    /// A moment that never comes.
    pub const NEVER: Instant = Instant(u64::MAX);

    /// The moment `nanos` nanoseconds after the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Instant(nanos)
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this moment, or zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_add(nanos(duration)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_sub(nanos(duration)))
    }
}

/// Seconds with microseconds, as traces print them.
impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000)
    }
}

/// Nanoseconds since the origin.
impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let second = Duration::from_secs(1);
        assert_eq!(Instant::NEVER + second, Instant::NEVER);
        assert_eq!(Instant::ORIGIN - second, Instant::ORIGIN);
        assert_eq!(Instant::ORIGIN + Duration::MAX, Instant::NEVER);
        assert_eq!(Instant::ORIGIN.since(Instant::ORIGIN + second), Duration::ZERO);
        assert_eq!((Instant::ORIGIN + second).since(Instant::ORIGIN), second);
    }

    #[test]
    fn prints_seconds_and_microseconds() {
        assert_eq!(format!("{}", Instant::from_nanos(12_000_345_999)), "12.000345s");
    }
}
