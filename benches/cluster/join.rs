//! How long 128 nodes take to know each other when all of them join at once through one contact.

use std::time::{Duration, Instant};

use crate::cpu::Reading;
use crate::nodes::{Counts, Home, Outcome, cluster, stop};
use crate::report::{Cell, Table, number, seconds, spread};
use crate::{Judged, lan};

const LIMIT: Duration = Duration::from_secs(2);

pub(crate) async fn table(nodes: usize, runs: u64, judged: Judged) -> Outcome<Table> {
    let title = format!("Seconds from the first start() of {nodes} nodes to the last view of {nodes}, {runs} runs");
    let columns = [
        "nodes run on",
        "min",
        "median",
        "max",
        "limit",
        "verdict",
        "datagrams/node",
        "late wakes",
        "lost",
        "others %",
    ];
    let mut table = Table::new(&title, &columns);

    for home in [Home::OwnThreads, Home::OneRuntime] {
        let before = Reading::now()?;
        let (mut spans, mut counts) = (Vec::new(), Counts::default());
        for _ in 0..runs {
            let started = Instant::now();
            let cluster = cluster(&lan(), nodes, home).await?;
            spans.push(started.elapsed());
            let run = Counts::of(&cluster).await;
            counts.datagrams_out += run.datagrams_out;
            counts.late_wakes += run.late_wakes;
            counts.lost += run.lost;
            stop(cluster).await;
        }

        let others = Reading::now()?.since(&before).others;
        let [min, median, _, max] = spread(&mut spans);
        let mut row = vec![Cell::Text(home.to_string()), seconds(min), seconds(median), seconds(max)];
        row.extend(judged.cells("max 2.0", max <= LIMIT));
        let each = counts.datagrams_out as f64 / (runs.max(1) as f64 * nodes as f64);
        row.extend([number(each), counts.late_wakes.into(), counts.lost.into(), Cell::Number(others, 0)]);
        table.row(row);
    }

    Ok(table)
}
