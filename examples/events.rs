//! One process of a real cluster:
//! `events NAME --bind ADDR --contact ADDR.. [--advertise ADDR] [--profile lan|wan|local] [--record FILE]`.
//!
//! Prints one JSON object per event, and on SIGTERM or Ctrl-C, after a graceful leave, the last view; warnings go to
//! stderr. `t_ms` is Unix time, so that the output of several processes can be laid side by side. A recording can be
//! replayed with `tidings-sim replay FILE`.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use serde_json::{Value, json};
use tidings::config::Config;
use tidings::event::Event;
use tidings::member::Accusers;
use tidings::runtime::{Node, View};

const USAGE: &str = "usage: events NAME --bind ADDR [--advertise ADDR] [--contact ADDR].. [--profile lan|wan|local] \
                     [--cluster NAME] [--record FILE]";

/// Days of a quiet cluster.
const RECORDING_BYTES_MAX: u64 = 64 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
    let args = Args::read(std::env::args().skip(1))?;
    let mut builder = Node::builder(args.name).config(args.config).bind(args.bind).contacts(args.contacts);
    if let Some(address) = args.advertise {
        builder = builder.advertise(address);
    }
    if let Some(file) = args.record {
        builder = builder.record(file, RECORDING_BYTES_MAX);
    }

    let node = builder.start().await?;
    let mut events = node.events();
    let mut interrupt = std::pin::pin!(interrupted());
    let mut left = None;

    loop {
        tokio::select! {
            notice = events.next() => match notice {
                Some(notice) => print(line(&notice.event, &node.view()))?,
                None => break,
            },
            () = &mut interrupt, if left.is_none() => left = Some(node.leave().await),
        }
    }

    if let Some(left) = left {
        left?;
        let view = node.view();
        let members: Vec<_> = view.iter().collect();
        print(json!({ "t_ms": unix_ms(), "event": "view", "members": members }))?;
    }
    Ok(())
}

/// One event as people and tests read it; accusers by name where the name is known.
fn line(event: &Event, view: &Arc<View>) -> Value {
    let mut out = json!({ "t_ms": unix_ms(), "event": event.kind() });
    if let Some(member) = event.member() {
        out["name"] = json!(member.name());
        out["generation"] = json!(member.generation());
        out["incarnation"] = json!(member.incarnation());
        out["address"] = json!(member.address());
        out["by"] = json!([]);
        out["flapping"] = json!(member.is_flapping());
    }

    match event {
        Event::Suspect { by, reason, .. } => {
            out["by"] = names(by, view);
            out["reason"] = json!(reason);
        }
        Event::Dead { by, reason, provisional, .. } => {
            out["by"] = names(by, view);
            out["reason"] = json!(reason);
            out["provisional"] = json!(provisional);
        }
        Event::SelfStalled { gap } => out["gap_ms"] = json!(gap.as_millis()),
        Event::Isolated { reachable, known } => {
            out["reachable"] = json!(reachable);
            out["known"] = json!(known);
        }
        Event::Superseded { by } => out["address"] = json!(by),
        Event::Full { members_max } => out["members_max"] = json!(members_max),
        _ => {}
    }
    out
}

fn names(by: &Accusers, view: &View) -> Value {
    let name = |id| view.get(id).map_or_else(|| format!("{id}"), |member| member.name().to_owned());
    by.iter().map(name).collect()
}

/// Whole lines, at once: the reader of the pipe waits for them.
fn print(line: Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

#[cfg(unix)]
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        },
        _ => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn interrupted() {
    let _ = tokio::signal::ctrl_c().await;
}

fn unix_ms() -> u64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

struct Args {
    name: String,
    bind: String,
    advertise: Option<String>,
    contacts: Vec<String>,
    config: Config,
    record: Option<String>,
}

impl Args {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let name = args.next().filter(|name| !name.starts_with('-')).ok_or(USAGE)?;
        let (mut bind, mut contacts) = ("0.0.0.0:7340".to_owned(), Vec::new());
        let (mut profile, mut cluster) = ("lan".to_owned(), "events".to_owned());
        let (mut advertise, mut record) = (None, None);

        while let Some(flag) = args.next() {
            let value = args.next().ok_or(USAGE)?;
            match flag.as_str() {
                "--bind" => bind = value,
                "--advertise" => advertise = Some(value),
                "--contact" => contacts.push(value),
                "--profile" => profile = value,
                "--cluster" => cluster = value,
                "--record" => record = Some(value),
                _ => return Err(format!("unknown option {flag}\n{USAGE}").into()),
            }
        }

        let config = match profile.as_str() {
            "lan" => Config::lan(&cluster),
            "wan" => Config::wan(&cluster),
            "local" => Config::local(&cluster),
            _ => return Err(format!("unknown profile {profile}\n{USAGE}").into()),
        };
        Ok(Args { name, bind, advertise, contacts, config, record })
    }
}
