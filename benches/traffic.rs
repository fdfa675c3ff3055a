//! What a quiet cluster sends, in virtual time: `cargo bench --bench traffic [--json]`.
//!
//! Sent datagrams and bytes of UDP payload for each node and second, over 60 s after 30 s of quiet, all joined through
//! one contact. `cargo bench --bench cluster -- traffic` measures the same over real sockets. The limits are those of
//! the lan preset; the others probe at their own intervals.

mod support;

use std::error::Error;
use std::time::Duration;

use support::cluster::Cluster;
use support::report::{Arguments, Cell, Table, number, print, verdict};
use tidings::config::Config;

const QUIET: Duration = Duration::from_secs(30);
const SPAN: Duration = Duration::from_secs(60);
const DATAGRAMS_MAX: f64 = 2.1;
const BYTES_MAX: f64 = 90.0;

fn main() -> Result<(), Box<dyn Error>> {
    let Some(arguments) = Arguments::read() else { return Ok(()) };
    let title =
        "Sent for each node and second over 60 s after 30 s of quiet (virtual time); limits 2.1 datagrams and 90 bytes";
    let mut table = Table::new(title, &["preset", "nodes", "formed in s", "datagrams", "bytes", "events", "verdict"]);
    let lan = [2, 16, 128, 1_000].map(|n| ("lan", Config::lan("bench"), n));
    let others = [("wan", Config::wan("bench"), 16), ("local", Config::local("bench"), 16)];
    for (preset, config, n) in lan.into_iter().chain(others) {
        let Some(mut cluster) = Cluster::formed(config, 7, n)? else {
            table.row([preset.into(), n.into(), "not in a minute".into()]);
            continue;
        };
        let formed_at = cluster.now.as_nanos() as f64 / 1e9 - 1.0;
        cluster.run(QUIET);
        cluster.events.clear();
        let before = cluster.sent_in_all();
        cluster.run(SPAN);
        let sent = cluster.sent_in_all().since(before);
        let per_node_second = |count: u64| count as f64 / n as f64 / SPAN.as_secs_f64();
        let (datagrams, bytes) = (per_node_second(sent.datagrams), per_node_second(sent.bytes));
        let events: Cell = cluster.events.len().into();
        let is_limited = preset == "lan";
        let judged = if is_limited { verdict(datagrams <= DATAGRAMS_MAX && bytes <= BYTES_MAX) } else { "".into() };
        table.row([preset.into(), n.into(), number(formed_at), number(datagrams), number(bytes), events, judged]);
    }
    print(&arguments, &[table]);
    Ok(())
}
