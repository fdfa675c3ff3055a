//! What an election costs while nothing happens: datagrams on each link, and processor time.

use std::fs;
use std::time::{Duration, Instant};

use tidings::Node;
use tidings::config::{Config, ElectionConfig};

use crate::ELECTION;
use crate::report::{Cell, Table, number};
use crate::tap::{Link, Tap};
use crate::voters::{Kept, NAMES, Voters};
use crate::{Outcome, Plan};

const DATAGRAMS_LIMIT: f64 = 12.0;
/// After the cluster has formed, until its news have died away.
const QUIET: Duration = Duration::from_secs(5);

/// What five nodes together spend in a second.
#[derive(Clone, Copy)]
struct Spent {
    datagrams: f64,
    bytes: f64,
    cpu_ms: f64,
}

pub async fn tables(plan: &Plan) -> Outcome<Vec<Table>> {
    let span = if plan.is_quick { Duration::from_secs(1) } else { Duration::from_secs(20) };
    let quiet = if plan.is_quick { Duration::ZERO } else { QUIET };

    let without = {
        let nodes = members().await?;
        tokio::time::sleep(quiet).await;
        let spent = spend(&nodes.iter().collect::<Vec<_>>(), span).await?;
        for stopped in nodes.into_iter().map(|node| node.stopped()) {
            stopped.await;
        }
        spent
    };

    let config = ElectionConfig::lan(ELECTION, NAMES);
    let mut voters = Voters::start(config, Kept::InFiles, &plan.folder, plan.seed).await?;
    tokio::time::sleep(quiet).await;
    let nodes: Vec<_> = voters.seats.iter().map(|seat| &seat.node).collect();
    let with = spend(&nodes, span).await?;

    // Last, for it slows every datagram down.
    let tap = Tap::install()?;
    let led = voters.led().await?;
    let leader = voters.seats[led.place].node.local_address();
    let (began, first) = (Instant::now(), tap.count());
    tokio::time::sleep(span).await;
    let (seconds, last) = (began.elapsed().as_secs_f64(), tap.count());
    let is_led = led.lease.is_valid();
    voters.stop().await;

    let links = Link::all(leader, &first, &last);
    Ok(vec![by_link(plan, &links, seconds, is_led), by_cluster(plan, without, with, span)])
}

/// The same nodes without an election.
async fn members() -> Outcome<Vec<Node>> {
    let mut nodes: Vec<Node> = Vec::new();
    for name in NAMES {
        let contacts = nodes.iter().map(Node::local_address);
        let builder = Node::builder(name).config(Config::lan("bench")).bind("127.0.0.1:0").contacts(contacts);
        nodes.push(builder.start().await?);
    }
    for node in &nodes {
        node.wait_until(|view| view.alive().count() == NAMES.len()).await?;
    }
    Ok(nodes)
}

async fn spend(nodes: &[&Node], span: Duration) -> Outcome<Spent> {
    let sent = async || {
        let (mut datagrams, mut bytes) = (0, 0);
        for node in nodes {
            let metrics = node.metrics().await.protocol;
            (datagrams, bytes) = (datagrams + metrics.datagrams_out, bytes + metrics.bytes_out);
        }
        (datagrams as f64, bytes as f64)
    };
    let (began, before, cpu) = (Instant::now(), sent().await, cpu_time()?);
    tokio::time::sleep(span).await;
    let (seconds, after, cpu) = (began.elapsed().as_secs_f64(), sent().await, cpu_time()?.saturating_sub(cpu));
    let cpu_ms = cpu.as_secs_f64() * 1_000.0 / seconds;
    Ok(Spent { datagrams: (after.0 - before.0) / seconds, bytes: (after.1 - before.1) / seconds, cpu_ms })
}

/// Processor time of this process's threads that run now, to the nanosecond: five idle nodes spend little in a second.
fn cpu_time() -> Outcome<Duration> {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task")? {
        // A thread may end while we look.
        let Ok(line) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        let spent = line.split_whitespace().next().ok_or("schedstat says less than expected")?;
        sum += spent.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}

fn by_link(plan: &Plan, links: &[Link], seconds: f64, is_led: bool) -> Table {
    let title = format!(
        "Datagrams a second on the links of the leader, those of the detector among them, LAN defaults: {}",
        plan.command("idle")
    );
    let columns = ["direction", "links", "least", "most", "limit", "verdict", "bytes each"];
    let mut table = Table::new(&title, &columns);

    for (direction, from_leader) in [("leader to follower", true), ("follower to leader", false)] {
        let links: Vec<_> = links.iter().filter(|link| link.from_leader == from_leader).collect();
        let rates = links.iter().map(|link| link.datagrams as f64 / seconds);
        let (least, most) = rates.fold((f64::MAX, 0_f64), |(least, most), rate| (least.min(rate), most.max(rate)));
        let datagrams: u64 = links.iter().map(|link| link.datagrams).sum();
        let bytes: u64 = links.iter().map(|link| link.bytes).sum();
        let is_met = is_led && links.len() == NAMES.len() - 1 && most <= DATAGRAMS_LIMIT;
        let mut row = vec![Cell::from(direction), links.len().into(), number(least), number(most)];
        row.extend(plan.judged("12", is_met));
        row.push(Cell::Number(bytes as f64 / datagrams.max(1) as f64, 1));
        table.row(row);
    }

    table
}

fn by_cluster(plan: &Plan, without: Spent, with: Spent, span: Duration) -> Table {
    let title = format!(
        "{} idle nodes together, per second, over {span:?}, without and with an election: {}",
        NAMES.len(),
        plan.command("idle")
    );
    let columns = ["election", "datagrams", "bytes", "processor ms", "of one without"];
    let mut table = Table::new(&title, &columns);
    for (what, spent) in [("none", without), ("one", with)] {
        let ratio = spent.cpu_ms / without.cpu_ms.max(f64::MIN_POSITIVE);
        table.row([
            Cell::from(what),
            Cell::Number(spent.datagrams, 1),
            Cell::Number(spent.bytes, 0),
            number(spent.cpu_ms),
            Cell::Number(ratio, 1),
        ]);
    }
    table
}
