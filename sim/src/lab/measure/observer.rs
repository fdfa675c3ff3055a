//! Watches a run and notes what is measured: deaths found and invented, joins, suspicions, datagrams.
//!
//! It knows the truth, so it can tell the death of a process that ended from that of one that runs. A process *ails*
//! while a fault keeps it from running or answering, and whether the observer or the member ailed is noted with each
//! false death: Lifeguard's question is whether the healthy are safe from the ailing.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings::event::DeadReason;
use tidings::{Event, Generation, Instant, Member, NodeId, Protocol};

use crate::fault::{Fault, Hosts, Planned};
use crate::network::Fate;
use crate::watch::{Life, Moment, Phase, Watch};

/// A process that ended without a word, and which hosts learned of it when.
#[derive(Clone, Debug)]
pub struct Crash {
    /// The host that it ran on.
    pub host: u32,
    /// When it ended.
    pub at: Instant,
    /// When the first other suspected it after that.
    pub first_suspect: Option<Instant>,
    /// The hosts that had it Dead, and when first, in order of time.
    pub verdicts: Vec<Verdict>,
    id: NodeId,
    generation: Generation,
    /// The hosts that ran then, each with its start.
    witnesses: Vec<(u32, u32)>,
}

/// That a host had a member Dead.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// The host that had it Dead.
    pub observer: u32,
    /// When its application was told.
    pub at: Instant,
    /// For what reason.
    pub reason: DeadReason,
    /// Whether it was provisional.
    pub is_provisional: bool,
}

/// A Dead of a member whose process ran.
#[derive(Clone, Copy, Debug)]
pub struct FalseDeath {
    /// Which host said so, when and why.
    pub verdict: Verdict,
    /// The host whose process ran.
    pub victim: u32,
    /// Whether a fault kept the observer from running or answering then.
    pub observer_ailed: bool,
    /// The same of the victim.
    pub victim_ailed: bool,
}

/// A process that started when others ran, and when these learned of it.
#[derive(Clone, Debug)]
pub struct Join {
    /// When it started.
    pub at: Instant,
    /// When the last one so far learned of it.
    pub last: Instant,
    id: NodeId,
    generation: Generation,
    /// The hosts that have yet to learn of it, each with its start.
    awaited: Vec<(u32, u32)>,
}

/// What a host sent, and how long it ran for that.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Datagrams sent.
    pub datagrams: u64,
    /// Bytes of UDP payload.
    pub bytes: u64,
    /// How long its processes ran.
    pub ran: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Process {
    id: NodeId,
    generation: Generation,
    is_up: bool,
    is_leaving: bool,
    since: Instant,
    starts: u32,
}

/// Notes what is measured in a run.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    processes: Vec<Option<Process>>,
    ailing: Vec<u32>,
    loads: Vec<Load>,
    crashes: Vec<Crash>,
    joins: Vec<Join>,
    false_deaths: Vec<FalseDeath>,
    /// The last process of each name.
    hosts: BTreeMap<NodeId, u32>,
    suspects: u64,
    refuted: u64,
}

impl Observer {
    /// Processes that ended without a word, in order of time.
    #[must_use]
    pub fn crashes(&self) -> &[Crash] {
        &self.crashes
    }

    /// Deaths of processes that ran, in order of time.
    #[must_use]
    pub fn false_deaths(&self) -> &[FalseDeath] {
        &self.false_deaths
    }

    /// Suspicions told, one for each observer.
    #[must_use]
    pub fn suspects(&self) -> u64 {
        self.suspects
    }

    /// Suspicions whose end was told as a refutation, one for each observer.
    #[must_use]
    pub fn refuted(&self) -> u64 {
        self.refuted
    }

    /// What each host sent until now.
    #[must_use]
    pub fn loads(&self, now: Instant) -> Vec<Load> {
        let running = |process: &Process| if process.is_up { now.since(process.since) } else { Duration::ZERO };
        let host = |(load, process): (&Load, &Option<Process>)| Load {
            ran: load.ran + process.as_ref().map_or(Duration::ZERO, running),
            ..*load
        };
        self.loads.iter().zip(&self.processes).map(host).collect()
    }

