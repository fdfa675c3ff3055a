//! Figures of real nodes over loopback UDP: `cargo bench --bench cluster -- join|steady|traffic|kills|local [--json]`.
//!
//! Each part prints a table with the limit beside the figure. Without a part, small clusters go through all of them
//! once, in a few seconds, to show that they work: those figures mean nothing and are held against no limit. The column
//! `others %` is the share of the machine's processors that went elsewhere meanwhile; a high one explains a missed
//! limit.
//!
//! `join [--nodes 128] [--runs 5]`, `steady [--nodes 128] [--quiet 30] [--seconds 60]`, `traffic [--quiet 30]
//! [--seconds 60]`, `kills [--nodes 64] [--kills 30] [--seed 1]`, `local [--nodes 16] [--kills 30] [--seed 1]`.

mod bare;
#[path = "../support/cpu.rs"]
mod cpu;
mod join;
mod kills;
mod nodes;
#[path = "../support/report.rs"]
mod report;
mod steady;
mod traffic;

use std::time::Duration;

use nodes::Outcome;
use report::{Arguments, Cell, Table};
use tidings::config::Config;

/// As many workers as the libraries measured for comparison had.
const WORKERS: usize = 2;

const PARTS: [&str; 5] = ["join", "steady", "traffic", "kills", "local"];

fn main() -> Outcome<()> {
    let is_test = std::env::args().any(|word| word == "--test");
    let Some(arguments) = Arguments::read().filter(|_| !is_test) else { return Ok(()) };
    // Nothing named means the smoke.
    let is_smoke = arguments.wants("smoke");
    let named: Vec<_> = PARTS.into_iter().filter(|part| arguments.wants(part)).collect();
    if named.is_empty() && !is_smoke {
        return Err(format!("name one of {}", PARTS.join(" ")).into());
    }

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let tables = runtime.block_on(async {
        if is_smoke {
            eprintln!("A smoke of small clusters; for figures name a part: {}", PARTS.join(" "));
            return smoke().await;
        }
        let mut tables = Vec::new();
        for part in named {
            tables.push(measure(part, &arguments).await?);
        }
        Ok(tables)
    })?;

    report::print(&arguments, &tables);
    Ok(())
}

async fn measure(part: &str, arguments: &Arguments) -> Outcome<Table> {
    let nodes = |default| arguments.number("nodes", default) as usize;
    let span = Span {
        quiet: Duration::from_secs(arguments.number("quiet", 30)),
        measured: Duration::from_secs(arguments.number("seconds", 60)),
    };
    let (kills, seed) = (arguments.number("kills", 30), arguments.number("seed", 1));
    match part {
        "join" => join::table(nodes(128), arguments.number("runs", 5), Judged::Yes).await,
        "steady" => steady::table(nodes(128), span, Judged::Yes).await,
        "traffic" => traffic::table(&[2, 16, 128], span, Judged::Yes).await,
        "kills" => kills::table(&kills::Case::lan(nodes(64)), kills, seed).await,
        _ => kills::table(&kills::Case::local(nodes(16)), kills, seed).await,
    }
}

async fn smoke() -> Outcome<Vec<Table>> {
    let span = Span { quiet: Duration::from_secs(1), measured: Duration::from_secs(2) };
    let few = kills::Case { limits: [None; 4], ..kills::Case::local(6) };
    Ok(vec![
        join::table(8, 1, Judged::No).await?,
        steady::table(8, span, Judged::No).await?,
        traffic::table(&[2, 8], span, Judged::No).await?,
        kills::table(&few, 1, 1).await?,
    ])
}

/// How long a settled cluster is left alone, and how long it is then watched.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) quiet: Duration,
    pub(crate) measured: Duration,
}

/// Whether figures are held against their limits; those of a smoke are not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    Yes,
    No,
}

impl Judged {
    /// The cells `limit` and `verdict`.
    pub(crate) fn cells(self, limit: &str, is_met: bool) -> [Cell; 2] {
        match self {
            Judged::Yes => [Cell::from(limit), report::verdict(is_met)],
            Judged::No => [Cell::from(""), Cell::from("")],
        }
    }
}

/// The profile of every part but `local`.
fn lan() -> Config {
    Config::lan("bench")
}
