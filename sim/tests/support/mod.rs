//! What the tests of the protocol share: clusters in a simulated world, questions to them, and a tap on the wire.
//!
//! It drives nothing: each method asks the world something, or is a short word for a fault.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tidings::config::Config;
use tidings::event::Event;
use tidings::member::{Generation, NodeId, State};
use tidings::metrics::Metrics;
use tidings::protocol::{LeaveProgress, Protocol};
use tidings::time::Instant;
use tidings_sim::Scenario;
use tidings_sim::fault::{Fault, Hosts, Links, Planned};
use tidings_sim::forge::{self, Read, Who};
use tidings_sim::network::Fate;
use tidings_sim::scenario::Start;
use tidings_sim::watch::{Life, Passage, Phase, Watch};
use tidings_sim::world::{Filter, World};

/// A cluster whose wire is tapped.
pub type Net = World<(), Tap>;

/// A datagram that was sent, or one that was handled.
#[derive(Clone, Debug)]
pub struct Tapped {
    pub at: Instant,
    pub from: u32,
    /// The host at its address, whether or not it runs.
    pub to: Option<u32>,
    pub bytes: Vec<u8>,
}

impl Tapped {
    pub fn kind(&self) -> u8 {
        self.bytes[1]
    }

    pub fn read(&self) -> Read<'_> {
        read(&self.bytes)
    }
}

/// Counts what is sent, keeps it while a test listens, and knows which faults of the network are in force.
#[derive(Debug, Default)]
pub struct Tap {
    pub sent: Vec<Tapped>,
    pub handled: Vec<Tapped>,
    /// Datagrams sent by each host.
    pub counts: Vec<u64>,
    /// What a host that left knew of its departure in the end.
    pub leaves: Vec<(u32, LeaveProgress)>,
    listens: bool,
    in_force: BTreeSet<u32>,
}

impl Watch for Tap {
    fn sent(&mut self, now: Instant, from: u32, to: Option<u32>, datagram: &[u8], _: &Fate) {
        self.counts.resize(self.counts.len().max(from as usize + 1), 0);
        self.counts[from as usize] += 1;
        if self.listens {
            self.sent.push(Tapped { at: now, from, to, bytes: datagram.to_vec() });
        }
    }

    fn handled(&mut self, now: Instant, host: u32, passage: Passage, datagram: &[u8]) {
        if self.listens {
            self.handled.push(Tapped { at: now, from: passage.from, to: Some(host), bytes: datagram.to_vec() });
        }
    }

    fn lives(&mut self, _: Instant, host: u32, life: Life, protocol: Option<&Protocol>) {
        let progress = protocol.filter(|_| life == Life::Left).and_then(Protocol::leave_progress);
        self.leaves.extend(progress.map(|progress| (host, progress)));
    }

    fn fault(&mut self, _: Instant, id: u32, fault: &Planned, phase: Phase) {
        if phase == Phase::Ends {
            self.in_force.remove(&id);
        } else if fault.what.is_of_the_network() {
            self.in_force.insert(id);
        }
    }
}

pub fn lan() -> Config {
    Config::lan("c")
}

pub fn id(n: u32) -> NodeId {
    NodeId::from_name(&format!("n{n}"))
}

pub fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn read(datagram: &[u8]) -> Read<'_> {
    forge::read(datagram).unwrap()
}

/// Hosts that are about to come together.
pub fn begin(config: &Config, seed: u64, n: u32, start: Start) -> Net {
    let scenario = Scenario { start, ..Scenario::new("test", n, secs(3_600)) }.configured(config);
    let mut net = World::new(&scenario, seed, |_| (), Tap::default()).unwrap();
    net.keep_told();
    net
}

/// Hosts that all joined and have settled.
pub fn cluster(config: &Config, seed: u64, n: u32) -> Net {
    let mut net = begin(config, seed, n, Start::Joining);
    let is_formed = |net: &Net| net.up().len() == n as usize && net.all_agree();
    assert!(net.until(secs(60), is_formed), "{n} hosts did not find each other, seed {seed}");
    net.run(secs(5));
    net
}

/// Nothing passes between one host and all others.
pub fn alone(n: u32) -> Fault {
    Fault::partition(&[n])
}

