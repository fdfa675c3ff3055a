//! The one clock: what the operating system's monotonic clock says, as moments the protocol understands.
//!
//! Everything below `runtime` is told the time. A monotonic clock never goes back, but many stand still while the
//! machine is suspended, and a leader that counted its lease by one of those would wake up and believe in a lease that
//! the others saw end long ago. So this is the clock that counts suspended time where the platform is known to have
//! one: `CLOCK_BOOTTIME` on Linux and Android, `CLOCK_MONOTONIC` on Apple's systems (std's `Instant` stands still
//! there). Elsewhere it is std's `Instant`, which counts suspended time on some systems and not on others. No clock
//! counts the time for which a hypervisor stops a virtual machine without telling it.
//!
//! A node that slept is simply late: it wakes to one period and not to a burst of overdue ones, and judges no member
//! before others answered it.

#![allow(clippy::disallowed_types)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::member::Generation;
use crate::time::Instant;

/// How far away a timer is set at most: nothing is lost by waking up for nothing once an hour, and a moment that never
/// comes needs no case of its own.
const FURTHEST: Duration = Duration::from_secs(3_600);

/// A node's own timeline: its origin is the moment the node was built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: source::Reading,
}

impl Clock {
    /// A timeline that begins now.
    pub(crate) fn start() -> Self {
        Clock { origin: source::Reading::take() }
    }

    /// Where this node's timeline stands.
    pub(crate) fn now(&self) -> Instant {
        Instant::ORIGIN + self.origin.elapsed()
    }

    /// The moment of `deadline` for tokio's timer, at most an hour away, given where this timeline stands.
    ///
    /// tokio's clock may stand still while the machine is suspended, so the two are tied together anew by each call,
    /// and two calls for one deadline differ by a little. A wait that a suspension interrupts ends late by what was
    /// left of it at most: the node wakes late then, but counts the time right.
    pub(crate) fn timer(&self, deadline: Option<Instant>, now: Instant) -> tokio::time::Instant {
        let left = deadline.map_or(FURTHEST, |deadline| deadline.since(now).min(FURTHEST));
        let theirs = tokio::time::Instant::now();
        theirs.checked_add(left).unwrap_or(theirs)
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
mod source {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    #[cfg(not(target_vendor = "apple"))]
    const COUNTS_SUSPENDED_TIME: ClockId = ClockId::Boottime;
    #[cfg(target_vendor = "apple")]
    const COUNTS_SUSPENDED_TIME: ClockId = ClockId::Monotonic;

    /// What the clock said: the time since some moment before the process began.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Reading(pub(super) Duration);

    impl Reading {
        pub(super) fn take() -> Self {
            // A time before that moment is none that this clock can say.
            Reading(clock_gettime(COUNTS_SUSPENDED_TIME).try_into().unwrap_or_default())
        }

        pub(super) fn elapsed(self) -> Duration {
            Reading::take().0.saturating_sub(self.0)
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
mod source {
    use std::time::{Duration, Instant};

    /// What the clock said.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Reading(Instant);

    impl Reading {
        pub(super) fn take() -> Self {
            Reading(Instant::now())
        }

        pub(super) fn elapsed(self) -> Duration {
            self.0.elapsed()
        }
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

/// Where a node's timeline begins by the wall clock, for showing its moments to people.
///
/// The wall clock may be set while the node runs, so it is read anew each time; but two readings within a blink give
/// one answer, or the same moment would be shown at two times.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WallOrigin {
    kept_ms: Option<u64>,
}

impl WallOrigin {
    /// How far two readings may lie apart and still be taken for one, in milliseconds.
    const BLINK_MS: u64 = 50;

    /// The origin, in Unix milliseconds, given that the wall clock says `unix_ms` now.
    pub(crate) fn at(&mut self, now: Instant, unix_ms: u64) -> u64 {
        let fresh = unix_ms.saturating_sub(now.as_nanos() / 1_000_000);
        let kept = self.kept_ms.filter(|kept| kept.abs_diff(fresh) <= Self::BLINK_MS);
        *self.kept_ms.insert(kept.unwrap_or(fresh))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant as Theirs;

    use super::*;

    #[test]
    fn never_goes_back() {
        let clock = Clock::start();
        let (first, second) = (clock.now(), clock.now());
        assert!(second >= first);
    }

    #[test]
    fn the_origin_is_steady_until_the_wall_clock_is_set() {
        let mut wall = WallOrigin::default();
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        for (now, unix_ms, origin) in [(10, 1_010, 1_000), (20, 1_021, 1_000), (30, 1_080, 1_000), (40, 9_040, 9_000)] {
            assert_eq!(wall.at(at(now), unix_ms), origin, "{now}");
        }
        assert_eq!(wall.at(at(100), 7), 0, "a timeline that is older than 1970");
    }

    #[test]
    fn a_timer_is_what_is_left_by_our_clock_from_now_by_theirs_and_an_hour_at_most() {
        let clock = Clock::start();
        let now = Instant::ORIGIN + Duration::from_secs(86_400);
        let second = Duration::from_secs(1);
        let table = [
            (Some(now + second), second),
            (Some(now), Duration::ZERO),
            (Some(now - second), Duration::ZERO),
            (Some(now + FURTHEST + second), FURTHEST),
            (Some(Instant::NEVER), FURTHEST),
            (None, FURTHEST),
        ];
        for (deadline, left) in table {
            let before = Theirs::now();
            let timer = clock.timer(deadline, now);
            assert!(before + left <= timer && timer <= Theirs::now() + left, "{deadline:?}");
        }
    }

    /// No test can suspend the machine, but a namespace can shift the clock that counts suspension, and that one alone.
    #[cfg(target_os = "linux")]
    #[test]
    fn reads_the_clock_that_counts_suspended_time() {
        const SHIFT: &str = "1000000000";
        const INSIDE: &str = "TIDINGS_TEST_SHIFTED_CLOCK";
        if std::env::var_os(INSIDE).is_some() {
            let shift: u64 = SHIFT.parse().unwrap();
            assert!(source::Reading::take().0 >= Duration::from_secs(shift));
            return;
        }
        let unshare = |args: &[&str]| {
            let shift = ["--time", "--fork", "--kill-child", "--boottime", SHIFT];
            let mut command = std::process::Command::new("unshare");
            command.args(shift).args(args).env(INSIDE, "1").output()
        };
        if !unshare(&["true"]).is_ok_and(|done| done.status.success()) {
            eprintln!("SKIPPED: no time namespace here, so which clock is read stays unseen");
            return;
        }
        let test = std::env::current_exe().unwrap();
        let name = "runtime::clock::tests::reads_the_clock_that_counts_suspended_time";
        let done = unshare(&[test.to_str().unwrap(), "--exact", name, "--nocapture"]).unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("1 passed"), "{said}");
    }
}
