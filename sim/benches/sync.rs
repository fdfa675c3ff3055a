//! What anti-entropy costs, in virtual time: `cargo bench -p tidings-sim --bench sync [-- differ|forget] [--json]`.
//!
//! `differ`: two nodes hold the same members but for some records; what their comparisons send in both directions until
//! the views are equal. `forget`: one of 16 nodes forgets 100 dead; no node may compare anything in the next ten
//! minutes.

#[path = "../../benches/support/report.rs"]
mod report;

use std::error::Error;
use std::time::Duration;

use report::{Arguments, Cell, Table, number, print, verdict};
use tidings::config::Config;
use tidings::member::{Generation, Identity, Incarnation, Record, State};
use tidings::metrics::Metrics;
use tidings::protocol::Protocol;
use tidings::time::Instant;
use tidings_sim::Scenario;
use tidings_sim::fault::Fault;
use tidings_sim::forge::{NEWS, SUSPECT, SYNC_REPLY, SYNC_REQUEST, Who};
use tidings_sim::network::Fate;
use tidings_sim::watch::Watch;
use tidings_sim::world::World;

const PATIENCE: Duration = Duration::from_secs(600);

/// What comparisons of views have sent.
#[derive(Clone, Copy, Debug, Default)]
struct Comparisons {
    datagrams: u64,
    bytes: u64,
}

impl Watch for Comparisons {
    fn sent(&mut self, _: Instant, _: u32, _: Option<u32>, datagram: &[u8], _: &Fate) {
        if matches!(datagram[1], SYNC_REQUEST | SYNC_REPLY) {
            self.datagrams += 1;
            self.bytes += datagram.len() as u64;
        }
    }
}

impl Comparisons {
    /// What came on top since an earlier count.
    fn since(self, before: Comparisons) -> Comparisons {
        Comparisons { datagrams: self.datagrams - before.datagrams, bytes: self.bytes - before.bytes }
    }
}

type Cluster = World<(), Comparisons>;

/// `hosts` hosts that joined and hold each other Alive.
fn formed(config: &Config, seed: u64, hosts: u32) -> Result<Cluster, Box<dyn Error>> {
    let scenario = Scenario::new("bench", hosts, Duration::from_secs(3_600)).configured(config);
    let mut cluster = World::new(&scenario, seed, |_| (), Comparisons::default())?;
    let all = hosts as usize;
    let agree = |cluster: &Cluster| views(cluster).filter(|view| view.members_alive == all).count() == all;
    let is_formed = cluster.run_while(Duration::from_secs(60), |cluster| !agree(cluster));
    if is_formed { Ok(cluster) } else { Err("the cluster did not form".into()) }
}

fn views(cluster: &Cluster) -> impl Iterator<Item = Metrics> {
    cluster.hosts().iter().filter_map(|host| host.protocol()).map(Protocol::metrics)
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(arguments) = Arguments::read() else { return Ok(()) };
    let mut tables = Vec::new();
    if arguments.wants("differ") {
        tables.push(differ()?);
    }
    if arguments.wants("forget") {
        tables.push(forget()?);
    }
    print(&arguments, &tables);
    Ok(())
}

fn differ() -> Result<Table, Box<dyn Error>> {
    let mut table = Table::new(
        "Comparisons of views until two nodes agree, both directions (virtual time); limit for one: 8 datagrams, 6 KB",
        &["members", "differ", "how", "sessions", "datagrams", "bytes", "bytes/difference", "verdict"],
    );

    let cases = [
        (10_000, 1, Difference::Older),
        (10_000, 1, Difference::Missing),
        (10_000, 10, Difference::Older),
        (10_000, 50, Difference::Older),
        (10_000, 500, Difference::Older),
        (10_000, 500, Difference::Missing),
        (5_000, 500, Difference::Older),
        (20_000, 500, Difference::Older),
    ];

    for (members, different, how) in cases {
        let Some(repair) = repair(members, different, how)? else {
            return Err(format!("{members} members, {different} {}: no agreement in {PATIENCE:?}", how.name()).into());
        };
        let (datagrams, bytes) = (repair.datagrams, repair.bytes);
        let judged = if different == 1 { verdict(datagrams <= 8 && bytes <= 6 * 1_024) } else { Cell::from("") };
        table.row([
            members.into(),
            different.into(),
            how.name().into(),
            repair.sessions.into(),
            datagrams.into(),
            bytes.into(),
            number(bytes as f64 / different as f64),
            judged,
        ]);
    }

    Ok(table)
}

/// How the second node's view differs from the first's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Difference {
    Older,
    Missing,
}

impl Difference {
    fn name(self) -> &'static str {
        match self {
            Difference::Older => "older record",
            Difference::Missing => "member missing",
        }
    }
}

struct Repair {
    sessions: u64,
    datagrams: u64,
    bytes: u64,
}

