//! The one clock: what the operating system's monotonic clock says, as moments the protocol understands.
//!
//! Everything below `runtime` is told the time. The monotonic clock never goes back and, on Linux, does not count the
//! time a machine is suspended, so that a laptop which slept wakes to one period and not to a burst of overdue ones.

#![allow(clippy::disallowed_types)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::member::Generation;
use crate::time::Instant;

/// A node's own timeline: its origin is the moment the node was built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A timeline that begins now.
    pub(crate) fn start() -> Self {
        Clock { origin: std::time::Instant::now() }
    }

    /// Where this node's timeline stands.
    pub(crate) fn now(&self) -> Instant {
        Instant::ORIGIN + self.origin.elapsed()
    }

    /// The moment of `deadline` for tokio's timer, at most an hour away: nothing is lost by waking up for nothing once
    /// an hour, and a moment that never comes needs no case of its own.
    pub(crate) fn timer(&self, deadline: Option<Instant>, now: Instant) -> tokio::time::Instant {
        let furthest = now + Duration::from_secs(3_600);
        let at = deadline.map_or(furthest, |deadline| deadline.min(furthest));
        let origin = tokio::time::Instant::from_std(self.origin);
        origin.checked_add(at.since(Instant::ORIGIN)).unwrap_or(origin)
    }
}

/// The generation of a process that starts now: Unix milliseconds. The protocol outbids its own past by itself.
pub(crate) fn generation_now() -> Generation {
    Generation(unix_ms())
}

/// Milliseconds since 1970 by the wall clock, which may be wrong and may be set back; 0 for a clock before 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_back_and_caps_a_far_timer() {
        let clock = Clock::start();
        let (first, second) = (clock.now(), clock.now());
        assert!(second >= first);
        let hour = clock.timer(Some(Instant::NEVER), first) - clock.timer(Some(first), first);
        assert_eq!(hour, Duration::from_secs(3_600));
        assert_eq!(clock.timer(None, first), clock.timer(Some(Instant::NEVER), first));
    }
}
