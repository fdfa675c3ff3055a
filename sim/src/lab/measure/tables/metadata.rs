//! Members change their metadata all the time: how soon a crash is found meanwhile, what it costs, how old what the
//! others hold of them is.

use std::time::Duration;

use tidings::{Instant, NodeId};

use crate::fault::Fault;
use crate::lab::measure::observer::Load as Sent;
use crate::lab::measure::sample::{MEDIAN, P99, Sample};
use crate::lab::measure::tables::{Lab, SECOND, begin, cluster, crash_of};
use crate::lab::measure::text::{Table, grouped, number, seconds};
use crate::lab::measure::{Measured, parallel};
use crate::random::Random;
use crate::scenario::{Scenario, ScenarioError};

/// How many members change how much how often.
#[derive(Clone, Copy, Debug)]
struct Writers {
    hosts: u32,
    writers: u32,
    bytes: usize,
    every: Duration,
    /// How long they write before anything is counted: some of the intervals that come of it.
    settle_s: u32,
    crashes: (u64, u64),
}

const fn writers(hosts: u32, writers: u32, bytes: usize, every_s: u64, settle_s: u32, crashes: (u64, u64)) -> Writers {
    Writers { hosts, writers, bytes, every: Duration::from_secs(every_s), settle_s, crashes }
}

const LOADS: [Writers; 8] = [
    writers(100, 1, 400, 1, 30, (0, 20)),
    writers(100, 8, 64, 1, 60, (0, 20)),
    writers(100, 100, 64, 1, 120, (0, 20)),
    writers(100, 100, 400, 1, 200, (5, 20)),
    writers(300, 300, 64, 1, 200, (5, 10)),
    writers(500, 500, 64, 2, 300, (5, 8)),
    writers(1_000, 1, 400, 1, 30, (0, 0)),
    writers(1_000, 1_000, 64, 1, 400, (0, 0)),
];

/// How long is counted.
const LASTS_S: u32 = 60;
/// How long all survivors of a crash may take to know.
const MOST: Duration = Duration::from_secs(60);
/// One observer of so many is asked how old its words are.
const ASKED: usize = 7;

pub(in crate::lab::measure) fn table(lab: &Lab) -> Result<Table, ScenarioError> {
    let mut table = Table {
        title: "9. Changing metadata",
        about: format!(
            "Some members give themselves other metadata all the time. After so long that the intervals have settled, \
             what each node sends in {LASTS_S} s, bytes of UDP payload, and every 5 s how stale the metadata are that \
             others hold of the writers: how long ago the first change was made that they have not. Then a process \
             ends; seconds until the survivors have it Dead, in fresh runs with the same load."
        ),
        head: &[
            "n",
            "writers",
            "bytes",
            "each changes every",
            "told every (mean)",
            "staleness median / p99 / most",
            "datagrams per node and second, mean / most",
            "bytes per node and second, mean / most",
            "crashes",
            "Dead median / last",
        ],
        rows: Vec::new(),
        worse: Vec::new(),
    };

    let loads = lab.effort.pick(&LOADS[..4], &LOADS[..]);
    let rows = parallel::each(lab.jobs, loads.len() as u64, |place| row(lab, &loads[place as usize]));
    for cells in rows {
        table.rows.push(cells?);
    }
    Ok(table)
}

fn row(lab: &Lab, load: &Writers) -> Result<Vec<String>, ScenarioError> {
    let steady = steady(load)?;
    let crashes = lab.effort.pick(load.crashes.0, load.crashes.1);
    let mut found = Vec::new();
    for seed in 0..crashes {
        found.extend(crash(load, seed)?.into_iter().map(|span| (span, seed as u32)));
    }

    let dead = Sample::of_spans(found);
    let rate = |sample: &Sample| {
        let thousandth = |value: Option<u64>| number(value.unwrap_or(0) as f64 / 1_000.0);
        format!("{} / {}", thousandth(sample.mean()), thousandth(sample.max()))
    };
    let stale = &steady.stale;

    Ok(vec![
        grouped(u64::from(load.hosts)),
        grouped(u64::from(load.writers)),
        load.bytes.to_string(),
        crate::span::text(load.every),
        steady.told_every.map_or("-".to_owned(), |s| format!("{} s", number(s))),
        format!(
            "{} / {} / {}",
            seconds(stale.percentile(MEDIAN)),
            seconds(stale.percentile(P99)),
            seconds(stale.max())
        ),
        rate(&steady.datagrams),
        rate(&steady.bytes),
        crashes.to_string(),
        format!("{} / {}", seconds(dead.percentile(MEDIAN)), seconds(dead.max())),
    ])
}

/// What holds while nothing happens but the changes.
struct Steady {
    told_every: Option<f64>,
    stale: Sample,
    /// A second, in thousandths, one value for each node.
    datagrams: Sample,
    bytes: Sample,
}

