//! Hosts, a network and a queue of what happens next: the whole simulated cluster in virtual time.
//!
//! One thread, one queue, no clock: what happens next is the soonest turn, and of equal ones the one that was asked for
//! first. Everything else follows from the scenario and the seed.

mod apps;
mod ballots;
mod conditions;
mod control;
mod disk;
mod driving;
mod faults;
mod host;
mod lies;
mod mail;
mod places;
mod queue;
mod resolving;
mod starting;
mod writers;

pub use control::{Filter, Rewrite};
pub use host::Host;

use std::collections::BTreeMap;
use std::time::Duration;

use tidings::member::Record;
use tidings::{Config, Event, Instant, NodeId};

use crate::app::App;
use crate::network::Network;
use crate::random::Random;
use crate::scenario::{Configs, Scenario, ScenarioError};
use crate::trace::{Keep, Kind, Trace};
use crate::watch::Watch;
use apps::Apps;
use disk::Writes;
use mail::Mail;
use queue::{Queue, What};

/// A simulated cluster, with an application on each host if one is wanted, and a watcher.
#[derive(Debug)]
pub struct World<A: App = (), W = ()> {
    now: Instant,
    seed: u64,
    scenario: Scenario,
    /// That of every host that differs in nothing.
    config: Config,
    configs: Configs,
    hosts: Vec<Host<A>>,
    /// Which host receives at which place; an address is a place.
    places: Vec<Option<u32>>,
    network: Network,
    filter: Option<Filter>,
    rewrite: Option<Rewrite>,
    queue: Queue,
    mail: Mail,
    random: Random,
    trace: Trace,
    watch: W,
    new_app: fn(u32) -> A,
    buffer: Vec<u8>,
    /// The members whose urgent news waited as a datagram was made.
    urgent: Vec<NodeId>,
    apps: Apps<A::Fact>,
    /// Ballots that disks are writing.
    writes: Writes,
    /// Which host each fault that starts a twin started.
    twins: BTreeMap<u32, u32>,
    /// Everyone's record, while a preloaded world begins.
    records: Option<Vec<Record>>,
    /// Whether some host has contacts to resolve.
    resolves: bool,
    /// Jitter of when contacts are resolved.
    resolving: Random,
    /// How often each fault's writers have written.
    written: BTreeMap<u32, u64>,
    /// Every event told, in order; only while it is asked for.
    told: Option<Vec<(Instant, u32, Event)>>,
}

impl<A: App, W: Watch> World<A, W> {
    /// A world at the beginning of a scenario, with everything that the scenario leaves to chance drawn from the seed.
    ///
    /// # Errors
    /// What is wrong with the scenario.
    pub fn new(scenario: &Scenario, seed: u64, new_app: fn(u32) -> A, watch: W) -> Result<Self, ScenarioError> {
        World::with_trace(scenario, seed, new_app, watch, Trace::new(Keep::Hash))
    }

    /// The same, keeping every line of the trace.
    ///
    /// # Errors
    /// What is wrong with the scenario.
    pub fn traced(scenario: &Scenario, seed: u64, new_app: fn(u32) -> A, watch: W) -> Result<Self, ScenarioError> {
        World::with_trace(scenario, seed, new_app, watch, Trace::new(Keep::Lines))
    }

    /// The same without even a hash, to see what hashing costs.
    ///
    /// # Errors
    /// What is wrong with the scenario.
    pub fn unhashed(scenario: &Scenario, seed: u64, new_app: fn(u32) -> A, watch: W) -> Result<Self, ScenarioError> {
        World::with_trace(scenario, seed, new_app, watch, Trace::new(Keep::Counts))
    }

    fn with_trace(
        scenario: &Scenario,
        seed: u64,
        new_app: fn(u32) -> A,
        watch: W,
        trace: Trace,
    ) -> Result<Self, ScenarioError> {
        scenario.check()?;
        let scenario = scenario.resolve(seed);
        let configs = scenario.configs()?;
        let space = configs.all().map(|config| config.datagram_bytes_max).max().unwrap_or_default();

        let mut world = World {
            now: Instant::ORIGIN,
            seed,
            hosts: Vec::with_capacity(scenario.hosts as usize),
            places: Vec::new(),
            network: Network::new(scenario.latency.clone(), seed),
            filter: None,
            rewrite: None,
            queue: Queue::default(),
            mail: Mail::new(space),
            random: Random::new(seed, "world"),
            trace,
            watch,
            new_app,
            buffer: Vec::new(),
            urgent: Vec::new(),
            apps: Apps::new(seed),
            writes: Writes::new(seed),
            twins: BTreeMap::new(),
            records: None,
            resolves: false,
            resolving: Random::new(seed, "resolving"),
            written: BTreeMap::new(),
            told: None,
            config: configs.usual().clone(),
            configs,
            scenario,
        };

        world.begin();
        Ok(world)
    }

