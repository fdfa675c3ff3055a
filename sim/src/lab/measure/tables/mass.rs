//! Many end at once: how soon every survivor has every one of them Dead.

use std::time::Duration;

use crate::lab::measure::parallel;
use crate::lab::measure::sample::{MEDIAN, P99, Sample};
use crate::lab::measure::tables::{Lab, SECOND, cluster, crash_of, settled, until_known};
use crate::lab::measure::text::{Table, grouped, percentile, seconds};
use crate::random::Random;
use crate::scenario::ScenarioError;

/// Hosts, how many of them end, and the model's median, 99th percentile and greatest, in tenths of a second.
const CELLS: [(u32, u32, &str, Option<u64>); 6] = [
    (64, 16, "3.8 / 7.0 / 7.7", Some(70)),
    (64, 32, "4.1 / 8.1 / 10.8", Some(81)),
    (64, 48, "5.5 / 10.3 / 12.3", Some(103)),
    (3, 2, "9.8", None),
    (2, 1, "3.5", None),
    (5, 3, "10.1", None),
];

const MOST: Duration = Duration::from_secs(60);

/// When each survivor had each crashed member Dead, and how many never had in time.
type Found = (Vec<Duration>, u64);

pub(super) fn table(lab: &Lab) -> Result<Table, ScenarioError> {
    let mut table = Table {
        title: "5. Many crash at once",
        about:
            "Random members end at the same moment; seconds until a survivor has one of them Dead, over all survivors \
                and all of the dead."
                .to_owned(),
        head: &[
            "crashed of n",
            "runs",
            "Dead seen",
            "never in 60 s",
            "median",
            "p99",
            "max",
            "model median / p99 / max",
        ],
        rows: Vec::new(),
        worse: Vec::new(),
    };

    for (hosts, crashed, model, p99) in CELLS {
        let runs = if hosts < 10 { lab.effort.pick(20, 200) } else { lab.effort.pick(3, 40) };
        let found = parallel::each(lab.jobs, runs, |seed| crash(hosts, crashed, seed));
        let found = found.into_iter().collect::<Result<Vec<Found>, _>>()?;
        let never: u64 = found.iter().map(|(_, never)| never).sum();
        let spans = (0..).zip(&found).flat_map(|(run, (spans, _))| spans.iter().map(move |span| (*span, run)));
        let sample = Sample::of_spans(spans);

        let is_worse =
            p99.is_some_and(|p99| sample.interval(P99).low.is_some_and(|low| low > (p99 as f64 + 0.5) * 1e8));
        if is_worse || never > 0 {
            let found = percentile(&sample, P99);
            table.worse.push(format!("5: p99 of {crashed} of {hosts}: {found}, never {never}; model {model}"));
        }

        table.rows.push(vec![
            format!("{crashed} of {hosts}"),
            grouped(runs),
            grouped(sample.len() as u64),
            grouped(never),
            percentile(&sample, MEDIAN),
            percentile(&sample, P99),
            seconds(sample.max()),
            model.to_owned(),
        ]);
    }
    Ok(table)
}

fn crash(hosts: u32, crashed: u32, seed: u64) -> Result<Found, ScenarioError> {
    let mut random = Random::new(seed, "mass table");
    let mut world = settled(&cluster("mass", hosts, SECOND * 3), seed, &mut random)?;
    world.inject(crash_of(random.choose(crashed as usize, hosts)), None);
    until_known(&mut world, MOST);
    let survivors = |observer: u32| world.hosts()[observer as usize].is_up();
    let mut spans = Vec::new();
    for crash in world.watch().crashes() {
        let verdicts = crash.verdicts.iter().filter(|verdict| survivors(verdict.observer));
        spans.extend(verdicts.map(|verdict| verdict.at.since(crash.at)));
    }
    let wanted = u64::from(crashed) * u64::from(hosts - crashed);
    let never = wanted.saturating_sub(spans.len() as u64);
    Ok((spans, never))
}
