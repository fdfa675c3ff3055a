//! The elections of a scenario: what voters save on, and which promises can be asked of it.
//!
//! A promise has premises, and a scenario may break them on purpose: clocks that run apart by more than was configured,
//! disks that forget while wall clocks step back, two processes of one voter. What is then not promised is not asked.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::Config;
use tidings::config::ElectionConfig;

use crate::fault::{Fault, Hosts, Planned, WallClock};
use crate::scenario::{Scenario, ScenarioError};

/// What voters save their ballots on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disks {
    /// What was saved outlives the process.
    #[default]
    File,
    /// Nothing does.
    Memory,
}

impl Disks {
    #[allow(clippy::trivially_copy_pass_by_ref)] // The shape that serde asks for.
    pub(super) fn is_default(&self) -> bool {
        *self == Disks::default()
    }
}

/// What clocks do while a machine sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sleep {
    /// They count that time, as the clock that a driver should read does.
    #[default]
    Counts,
    /// They stand still, as the wrong clock does.
    Stands,
}

impl Sleep {
    #[allow(clippy::trivially_copy_pass_by_ref)] // The shape that serde asks for.
    pub(super) fn is_default(&self) -> bool {
        *self == Sleep::default()
    }
}

pub(super) fn save_time() -> Duration {
    Duration::from_millis(1)
}

#[allow(clippy::trivially_copy_pass_by_ref)] // The shape that serde asks for.
pub(super) fn is_save_time(span: &Duration) -> bool {
    *span == save_time()
}

impl Scenario {
    pub(super) fn check_elections(&self) -> Result<(), ScenarioError> {
        let is_host = |name: &String| {
            let number = name.strip_prefix('n').and_then(|number| number.parse::<u32>().ok());
            number.is_some_and(|number| number < self.host_limit() && *name == format!("n{number}"))
        };
        let voters = self.elections.iter().flat_map(|election| &election.voters);
        match voters.into_iter().find(|voter| !is_host(voter)) {
            Some(voter) => Err(ScenarioError(format!("elections.voters: there is no host {voter:?}"))),
            None => Ok(()),
        }
    }

    /// Whether E1 to E3, and what follows from them, can be asked: each voter is one process, and what it forgets its
    /// wall clock makes up for.
    #[must_use]
    pub fn promises_one_leader(&self) -> bool {
        let has_twin = self.faults.iter().any(|planned| match &planned.what {
            Fault::Twin { of } => self.elections.iter().any(|election| election.voters.contains(&format!("n{of}"))),
            _ => false,
        });
        let may_repeat = self.may_forget() && self.wall_clocks_go_back();
        !has_twin && !may_repeat
    }

    /// Whether a process may start with a wall clock that is behind what an earlier process of its host was told. One
    /// that is ahead has gone back at the next start with a clock that is right.
    fn wall_clocks_go_back(&self) -> bool {
        let mut starts = Vec::new();
        for planned in self.faults.iter().filter(|planned| planned.lasts.is_some()) {
            match &planned.what {
                Fault::Crash { hosts, clock, .. } => starts.push((hosts, *clock)),
                Fault::Leave { hosts } => starts.push((hosts, WallClock::Right)),
                _ => {}
            }
        }
        let are_apart = |some: &Hosts, others: &Hosts| match (some, others) {
            (Hosts::These(some), Hosts::These(others)) => !some.iter().any(|host| others.contains(host)),
            _ => false,
        };
        let is_ahead = |clock: WallClock| clock == WallClock::Ahead;
        starts.iter().any(|(hosts, clock)| match clock {
            WallClock::Behind | WallClock::Stuck | WallClock::Epoch => true,
            WallClock::Ahead => starts.iter().any(|(others, clock)| !is_ahead(*clock) && !are_apart(hosts, others)),
            WallClock::Right => false,
        })
    }

    /// Whether E4 can be asked too: clocks run apart by no more than each election allows, and never jump.
    #[must_use]
    pub fn promises_exclusive_leases(&self) -> bool {
        let drift = (0..self.host_limit()).map(|host| self.drift_max(host)).max().unwrap_or_default();
        let is_borne = self.elections.iter().all(|election| drift <= u64::from(election.clock_drift_max_ppm));
        let jumps = |fault: &Fault| match fault {
            Fault::Step { .. } => true,
            Fault::Suspend { .. } => self.clock == Sleep::Stands,
            _ => false,
        };
        is_borne && self.promises_one_leader() && !self.faults.iter().any(|planned| jumps(&planned.what))
    }

    /// By how many parts of a million a host's clock may run off true time: drifts that last at once add up.
    fn drift_max(&self, host: u32) -> u64 {
        let drift = |planned: &Planned| match &planned.what {
            Fault::Drift { hosts: Hosts::These(hosts), ppm } if hosts.contains(&host) => ppm.unsigned_abs(),
            Fault::Drift { hosts: Hosts::These(_), .. } => 0,
            // The leader of that time, or all.
            Fault::Drift { ppm, .. } => ppm.unsigned_abs(),
            _ => 0,
        };
        self.faults.iter().map(drift).sum()
    }

    /// Whether E7 can be asked: some time after the faults an election has a leader.
    #[must_use]
    pub fn promises_leaders(&self) -> bool {
        let is_step = |planned: &Planned| matches!(planned.what, Fault::Step { .. });
        let is_swift = |election: &ElectionConfig| self.latency.usual_max() * 10 <= election.lease;
        let is_sound = !self.has_liar() && !self.is_crowded() && !self.faults.iter().any(is_step);
        let is_any = !self.elections.is_empty() && self.elections.iter().all(is_swift);
        // A voter that may have forgotten votes waits until its clock has come to the terms of one that was ahead.
        let can_catch_up = !self.may_forget() || !self.has_wrong_wall_clock();
        is_any && is_sound && can_catch_up && self.promises_one_leader()
    }

    /// Whether some voter may start without knowing what it voted.
    pub(crate) fn may_forget(&self) -> bool {
        let forgets = |fault: &Fault| matches!(fault, Fault::DiskTorn { .. } | Fault::DiskLost { .. });
        self.disks == Disks::Memory || self.faults.iter().any(|planned| forgets(&planned.what))
    }

    /// How long after the faults an election may take: what the last process to start may have promised, what its
    /// voters promise each other in vain meanwhile, and until they know each other's addresses.
    #[must_use]
    pub fn election_bound(&self, config: &Config) -> Duration {
        let promise = self.elections.iter().map(ElectionConfig::promise).max().unwrap_or_default();
        promise * 4 + self.save_time * 6 + self.latency.usual_max() * 6 + config.probe_interval * 2
    }

    /// Whether some process may start with a wall clock that is wrong.
    #[must_use]
    pub fn has_wrong_wall_clock(&self) -> bool {
        let is_wrong = |fault: &Fault| matches!(fault, Fault::Crash { clock, .. } if *clock != WallClock::Right);
        self.faults.iter().any(|planned| is_wrong(&planned.what))
    }
}
