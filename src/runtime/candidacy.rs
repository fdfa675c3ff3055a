//! Whether this node is a candidate of one election: what its application wants, and how its work went.
//!
//! A node that stands with work stands while it has a future of `lead` or a candidate and is eligible, and gives
//! leadership up as soon as it has none. When work has ended it rests before it stands again; where it failed soon
//! after it began, each time longer, so that a fault of this node's work moves leadership to another instead of through
//! all terms.

use std::time::Duration;

use crate::config::Stands;
use crate::election::Rules;
use crate::time::Instant;

/// Work that fails within so many leases failed quickly.
const QUICK_LEASES: u32 = 10;
/// The shortest rest, in leases: by then leadership is another's.
const REST_LEASES: u32 = 2;
/// The longest rest, where that is longer than the shortest. Chosen: what is mended is tried again within half a
/// minute.
const REST_MAX: Duration = Duration::from_secs(30);
/// Beyond so many doublings every rest is the longest.
const DOUBLINGS_MAX: u32 = 16;

/// What decides whether this node is a candidate of one election.
#[derive(Clone, Debug)]
pub(crate) struct Candidacy {
    stands: Stands,
    lease: Duration,
    pub(crate) is_eligible: bool,
    pub(crate) priority: u8,
    /// How many would work under a lease: futures of `lead`, and candidates.
    workers: usize,
    /// How often in a row work failed quickly.
    quick_failures: u32,
    rests_until: Instant,
}

impl Candidacy {
    pub(crate) fn new(rules: &Rules) -> Self {
        Candidacy {
            stands: rules.stands(),
            lease: rules.lease(),
            is_eligible: true,
            priority: rules.priority(),
            workers: 0,
            quick_failures: 0,
            rests_until: Instant::ORIGIN,
        }
    }

    /// Its priority, if this node is a candidate now.
    pub(crate) fn at(&self, now: Instant) -> Option<u8> {
        let stands = match self.stands {
            Stands::WithWork => self.workers > 0,
            Stands::Always => true,
            Stands::Never => false,
        };
        (stands && self.is_eligible && self.rests_until <= now).then_some(self.priority)
    }

    /// When that may change by itself.
    pub(crate) fn next_at(&self, now: Instant) -> Option<Instant> {
        Some(self.rests_until).filter(|until| *until > now)
    }

    /// Whether a leader without work is a mistake.
    pub(crate) fn needs_work(&self) -> bool {
        self.stands == Stands::WithWork
    }

    pub(crate) fn has_work(&self) -> bool {
        self.workers > 0
    }

    pub(crate) fn join(&mut self) {
        self.workers += 1;
    }

    /// A future of `lead` or a candidate is gone; `did_work` says whether it worked until now.
    pub(crate) fn part(&mut self, now: Instant, did_work: bool) {
        self.workers = self.workers.saturating_sub(1);
        if did_work && self.workers == 0 && self.needs_work() {
            self.quick_failures = 0;
            self.rests_until = now + self.lease * REST_LEASES;
        }
    }

    /// The work failed after so long: leadership is given up, and left to others for a while.
    pub(crate) fn failed(&mut self, now: Instant, worked: Duration) {
        let shortest = self.lease * REST_LEASES;
        let rest = shortest.saturating_mul(1 << self.quick_failures.min(DOUBLINGS_MAX)).min(REST_MAX.max(shortest));
        self.quick_failures = if worked < self.lease * QUICK_LEASES { self.quick_failures + 1 } else { 0 };
        self.rests_until = now + rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ElectionConfig;

    fn candidacy(stands: Stands) -> Candidacy {
        let config = ElectionConfig { stands, priority: 7, ..ElectionConfig::lan("default", ["a"]) };
        Candidacy::new(&Rules::new(&config))
    }

    const fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn who_stands() {
        // When it stands, how many would work, whether it is eligible, and what comes of it.
        let rows = [
            (Stands::WithWork, 0, true, None),
            (Stands::WithWork, 1, true, Some(7)),
            (Stands::WithWork, 2, false, None),
            (Stands::Always, 0, true, Some(7)),
            (Stands::Always, 0, false, None),
            (Stands::Never, 1, true, None),
        ];
        for (stands, workers, is_eligible, expected) in rows {
            let mut candidacy = candidacy(stands);
            candidacy.is_eligible = is_eligible;
            (0..workers).for_each(|_| candidacy.join());
            assert_eq!(candidacy.at(at(0)), expected, "{stands:?} {workers} {is_eligible}");
        }
    }

    #[test]
    fn what_fails_rests_and_what_fails_quickly_rests_ever_longer() {
        let mut candidacy = candidacy(Stands::WithWork);
        candidacy.join();
        let mut now = at(0);
        // For how long the work lasted and how long it then rests, in milliseconds.
        for (worked, rest) in [(10, 1_000), (10, 2_000), (4_999, 4_000), (5_000, 8_000), (10, 1_000), (10, 2_000)] {
            candidacy.failed(now, Duration::from_millis(worked));
            let until = now + Duration::from_millis(rest);
            assert_eq!((candidacy.at(now), candidacy.next_at(now)), (None, Some(until)), "{worked}");
            now = until;
            assert_eq!((candidacy.at(now), candidacy.next_at(now)), (Some(7), None), "{worked}");
        }
        (0..99).for_each(|_| candidacy.failed(now, Duration::ZERO));
        assert_eq!(candidacy.next_at(now), Some(now + REST_MAX));
    }

    #[test]
    fn only_the_last_that_goes_gives_leadership_up() {
        let mut candidacy = candidacy(Stands::WithWork);
        candidacy.join();
        candidacy.join();
        candidacy.part(at(0), true);
        assert_eq!(candidacy.at(at(0)), Some(7));
        candidacy.part(at(0), false);
        assert_eq!((candidacy.at(at(0)), candidacy.next_at(at(0))), (None, None), "it did not work");
        for n in 0..9 {
            candidacy.join();
            candidacy.part(at(n * 10_000), true);
            candidacy.join();
            let stands = |ms| candidacy.at(at(n * 10_000 + ms));
            assert_eq!((stands(999), stands(1_000)), (None, Some(7)), "what is done does not rest longer each time");
            candidacy.part(at(n * 10_000), false);
        }
    }
}