/// Nothing passes between the first `left` hosts and the others.
pub fn halves(left: u32) -> Fault {
    Fault::partition(&(0..left).collect::<Vec<_>>())
}

/// Nothing passes between two hosts.
pub fn apart(a: u32, b: u32) -> Fault {
    Fault::Cut { links: Links::between(&[a], &[b]) }
}

/// A host receives nothing.
pub fn deaf(n: u32) -> Fault {
    Fault::Cut { links: Links::into(&[n]) }
}

/// Nothing passes at all.
pub fn silence() -> Fault {
    Fault::Cut { links: Links::default() }
}

/// What tests ask of a cluster, and do to it.
pub trait Cluster {
    /// Runs until a condition holds, looking after each turn; false if the span is over first.
    fn until(&mut self, span: Duration, holds: impl FnMut(&Net) -> bool) -> bool;
    /// The protocol of a host that runs.
    fn protocol(&self, n: u32) -> &Protocol;
    /// Calls into the protocol of a host that runs.
    fn on<T>(&mut self, n: u32, call: impl FnOnce(&mut Protocol, Instant) -> T) -> T;
    /// Hands a datagram to host `n` as if it came from the address of host `from`.
    fn hand(&mut self, n: u32, from: u32, datagram: Vec<u8>);
    fn address(&self, n: u32) -> SocketAddr;
    /// The name under which a host that runs is spoken of now.
    fn who(&self, n: u32) -> Who;

    /// Ends a host's process without a word.
    fn crash(&mut self, n: u32);
    fn pause(&mut self, n: u32, span: Duration);
    fn leave(&mut self, n: u32);
    /// Starts one more host, under a name of its own.
    fn newcomer(&mut self) -> u32;
    /// Starts a process under the name of host `n` at an address of its own; its number.
    fn twin(&mut self, n: u32, generation: u64) -> u32;
    /// Starts host `n` again where it was.
    fn restart(&mut self, n: u32, generation: u64);
    /// Lets the network fail so, and in no other way.
    fn fail(&mut self, fault: Fault);
    /// Stops datagrams by their bytes: from, to, datagram.
    fn stop(&mut self, stops: impl FnMut(u32, u32, &[u8]) -> bool + 'static);
    /// Nothing is wrong with the network from now on.
    fn heal(&mut self);

    /// The state in which host `n` holds host `m`.
    fn state(&self, n: u32, m: u32) -> Option<State>;
    /// Those that have a process.
    fn up(&self) -> Vec<u32>;
    /// Whether all of them hold each other Alive and no other member, at equal view hashes.
    fn all_agree(&self) -> bool;
    /// What host `n` was told since a moment, and when.
    fn told_to(&self, n: u32, since: Instant) -> impl DoubleEndedIterator<Item = (Instant, &Event)>;
    /// The events of host `n` about host `m` since a moment.
    fn events_about(&self, n: u32, m: u32, since: Instant) -> Vec<&Event>;
    /// The kinds of these events, in order.
    fn kinds(&self, n: u32, m: u32, since: Instant) -> Vec<&'static str>;
    /// How many Dead there were since a moment, of members that run.
    fn false_dead(&self, since: Instant) -> usize;

    /// Keeps what is sent and handled from now on.
    fn listen(&mut self);
    /// What was sent since; nothing is kept from now on.
    fn heard(&mut self) -> Vec<Tapped>;
    /// What was sent since.
    fn tapped(&self) -> &[Tapped];
    /// How many datagrams a host has sent.
    fn sent_by(&self, n: u32) -> u64;
}

impl Cluster for Net {
    fn until(&mut self, span: Duration, mut holds: impl FnMut(&Net) -> bool) -> bool {
        self.run_while(span, |net| !holds(net))
    }

    #[track_caller]
    fn protocol(&self, n: u32) -> &Protocol {
        self.hosts()[n as usize].protocol().unwrap()
    }

    #[track_caller]
    fn on<T>(&mut self, n: u32, call: impl FnOnce(&mut Protocol, Instant) -> T) -> T {
        self.call(n, call).unwrap()
    }

    #[track_caller]
    fn hand(&mut self, n: u32, from: u32, mut datagram: Vec<u8>) {
        let from = self.address(from);
        self.on(n, |protocol, now| protocol.handle_datagram(now, from, &mut datagram)).unwrap();
    }

