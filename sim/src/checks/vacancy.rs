//! Eventually, of elections: how soon another leads when the leader's process ends and nothing else is wrong.
//!
//! What a lease costs after a kill is stated (`measure elections` prints it), so a run in which it takes longer is
//! broken. It is asked where nothing else happened for long and happens meanwhile: a clean kill. Other faults are
//! bounded by `leads`.

use std::time::Duration;

use tidings::Instant;
use tidings::config::ElectionConfig;

use crate::checks::leases::Leases;
use crate::checks::span;
use crate::fault::{Fault, Links, Planned, WallClock};
use crate::scenario::{Configs, Scenario};
use crate::violation::Violation;
use crate::watch::{Life, Phase};

/// Loss up to so much leaves a kill a clean one.
const MILD_LOSS_PERMILLE: u32 = 10;
/// Shortest turns in a lease.
const TURNS_IN_LEASE: u32 = 16;

/// Elections whose leader was killed, and what a kill needs to be a clean one.
#[derive(Debug, Default)]
pub(super) struct Vacancies {
    elections: Vec<Of>,
    /// Since when each host runs; none if it does not.
    runs: Vec<Option<Instant>>,
    /// Faults that last, but for crashes.
    troubles: u32,
    /// When something last went wrong that was no crash of a leader.
    troubled: Option<Instant>,
    is_asked: bool,
}

/// One election, and whether its leader was killed cleanly.
#[derive(Debug)]
struct Of {
    name: String,
    voters: Vec<u32>,
    /// How long voters must have run before a clean kill: by then they know each other, even if the first datagrams
    /// overtook each other and the contact was dialled again.
    rest: Duration,
    /// How long ago it must be that anything else went wrong: until then members may have each other at wrong
    /// addresses, or for dead.
    rest_from_trouble: Duration,
    bound: Duration,
    /// When its leader was killed, if the kill was clean and no other leads yet.
    since: Option<Instant>,
}

impl Vacancies {
    pub(super) fn new(scenario: &Scenario, configs: &Configs) -> Self {
        let settles = configs.most(|config| config.stall_tolerance) * 4;
        let joins = configs.most(|config| config.probe_timeout) * 2;
        let of = |config: &ElectionConfig| {
            let place = |voter: &String| voter.strip_prefix('n').and_then(|number| number.parse().ok());
            Of {
                name: config.name.clone(),
                voters: config.voters.iter().filter_map(place).collect(),
                rest: config.promise() * 2 + joins,
                rest_from_trouble: config.promise() * 2 + settles,
                bound: bound(config, scenario),
                since: None,
            }
        };
        // Where the voters change, how many make a quorum does, too.
        let changes = |planned: &Planned| matches!(planned.what, Fault::ChangeVoters { .. });
        let changes = scenario.faults.iter().any(changes);
        let is_asked = scenario.promises_leaders() && scenario.latency.spike().is_zero() && !changes;
        Vacancies { elections: scenario.elections.iter().map(of).collect(), is_asked, ..Vacancies::default() }
    }

    pub(super) fn fault(&mut self, now: Instant, fault: &Planned, phase: Phase) {
        // A start whose clock does not prove it to be the later one is known late.
        if matches!(fault.what, Fault::Crash { clock: WallClock::Right, .. }) || is_mild_loss(&fault.what) {
            return;
        }
        match phase {
            Phase::Begins if !fault.what.is_of_a_moment() => self.troubles += 1,
            Phase::Begins => {}
            Phase::Ends => self.troubles = self.troubles.saturating_sub(1),
        }
        self.trouble(now);
    }

    pub(super) fn lives(&mut self, now: Instant, host: u32, life: Life, leases: &Leases) {
        let place = host as usize;
        if self.runs.len() <= place {
            self.runs.resize(place + 1, None);
        }

        match life {
            Life::Started => {
                self.runs[place] = Some(now);
                return;
            }
            Life::Crashed => self.runs[place] = None,
            Life::Left | Life::Superseded | Life::Stopped | Life::Resumed => return self.trouble(now),
        }

        let vacated: Vec<usize> = leases.holders(now).filter(|(_, held)| held.host == host).map(|(of, _)| of).collect();

        // A kill is clean where the other voters are a quorum, have all run for long, and nothing else is wrong or was
        // lately.
        let is_clean = |of: &Of| {
            let voters = of.voters.iter().filter(|voter| **voter != host);
            let mut others = voters.map(|voter| self.runs.get(*voter as usize).copied().flatten());
            let is_quorum = (of.voters.len() - 1) * 2 > of.voters.len();
            let all_run = others.all(|since| since.is_some_and(|since| now.since(since) >= of.rest));
            let is_quiet = self.troubled.is_none_or(|since| now.since(since) >= of.rest_from_trouble);
            is_quorum && all_run && self.troubles == 0 && is_quiet
        };

        let clean: Vec<bool> = self.elections.iter().map(is_clean).collect();
        for (number, (of, is_clean)) in self.elections.iter_mut().zip(clean).enumerate() {
            of.since = (is_clean && vacated.contains(&number)).then_some(now);
        }

        // A crash of a host that led nothing is trouble for the kills that follow.
        if vacated.is_empty() {
            self.trouble(now);
        }
    }

    pub(super) fn lease_begins(&mut self, election: usize) {
        if let Some(of) = self.elections.get_mut(election) {
            of.since = None;
        }
    }

    /// An election without a leader for too long, once.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Violation> {
        let is_asked = self.is_asked;
        let late = |of: &&mut Of| of.since.is_some_and(|since| now.since(since) > of.bound);
        let of = self.elections.iter_mut().filter(|_| is_asked).find(late)?;
        let since = of.since.take()?;
        Some(Violation {
            check: "fails-over",
            at: now,
            text: format!(
                "nobody leads {} {} after its leader was killed; it takes at most {}",
                of.name,
                span(now.since(since)),
                span(of.bound)
            ),
            hosts: Vec::new(),
        })
    }

    fn trouble(&mut self, now: Instant) {
        self.troubled = Some(now);
        self.elections.iter_mut().for_each(|of| of.since = None);
    }
}

/// How long it may take: what the last heartbeat promised, an attempt of two rounds and two saves, and half a turn, in
/// which the first in rank asks again those that were not free at once. Where datagrams are lost now and then, a lease
/// and two turns: that lets a lost question and a split vote through, and not both twice.
fn bound(config: &ElectionConfig, scenario: &Scenario) -> Duration {
    let way = scenario.latency.usual_max();
    let attempt = (way * 2 + scenario.save_time) * 2;
    let turn = (config.lease / TURNS_IN_LEASE).max(attempt.min(config.lease / 2));
    let is_lossy = scenario.faults.iter().any(|planned| is_mild_loss(&planned.what));
    let asked_again = if is_lossy { config.lease + turn * 2 } else { turn / 2 };
    config.promise() + way + attempt + asked_again
}

/// Loss that makes voters ask a question or two again, and no more: in 30,000 kills at 1 % no election waited for 1.4
/// leases.
fn is_mild_loss(fault: &Fault) -> bool {
    matches!(fault, Fault::Loss { links, permille } if *links == Links::default() && *permille <= MILD_LOSS_PERMILLE)
}
