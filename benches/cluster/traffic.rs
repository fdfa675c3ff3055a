//! What a quiet cluster sends.

use std::time::Instant;

use tokio::task::JoinSet;

use crate::cpu::Reading;
use crate::nodes::{Counts, Home, Outcome, cluster, stop};
use crate::report::{Cell, Table, number};
use crate::{Judged, Span, lan};

const DATAGRAMS_LIMIT: f64 = 2.1;
const BYTES_LIMIT: f64 = 90.0;

/// The clusters run side by side: they are told apart by their names only, and together use less than a hundredth of a
/// processor.
pub(crate) async fn table(sizes: &[usize], span: Span, judged: Judged) -> Outcome<Table> {
    let title =
        format!("Sent per node and second, UDP payload, over {:?} after {:?} of quiet", span.measured, span.quiet);
    let columns = ["nodes", "datagrams", "bytes", "limit", "verdict", "suspicions", "late wakes", "others %"];
    let mut table = Table::new(&title, &columns);

    let before = Reading::now()?;
    let mut running = JoinSet::new();
    for &size in sizes {
        running.spawn(async move { Outcome::Ok((size, sent(size, span).await?)) });
    }

    let mut measured = Vec::new();
    while let Some(sent) = running.join_next().await {
        measured.push(sent??);
    }
    measured.sort_unstable_by_key(|(size, _)| *size);
    let others = Reading::now()?.since(&before).others;

    for (size, sent) in measured {
        let is_met = sent.datagrams <= DATAGRAMS_LIMIT && sent.bytes <= BYTES_LIMIT;
        let mut row = vec![Cell::from(size), Cell::Number(sent.datagrams, 3), number(sent.bytes)];
        row.extend(judged.cells("2.1, 90", is_met));
        row.extend([sent.counts.suspicions.into(), sent.counts.late_wakes.into(), Cell::Number(others, 0)]);
        table.row(row);
    }
    Ok(table)
}

/// What one cluster sent per node and second, and what disturbed it meanwhile.
struct Sent {
    datagrams: f64,
    bytes: f64,
    counts: Counts,
}

async fn sent(size: usize, span: Span) -> Outcome<Sent> {
    let mut config = lan();
    config.cluster = format!("bench-{size}");
    let cluster = cluster(&config, size, Home::OwnThreads).await?;
    tokio::time::sleep(span.quiet).await;
    let (started, before) = (Instant::now(), Counts::of(&cluster).await);
    tokio::time::sleep(span.measured).await;
    let counts = Counts::of(&cluster).await.since(before);
    let node_seconds = started.elapsed().as_secs_f64() * size as f64;
    stop(cluster).await;
    let per_node_second = |count: u64| count as f64 / node_seconds;
    Ok(Sent { datagrams: per_node_second(counts.datagrams_out), bytes: per_node_second(counts.bytes_out), counts })
}
