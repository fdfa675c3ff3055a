//! How long no voter may act as leader when leadership is handed over on purpose.

use std::fmt;
use std::time::{Duration, Instant};

use rand::Rng;
use tidings::Node;
use tidings::config::ElectionConfig;

use crate::ELECTION;
use crate::cpu::Reading;
use crate::report::{Cell, Table, millis, spread};
use crate::voters::{Begun, Kept, Led, NAMES, Voters};
use crate::{Outcome, Plan};

const LIMIT: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ResignTo,
    Resign,
    Leave,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::ResignTo => "resign_to",
            Way::Resign => "resign",
            Way::Leave => "leave",
        })
    }
}

#[derive(Default)]
struct Found {
    /// Without a leader: from when the old lease was last seen valid to when the new one was in hand.
    gaps: Vec<Duration>,
    /// From the request to the new lease.
    took: Vec<Duration>,
    overlaps: u64,
    missed: u64,
}

pub async fn tables(plan: &Plan) -> Outcome<Vec<Table>> {
    let title = format!(
        "Milliseconds without a leader in a planned hand-over, {} voters, file store, {} a row: {}",
        NAMES.len(),
        plan.times(100),
        plan.command("handover")
    );
    let columns = [
        "way",
        "times",
        "min",
        "median",
        "p99",
        "max",
        "limit",
        "verdict",
        "overlaps",
        "request to new lease, median",
        "others %",
    ];

    let mut table = Table::new(&title, &columns);
    for way in [Way::ResignTo, Way::Resign, Way::Leave] {
        table.row(row(plan, way).await?);
    }
    Ok(vec![table])
}

async fn row(plan: &Plan, way: Way) -> Outcome<Vec<Cell>> {
    let before = Reading::now()?;
    let config = ElectionConfig::lan(ELECTION, NAMES);
    let mut voters = Voters::start(config, Kept::InFiles, &plan.folder, plan.seed).await?;
    tokio::time::sleep(voters.config.promise()).await;
    let mut found = Found::default();
    let end = Instant::now() + plan.span;
    for time in 1..=plan.times(100) {
        if Instant::now() > end {
            eprintln!("out of time before hand-over {time}");
            break;
        }
        hand_over(&mut voters, way, &mut found).await?;
    }
    voters.stop().await;
    let others = Reading::now()?.since(&before).others;

    let [min, median, p99, max] = spread(&mut found.gaps);
    let is_met = found.missed == 0 && found.overlaps == 0 && max <= LIMIT;
    let count = found.gaps.len();
    let mut row = vec![Cell::Text(way.to_string())];
    row.push(Cell::Text(if found.missed > 0 {
        format!("{count}, {} missed", found.missed)
    } else {
        count.to_string()
    }));
    row.extend([min, median, p99, max].map(millis));
    row.extend(plan.judged("max 5", is_met));
    let [_, took, ..] = spread(&mut found.took);
    row.extend([found.overlaps.into(), millis(took), Cell::Number(others, 0)]);
    Ok(row)
}

async fn hand_over(voters: &mut Voters, way: Way, found: &mut Found) -> Outcome<()> {
    let heartbeats = voters.config.heartbeat * 2;
    let least = if way == Way::Leave { voters.config.promise() } else { heartbeats };
    let led = voters.rest(least).await?;
    let leader = voters.seats[led.place].node.clone();
    let ending = voters.watch(&led)?;

    let asked = Instant::now();
    let begun = ask(voters, &leader, way, &led).await?;
    let ended = ending.finish();

    match (begun, ended) {
        (Some(begun), Some(ended)) => {
            found.gaps.push(begun.at.saturating_duration_since(ended.last_valid));
            found.overlaps += u64::from(ended.is_overlapped || begun.at < ended.last_valid);
            found.took.push(begun.at.saturating_duration_since(asked));
        }
        _ => found.missed += 1,
    }

    drop(leader);
    if way == Way::Leave {
        let killed = voters.kill(led.place).await;
        killed.stopped.await;
        voters.seat(&killed.name).await?;
    }
    Ok(())
}

/// Asks the leader to hand over, and returns with the lease that follows.
async fn ask(voters: &mut Voters, leader: &Node, way: Way, led: &Led) -> Outcome<Option<Begun>> {
    let after = 1 + voters.random.next_u64() as usize % (NAMES.len() - 1);
    let successor = voters.seats[(led.place + after) % NAMES.len()].node.id();
    let request = async {
        match way {
            Way::ResignTo => leader.resign_to(ELECTION, successor).await?,
            Way::Resign => leader.resign(ELECTION).await?,
            Way::Leave => drop(leader.leave().await?),
        }
        Outcome::Ok(())
    };
    let (done, begun) = tokio::join!(request, voters.next_after(&led.lease));
    done?;
    Ok(begun)
}
