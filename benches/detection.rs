//! How soon a crash is found, and what loss does, in virtual time: `cargo bench --bench detection [-- kills|loss]
//! [--json]`.
//!
//! `kills` crashes one of 64 nodes at a random phase, again and again (`--kills 300`). `loss` runs 64 nodes for 150 s
//! at 10, 20 and 30 % loss over 20 seeds (`--seeds 20`) and counts what was wrongly said of nodes that all run.

mod support;

use std::error::Error;
use std::time::Duration;

use support::cluster::{Cluster, host_at};
use support::report::{Arguments, Cell, Table, number, print, seconds, spread, verdict};
use tidings::config::Config;
use tidings::event::Event;
use tidings::member::State;
use tidings::time::Instant;

/// No crash takes longer than this to be found by everyone.
const KILL_PATIENCE: Duration = Duration::from_secs(60);
const LOSS_SPAN: Duration = Duration::from_secs(150);

fn main() -> Result<(), Box<dyn Error>> {
    let Some(arguments) = Arguments::read() else { return Ok(()) };
    let mut tables = Vec::new();
    if arguments.wants("kills") {
        tables.extend(kills(arguments.number("kills", 300), arguments.number("fanout", 4) as usize)?);
    }
    if arguments.wants("loss") {
        tables.push(loss(arguments.number("nodes", 64) as usize, arguments.number("seeds", 20))?);
    }
    print(&arguments, &tables);
    Ok(())
}

/// One profile's crashes.
struct Kills {
    profile: &'static str,
    nodes: usize,
    config: Config,
    /// Limits: median and p99 of the first Dead, median of the first Suspect, last Dead after the first.
    limits: [Option<Duration>; 4],
}

#[derive(Default)]
struct Found {
    suspect: Vec<Duration>,
    dead: Vec<Duration>,
    spread: Vec<Duration>,
    missed: u64,
    false_deaths: u64,
    /// Datagrams sent from the crash until everyone held the verdict.
    sent: u64,
}

fn kills(count: u64, forward_fanout: usize) -> Result<[Table; 2], Box<dyn Error>> {
    let ms = |ms| Some(Duration::from_millis(ms));
    let cases = [
        Kills {
            profile: "lan",
            nodes: 64,
            config: Config { forward_fanout, ..Config::lan("bench") },
            limits: [ms(1_400), ms(3_900), ms(5_000), ms(150)],
        },
        Kills {
            profile: "wan",
            nodes: 64,
            config: Config { forward_fanout, ..Config::wan("bench") },
            limits: [None; 4],
        },
        Kills {
            profile: "local",
            nodes: 16,
            config: Config { forward_fanout, ..Config::local("bench") },
            limits: [None, ms(1_400), None, None],
        },
    ];
    let title = format!("Seconds from a crash, over {count} crashes at random phases (virtual time, no loss)");
    let mut times =
        Table::new(&title, &["profile", "nodes", "what", "min", "median", "p99", "max", "limit", "verdict"]);
    let mut wrong = Table::new(
        "Of those crashes",
        &["profile", "not found by all", "false deaths", "spread over 150 ms", "datagrams/node"],
    );
    for case in cases {
        let mut found = Found::default();
        for seed in 0..count {
            kill_one(&case, seed, &mut found)?;
        }
        let [suspect, dead, dead_p99, last] = case.limits;
        let rows =
            [("first Suspect", &mut found.suspect, suspect, None), ("first Dead", &mut found.dead, dead, dead_p99)];
        for (what, values, median, p99) in rows {
            let spans = spread(values);
            let is_met = median.is_none_or(|limit| spans[1] <= limit) && p99.is_none_or(|limit| spans[2] <= limit);
            let limits =
                [("median", median), ("p99", p99)].into_iter().filter_map(|(name, limit)| Some((name, limit?)));
            let limits: Vec<_> = limits.map(|(name, limit)| format!("{name} {:.1}", limit.as_secs_f64())).collect();
            times.row(row(&case, what, spans, limits.join(", "), is_met));
        }
        let spans = spread(&mut found.spread);
        let limit = last.map_or(String::new(), |limit| format!("max {:.2}", limit.as_secs_f64()));
        times.row(row(&case, "last Dead - first", spans, limit, last.is_none_or(|limit| spans[3] <= limit)));
        wrong.row([
            Cell::from(case.profile),
            found.missed.into(),
            found.false_deaths.into(),
            found.spread.iter().filter(|s| **s > Duration::from_millis(150)).count().into(),
            number(found.sent as f64 / count as f64 / case.nodes as f64),
        ]);
    }
    Ok([times, wrong])
}

fn row(case: &Kills, what: &str, spans: [Duration; 4], limit: String, is_met: bool) -> Vec<Cell> {
    let mut cells = vec![Cell::from(case.profile), case.nodes.into(), what.into()];
    cells.extend(spans.map(seconds));
    let verdict = if limit.is_empty() { Cell::from("") } else { verdict(is_met) };
    cells.extend([Cell::Text(limit), verdict]);
    cells
}

