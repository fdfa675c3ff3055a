//! A cluster of `Protocol`s in virtual time, fast enough for a thousand nodes.
//!
//! The simulator will replace it, as it will the loop in `tests/`; this one counts what is sent by kind, finds a
//! receiver by its address alone and keeps one wake for each host. Latency is that of a data centre: 450 to 675 µs one
//! way.

#![allow(dead_code)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use tidings::config::{Config, ConfigError};
use tidings::event::{DeadReason, Event};
use tidings::member::{Generation, Identity, State};
use tidings::protocol::Protocol;
use tidings::time::Instant;

const LATENCY_NANOS: u64 = 450_000;
const JITTER_NANOS: u64 = 225_000;
/// The kinds that `docs/wire.md` gives the messages; kind k counts in place k.
pub const KINDS: [&str; 9] =
    ["other", "ping", "ack", "ping-req", "nack", "relayed", "news", "sync-request", "sync-reply"];
/// A turn that is a wake carries no datagram.
const NO_PARCEL: u32 = u32::MAX;

/// Datagrams and the bytes of their UDP payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub datagrams: u64,
    pub bytes: u64,
}

impl Traffic {
    fn add(&mut self, bytes: usize) {
        self.datagrams += 1;
        self.bytes += bytes as u64;
    }

    /// What came on top since an earlier count.
    pub fn since(self, before: Traffic) -> Traffic {
        Traffic { datagrams: self.datagrams - before.datagrams, bytes: self.bytes - before.bytes }
    }
}

pub struct Host {
    pub protocol: Protocol,
    pub is_up: bool,
    starts: u64,
    wake_at: Instant,
}

struct Parcel {
    from: SocketAddr,
    bytes: Vec<u8>,
}

/// Sees each datagram: from, to, bytes.
pub type Tap = Box<dyn FnMut(usize, usize, &[u8])>;

/// A host's turn: a datagram that arrives, or its wake.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    at: Instant,
    order: u64,
    host: u32,
    parcel: u32,
}

pub struct Cluster {
    pub now: Instant,
    pub hosts: Vec<Host>,
    /// What each host told its application, and when.
    pub events: Vec<(Instant, usize, Event)>,
    /// What was sent, by kind of message.
    pub sent: [Traffic; KINDS.len()],
    /// Datagrams lost of a thousand.
    pub loss_permille: u64,
    /// Which datagrams are dropped besides: from, to and the bytes.
    pub drops: fn(usize, usize, &[u8]) -> bool,
    /// Makes every call into a protocol, so that the allocations of a call can be counted.
    pub around: fn(&mut dyn FnMut()),
    /// Sees every datagram that is sent: from, to and the bytes.
    pub tap: Option<Tap>,
    config: Config,
    seed: u64,
    random: Xoshiro256PlusPlus,
    turns: BinaryHeap<Reverse<Turn>>,
    order: u64,
    parcels: Vec<Parcel>,
    free: Vec<u32>,
    buffer: Vec<u8>,
}

/// The address of host `n`.
pub fn address(n: usize) -> SocketAddr {
    let [_, a, b, c] = (n as u32).to_be_bytes();
    SocketAddr::from(([10, a, b, c], 7_340))
}

/// The host at an address.
pub fn host_at(address: SocketAddr) -> usize {
    match address.ip() {
        IpAddr::V4(ip) => (u32::from(ip) & 0x00ff_ffff) as usize,
        IpAddr::V6(_) => usize::MAX,
    }
}

/// The identity of host `n` at its `start`-th start; its name has 16 bytes.
pub fn identity(n: usize, start: u64) -> Identity {
    Identity::named(&format!("node-{n:011}"), Generation(1_000 + start), address(n))
}

