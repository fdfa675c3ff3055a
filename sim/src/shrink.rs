//! Makes a failing run smaller while it still breaks the same check.
//!
//! Candidates are tried in rounds, the greatest cuts first: an earlier stop, fewer faults, fewer hosts, shorter faults,
//! plainer network. Each is run; the first that still fails is kept and the next round begins with it. The result is a
//! scenario with nothing left to chance but the seed.

use std::time::Duration;

use tidings::Instant;

use crate::app::App;
use crate::delay::Delay;
use crate::experiment::Experiment;
use crate::fault::{Fault, Hosts, Links, Planned};
use crate::scenario::{Scenario, ScenarioError};
use crate::violation::Violation;

/// Durations are cut no finer.
const FINEST: Duration = Duration::from_millis(100);
/// Quiet time after the last fault that is kept, so that the cluster may show that it did not settle.
const TAIL: Duration = Duration::from_secs(1);

/// A failing run made smaller.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// What still fails, with its seed in it.
    pub scenario: Scenario,
    /// How it fails.
    pub violation: Violation,
    /// How many runs it took.
    pub runs: u32,
}

/// Shrinks a failing seed within so many runs; none if it does not fail.
///
/// # Errors
/// What is wrong with the scenario.
pub fn shrink<A: App>(experiment: &Experiment<A>, seed: u64, runs_max: u32) -> Result<Option<Shrunk>, ScenarioError> {
    let first = experiment.run(seed)?;
    let Some(violation) = first.violations.into_iter().next() else { return Ok(None) };
    // A scenario whose chance is drawn runs as it did when it was drawn, because the draws are a stream of their own.
    let best = Shrunk { scenario: first.scenario, violation, runs: 1 };
    let mut shrinker = Shrinker { experiment, seed, runs_max, best };
    while shrinker.round() {}
    Ok(Some(shrinker.best))
}

struct Shrinker<'a, A: App> {
    experiment: &'a Experiment<A>,
    seed: u64,
    runs_max: u32,
    best: Shrunk,
}

impl<A: App> Shrinker<'_, A> {
    /// Tries every smaller scenario once; whether one still failed.
    fn round(&mut self) -> bool {
        let mut is_smaller = false;
        let mut place = 0;
        while self.best.runs < self.runs_max {
            // What was kept has fewer candidates; those at the same place are the next ones to try.
            let Some(candidate) = candidates(&self.best, self.experiment.hosts_min()).into_iter().nth(place) else {
                break;
            };
            if self.still_fails(candidate) { is_smaller = true } else { place += 1 }
        }
        is_smaller
    }

    fn still_fails(&mut self, candidate: Scenario) -> bool {
        self.best.runs += 1;
        let Ok(outcome) = self.experiment.on(candidate).run(self.seed) else { return false };
        let broken = outcome.violations.into_iter().find(|broken| broken.check == self.best.violation.check);
        if let Some(violation) = broken {
            self.best.scenario = outcome.scenario;
            self.best.violation = violation;
            return true;
        }
        false
    }
}

/// Smaller scenarios, the greatest cuts first.
fn candidates(best: &Shrunk, hosts_min: u32) -> Vec<Scenario> {
    let from = &best.scenario;
    let mut found = Vec::new();
    let failed = best.violation.at.since(Instant::ORIGIN);
    let rounded = Duration::from_millis(failed.as_millis() as u64 + 1);
    if rounded < from.lasts {
        found.push(Scenario { lasts: rounded, ..from.clone() });
    }
    found.extend(without_faults(from));
    found.extend(fewer_hosts(from).into_iter().filter(|candidate| candidate.hosts >= hosts_min));
    found.extend(shorter_faults(from));
    found.extend(plainer(from));
    found.retain(|candidate| candidate != from && candidate.check().is_ok());
    found
}

/// Without halves of the faults, then without each.
fn without_faults(from: &Scenario) -> Vec<Scenario> {
    let count = from.faults.len();
    let mut found = Vec::new();
    for size in [count.div_ceil(2), count.div_ceil(4), 1] {
        if size == 0 || (size == 1 && !found.is_empty() && count < 2) {
            continue;
        }
        for start in (0..count).step_by(size) {
            let mut faults = from.faults.clone();
            faults.drain(start..(start + size).min(count));
            found.push(Scenario { faults, ..from.clone() });
        }
    }
    found
}

/// Without the last host, and without hosts in the faults' aims.
fn fewer_hosts(from: &Scenario) -> Vec<Scenario> {
    let mut found = Vec::new();
    if from.hosts > 1 {
        let mut fewer = Scenario { hosts: from.hosts - 1, ..from.clone() };
        let last = fewer.hosts;
        fewer.faults.iter_mut().for_each(|planned| forget_host(&mut planned.what, last));
        found.push(fewer);
    }

    for (place, planned) in from.faults.iter().enumerate() {
        let mut what = planned.what.clone();
        let Some(Hosts::These(these)) = what.hosts_mut().map(|hosts| hosts.clone()) else { continue };
        if these.len() < 2 {
            continue;
        }

        for host in &these {
            let mut what = planned.what.clone();
            if let Some(hosts) = what.hosts_mut() {
                *hosts = Hosts::These(these.iter().copied().filter(|other| other != host).collect());
            }
            found.push(with_fault(from, place, Planned { what, ..planned.clone() }));
        }
    }

    found
}

