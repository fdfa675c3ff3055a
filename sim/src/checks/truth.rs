//! What is really so: which processes run, what each owner said of itself, who was heard, which links lost something.
//!
//! The protocol knows none of this. Everything is taken from what happened to processes and datagrams, not from what a
//! scenario meant to do to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use tidings::member::Incarnation;
use tidings::{Generation, Instant, Member, NodeId, Protocol};
use twox_hash::XxHash3_64;

use crate::fault::{Fault, Hosts};
use crate::network::{Fate, Loss};
use crate::scenario::{Configs, EPOCH_MS, Scenario, Start};
use crate::watch::{Life, Passage, Phase};

/// A datagram that takes this much longer than usual counts as lost where losses matter.
const LATE_SHARE: u32 = 4;
/// Runs of a process that are remembered: more than fit in P at the quickest flapping that faults draw.
const RUNS_KEPT: usize = 64;
/// A host whose datagrams cost it more than this answers late.
const SLOW: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(super) struct Truth {
    /// Everyone who was ever started, by name.
    issued: BTreeMap<NodeId, BTreeMap<Generation, Issued>>,
    processes: Vec<Process>,
    /// By host, over all its starts; none stands for all.
    impairments: BTreeMap<Option<u32>, Impairments>,
    tolerance: Duration,
    /// When the network last lost or delayed something.
    harmed: Links,
    /// When a cut last stopped something.
    cut: Links,
    /// When something was last lost at the socket of a host that did not run.
    spilt: Links,
    late: Duration,
}

/// A moment for each link, by sender and receiver.
#[derive(Debug, Default)]
struct Links(Vec<Vec<Instant>>);

impl Links {
    fn note(&mut self, from: u32, to: u32, at: Instant) {
        let (from, to) = (from as usize, to as usize);
        if self.0.len() <= from {
            self.0.resize_with(from + 1, Vec::new);
        }
        let row = &mut self.0[from];
        if row.len() <= to {
            row.resize(to + 1, Instant::ORIGIN);
        }
        row[to] = row[to].max(at);
    }

    fn one_way(&self, from: u32, to: u32) -> Instant {
        self.0.get(from as usize).and_then(|row| row.get(to as usize)).copied().unwrap_or(Instant::ORIGIN)
    }

    /// The later moment of the two directions.
    fn between(&self, some: u32, other: u32) -> Instant {
        self.one_way(some, other).max(self.one_way(other, some))
    }
}

/// What a member said of itself at one start of its process.
#[derive(Debug, Default)]
struct Issued {
    highest: Incarnation,
    said: BTreeMap<Incarnation, Said>,
}

impl Issued {
    fn is_as_said(&self, incarnation: Incarnation, hash: u64) -> bool {
        let is_disputed = || self.said.range(..=incarnation).any(|(_, said)| said.hash == 0);
        self.said.get(&incarnation).is_none_or(|said| said.hash == hash || is_disputed())
    }
}

/// What was said at an incarnation, and by which process.
#[derive(Clone, Copy, Debug)]
struct Said {
    /// The hash of address and metadata; 0 where two processes said different things.
    hash: u64,
    host: u32,
    start: u32,
}

/// A host's process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) id: NodeId,
    pub(super) generation: Generation,
    /// Where it said to be, in turn; a process that does not know it yet has said nothing.
    addresses: Vec<SocketAddr>,
    pub(super) is_up: bool,
    pub(super) is_leaving: bool,
    pub(super) started: Instant,
    /// Whether another start before it had the same generation, so that its silence may still be judged.
    pub(super) is_again: bool,
    /// When a datagram of it last reached another's socket, to be handled there.
    pub(super) heard: Instant,
    /// When it was last heard again after it had been silent for P.
    pub(super) heard_again: Instant,
    starts: u32,
    /// When it ran without a stop, the latest last; one that runs now has not ended.
    runs: VecDeque<(Instant, Instant)>,
}

impl Process {
    fn stops(&mut self, now: Instant) {
        if let Some((_, until)) = self.runs.back_mut() {
            *until = (*until).min(now);
        }
    }

    fn runs_from(&mut self, now: Instant) {
        if self.runs.len() >= RUNS_KEPT {
            self.runs.pop_front();
        }
        self.runs.push_back((now, Instant::NEVER));
    }

    fn is_stopped(&self) -> bool {
        self.runs.back().is_some_and(|(_, until)| *until != Instant::NEVER)
    }

    /// Whether it ran for so long without a stop between two moments.
    pub(super) fn ran_between(&self, since: Instant, now: Instant, at_a_stretch: Duration) -> bool {
        self.runs.iter().any(|(from, until)| (*until).min(now).since((*from).max(since)) >= at_a_stretch)
    }

    fn note_address(&mut self, address: SocketAddr) {
        if !address.ip().is_unspecified() && !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
    }
}

/// What made a host slow, or cut it off by itself.
#[derive(Clone, Debug, Default)]
struct Impairments {
    /// The faults that do so now.
    now: BTreeSet<u32>,
    /// When the last that is over ended.
    until: Instant,
}

