//! How large a cluster the simulator and the protocol carry: speed, memory, traffic, and how soon all know of a crash.
//!
//! Checks are off: what is measured is the protocol in its world. The cluster begins joined, because a join of ten
//! thousand is a measure of its own (`--join`).

mod watch;

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};
use tidings::Instant;
use tidings_sim::fault::{Fault, Hosts, Place, Planned, WallClock};
use tidings_sim::scenario::Start;
use tidings_sim::world::World;
use tidings_sim::{Scenario, span};

use crate::cli::stopwatch::{Stopwatch, rate};
use crate::cli::trouble::Trouble;
use crate::cli::{Verdict, interrupt, report};
use watch::Deaths;

/// How often a joining cluster is looked at, and Ctrl-C heard.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Measures a large cluster: speed, memory, and how soon all know of a crash.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  tidings-sim scale --nodes 1000 --for 60s
  tidings-sim scale --nodes 10000 --for 60s --json | tail -n 1
  tidings-sim scale --nodes 1000 --for 300s --join")]
pub(crate) struct Args {
    /// How many hosts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=65_536))]
    nodes: u32,
    /// For how much virtual time at most
    #[arg(long = "for", value_name = "SPAN", value_parser = crate::cli::run::span, default_value = "60s")]
    lasts: Duration,
    /// When one host crashes
    #[arg(long, value_name = "SPAN", value_parser = crate::cli::run::span, default_value = "10s")]
    crash_at: Duration,
    /// Lets all join through three contacts instead, and ends when all views are equal
    #[arg(long, conflicts_with = "crash_at")]
    join: bool,
    /// What chance is drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Leaves the trace hash out, to see what it costs
    #[arg(long)]
    no_hash: bool,
    /// Ends with one line of JSON
    #[arg(long)]
    json: bool,
}

type Cluster = World<(), Deaths>;

/// What was measured, beside what the world itself counts.
#[derive(Debug)]
struct Measured {
    set_up: Duration,
    ran: Duration,
    /// Happenings of the time measured, without those of the set-up.
    happenings: u64,
    /// When all views were equal, if that was waited for and came.
    joined: Option<Duration>,
    is_interrupted: bool,
}

pub(crate) fn scale(args: &Args, out: &mut impl Write) -> Result<Verdict, Trouble> {
    if !args.join && args.crash_at >= args.lasts {
        return Err(Trouble::say("nobody would learn of the crash: let --crash-at be sooner than --for"));
    }

    let scenario = scenario(args);
    let victim = args.nodes - 1;
    interrupt::watch()?;
    let watch = Stopwatch::start();
    let begin = if args.no_hash { World::unhashed } else { World::new };
    let world = begin(&scenario, args.seed, |_| (), Deaths::of(victim, args.nodes));
    let mut world = world.map_err(|error| Trouble::say(error.to_string()))?;
    world.run_until(Instant::ORIGIN);
    let set_up = watch.elapsed();

    let (watch, before) = (Stopwatch::start(), world.trace().happenings());
    let joined = advance(args, &mut world);
    let measured = Measured {
        set_up,
        ran: watch.elapsed(),
        happenings: world.trace().happenings() - before,
        joined,
        is_interrupted: interrupt::is_asked(),
    };

    tell(args, &world, &measured, out)?;
    if args.json {
        writeln!(out, "{}", object(args, &world, &measured))?;
    }

    let is_done = if args.join { joined.is_some() } else { world.watch().all().is_some() };
    Ok(match (measured.is_interrupted, is_done) {
        (true, _) => Verdict::Interrupted,
        (false, true) => Verdict::Held,
        (false, false) => Verdict::Broken,
    })
}

fn scenario(args: &Args) -> Scenario {
    let mut scenario = Scenario::new("scale", args.nodes, args.lasts);
    if args.join {
        return scenario;
    }
    scenario.start = Start::Preloaded;
    let hosts = Hosts::These(vec![args.nodes - 1]);
    let crash = Fault::Crash { hosts, clock: WallClock::default(), address: Place::default() };
    scenario.with(Planned::at(args.crash_at, crash))
}

/// Runs to the end, to equal views if those are waited for, or until Ctrl-C.
fn advance(args: &Args, world: &mut Cluster) -> Option<Duration> {
    let end = Instant::ORIGIN + args.lasts;
    while world.now() < end && !interrupt::is_asked() {
        world.run_until((world.now() + LOOK_EVERY).min(end));
        if args.join && are_equal(args.nodes, world) {
            return Some(world.now().since(Instant::ORIGIN));
        }
    }
    None
}

