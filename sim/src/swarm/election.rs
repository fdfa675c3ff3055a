//! Draws short runs of one election: 3 or 5 voters, a lease, disks, and what takes leaders away.
//!
//! Schedules are what counts here, and there should be many: a run lasts some leases and is over, without asking
//! whether all views agree in the end. Faults are aimed at the leader as often as at others.

use std::time::Duration;

use tidings::config::{ElectionConfig, VOTERS_MAX};

use crate::delay::Delay;
use crate::fault::{Fault, Flap, Hosts, Inbox, Links, Place, Planned, Towards, WallClock};
use crate::random::Random;
use crate::scenario::{Disks, Scenario, Start};
use crate::swarm::{fault::MS, round};

/// Some seconds of 3 or 5 voters, with two to six faults, and a while to find a leader after them.
#[must_use]
pub fn swarm_election(seed: u64) -> Scenario {
    let mut random = Random::new(seed, "swarm-election");
    let hosts = if random.permille(600) { 3 } else { 5 };
    let mut scenario = Scenario::new(&format!("swarm-election-{seed}"), hosts, Duration::from_secs(1));
    scenario.about = format!("Drawn from seed {seed}.");
    scenario.seed = Some(seed);
    scenario.brief = true;
    scenario.start = if random.permille(900) { Start::Preloaded } else { Start::Joining };

    let lease = MS * *random.pick(&[200, 300, 400, 500, 500, 700, 1_000]).unwrap_or(&500);
    scenario.latency = latency(lease, &mut random);
    scenario.disks = if random.permille(700) { Disks::File } else { Disks::Memory };
    let slowest = if random.permille(250) { lease / 5 } else { lease / 25 };
    scenario.save_time = round(random.span(MS / 10, slowest), Duration::from_micros(10));
    scenario.elections.push(election("default", hosts, lease, &mut random));

    let mut chaos = round(random.span(lease * 4, lease * 10), MS);
    if random.permille(150) {
        scenario.faults = kills(lease, &mut random);
        chaos = scenario.faults_end().unwrap_or(chaos);
    } else {
        scenario.faults = Draw { hosts, lease, until: chaos, disks: scenario.disks, random: &mut random }.faults();
    }

    let mut splits = Random::new(seed, "swarm-splits");
    if splits.permille(50) {
        scenario.save_time = round(splits.span(lease / 6, lease / 5), Duration::from_micros(10));
        scenario.faults = split_terms(hosts, lease, &mut splits);
        chaos = scenario.faults_end().unwrap_or(chaos);
    }

    if random.permille(200) {
        clocks_apart(&mut scenario, chaos, &mut random);
    }

    // Each of these has a stream of its own, so that a new draw in one moves no other.
    Draw { hosts, lease, until: chaos, disks: scenario.disks, random: &mut Random::new(seed, "swarm-works") }
        .works(&mut scenario);
    Draw { hosts, lease, until: chaos, disks: scenario.disks, random: &mut Random::new(seed, "swarm-clocks") }
        .clocks(&mut scenario);
    Draw { hosts, lease, until: chaos, disks: scenario.disks, random: &mut Random::new(seed, "swarm-changes") }
        .changes(&mut scenario);

    let over = scenario.faults_end().unwrap_or(chaos);
    let bound = scenario.config().map_or(Duration::ZERO, |config| scenario.election_bound(&config));
    scenario.lasts = over + bound + MS;
    scenario
}

/// Nothing but kills of the leader, each when the last one killed is back, half of them with a little loss.
fn kills(lease: Duration, random: &mut Random) -> Vec<Planned> {
    let mut at = lease * 3;
    let mut kill = |random: &mut Random| {
        at += lease * 7 + round(random.span(Duration::ZERO, lease), MS);
        let kill = Fault::Crash { hosts: Hosts::Leader, clock: WallClock::Right, address: Place::Same };
        Planned::at(at, kill).lasting(lease * 2)
    };
    let mut faults: Vec<Planned> = (0..4).map(|_| kill(random)).collect();
    if random.permille(500) {
        let loss = Fault::Loss { links: Links::default(), permille: 10 };
        faults.insert(0, Planned::at(MS, loss).lasting(at + lease * 2 - MS));
    }
    faults
}

