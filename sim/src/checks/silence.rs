//! Always, of verdicts: no member that was silent for less than P is certainly Dead where nothing was lost on the way.
//!
//! Silence is measured in the world's true time: from the last moment at which any datagram of the member was handled
//! by anyone. The check holds a verdict to that when nothing between the member and anyone was lost all the while, but
//! for one link that was cut, as in a partial partition. What a stopped member's socket loses is no excuse either, if
//! the member has run for a quarter of P at a stretch within the last P: each accuser pings it meanwhile. Where
//! datagrams are lost at random it says nothing: there the rate of false deaths is measured instead. A liar can make a
//! silence seem as long as it likes; with one about, what holds is the least time that any observer gives a member to
//! answer.

use std::time::Duration;

use tidings::event::DeadReason;
use tidings::{Event, Instant};

use crate::checks::truth::{Process, Truth};
use crate::fault::Fault;
use crate::scenario::{Configs, Families, Family, Scenario};
use crate::violation::Violation;
use crate::watch::Moment;

#[derive(Debug)]
pub(super) struct Silence {
    /// The longest P of any host.
    tolerance: Duration,
    /// The silence that is promised to be no death.
    promised: Duration,
    /// Whether hosts may lack members that could be their relays.
    is_crowded: bool,
    /// A host that loses what comes while it is stopped must run for so long at a stretch.
    stretch: Duration,
    has_liar: bool,
    /// How long before a verdict the last question is asked at most.
    last_word: Duration,
    families: Families,
}

/// The share of P for which a member that loses its inbox must run without a stop. Accusers ping each eighth of P.
const STRETCH_SHARE: u32 = 4;

/// No observer convicts sooner than this after it heard of a suspicion.
const HEARD_MIN: Duration = Duration::from_millis(300);

/// By how much less than a time the fastest clock may have counted it for.
fn drifted(time: Duration, scenario: &Scenario) -> Duration {
    let ahead = |fault: &Fault| if let Fault::Drift { ppm, .. } = fault { u32::try_from(*ppm).unwrap_or(0) } else { 0 };
    let ppm = scenario.faults.iter().map(|planned| ahead(&planned.what)).fold(0, u32::saturating_add);
    time * (ppm / 1_000) / (1_000 + ppm / 1_000) + time / 1_000 * u32::from(ppm > 0)
}

impl Silence {
    pub(super) fn new(configs: &Configs, scenario: &Scenario) -> Self {
        let last_word = configs.most(|config| config.probe_timeout);
        let tolerance = configs.most(|config| config.stall_tolerance);
        let promised = if scenario.has_liar() { HEARD_MIN } else { configs.least(|config| config.stall_tolerance) };
        // Clocks may drift by a hundredth, or as much as is planned: P counts by the observer's. And silence counts
        // from the question: what was under way by then is heard later.
        let drift = drifted(promised, scenario).max(promised / 50);
        let promised = promised.saturating_sub(drift + scenario.latency.usual_max());
        let stretch = tolerance / STRETCH_SHARE;
        let has_liar = scenario.has_liar();
        let (is_crowded, families) = (scenario.is_crowded(), scenario.families.clone());
        Silence { tolerance, promised, is_crowded, stretch, has_liar, last_word, families }
    }