impl Truth {
    pub(super) fn new(scenario: &Scenario, configs: &Configs) -> Self {
        let tolerance = configs.least(|config| config.stall_tolerance);
        let least = Duration::from_millis(if tolerance <= Duration::from_secs(1) { 50 } else { 100 });
        let late = scenario.latency.usual_max() + least.min(configs.least(|config| config.probe_timeout)) / LATE_SHARE;

        let mut issued: BTreeMap<NodeId, BTreeMap<Generation, Issued>> = BTreeMap::new();
        if scenario.start == Start::Preloaded {
            // They know each other before the last of them has started.
            let first = |host| (NodeId::from_name(&format!("n{host}")), Generation(EPOCH_MS));
            for (id, generation) in (0..scenario.hosts).map(first) {
                issued.entry(id).or_default().insert(generation, Issued::default());
            }
        }

        Truth {
            issued,
            processes: Vec::new(),
            impairments: BTreeMap::new(),
            tolerance,
            harmed: Links::default(),
            cut: Links::default(),
            spilt: Links::default(),
            late,
        }
    }

    pub(super) fn processes(&self) -> impl Iterator<Item = (u32, &Process)> {
        (0..).zip(&self.processes)
    }

    /// The process that runs as this member says; one that started at another address is another.
    pub(super) fn process(&self, member: &Member) -> Option<(u32, &Process)> {
        let is_it = |process: &Process| (process.id, process.generation) == (member.id(), member.generation());
        let is_at = |process: &Process| process.addresses.is_empty() || process.addresses.contains(&member.address());
        self.processes().find(|(_, process)| process.is_up && is_it(process) && is_at(process))
    }

    /// Whether a process of this id was ever started.
    pub(super) fn is_known(&self, id: NodeId) -> bool {
        self.issued.contains_key(&id)
    }

    /// The highest incarnation that the owner had at this generation.
    pub(super) fn highest(&self, id: NodeId, generation: Generation) -> Option<Incarnation> {
        Some(self.issued.get(&id)?.get(&generation)?.highest)
    }

    /// Whether a record is as its owner said it.
    ///
    /// Two processes of one name that start in the same millisecond have one generation, until one gives way. A change
    /// of the further fields alone, said by the one, then meets what the other said before it, at the same incarnation
    /// as its base, and no receiver can tell: it holds the address of the one with the fields of the other. So from the
    /// first incarnation on at which two processes said different things no record of that generation is asked about.
    pub(super) fn is_as_said(&self, member: &Member) -> bool {
        let record = member.record();
        let issued = self.issued.get(&record.id()).and_then(|starts| starts.get(&record.generation()));
        issued.is_none_or(|issued| issued.is_as_said(record.incarnation(), hash(member)))
    }

    /// When something between two hosts was last lost or late, cuts apart.
    pub(super) fn harmed(&self, some: u32, other: u32) -> Instant {
        self.harmed.between(some, other)
    }

    /// When a cut last stopped something between two hosts.
    pub(super) fn cut(&self, some: u32, other: u32) -> Instant {
        self.cut.between(some, other)
    }

    /// When something between two hosts was last lost at the socket of the second, which did not run.
    pub(super) fn spilt(&self, from: u32, to: u32) -> Instant {
        self.spilt.one_way(from, to)
    }

    /// Until when a host was impaired.
    pub(super) fn impaired(&self, host: u32) -> Instant {
        let ended = |impairments: &Impairments| {
            if impairments.now.is_empty() { impairments.until } else { Instant::NEVER }
        };
        let of = |host: Option<u32>| self.impairments.get(&host).map_or(Instant::ORIGIN, ended);
        of(Some(host)).max(of(None))
    }

    pub(super) fn sent(&mut self, now: Instant, from: u32, to: Option<u32>, fate: &Fate) {
        let Some(to) = to else { return };
        match fate {
            Fate::Lost(Loss::Cut | Loss::Family) => self.cut.note(from, to, now),
            Fate::Lost(_) => self.harmed.note(from, to, now),
            Fate::Arrives { delay, damage, .. } => {
                if damage.is_some() || *delay > self.late {
                    self.harmed.note(from, to, now + *delay);
                }
            }
        }
    }

    pub(super) fn missed(&mut self, now: Instant, from: u32, to: Option<u32>) {
        let is_up = |host: &u32| self.processes.get(*host as usize).is_some_and(|process| process.is_up);
        if let Some(to) = to.filter(is_up) {
            let is_stopped = self.processes.get(to as usize).is_some_and(Process::is_stopped);
            let links = if is_stopped { &mut self.spilt } else { &mut self.harmed };
            links.note(from, to, now);
        }
    }

    pub(super) fn handled(&mut self, host: u32, passage: Passage) {
        let Some(sender) = self.processes.get_mut(passage.from as usize) else { return };
        if passage.from != host && passage.start == sender.starts && passage.is_whole {
            if passage.arrived.since(sender.heard) >= self.tolerance {
                sender.heard_again = passage.arrived;
            }
            sender.heard = sender.heard.max(passage.arrived);
        }
    }

