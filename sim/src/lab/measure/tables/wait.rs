//! How long a member waits, from any moment, until another pings it.
//!
//! It is the only part of a crash's detection that chance makes long. Views that differ put members at other places of
//! the ring; the real code would mend that within seconds, so that the exchange of views is kept from mending it here:
//! whatever is no ping, ack, relay or answer of one is stopped. How soon it mends them is measured beside.

use std::time::Duration;

use tidings::Instant;

use crate::lab::measure::observer::Observer;
use crate::lab::measure::parallel;
use crate::lab::measure::sample::{MEDIAN, P99, P999, Sample};
use crate::lab::measure::tables::{Lab, SECOND, SETTLE, SETTLE_MORE, are_equal, cluster, crash_of};
use crate::lab::measure::text::{Table, grouped, number, percentile, seconds};
use crate::network::Fate;
use crate::random::Random;
use crate::scenario::{Scenario, ScenarioError};
use crate::watch::Watch;
use crate::world::{Filter, World};

const HOSTS: u32 = 128;
/// Moments from which waits are counted in one run, so far apart that they have little to do with each other.
const MOMENTS: u32 = 10;
const APART: Duration = Duration::from_secs(20);
/// How many ended in the last row.
const DEAD: usize = 12;

/// How many records of a thousand each view lacks, and the model's figures.
const VIEWS: [(u32, &str, &str); 4] = [
    (0, "equal views", "0.58 / 1.6 / 1.8"),
    (10, "1 % of each view missing", "0.63 / 2.2 / -"),
    (50, "5 % missing", "0.79 / 3.4 / -"),
    (300, "30 % missing", "0.96 / 4.7 / -"),
];

/// Kinds of messages, as `docs/wire.md` has them: news and the exchange of views.
const MENDING: [u8; 3] = [6, 7, 8];
const PING: u8 = 1;
/// Where a ping names the member that it is for; zero names none in particular, as in a dial.
const TO: std::ops::Range<usize> = 18..26;

/// Notes when each host was first pinged since a moment.
#[derive(Debug, Default)]
struct Waits {
    since: Option<Instant>,
    first: Vec<Option<Duration>>,
}

impl Waits {
    fn begin(&mut self, now: Instant) {
        self.since = Some(now);
        self.first = vec![None; HOSTS as usize];
    }
}

impl Watch for Waits {
    fn sent(&mut self, now: Instant, _: u32, to: Option<u32>, datagram: &[u8], _: &Fate) {
        let (Some(since), Some(to)) = (self.since, to) else { return };
        let is_ping =
            datagram.get(1) == Some(&PING) && datagram.get(TO).is_some_and(|to| to.iter().any(|byte| *byte != 0));
        if let Some(first) = self.first.get_mut(to as usize).filter(|_| is_ping) {
            first.get_or_insert(now.since(since));
        }
    }
}

type Cluster = World<(), Waits>;

/// The waits of one run, and how many records all views together lacked at its end.
#[derive(Clone, Debug)]
struct Ran {
    waits: Vec<Duration>,
    missing: usize,
}

pub(super) fn table(lab: &Lab) -> Result<Table, ScenarioError> {
    let mut table = Table {
        title: "6. The wait for the next ping",
        about: format!(
            "n = {HOSTS}; intervals of 1 s from a random moment until anybody pings a given member. Views that lack \
             members are kept from mending (news and comparisons are stopped); the last column is how soon all views \
             are equal when nothing is stopped, for the runs together. In the last row {DEAD} members end at that \
             moment, and the waits are those of the others."
        ),
        head: &[
            "views",
            "waits",
            "mean",
            "median",
            "p99",
            "p99.9",
            "model mean / p99 / p99.9",
            "mended after, median / max",
        ],
        rows: Vec::new(),
        worse: Vec::new(),
    };

    for (unknown, name, model) in VIEWS {
        let runs = lab.effort.pick(2, 30);
        let waits = parallel::each(lab.jobs, runs, |seed| steady(unknown, seed));
        let waits = waits.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mended = if unknown == 0 {
            Vec::new()
        } else {
            parallel::each(lab.jobs, runs, |seed| mend(unknown, seed)).into_iter().collect::<Result<Vec<_>, _>>()?
        };
        let mended = Sample::of_spans((0..).zip(mended).filter_map(|(run, took)| Some((took?, run))));
        row(&mut table, name, model, &waits, &mended);
    }

    let waits = parallel::each(lab.jobs, lab.effort.pick(10, 200), crashed);
    let waits = waits.into_iter().collect::<Result<Vec<_>, _>>()?;
    row(&mut table, "10 % end at that moment", "0.69 / 2.6 / -", &waits, &Sample::default());
    Ok(table)
}

