//! How soon five voters that start at once, with empty stores, have a usable leader.

use std::time::{Duration, Instant};

use tidings::config::ElectionConfig;

use crate::ELECTION;
use crate::cpu::Reading;
use crate::report::{Cell, Table, millis, spread};
use crate::voters::{Kept, NAMES, Voters};
use crate::{Outcome, Plan};

pub async fn tables(plan: &Plan) -> Outcome<Vec<Table>> {
    let title = format!(
        "Milliseconds from the first start() of {} voters, one after another, to the first valid lease: {}",
        NAMES.len(),
        plan.command("start")
    );
    let mut table = Table::new(&title, &["store", "times", "min", "median", "p99", "max", "others %"]);

    for kept in [Kept::InFiles, Kept::InMemory] {
        let before = Reading::now()?;
        let mut spans = Vec::new();
        for _ in 0..plan.times(10) {
            spans.push(first_lease(plan, kept).await?);
        }
        let others = Reading::now()?.since(&before).others;
        let mut row = vec![Cell::Text(kept.to_string()), spans.len().into()];
        row.extend(spread(&mut spans).map(millis));
        row.push(Cell::Number(others, 0));
        table.row(row);
    }
    Ok(vec![table])
}

async fn first_lease(plan: &Plan, kept: Kept) -> Outcome<Duration> {
    let mut voters = Voters::new(ElectionConfig::lan(ELECTION, NAMES), kept, &plan.folder, plan.seed)?;
    let began = Instant::now();
    for name in NAMES {
        voters.seat(name).await?;
    }
    let begun = voters.next().await.ok_or("nobody was elected")?;
    voters.stop().await;
    Ok(begun.at - began)
}
