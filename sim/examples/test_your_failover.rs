//! Finds the bug in a failover before its users do: a toy primary-backup store under crashes and partitions.
//!
//! Five hosts keep a set of numbers in memory. The lowest-numbered host that a host believes alive is its primary; a
//! write goes to the primary, which hands copies to the others and acknowledges it. The bug: it acknowledges as soon as
//! it has the number itself. With `Rule::Majority` it waits until three of the five have it.
//!
//! `cargo run --release -p tidings-sim --example test_your_failover` finds a seed that loses a write, shrinks what went
//! wrong around it, replays that, and shows that the other rule stands the same sweep. With `--fixed` only the latter.
//!
//! To test a system of your own, put it in the place of `Store` and its promises in the place of the two here.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::Event;
use tidings_sim::checks::Checks;
use tidings_sim::fault::{Fault, Planned};
use tidings_sim::random::Random;
use tidings_sim::scenario::{Scenario, ScenarioError, Start};
use tidings_sim::shrink::shrink;
use tidings_sim::trace::{Line, What};
use tidings_sim::world::{Host, World};
use tidings_sim::{App, Context, Experiment};

const HOSTS: u32 = 5;
const MAJORITY: usize = 3;
const TICK: Duration = Duration::from_secs(1);

/// When the primary acknowledges a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// As soon as it has it itself: fast, and wrong.
    AtOnce,
    /// As soon as three of five hosts have it. Two crashes cannot lose it then.
    Majority,
}

/// What hosts say to each other. Any bytes will do.
#[derive(Debug, Serialize, Deserialize)]
enum Message {
    Write(u64),
    Copy(u64),
    Copied(u64),
    Acknowledged(u64),
    Everything(BTreeSet<u64>),
}

/// What clients were promised. It stays on record when every host that knew of it is gone.
#[derive(Debug)]
pub(crate) struct Acknowledged(u64);

/// The store on one host, which is a client too: every second it writes a number.
#[derive(Debug)]
pub(crate) struct Store {
    rule: Rule,
    held: BTreeSet<u64>,
    /// As the primary: writes not yet acknowledged, each with the host that asked and the hosts that have a copy.
    waiting: BTreeMap<u64, (u32, BTreeSet<u32>)>,
    primary: u32,
}

impl App for Store {
    type Fact = Acknowledged;

    fn on_start(&mut self, context: &mut Context<'_, Self>) {
        context.set_timer(TICK, 0);
    }

    /// Failover: membership says which hosts are there, and the first of them is the primary.
    fn on_event(&mut self, context: &mut Context<'_, Self>, _event: &Event) {
        let first = context.live_hosts().first().copied().unwrap_or(context.host());
        if first != self.primary {
            self.primary = first;
            context.note(format!("takes n{first} for the primary"));
        }
    }

    fn on_timer(&mut self, context: &mut Context<'_, Self>, _timer: u64) {
        let number = context.random() >> 44;
        say(context, self.primary, &Message::Write(number));
        // Backups catch up from each other: everything that one has goes to another drawn by lot.
        let others = context.live_hosts();
        let lot = context.random() as usize % others.len().max(1);
        if let Some(other) = others.get(lot) {
            say(context, *other, &Message::Everything(self.held.clone()));
        }
        context.set_timer(TICK, 0);
    }

    fn on_message(&mut self, context: &mut Context<'_, Self>, from: u32, message: &[u8]) {
        let me = context.host();

        match serde_json::from_slice(message) {
            Ok(Message::Write(number)) => {
                self.held.insert(number);
                self.waiting.insert(number, (from, BTreeSet::new()));
                for other in context.live_hosts().into_iter().filter(|other| *other != me) {
                    say(context, other, &Message::Copy(number));
                }
                self.has_copy(context, number, me);
            }
            Ok(Message::Copy(number)) => {
                self.held.insert(number);
                say(context, from, &Message::Copied(number));
            }
            Ok(Message::Copied(number)) => self.has_copy(context, number, from),
            Ok(Message::Acknowledged(number)) => context.record(Acknowledged(number)),
            Ok(Message::Everything(numbers)) => self.held.extend(numbers),
            Err(error) => context.note(format!("does not understand n{from}: {error}")),
        }
    }
}

impl Store {
    fn new(rule: Rule) -> Self {
        Store { rule, held: BTreeSet::new(), waiting: BTreeMap::new(), primary: 0 }
    }

    /// As the primary: a host has a copy, perhaps the last that the client waits for.
    fn has_copy(&mut self, context: &mut Context<'_, Self>, number: u64, host: u32) {
        let Some((client, copies)) = self.waiting.get_mut(&number) else { return };
        copies.insert(host);
        let enough = if self.rule == Rule::AtOnce { 1 } else { MAJORITY };
        if copies.len() >= enough {
            say(context, *client, &Message::Acknowledged(number));
            self.waiting.remove(&number);
        }
    }
}

