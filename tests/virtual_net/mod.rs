//! Several `Protocol`s over a network in virtual time: latency, loss, cuts, pauses and crashes, from one seed.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use tidings::config::Config;
use tidings::event::Event;
use tidings::member::{Generation, Identity, NodeId, State};
use tidings::metrics::Metrics;
use tidings::protocol::Protocol;
use tidings::time::Instant;

/// A datagram on its way, or a host's turn to look at its clock.
enum Happening {
    Arrival { to: usize, from: SocketAddr, bytes: Vec<u8> },
    Wake(usize),
}

pub struct Host {
    pub protocol: Protocol,
    pub address: SocketAddr,
    pub name: String,
    pub is_up: bool,
    /// While paused a host handles nothing; what arrives waits.
    pub paused_until: Instant,
    /// When it is woken next: one wake at a time, or each datagram would begin another chain of them.
    wakes_at: Instant,
    waiting: Vec<(SocketAddr, Vec<u8>)>,
    pub events: Vec<(Instant, Event)>,
    pub sent: (u64, u64),
}

/// Whether a datagram from one host to another is lost.
pub type Rule = Box<dyn FnMut(usize, usize, &mut Xoshiro256PlusPlus) -> bool>;
/// The same for a path that treats datagrams by their bytes: from, to, datagram.
pub type Filter = Box<dyn FnMut(usize, usize, &[u8]) -> bool>;

/// A datagram sent: when, by whom, where to, its bytes.
pub type Sending = (Instant, usize, SocketAddr, Vec<u8>);

pub struct Net {
    pub now: Instant,
    pub hosts: Vec<Host>,
    pub rule: Rule,
    pub filter: Filter,
    pub latency: Duration,
    pub random: Xoshiro256PlusPlus,
    pub config: Config,
    queue: BTreeMap<(Instant, u64), Happening>,
    sequence: u64,
    seed: u64,
    /// Every datagram sent, once somebody listens.
    pub tap: Option<Vec<Sending>>,
    /// With a tap: every datagram handled: when, from, by whom, its kind byte.
    pub handled: Vec<(Instant, SocketAddr, usize, u8)>,
}

pub fn name(n: usize) -> String {
    format!("n{n}")
}

pub fn id(n: usize) -> NodeId {
    NodeId::from_name(&name(n))
}

