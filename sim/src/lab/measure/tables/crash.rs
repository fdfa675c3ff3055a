//! One of n ends without a word: how soon the first suspects it, the first has it Dead, all have.

use std::time::Duration;

use tidings::event::DeadReason;

use crate::lab::measure::parallel;
use crate::lab::measure::sample::{MEDIAN, P99, Sample};
use crate::lab::measure::tables::{Lab, SECOND, cluster, crash_of, settled, until_known};
use crate::lab::measure::text::{Table, grouped, pair, percentile, share};
use crate::random::Random;
use crate::scenario::{Scenario, ScenarioError};

/// The hosts, and the model's median and 99th percentile of the first Dead at P = 3 s and P = 1 s, in tenths of
/// seconds.
const CELLS: [(u32, [(u64, u64); 2]); 6] = [
    (3, [(35, 45), (15, 25)]),
    (5, [(35, 45), (15, 25)]),
    (16, [(35, 46), (15, 25)]),
    (64, [(35, 46), (15, 26)]),
    (128, [(36, 46), (16, 26)]),
    (256, [(35, 46), (15, 26)]),
];

/// How far apart the model's first and last Dead were at most, in nanoseconds.
const SPREAD_MAX: f64 = 5e7;

/// How long all survivors may take to know.
const MOST: Duration = Duration::from_secs(60);

/// What came of one crash.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) suspect: Option<Duration>,
    pub(super) dead: Option<Duration>,
    pub(super) spread: Option<Duration>,
    was_unconfirmed: bool,
    /// Survivors' verdicts, and how many of them waited for 3 P.
    verdicts: u64,
    unconfirmed: u64,
}

pub(super) fn table(lab: &Lab) -> Result<Table, ScenarioError> {
    let mut table = Table {
        title: "1. A crash",
        about: "One of n processes ends at a random phase, once a run; seconds after the crash, and how far apart the \
                first and the last Dead of the survivors are. The model gave no range."
            .to_owned(),
        head: &[
            "n",
            "P",
            "crashes",
            "first Suspect median / p99",
            "first Dead median",
            "first Dead p99",
            "model median / p99",
            "last - first Dead median / p99",
            "first verdict at 3 P",
            "all verdicts at 3 P",
            "not known to all in 60 s",
        ],
        rows: Vec::new(),
        worse: Vec::new(),
    };

    let crashes = lab.effort.pick(30, 400);
    for (tolerance, column) in [(SECOND * 3, 0), (SECOND, 1)] {
        for (hosts, model) in CELLS {
            let scenario = cluster("crash", hosts, tolerance);
            let found = parallel::each(lab.jobs, crashes, |seed| crash(&scenario, seed));
            let found = found.into_iter().collect::<Result<Vec<_>, _>>()?;
            row(&mut table, hosts, tolerance, model[column], &found);
        }
    }
    Ok(table)
}

/// One of a settled cluster ends.
pub(super) fn crash(scenario: &Scenario, seed: u64) -> Result<Found, ScenarioError> {
    let mut random = Random::new(seed, "crash table");
    let mut world = settled(scenario, seed, &mut random)?;
    world.inject(crash_of(random.choose(1, scenario.hosts)), None);
    until_known(&mut world, MOST);

    let watch = world.watch();
    let Some(crash) = watch.crashes().first() else {
        return Ok(Found::default());
    };

    let first = crash.verdicts.first();
    let last = watch.all_know(crash);
    let unconfirmed = crash.verdicts.iter().filter(|verdict| verdict.reason == DeadReason::SilentUnconfirmed);
    Ok(Found {
        verdicts: crash.verdicts.len() as u64,
        unconfirmed: unconfirmed.count() as u64,
        suspect: crash.first_suspect.map(|at| at.since(crash.at)),
        dead: first.map(|verdict| verdict.at.since(crash.at)),
        spread: first.zip(last).map(|(first, last)| last.since(first.at)),
        was_unconfirmed: first.is_some_and(|verdict| verdict.reason == DeadReason::SilentUnconfirmed),
    })
}

/// The spans of one kind that were seen at all.
pub(super) fn spans(found: &[Found], what: fn(&Found) -> Option<Duration>) -> Sample {
    Sample::of_spans((0..).zip(found).filter_map(|(run, one)| Some((what(one)?, run))))
}

fn row(table: &mut Table, hosts: u32, tolerance: Duration, model: (u64, u64), found: &[Found]) {
    let (suspect, dead) = (spans(found, |one| one.suspect), spans(found, |one| one.dead));
    let spread = spans(found, |one| one.spread);
    let tries = found.len() as u64;
    let unconfirmed = found.iter().filter(|one| one.was_unconfirmed).count() as u64;
    let sum = |what: fn(&Found) -> u64| found.iter().map(what).sum::<u64>();
    let cell = format!("n = {hosts}, P = {}", crate::span::text(tolerance));

    if spread.interval(P99).low.is_some_and(|low| low > SPREAD_MAX) {
        table
            .worse
            .push(format!("1: last - first Dead p99 at {cell}: {}, model 0.05 at most", percentile(&spread, P99)));
    }

    let tenths = |tenths: u64| format!("{}.{}", tenths / 10, tenths % 10);
    for (word, at, model) in [("median", MEDIAN, model.0), ("p99", P99, model.1)] {
        // The model's figure is rounded to a tenth.
        if dead.interval(at).low.is_some_and(|low| low > (model as f64 + 0.5) * 1e8) {
            let found = percentile(&dead, at);
            table.worse.push(format!("1: first Dead {word} at {cell}: {found}, model {}", tenths(model)));
        }
    }

    table.rows.push(vec![
        hosts.to_string(),
        crate::span::text(tolerance),
        grouped(tries),
        pair(&suspect),
        percentile(&dead, MEDIAN),
        percentile(&dead, P99),
        format!("{} / {}", tenths(model.0), tenths(model.1)),
        pair(&spread),
        share(unconfirmed, tries),
        format!("{} of {}", grouped(sum(|one| one.unconfirmed)), grouped(sum(|one| one.verdicts))),
        (tries - spread.len() as u64).to_string(),
    ]);
}