fn say(context: &mut Context<'_, Store>, to: u32, message: &Message) {
    context.send(to, serde_json::to_vec(message).unwrap_or_default());
}

/// What goes wrong, drawn from the seed: two crashes and two partitions that overlap as they may, all over at 40 s.
fn drawn(seed: u64) -> Scenario {
    let mut random = Random::new(seed, "failover");
    let mut scenario = Scenario::new("failover", HOSTS, Duration::from_secs(60));
    scenario.start = Start::Preloaded;
    for _ in 0..2 {
        let crash = Fault::crash(&random.choose(1, HOSTS));
        let side = random.between(1, 2) as usize;
        let partition = Fault::partition(&random.choose(side, HOSTS));
        for fault in [crash, partition] {
            let begins = Duration::from_millis(random.between(5_000, 25_000));
            let lasts = Duration::from_millis(random.between(2_000, 15_000));
            scenario = scenario.with(Planned::at(begins, fault).lasting(lasts));
        }
    }
    scenario
}

/// Asked after everything that happens: a number that was acknowledged is held by some host that is up.
fn nothing_is_lost(world: &World<Store, Checks>) -> Result<(), String> {
    for recorded in world.facts() {
        let Acknowledged(number) = recorded.fact;
        let mut stores = world.hosts().iter().filter_map(|host| host.app());
        if !stores.any(|store| store.held.contains(&number)) {
            return Err(format!(
                "{number} was acknowledged to n{} at {}, and nobody has it",
                recorded.host, recorded.at
            ));
        }
    }
    Ok(())
}

/// Asked when the faults are over: each host that runs comes to hold all that was acknowledged up to ten seconds ago.
fn backups_catch_up(world: &World<Store, Checks>) -> Result<(), String> {
    let old = |at| world.now().since(at) > TICK * 10;
    for Acknowledged(number) in world.facts().iter().filter(|recorded| old(recorded.at)).map(|recorded| &recorded.fact)
    {
        let lacks = |host: &&Host<Store>| host.app().is_some_and(|app| !app.held.contains(number));
        if let Some(host) = world.hosts().iter().find(lacks) {
            return Err(format!("{} still lacks {number}", host.name()));
        }
    }
    Ok(())
}

/// The store under these faults and promises.
pub(crate) fn experiment(rule: Rule) -> Experiment<Store> {
    // Mere functions, so that nothing but the seed decides a run.
    let new_store = match rule {
        Rule::AtOnce => |_host| Store::new(Rule::AtOnce),
        Rule::Majority => |_host| Store::new(Rule::Majority),
    };
    Experiment::drawn(drawn)
        .with_app(new_store)
        .needs_hosts(HOSTS)
        .always("nothing-is-lost", nothing_is_lost)
        .eventually("backups-catch-up", backups_catch_up)
}

/// Finds a seed that loses a write, and tells how; whether there was one.
fn hunt(seeds: u64) -> Result<bool, ScenarioError> {
    let experiment = experiment(Rule::AtOnce);
    let sweep = experiment.sweep(0..seeds)?;
    let Some(failure) = sweep.failure else { return Ok(false) };
    println!("seed {} fails, after {} runs: {}\n", failure.seed, sweep.runs, failure.violations[0]);
    let Some(shrunk) = shrink(&experiment, failure.seed, 200)? else { return Ok(false) };
    let file = shrunk.scenario.to_toml();
    println!("shrunk in {} runs, this is enough to lose a write:\n\n{file}", shrunk.runs);
    // The file and the seed are all that a replay needs.
    let (outcome, trace) = experiment.on(Scenario::from_toml(&file)?).trace(failure.seed)?;
    // The trace also holds why each verdict fell, which would fill this page.
    println!("what happened from the first fault on:\n");
    let is_reason = |line: &Line| matches!(line.what, What::Why(..));
    let lines = trace.story().skip_while(|line| !matches!(line.what, What::Fault { .. }));
    lines.filter(|line| !is_reason(line)).for_each(|line| println!("{line}"));
    Ok(!outcome.violations.is_empty())
}

/// Whether the right rule stands all seeds.
fn is_fixed(seeds: u64) -> Result<bool, ScenarioError> {
    let sweep = experiment(Rule::Majority).sweep(0..seeds)?;
    match &sweep.failure {
        Some(failure) => println!("the fixed store fails at seed {}: {}", failure.seed, failure.violations[0]),
        None => println!("\nthe fixed store: {} runs, {} happenings, nothing lost", sweep.runs, sweep.happenings),
    }
    Ok(sweep.failure.is_none())
}

fn main() -> Result<ExitCode, ScenarioError> {
    let wants_fixed_only = std::env::args().any(|argument| argument == "--fixed");
    let is_shown = (wants_fixed_only || hunt(1_000)?) && is_fixed(1_000)?;
    Ok(if is_shown { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
