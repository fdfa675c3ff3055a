//! How processes start, and how they end.

use std::net::SocketAddr;
use std::time::Duration;

use tidings::member::Advertise;
use tidings::member::Record;
use tidings::{Generation, Identity, Instant, Protocol};

use crate::app::App;
use crate::clock::Clock;
use crate::fault::{Place, WallClock};
use crate::random::{Random, nanos};
use crate::scenario::{EPOCH_MS, Start};
use crate::trace::{Kind, What as Happened};
use crate::watch::{Life, Watch};
use crate::world::World;
use crate::world::host::Host;
use crate::world::places::{address, unspecified};
use crate::world::queue::What;

/// Hosts that join at the beginning do so within this.
const JOIN_WITHIN: Duration = Duration::from_millis(200);
const HOUR_MS: u64 = 3_600_000;
/// Contacts given to a process that starts.
const CONTACTS: usize = 3;

impl<A: App, W: Watch> World<A, W> {
    /// Puts the first turns into the queue.
    pub(super) fn begin(&mut self) {
        for number in 0..self.scenario.hosts {
            let host = self.add_host(format!("n{number}"));
            let wait = match self.scenario.start {
                Start::Joining if number > 0 => self.random.below(nanos(JOIN_WITHIN)),
                _ => 0,
            };
            self.queue.push(Instant::from_nanos(wait), What::Start(host));
        }
        for (id, fault) in (0..).zip(&self.scenario.faults) {
            self.queue.push(Instant::ORIGIN + fault.at, What::Begin(id));
        }
    }

    /// A host that has no process yet.
    pub(super) fn add_host(&mut self, name: String) -> u32 {
        let number = self.hosts.len() as u32;
        let place = self.add_place(number);
        self.hosts.push(Host::new(name, place));
        self.hosts[number as usize].family = self.scenario.families.advertised(number);
        number
    }

    pub(super) fn add_place(&mut self, host: u32) -> u32 {
        self.places.push(Some(host));
        self.places.len() as u32 - 1
    }

    /// Starts a host's process for the first time; at the beginning of a preloaded world it knows everyone.
    pub(super) fn start(&mut self, host: u32) {
        let is_preloaded =
            self.scenario.start == Start::Preloaded && host < self.scenario.hosts && self.now == Instant::ORIGIN;
        if self.hosts[host as usize].is_up() {
            return;
        }
        if is_preloaded {
            self.start_knowing(host);
        } else {
            let clock = self.hosts[host as usize].first_clock;
            self.start_again(host, clock, Place::Same);
        }
    }

    fn start_knowing(&mut self, host: u32) {
        let records = match self.records.take() {
            Some(records) => records,
            None => (0..self.scenario.hosts).filter_map(|other| self.record_of(other)).collect(),
        };
        if let Some(protocol) = self.new_protocol(host, WallClock::Right) {
            match self.scenario.unknown_permille {
                0 => self.launch(host, protocol, |protocol, now| protocol.preload(now, &records)),
                unknown => {
                    let mut random = Random::new(self.seed ^ u64::from(host) << 32, "unknown");
                    let known: Vec<_> = records.iter().filter(|_| !random.permille(unknown)).cloned().collect();
                    self.launch(host, protocol, |protocol, now| protocol.preload(now, &known));
                }
            }
        }
        self.records = (host + 1 < self.scenario.hosts).then_some(records);
    }

    /// What its first process says of itself.
    fn record_of(&mut self, host: u32) -> Option<Record> {
        // A view that was saved has everyone's address, also of hosts that had to learn theirs.
        let mut identity = self.identity(host, Generation(EPOCH_MS));
        identity.address = self.hosts[host as usize].address();
        let protocol = Protocol::new(self.configs.of(host).clone(), identity, 0, Instant::ORIGIN).ok()?;
        Some(protocol.me().record().clone())
    }

    /// Starts a host's process, which joins through its contacts.
    pub(super) fn start_again(&mut self, host: u32, wall: WallClock, place: Place) {
        if place == Place::New {
            let old = self.hosts[host as usize].place;
            self.places[old as usize] = None;
            self.hosts[host as usize].place = self.add_place(host);
        }
        let contacts = self.contacts_for(host);
        if let Some(protocol) = self.new_protocol(host, wall) {
            self.launch(host, protocol, |protocol, now| protocol.join(now, &contacts));
            self.begin_resolving(host);
        }
    }

    /// The true time, in Unix milliseconds.
    pub(super) fn right_ms(&self) -> u64 {
        EPOCH_MS + nanos(self.now.since(Instant::ORIGIN)) / 1_000_000
    }

