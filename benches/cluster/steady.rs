//! What a quiet cluster costs in processor time, beside the same sockets without a protocol.

use std::time::Duration;

use crate::bare::Bare;
use crate::cpu::{Reading, Spent};
use crate::nodes::{Counts, Home, Outcome, cluster, stop};
use crate::report::{Cell, Table, number};
use crate::{Judged, Span, lan};

pub(crate) async fn table(nodes: usize, span: Span, judged: Judged) -> Outcome<Table> {
    let title = format!(
        "Milliseconds of processor time per node and minute, {nodes} nodes, over {:?} after {:?} of quiet",
        span.measured, span.quiet
    );
    let columns =
        ["what", "runs on", "cpu", "limit", "verdict", "user", "system", "suspicions", "late wakes", "others %"];
    let mut table = Table::new(&title, &columns);

    for (home, limit) in [(Home::OneRuntime, 4.0), (Home::OwnThreads, 10.0)] {
        let cluster = cluster(&lan(), nodes, home).await?;
        tokio::time::sleep(span.quiet).await;
        let counts = Counts::of(&cluster).await;
        let spent = spent_in(span.measured).await?;
        let counts = Counts::of(&cluster).await.since(counts);
        stop(cluster).await;

        let mut row = vec![Cell::from("nodes"), Cell::Text(home.to_string())];
        let [cpu, user, system] = per_node_minute(&spent, nodes);
        row.push(number(cpu));
        row.extend(judged.cells(&format!("{limit:.1}"), cpu <= limit));
        row.extend([number(user), number(system), counts.suspicions.into(), counts.late_wakes.into()]);
        row.push(Cell::Number(spent.others, 0));
        table.row(row);

        let bare = Bare::start(nodes, home)?;
        // The phases of the first pings lie within the first second.
        tokio::time::sleep(span.quiet.min(Duration::from_secs(3))).await;
        let spent = spent_in(span.measured).await?;
        drop(bare);
        let [cpu, user, system] = per_node_minute(&spent, nodes).map(number);
        let nothing = || Cell::from("");
        let what = Cell::from("bare sockets");
        let others = Cell::Number(spent.others, 0);
        let home = Cell::Text(home.to_string());
        table.row([what, home, cpu, nothing(), nothing(), user, system, nothing(), nothing(), others]);
    }

    Ok(table)
}

async fn spent_in(span: Duration) -> Outcome<Spent> {
    let before = Reading::now()?;
    tokio::time::sleep(span).await;
    Ok(Reading::now()?.since(&before))
}

/// Both kinds of time together, user, and system.
fn per_node_minute(spent: &Spent, nodes: usize) -> [f64; 3] {
    let minutes = spent.elapsed.as_secs_f64() / 60.0;
    [spent.user + spent.system, spent.user, spent.system]
        .map(|time| time.as_secs_f64() * 1_000.0 / minutes / nodes as f64)
}