    /// How long it took until a process that started was known to every host that ran then and has run since; none if
    /// one of these never learned of it.
    pub fn join_times(&self) -> impl Iterator<Item = Option<Duration>> + '_ {
        self.joins.iter().map(|join| {
            let is_awaited = join.awaited.iter().any(|(host, start)| self.still_runs(*host, *start));
            (!is_awaited).then(|| join.last.since(join.at))
        })
    }

    /// When the last host learned of a crash that ran then and has run since; none while some have not.
    #[must_use]
    pub fn all_know(&self, crash: &Crash) -> Option<Instant> {
        let knows = |host: u32| crash.verdicts.iter().find(|verdict| verdict.observer == host).map(|found| found.at);
        let survivors = crash.witnesses.iter().filter(|(host, start)| self.still_runs(*host, *start));
        survivors.map(|(host, _)| knows(*host)).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    fn still_runs(&self, host: u32, start: u32) -> bool {
        let process = self.processes.get(host as usize).copied().flatten();
        process.is_some_and(|process| process.is_up && process.starts == start)
    }

    fn running(&self) -> Vec<(u32, u32)> {
        let up = |(host, process): (u32, &Option<Process>)| {
            process.filter(|process| process.is_up).map(|process| (host, process.starts))
        };
        (0..).zip(&self.processes).filter_map(up).collect()
    }

    fn grow(&mut self, host: u32) {
        let needed = host as usize + 1;
        if self.processes.len() < needed {
            self.processes.resize(needed, None);
            self.loads.resize(needed, Load::default());
        }
        if self.ailing.len() < needed {
            self.ailing.resize(needed, 0);
        }
    }

    fn ails(&self, host: u32) -> bool {
        self.ailing.get(host as usize).is_some_and(|faults| *faults > 0)
    }

    fn started(&mut self, now: Instant, host: u32, me: &Member) {
        let witnesses = self.running();
        self.grow(host);
        let starts = self.processes[host as usize].map_or(0, |process| process.starts) + 1;
        let (id, generation) = (me.id(), me.generation());
        self.processes[host as usize] =
            Some(Process { id, generation, is_up: true, is_leaving: false, since: now, starts });
        self.hosts.insert(id, host);
        // At the very beginning no host joins: they start together, or know each other already.
        if now > Instant::ORIGIN && !witnesses.is_empty() {
            self.joins.push(Join { at: now, last: now, id, generation, awaited: witnesses });
        }
    }

    fn ended(&mut self, now: Instant, host: u32, life: Life, me: Option<&Member>) {
        let Some(Some(process)) = self.processes.get_mut(host as usize) else { return };
        process.is_up = false;
        self.loads[host as usize].ran += now.since(process.since);
        let (id, known) = (process.id, process.generation);
        if life == Life::Crashed {
            let generation = me.map_or(known, Member::generation);
            let (witnesses, verdicts) = (self.running(), Vec::new());
            self.crashes.push(Crash { host, at: now, first_suspect: None, verdicts, id, generation, witnesses });
        }
    }

    /// A host has a member Dead: of a process that ended, or of one that runs.
    fn dead(&mut self, verdict: Verdict, member: &Member) {
        let (id, generation) = (member.id(), member.generation());
        let crash = self.crashes.iter_mut().rev().find(|crash| crash.id == id && crash.generation == generation);
        if let Some(crash) = crash {
            if crash.verdicts.iter().all(|known| known.observer != verdict.observer) {
                crash.verdicts.push(verdict);
            }
            return;
        }
        let Some(victim) = self.hosts.get(&id).copied() else { return };
        let process = self.processes.get(victim as usize).copied().flatten();
        // A process may raise its generation while it runs.
        let ran = process.is_some_and(|one| one.is_up && !one.is_leaving && generation >= one.generation);
        if ran && verdict.reason != DeadReason::Restarted {
            let (observer_ailed, victim_ailed) = (self.ails(verdict.observer), self.ails(victim));
            self.false_deaths.push(FalseDeath { verdict, victim, observer_ailed, victim_ailed });
        }
    }

    fn suspected(&mut self, now: Instant, member: &Member) {
        self.suspects += 1;
        let is_it = |crash: &&mut Crash| crash.id == member.id() && crash.generation == member.generation();
        if let Some(crash) = self.crashes.iter_mut().rev().find(is_it) {
            crash.first_suspect = crash.first_suspect.or(Some(now));
        }
    }

    fn up(&mut self, now: Instant, observer: u32, member: &Member) {
        let is_it = |join: &&mut Join| join.id == member.id() && join.generation <= member.generation();
        if let Some(join) = self.joins.iter_mut().rev().find(is_it) {
            let before = join.awaited.len();
            join.awaited.retain(|(host, _)| *host != observer);
            if join.awaited.len() < before {
                join.last = now;
            }
        }
    }
}

impl Watch for Observer {
    fn sent(&mut self, _: Instant, from: u32, _: Option<u32>, datagram: &[u8], _: &Fate) {
        if let Some(load) = self.loads.get_mut(from as usize) {
            load.datagrams += 1;
            load.bytes += datagram.len() as u64;
        }
    }

    fn told(&mut self, moment: Moment, host: u32, _: &Protocol, event: &Event) {
        match event {
            Event::Up(member) => self.up(moment.now, host, member),
            Event::Suspect { member, .. } => self.suspected(moment.now, member),
            Event::Refuted(_) => self.refuted += 1,
            Event::Dead { member, reason, provisional, .. } => {
                let verdict = Verdict { observer: host, at: moment.now, reason: *reason, is_provisional: *provisional };
                self.dead(verdict, member);
            }
            _ => {}
        }
    }

    fn lives(&mut self, now: Instant, host: u32, life: Life, protocol: Option<&Protocol>) {
        let me = protocol.map(Protocol::me);
        match (life, me) {
            (Life::Started, Some(me)) => self.started(now, host, me),
            (Life::Crashed | Life::Left | Life::Superseded, me) => self.ended(now, host, life, me),
            _ => {}
        }
    }

    fn fault(&mut self, _: Instant, _: u32, planned: &Planned, phase: Phase) {
        let hosts: &Hosts = match &planned.what {
            Fault::Pause { hosts, .. } | Fault::Suspend { hosts, .. } | Fault::Block { hosts } => hosts,
            Fault::Slow { hosts, .. } => hosts,
            Fault::Leave { hosts } if phase == Phase::Begins => {
                for host in hosts.numbers(self.processes.len() as u32) {
                    if let Some(Some(process)) = self.processes.get_mut(host as usize) {
                        process.is_leaving = true;
                    }
                }
                return;
            }
            _ => return,
        };
        for host in hosts.numbers(self.processes.len() as u32) {
            self.grow(host);
            let faults = &mut self.ailing[host as usize];
            *faults = if phase == Phase::Begins { *faults + 1 } else { faults.saturating_sub(1) };
        }
    }
}