    /// Notes what a member says of itself now; false if the same process said otherwise at the same incarnation.
    pub(super) fn issue(&mut self, host: u32, protocol: &Protocol) -> bool {
        let me = protocol.me();
        let mut start = 0;
        if let Some(process) = self.processes.get_mut(host as usize) {
            process.generation = me.generation();
            process.note_address(me.address());
            process.is_leaving = protocol.leave_progress().is_some();
            start = process.starts;
        }

        // A host that does not know its address has not told its record yet.
        if me.address().ip().is_unspecified() {
            let starts = self.issued.entry(me.id()).or_default();
            let issued = starts.entry(me.generation()).or_default();
            issued.highest = issued.highest.max(me.incarnation());
            return true;
        }

        let starts = self.issued.entry(me.id()).or_default();
        let issued = starts.entry(me.generation()).or_default();
        issued.highest = issued.highest.max(me.incarnation());
        let now = Said { hash: hash(me), host, start };
        let before = issued.said.entry(me.incarnation()).or_insert(now);
        if before.hash == now.hash || before.hash == 0 {
            return true;
        }

        // Two processes may differ though they have one start; each by itself may not. Said once, it is not said again.
        let is_other = (before.host, before.start) != (host, start);
        before.hash = 0;
        is_other
    }

    pub(super) fn lives(&mut self, now: Instant, host: u32, life: Life, protocol: Option<&Protocol>) {
        let (place, Some(protocol)) = (host as usize, protocol) else { return };
        let me = protocol.me();

        match life {
            Life::Started => {
                let starts = self.processes.get(place).map_or(0, |process| process.starts) + 1;
                let is_again = self.highest(me.id(), me.generation()).is_some();
                let mut process = Process {
                    id: me.id(),
                    generation: me.generation(),
                    addresses: Vec::new(),
                    is_up: true,
                    is_leaving: false,
                    started: now,
                    is_again,
                    heard: now,
                    heard_again: Instant::ORIGIN,
                    starts,
                    runs: VecDeque::from([(now, Instant::NEVER)]),
                };
                process.note_address(me.address());

                // A storm's hosts start in any order, so there may be places before this one without a process yet.
                let nobody = Process { is_up: false, starts: 0, ..process.clone() };
                if self.processes.len() <= place {
                    self.processes.resize(place + 1, nobody);
                }

                self.processes[place] = process;
                self.issue(host, protocol);
            }
            Life::Crashed | Life::Left | Life::Superseded => {
                if let Some(process) = self.processes.get_mut(place) {
                    process.is_up = false;
                }
            }
            Life::Stopped => {
                if let Some(process) = self.processes.get_mut(place) {
                    process.stops(now);
                }
            }
            Life::Resumed => {
                if let Some(process) = self.processes.get_mut(place) {
                    process.runs_from(now);
                }
            }
        }
    }

    pub(super) fn fault(&mut self, now: Instant, id: u32, fault: &Fault, phase: Phase) {
        let hosts: &Hosts = match fault {
            Fault::Block { hosts } => hosts,
            Fault::Slow { hosts, service } if *service > SLOW => hosts,
            // A clock that jumps ahead takes from P what it had not yet been woken for.
            Fault::Step { hosts, .. } => hosts,
            _ => return,
        };

        let is_a_moment = matches!(fault, Fault::Step { .. });
        // Hosts that have not started yet are meant too.
        let named: Vec<Option<u32>> = match hosts {
            Hosts::These(these) => these.iter().map(|host| Some(*host)).collect(),
            _ => vec![None],
        };

        if phase == Phase::Begins {
            for host in named {
                let impairments = self.impairments.entry(host).or_default();
                impairments.until = now;
                if !is_a_moment {
                    impairments.now.insert(id);
                }
            }
        } else {
            for impairments in self.impairments.values_mut() {
                if impairments.now.remove(&id) {
                    impairments.until = now;
                }
            }
        }
    }
}

pub(super) fn hash(member: &Member) -> u64 {
    let mut bytes = member.address().to_string().into_bytes();
    bytes.extend_from_slice(member.metadata());
    XxHash3_64::oneshot(&bytes).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_processes_said_binds_no_record_that_may_build_on_it() {
        // What was said at incarnations 0, 1, 2, a 0 where two processes said different things; the record's
        // incarnation and hash; whether it is taken.
        let rows = [
            ([5, 6, 7], 2, 7, true),
            ([5, 6, 7], 2, 6, false),
            ([5, 6, 7], 3, 6, true),
            ([5, 0, 7], 2, 6, true),
            ([5, 0, 7], 1, 9, true),
            ([5, 0, 7], 0, 7, false),
            ([5, 6, 0], 1, 7, false),
        ];
        for (said, incarnation, hash, is_taken) in rows {
            let said = (0..).map(Incarnation).zip(said.map(|hash| Said { hash, host: 0, start: 1 })).collect();
            let issued = Issued { highest: Incarnation(2), said };
            assert_eq!(issued.is_as_said(Incarnation(incarnation), hash), is_taken, "{issued:?} {incarnation} {hash}");
        }
    }
}