    pub(super) fn told(&self, moment: Moment, host: u32, truth: &Truth, event: &Event) -> Option<Violation> {
        let Event::Dead { member, reason, provisional: false, .. } = event else { return None };
        if *reason == DeadReason::Restarted {
            return None;
        }

        let (victim, process) = truth.process(member)?;
        if process.is_leaving || victim == host {
            return None;
        }
        if process.is_again && moment.now.since(process.started) < self.tolerance {
            return None;
        }

        // It was silent for P, and has spoken again when the last question had been asked.
        if moment.now.since(process.heard_again) < self.last_word {
            return None;
        }

        let silence = moment.now.since(process.heard.max(process.started));
        if !self.families.speaks(host, Family::of(member.address())) {
            // It rests on the word of those that could ask.
            return None;
        }

        if !self.may_have_heard(moment.now, victim, truth) {
            return None;
        }
        if silence >= self.promised || !self.could_reach(moment.now, host, victim, truth) {
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

    /// Whether the member could hear of its suspicion: nothing was lost at its socket while it was stopped, or it has
    /// run for long enough since the suspicion began that an accuser has pinged it meanwhile.
    fn may_have_heard(&self, now: Instant, victim: u32, truth: &Truth) -> bool {
        let since = now - self.tolerance * 4;
        let is_recent = |at: Instant| at > Instant::ORIGIN && at >= since;
        let has_spilt = truth.processes().any(|(other, _)| is_recent(truth.spilt(other, victim)));
        let process = truth.processes().find(|(host, _)| *host == victim);
        let ran = |(_, process): (u32, &Process)| process.ran_between(now - self.promised, now, self.stretch);
        !has_spilt || (!self.has_liar && process.is_some_and(ran))
    }

    /// Whether a host can ask another to ask a member, by the families that each can send to.
    fn leads_round(&self, host: u32, relay: u32, victim: u32) -> bool {
        let can_send = |from: u32, to: u32| self.families.speaks(from, self.families.advertised(to));
        can_send(host, relay) && can_send(relay, victim)
    }

    /// Whether nothing between the member and anyone was lost since well before the suspicion, but for the cut of one
    /// link at most, around which any relay leads. A host that is cut off from others too may have suspected the member
    /// for long, and its rumour is older than the member's silence.
    fn could_reach(&self, now: Instant, host: u32, victim: u32, truth: &Truth) -> bool {
        let since = now - self.tolerance * 4;
        // The origin stands for never.
        let is_recent = |at: Instant| at > Instant::ORIGIN && at >= since;
        let was_well = |host: u32| !is_recent(truth.impaired(host));
        if !was_well(host) || !was_well(victim) {
            return false;
        }

        let (mut cuts, mut relays) = (0, 0);
        let is_clean = |some: u32, other: u32| !is_recent(truth.cut(some, other).max(truth.harmed(some, other)));
        let reaches_all_but_the_victim = |one: u32| {
            let mut others =
                truth.processes().filter(|(other, process)| process.is_up && ![one, victim].contains(other));
            others.all(|(other, _)| is_clean(one, other))
        };

        for (other, process) in truth.processes().filter(|(other, process)| process.is_up && *other != victim) {
            let is_cut = is_recent(truth.cut(victim, other));
            // The rumour of a host that was slow or blocked counts from questions whose answers it could not have
            // heard.
            if !was_well(other) || (is_cut && !reaches_all_but_the_victim(other)) {
                return false;
            }

            if is_recent(truth.harmed(victim, other).max(truth.spilt(victim, other)))
                || (other != host && is_recent(truth.cut(host, other)))
            {
                return false;
            }

            cuts += u32::from(is_cut);
            let is_relay = other != host && process.started < since && self.leads_round(host, other, victim);
            relays += u32::from(!is_cut && is_relay);
        }

        cuts == 0 || (cuts == 1 && relays >= 2 && !self.is_crowded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Hosts, Planned};

    #[test]
    fn a_planned_drift_shortens_what_is_promised() {
        let second = Duration::from_secs(1);
        // (ppm of each fault): by how many milliseconds less
        let rows: [(&[i64], u64); 5] =
            [(&[], 0), (&[-70_000], 0), (&[10_000], 10), (&[100_000], 91), (&[60_000, 40_000], 91)];
        for (faults, least) in rows {
            let mut scenario = Scenario::new("drift", 3, second);
            let drift = |ppm: &i64| Planned::at(Duration::ZERO, Fault::Drift { hosts: Hosts::All, ppm: *ppm });
            scenario.faults = faults.iter().map(drift).collect();
            let less = drifted(second, &scenario);
            let least = Duration::from_millis(least);
            assert!((least..=least + Duration::from_millis(2)).contains(&less), "{faults:?}: {less:?}");
        }
    }
}