pub fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Net {
    pub fn new(config: Config, seed: u64) -> Self {
        Net {
            now: Instant::from_nanos(1_000_000_000),
            hosts: Vec::new(),
            rule: Box::new(|_, _, _| false),
            filter: Box::new(|_, _, _| false),
            latency: Duration::from_micros(450),
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            config,
            queue: BTreeMap::new(),
            sequence: 0,
            seed,
            tap: None,
            handled: Vec::new(),
        }
    }

    /// A cluster of `n` hosts that all joined through the first and have settled.
    pub fn cluster(config: Config, seed: u64, n: usize) -> Self {
        let mut net = Net::new(config, seed);
        for _ in 0..n {
            net.add();
        }
        assert!(net.run_until(secs(60), Net::all_agree), "{n} hosts did not find each other, seed {seed}");
        net.run(secs(5));
        net
    }

    pub fn add(&mut self) -> usize {
        self.add_as(&name(self.hosts.len()), Generation(1_000), self.hosts.len() as u16)
    }

    pub fn add_as(&mut self, name: &str, generation: Generation, port: u16) -> usize {
        let address = SocketAddr::from(([10, 0, (port >> 8) as u8, port as u8], 7_340));
        let n = self.hosts.len();
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(n as u64);
        let identity = Identity::named(name, generation, address);
        let mut protocol = Protocol::new(self.config.clone(), identity, seed, self.now).unwrap();
        let others = self.hosts.iter().filter(|host| host.is_up && host.address != address);
        protocol.join(self.now, &others.map(|host| host.address).take(3).collect::<Vec<_>>());
        let (name, events, waiting, sent) = (name.to_owned(), vec![], vec![], (0, 0));
        let (is_up, paused_until, wakes_at) = (true, Instant::ORIGIN, Instant::ORIGIN);
        self.hosts.push(Host { protocol, address, name, is_up, paused_until, wakes_at, waiting, events, sent });
        self.drain(n);
        n
    }

    /// Pulls the plug.
    pub fn crash(&mut self, n: usize) {
        self.hosts[n].is_up = false;
    }

    pub fn pause(&mut self, n: usize, span: Duration) {
        self.hosts[n].paused_until = self.now + span;
        self.push(self.now + span, Happening::Wake(n));
    }

    /// Calls into a host's protocol and carries out what it asks for.
    pub fn call<T>(&mut self, n: usize, call: impl FnOnce(&mut Protocol, Instant) -> T) -> T {
        let out = call(&mut self.hosts[n].protocol, self.now);
        self.drain(n);
        out
    }

    pub fn run(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// Runs until a condition holds, looking after each happening; false if the span is over first.
    pub fn run_until(&mut self, span: Duration, mut holds: impl FnMut(&Net) -> bool) -> bool {
        let end = self.now + span;
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            if at > end {
                self.push(at, happening);
                break;
            }
            self.now = at;
            self.happen(happening);
            if holds(self) {
                return true;
            }
        }
        self.now = end;
        false
    }

    fn happen(&mut self, happening: Happening) {
        let (n, arrival) = match happening {
            Happening::Arrival { to, from, bytes } => (to, Some((from, bytes))),
            Happening::Wake(n) => (n, None),
        };
        let (now, host) = (self.now, &mut self.hosts[n]);
        host.waiting.extend(arrival);
        if !host.is_up || host.paused_until > now {
            return;
        }
        for (from, mut bytes) in std::mem::take(&mut host.waiting) {
            if self.tap.is_some() {
                self.handled.push((now, from, n, bytes[1]));
            }
            let _ = host.protocol.handle_datagram(now, from, &mut bytes);
        }
        host.protocol.handle_timeout(now);
        self.drain(n);
    }

    fn drain(&mut self, n: usize) {
        let mut buf = Vec::new();
        while let Some(transmit) = self.hosts[n].protocol.poll_transmit(&mut buf) {
            assert!(buf.len() <= self.config.datagram_bytes_max);
            self.hosts[n].sent.0 += 1;
            self.hosts[n].sent.1 += buf.len() as u64;
            self.tap.iter_mut().for_each(|tap| tap.push((self.now, n, transmit.to, buf.clone())));
            let (from, sent) = (self.hosts[n].address, self.now + self.latency);
            let receiver = self.hosts.iter().rposition(|host| host.address == transmit.to && host.is_up);
            let mut is_lost = |to: &usize| (self.rule)(n, *to, &mut self.random) || (self.filter)(n, *to, &buf);
            if let Some(to) = receiver.filter(|to| !is_lost(to)) {
                let jitter = Duration::from_nanos(self.random.next_u64() % (self.latency.as_nanos() as u64 / 2 + 1));
                self.push(sent + jitter, Happening::Arrival { to, from, bytes: buf.clone() });
            }
        }
        while let Some(event) = self.hosts[n].protocol.poll_event() {
            self.hosts[n].events.push((self.now, event));
        }
        let (now, wakes_at) = (self.now, self.hosts[n].wakes_at);
        if let Some(at) = self.hosts[n].protocol.poll_timeout().filter(|at| *at < wakes_at || wakes_at <= now) {
            self.hosts[n].wakes_at = at.max(now);
            self.push(at.max(now), Happening::Wake(n));
        }
    }

    fn push(&mut self, at: Instant, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), happening);
    }

    /// The state in which host `n` holds host `m`.
    pub fn state(&self, n: usize, m: usize) -> Option<State> {
        self.hosts[n].protocol.member(NodeId::from_name(&self.hosts[m].name)).map(|member| member.state())
    }

    pub fn up(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|n| self.hosts[*n].is_up && !self.hosts[*n].protocol.is_stopped()).collect()
    }

    /// Whether all hosts that run hold each other Alive and nobody else, at equal view hashes.
    pub fn all_agree(&self) -> bool {
        let (up, metrics) = (self.up(), |n: &usize| self.hosts[*n].protocol.metrics());
        let sees = |m: &Metrics| (m.members_alive, m.members_suspect, m.view_hash);
        up.iter().all(|n| sees(&metrics(n)) == (up.len(), 0, metrics(&up[0]).view_hash))
    }

    /// The events of host `n` about host `m` since a moment.
    pub fn events_about(&self, n: usize, m: usize, since: Instant) -> Vec<&Event> {
        let about = |event: &Event| event.member().is_some_and(|member| member.name() == self.hosts[m].name);
        self.hosts[n].events.iter().filter(|(at, event)| *at >= since && about(event)).map(|(_, event)| event).collect()
    }

    /// How many Dead events there were since a moment, of members that run.
    pub fn false_dead(&self, since: Instant) -> usize {
        let up: Vec<&str> = self.up().into_iter().map(|n| self.hosts[n].name.as_str()).collect();
        let is_false = |event: &Event| matches!(event, Event::Dead { member, .. } if up.contains(&member.name()));
        self.up().into_iter().flat_map(|n| &self.hosts[n].events).filter(|(at, e)| *at >= since && is_false(e)).count()
    }
}
