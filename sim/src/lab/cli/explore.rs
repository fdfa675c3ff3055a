//! Explores small elections exhaustively and says what was found.

use std::io::Write;
use std::thread;
use std::time::Duration;

use tidings_sim::explore::{Begins, Bounds, Disks, Explored, NODES_MAX, explore, walk, worlds};

use crate::cli::Verdict;
use crate::cli::stopwatch::{Stopwatch, rate};
use crate::cli::trouble::Trouble;

/// Tries every order of events that a small election can meet.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  tidings-sim explore                              each world that can be gone through whole
  tidings-sim explore crash                        one of them
  tidings-sim explore crash cut replace            some of them
  tidings-sim explore crash --crashes 2 --walks 10000
  tidings-sim explore crash --forget --walks 100000   what must be found: a voter that forgot its vote

Each world begins with one voter that leads and all following it. What may go wrong in one history is counted.")]
pub(crate) struct Args {
    /// Which worlds: crash, crash-late, crash-memory, cut, hand-over, idle, grow, shrink, replace or replace-crash;
    /// all, if none is named and nothing else is
    #[arg(value_name = "WORLD")]
    worlds: Vec<String>,
    /// How many voters
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    voters: Option<u8>,
    /// Steps of time
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// How long a step is; the lease lasts 100ms
    #[arg(long, value_name = "SPAN", value_parser = crate::cli::run::span)]
    step: Option<Duration>,
    /// Crashes; who crashed starts again in any later moment, or never
    #[arg(long, value_name = "N")]
    crashes: Option<u32>,
    /// Times that a voter is cut off from the others, for a step or more
    #[arg(long, value_name = "N")]
    cuts: Option<u32>,
    /// Messages that are lost, beside those from and to whoever is down or cut off
    #[arg(long, value_name = "N")]
    losses: Option<u32>,
    /// Times that a leader hands over
    #[arg(long, value_name = "N")]
    resigns: Option<u32>,
    /// Messages that may arrive twice
    #[arg(long, value_name = "N")]
    doubles: Option<u32>,
    /// Times that a voter does not run its timers though they are due
    #[arg(long, value_name = "N")]
    stalls: Option<u32>,
    /// Times that a voter may stand for election, over all voters and restarts
    #[arg(long, value_name = "N")]
    campaigns: Option<u64>,
    /// Messages that may arrive in a later step than they were sent in
    #[arg(long, value_name = "N")]
    late: Option<u32>,
    /// Whom the leader is asked to make voters, in any moment: places such as 0,1,3; voters come first, then others
    #[arg(long, value_name = "PLACES", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(..NODES_MAX as i64))]
    next: Option<Vec<u8>>,
    /// Times that nobody works at a voter any more
    #[arg(long, value_name = "N")]
    idles: Option<u32>,
    /// Messages of one step arrive in the order in which they were sent, on each link by itself
    #[arg(long)]
    ordered: bool,
    /// A voter that crashes forgets what it saved, and its clock stands still: a broken promise must be found
    #[arg(long, conflicts_with = "memory")]
    forget: bool,
    /// Voters keep nothing, and their wall clocks go on
    #[arg(long)]
    memory: bool,
    /// Begins with voters that have just started, instead of with one that leads
    #[arg(long)]
    unled: bool,
    /// Walks so many times through it by chance instead, for what is too large to be gone through whole
    #[arg(long, value_name = "N")]
    walks: Option<u64>,
    /// What the walks' chance is drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Gives up, unfinished, at so many states
    #[arg(long, value_name = "N")]
    states_max: Option<u64>,
}

impl Args {
    /// The worlds that are asked for, by name.
    fn worlds(&self) -> Result<Vec<(String, Bounds)>, Trouble> {
        let named = worlds().map(|(name, bounds)| (name.to_owned(), bounds));
        let own = self.bounds(Bounds::default());
        if self.worlds.is_empty() {
            let is_all = own == Bounds::default() && self.walks.is_none();
            return Ok(if is_all { named.to_vec() } else { vec![("of these bounds".to_owned(), own)] });
        }
        let find = |wanted: &String| match named.iter().find(|(name, _)| name == wanted) {
            Some((name, bounds)) => Ok((name.clone(), self.bounds(bounds.clone()))),
            None => {
                let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
                Err(Trouble::say(format!("there is no world {wanted:?}; there are {}", names.join(", "))))
            }
        };
        self.worlds.iter().map(find).collect()
    }

