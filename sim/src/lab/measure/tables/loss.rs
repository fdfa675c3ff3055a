//! Datagrams are lost everywhere and at random: how often a member that runs is called dead, and what it costs.

use std::time::Duration;

use crate::fault::{Fault, Links};
use crate::lab::measure::tables::{Lab, SECOND, cluster, settled};
use crate::lab::measure::text::{Table, grouped, number, range};
use crate::lab::measure::{incidents, interval, parallel, refutations};
use crate::random::Random;
use crate::scenario::ScenarioError;

const HOSTS: u32 = 64;
const LASTS: Duration = Duration::from_secs(150);
const HOUR_S: f64 = 3_600.0;

/// Loss of a thousand, P in seconds, and what the model had: false Dead, Suspects, refutations, traffic.
const CELLS: [(u32, u32, &str); 8] = [
    (100, 3, "0; 0; 0; 4.3"),
    (200, 3, "0; 303; 0; -"),
    (300, 3, "0; 4,800; 106; 12"),
    (400, 3, "0; 26,000; -; 34"),
    (100, 1, "0"),
    (200, 1, "0"),
    (300, 1, "0-0.12"),
    (400, 1, "0-0.8"),
];

/// What a rate of at most one false death in ten thousand node-hours takes to prove when none is seen.
const PROOF_NODE_HOURS: f64 = 30_000.0;

#[derive(Clone, Copy, Debug, Default)]
struct Ran {
    certain: u64,
    provisional: u64,
    incidents: u64,
    suspects: u64,
    refutations: u64,
    datagrams: u64,
}

pub(super) fn table(lab: &Lab) -> Result<Table, ScenarioError> {
    let mut table = Table {
        title: "2. Loss everywhere",
        about: format!(
            "n = 64; after settling, every datagram is lost with the same chance for 150 s, independently. A false \
             Dead is one of a member that runs, counted for each observer that says so; an incident is all certain \
             ones of one member within half a minute, and its rate is what the range is of. The promise is none at \
             10 % and at most 1e-4 certain ones per node-hour at 30 %: to prove that takes {} node-hours without \
             one, {} such runs. Model: false Dead; Suspects; refutations; datagrams, each per run of 150 s and the \
             last per node and second.",
            grouped(PROOF_NODE_HOURS as u64),
            grouped((PROOF_NODE_HOURS / node_hours(1)).ceil() as u64)
        ),
        head: &[
            "loss",
            "P",
            "runs",
            "node-hours",
            "false Dead certain / provisional",
            "incidents",
            "incidents per node-hour",
            "Suspects per run",
            "refutations per run",
            "datagrams per node and second",
            "model",
        ],
        rows: Vec::new(),
        worse: Vec::new(),
    };

    for (permille, tolerance, model) in CELLS {
        let is_promised = tolerance == 3 && (permille == 100 || permille == 300);
        let runs = if is_promised { lab.effort.pick(3, 400) } else { lab.effort.pick(1, 20) };
        let ran = parallel::each(lab.jobs, runs, |seed| run(permille, SECOND * tolerance, seed));
        let ran = ran.into_iter().collect::<Result<Vec<_>, _>>()?;
        row(&mut table, (permille, tolerance, model), &ran);
    }
    Ok(table)
}

fn run(permille: u32, tolerance: Duration, seed: u64) -> Result<Ran, ScenarioError> {
    let mut random = Random::new(seed, "loss table");
    let mut world = settled(&cluster("loss", HOSTS, tolerance), seed, &mut random)?;
    let before = world.trace().datagrams();
    world.inject(Fault::Loss { links: Links::default(), permille }, None);
    world.run(LASTS);
    let watch = world.watch();
    let certain = watch.false_deaths().iter().filter(|death| !death.verdict.is_provisional);
    let certain: Vec<_> = certain.copied().collect();
    Ok(Ran {
        certain: certain.len() as u64,
        provisional: (watch.false_deaths().len() - certain.len()) as u64,
        incidents: incidents(&certain),
        suspects: watch.suspects(),
        refutations: refutations(&world),
        datagrams: world.trace().datagrams() - before,
    })
}

fn row(table: &mut Table, (permille, tolerance, model): (u32, u32, &str), ran: &[Ran]) {
    let sum = |what: fn(&Ran) -> u64| ran.iter().map(what).sum::<u64>();
    let (runs, node_hours) = (ran.len() as f64, node_hours(ran.len()));
    let per_run = |what: fn(&Ran) -> u64| number(sum(what) as f64 / runs);

    let (certain, found) = (sum(|one| one.certain), sum(|one| one.incidents));
    if tolerance == 3 && certain > 0 {
        table.worse.push(format!("2: {certain} certain false Dead at {} % loss, P = 3s; model none", permille / 10));
    }

    let rate = format!("{} {}", number(found as f64 / node_hours), range(interval::count(found), 1.0 / node_hours));
    table.rows.push(vec![
        format!("{} %", permille / 10),
        format!("{tolerance}s"),
        grouped(ran.len() as u64),
        number(node_hours),
        format!("{} / {}", grouped(certain), grouped(sum(|one| one.provisional))),
        grouped(found),
        rate,
        per_run(|one| one.suspects),
        per_run(|one| one.refutations),
        number(sum(|one| one.datagrams) as f64 / (node_hours * HOUR_S)),
        model.to_owned(),
    ]);
}

/// How long the nodes of so many runs ran under loss, together.
fn node_hours(runs: usize) -> f64 {
    runs as f64 * f64::from(HOSTS) * LASTS.as_secs_f64() / HOUR_S
}