/// Crashes one node of a settled cluster and waits for everyone's verdict.
fn kill_one(case: &Kills, seed: u64, found: &mut Found) -> Result<(), Box<dyn Error>> {
    let mut cluster = Cluster::formed(case.config.clone(), seed, case.nodes)?.ok_or("the cluster did not form")?;
    cluster.run(case.config.probe_interval * 20);
    let phase = cluster.random_span(case.config.probe_interval * 16);
    cluster.run(phase);
    cluster.events.clear();
    // Never the contact, and over the seeds every other place.
    let victim = 1 + seed as usize * 7 % (case.nodes - 1);
    let (killed_at, sent) = (cluster.now, cluster.sent_in_all());
    cluster.crash(victim);
    while cluster.holding(victim, State::Dead) < case.nodes - 1 {
        if cluster.now.since(killed_at) > KILL_PATIENCE {
            found.missed += 1;
            return Ok(());
        }
        cluster.run(Duration::from_millis(100));
    }
    found.sent += cluster.sent_in_all().since(sent).datagrams;
    let is_about = |event: &Event| event.member().is_some_and(|member| host_at(member.address()) == victim);
    let times = |kind: &str| -> Vec<Instant> {
        let told = cluster.events.iter().filter(|(_, _, event)| event.kind() == kind && is_about(event));
        told.map(|(at, _, _)| *at).collect()
    };
    let (suspects, deaths) = (times("suspect"), times("dead"));
    if let (Some(suspect), Some(first), Some(last)) = (suspects.first(), deaths.first(), deaths.last()) {
        found.suspect.push(suspect.since(killed_at));
        found.dead.push(first.since(killed_at));
        found.spread.push(last.since(*first));
    }
    found.false_deaths += cluster.events.iter().filter(|(_, _, event)| cluster.is_false_death(event)).count() as u64;
    Ok(())
}

fn loss(nodes: usize, seeds: u64) -> Result<Table, Box<dyn Error>> {
    let title =
        format!("{nodes} nodes that all run, {} s of loss, {seeds} seeds; limit: no false death", LOSS_SPAN.as_secs());
    let mut table = Table::new(
        &title,
        &[
            "loss %",
            "false deaths",
            "of them isolated",
            "runs with any",
            "Suspects/run",
            "refutations/run",
            "Isolated/run",
            "datagrams/node/s",
            "bytes/node/s",
            "verdict",
        ],
    );
    for percent in [0, 10, 20, 30, 40] {
        let (mut false_deaths, mut isolated, mut bad_runs) = (0, 0, 0_u64);
        let (mut suspects, mut refutations, mut lonely) = (0_u64, 0, 0_u64);
        let (mut datagrams, mut bytes) = (0, 0);
        for seed in 0..seeds {
            let mut cluster =
                Cluster::formed(Config::lan("bench"), 1_000 + seed, nodes)?.ok_or("the cluster did not form")?;
            cluster.run(Duration::from_secs(20));
            cluster.events.clear();
            let sent = cluster.sent_in_all();
            let refuted: u64 = cluster.hosts.iter().map(|host| host.protocol.metrics().refutations).sum();
            cluster.loss_permille = percent * 10;
            cluster.run(LOSS_SPAN);
            let wrong: Vec<_> = cluster.events.iter().filter(|(_, _, event)| cluster.is_false_death(event)).collect();
            false_deaths += wrong.len() as u64;
            isolated += wrong.iter().filter(|(_, _, e)| matches!(e, Event::Dead { isolated: true, .. })).count() as u64;
            bad_runs += u64::from(!wrong.is_empty());
            suspects += cluster.events.iter().filter(|(_, _, event)| event.kind() == "suspect").count() as u64;
            lonely += cluster.events.iter().filter(|(_, _, event)| event.kind() == "isolated").count() as u64;
            let refuted_now: u64 = cluster.hosts.iter().map(|host| host.protocol.metrics().refutations).sum();
            refutations += refuted_now - refuted;
            let sent = cluster.sent_in_all().since(sent);
            datagrams += sent.datagrams;
            bytes += sent.bytes;
        }
        let per_run = |count: u64| number(count as f64 / seeds as f64);
        let per_node_second = |count: u64| number(count as f64 / (seeds * nodes as u64 * LOSS_SPAN.as_secs()) as f64);
        let judged = if (10..=30).contains(&percent) { verdict(false_deaths == 0) } else { Cell::from("") };
        table.row([
            percent.into(),
            false_deaths.into(),
            isolated.into(),
            bad_runs.into(),
            per_run(suspects),
            per_run(refutations),
            per_run(lonely),
            per_node_second(datagrams),
            per_node_second(bytes),
            judged,
        ]);
    }
    Ok(table)
}