fn steady(load: &Writers) -> Result<Steady, ScenarioError> {
    let mut run = Run::begin(load, 1)?;
    run.until(Instant::ORIGIN + SECOND * load.settle_s);
    let (before, told_before) = (run.world.watch().loads(run.world.now()), run.told());
    let mut stale = Vec::new();
    for _ in 0..LASTS_S / 5 {
        run.until(run.world.now() + SECOND * 5);
        run.staleness(&mut stale);
    }
    let (after, told) = (run.world.watch().loads(run.world.now()), run.told() - told_before);
    let sent = |what: fn(&Sent) -> u64| {
        let pairs = before.iter().zip(&after);
        Sample::of(pairs.map(|(before, after)| (what(after) - what(before)) * 1_000 / u64::from(LASTS_S)))
    };
    let told_every = (told > 0).then(|| f64::from(LASTS_S) * f64::from(load.writers) / told as f64);
    Ok(Steady { told_every, stale: Sample::of(stale), datagrams: sent(|s| s.datagrams), bytes: sent(|s| s.bytes) })
}

/// From a crash to each survivor's Dead; a survivor that does not know in time counts as the whole time.
fn crash(load: &Writers, seed: u64) -> Result<Vec<Duration>, ScenarioError> {
    let mut random = Random::new(seed, "metadata table");
    let mut run = Run::begin(load, seed)?;
    run.until(Instant::ORIGIN + SECOND * 20 + random.span(Duration::ZERO, SECOND * 20));
    run.end_one(crash_of(random.choose(1, load.hosts)));
    let end = run.world.now() + MOST;
    let survivors = load.hosts as usize - 1;
    while run.world.now() < end && run.verdicts().len() < survivors {
        run.until(run.world.now() + SECOND);
    }
    let mut spans = run.verdicts();
    spans.resize(survivors, MOST);
    Ok(spans)
}

/// A cluster whose members write.
struct Run {
    world: Measured,
    load: Writers,
    /// Changes made so far, by all.
    changes: u64,
}

impl Run {
    fn begin(load: &Writers, seed: u64) -> Result<Self, ScenarioError> {
        let scenario: Scenario = cluster("metadata", load.hosts, SECOND * 3);
        Ok(Run { world: begin(&scenario, seed)?, load: *load, changes: 0 })
    }

    /// When a writer makes its change of this number, from 0 on: they take turns, evenly.
    fn change_at(&self, writer: u32, number: u64) -> Instant {
        let turn = self.load.every / self.load.writers * writer;
        Instant::ORIGIN + SECOND + turn + Duration::from_nanos(self.load.every.as_nanos() as u64 * number)
    }

    /// Runs until this moment, and makes all changes up to it.
    fn until(&mut self, end: Instant) {
        loop {
            let writers = u64::from(self.load.writers);
            let (writer, number) = ((self.changes % writers) as u32, self.changes / writers);
            let at = self.change_at(writer, number);
            if at > end {
                break;
            }
            self.world.run_until(at);
            let mut metadata = vec![writer as u8; self.load.bytes];
            metadata.splice(..8, (number + 1).to_le_bytes());
            // None where the process has ended.
            let _ = self.world.call(writer, |protocol, now| protocol.set_metadata(now, &metadata));
            self.changes += 1;
        }
        self.world.run_until(end);
    }

    /// Ends processes by a fault.
    fn end_one(&mut self, fault: Fault) {
        self.world.inject(fault, None);
    }

    fn verdicts(&self) -> Vec<Duration> {
        let crash = self.world.watch().crashes().first();
        crash.map_or(Vec::new(), |crash| crash.verdicts.iter().map(|dead| dead.at.since(crash.at)).collect())
    }

    /// How often all writers have told of a change.
    fn told(&self) -> u64 {
        let hosts = self.world.hosts().iter().take(self.load.writers as usize);
        hosts.filter_map(|host| host.protocol()).map(|protocol| u64::from(protocol.me().incarnation().0)).sum()
    }

    /// How long ago the first change was made that a host does not know, for each writer at some hosts.
    fn staleness(&self, found: &mut Vec<u64>) {
        let now = self.world.now();
        let ids: Vec<NodeId> = self.world.hosts().iter().map(|host| host.id()).collect();
        let asked = self.world.hosts().iter().enumerate().step_by(ASKED);
        for (place, protocol) in asked.filter_map(|(place, host)| Some((place, host.protocol()?))) {
            for writer in (0..self.load.writers).filter(|writer| *writer as usize != place) {
                let metadata = protocol.member(ids[writer as usize]).map(tidings::Member::metadata);
                let known =
                    metadata.and_then(|bytes| bytes.first_chunk()).map_or(0, |first| u64::from_le_bytes(*first));
                found.push(now.since(self.change_at(writer, known)).as_nanos() as u64);
            }
        }
    }
}