    /// The host that leads an election, by its place, and may act now; none if there is none.
    #[must_use]
    pub fn leader(&self, election: usize) -> Option<u32> {
        let name = &self.config.elections.get(election)?.name;
        let leads =
            |host: &Host<A>| host.protocol().is_some_and(|p| p.lease(host.clock.read(self.now), name).is_some());
        (0..).zip(&self.hosts).find(|(_, host)| leads(host)).map(|(number, _)| number)
    }

    /// True time, since the beginning.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The seed that all chance of this world comes from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The scenario with everything decided that it left to chance.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The configuration of every host that differs in nothing.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The configuration of each host.
    #[must_use]
    pub fn configs(&self) -> &Configs {
        &self.configs
    }

    /// All hosts that ever started, by their number.
    #[must_use]
    pub fn hosts(&self) -> &[Host<A>] {
        &self.hosts
    }

    /// Hash, counts and lines so far.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The watcher of the run.
    #[must_use]
    pub fn watch(&self) -> &W {
        &self.watch
    }

    /// The watcher of the run, to be asked or told something.
    #[must_use]
    pub fn watch_mut(&mut self) -> &mut W {
        &mut self.watch
    }

    /// Ends the world and gives back what it recorded.
    #[must_use]
    pub fn into_parts(self) -> (Scenario, Trace, W) {
        (self.scenario, self.trace, self.watch)
    }

    /// Keeps every event told from now on, for [`World::told`].
    pub fn keep_told(&mut self) {
        self.told = Some(Vec::new());
    }

    /// When, by which host and what was told since [`World::keep_told`].
    #[must_use]
    pub fn told(&self) -> &[(Instant, u32, Event)] {
        self.told.as_deref().unwrap_or_default()
    }

    /// Lets one turn pass that comes no later than `end`; false if there is none.
    pub fn step(&mut self, end: Instant) -> bool {
        let Some(turn) = self.queue.pop_until(end) else {
            self.now = self.now.max(end);
            return false;
        };

        self.now = turn.at;
        match turn.what {
            What::Arrive(parcel) => self.arrive(parcel),
            What::Wake(host) => self.wake(host, turn.at),
            What::Ready(host) => self.read_inbox(host),
            What::Start(host) => self.start(host),
            What::Begin(fault) => self.begin_fault(fault),
            What::End(fault) => self.end_fault(fault),
            What::Lie(fault) => self.lie(fault),
            What::Change(fault) => self.change_metadata(fault),
            What::Timer(timer) => self.app_timer(timer),
            What::Saved(write) => self.written(write),
            What::Resolve => self.resolve_contacts(),
        }

        true
    }

    /// Runs until a true moment.
    pub fn run_until(&mut self, end: Instant) {
        while self.step(end) {}
    }

    /// Runs for a span of true time.
    pub fn run(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    /// Writes a line into the trace.
    pub fn note(&mut self, text: impl Into<String>) {
        self.trace.line(self.now, None, || crate::trace::What::Note(text.into()));
    }

    /// Writes a broken check into the trace.
    pub fn note_violation(&mut self, check: &'static str, text: &str, hosts: &[u32]) {
        let what = || crate::trace::What::Violation { check, text: text.to_owned(), hosts: hosts.to_vec() };
        self.trace.line(self.now, None, what);
    }

    /// Gives a host's protocol an input of the operator's, and carries out what comes of it.
    fn command(&mut self, host: u32, name: &[u8], call: impl FnOnce(&mut tidings::Protocol, Instant)) {
        let now = self.now;
        let Some((protocol, local)) = self.hosts[host as usize].running(now) else { return };
        self.trace.happening(now, host, Kind::Command, name);
        call(protocol, local);
        self.drain(host);
    }
}
