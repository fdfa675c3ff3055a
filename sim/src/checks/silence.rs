//! Always, of verdicts: nobody who was silent for less than P is certainly Dead where nothing was lost on the way.
//!
//! Silence is measured in the world's true time: from the last moment at which any datagram of the member was handled by
//! anyone. The check holds a verdict to that when the observer and the member could reach each other all the while, or
//! when only the link between the two was harmed and every other host reached both, so that any relay would do. Under
//! random loss it says nothing; there the rate of false deaths is measured instead.

use std::time::Duration;

use tidings::event::DeadReason;
use tidings::{Event, Instant};

use crate::checks::truth::Truth;
use crate::violation::Violation;
use crate::watch::Moment;

#[derive(Debug)]
pub(super) struct Silence {
    tolerance: Duration,
}

impl Silence {
    pub(super) fn new(tolerance: Duration) -> Self {
        Silence { tolerance }
    }

    pub(super) fn told(&self, moment: Moment, host: u32, truth: &Truth, event: &Event) -> Option<Violation> {
        let Event::Dead { member, reason, isolated: false, .. } = event else { return None };
        if *reason == DeadReason::Restarted {
            return None;
        }
        let (victim, process) = truth.process(member)?;
        if process.is_leaving || victim == host {
            return None;
        }
        let silence = moment.now.since(process.heard.max(process.started));
        // Clocks drift by a hundredth and more is not promised.
        let promised = self.tolerance - self.tolerance / 50;
        if silence >= promised || !self.could_reach(moment.now, host, victim, truth) {
            return None;
        }
        let text = format!(
            "n{host} called {} dead, which was heard {} ago; P is {}",
            member.name(),
            super::span(silence),
            super::span(self.tolerance)
        );
        Some(Violation { check: "silent-p", at: moment.now, text, hosts: vec![host, victim] })
    }

    /// Whether observer and member could reach each other since well before the suspicion.
    fn could_reach(&self, now: Instant, host: u32, victim: u32, truth: &Truth) -> bool {
        let since = now - self.tolerance * 4;
        let was_well = |host: u32| truth.impaired(host) < since;
        let is_clean = |some: u32, other: u32| truth.harmed(some, other) < since;
        if !was_well(host) || !was_well(victim) {
            return false;
        }
        if is_clean(host, victim) {
            return true;
        }
        let mut relays = 0;
        for (other, process) in truth.processes() {
            if process.is_up && other != host && other != victim {
                if process.started >= since || !was_well(other) || !is_clean(host, other) || !is_clean(victim, other) {
                    return false;
                }
                relays += 1;
            }
        }
        relays >= 2
    }
}
