//! Always, of elections: the checks of leaders, votes and writes together. They cost nothing where there is no
//! election.

use std::time::Duration;

use tidings::event::Event;
use tidings::leader::{LossReason, Trigger};
use tidings::{Instant, Protocol};

use crate::checks::Sometimes;
use crate::checks::fresh::Fresh;
use crate::checks::leases::Leases;
use crate::checks::register::Register;
use crate::checks::saved::Saved;
use crate::checks::vacancy::Vacancies;
use crate::checks::votes::Votes;
use crate::fault::Planned;
use crate::forge::ASKED_HEARTBEAT;
use crate::scenario::{Configs, Scenario};
use crate::violation::Violation;
use crate::watch::{Disk, Life, Moment, Passage, Phase};

#[derive(Debug)]
pub(super) struct Elections {
    leases: Leases,
    votes: Votes,
    fresh: Fresh,
    saved: Saved,
    register: Register,
    vacancies: Vacancies,
    /// Writes of an application are under way for so long at most.
    delay_max: Duration,
    is_any: bool,
}

impl Elections {
    pub(super) fn new(scenario: &Scenario, configs: &Configs) -> Self {
        let lease = scenario.elections.iter().map(|election| election.lease).max().unwrap_or_default();
        Elections {
            leases: Leases::new(scenario),
            votes: Votes::new(scenario),
            fresh: Fresh::default(),
            saved: Saved::new(scenario),
            vacancies: Vacancies::new(scenario, configs),
            register: Register::new(scenario.seed.unwrap_or_default(), scenario.promises_one_leader()),
            delay_max: lease * 4,
            is_any: !scenario.elections.is_empty(),
        }
    }

    pub(super) fn sent(
        &mut self,
        now: Instant,
        from: u32,
        datagram: &[u8],
        sometimes: &mut Sometimes,
    ) -> Option<Violation> {
        if self.is_any { self.votes.sent(now, from, datagram, sometimes) } else { None }
    }

    pub(super) fn handled(&mut self, host: u32, passage: Passage, datagram: &[u8]) {
        if self.is_any {
            self.votes.handled(host, passage, datagram);
            self.hear_answer(host, passage, datagram);
        }
    }

    fn hear_answer(&mut self, host: u32, passage: Passage, datagram: &[u8]) {
        if !self.fresh.awaits(host) {
            return;
        }
        if let Some((place, voter, term)) = self.votes.granted(host, passage, datagram, ASKED_HEARTBEAT) {
            self.fresh.answered(host, place, term, voter, passage.sent);
        }
    }

    pub(super) fn turned(
        &mut self,
        moment: Moment,
        host: u32,
        protocol: &Protocol,
        sometimes: &mut Sometimes,
    ) -> Option<Violation> {
        if !self.is_any {
            return None;
        }

        self.votes.turned(host, protocol.me());
        let fenced = self.register.advance(moment.now, sometimes);
        let (began, mut found) = self.leases.turned(moment, host, protocol, sometimes);
        for (election, term) in began {
            self.register.lease_begins(election, host, term);
            self.vacancies.lease_begins(election);
            found = found.or(self.votes.lease_begins(moment.now, host, election, term));
        }

        self.register.turned(moment.now, host, &self.leases, self.delay_max);
        let acts = self.fresh.turned(moment.now, self.leases.latest(host), host, protocol);
        found.or(fenced).or(acts).or_else(|| self.vacancies.overdue(moment.now))
    }

    pub(super) fn told(
        &mut self,
        now: Instant,
        host: u32,
        protocol: &Protocol,
        event: &Event,
        sometimes: &mut Sometimes,
    ) -> Option<Violation> {
        match event {
            Event::Leader { trigger, .. } => sometimes.note(elected(*trigger)),
            Event::LeaderLost { leader, reason } if leader.id == protocol.me().id() => sometimes.note(lost(*reason)),
            _ => {}
        }
        self.leases.told(now, host, protocol, event)
    }

    pub(super) fn disk(
        &mut self,
        now: Instant,
        host: u32,
        election: &str,
        disk: Disk,
        sometimes: &mut Sometimes,
    ) -> Option<Violation> {
        match disk {
            Disk::Failed => sometimes.note("save failed"),
            Disk::Torn => sometimes.note("torn disk found"),
            Disk::Found(None) if self.votes.starts(host) > 1 => sometimes.note("votes forgotten"),
            Disk::Found(_) | Disk::Saved(_) | Disk::Taken | Disk::Refused(_) => {}
        }
        let lost = self.saved.disk(now, host, election, &disk);
        self.votes.disk(now, host, election, disk).or(lost)
    }

    pub(super) fn fault(&mut self, now: Instant, fault: &Planned, phase: Phase) {
        self.vacancies.fault(now, fault, phase);
    }

    pub(super) fn lives(&mut self, now: Instant, host: u32, life: Life, protocol: Option<&Protocol>) {
        // Asked while the lease of the host that ends is still known.
        self.vacancies.lives(now, host, life, &self.leases);
        self.leases.lives(host, life);
        self.fresh.lives(host, life);
        if let (Life::Started, Some(protocol)) = (life, protocol) {
            self.votes.started(host, protocol.me());
        }
    }
}

fn elected(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::NoLeader => "elected: no leader",
        Trigger::LeaseRanOut => "elected: lease ran out",
        Trigger::Dead => "elected: leader dead",
        Trigger::Left => "elected: leader left",
        Trigger::Resigned => "elected: leader resigned",
        Trigger::HandedOver => "elected: handed over",
        Trigger::Outrun => "elected: outrun",
        _ => "elected: for a new reason",
    }
}

fn lost(reason: LossReason) -> &'static str {
    match reason {
        LossReason::LeaseRanOut => "own lease lost",
        LossReason::Resigned => "own leadership given up",
        _ => "own leadership lost",
    }
}
