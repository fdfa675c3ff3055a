//! What membership costs where nothing happens: datagrams and bytes per node, which must not grow with the cluster.

use tidings::Instant;

use crate::lab::measure::parallel;
use crate::lab::measure::sample::{P99, Sample};
use crate::lab::measure::tables::{Lab, SECOND, SETTLE, begin, cluster};
use crate::lab::measure::text::{Table, grouped, number};
use crate::scenario::{Scenario, ScenarioError};

const SIZES: [u32; 7] = [2, 16, 64, 256, 1_000, 4_000, 10_000];
/// How long is counted.
const LASTS_S: u32 = 40;

pub(super) fn table(lab: &Lab) -> Result<Table, ScenarioError> {
    let mut table = Table {
        title: "7. Message load",
        about: format!(
            "Nothing happens; what each node sends in {LASTS_S} s after settling, bytes of UDP payload. One run \
             each; p99 and the greatest are over the nodes. A ping and an ack are 84 bytes; the model has no such \
             table."
        ),
        head: &[
            "n",
            "datagrams per node and second",
            "p99 of the nodes",
            "most",
            "bytes per node and second",
            "p99 of the nodes",
            "most",
        ],
        rows: Vec::new(),
        worse: Vec::new(),
    };

    let sizes = lab.effort.pick(&SIZES[..5], &SIZES[..]);
    // One at a time: the largest fills much of a machine's memory.
    let one = std::num::NonZeroUsize::MIN;

    let mut means = Vec::new();
    for cells in parallel::each(one, sizes.len() as u64, |place| row(sizes[place as usize])) {
        let (mean, cells) = cells?;
        means.push(mean);
        table.rows.push(cells);
    }

    // Two alone need no far rounds and have no third to compare with; from 16 on it must be flat.
    let (least, most) =
        means.iter().skip(1).fold((u64::MAX, 0), |(least, most), mean| (least.min(*mean), most.max(*mean)));
    if most * 10 > least * 11 {
        table
            .worse
            .push(format!("7: datagrams per node differ by more than a tenth between sizes: {means:?} in 1/1000"));
    }

    Ok(table)
}

/// Datagrams and bytes a second, in thousandths, one value for each node.
pub(super) struct Load {
    pub(super) datagrams: Sample,
    pub(super) bytes: Sample,
}

/// What nodes send while nothing happens, from a moment on.
pub(super) fn load(scenario: &Scenario, from: Instant) -> Result<Load, ScenarioError> {
    let mut world = begin(scenario, 1)?;
    world.run_until(from);
    let before = world.watch().loads(world.now());
    world.run(SECOND * LASTS_S);
    let after = world.watch().loads(world.now());
    let sent = |what: fn(&crate::lab::measure::observer::Load) -> u64| {
        Sample::of(
            before.iter().zip(&after).map(|(before, after)| (what(after) - what(before)) * 1_000 / u64::from(LASTS_S)),
        )
    };
    Ok(Load { datagrams: sent(|load| load.datagrams), bytes: sent(|load| load.bytes) })
}

/// Datagrams per node and second, in thousandths, and a size's line of the table.
fn row(hosts: u32) -> Result<(u64, Vec<String>), ScenarioError> {
    let Load { datagrams, bytes } = load(&cluster("load", hosts, SECOND * 3), Instant::ORIGIN + SETTLE)?;
    let mut cells = vec![grouped(u64::from(hosts))];
    for sample in [&datagrams, &bytes] {
        for value in [sample.mean(), sample.percentile(P99), sample.max()] {
            cells.push(number(value.unwrap_or(0) as f64 / 1_000.0));
        }
    }
    Ok((datagrams.mean().unwrap_or(0), cells))
}
