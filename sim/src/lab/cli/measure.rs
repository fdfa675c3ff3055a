//! Measures over many seeds, and the page of experiments: what the library measures, told.

use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use serde_json::{Value, json};
use tidings_sim::lab::measure::{self, tables};

use crate::cli::known::Source;
use crate::cli::stopwatch::Stopwatch;
use crate::cli::sweep::seeds::Seeds;
use crate::cli::trouble::Trouble;
use crate::cli::{Verdict, report};

/// Measures detection, dissemination, false deaths and traffic over many seeds.
#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  tidings-sim measure crash --seeds 0..300
  tidings-sim measure lossy-30 --seeds 0..20 --json | tail -n 1
  tidings-sim measure tables --quick --out measured.md

Nothing is judged: whether promises hold is what `sweep` says. Ranges in brackets hold the true figure in 95 of 100
cases: order statistics where each run gave one value, runs drawn again where it gave many, Poisson's for counts."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    page: Option<Page>,
    /// A scenario's name (see `list`), or a scenario file
    #[arg(value_name = "SCENARIO|FILE", required = true)]
    scenario: Option<String>,
    /// Which seeds: from A up to, but without, B
    #[arg(long, value_name = "A..B", required = true)]
    seeds: Option<Seeds>,
    /// How many seeds run at once [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Ends with one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Subcommand, Debug)]
enum Page {
    /// Runs the experiments that the protocol's rules were chosen by, and writes docs/measured.md
    Tables(TablesArgs),
    /// Runs the experiment with changing metadata alone, and writes nothing unless told
    Metadata(TablesArgs),
    /// Runs the experiment with killed leaders alone, and writes nothing unless told
    Elections(TablesArgs),
}

#[derive(clap::Args, Debug)]
struct TablesArgs {
    /// Runs little of each, in about a minute
    #[arg(long)]
    quick: bool,
    /// Runs one table alone, by its number, and writes nothing unless told
    #[arg(long, value_name = "N")]
    table: Option<usize>,
    /// How many runs at once; it changes nothing about the page [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Where the page is written; a quick one nowhere unless told [default: docs/measured.md]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The number of the table that `measure metadata` makes.
const METADATA: usize = 9;
/// The number of the table that `measure elections` makes.
const ELECTIONS: usize = 10;

pub(crate) fn measure(args: &Args, out: &mut impl Write) -> Result<Verdict, Trouble> {
    match &args.page {
        Some(Page::Tables(args)) => return page(args, out),
        Some(Page::Metadata(args)) => return table(METADATA, args, out),
        Some(Page::Elections(args)) => return table(ELECTIONS, args, out),
        None => {}
    }

    let (Some(name), Some(seeds)) = (&args.scenario, args.seeds) else {
        return Err(Trouble::say("name a scenario and its seeds, or `tables`"));
    };

    let source = Source::find(name)?;
    let watch = Stopwatch::start();
    let measured = measure::measure(|seed| source.scenario(seed), seeds.first()..seeds.end(), jobs(args.jobs));
    let measured = measured.map_err(|error| Trouble::say(format!("{name}: {error}")))?;
    let took = watch.elapsed();

    writeln!(out, "{name}, seeds {seeds}: {}", measured.table())?;
    writeln!(out, "hash {}, {:.2} s wall", report::hash(measured.trace_hash), took.as_secs_f64())?;

    if args.json {
        let mut object = json!({
            "scenario": name,
            "seeds": seeds.to_string(),
            "trace_hash": report::hash(measured.trace_hash),
            "virtual_s": measured.lasted.as_secs_f64(),
            "wall_s": took.as_secs_f64(),
            "happenings": measured.happenings,
            "datagrams": measured.datagrams,
            "bytes": measured.bytes,
            "violations": Value::Array(Vec::new()),
        });
        object["measures"] = measured.json();
        writeln!(out, "{object}")?;
    }
    Ok(Verdict::Held)
}

fn page(args: &TablesArgs, out: &mut impl Write) -> Result<Verdict, Trouble> {
    if let Some(number) = args.table {
        return table(number, args, out);
    }

    let effort = effort(args);
    let path = args.out.clone().or_else(|| (!args.quick).then(|| PathBuf::from("docs/measured.md")));
    let watch = Stopwatch::start();

    let mut told = Ok(());
    let page = tables::page(effort, jobs(args.jobs), |table| {
        if told.is_ok() {
            told = writeln!(out, "{table}").and_then(|()| out.flush());
        }
    });

    told?;
    let page = page.map_err(|error| Trouble::say(error.to_string()))?;
    if let Some(path) = &path {
        fs::write(path, page).map_err(|error| Trouble::file("write", path, error))?;
        writeln!(out, "written to {}", path.display())?;
    }

    writeln!(out, "{:.1} s wall", watch.elapsed().as_secs_f64())?;
    Ok(Verdict::Held)
}

/// One table alone.
fn table(number: usize, args: &TablesArgs, out: &mut impl Write) -> Result<Verdict, Trouble> {
    let watch = Stopwatch::start();
    let Some(table) = tables::table(number, effort(args), jobs(args.jobs)) else {
        let (first, last) = (tables::numbers().start().to_owned(), tables::numbers().end().to_owned());
        return Err(Trouble::say(format!("--table {number}: the tables are {first} to {last}")));
    };
    let table = table.map_err(|error| Trouble::say(error.to_string()))?;
    writeln!(out, "{table}")?;
    if let Some(path) = &args.out {
        fs::write(path, table).map_err(|error| Trouble::file("write", path, error))?;
        writeln!(out, "written to {}", path.display())?;
    }
    writeln!(out, "{:.1} s wall", watch.elapsed().as_secs_f64())?;
    Ok(Verdict::Held)
}

fn effort(args: &TablesArgs) -> tables::Effort {
    if args.quick { tables::Effort::Quick } else { tables::Effort::Full }
}

fn jobs(wanted: Option<NonZeroUsize>) -> NonZeroUsize {
    wanted.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}
