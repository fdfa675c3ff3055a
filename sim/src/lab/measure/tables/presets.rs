//! What the presets cost and give, each with its own probe interval and P: how soon a crash is found, what is sent in
//! quiet.

use tidings::Instant;

use crate::lab::measure::parallel;
use crate::lab::measure::sample::{MEDIAN, P99};
use crate::lab::measure::tables::crash::{self, Found, spans};
use crate::lab::measure::tables::load::{self, Load};
use crate::lab::measure::tables::{Lab, SECOND, SETTLE, cluster};
use crate::lab::measure::text::{Table, grouped, number, pair, percentile};
use crate::scenario::{Profile, Scenario, ScenarioError};

const PRESETS: [(&str, Profile, u32); 3] =
    [("lan", Profile::Lan, 64), ("wan", Profile::Wan, 64), ("local", Profile::Local, 16)];

pub(super) fn table(lab: &Lab) -> Result<Table, ScenarioError> {
    let mut table = Table {
        title: "8. The presets",
        about: "`Config::lan`, `wan` and `local` as they are, on the same network: one crash a run as in table 1, and \
                what each node sends in 40 s of quiet as in table 7."
            .to_owned(),
        head: &[
            "preset",
            "n",
            "crashes",
            "first Suspect median / p99",
            "first Dead median",
            "first Dead p99",
            "last - first Dead median / p99",
            "datagrams per node and second",
            "bytes per node and second",
        ],
        rows: Vec::new(),
        worse: Vec::new(),
    };

    let crashes = lab.effort.pick(30, 400);
    for (name, profile, hosts) in PRESETS {
        let mut scenario = cluster("preset", hosts, SECOND);
        scenario.profile = profile;
        scenario.config.clear();
        let found = parallel::each(lab.jobs, crashes, |seed| crash::crash(&scenario, seed));
        let found = found.into_iter().collect::<Result<Vec<_>, _>>()?;
        table.rows.push(row(name, &scenario, &found)?);
    }
    Ok(table)
}

fn row(name: &str, scenario: &Scenario, found: &[Found]) -> Result<Vec<String>, ScenarioError> {
    let (suspect, dead) = (spans(found, |one| one.suspect), spans(found, |one| one.dead));
    // The slowest preset has twice as much to wait for as the one that the others' time is made for.
    let Load { datagrams, bytes } = load::load(scenario, Instant::ORIGIN + SETTLE * 2)?;
    let mean = |sample: &crate::lab::measure::sample::Sample| number(sample.mean().unwrap_or(0) as f64 / 1_000.0);
    Ok(vec![
        name.to_owned(),
        scenario.hosts.to_string(),
        grouped(found.len() as u64),
        pair(&suspect),
        percentile(&dead, MEDIAN),
        percentile(&dead, P99),
        pair(&spans(found, |one| one.spread)),
        mean(&datagrams),
        mean(&bytes),
    ])
}
