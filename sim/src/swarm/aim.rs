//! Draws when a fault happens and which hosts it hits.
//!
//! Everything is over by the end of the chaos, however often it comes back.

use std::time::Duration;

use crate::fault::{Direction, Fault, Flap, Hosts, Links, Planned, Repeat};
use crate::random::nanos;
use crate::swarm::fault::{Draw, MS};
use crate::swarm::round;

/// No fault begins sooner: the hosts have begun to start, and may still be joining.
const FIRST: Duration = Duration::from_millis(500);

impl Draw<'_> {
    /// At any time at which a fault that takes so long is over by the end of the chaos.
    pub(super) fn at_some_time(&mut self, fault: Fault, takes: Duration) -> Planned {
        let takes = takes.min(self.until.saturating_sub(FIRST));
        let at = self.span(FIRST, self.until - takes);
        Planned::at(at, fault).lasting(takes)
    }

    /// Several times, if there is time for it.
    pub(super) fn perhaps_again(&mut self, planned: Planned) -> Planned {
        if !self.random.permille(250) {
            return planned;
        }
        let takes = planned.lasts.unwrap_or_default();
        let every = takes + self.span(MS * 100, self.stall_tolerance * 3);
        let left = self.until.saturating_sub(planned.at + takes);
        let fits = (nanos(left) / nanos(every).max(1)).min(4) as u32;
        if fits == 0 {
            return planned;
        }
        let times = 1 + self.random.between(1, u64::from(fits)) as u32;
        Planned { again: Some(Repeat { every, times }), ..planned }
    }

    pub(super) fn perhaps_flapping(&mut self, planned: Planned) -> Planned {
        if !self.random.permille(250) {
            return planned;
        }
        let longest = self.stall_tolerance * 3 / 2;
        let (on, off) = (self.span(MS * 50, longest), self.span(MS * 50, longest));
        Planned { flap: Some(Flap { on, off }), ..planned }
    }

    pub(super) fn host(&mut self) -> u32 {
        self.random.below(u64::from(self.hosts)) as u32
    }

    /// One or a few hosts, at most half.
    pub(super) fn few_hosts(&mut self) -> Vec<u32> {
        let most = if self.random.permille(600) { 1 } else { u64::from(self.hosts / 2).max(1) };
        let count = self.random.between(1, most) as usize;
        self.random.choose(count, self.hosts)
    }

    /// One or more of the hosts that are none of these.
    pub(super) fn others(&mut self, than: &[u32]) -> Vec<u32> {
        let mut others: Vec<u32> = (0..self.hosts).filter(|host| !than.contains(host)).collect();
        self.random.shuffle(&mut others);
        others.truncate(self.random.between(1, others.len() as u64) as usize);
        others.sort_unstable();
        others
    }

    /// A few hosts by number, or left to the world to draw, or all.
    pub(super) fn some_hosts(&mut self) -> Hosts {
        match self.random.below(10) {
            0 => Hosts::All,
            1 => Hosts::Random { random: self.random.between(1, u64::from(self.hosts)) as u32 },
            2 => Hosts::Share { percent: self.random.between(20, 70) as u32 },
            _ => Hosts::These(self.few_hosts()),
        }
    }

    pub(super) fn links(&mut self) -> Links {
        if self.random.permille(400) { Links::default() } else { self.some_links() }
    }

    /// Links of some hosts: what they send or receive, or what is between them and some others.
    pub(super) fn some_links(&mut self) -> Links {
        let some = self.few_hosts();
        let others = self.others(&some);
        match self.random.below(5) {
            0 => Links::from_to(&some, &others),
            1 => Links::between(&some, &others),
            2 => Links::out_of(&some),
            3 => Links::into(&some),
            _ => Links { ways: Direction::Both, ..Links::out_of(&some) },
        }
    }

    pub(super) fn one_of<T: Copy, const N: usize>(&mut self, things: [T; N]) -> T {
        things[self.random.below(N as u64) as usize]
    }

    /// A span in whole milliseconds, or microseconds when it is shorter than a few.
    pub(super) fn span(&mut self, low: Duration, high: Duration) -> Duration {
        let drawn = self.random.span(low, high.max(low));
        round(drawn, if drawn < MS * 10 { Duration::from_micros(1) } else { MS })
    }
}
