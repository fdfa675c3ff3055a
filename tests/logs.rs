//! What a node writes to the log: who is meant by name, mistakes with their next step, every line with the node's name.
//!
//! A program of its own: while one subscriber alone is registered, `tracing` asks the thread that first comes to a line
//! whether the line is wanted, and keeps the answer for all. A node of another test must not be that thread.

mod support;

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidings::config::{Config, ElectionConfig};
use tidings::election::MemoryStore;
use tidings::event::Event;
use tidings::member::Generation;
use tidings::runtime::{Builder, Node};
use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

use support::node;

/// For a whole test; on a busy machine much more than it needs.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
struct Line {
    level: Level,
    /// The message and the fields, as text.
    text: String,
    /// The node of the span that the line was written in.
    span: Option<String>,
}

impl Line {
    fn has(&self, parts: &[&str]) -> bool {
        let span = self.span.as_deref().unwrap_or_default();
        parts.iter().all(|part| self.text.contains(part) || span.contains(part))
    }
}

/// Keeps every line of one thread, and the spans they were written in.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
    spans: Arc<Mutex<BTreeMap<u64, String>>>,
    entered: Arc<Mutex<Vec<u64>>>,
    next: Arc<AtomicU64>,
    wrote: Arc<Notify>,
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tidings") && *metadata.level() <= Level::DEBUG
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.next.fetch_add(1, Ordering::SeqCst) + 1;
        let mut text = Text::default();
        span.record(&mut text);
        self.spans.lock().unwrap().insert(id, text.0);
        Id::from_u64(id)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let span = self.entered.lock().unwrap().last().map(|id| self.spans.lock().unwrap()[id].clone());
        self.lines.lock().unwrap().push(Line { level: *event.metadata().level(), text: text.0, span });
        self.wrote.notify_one();
    }
    fn enter(&self, span: &Id) {
        self.entered.lock().unwrap().push(span.into_u64());
    }
    fn exit(&self, _: &Id) {
        self.entered.lock().unwrap().pop();
    }
}

impl Log {
    /// Runs nodes on this thread until the future is done, and keeps what they write.
    fn of<F: Future<Output = ()>>(run: impl FnOnce(Log) -> F) -> Log {
        let log = Log::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tracing::subscriber::with_default(log.clone(), || runtime.block_on(run(log.clone())));
        log
    }

    /// Waits for a line with these parts.
    async fn until(&self, parts: &[&str]) {
        let is_there = || self.lines.lock().unwrap().iter().any(|line| line.has(parts));
        let waited = tokio::time::timeout(PATIENCE, async {
            while !is_there() {
                self.wrote.notified().await;
            }
        });
        assert!(waited.await.is_ok(), "no line of {parts:?} in {:#?}", self.lines.lock().unwrap());
    }

    /// The lines of a level with these parts.
    fn all(&self, level: Level, parts: &[&str]) -> Vec<Line> {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| line.level == level && line.has(parts)).cloned().collect()
    }

    #[track_caller]
    fn expect(&self, level: Level, parts: &[&str]) {
        let lines = self.lines.lock().unwrap();
        assert!(
            lines.iter().any(|line| line.level == level && line.has(parts)),
            "no {level} line of {parts:?} in {lines:#?}"
        );
    }
}

async fn start(builder: Builder) -> Node {
    builder.on_this_runtime().start().await.unwrap()
}

async fn until_alive(node: &Node, count: usize) {
    let waited = tokio::time::timeout(PATIENCE, node.wait_until(|view| view.alive().count() == count));
    waited.await.expect("not all were alive in time").unwrap();
}