    fn new_protocol(&mut self, host: u32, wall: WallClock) -> Option<Protocol> {
        let right = self.right_ms();
        let one = &self.hosts[host as usize];
        let wall_ms = match wall {
            WallClock::Right => right,
            WallClock::Behind => right - HOUR_MS,
            WallClock::Ahead => right + HOUR_MS,
            WallClock::Stuck if one.starts > 0 => one.wall,
            WallClock::Stuck => right,
            WallClock::Epoch => right - EPOCH_MS,
        };
        self.new_protocol_at(host, wall_ms)
    }

    /// A process whose wall clock says so many milliseconds.
    pub(super) fn new_protocol_at(&mut self, host: u32, wall_ms: u64) -> Option<Protocol> {
        let seed = self.random.draw();
        let one = &mut self.hosts[host as usize];
        one.wall = wall_ms;
        // Every process has an origin of its own; none may matter.
        let read = Instant::from_nanos(1_000_000_000 + seed % 1_000_000_000_000);
        one.clock = Clock::new(self.now, read);
        // A machine that sleeps has slept no time yet of this clock's.
        one.slept = one.is_asleep().then_some(self.now);
        one.clock.drift(self.now, one.drift());
        let generation = Generation(one.wall);
        let identity = self.identity(host, generation);
        Protocol::new(self.configs.of(host).clone(), identity, seed, read).ok()
    }

    fn identity(&self, host: u32, generation: Generation) -> Identity {
        let one = &self.hosts[host as usize];
        let is_known = !self.scenario.wildcard.contain(host);
        let address = if is_known { one.address() } else { unspecified(one.family) };
        let mut identity = Identity::named(&one.name, generation, address);
        if self.scenario.given.contain(host) {
            identity.advertise = Advertise::AsGiven;
        }
        identity.metadata = vec![host as u8; self.scenario.metadata_bytes];
        identity
    }

    pub(super) fn launch(&mut self, host: u32, mut protocol: Protocol, call: impl FnOnce(&mut Protocol, Instant)) {
        let now = self.now;
        let one = &mut self.hosts[host as usize];
        one.starts += 1;
        one.busy_until = now;
        one.wakes_at = Instant::NEVER;
        one.is_leaving = false;
        one.downed.clear();
        one.is_isolated = false;

        self.trace.happening(now, host, Kind::Command, b"start");
        self.trace.line(now, host, || Happened::Life(Life::Started.word()));
        let local = one.clock.read(now);
        self.watch.lives(now, host, Life::Started, Some(&protocol));
        if let Some(reach) = self.scenario.families.reach(host) {
            protocol.set_reach(local, reach);
        }
        call(&mut protocol, local);
        self.start_voting(host, &mut protocol);

        let one = &mut self.hosts[host as usize];
        one.protocol = Some(protocol);
        if one.is_stopped() {
            self.trace.line(now, host, || Happened::Life(Life::Stopped.word()));
            self.watch.lives(now, host, Life::Stopped, self.hosts[host as usize].protocol());
            return;
        }

        self.start_app(host);
        self.drain(host);
    }

    /// The addresses that a host is given to join by: of each family that it speaks the first few others that run,
    /// or those of the first few. Of a host that speaks both families it has the address that it can send to.
    pub(super) fn contacts_for(&self, host: u32) -> Vec<SocketAddr> {
        let own = self.hosts[host as usize].place;
        let others = (0..).zip(&self.hosts).filter(|(number, other)| *number != host && other.place != own);
        let contact = |number, other: &Host<A>| {
            let family = self.scenario.families.shared(host, number)?;
            Some((address(other.place, family), other.is_up()))
        };
        let contacts: Vec<_> = others.filter_map(|(number, other)| contact(number, other)).collect();
        let is_any_up = contacts.iter().any(|(_, is_up)| *is_up);
        let listed = |v4: bool| {
            let of_family = contacts.iter().filter(move |(at, is_up)| at.is_ipv4() == v4 && *is_up == is_any_up);
            of_family.map(|(at, _)| *at).take(CONTACTS)
        };
        listed(true).chain(listed(false)).collect()
    }

    /// Ends a host's process; what it had to send is gone.
    pub(super) fn end(&mut self, host: u32, life: Life) {
        let now = self.now;
        let one = &mut self.hosts[host as usize];
        let Some(protocol) = one.protocol.take() else { return };
        one.outbox.clear();
        one.wakes_at = Instant::NEVER;
        self.break_off_writes(host);
        let one = &mut self.hosts[host as usize];
        one.inbox_bytes = 0;
        for parcel in std::mem::take(&mut one.inbox) {
            self.mail.discard(parcel);
        }
        self.end_app(host);
        self.trace.take_in(now, host, Kind::Life, &[life as u8]);
        self.trace.line(now, host, || Happened::Life(life.word()));
        self.watch.lives(now, host, life, Some(&protocol));
    }
}
