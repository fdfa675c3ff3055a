//! Conditions of a host while a fault lasts: which fault brings each, how it begins and how it ends.

use tidings::Instant;
use tidings::config::{ElectionConfig, Stands};

use crate::app::App;
use crate::fault::{Back, Fault, Gateway, Hosts};
use crate::scenario::Sleep;
use crate::trace::What as Happened;
use crate::watch::{Life, Moment, Watch};
use crate::world::World;
use crate::world::host::Condition;
use crate::world::places::Translation;
use crate::world::queue::What;

/// What a fault does to its hosts for as long as it lasts, if that is all it does.
pub(super) fn condition(fault: &Fault) -> Option<(&Hosts, Condition)> {
    Some(match fault {
        Fault::Pause { hosts, inbox } => (hosts, Condition::Paused(*inbox)),
        Fault::Suspend { hosts, inbox } => (hosts, Condition::Suspended(*inbox)),
        Fault::Block { hosts } => (hosts, Condition::Blocked),
        Fault::Slow { hosts, service } => (hosts, Condition::Slow(*service)),
        Fault::Drift { hosts, ppm } => (hosts, Condition::Drifts(*ppm)),
        Fault::Idle { hosts } => (hosts, Condition::Idle),
        Fault::DiskSlow { hosts, latency } => (hosts, Condition::DiskSlow(*latency)),
        Fault::DiskFull { hosts } => (hosts, Condition::DiskFull),
        Fault::DiskTorn { hosts } => (hosts, Condition::DiskTorn),
        Fault::DiskLost { hosts } => (hosts, Condition::DiskLost),
        _ => return None,
    })
}

impl<A: App, W: Watch> World<A, W> {
    /// The translation of a host is over, or another begins: no host that it sent to may answer there any more.
    pub(super) fn translate(&mut self, id: u32, host: u32, gateway: Gateway, back: Back) {
        self.hosts[host as usize].flows.clear();
        self.afflict(id, host, Condition::Translated(Translation::new(host, gateway, back, id)));
    }

    /// A fault begins for a host, which may stop it.
    pub(super) fn afflict(&mut self, id: u32, host: u32, condition: Condition) {
        let now = self.now;
        let one = &mut self.hosts[host as usize];
        let was_stopped = one.is_stopped();
        one.conditions.push((id, condition));
        if one.is_asleep() && one.slept.is_none() {
            one.slept = Some(now);
        }
        if one.is_stopped() && !was_stopped && one.is_up() {
            self.trace.line(now, host, || Happened::Life(Life::Stopped.word()));
            self.watch.lives(now, host, Life::Stopped, self.hosts[host as usize].protocol());
        }
        self.reset_drift(host);
        self.work(host);
    }

    /// A fault is over for a host: it runs again, sends what waited and handles what came.
    pub(super) fn cure(&mut self, id: u32, host: u32) {
        let now = self.now;
        let one = &mut self.hosts[host as usize];
        let (was_stopped, count) = (one.is_stopped(), one.conditions.len());
        one.conditions.retain(|(fault, _)| *fault != id);
        if one.conditions.len() == count {
            return;
        }

        // A clock that stands still during sleep has to be told how long it stood.
        if !one.is_asleep() {
            if let Some(since) = one.slept.take().filter(|_| self.scenario.clock == Sleep::Stands) {
                one.clock.stood_still(now, now.since(since));
            }
        }

        self.reset_drift(host);
        let one = &mut self.hosts[host as usize];
        one.busy_until = one.busy_until.min(now + one.service());
        self.queue.push(one.busy_until.max(now), What::Ready(host));

        let one = &mut self.hosts[host as usize];
        if one.is_stopped() || !one.is_up() {
            return;
        }

        if was_stopped {
            self.trace.line(now, host, || Happened::Life(Life::Resumed.word()));
            self.watch.lives(now, host, Life::Resumed, self.hosts[host as usize].protocol());
            self.start_app(host);
            self.aim_timers(host);
            self.hear_of_writes(host);
        }

        self.work(host);
        // What it wanted to send while it was blocked waited for this.
        if !self.hosts[host as usize].is_blocked() {
            for (to, bytes, content) in std::mem::take(&mut self.hosts[host as usize].outbox) {
                self.send(host, to, &bytes, content);
            }
        }
        self.read_inbox(host);
    }

    /// Its application says whether it would lead, if that is another than the process was told.
    pub(super) fn work(&mut self, host: u32) {
        let one = &self.hosts[host as usize];
        let Some(protocol) = one.protocol().filter(|_| !one.is_stopped()) else { return };
        let said = |election: &ElectionConfig| protocol.election(&election.name).and_then(|found| found.candidacy());
        let each = self.config.elections.iter().filter(|election| election.stands == Stands::WithWork);
        let wanted = each.map(|election| (election, one.candidacy(election)));
        let others = wanted.filter(|(election, wanted)| said(election) != *wanted);
        let changes: Vec<(String, Option<u8>)> =
            others.map(|(election, candidacy)| (election.name.clone(), candidacy)).collect();
        for (name, candidacy) in changes {
            self.command(host, b"candidacy", |protocol, now| {
                let known = protocol.set_candidacy(now, &name, candidacy);
                debug_assert!(known.is_ok(), "it is configured");
            });
        }
    }

    fn reset_drift(&mut self, host: u32) {
        let now = self.now;
        let one = &mut self.hosts[host as usize];
        let ppm = one.drift();
        if one.clock.ppm() != ppm {
            one.clock.drift(now, ppm);
            self.rewind(host);
        }
    }

    /// The host's clock has changed, so its wake is due at another moment.
    pub(super) fn rewind(&mut self, host: u32) {
        let one = &mut self.hosts[host as usize];
        one.wakes_at = Instant::NEVER;
        self.aim_timers(host);
        let one = &self.hosts[host as usize];
        match one.protocol() {
            Some(protocol) if one.is_stopped() => {
                self.watch.turned(Moment { now: self.now, clock: one.clock }, host, protocol);
            }
            _ => self.drain(host),
        }
    }
}