#[test]
fn a_death_is_told_by_names_and_every_line_bears_the_nodes_own() {
    let log = Log::of(|_| async {
        let first = start(node("n1")).await;
        let contact = [first.local_address()];
        let second = start(node("n2").contacts(["localhost.invalid"]).contacts(contact)).await;
        let third = start(node("n3").contacts(contact)).await;
        for node in [&first, &second, &third] {
            until_alive(node, 3).await;
        }

        second.set_metadata("secret").await.unwrap();
        first.wait_until(|view| view.by_name("n2").is_some_and(|n2| n2.metadata() == b"secret")).await.unwrap();

        let mut events = first.events();
        drop(third);
        let dead = async {
            while let Some(notice) = events.next().await {
                if matches!(notice.event, Event::Dead { .. }) {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, dead).await.expect("nobody died in time");
    });

    log.expect(Level::INFO, &["suspect: ", "node=\"n1\"", "peer=\"n3\"", "by=n"]);
    log.expect(Level::WARN, &["dead: ", "node=\"n1\"", "peer=\"n3\"", "by=n"]);
    log.expect(Level::INFO, &["updated: metadata 0 bytes -> 6 bytes, incarnation", "peer=\"n2\""]);
    log.expect(Level::WARN, &["localhost.invalid:7340", "looked up again"]);

    let lines = log.lines.lock().unwrap();
    assert!(lines.iter().all(|line| !line.text.contains("secret")), "{lines:#?}");
    let nameless: Vec<_> = lines
        .iter()
        .filter(|line| !["n1", "n2", "n3"].iter().any(|n| line.span.as_deref() == Some(&format!("node=\"{n}\" "))))
        .collect();
    assert!(nameless.is_empty(), "{nameless:#?}");
    let twice: Vec<_> = lines.iter().filter(|line| line.text.contains("node=")).collect();
    assert!(twice.is_empty(), "the span bears the name, and the line it stands in does not: {twice:#?}");
    assert!(lines.iter().any(|line| line.text.contains("probe")), "the core's own lines are among them");
}

#[test]
fn mistakes_are_told_with_the_next_step() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let log = Log::of(|log| async move {
        let stranger = start(node("x1").cluster("other").contacts([silent])).await;
        let mistaken = start(node("n1").contacts([stranger.local_address(), silent])).await;
        let nowhere = start(node("n2").bind("0.0.0.0:0")).await;
        let ahead = start(node("n3").cluster("third").generation(Generation(4_102_444_800_000))).await;
        let ours = start(node("n4").cluster("third").contacts([ahead.local_address()])).await;

        log.until(&["node=\"n1\"", "no contact has answered"]).await;
        log.until(&["node=\"x1\"", "no contact has answered"]).await;
        log.until(&["node=\"n2\"", "own address"]).await;
        log.until(&["node=\"n4\"", "clocks"]).await;

        let (asked, asker) = (stranger.local_address().to_string(), mistaken.local_address());
        log.expect(Level::WARN, &["node=\"n1\"", &asked, &silent.to_string(), "UDP passes both ways"]);
        let of = format!("came from {asker}");
        log.expect(Level::WARN, &["node=\"x1\"", &silent.to_string(), &of, "same cluster name"]);
        drop((nowhere, ours));
    });

    log.expect(Level::WARN, &["node=\"n2\"", "bound to 0.0.0.0:", ".advertise(..)"]);
    log.expect(Level::WARN, &["node=\"n4\"", "peer=\"n3\"", "dated 2100-01-01T00:00:00.000Z", "NTP"]);
}

#[test]
fn contacts_that_let_no_node_in_are_told_by_what_is_known_of_them() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let free = || UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (own, wild) = (free(), free());
    let log = Log::of(|log| async move {
        let nowhere = start(node("n1").contacts(["nowhere.invalid"])).await;
        let host = start(node("n2").contacts(["192.0.2.1:7340"])).await;
        let first = start(node("n3").bind(own).contacts([own])).await;
        let wildcard = start(node("n4").bind(format_args!("0.0.0.0:{}", wild.port())).contacts([wild])).await;
        let hidden = start(node("n5").advertise(silent).contacts([first.local_address()])).await;

        log.until(&["node=\"n1\"", "no contact has answered", "check the name in nowhere.invalid:7340"]).await;
        log.until(&["node=\"n2\"", "no contact has answered", "bind 0.0.0.0:"]).await;
        log.until(&["node=\"n3\"", "no contact but itself"]).await;
        log.until(&["node=\"n4\"", "no contact but itself"]).await;
        log.until(&["node=\"n5\"", "has not let this node in"]).await;

        let (contact, seen) = (first.local_address(), hidden.local_address());
        let told = format!(
            "contact {contact} answers but has not let this node in for 10s or more: it cannot reach it at {silent}, and sees it at {seen}"
        );
        log.expect(Level::WARN, &["node=\"n5\"", &told, ".advertise(..)"]);
        drop((nowhere, host, wildcard));
    });

    log.expect(
        Level::WARN,
        &[
            "node=\"n2\"",
            "message=a socket bound to 127.0.0.1 cannot send to another host, as to 192.0.2.1:7340: bind 0.0.0.0:",
        ],
    );
    log.expect(Level::INFO, &["node=\"n3\"", &format!("{own} (this node itself)")]);
    log.expect(Level::INFO, &["node=\"n4\"", &format!("{wild} (this node itself)")]);

    for (node, unsaid) in [("n1", "UDP passes"), ("n2", "UDP passes"), ("n5", "no contact has answered")] {
        let told = log.all(Level::WARN, &[&format!("node={node:?}"), unsaid]);
        assert!(told.is_empty(), "{told:#?}");
    }
    for node in ["n3", "n4"] {
        let told = log.all(Level::WARN, &[&format!("node={node:?}"), "no contact"]);
        assert!(told.is_empty(), "{told:#?}");
    }
}

