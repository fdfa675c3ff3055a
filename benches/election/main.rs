//! Figures of elections among real voters over loopback UDP, five but for `sizes`: `cargo bench --bench election`.
//!
//! Without an option all parts are measured, in about forty minutes; `-- kills`, `sizes`, `handover`, `partition`,
//! `start`, `messages` or `idle` measures that alone. `--quick` does five of each, which shows that they work: such
//! figures mean nothing and are held against no limit. `--json` prints one object. `--folder` is where ballots are kept
//! (on the disk that Cargo builds on), `--seed` decides the phases. No row takes longer than four minutes: what was not
//! done by then is left out, and the row says how many were.
//!
//! The column `others %` is the share of the machine's processors that went elsewhere meanwhile; a high one explains a
//! missed limit.

#[path = "../support/cpu.rs"]
mod cpu;
mod ending;
mod handover;
mod idle;
mod kills;
mod messages;
mod partition;
mod published;
#[path = "../support/report.rs"]
mod report;
mod start;
#[path = "../support/steady_leader.rs"]
mod steady_leader;
mod tap;
mod voters;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use report::{Arguments, Cell, Table};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The election that all parts hold.
pub(crate) const ELECTION: &str = "default";
/// Idle comes last: it turns tracing on, which cannot be turned off.
const PARTS: [&str; 7] = ["kills", "sizes", "handover", "partition", "start", "messages", "idle"];
/// How long one row of a table is measured at most.
const SPAN: Duration = Duration::from_secs(240);
const WORKERS: usize = 2;

/// What was asked for.
pub(crate) struct Plan {
    pub(crate) is_quick: bool,
    pub(crate) folder: PathBuf,
    pub(crate) seed: u64,
    pub(crate) span: Duration,
}

impl Plan {
    /// How often to do what is worth doing `many` times.
    pub(crate) fn times(&self, many: u64) -> u64 {
        if self.is_quick { 5 } else { many }
    }

    /// The command that prints a part.
    pub(crate) fn command(&self, part: &str) -> String {
        let quick = if self.is_quick { " --quick" } else { "" };
        format!("cargo bench --bench election -- {part}{quick}")
    }

    /// The cells `limit` and `verdict`.
    pub(crate) fn judged(&self, limit: &str, is_met: bool) -> [Cell; 2] {
        if self.is_quick { [Cell::from(limit), Cell::from("")] } else { [Cell::from(limit), report::verdict(is_met)] }
    }
}

fn main() -> Outcome<()> {
    let is_test = std::env::args().any(|word| word == "--test");
    let Some(arguments) = Arguments::read().filter(|_| !is_test) else { return Ok(()) };
    let named: Vec<_> = PARTS.into_iter().filter(|part| arguments.wants(part)).collect();
    if named.is_empty() {
        return Err(format!("name one of {}", PARTS.join(" ")).into());
    }

    let folder = arguments.text("folder").unwrap_or(env!("CARGO_TARGET_TMPDIR"));
    let plan = Plan {
        is_quick: arguments.wants_quick(),
        folder: PathBuf::from(folder).join(format!("election-{}", std::process::id())),
        seed: arguments.number("seed", 1),
        span: SPAN,
    };

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let mut tables = Vec::new();
    for part in named {
        eprintln!("measuring: {part}");
        let measured = runtime.block_on(measure(part, &plan))?;
        if !arguments.wants_json() {
            report::print(&arguments, &measured);
        }
        tables.extend(measured);
    }

    tables.push(published::table());
    let rest = if arguments.wants_json() { &tables } else { &tables[tables.len() - 1..] };
    report::print(&arguments, rest);
    Ok(())
}

async fn measure(part: &str, plan: &Plan) -> Outcome<Vec<Table>> {
    match part {
        "kills" => kills::tables(plan).await,
        "sizes" => kills::sizes(plan).await,
        "handover" => handover::tables(plan).await,
        "partition" => partition::tables(plan).await,
        "start" => start::tables(plan).await,
        "messages" => messages::tables(plan),
        _ => idle::tables(plan).await,
    }
}