/// All stop and stand at once when they go on, some in other terms than others; one of them starts again and does not
/// know that nothing came of its vote. The leader is outrun by it then, has itself elected anew, and hands over in the
/// midst of it.
fn split_terms(hosts: u32, lease: Duration, random: &mut Random) -> Vec<Planned> {
    let pause = Planned::at(lease * 2, Fault::Pause { hosts: Hosts::All, inbox: Inbox::Kept });
    let pause = pause.lasting(round(random.span(lease * 2, lease * 5), MS));
    let again = pause.at + pause.lasts.unwrap_or_default() + round(random.span(lease / 4, lease * 2), MS);
    let crash =
        Fault::Crash { hosts: Hosts::These(random.choose(1, hosts)), clock: WallClock::Right, address: Place::Same };
    let crash = Planned::at(again, crash).lasting(round(random.span(lease / 4, lease), MS));
    let back = crash.at + crash.lasts.unwrap_or_default();
    let resign = Fault::Resign { hosts: Hosts::Leader, to: None };
    let resign = Planned::at(back + round(random.span(lease / 2, lease * 3), MS), resign);
    vec![pause, crash, resign]
}

/// Some clocks are as slow and the others as fast as the election bears, until the end of the faults.
fn clocks_apart(scenario: &mut Scenario, until: Duration, random: &mut Random) {
    let most = scenario.elections.iter().map(|election| election.clock_drift_max_ppm).min().unwrap_or_default();
    let count = random.between(1, u64::from(scenario.hosts) - 1) as usize;
    let slow = random.choose(count, scenario.hosts);
    let fast = (0..scenario.hosts).filter(|host| !slow.contains(host)).collect();
    scenario.faults.retain(|planned| !matches!(planned.what, Fault::Drift { .. }));
    for (hosts, ppm) in [(slow, -i64::from(most)), (fast, i64::from(most))] {
        let drift = Fault::Drift { hosts: Hosts::These(hosts), ppm };
        scenario.faults.push(Planned::at(MS, drift).lasting(until - MS));
    }
    scenario.faults.sort_by_key(|planned| planned.at);
}

/// Half of the scenarios of the swarm hold an election, and some of their faults are aimed at it.
pub(super) fn perhaps_elect(scenario: &mut Scenario, seed: u64, until: Duration) {
    let mut random = Random::new(seed, "swarm-elects");
    if random.permille(500) {
        return;
    }

    let leases = [100, 150, 250, 250, 500, 500, 500, 1_000, 3_000].map(|lease| MS * lease);
    let latency = &scenario.latency;
    let is_borne = |lease: &Duration| *lease >= latency.usual_max() * 12 && *lease >= latency.spike() * 2;
    let borne: Vec<Duration> = leases.into_iter().filter(is_borne).collect();
    let lease = random.pick(&borne).copied().unwrap_or(MS * 3_000);

    let voters = random.pick(&[1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 9]).copied().unwrap_or(3).min(scenario.hosts);
    let mut election = election("default", voters, lease, &mut random);
    let chosen = random.choose(voters as usize, scenario.hosts);
    election.voters = chosen.into_iter().map(|voter| format!("n{voter}")).collect();
    scenario.elections.push(election);

    scenario.disks = if random.permille(700) { Disks::File } else { Disks::Memory };
    scenario.save_time = round(random.span(MS / 10, lease / 10), Duration::from_micros(10));
    let disks = scenario.disks;
    let mut draw = Draw { hosts: scenario.hosts, lease, until, disks, random: &mut random };

    for _ in 0..draw.random.between(0, 3) {
        let fault = match draw.random.below(8) {
            0..=3 => draw.disk(),
            4 => draw.resign(),
            5 => Fault::Pause { hosts: Hosts::Leader, inbox: Inbox::Kept },
            6 => Fault::Cut { links: draw.links() },
            _ => Fault::Crash { hosts: Hosts::Leader, clock: WallClock::Right, address: Place::Same },
        };
        let planned = draw.planned(fault);
        scenario.faults.extend(draw.votes_during(&planned));
        scenario.faults.push(planned);
    }

    let disks = scenario.disks;
    Draw { hosts: scenario.hosts, lease, until, disks, random: &mut Random::new(seed, "swarm-works") }.works(scenario);
    Draw { hosts: scenario.hosts, lease, until, disks, random: &mut Random::new(seed, "swarm-clocks") }
        .clocks(scenario);
    Draw { hosts: scenario.hosts, lease, until, disks, random: &mut Random::new(seed, "swarm-changes") }
        .changes(scenario);

    scenario.faults.sort_by_key(|planned| planned.at);
}