#[test]
fn a_joined_node_tells_of_garbage_that_goes_on_and_of_no_single_datagram() {
    let log = Log::of(|log| async move {
        let first = start(node("n1")).await;
        let second = start(node("n2").contacts([first.local_address()])).await;
        until_alive(&first, 2).await;
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(b"once", second.local_address()).unwrap();
        for _ in 0..100 {
            sender.send_to(b"again and again", first.local_address()).unwrap();
        }
        log.until(&["node=\"n1\"", "datagrams of another cluster or damaged came within 10s"]).await;
        let from = sender.local_addr().unwrap().to_string();
        log.expect(Level::WARN, &["node=\"n1\"", "rejected=100", &from, "same cluster name and release"]);
    });
    assert_eq!(log.all(Level::WARN, &["damaged"]).len(), 1, "{:#?}", log.lines.lock().unwrap());
}

#[test]
fn an_election_without_a_quorum_is_told_with_the_voters_that_do_not_answer() {
    let names = ["n1", "n2", "n3"];
    let voter = |name: &str| {
        node(name).election(ElectionConfig::local("orders", names).stands_always()).term_store(MemoryStore)
    };
    let log = Log::of(|log| async move {
        let alone = start(voter("n3").cluster("another")).await;
        let first = start(voter("n1")).await;
        let second = start(voter("n2").contacts([first.local_address()])).await;
        let third = start(voter("n3").contacts([first.local_address()])).await;
        until_alive(&first, 3).await;
        let led = first.wait_until(|view| view.leader("orders").is_some());
        tokio::time::timeout(PATIENCE, led).await.expect("no leader in time").unwrap();

        drop((second, third));
        log.until(&["node=\"n1\"", "no leader for election \"orders\"", "1 of 3 voters answer, not ", "n2"]).await;
        log.until(&["node=\"n3\"", "no leader for election \"orders\"", "1 of 3 voters answer, not "]).await;
        drop(alone);
    });

    let told = log.all(Level::WARN, &["no leader for election", "a quorum is 2"]);
    assert_eq!(told.len(), 2, "once each: {told:#?}");
}

#[test]
fn work_that_fails_and_a_gate_in_the_wrong_process_are_warned_about() {
    let folder = std::env::temp_dir().join(format!("tidings-logs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("gate");
    let log = Log::of(|log| async move {
        let config = ElectionConfig::local("orders", ["n1"]);
        let voter = start(node("n1").election(config).term_store(MemoryStore)).await;
        let gate = tidings::FenceGate::durable(path).unwrap();
        let leads = voter.lead("orders", |_| async { Err::<(), _>("port 80 is taken") });
        let told = log.until(&["node=\"n1\"", "port 80 is taken", "the leader's work failed after"]);
        tokio::select! {
            ended = leads => panic!("{ended:?}"),
            () = told => {}
        }

        // A candidate that takes no lease up is found out after one.
        let idle = voter.candidate("orders").unwrap();
        log.until(&["node=\"n1\"", "nobody took its lease up", "poll the future of lead(..)"]).await;
        drop((idle, gate));
    });

    log.expect(Level::WARN, &["FenceGate::durable", "process that votes", "example `fenced`"]);
    assert_eq!(log.all(Level::WARN, &["nobody took its lease up"]).len(), 1, "{:#?}", log.lines.lock().unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn another_p_is_told_once_by_each_node_and_the_same_p_by_none() {
    let log = Log::of(|_| async {
        let patient = Config { stall_tolerance: Duration::from_secs(2), ..Config::local("test") };
        let first = start(node("n1")).await;
        let contact = [first.local_address()];
        let same = start(node("n2").contacts(contact)).await;
        let (other, another) = (node("n3").config(patient.clone()), node("n4").config(patient));
        let other = start(other.bind("127.0.0.1:0").contacts(contact)).await;
        let another = start(another.bind("127.0.0.1:0").contacts(contact)).await;

        // What changes later is looked at again, and is no news.
        another.set_metadata("changed").await.unwrap();
        for node in [&first, &same, &other, &another] {
            until_alive(node, 4).await;
            let seen = node.wait_until(|view| view.by_name("n4").is_some_and(|n4| n4.metadata() == b"changed"));
            tokio::time::timeout(PATIENCE, seen).await.expect("the change was not heard in time").unwrap();
        }
    });

    for (node, what) in [
        ("n1", "stall_tolerance 2s, here 1s"),
        ("n2", "stall_tolerance 2s, here 1s"),
        ("n3", "stall_tolerance 1s, here 2s"),
        ("n4", "stall_tolerance 1s, here 2s"),
    ] {
        let told = log.all(Level::WARN, &[&format!("node={node:?}"), "configured otherwise"]);
        assert_eq!(told.len(), 1, "{node}: {told:#?}");
        assert!(told.iter().all(|line| line.has(&["peer=\"n", what, "give all members the same"])), "{told:#?}");
    }
}
