//! How faults of processes and clocks begin and end; those of the network it hands to the network.

use std::time::Duration;

use tidings::{Instant, NodeId};

use crate::app::App;
use crate::fault::{Fault, Hosts, Planned, Towards, WallClock};
use crate::random::nanos;
use crate::trace::{Kind, What as Happened};
use crate::watch::{Life, Phase, Watch};
use crate::world::World;
use crate::world::conditions::condition;
use crate::world::queue::What;

impl<A: App, W: Watch> World<A, W> {
    pub(super) fn begin_fault(&mut self, id: u32) {
        let mut planned = self.scenario.faults[id as usize].clone();
        planned.what.lead(|| self.leader(0));
        self.scenario.faults[id as usize].what = planned.what.clone();
        let ends = planned.ends().map(|end| Instant::ORIGIN + end);
        self.announce(id, &planned, Phase::Begins, ends);
        if planned.what.is_of_the_network() {
            self.network.install(id, &planned.what, planned.flap, self.now, ends);
            if let Some(end) = ends {
                self.queue.push(end, What::End(id));
            }
            return;
        }
        self.apply_fault(id, &planned, ends);
        let pause = planned.flap.map(|flap| self.now + flap.on);
        if let Some(end) = pause.into_iter().chain(ends).min() {
            self.queue.push(end, What::End(id));
        }
    }

    pub(super) fn end_fault(&mut self, id: u32) {
        let planned = self.scenario.faults[id as usize].clone();
        let ends = planned.ends().map(|end| Instant::ORIGIN + end);
        self.announce(id, &planned, Phase::Ends, ends);
        if planned.what.is_of_the_network() {
            return self.network.remove(id);
        }
        self.undo_fault(id, &planned.what);
        let again = planned.flap.map(|flap| self.now + flap.off).filter(|at| ends.is_some_and(|end| *at < end));
        if let Some(at) = again {
            self.queue.push(at, What::Begin(id));
        }
    }

    fn announce(&mut self, id: u32, planned: &Planned, phase: Phase, ends: Option<Instant>) {
        self.trace.happening(self.now, id, Kind::Fault, &[u8::from(phase == Phase::Begins)]);
        self.watch.fault(self.now, id, planned, phase);
        if phase == Phase::Ends || !self.trace.keeps_lines() {
            return;
        }
        let mut fault = planned.what.clone();
        let hosts = match fault.hosts_mut() {
            Some(Hosts::These(these)) => these.clone(),
            _ => Vec::new(),
        };
        let on = planned.flap.filter(|_| !planned.what.is_of_the_network()).map(|flap| self.now + flap.on);
        let until = on.into_iter().chain(ends).min().unwrap_or(Instant::ORIGIN + self.scenario.lasts);
        let text = planned.what.to_string();
        let name = planned.what.name();
        self.trace.line(self.now, None, || Happened::Fault { id, name, text, hosts, until });
    }

    /// Does what a fault of processes or clocks does when it begins.
    fn apply_fault(&mut self, id: u32, planned: &Planned, ends: Option<Instant>) {
        if let Some((hosts, condition)) = condition(&planned.what) {
            return self.each(hosts, |world, host| world.afflict(id, host, condition));
        }

        match &planned.what {
            Fault::Crash { hosts, .. } => self.each(hosts, |world, host| {
                world.hold_down(id, host);
                world.end(host, Life::Crashed);
            }),
            Fault::Leave { hosts } => self.each(hosts, |world, host| {
                world.hold_down(id, host);
                world.leave(host);
            }),
            Fault::Step { hosts, by, towards } => self.each(hosts, |world, host| world.step_clock(host, *by, *towards)),
            Fault::Join { count, clock } => self.join_storm(*count, *clock, planned),
            Fault::Twin { of } => self.start_twin(id, *of),
            Fault::Lie { .. } => self.lie(id),
            Fault::Writers { .. } => self.change_metadata(id),
            Fault::Nat { hosts, gateway, back } => {
                self.each(hosts, |world, host| world.translate(id, host, *gateway, *back))
            }
            Fault::Move { hosts, to } => self.relocate(hosts, *to),
            Fault::Resign { hosts, to } => {
                let to = to.and_then(|to| self.hosts.get(to as usize)).map(|to| to.id);
                self.each(hosts, |world, host| world.resign(host, to));
            }
            Fault::ChangeVoters { hosts, voters } => {
                let of = |host: &u32| self.hosts.get(*host as usize).map(|host| host.name.clone());
                let names: Vec<String> = voters.iter().filter_map(of).collect();
                self.each(hosts, |world, host| world.change_voters(host, &names));
            }
            Fault::SetClock { hosts } => self.each(hosts, World::set_wall_clock),
            Fault::Prefer { hosts, priority } => self.each(hosts, |world, host| {
                world.hosts[host as usize].priority = Some(*priority);
                world.work(host);
            }),
            Fault::Metadata { hosts, bytes } => self.each(hosts, |world, host| world.write_metadata(host, *bytes)),
            Fault::Forget { hosts, whom } => {
                let whom = whom.numbers(self.hosts.len() as u32);
                let whom: Vec<NodeId> = whom.into_iter().map(|host| self.hosts[host as usize].id).collect();
                self.each(hosts, |world, host| world.forget(host, &whom));
            }
            _ => debug_assert!(ends.is_none_or(|end| end >= self.now), "a fault of the network is no business here"),
        }
    }

