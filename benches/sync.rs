//! What anti-entropy costs, in virtual time: `cargo bench --bench sync [-- differ|forget] [--json]`.
//!
//! `differ`: two nodes hold the same members but for some records; what their comparisons send in both directions until
//! the views are equal. `forget`: one of 16 nodes forgets 100 dead; nobody may compare anything in the next ten
//! minutes.

mod support;

use std::error::Error;
use std::time::Duration;

use support::cluster::{Cluster, address, identity};
use support::report::{Arguments, Cell, Table, number, print, verdict};
use tidings::config::Config;
use tidings::member::{Incarnation, Record, State};

const PATIENCE: Duration = Duration::from_secs(600);

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
            table.row([members.into(), different.into(), how.name().into(), "no agreement".into()]);
            continue;
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
    let mut cluster = Cluster::new(config, 3);
    cluster.start()?;
    cluster.start()?;
    cluster.run(Duration::from_secs(5));
    let record = |n: usize, incarnation| Record::new(&identity(n, 0), Incarnation(incarnation), &[]);
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
    let (before, syncs, begun) = (cluster.sent_to_sync(), sessions(&cluster), cluster.now);
    while !agree(&cluster) {
        if cluster.now.since(begun) > PATIENCE {
            return Ok(None);
        }
        // A greeting and its ack tell the view hashes, as the pings of a running cluster do every second.
        cluster.call(0, |protocol, now| protocol.join(now, &[address(1)]));
        cluster.run(Duration::from_secs(3));
    }
    let sent = cluster.sent_to_sync().since(before);
    Ok(Some(Repair { sessions: sessions(&cluster) - syncs, datagrams: sent.datagrams, bytes: sent.bytes }))
}

fn agree(cluster: &Cluster) -> bool {
    let hash = |n: usize| cluster.hosts[n].protocol.metrics().view_hash;
    hash(0) == hash(1)
}

fn sessions(cluster: &Cluster) -> u64 {
    cluster.hosts.iter().map(|host| host.protocol.metrics().syncs).sum()
}

fn forget() -> Result<Table, Box<dyn Error>> {
    let (live, dead) = (16, 100);
    let mut cluster = Cluster::formed(Config::lan("bench"), 5, live + dead)?.ok_or("the cluster did not form")?;
    cluster.run(Duration::from_secs(10));
    (live..live + dead).for_each(|n| cluster.crash(n));
    let is_settled = (0..300).any(|_| {
        cluster.run(Duration::from_secs(1));
        (live..live + dead).all(|n| cluster.holding(n, State::Dead) == live)
    });
    if !is_settled {
        return Err("not everyone found all of the dead".into());
    }
    cluster.run(Duration::from_secs(60));
    let before = cluster.sent_to_sync();
    for n in live..live + dead {
        cluster.call(3, |protocol, now| protocol.forget(now, identity(n, 0).id))?;
    }
    cluster.run(PATIENCE);
    let sent = cluster.sent_to_sync().since(before);
    let kept = (live..live + dead).filter(|n| cluster.hosts[3].protocol.member(identity(*n, 0).id).is_some()).count();
    let title = "One of 16 nodes forgets 100 dead, the others do not; ten virtual minutes; limit: no sync datagram";
    let mut table = Table::new(title, &["forgotten", "back again", "sync datagrams", "bytes", "verdict"]);
    let judged = verdict(sent.datagrams == 0 && kept == 0);
    table.row([dead.into(), kept.into(), sent.datagrams.into(), sent.bytes.into(), judged]);
    Ok(table)
}