/// An election of all hosts; renewed three to five times in a lease.
fn election(name: &str, voters: u32, lease: Duration, random: &mut Random) -> ElectionConfig {
    let mut election = ElectionConfig::lan(name, (0..voters).map(|voter| format!("n{voter}"))).with_lease(lease);
    election.heartbeat = round(lease / random.between(3, 5) as u32, MS);
    if random.permille(200) {
        election.clock_drift_max_ppm = *random.pick(&[0, 1_000, 50_000, 200_000]).unwrap_or(&0);
    }
    election
}

fn latency(lease: Duration, random: &mut Random) -> Delay {
    let some = |random: &mut Random| round(random.span(MS / 20, lease / 20), Duration::from_micros(10));
    match random.below(4) {
        0 => Delay::Constant { is: some(random) },
        1 => {
            let (one, other) = (some(random), some(random));
            Delay::Uniform { from: one.min(other), to: one.max(other) }
        }
        _ => Delay::default(),
    }
}

/// Draws the faults of one run.
struct Draw<'a> {
    hosts: u32,
    lease: Duration,
    /// When the last fault is over.
    until: Duration,
    disks: Disks,
    random: &'a mut Random,
}

impl Draw<'_> {
    fn faults(mut self) -> Vec<Planned> {
        let mut faults = Vec::new();
        for _ in 0..self.random.between(2, 6) {
            let fault = self.fault();
            faults.push(self.planned(fault));
        }
        faults.sort_by_key(|planned| planned.at);
        faults
    }

    /// In some runs work begins and ends, and some hosts are preferred.
    fn works(mut self, scenario: &mut Scenario) {
        if !self.random.permille(300) {
            return;
        }
        for _ in 0..self.random.between(1, 3) {
            let fault = match self.random.below(3) {
                0 => Fault::Prefer { hosts: self.aim(), priority: self.random.below(3) as u8 },
                _ => Fault::Idle { hosts: self.aim() },
            };
            let planned = self.planned(fault);
            scenario.faults.push(planned);
        }
        scenario.faults.sort_by_key(|planned| planned.at);
    }

    /// In some runs the voters change: some hosts vote at first, and then others. A disk that loses what it held would
    /// make its voter forget which hosts vote, and one without a disk always does.
    fn changes(mut self, scenario: &mut Scenario) {
        let forgets = |planned: &Planned| matches!(planned.what, Fault::DiskTorn { .. } | Fault::DiskLost { .. });
        if !self.random.permille(200) || self.disks == Disks::Memory || scenario.faults.iter().any(forgets) {
            return;
        }

        let first = self.list();
        for election in &mut scenario.elections {
            election.voters = first.iter().map(|host| format!("n{host}")).collect();
        }

        let many = self.random.permille(400);
        let count = if many { self.random.between(5, 12) } else { self.random.between(1, 4) };
        for _ in 0..count {
            let fault = Fault::ChangeVoters { hosts: self.aim(), voters: self.list() };
            let planned = self.planned(fault);

            // In the midst of it leadership changes hands, or a host that matters is gone for a while.
            let meanwhile = match self.random.below(if many { 4 } else { 1 }) {
                0 => None,
                1 => Some(self.resign()),
                2 => Some(self.crash()),
                _ => Some(Fault::Cut { links: self.links() }),
            };

            if let Some(fault) = meanwhile {
                let at = planned.at + self.span(Duration::ZERO, self.lease / 2);
                let lasts = (!fault.is_of_a_moment()).then(|| self.span(MS * 5, self.lease * 2));
                let latest = self.until.saturating_sub(lasts.unwrap_or_default());
                scenario.faults.push(Planned { lasts, ..Planned::at(at.min(latest), fault) });
            }
            scenario.faults.push(planned);
        }

        scenario.faults.sort_by_key(|planned| planned.at);
    }

    /// Some hosts, one at least.
    fn list(&mut self) -> Vec<u32> {
        let most = self.hosts.min(VOTERS_MAX as u32);
        let count = self.random.between(1, u64::from(most)) as usize;
        self.random.choose(count, self.hosts)
    }

    /// In some runs hosts start again in 1970, and all clocks are set right later.
    fn clocks(mut self, scenario: &mut Scenario) {
        if !self.random.permille(150) {
            return;
        }
        let crash = Fault::Crash { hosts: self.aim(), clock: WallClock::Epoch, address: Place::Same };
        let crash = self.planned(crash);
        let back = crash.at + crash.lasts.unwrap_or_default() + MS;
        let set = Planned::at(self.span(back, self.until), Fault::SetClock { hosts: Hosts::All });
        scenario.faults.extend([crash, set]);
        scenario.faults.sort_by_key(|planned| planned.at);
    }

    fn fault(&mut self) -> Fault {
        match self.random.below(24) {
            0..=4 => self.crash(),
            5 | 6 => Fault::Pause { hosts: self.aim(), inbox: Inbox::Kept },
            7 => Fault::Suspend { hosts: self.aim(), inbox: Inbox::Kept },
            8 => Fault::Block { hosts: self.aim() },
            9 | 10 => self.partition(),
            11 | 12 => Fault::Cut { links: self.links() },
            13 => Fault::Loss { links: Links::default(), permille: self.random.between(50, 500) as u32 },
            14 => {
                let by = self.span(MS, self.lease);
                Fault::Reorder { links: Links::default(), permille: self.random.between(50, 500) as u32, by }
            }
            15 => Fault::Duplicate { links: Links::default(), permille: self.random.between(50, 500) as u32 },
            16 => Fault::Latency {
                links: self.links(),
                delay: Delay::Uniform { from: Duration::ZERO, to: self.span(MS, self.lease / 2) },
            },
            17 => self.drift(),
            18 | 19 => self.resign(),
            20 => Fault::Leave { hosts: self.aim() },
            21 => Fault::Clog { links: self.links() },
            _ => self.disk(),
        }
    }

    /// When it happens, and for how long.
    fn planned(&mut self, fault: Fault) -> Planned {
        let is_of_a_moment = fault.is_of_a_moment();
        // What is shorter than a lease, about as long, or longer.
        let lasts = match self.random.below(3) {
            0 => self.span(MS * 5, self.lease),
            1 => self.span(self.lease * 9 / 10, self.lease * 6 / 5),
            _ => self.span(self.lease, self.lease * 5),
        };

        let lasts = lasts.min(self.until / 2);
        let at = self.span(MS * 10, self.until - lasts);
        let planned = Planned::at(at, fault);
        if is_of_a_moment {
            return planned;
        }

        let planned = planned.lasting(lasts);
        if !self.random.permille(100) {
            return planned;
        }
        let (on, off) = (self.span(MS * 5, self.lease), self.span(MS * 5, self.lease));
        Planned { flap: Some(Flap { on, off }), ..planned }
    }

    fn crash(&mut self) -> Fault {
        let clock = match self.random.below(30) {
            0 => WallClock::Behind,
            1 => WallClock::Ahead,
            2 => WallClock::Stuck,
            _ => WallClock::Right,
        };
        let hosts = if self.random.permille(150) { Hosts::All } else { self.aim() };
        Fault::Crash { hosts, clock, address: Place::Same }
    }

    fn drift(&mut self) -> Fault {
        let most = if self.random.permille(150) { 300_000 } else { 10_000 };
        Fault::Drift { hosts: self.aim(), ppm: self.random.between(0, 2 * most) as i64 - most as i64 }
    }

    fn partition(&mut self) -> Fault {
        let count = self.random.between(1, u64::from(self.hosts) - 1) as usize;
        let bridges =
            if self.random.permille(250) { vec![self.random.below(u64::from(self.hosts)) as u32] } else { vec![] };
        let mut side = self.random.choose(count, self.hosts);
        side.retain(|host| !bridges.contains(host));
        let others: Vec<u32> = (0..self.hosts).filter(|host| !side.contains(host) && !bridges.contains(host)).collect();
        Fault::Partition { groups: vec![side, others], bridges }
    }

    fn resign(&mut self) -> Fault {
        let to = self.random.permille(500).then(|| self.random.below(u64::from(self.hosts)) as u32);
        Fault::Resign { hosts: Hosts::Leader, to }
    }

    fn disk(&mut self) -> Fault {
        let hosts = if self.random.permille(400) { Hosts::All } else { self.aim() };
        // One that forgets nothing has nothing to lose.
        let kinds = if self.disks == Disks::Memory { 0 } else { 4 };
        match self.random.below(kinds) {
            0 if kinds == 0 => {
                let by = self.span(MS, self.lease);
                let towards = if self.random.permille(500) { Towards::Past } else { Towards::Future };
                Fault::Step { hosts, by, towards }
            }
            0 => Fault::DiskSlow { hosts, latency: self.span(MS, self.lease * 2) },
            1 => Fault::DiskFull { hosts },
            2 => Fault::DiskTorn { hosts },
            _ => Fault::DiskLost { hosts },
        }
    }

    /// A disk matters only when there is a vote to save: the leader crashes, and sometimes all do in the midst of what
    /// follows.
    fn votes_during(&mut self, planned: &Planned) -> Vec<Planned> {
        let is_of_saving =
            matches!(planned.what, Fault::DiskFull { .. } | Fault::DiskTorn { .. } | Fault::DiskSlow { .. });
        let left = self.until.saturating_sub(planned.at);
        if !is_of_saving || left < self.lease * 3 {
            return Vec::new();
        }
        let crash = |hosts| Fault::Crash { hosts, clock: WallClock::Right, address: Place::Same };
        let mut faults = vec![Planned::at(planned.at, crash(Hosts::Leader)).lasting(self.lease)];
        if matches!(planned.what, Fault::DiskTorn { .. }) {
            let at = planned.at + self.span(self.lease, self.lease * 6 / 5);
            faults.push(Planned::at(at, crash(Hosts::All)).lasting(self.lease / 2));
        }
        faults
    }

    /// The leader, or all, or one, or a few.
    fn aim(&mut self) -> Hosts {
        match self.random.below(10) {
            0..=4 => Hosts::Leader,
            5 => Hosts::All,
            _ => {
                let count = self.random.between(1, u64::from(self.hosts / 2)) as usize;
                Hosts::These(self.random.choose(count, self.hosts))
            }
        }
    }

    /// All that some hosts send or receive, or what is between two.
    fn links(&mut self) -> Links {
        let (some, other) = (self.aim(), self.aim());
        match self.random.below(4) {
            0 => Links { from: some, ..Links::default() },
            1 => Links { to: some, ..Links::default() },
            _ => Links { from: some, to: other, ..Links::default() },
        }
    }

    fn span(&mut self, low: Duration, high: Duration) -> Duration {
        round(self.random.span(low, high.max(low)), MS)
    }
}
