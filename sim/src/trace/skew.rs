//! What a host says in its own clock's time, said in true time.

use tidings::why::{Cause, Step};
use tidings::{Event, Instant, Why};

/// What a host's clock reads at a true moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Skew {
    pub(crate) read: Instant,
    pub(crate) at: Instant,
}

impl Skew {
    /// The true moment of one that the host's clock named, as far as the clock ran evenly.
    fn truly(self, named: Instant) -> Instant {
        if named >= self.read { self.at + named.since(self.read) } else { self.at - self.read.since(named) }
    }

    /// An event in true time.
    pub(crate) fn event(self, mut event: Event) -> Event {
        if let Event::Suspect { dead_after, dead_by, .. } = &mut event {
            *dead_after = self.truly(*dead_after);
            *dead_by = self.truly(*dead_by);
        }
        if let Event::Leader { leader, .. } | Event::LeaderUpdated { leader } | Event::LeaderLost { leader, .. } =
            &mut event
        {
            leader.since = self.truly(leader.since);
        }
        event
    }

    /// A reason in true time.
    pub(crate) fn why(self, mut why: Why) -> Why {
        why.start = self.truly(why.start);
        for Step { at, what } in &mut why.steps {
            *at = self.truly(*at);
            if let Cause::Answered { sent: moment } | Cause::Verdict { since: moment, .. } = what {
                *moment = self.truly(*moment);
            }
        }
        why
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_before_and_after_are_as_far_from_now_as_they_were() {
        let at = |s: u64| Instant::from_nanos(s * 1_000_000_000);
        let skew = Skew { read: at(500), at: at(20) };
        assert_eq!([skew.truly(at(503)), skew.truly(at(490)), skew.truly(at(1))], [at(23), at(10), Instant::ORIGIN]);
        assert_eq!(skew.truly(at(500) + Duration::from_millis(1)), at(20) + Duration::from_millis(1));
    }
}