/// Two nodes alone with tables of members that never answer: they are asked to compare before the first of those is
/// probed.
fn repair(members: usize, different: usize, how: Difference) -> Result<Option<Repair>, Box<dyn Error>> {
    let hour = Duration::from_secs(3_600);
    let config = Config { probe_interval: hour, stall_tolerance: hour, ..Config::lan("bench") };
    let mut cluster = formed(&config, 3, 2)?;
    cluster.run(Duration::from_secs(5));

    let is_different = |n: usize| (n - 2) * different / (members - 2) != (n - 1) * different / (members - 2);
    let all = (2..members).map(|n| record(n, u32::from(is_different(n)))).collect::<Result<Vec<_>, _>>()?;
    let mut others = Vec::new();
    for n in 2..members {
        if !is_different(n) || how == Difference::Older {
            others.push(record(n, 0)?);
        }
    }

    cluster.call(0, |protocol, now| protocol.preload(now, &all));
    cluster.call(1, |protocol, now| protocol.preload(now, &others));
    cluster.run(Duration::from_secs(5));

    let (before, syncs, begun) = (*cluster.watch(), sessions(&cluster), cluster.now());
    let other = cluster.hosts()[1].address();
    let teller = cluster.hosts()[1].protocol().map(|protocol| Who::is(protocol.me())).ok_or("a node has stopped")?;
    let absurd = Who { incarnation: teller.incarnation + (1 << 20), ..teller };
    let rumour = teller.says(&cluster.config().cluster, NEWS, &[], &[absurd.accused(SUSPECT, 0, &[])]);

    while !agree(&cluster) {
        if cluster.now().since(begun) > PATIENCE {
            return Ok(None);
        }
        // A ping and its ack tell the view hashes, as those of a running cluster do every second. The one node looks at
        // the other for a rumour that is too absurd to believe.
        let mut rumour = rumour.clone();
        cluster.call(0, |protocol, now| protocol.handle_datagram(now, other, &mut rumour).map(|_| ()));
        cluster.run(Duration::from_secs(3));
    }

    let sent = cluster.watch().since(before);
    Ok(Some(Repair { sessions: sessions(&cluster) - syncs, datagrams: sent.datagrams, bytes: sent.bytes }))
}

/// The record of a member at an address where no node is; its name has 16 bytes.
fn record(n: usize, incarnation: u32) -> Result<Record, Box<dyn Error>> {
    let [_, a, b, c] = (n as u32).to_be_bytes();
    let identity = Identity::named(&format!("node-{n:011}"), Generation(1_000), ([10, a, b, c], 7_340).into());
    Ok(Record::new(&identity, Incarnation(incarnation), &[])?)
}

fn agree(cluster: &Cluster) -> bool {
    let hashes: Vec<_> = views(cluster).map(|view| view.view_hash).collect();
    hashes.windows(2).all(|pair| pair[0] == pair[1])
}

fn sessions(cluster: &Cluster) -> u64 {
    views(cluster).map(|view| view.syncs).sum()
}

/// How many dead a protocol knows.
fn dead_in(protocol: &Protocol) -> usize {
    protocol.members().filter(|member| member.state() == State::Dead).count()
}

fn forget() -> Result<Table, Box<dyn Error>> {
    let (live, dead) = (16, 100);
    let mut cluster = formed(&Config::lan("bench"), 5, live + dead)?;
    cluster.run(Duration::from_secs(10));

    cluster.inject(Fault::crash(&(live..live + dead).collect::<Vec<_>>()), None);
    let all_found = |cluster: &Cluster| {
        let mut running = cluster.hosts().iter().filter_map(|host| host.protocol());
        running.all(|protocol| dead_in(protocol) == dead as usize)
    };

    if !cluster.run_while(Duration::from_secs(300), |cluster| !all_found(cluster)) {
        return Err("not everyone found all of the dead".into());
    }
    cluster.run(Duration::from_secs(60));

    let before = *cluster.watch();
    for n in live..live + dead {
        let id = cluster.hosts()[n as usize].id();
        cluster.call(3, |protocol, now| protocol.forget(now, id)).ok_or("the one that forgets does not run")??;
    }

    cluster.run(PATIENCE);
    let sent = cluster.watch().since(before);
    let kept = cluster.hosts()[3].protocol().map_or(0, dead_in);

    let title = "One of 16 nodes forgets 100 dead, the others do not; ten virtual minutes; limit: no sync datagram";
    let mut table = Table::new(title, &["forgotten", "back again", "sync datagrams", "bytes", "verdict"]);
    let judged = verdict(sent.datagrams == 0 && kept == 0);
    table.row([u64::from(dead).into(), kept.into(), sent.datagrams.into(), sent.bytes.into(), judged]);
    Ok(table)
}