    fn address(&self, n: u32) -> SocketAddr {
        self.hosts()[n as usize].address()
    }

    #[track_caller]
    fn who(&self, n: u32) -> Who {
        Who::is(self.protocol(n).me())
    }

    fn crash(&mut self, n: u32) {
        self.inject(Fault::crash(&[n]), None);
    }

    fn pause(&mut self, n: u32, span: Duration) {
        self.inject(Fault::pause(&[n]), Some(span));
    }

    fn leave(&mut self, n: u32) {
        self.inject(Fault::Leave { hosts: Hosts::These(vec![n]) }, None);
    }

    fn newcomer(&mut self) -> u32 {
        let n = self.add(&format!("n{}", self.hosts().len()));
        self.start_host(n);
        n
    }

    fn twin(&mut self, n: u32, generation: u64) -> u32 {
        let name = self.hosts()[n as usize].name().to_owned();
        let twin = self.add(&name);
        self.restart(twin, generation);
        twin
    }

    fn restart(&mut self, n: u32, generation: u64) {
        let others = self.up().into_iter().filter(|other| *other != n).take(3);
        let contacts: Vec<_> = others.map(|other| self.address(other)).collect();
        self.start_host_as(n, Generation(generation), &contacts);
    }

    fn fail(&mut self, fault: Fault) {
        let in_force = self.watch().in_force.clone();
        in_force.into_iter().for_each(|id| self.lift(id));
        self.inject(fault, None);
    }

    fn stop(&mut self, stops: impl FnMut(u32, u32, &[u8]) -> bool + 'static) {
        self.set_filter(Some(Filter::new(stops)));
    }

    fn heal(&mut self) {
        let in_force = self.watch().in_force.clone();
        in_force.into_iter().for_each(|id| self.lift(id));
        self.set_filter(None);
    }

    fn state(&self, n: u32, m: u32) -> Option<State> {
        let member = self.protocol(n).member(self.hosts()[m as usize].id());
        member.map(tidings::Member::state)
    }

    fn up(&self) -> Vec<u32> {
        (0..).zip(self.hosts()).filter(|(_, host)| host.is_up()).map(|(n, _)| n).collect()
    }

    fn all_agree(&self) -> bool {
        let sees = |m: Metrics| (m.members_alive, m.members_suspect, m.view_hash);
        let up: Vec<&Protocol> = self.hosts().iter().filter_map(|host| host.protocol()).collect();
        let expected = up.first().map(|first| (up.len(), 0, first.metrics().view_hash));
        up.iter().all(|protocol| Some(sees(protocol.metrics())) == expected)
    }

    fn told_to(&self, n: u32, since: Instant) -> impl DoubleEndedIterator<Item = (Instant, &Event)> {
        let told = self.told().iter().filter(move |(at, to, _)| *to == n && *at >= since);
        told.map(|(at, _, event)| (*at, event))
    }

    fn events_about(&self, n: u32, m: u32, since: Instant) -> Vec<&Event> {
        let id = self.hosts()[m as usize].id();
        let about = |event: &&Event| event.member().is_some_and(|member| member.id() == id);
        self.told_to(n, since).map(|(_, event)| event).filter(about).collect()
    }

    fn kinds(&self, n: u32, m: u32, since: Instant) -> Vec<&'static str> {
        self.events_about(n, m, since).iter().map(|event| event.kind()).collect()
    }

    fn false_dead(&self, since: Instant) -> usize {
        let up: Vec<NodeId> = self.up().into_iter().map(|n| self.hosts()[n as usize].id()).collect();
        let is_false = |event: &Event| matches!(event, Event::Dead { member, .. } if up.contains(&member.id()));
        let told = |n: u32| self.told_to(n, since).filter(|(_, event)| is_false(event)).count();
        self.up().into_iter().map(told).sum()
    }

    fn listen(&mut self) {
        self.watch_mut().listens = true;
    }

    fn heard(&mut self) -> Vec<Tapped> {
        self.watch_mut().listens = false;
        std::mem::take(&mut self.watch_mut().sent)
    }

    fn tapped(&self) -> &[Tapped] {
        &self.watch().sent
    }

    fn sent_by(&self, n: u32) -> u64 {
        self.watch().counts.get(n as usize).copied().unwrap_or_default()
    }
}