/// Takes a host out of all that a fault names.
fn forget_host(fault: &mut Fault, host: u32) {
    let forget = |hosts: &mut Hosts| {
        if let Hosts::These(these) = hosts {
            these.retain(|other| *other != host);
        }
    };

    if let Some(hosts) = fault.hosts_mut() {
        forget(hosts);
    }
    if let Some(Links { from, to, .. }) = fault.links_mut() {
        forget(from);
        forget(to);
    }

    match fault {
        Fault::Partition { groups, bridges } => {
            groups.iter_mut().chain([bridges]).for_each(|group| group.retain(|other| *other != host));
        }
        Fault::Lie { about: others, .. } | Fault::Forget { whom: others, .. } => forget(others),
        _ => {}
    }
}

fn shorter_faults(from: &Scenario) -> Vec<Scenario> {
    let mut found = Vec::new();

    for (place, planned) in from.faults.iter().enumerate() {
        let mut push = |planned: Planned| found.push(with_fault(from, place, planned));
        if planned.flap.is_some() {
            push(Planned { flap: None, ..planned.clone() });
        }
        if let Some(shorter) = planned.lasts.map(halved).filter(|shorter| *shorter >= FINEST) {
            push(Planned { lasts: Some(shorter), ..planned.clone() });
        }
        let sooner = halved(planned.at);
        if sooner >= FINEST {
            push(Planned { at: sooner, ..planned.clone() });
        }
    }

    if let Some(over) = from.faults_end() {
        let lasts = halved(from.lasts).max(over + TAIL);
        if lasts < from.lasts {
            found.push(Scenario { lasts, ..from.clone() });
        }
    }

    found
}

fn halved(span: Duration) -> Duration {
    let finest = FINEST.as_millis() as u64;
    Duration::from_millis(span.as_millis() as u64 / 2 / finest * finest)
}

/// With less about it that is unusual.
fn plainer(from: &Scenario) -> Vec<Scenario> {
    let mut found = Vec::new();
    if from.metadata_bytes > 0 {
        found.push(Scenario { metadata_bytes: 0, ..from.clone() });
    }
    if from.latency != Delay::default() {
        found.push(Scenario { latency: Delay::default(), ..from.clone() });
    }
    for knob in from.config.keys() {
        let mut config = from.config.clone();
        config.remove(knob);
        found.push(Scenario { config, ..from.clone() });
    }
    found
}

fn with_fault(from: &Scenario, place: usize, planned: Planned) -> Scenario {
    let mut faults = from.faults.clone();
    faults[place] = planned;
    Scenario { faults, ..from.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A promise that only a pause of n2 breaks, whatever else goes on.
    #[test]
    fn what_does_not_matter_is_taken_away() {
        let second = Duration::from_secs(1);
        let hosts = |these: &[u32]| Hosts::These(these.to_vec());
        let mut scenario = Scenario::new("t", 6, second * 60)
            .with(Planned::at(
                second * 5,
                Fault::Crash { hosts: hosts(&[4]), clock: Default::default(), address: Default::default() },
            ))
            .with(
                Planned::at(second * 20, Fault::Pause { hosts: hosts(&[1, 2]), inbox: Default::default() })
                    .lasting(second * 9),
            )
            .with(Planned::at(second * 3, Fault::Loss { links: Links::default(), permille: 100 }).lasting(second * 30));
        scenario.metadata_bytes = 100;

        let experiment = Experiment::new(scenario).always("n2 runs", |world| {
            if world.hosts().get(2).is_some_and(|host| host.is_stopped()) { Err("it does not".into()) } else { Ok(()) }
        });

        let shrunk = shrink(&experiment, 7, 500).unwrap().unwrap();
        assert_eq!((shrunk.scenario.hosts, shrunk.scenario.faults.len(), shrunk.scenario.metadata_bytes), (3, 1, 0));
        assert_eq!(shrunk.scenario.faults[0].what, Fault::Pause { hosts: hosts(&[2]), inbox: Default::default() });
        assert!(shrunk.scenario.lasts < second * 2, "{:?}", shrunk.scenario.lasts);

        let again = Experiment::new(shrunk.scenario.clone()).always("n2 runs", |world| {
            if world.hosts().get(2).is_some_and(|host| host.is_stopped()) { Err("it does not".into()) } else { Ok(()) }
        });
        assert_eq!(again.run(7).unwrap().violations.len(), 1);
    }
}
