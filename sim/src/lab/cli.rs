//! The simulator's command line: what can be asked, and how an answer becomes an exit code.
//!
//! Each command is a file of its own and writes to the output it is given, so that nothing here can fail but by a
//! [`Trouble`], which becomes one sentence on standard error.

mod canaries;
mod explore;
mod interrupt;
mod known;
mod list;
mod measure;
mod recording;
mod replay;
mod report;
mod run;
mod scale;
mod shrink;
mod stopwatch;
mod story;
mod sweep;
mod trouble;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use trouble::Trouble;

/// The command that all printed commands begin with.
const PROGRAM: &str = "cargo run --release -p tidings-sim --";

const EXAMPLES: &str = "\
Examples:
  tidings-sim list                                     what there is to run
  tidings-sim run crash --seed 7                       one seed, with what every host was told
  tidings-sim run crash --seed 7 --html out.html       the same as a page to look at
  tidings-sim sweep --seeds 0..1000                    a thousand drawn scenarios, all checks on
  tidings-sim replay target/sim/sim-failure-42.toml    what a sweep has found and shrunk
  tidings-sim measure crash --seeds 0..300             how soon deaths are found, with ranges
  tidings-sim scale --nodes 1000 --for 60s             how fast, how big, how soon a crash is known

Exit codes: 0 all promises held, 1 a promise was broken, 2 the command or a file makes no sense, 130 interrupted.";

/// Runs the tidings protocol in virtual time under every fault we can name, seed by seed.
///
/// The same seed does the same on every machine: whatever fails here replays, shrinks and explains itself.
#[derive(Parser)]
#[command(name = "tidings-sim", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the scenarios, each with its sentence
    List,
    /// Lists the checks that every run is held to, each with what it demands
    Checks,
    /// Runs one seed of a scenario and tells what happened
    Run(run::Args),
    /// Runs many seeds under all checks, on all cores
    Sweep(sweep::Args),
    /// Runs a scenario file with the seed that is written in it, or goes through a real node's recording
    Replay(replay::Args),
    /// Makes a failing run smaller while it still breaks the same check
    Shrink(shrink::Args),
    /// Measures detection, false deaths and traffic over many seeds
    Measure(measure::Args),
    /// Measures a large cluster: speed, memory, and how soon all know of a crash
    Scale(scale::Args),
    /// Tries every order of events that a small election can meet
    Explore(explore::Args),
    /// Plants faults in the protocol and demands that the checks find them
    Canaries(canaries::Args),
    /// One search of `canaries`, in its own process
    #[command(hide = true)]
    Hunt(canaries::hunt::Args),
}

/// What came of a command that could be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// All promises held.
    Held,
    /// One did not.
    Broken,
    /// Ctrl-C ended it before all was done.
    Interrupted,
}

/// Does what the command line asks for.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = io::stdout().lock();
    let done = carry_out(cli.command, &mut out).and_then(|verdict| Ok(out.flush().map(|()| verdict)?));
    match done {
        Ok(Verdict::Held) => ExitCode::SUCCESS,
        Ok(Verdict::Broken) => ExitCode::from(1),
        Ok(Verdict::Interrupted) => ExitCode::from(130),
        Err(trouble) => {
            // There is nothing to say when the reader of the output has gone away.
            if let Some(text) = trouble.text() {
                let _ = writeln!(io::stderr(), "tidings-sim: {text}");
            }
            ExitCode::from(2)
        }
    }
}

fn carry_out(command: Command, out: &mut impl Write) -> Result<Verdict, Trouble> {
    match command {
        Command::List => list::scenarios(out),
        Command::Checks => list::checks(out),
        Command::Run(args) => run::run(&args, out),
        Command::Sweep(args) => sweep::sweep(&args, out),
        Command::Replay(args) => replay::replay(&args, out),
        Command::Shrink(args) => shrink::shrink(&args, out),
        Command::Measure(args) => measure::measure(&args, out),
        Command::Scale(args) => scale::scale(&args, out),
        Command::Explore(args) => explore::run(&args, out),
        Command::Canaries(args) => canaries::canaries(&args, out),
        Command::Hunt(args) => canaries::hunt::hunt(&args, out),
    }
}
