//! The deadlines of the whole machine, one for each kind, soonest first.
//!
//! A mechanism that watches many things (suspicions, relays) names the soonest of its own. Setting a deadline replaces
//! the old one, so that nothing stale ever wakes the driver.

use crate::time::Instant;

/// What a deadline is for, in the order in which equal ones fire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    Relays,
    Rounds,
    Tick,
    Suspicions,
    Forward,
    Sync,
    Join,
    Leave,
    Whereabouts,
    Metadata,
    Flapping,
}

const ALL: [Timer; 11] = [
    Timer::Relays,
    Timer::Rounds,
    Timer::Tick,
    Timer::Suspicions,
    Timer::Forward,
    Timer::Sync,
    Timer::Join,
    Timer::Leave,
    Timer::Whereabouts,
    Timer::Metadata,
    Timer::Flapping,
];

#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers([Instant; ALL.len()]);

impl Timers {
    pub(crate) fn new() -> Self {
        Timers([Instant::NEVER; ALL.len()])
    }

    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = at;
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.set(timer, Instant::NEVER);
    }

    pub(crate) fn at(&self, timer: Timer) -> Instant {
        self.0[timer as usize]
    }

    pub(crate) fn soonest(&self) -> Option<Instant> {
        self.0.iter().min().copied().filter(|at| *at != Instant::NEVER)
    }

    /// Takes the soonest deadline that has come, clearing it.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let timer = ALL.into_iter().min_by_key(|timer| self.at(*timer))?;
        let due = self.at(timer) <= now && self.at(timer) != Instant::NEVER;
        due.then(|| {
            self.clear(timer);
            timer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fires_soonest_first_and_each_once() {
        let at = Instant::from_nanos;
        let mut timers = Timers::new();
        assert_eq!((timers.soonest(), timers.take_due(Instant::NEVER)), (None, None));
        timers.set(Timer::Tick, at(5));
        timers.set(Timer::Sync, at(3));
        timers.set(Timer::Tick, at(4));
        assert_eq!(timers.soonest(), Some(at(3)));
        assert_eq!(timers.take_due(at(2)), None);
        assert_eq!(timers.take_due(at(9)), Some(Timer::Sync));
        assert_eq!(timers.take_due(at(9)), Some(Timer::Tick));
        assert_eq!(timers.take_due(at(9)), None);
    }
}
