//! The leader is killed: how long no voter may act, by the number of voters, their store and their network.

use std::fmt;
use std::time::Duration;

use tidings::config::ElectionConfig;

use crate::lab::measure::parallel;
use crate::lab::measure::sample::{MEDIAN, P99, P999, Sample};
use crate::lab::measure::tables::Lab;
use crate::lab::measure::text::{Table, grouped, number, percentile, seconds};
use crate::lab::measure::voters::{Surroundings, kill_leaders};
use crate::scenario::ScenarioError;

const MS: Duration = Duration::from_millis(1);
/// Kills in one run; each run has a seed of its own.
const KILLS: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Net {
    Lan,
    Loss(u32),
    SlowDisks,
    Far,
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Net::Lan => f.write_str("LAN"),
            Net::Loss(permille) => write!(f, "LAN, {} % lost", permille / 10),
            Net::SlowDisks => f.write_str("LAN, saves of 200 ms"),
            Net::Far => f.write_str("150 ms one way, `wan`"),
        }
    }
}

/// What a row may take at most.
struct Bounds {
    p99: Option<Duration>,
    max: Option<Duration>,
}

pub(super) fn table(lab: &Lab) -> Result<Table, ScenarioError> {
    let mut table = Table {
        title: "10. The leader is killed",
        about: "Seconds from the end of the leader's process, at a random phase of its heartbeats, until another voter's \
                lease is valid. `Election` alone, without membership; a hundred kills a run, each when the last victim \
                follows again; of two voters, where the one that is left is no quorum, the victim starts again at once. LAN: lease 500 ms, one way 30 to 300 us, so that a voter may \
                be asked before its own promise is over; timers up to 100 us late; a save to a file \
                takes 0.5 to 6 ms, to memory no time. `wan`: lease 3 s. Bounds: without loss a lease and 50 ms at p99, \
                a lease and 150 ms at most; 1.3 leases at p99 at 1 % loss; 1.5 at 150 ms one way."
            .to_owned(),
        head: &["voters", "network", "store", "kills", "median", "p99", "p99.9", "max", "bound p99 / max", "met"],
        rows: Vec::new(),
        worse: Vec::new(),
    };

    let mut cells = Vec::new();
    for voters in [2, 3, 4, 5, 7, 9] {
        cells.extend([(voters, Net::Lan, false), (voters, Net::Lan, true)]);
    }
    for net in [Net::Loss(10), Net::Loss(100), Net::SlowDisks, Net::Far] {
        cells.extend([3, 4, 5].map(|voters| (voters, net, true)));
    }

    for (voters, net, is_durable) in cells {
        row(lab, &mut table, voters, net, is_durable);
    }
    Ok(table)
}

fn row(lab: &Lab, table: &mut Table, voters: usize, net: Net, is_durable: bool) {
    let around = surroundings(voters, net, is_durable);
    let lease = around.config.lease;
    let found = parallel::each(lab.jobs, lab.effort.pick(5, 100), |seed| kill_leaders(&around, seed, KILLS));
    let spans = (0..).zip(&found).flat_map(|(run, gaps)| gaps.iter().map(move |gap| (*gap, run)));
    let sample = Sample::of_spans(spans);

    let bounds = match net {
        Net::Lan => Bounds { p99: Some(lease + MS * 50), max: Some(lease + MS * 150) },
        Net::Loss(10) => Bounds { p99: Some(lease * 13 / 10), max: None },
        Net::Far => Bounds { p99: Some(lease * 3 / 2), max: None },
        Net::Loss(_) | Net::SlowDisks => Bounds { p99: None, max: None },
    };
    let is_within = |found: Option<u64>, bound: Option<Duration>| {
        bound.is_none_or(|bound| found.is_some_and(|found| u128::from(found) <= bound.as_nanos()))
    };
    let is_met = is_within(sample.percentile(P99), bounds.p99) && is_within(sample.max(), bounds.max);

    let bound = |bound: Option<Duration>| bound.map_or("-".to_owned(), |bound| number(bound.as_secs_f64()));
    let store = if is_durable { "file" } else { "memory" };
    if !is_met {
        table.worse.push(format!("10: {voters} voters, {net}, {store}: beyond its bound"));
    }

    table.rows.push(vec![
        voters.to_string(),
        net.to_string(),
        store.to_owned(),
        grouped(sample.len() as u64),
        seconds(sample.percentile(MEDIAN)),
        percentile(&sample, P99),
        seconds(sample.percentile(P999)),
        seconds(sample.max()),
        format!("{} / {}", bound(bounds.p99), bound(bounds.max)),
        match (bounds.p99.or(bounds.max), is_met) {
            (None, _) => "-".to_owned(),
            (Some(_), true) => "yes".to_owned(),
            (Some(_), false) => "no".to_owned(),
        },
    ]);
}

fn surroundings(voters: usize, net: Net, is_durable: bool) -> Surroundings {
    let names = (0..voters).map(|voter| format!("n{voter}"));
    let (config, way) = match net {
        Net::Far => (ElectionConfig::wan("default", names).stands_always(), (MS * 150, MS * 150)),
        Net::Lan | Net::Loss(_) | Net::SlowDisks => {
            (ElectionConfig::lan("default", names).stands_always(), (MS * 30 / 1_000, MS * 300 / 1_000))
        }
    };
    let save = match net {
        _ if !is_durable => (Duration::ZERO, Duration::ZERO),
        Net::SlowDisks => (MS * 100, MS * 200),
        Net::Lan | Net::Loss(_) | Net::Far => (MS / 2, MS * 6),
    };
    let loss_permille = if let Net::Loss(permille) = net { permille } else { 0 };
    Surroundings { config, is_durable, save, way, loss_permille }
}