impl Cluster {
    pub fn new(config: Config, seed: u64) -> Self {
        Cluster {
            now: Instant::from_nanos(1_000_000_000),
            hosts: Vec::new(),
            events: Vec::new(),
            sent: Default::default(),
            loss_permille: 0,
            drops: |_, _, _| false,
            around: |call| call(),
            tap: None,
            config,
            seed,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            turns: BinaryHeap::new(),
            order: 0,
            parcels: Vec::new(),
            free: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// `n` hosts that joined through the first and hold each other Alive; none if they do not within a minute.
    pub fn formed(config: Config, seed: u64, n: usize) -> Result<Option<Self>, ConfigError> {
        let mut cluster = Cluster::new(config, seed);
        for _ in 0..n {
            cluster.start()?;
        }
        let is_formed = (0..600).any(|_| {
            cluster.run(Duration::from_millis(100));
            cluster.agrees()
        });
        Ok(is_formed.then_some(cluster))
    }

    /// Starts one more host, which joins through the first.
    pub fn start(&mut self) -> Result<usize, ConfigError> {
        self.start_with(self.config.clone())
    }

    /// Starts a host that is configured otherwise.
    pub fn start_with(&mut self, config: Config) -> Result<usize, ConfigError> {
        let n = self.push_host(config)?;
        self.call(n, |protocol, now| {
            if n > 0 {
                protocol.join(now, &[address(0)])
            }
        });
        Ok(n)
    }

    /// Starts one more host that dials nobody.
    pub fn add(&mut self) -> Result<usize, ConfigError> {
        self.push_host(self.config.clone())
    }

    fn push_host(&mut self, config: Config) -> Result<usize, ConfigError> {
        let n = self.hosts.len();
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(n as u64);
        let protocol = Protocol::new(config, identity(n, 0), seed, self.now)?;
        self.hosts.push(Host { protocol, is_up: true, starts: 0, wake_at: Instant::NEVER });
        Ok(n)
    }

    /// Starts a crashed host anew, under the same name and address.
    pub fn restart(&mut self, n: usize, contact: usize) -> Result<(), ConfigError> {
        let starts = self.hosts[n].starts + 1;
        let seed = self.random.next_u64();
        let protocol = Protocol::new(self.config.clone(), identity(n, starts), seed, self.now)?;
        self.hosts[n] = Host { protocol, is_up: true, starts, wake_at: Instant::NEVER };
        self.call(n, |protocol, now| protocol.join(now, &[address(contact)]));
        Ok(())
    }

    /// Pulls the plug.
    pub fn crash(&mut self, n: usize) {
        self.hosts[n].is_up = false;
    }

    /// Calls into a host's protocol and carries out what it asks for.
    pub fn call<T>(&mut self, n: usize, call: impl FnOnce(&mut Protocol, Instant) -> T) -> T {
        let out = call(&mut self.hosts[n].protocol, self.now);
        self.drain(n);
        out
    }

    /// A random span below `most`.
    pub fn random_span(&mut self, most: Duration) -> Duration {
        most.mul_f64((self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(Reverse(turn)) = self.turns.peek().copied() {
            if turn.at > end {
                break;
            }
            self.turns.pop();
            self.now = turn.at;
            self.take_turn(turn);
        }
        self.now = end;
    }

    fn take_turn(&mut self, turn: Turn) {
        let (n, now) = (turn.host as usize, self.now);
        let host = &mut self.hosts[n];
        if turn.parcel == NO_PARCEL {
            if turn.at != host.wake_at || !host.is_up {
                return;
            }
            host.wake_at = Instant::NEVER;
        } else {
            let parcel = &mut self.parcels[turn.parcel as usize];
            if host.is_up {
                (self.around)(&mut || {
                    let _ = host.protocol.handle_datagram(now, parcel.from, &mut parcel.bytes);
                });
            }
            self.free.push(turn.parcel);
        }
        if !host.is_up {
            return;
        }
        if host.protocol.poll_timeout().is_some_and(|at| at <= now) {
            (self.around)(&mut || host.protocol.handle_timeout(now));
        }
        self.drain(n);
    }

    fn drain(&mut self, n: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            let mut transmit = None;
            let protocol = &mut self.hosts[n].protocol;
            (self.around)(&mut || transmit = protocol.poll_transmit(&mut buffer));
            let Some(transmit) = transmit else { break };
            let kind = buffer.get(1).map_or(0, |kind| usize::from(*kind));
            self.sent[if kind < KINDS.len() { kind } else { 0 }].add(buffer.len());
            let to = host_at(transmit.to);
            if let Some(tap) = &mut self.tap {
                tap(n, to, &buffer);
            }
            let is_lost = self.loss_permille > 0 && self.random.next_u64() % 1_000 < self.loss_permille;
            let is_lost = is_lost || (self.drops)(n, to, &buffer);
            if to < self.hosts.len() && !is_lost {
                self.post(n, to, &buffer);
            }
        }
        self.buffer = buffer;
        while let Some(event) = self.hosts[n].protocol.poll_event() {
            self.events.push((self.now, n, event));
        }
        let wanted = self.hosts[n].protocol.poll_timeout().map_or(Instant::NEVER, |at| at.max(self.now));
        if wanted < self.hosts[n].wake_at {
            self.hosts[n].wake_at = wanted;
            self.push(wanted, n, NO_PARCEL);
        }
    }

    fn post(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let parcel = self.free.pop().unwrap_or_else(|| {
            self.parcels.push(Parcel { from: address(0), bytes: Vec::new() });
            self.parcels.len() as u32 - 1
        });
        let place = &mut self.parcels[parcel as usize];
        place.from = address(from);
        place.bytes.clear();
        place.bytes.extend_from_slice(bytes);
        let delay = Duration::from_nanos(LATENCY_NANOS + self.random.next_u64() % JITTER_NANOS);
        self.push(self.now + delay, to, parcel);
    }

    fn push(&mut self, at: Instant, host: usize, parcel: u32) {
        self.order += 1;
        self.turns.push(Reverse(Turn { at, order: self.order, host: host as u32, parcel }));
    }

    /// Whether all hosts that run hold each other Alive and nobody else, at equal view hashes.
    pub fn agrees(&self) -> bool {
        let mut up = self.hosts.iter().filter(|host| host.is_up).map(|host| host.protocol.metrics());
        let count = self.hosts.iter().filter(|host| host.is_up).count();
        let Some(first) = up.next() else { return true };
        let is_right = |view: &tidings::metrics::Metrics| view.members_alive == count && view.members_suspect == 0;
        is_right(&first) && up.all(|view| is_right(&view) && view.view_hash == first.view_hash)
    }

    /// How many hosts that run hold host `n` in this state.
    pub fn holding(&self, n: usize, state: State) -> usize {
        let id = identity(n, 0).id;
        let views = self.hosts.iter().filter(|host| host.is_up);
        views.filter(|host| host.protocol.member(id).is_some_and(|member| member.state() == state)).count()
    }

    /// Everything sent so far.
    pub fn sent_in_all(&self) -> Traffic {
        let sum = |of: fn(&Traffic) -> u64| self.sent.iter().map(of).sum();
        Traffic { datagrams: sum(|kind| kind.datagrams), bytes: sum(|kind| kind.bytes) }
    }

    /// What comparisons of views have sent so far.
    pub fn sent_to_sync(&self) -> Traffic {
        let (request, reply) = (self.sent[7], self.sent[8]);
        Traffic { datagrams: request.datagrams + reply.datagrams, bytes: request.bytes + reply.bytes }
    }

    /// Whether an event is a verdict, certain or not, about a host that runs.
    pub fn is_false_death(&self, event: &Event) -> bool {
        match event {
            Event::Dead { member, reason, .. } if *reason != DeadReason::Restarted => {
                self.hosts.get(host_at(member.address())).is_some_and(|host| host.is_up)
            }
            _ => false,
        }
    }
}