    /// Undoes what can be undone.
    fn undo_fault(&mut self, id: u32, fault: &Fault) {
        match fault {
            Fault::Crash { hosts, clock, address } => self.each(hosts, |world, host| {
                if world.end_condition(id, host) {
                    world.start_again(host, *clock, *address);
                }
            }),
            Fault::Leave { hosts } => self.each(hosts, |world, host| {
                if world.end_condition(id, host) {
                    world.end(host, Life::Left);
                    world.start_again(host, Default::default(), Default::default());
                }
            }),
            Fault::Twin { .. } => {
                if let Some(twin) = self.twins.get(&id).copied() {
                    self.end(twin, Life::Crashed);
                    self.hosts[twin as usize].is_over = true;
                }
            }
            _ => {
                let number = self.hosts.len() as u32;
                for host in 0..number {
                    self.cure(id, host);
                }
            }
        }
    }

    fn each(&mut self, hosts: &Hosts, mut act: impl FnMut(&mut Self, u32)) {
        for host in hosts.numbers(self.hosts.len() as u32) {
            act(self, host);
        }
    }

    /// A fault ends a host's process and holds it down; one that never started is not due yet.
    fn hold_down(&mut self, id: u32, host: u32) {
        let one = &mut self.hosts[host as usize];
        if one.starts > 0 {
            one.downed.insert(id);
        }
    }

    /// A fault holds a host down no longer; whether it is to start again: no other does.
    fn end_condition(&mut self, id: u32, host: u32) -> bool {
        let one = &mut self.hosts[host as usize];
        let is_due = one.downed.remove(&id) && one.downed.is_empty() && !one.is_over;
        is_due && (!one.is_up() || one.is_leaving)
    }

    fn leave(&mut self, host: u32) {
        let one = &mut self.hosts[host as usize];
        if one.is_up() && !one.is_stopped() {
            one.is_leaving = true;
            self.command(host, b"leave", tidings::Protocol::leave);
        }
    }

    /// A host hands over whatever it leads.
    fn resign(&mut self, host: u32, to: Option<NodeId>) {
        let names: Vec<String> = self.config.elections.iter().map(|election| election.name.clone()).collect();
        self.command(host, b"resign", |protocol, now| {
            for name in &names {
                let _ = protocol.resign(now, name, to);
            }
        });
    }

    /// A host asks for other voters; where it cannot, nothing changes.
    fn change_voters(&mut self, host: u32, names: &[String]) {
        let elections: Vec<String> = self.config.elections.iter().map(|election| election.name.clone()).collect();
        self.command(host, b"change voters", |protocol, now| {
            for election in &elections {
                let _ = protocol.change_voters(now, election, names, false);
            }
        });
    }

    /// A host's clock jumps.
    fn step_clock(&mut self, host: u32, by: Duration, towards: Towards) {
        let (now, clock) = (self.now, &mut self.hosts[host as usize].clock);
        match towards {
            Towards::Future => clock.step_ahead(now, by),
            Towards::Past => clock.step_back(now, by),
        }
        self.rewind(host);
    }

    /// A host's wall clock is set right, and its process sees it.
    fn set_wall_clock(&mut self, host: u32) {
        let right = self.right_ms();
        let one = &mut self.hosts[host as usize];
        let since = one.clock.read(self.now).since(one.ballots.began);
        one.wall = right.saturating_sub(nanos(since) / 1_000_000);
        self.command(host, b"wall clock", |protocol, now| protocol.set_wall_clock(now, right));
    }

    /// A host's application writes metadata of so many bytes, other ones from moment to moment.
    fn write_metadata(&mut self, host: u32, bytes: usize) {
        let metadata = vec![(nanos(self.now.since(Instant::ORIGIN)) >> 20) as u8; bytes];
        self.command(host, &metadata, |protocol, now| {
            let _ = protocol.set_metadata(now, &metadata);
        });
    }

    /// The application of a host forgets members.
    fn forget(&mut self, host: u32, whom: &[NodeId]) {
        for id in whom {
            self.command(host, &id.to_bytes(), |protocol, now| {
                let _ = protocol.forget(now, *id);
            });
        }
    }

    fn join_storm(&mut self, count: u32, clock: WallClock, planned: &Planned) {
        let spread = nanos(planned.lasts.unwrap_or_default());
        for _ in 0..count {
            let host = self.add_host(format!("n{}", self.hosts.len()));
            self.hosts[host as usize].first_clock = clock;
            let at = self.now + Duration::from_nanos(self.random.below(spread));
            self.queue.push(at, What::Start(host));
        }
    }

    fn start_twin(&mut self, id: u32, of: u32) {
        let name = self.hosts[of as usize].name.clone();
        let twin = self.add_host(name);
        self.twins.insert(id, twin);
        self.queue.push(self.now, What::Start(twin));
    }
}
