//! A leader that is cut off in a minority: how soon the majority has another, and by how much their leases miss.

use std::time::{Duration, Instant};

use tidings::config::ElectionConfig;

use crate::ELECTION;
use crate::cpu::Reading;
use crate::report::{Cell, Table, millis, spread};
use crate::voters::{Kept, NAMES, Voters};
use crate::{Outcome, Plan};

/// How much later than the lease the new leader may come.
const MORE: Duration = Duration::from_millis(300);

#[derive(Default)]
struct Found {
    gaps: Vec<Duration>,
    /// From the last moment at which the old lease may have been valid to the first at which the new one may have been.
    margins: Vec<Duration>,
    overlaps: u64,
    missed: u64,
}

pub async fn tables(plan: &Plan) -> Outcome<Vec<Table>> {
    let title = format!(
        "Milliseconds from the cut to the majority's next valid lease, {} voters, file store, {} cuts: {}",
        NAMES.len(),
        plan.times(50),
        plan.command("partition")
    );
    let columns = [
        "cut off",
        "times",
        "min",
        "median",
        "p99",
        "max",
        "limit",
        "verdict",
        "overlaps",
        "smallest margin",
        "others %",
    ];

    let mut table = Table::new(&title, &columns);
    for (what, companions) in [("the leader alone", 0), ("the leader and a follower", 1)] {
        let mut row = vec![Cell::from(what)];
        row.extend(cells(plan, companions).await?);
        table.row(row);
    }
    Ok(vec![table])
}

async fn cells(plan: &Plan, companions: usize) -> Outcome<Vec<Cell>> {
    let before = Reading::now()?;
    let config = ElectionConfig::lan(ELECTION, NAMES);
    let mut voters = Voters::start(config, Kept::InFiles, &plan.folder, plan.seed).await?;
    tokio::time::sleep(voters.config.promise()).await;
    let mut found = Found::default();
    let end = Instant::now() + plan.span;
    for time in 1..=plan.times(25) {
        if Instant::now() > end {
            eprintln!("out of time before cut {time}");
            break;
        }
        cut(&mut voters, companions, &mut found).await?;
    }
    let limit = voters.config.lease + MORE;
    voters.stop().await;
    let others = Reading::now()?.since(&before).others;

    let [min, median, p99, max] = spread(&mut found.gaps);
    let [smallest, ..] = spread(&mut found.margins);
    // Without a margin an overlap was not seen, and not ruled out either.
    let is_met = found.missed == 0 && found.overlaps == 0 && smallest > Duration::ZERO && max <= limit;
    let count = found.gaps.len();
    let mut row = vec![];
    row.push(Cell::Text(if found.missed > 0 {
        format!("{count}, {} missed", found.missed)
    } else {
        count.to_string()
    }));
    row.extend([min, median, p99, max].map(millis));
    row.extend(plan.judged(&format!("max {}, no overlap", limit.as_millis()), is_met));
    row.extend([found.overlaps.into(), millis(smallest), Cell::Number(others, 0)]);
    Ok(row)
}

/// Cuts the leader off, with so many followers, until the others have elected another.
async fn cut(voters: &mut Voters, companions: usize, found: &mut Found) -> Outcome<()> {
    let led = voters.rest(voters.config.heartbeat * 2).await?;
    let is_minority = |place: usize| (place + NAMES.len() - led.place) % NAMES.len() <= companions;
    let minority: Vec<_> = (0..NAMES.len()).filter(|place| is_minority(*place)).collect();
    let majority = (0..NAMES.len()).filter(|place| !is_minority(*place));
    let majority: Vec<_> = majority.map(|place| voters.seats[place].node.local_address()).collect();

    let ending = voters.watch(&led)?;
    let cut_at = Instant::now();
    for place in &minority {
        voters.seats[*place].faults.cut(majority.iter().copied());
    }

    let begun = voters.next_after(&led.lease).await;
    let ended = ending.finish();
    for place in minority {
        voters.seats[place].faults.cut([]);
    }

    match (begun, ended) {
        (Some(begun), Some(ended)) if begun.was_valid => {
            found.gaps.push(begun.at - cut_at);
            found.margins.push(begun.not_before.saturating_duration_since(ended.by));
            found.overlaps += u64::from(ended.is_overlapped || begun.at < ended.last_valid);
        }
        _ => found.missed += 1,
    }
    Ok(())
}