    /// A world with what is said otherwise.
    fn bounds(&self, world: Bounds) -> Bounds {
        let disks = match (self.forget, self.memory) {
            (true, _) => Disks::Forgotten,
            (false, true) => Disks::Memory,
            (false, false) => world.disks,
        };

        Bounds {
            voters: self.voters.map_or(world.voters, usize::from),
            steps: self.steps.unwrap_or(world.steps),
            step: self.step.unwrap_or(world.step),
            crashes: self.crashes.unwrap_or(world.crashes),
            cuts: self.cuts.unwrap_or(world.cuts),
            losses: self.losses.unwrap_or(world.losses),
            resigns: self.resigns.unwrap_or(world.resigns),
            doubles: self.doubles.unwrap_or(world.doubles),
            stalls: self.stalls.unwrap_or(world.stalls),
            campaigns: self.campaigns.unwrap_or(world.campaigns),
            late: self.late.unwrap_or(world.late),
            idles: self.idles.unwrap_or(world.idles),
            is_ordered: self.ordered || world.is_ordered,
            next: match &self.next {
                Some(places) => places.iter().map(|place| usize::from(*place)).collect(),
                None => world.next,
            },
            disks,
            begins: if self.unled { Begins::Unled } else { world.begins },
            states_max: self.states_max.unwrap_or(world.states_max),
        }
    }
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Result<Verdict, Trouble> {
    let asked = args.worlds()?;
    let mut all = Explored::default();
    all.is_complete = true;

    let searches = thread::scope(|scope| {
        let search = |(name, bounds)| scope.spawn(move || one(args, name, bounds));
        let running: Vec<_> = asked.iter().map(|(name, bounds)| search((name, bounds))).collect();
        running.into_iter().map(|search| search.join()).collect::<Vec<_>>()
    });

    let mut is_broken = false;
    for search in searches {
        let (found, text) = search.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        write!(out, "{text}")?;
        is_broken |= found.broken.is_some();
        all.states += found.states;
        all.is_complete &= found.is_complete;
        all.handed_over += found.handed_over;
        all.ran_out += found.ran_out;
        all.changed += found.changed;
        all.terms = all.terms.max(found.terms);
    }

    if asked.len() == 1 || is_broken {
        return Ok(if is_broken { Verdict::Broken } else { Verdict::Held });
    }

    let how = if all.is_complete { "all of them" } else { "not all" };
    writeln!(out, "{} distinct states in {} worlds, {how}", all.states, asked.len())?;
    // A search that lacks a second term, a hand-over, a lease that ran out or a change of voters proves little.
    let is_seen = all.terms >= 2 && all.handed_over > 0 && all.ran_out > 0 && all.changed > 0;
    let is_whole = all.is_complete && is_seen;
    if !is_seen {
        writeln!(
            out,
            "BROKEN it went through no second term, no hand-over, no end of a lease, or no change of voters"
        )?;
    }
    Ok(if is_whole { Verdict::Held } else { Verdict::Broken })
}

/// One world, and what is to be said of it.
fn one(args: &Args, name: &str, bounds: &Bounds) -> (Explored, String) {
    let watch = Stopwatch::start();
    let found = match args.walks {
        Some(walks) => walk(bounds, walks, args.seed),
        None => explore(bounds),
    };
    let took = watch.elapsed();

    let how = match (args.walks, found.is_complete) {
        (Some(walks), _) => format!("{} states met in up to {walks} walks", found.states),
        (None, true) => format!("{} distinct states, all of them; {} transitions", found.states, found.transitions),
        (None, false) => format!("{} distinct states, not all; {} transitions", found.states, found.transitions),
    };

    let mut text = format!(
        "{name}: {how}\n  led in {} states, up to {} terms in one history; handed over in {}, a lease ran out in {}, changed in {}\n  \
         {:.1} s, {:.0} states/s\n",
        found.led,
        found.terms,
        found.handed_over,
        found.ran_out,
        found.changed,
        took.as_secs_f64(),
        rate(found.states, took)
    );

    if let Some(broken) = &found.broken {
        text.push_str(&format!("BROKEN {broken}"));
    }
    (found, text)
}
