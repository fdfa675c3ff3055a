//! The experiments that the protocol's rules were chosen by, once more with the real code.
//!
//! A model, which exchanged messages but no bytes, decided what the rules are; its figures stand beside the ones found
//! here. Each experiment is a file of its own: what is done, and the table that comes of it.

mod anomalies;
mod crash;
mod failover;
mod load;
mod loss;
mod mass;
mod metadata;
mod partitions;
mod presets;
mod wait;

use std::num::NonZeroUsize;
use std::time::Duration;

use tidings::Instant;

use crate::fault::{Fault, Hosts, Place, WallClock};
use crate::lab::measure::Measured;
use crate::lab::measure::observer::Observer;
use crate::lab::measure::text::Table;
use crate::random::Random;
use crate::scenario::{Scenario, ScenarioError, Start};
use crate::world::World;

/// How much is run; more makes ranges narrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// About a minute on one core: enough to see that nothing is far off.
    Quick,
    /// What `docs/measured.md` is made with.
    Full,
}

impl Effort {
    /// One number for a quick run, another for a full one.
    fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Effort::Quick => quick,
            Effort::Full => full,
        }
    }
}

/// How an experiment is run.
#[derive(Clone, Copy, Debug)]
struct Lab {
    effort: Effort,
    jobs: NonZeroUsize,
}

type Experiment = fn(&Lab) -> Result<Table, ScenarioError>;

/// The experiments, in the order of the page.
const EXPERIMENTS: [Experiment; 10] = [
    crash::table,
    loss::table,
    anomalies::table,
    partitions::table,
    mass::table,
    wait::table,
    load::table,
    presets::table,
    metadata::table,
    failover::table,
];

/// What is thought of the differences; written by hand after a full run.
const READING: &str = include_str!("tables/reading.md");

/// Runs all experiments and makes the page of them, telling each table as it is done. The page is the same for the same
/// effort, however many threads made it.
///
/// # Errors
/// When the configuration that an experiment wants is refused.
pub fn page(effort: Effort, jobs: NonZeroUsize, mut tell: impl FnMut(&str)) -> Result<String, ScenarioError> {
    let lab = Lab { effort, jobs };
    let command = effort.pick("measure tables --quick", "measure tables");
    let mut page = format!("{}\n", HEADER.replace("{command}", command));
    let mut worse = Vec::new();

    for experiment in EXPERIMENTS {
        let table = experiment(&lab)?;
        let text = table.markdown();
        tell(&text);
        page.push_str(&text);
        page.push('\n');
        worse.extend(table.worse);
    }

    let mut differs = "## Where it differs\n\nWhole ranges on the worse side of the model's figure:\n\n".to_owned();
    if worse.is_empty() {
        differs.push_str("- none\n");
    }
    worse.iter().for_each(|line| differs.push_str(&format!("- {line}\n")));

    tell(&differs);
    page.push_str(&differs);
    page.push('\n');
    page.push_str(READING);
    Ok(page)
}

/// The numbers by which [`table`] knows the experiments.
#[must_use]
pub fn numbers() -> std::ops::RangeInclusive<usize> {
    1..=EXPERIMENTS.len()
}

/// The experiment of one number alone, as a section of the page; none for a number that is no table's.
///
/// # Errors
/// When the configuration that the experiment wants is refused.
pub fn table(number: usize, effort: Effort, jobs: NonZeroUsize) -> Option<Result<String, ScenarioError>> {
    let experiment = EXPERIMENTS.get(number.checked_sub(1)?)?;
    Some(experiment(&Lab { effort, jobs }).map(|table| table.markdown()))
}

const HEADER: &str = "\
# Measured with the real code

Made by `cargo run --release -p tidings-sim -- {command}`, which gives the same page on every machine; do not edit it.
The part after \"Where it differs\" that explains is written by hand in `sim/src/lab/measure/tables/reading.md`.

Each experiment runs `Protocol`, bytes in and bytes out, in the simulator's virtual time: one way takes 450 to 675 us,
clocks run true, and what is not said is `Config::lan` (probe interval 1 s, P = 3 s). Clusters begin with everybody
knowing everybody and settle for 20 to 60 s, or 20 s where nothing else is at random moments (tables 3 and 7).

*Model* is the message-level model by which the rules were chosen, in its `amended` column: close to these rules but not
equal to them, with a log-normal way of 0.45 ms in the median.

A range in brackets holds the true figure in 95 of 100 cases. Percentiles are nearest ranks, and their ranges order
statistics (binomial, of no assumed distribution; `-` where the sample is too small to know that end). Where one run
gave many values, whole runs are drawn again instead (a bootstrap over runs), because the observers of one crash are
no independent witnesses. Counts have Poisson's exact range; after a zero its upper end is 3, the rule of three.
Shares have Wilson's.
";

/// How long a cluster runs at least before anything is done to it.
const SETTLE: Duration = Duration::from_secs(20);
/// By how much longer at most: the round's number decides which members are pinged, and runs shall not all see the same
/// rounds.
const SETTLE_MORE: Duration = Duration::from_secs(40);
const SECOND: Duration = Duration::from_secs(1);

/// A cluster of hosts that know each other, with this P.
fn cluster(name: &str, hosts: u32, tolerance: Duration) -> Scenario {
    let mut scenario = Scenario::new(name, hosts, Duration::from_secs(3_600));
    scenario.start = Start::Preloaded;
    scenario.config.insert("stall_tolerance".to_owned(), crate::span::text(tolerance).into());
    scenario
}

/// A world at its beginning.
fn begin(scenario: &Scenario, seed: u64) -> Result<Measured, ScenarioError> {
    World::unhashed(scenario, seed, |_| (), Observer::default())
}

/// The same settled, at a random round and phase of the probing.
fn settled(scenario: &Scenario, seed: u64, random: &mut Random) -> Result<Measured, ScenarioError> {
    let mut world = begin(scenario, seed)?;
    world.run_until(Instant::ORIGIN + SETTLE + random.span(Duration::ZERO, SETTLE_MORE));
    Ok(world)
}

/// The end of these processes, without a word.
fn crash_of(hosts: Vec<u32>) -> Fault {
    Fault::Crash { hosts: Hosts::These(hosts), clock: WallClock::default(), address: Place::default() }
}

/// Runs until all survivors know of all crashes, a second at a time, at most so long.
fn until_known(world: &mut Measured, most: Duration) {
    let end = world.now() + most;
    while world.now() < end {
        world.run(SECOND);
        let watch = world.watch();
        if watch.crashes().iter().all(|crash| watch.all_know(crash).is_some()) {
            return;
        }
    }
}

/// Whether every host holds all hosts as live, and all the same of each.
fn are_equal(world: &Measured) -> bool {
    let hosts = world.hosts().len();
    let mut first = None;
    world.hosts().iter().filter_map(|host| host.protocol()).all(|protocol| {
        let metrics = protocol.metrics();
        let is_whole = metrics.members_alive + metrics.members_suspect == hosts;
        is_whole && *first.get_or_insert(metrics.view_hash) == metrics.view_hash
    })
}
