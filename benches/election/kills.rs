//! How soon there is a usable leader again after the leader's task has ended without a word.

use std::time::{Duration, Instant};

use tidings::config::ElectionConfig;
use tidings::election::{Ballot, FileStore, TermStore};
use tidings::leader::Term;

use crate::cpu::Reading;
use crate::report::{Cell, Table, millis, spread};
use crate::voters::{Kept, Killed, NAMES, Voters};
use crate::{Outcome, Plan};

/// An election, where its ballots are kept, and what the median and the p99 are held against.
struct Case {
    voters: usize,
    lease_ms: u64,
    kept: Kept,
}

impl Case {
    /// What the p99 and the longest are held against, in milliseconds: the lease, and what an attempt and a timer take.
    fn limits(&self) -> [u64; 2] {
        [self.lease_ms + 50, self.lease_ms + 150]
    }
}

#[derive(Default)]
struct Found {
    gaps: Vec<Duration>,
    /// How old the lease was at each kill: spread over one heartbeat if the kills were.
    ages: Vec<Duration>,
    missed: u64,
}

/// Five voters, and two lengths of the lease.
pub async fn tables(plan: &Plan) -> Outcome<Vec<Table>> {
    let cases = [500, 150].into_iter().flat_map(|lease_ms| stores(NAMES.len(), lease_ms));
    Ok(vec![table(plan, "kills", cases).await?, saves(plan)?])
}

/// Other numbers of voters. Of two, the one that is left is no quorum, so the killed one starts again at once.
pub async fn sizes(plan: &Plan) -> Outcome<Vec<Table>> {
    let cases = [2, 3, 4, 7, 9].into_iter().flat_map(|voters| stores(voters, 500));
    Ok(vec![table(plan, "sizes", cases).await?])
}

fn stores(voters: usize, lease_ms: u64) -> impl Iterator<Item = Case> {
    [Kept::InFiles, Kept::InMemory].into_iter().map(move |kept| Case { voters, lease_ms, kept })
}

async fn table(plan: &Plan, part: &str, cases: impl Iterator<Item = Case>) -> Outcome<Table> {
    let title = format!(
        "Milliseconds from a kill of the leader to the next leader's valid lease, {} kills a row: {}",
        plan.times(100),
        plan.command(part)
    );
    let columns = [
        "voters",
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
    for case in cases {
        table.row(row(plan, &case).await?);
    }
    Ok(table)
}

async fn row(plan: &Plan, case: &Case) -> Outcome<Vec<Cell>> {
    let before = Reading::now()?;
    let lease = Duration::from_millis(case.lease_ms);
    let names = (0..case.voters).map(|number| format!("n{number}"));
    let config = ElectionConfig::lan(crate::ELECTION, names).with_lease(lease);
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
    let [p99_ms, max_ms] = case.limits();
    let is_met = missed == 0 && p99 <= ms(p99_ms) && max <= ms(max_ms);
    let mut row = vec![Cell::from(case.voters as u64), Cell::from(case.lease_ms), Cell::Text(case.kept.to_string())];
    row.push(Cell::Text(if missed > 0 { format!("{}, {missed} missed", gaps.len()) } else { gaps.len().to_string() }));
    row.extend([min, median, p99, max].map(millis));
    row.extend(plan.judged(&format!("p99 {p99_ms}, max {max_ms}"), is_met));
    row.push(Cell::Text(format!("{:.0} to {:.0}", youngest.as_secs_f64() * 1e3, oldest.as_secs_f64() * 1e3)));
    row.extend([millis(slowest), Cell::Number(others, 0)]);
    Ok(row)
}

/// Kills the leader, waits for the next, and starts the killed one again with what its store holds.
async fn kill(voters: &mut Voters, found: &mut Found) -> Outcome<()> {
    // A voter that was just started votes for no candidate until a promise is over; that is not what is measured here.
    let led = voters.rest(voters.config.promise()).await?;
    let age = voters.config.lease.saturating_sub(led.lease.valid_for());
    let Killed { name, at, stopped } = voters.kill(led.place).await;

    let begun = if voters.config.voters.len() > 2 {
        let begun = voters.next_after(&led.lease).await;
        voters.saves_max().await;
        stopped.await;
        voters.seat(&name).await?;
        begun
    } else {
        stopped.await;
        voters.seat(&name).await?;
        voters.next_after(&led.lease).await
    };

    match begun {
        Some(begun) if begun.was_valid => {
            found.gaps.push(begun.at - at);
            found.ages.push(age);
        }
        _ => found.missed += 1,
    }
    Ok(())
}

/// What one ballot costs the file store, one after another: an election waits for two.
fn saves(plan: &Plan) -> Outcome<Table> {
    let title = format!("Milliseconds for one ballot in the file store: {}", plan.command("kills"));
    let mut table = Table::new(&title, &["saves", "min", "median", "p99", "max"]);
    let mut store = FileStore::open(&plan.folder)?;
    let mut spans = Vec::new();
    for term in 1..=plan.times(100) {
        let ballot = Ballot { term: Term(term), vote: None, promise: Duration::ZERO, voters: None, owner: None };
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
