//! How soon there is a usable leader again after the leader's task has ended without a word.

use std::time::{Duration, Instant};

use tidings::config::ElectionConfig;
use tidings::election::{Ballot, FileStore, TermStore};
use tidings::leader::Term;

use crate::cpu::Reading;
use crate::report::{Cell, Table, millis, spread};
use crate::voters::{Kept, NAMES, Voters};
use crate::{Outcome, Plan};

/// An election, where its ballots are kept, and what the median and the p99 are held against.
struct Case {
    lease_ms: u64,
    kept: Kept,
    median_ms: u64,
    p99_ms: Option<u64>,
}

#[derive(Default)]
struct Found {
    gaps: Vec<Duration>,
    /// How old the lease was at each kill: spread over one heartbeat if the kills were.
    ages: Vec<Duration>,
    missed: u64,
}

pub async fn tables(plan: &Plan) -> Outcome<Vec<Table>> {
    let title = format!(
        "Milliseconds from a kill of the leader to the next leader's valid lease, {} voters, {} kills a row: {}",
        NAMES.len(),
        plan.times(100),
        plan.command("kills")
    );
    let columns = [
        "lease",
        "store",
        "kills",
        "min",
        "median",
        "p99",
        "max",
        "limit",
        "verdict",
        "lease age at kill",
        "slowest save",
        "others %",
    ];
    let mut table = Table::new(&title, &columns);
    // A lease that was renewed a moment ago still lasts for all of it, so the median lies below the lease.
    let lan = |kept| Case { lease_ms: 500, kept, median_ms: 600, p99_ms: Some(800) };
    let short = |kept| Case { lease_ms: 150, kept, median_ms: 250, p99_ms: None };
    for case in [lan(Kept::InFiles), lan(Kept::InMemory), short(Kept::InFiles), short(Kept::InMemory)] {
        table.row(row(plan, &case).await?);
    }
    Ok(vec![table, saves(plan)?])
}

async fn row(plan: &Plan, case: &Case) -> Outcome<Vec<Cell>> {
    let before = Reading::now()?;
    let lease = Duration::from_millis(case.lease_ms);
    let config = ElectionConfig::lan(crate::ELECTION, NAMES).with_lease(lease);
    let mut voters = Voters::start(config, case.kept, &plan.folder, plan.seed).await?;
    let mut found = Found::default();
    let end = Instant::now() + plan.span;
    for time in 1..=plan.times(100) {
        if Instant::now() > end {
            eprintln!("out of time before kill {time}");
            break;
        }
        kill(&mut voters, &mut found).await?;
    }
    let slowest = voters.saves_max().await;
    voters.stop().await;
    let others = Reading::now()?.since(&before).others;

    let Found { mut gaps, mut ages, missed } = found;
    let [youngest, _, _, oldest] = spread(&mut ages);
    let [min, median, p99, max] = spread(&mut gaps);
    let ms = Duration::from_millis;
    let is_met = missed == 0 && median <= ms(case.median_ms) && case.p99_ms.is_none_or(|limit| p99 <= ms(limit));
    let p99_limit = case.p99_ms.map_or(String::new(), |limit| format!(", p99 {limit}"));
    let mut row = vec![Cell::from(case.lease_ms), Cell::Text(case.kept.to_string())];
    row.push(Cell::Text(if missed > 0 { format!("{}, {missed} missed", gaps.len()) } else { gaps.len().to_string() }));
    row.extend([min, median, p99, max].map(millis));
    row.extend(plan.judged(&format!("median {}{p99_limit}", case.median_ms), is_met));
    row.push(Cell::Text(format!("{:.0} to {:.0}", youngest.as_secs_f64() * 1e3, oldest.as_secs_f64() * 1e3)));
    row.extend([millis(slowest), Cell::Number(others, 0)]);
    Ok(row)
}

/// Kills the leader, waits for the next, and starts the killed one again with what its store holds.
async fn kill(voters: &mut Voters, found: &mut Found) -> Outcome<()> {
    // A voter that was just started votes for nobody until a promise is over; that is not what is measured here.
    let led = voters.rest(voters.config.promise()).await?;
    let age = voters.config.lease.saturating_sub(led.lease.valid_for());
    let killed = voters.kill(led.place).await;
    match voters.next_after(&led.lease).await {
        Some(begun) if begun.was_valid => {
            found.gaps.push(begun.at - killed.at);
            found.ages.push(age);
        }
        _ => found.missed += 1,
    }
    voters.saves_max().await;
    killed.stopped.await;
    voters.seat(&killed.name).await
}

/// What one ballot costs the file store, one after another: an election waits for two.
fn saves(plan: &Plan) -> Outcome<Table> {
    let title = format!("Milliseconds for one ballot in the file store: {}", plan.command("kills"));
    let mut table = Table::new(&title, &["saves", "min", "median", "p99", "max"]);
    let mut store = FileStore::open(&plan.folder)?;
    let mut spans = Vec::new();
    for term in 1..=plan.times(100) {
        let ballot = Ballot { term: Term(term), vote: None, promise: Duration::ZERO };
        let began = Instant::now();
        store.save("bench", &ballot)?;
        spans.push(began.elapsed());
    }
    drop(store);
    std::fs::remove_dir_all(&plan.folder)?;
    let count = spans.len();
    table.row([Cell::from(count)].into_iter().chain(spread(&mut spans).map(millis)));
    Ok(table)
}