/// Whether every host knows all others, and all the same of each.
fn are_equal(nodes: u32, world: &Cluster) -> bool {
    let mut first = None;
    world.hosts().iter().all(|host| {
        let Some(metrics) = host.protocol().map(tidings::Protocol::metrics) else { return false };
        metrics.members_alive as u64 == u64::from(nodes) && *first.get_or_insert(metrics.view_hash) == metrics.view_hash
    })
}

/// Datagrams, or bytes, that a node sends in a second.
fn per_node(args: &Args, world: &Cluster, count: u64) -> f64 {
    rate(count, world.now().since(Instant::ORIGIN)) / f64::from(args.nodes)
}

fn tell(args: &Args, world: &Cluster, measured: &Measured, out: &mut impl Write) -> Result<(), Trouble> {
    let (trace, deaths) = (world.trace(), world.watch());
    writeln!(
        out,
        "nodes        {}, seed {}, {} virtual",
        args.nodes,
        args.seed,
        span::text(world.now().since(Instant::ORIGIN))
    )?;
    writeln!(out, "set-up       {:.2} s wall", measured.set_up.as_secs_f64())?;

    let speed = rate(measured.happenings, measured.ran);
    writeln!(
        out,
        "run          {:.2} s wall, {} happenings, {speed:.0}/s",
        measured.ran.as_secs_f64(),
        measured.happenings
    )?;

    let (datagrams, bytes) = (per_node(args, world, trace.datagrams()), per_node(args, world, trace.bytes()));
    writeln!(out, "traffic      {datagrams:.2} datagrams and {bytes:.0} bytes per node per second")?;
    match memory() {
        Some(kib) => writeln!(out, "memory       {} MiB at most", kib / 1_024)?,
        None => writeln!(out, "memory       unknown on this system")?,
    }
    writeln!(out, "hash         {}", report::hash(trace.hash()))?;

    if args.join {
        match measured.joined {
            Some(after) => writeln!(out, "joined       all {} views equal after {}", args.nodes, span::text(after))?,
            None => writeln!(out, "BROKEN       the views are not all equal: give it more time with --for")?,
        }
        return Ok(());
    }

    let crashed = Instant::ORIGIN + args.crash_at;
    let after =
        |at: Option<Instant>| at.map_or("never".to_owned(), |at| format!("{:.3} s", at.since(crashed).as_secs_f64()));
    writeln!(out, "crash        of n{} at {}", args.nodes - 1, span::text(args.crash_at))?;
    writeln!(
        out,
        "dead         for the first after {}, for all other {} after {}",
        after(deaths.first()),
        args.nodes - 1,
        after(deaths.all())
    )?;

    if deaths.all().is_none() {
        writeln!(out, "BROKEN       only {} of {} have it Dead", deaths.count(), args.nodes - 1)?;
    }
    Ok(())
}

fn object(args: &Args, world: &Cluster, measured: &Measured) -> Value {
    let (trace, deaths) = (world.trace(), world.watch());
    let at_s = world.now().since(Instant::ORIGIN).as_secs_f64();
    let crashed = Instant::ORIGIN + args.crash_at;
    let after = |at: Option<Instant>| at.map(|at| at.since(crashed).as_secs_f64());

    let violations = match (args.join, measured.joined, deaths.all()) {
        (true, None, _) => {
            vec![json!({"check": "converges", "at_s": at_s, "text": "the views are not all equal", "hosts": []})]
        }
        (false, _, None) => {
            let text = format!("{} of {} have it Dead", deaths.count(), args.nodes - 1);
            vec![json!({"check": "detects", "at_s": at_s, "text": text, "hosts": [args.nodes - 1]})]
        }
        _ => Vec::new(),
    };

    json!({
        "scenario": if args.join { "join" } else { "scale" },
        "nodes": args.nodes,
        "seed": args.seed,
        "trace_hash": report::hash(trace.hash()),
        "virtual_s": at_s,
        "set_up_wall_s": measured.set_up.as_secs_f64(),
        "wall_s": measured.ran.as_secs_f64(),
        "happenings": measured.happenings,
        "happenings_per_s": rate(measured.happenings, measured.ran),
        "datagrams": trace.datagrams(),
        "bytes": trace.bytes(),
        "datagrams_per_node_s": per_node(args, world, trace.datagrams()),
        "bytes_per_node_s": per_node(args, world, trace.bytes()),
        "memory_kib": memory(),
        "violations": violations,
        "first_dead_s": after(deaths.first()),
        "all_dead_s": after(deaths.all()),
        "have_it_dead": deaths.count(),
        "all_joined_s": measured.joined.map(|after| after.as_secs_f64()),
    })
}

/// The most memory that this process ever held, where the system tells.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
