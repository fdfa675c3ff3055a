//! Explores a small election exhaustively and says what was found.

use std::io::Write;
use std::time::Duration;

use tidings_sim::explore::{Bounds, Disks, explore, walk};

use crate::cli::Verdict;
use crate::cli::stopwatch::{Stopwatch, rate};
use crate::cli::trouble::Trouble;

/// Tries every order of events that a small election can meet.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  tidings-sim explore                              three voters, one crash, one stall
  tidings-sim explore --steps 6 --states-max 50000000
  tidings-sim explore --forget                     what must be found: a voter that forgot its vote")]
pub(crate) struct Args {
    /// How many voters
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5), default_value_t = 3)]
    voters: u8,
    /// Steps of time after all may vote
    #[arg(long, value_name = "N", default_value_t = Bounds::default().steps)]
    steps: u32,
    /// How long a step is; the lease lasts 100ms
    #[arg(long, value_name = "SPAN", value_parser = crate::cli::run::span, default_value = "60ms")]
    step: Duration,
    /// Crashes, each with a restart at once
    #[arg(long, value_name = "N", default_value_t = Bounds::default().crashes)]
    crashes: u32,
    /// Times that a leader hands over
    #[arg(long, value_name = "N", default_value_t = Bounds::default().resigns)]
    resigns: u32,
    /// Letters that may arrive twice
    #[arg(long, value_name = "N", default_value_t = Bounds::default().doubles)]
    doubles: u32,
    /// Times that a voter does not run its timers though they are due
    #[arg(long, value_name = "N", default_value_t = Bounds::default().stalls)]
    stalls: u32,
    /// Times that a voter may stand for office, over all voters and restarts
    #[arg(long, value_name = "N", default_value_t = Bounds::default().campaigns)]
    campaigns: u64,
    /// Letters that may arrive in a later step than they were sent in
    #[arg(long, value_name = "N", default_value_t = Bounds::default().late)]
    late: u32,
    /// A voter that crashes forgets what it saved, and its clock stands still: a broken promise must be found
    #[arg(long)]
    forget: bool,
    /// Walks so many times through it by chance instead, for what is too large to be gone through whole
    #[arg(long, value_name = "N")]
    walks: Option<u64>,
    /// What the walks' chance is drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Gives up, unfinished, at so many states
    #[arg(long, value_name = "N", default_value_t = Bounds::default().states_max)]
    states_max: u64,
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Result<Verdict, Trouble> {
    let bounds = Bounds {
        voters: usize::from(args.voters),
        steps: args.steps,
        step: args.step,
        crashes: args.crashes,
        resigns: args.resigns,
        doubles: args.doubles,
        stalls: args.stalls,
        campaigns: args.campaigns,
        late: args.late,
        disks: if args.forget { Disks::Forgotten } else { Disks::Kept },
        states_max: args.states_max,
    };
    let watch = Stopwatch::start();
    let found = match args.walks {
        Some(walks) => walk(&bounds, walks, args.seed),
        None => explore(&bounds),
    };
    let took = watch.elapsed();
    match args.walks {
        Some(walks) => writeln!(out, "{} states met in up to {walks} walks", found.states)?,
        None => {
            let how = if found.is_complete { "all of them" } else { "not all" };
            writeln!(out, "{} distinct states, {how}; {} transitions", found.states, found.transitions)?;
        }
    }
    writeln!(out, "led in {} states, up to {} terms in one history", found.led, found.terms)?;
    writeln!(out, "{:.1} s, {:.0} states/s", took.as_secs_f64(), rate(found.states, took))?;
    match found.broken {
        Some(broken) => {
            write!(out, "BROKEN {broken}")?;
            Ok(Verdict::Broken)
        }
        None => Ok(Verdict::Held),
    }
}