fn row(table: &mut Table, name: &str, model: &str, ran: &[Ran], mended: &Sample) {
    let waits = (0..).zip(ran).flat_map(|(run, one)| one.waits.iter().map(move |wait| (*wait, run)));
    let sample = Sample::of_spans(waits);
    let missing: usize = ran.iter().map(|one| one.missing).sum();
    let of = ran.len() * (HOSTS * HOSTS) as usize;

    let model_p99 = model.split(" / ").nth(1).and_then(|p99| p99.parse::<f64>().ok());
    let low = sample.interval(P99).low.unwrap_or(0.0) * 1e-9;
    if model_p99.is_some_and(|p99| low > p99 + 0.05) {
        table.worse.push(format!("6: p99 with {name}: {}, model {model}", percentile(&sample, P99)));
    }

    table.rows.push(vec![
        name.to_owned(),
        grouped(sample.len() as u64),
        seconds(sample.mean()),
        percentile(&sample, MEDIAN),
        percentile(&sample, P99),
        percentile(&sample, P999),
        model.to_owned(),
        format!("{} %", number(missing as f64 * 100.0 / of as f64)),
        format!("{} / {}", seconds(mended.percentile(MEDIAN)), seconds(mended.max())),
    ]);
}

fn views(unknown: u32) -> Scenario {
    Scenario { unknown_permille: unknown, ..cluster("wait", HOSTS, SECOND * 3) }
}

fn begin(unknown: u32, seed: u64) -> Result<Cluster, ScenarioError> {
    World::unhashed(&views(unknown), seed, |_| (), Waits::default())
}

/// Waits in a cluster that nothing happens to.
fn steady(unknown: u32, seed: u64) -> Result<Ran, ScenarioError> {
    let mut world = begin(unknown, seed)?;
    if unknown > 0 {
        world
            .set_filter(Some(Filter::new(|_, _, datagram| datagram.get(1).is_some_and(|kind| MENDING.contains(kind)))));
    }
    let mut random = Random::new(seed, "wait table");
    world.run(SETTLE);
    let mut waits = Vec::new();
    for _ in 0..MOMENTS {
        world.run(random.span(Duration::ZERO, SECOND));
        let now = world.now();
        world.watch_mut().begin(now);
        world.run(APART);
        // A member that was not pinged at all waited longer still.
        waits.extend(world.watch().first.iter().map(|first| first.unwrap_or(APART)));
    }
    let known: usize = world.hosts().iter().filter_map(|host| host.protocol()).map(|one| one.members().count()).sum();
    Ok(Ran { waits, missing: (HOSTS * HOSTS) as usize - known })
}

/// Waits of the others when a tenth ends.
fn crashed(seed: u64) -> Result<Ran, ScenarioError> {
    let mut world = begin(0, seed)?;
    let mut random = Random::new(seed, "wait table");
    world.run(SETTLE + random.span(Duration::ZERO, SETTLE_MORE));
    world.inject(crash_of(random.choose(DEAD, HOSTS)), None);
    let now = world.now();
    world.watch_mut().begin(now);
    world.run(APART);
    let waits = world.hosts().iter().zip(&world.watch().first);
    let waits = waits.filter(|(host, _)| host.is_up()).map(|(_, first)| first.unwrap_or(APART)).collect();
    Ok(Ran { waits, missing: 0 })
}

/// How soon views that differed at the beginning are equal; none if they never are.
fn mend(unknown: u32, seed: u64) -> Result<Option<Duration>, ScenarioError> {
    let mut world = World::unhashed(&views(unknown), seed, |_| (), Observer::default())?;
    let end = Instant::ORIGIN + SECOND * 120;
    while world.now() < end {
        world.run(Duration::from_millis(50));
        if are_equal(&world) {
            return Ok(Some(world.now().since(Instant::ORIGIN)));
        }
    }
    Ok(None)
}
