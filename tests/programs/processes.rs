//! Real processes: children of `examples/events.rs` that are killed, stopped, asked to leave and started again.

#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::example;

const PATIENCE: Duration = Duration::from_secs(30);
/// P of the profile `local`.
const P_MS: u64 = 1_000;
/// Those of `examples/leader.rs`.
const VOTERS: [&str; 3] = ["db-1", "db-2", "db-3"];

/// One process of the cluster; ended, by its id, when the test lets go of it.
struct Process {
    child: Child,
    name: String,
    port: u16,
    lines: Receiver<Value>,
    /// Everything read so far.
    read: Vec<Value>,
}

impl Process {
    fn start(name: &str, profile: &str, port: u16, contact: u16) -> Process {
        Process::bound(name, profile, &at(port), port, &[at(contact)])
    }

    fn bound(name: &str, profile: &str, bind: &str, port: u16, contacts: &[String]) -> Process {
        let contacts = contacts.iter().flat_map(|contact| ["--contact", contact.as_str()]);
        let mut child = Command::new(example("events"))
            .args([name, "--profile", profile, "--bind", bind])
            .args(contacts)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = send.send(serde_json::from_str(&line).unwrap());
            }
        });
        Process { child, name: name.to_owned(), port, lines, read: Vec::new() }
    }

    /// Reads until an event of this kind about this member.
    #[track_caller]
    fn sees(&mut self, kind: &str, name: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let Ok(line) = line else { panic!("{} saw no {kind} of {name}, but {:#?}", self.name, self.read) };
            self.read.push(line.clone());
            if line["event"] == kind && (line["name"] == name || line["name"].is_null()) {
                return line;
            }
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    fn kinds_about(&self, name: &str) -> Vec<&str> {
        self.read.iter().filter(|line| line["name"] == name).filter_map(|line| line["event"].as_str()).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// Ports that were free a moment ago, all different.
fn ports(count: usize) -> Vec<u16> {
    let held: Vec<_> = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|socket| socket.local_addr().unwrap().port()).collect()
}

fn cluster(size: usize, profile: &str) -> Vec<Process> {
    let ports = ports(size);
    let start = |n: usize| Process::start(&format!("n{}", n + 1), profile, ports[n], ports[0]);
    let mut processes: Vec<_> = (0..size).map(start).collect();
    for process in &mut processes {
        let mut missing: Vec<_> = (1..=size).map(|n| format!("n{n}")).collect();
        while let Some(name) = missing.first().cloned() {
            process.sees("up", &name);
            missing.retain(|name| !process.kinds_about(name).contains(&"up"));
        }
        process.read.clear();
    }
    processes
}

/// How a cluster of three on wildcard addresses is told of itself.
#[derive(Clone, Copy, Debug)]
struct Layout {
    bind: &'static str,
    /// The host that contacts are given as.
    host: &'static str,
    /// The places of n1, n2 and n3 in the order of starts.
    order: [usize; 3],
    contacts: Contacts,
}

#[derive(Clone, Copy, Debug)]
enum Contacts {
    /// Everyone, n1 too, has n1.
    First,
    /// Each has both others.
    Mutual,
}

impl Layout {
    fn contacts_of(self, n: usize, ports: &[u16]) -> Vec<String> {
        let others: Vec<usize> = match self.contacts {
            Contacts::First => vec![0],
            Contacts::Mutual => (0..3).filter(|other| *other != n).collect(),
        };
        others.into_iter().map(|other| format!("{}:{}", self.host, ports[other])).collect()
    }
}

/// Starts three and waits until all see all; how long after the last start that was.
#[track_caller]
fn meet(layout: Layout) -> u64 {
    let ports = ports(3);
    let mut started_ms = 0;
    let mut processes = Vec::new();
    for n in layout.order {
        let bind = format!("{}:{}", layout.bind, ports[n]);
        started_ms = unix_ms();
        let name = format!("n{}", n + 1);
        processes.push(Process::bound(&name, "lan", &bind, ports[n], &layout.contacts_of(n, &ports)));
    }

    let mut met_ms = 0;
    for process in &mut processes {
        let mut missing: Vec<_> = (1..=3).map(|n| format!("n{n}")).collect();
        while let Some(name) = missing.first().cloned() {
            if process.kinds_about(&name).contains(&"up") {
                missing.retain(|missing| *missing != name);
            } else {
                met_ms = met_ms.max(ms(&process.sees("up", &name)));
            }
        }
    }

    met_ms.saturating_sub(started_ms)
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

#[test]
fn three_on_wildcard_addresses_meet_in_any_order_with_any_contacts() {
    let mut layouts = Vec::new();
    for order in [[0, 1, 2], [2, 1, 0]] {
        for contacts in [Contacts::First, Contacts::Mutual] {
            layouts.push(Layout { bind: "0.0.0.0", host: "127.0.0.1", order, contacts });
            layouts.push(Layout { bind: "0.0.0.0", host: "localhost", order, contacts });
        }
    }
    if UdpSocket::bind("[::1]:0").is_ok() {
        for (host, order) in [("[::1]", [0, 1, 2]), ("127.0.0.1", [2, 1, 0]), ("localhost", [1, 0, 2])] {
            layouts.push(Layout { bind: "[::]", host, order, contacts: Contacts::Mutual });
            layouts.push(Layout { bind: "[::]", host, order, contacts: Contacts::First });
        }
    } else {
        println!("no IPv6 here, so without [::]");
    }
    for layout in layouts {
        println!("all see all {} ms after the last start: {layout:?}", meet(layout));
    }
}

/// One voter of `examples/leader.rs`, whose lines go to a channel that all have together.
struct Voter {
    child: Child,
    name: &'static str,
}

impl Voter {
    fn start(name: &'static str, folder: &Path, port: u16, contacts: &[String], lines: &Sender<String>) -> Voter {
        let mut command = Command::new(example("leader"));
        command.arg(name).arg(folder.join(name)).arg(format!("0.0.0.0:{port}")).args(contacts);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let lines = lines.clone();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        Voter { child, name }
    }
}

impl Drop for Voter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The leader of a later term than this, and that term; a line is `micros name leads in term 7`.
#[track_caller]
fn next_leader(lines: &Receiver<String>, after: u64) -> (String, u64) {
    let mut read = Vec::new();
    loop {
        let Ok(line) = lines.recv_timeout(PATIENCE) else { panic!("none leads after term {after}, but {read:#?}") };
        let words: Vec<&str> = line.split(' ').collect();
        if let [_, name, "leads", "in", "term", term] = words.as_slice() {
            let term = term.parse().unwrap();
            if term > after {
                return ((*name).to_owned(), term);
            }
        }
        read.push(line);
    }
}

#[test]
fn voters_on_wildcard_addresses_elect_and_any_two_of_them_elect_again() {
    for order in [[0, 1, 2], [2, 1, 0]] {
        let folder = std::env::temp_dir().join(format!("tidings-wildcard-{}-{}", std::process::id(), order[0]));
        let (ports, (send, lines)) = (ports(3), channel());
        let layout = Layout { bind: "0.0.0.0", host: "127.0.0.1", order, contacts: Contacts::First };
        let start = |n: usize| Voter::start(VOTERS[n], &folder, ports[n], &layout.contacts_of(n, &ports), &send);
        let mut voters: Vec<Voter> = order.into_iter().map(start).collect();
        let (first, term) = next_leader(&lines, 0);
        // With one gone, the others elect only if they know each other.
        voters.retain(|voter| voter.name != first);
        assert_eq!(voters.len(), 2);
        let (second, later) = next_leader(&lines, term);
        println!("{first} led in term {term}, then {second} in term {later}");
        drop(voters);
        let _ = std::fs::remove_dir_all(folder);
    }
}

fn ms(line: &Value) -> u64 {
    line["t_ms"].as_u64().unwrap()
}

#[test]
fn a_killed_process_is_suspect_then_dead_everywhere() {
    let mut processes = cluster(4, "local");
    let killed = processes.pop().unwrap();
    killed.signal("-KILL");
    for process in &mut processes {
        let suspect = process.sees("suspect", "n4");
        let dead = process.sees("dead", "n4");
        assert!(!suspect["by"].as_array().unwrap().is_empty(), "{suspect}");
        assert_eq!(dead["generation"], suspect["generation"]);
        assert!(ms(&dead) >= ms(&suspect) && dead["provisional"] == false, "{dead}");
        assert!(!process.kinds_about("n4").contains(&"refuted"));
        assert!((1..=3).all(|n| process.kinds_about(&format!("n{n}")).is_empty()), "{:?}", process.read);
    }
}

#[test]
fn a_pause_shorter_than_the_stall_tolerance_kills_nobody() {
    let mut processes = cluster(4, "local");
    let paused = processes.pop().unwrap();
    paused.signal("-STOP");
    processes[0].sees("suspect", "n4");
    paused.signal("-CONT");
    for process in &mut processes[..1] {
        process.sees("refuted", "n4");
    }
    // A process that leaves asks all others to listen once more, so it has heard of any verdict before it ends.
    processes.push(paused);
    for process in &processes {
        process.signal("-TERM");
    }
    for process in &mut processes {
        process.sees("view", "");
        assert!(process.read.iter().all(|line| line["event"] != "dead"), "{:?}", process.read);
    }
}

#[test]
fn a_pause_longer_than_the_stall_tolerance_ends_in_dead_and_then_up() {
    let mut processes = cluster(4, "local");
    let paused = processes.pop().unwrap();
    paused.signal("-STOP");
    for process in &mut processes {
        process.sees("dead", "n4");
    }
    paused.signal("-CONT");
    for process in &mut processes {
        process.sees("up", "n4");
    }
    let mut paused = paused;
    paused.sees("self_stalled", "");
    let gap = paused.read.last().unwrap()["gap_ms"].as_u64().unwrap();
    assert!(gap >= P_MS / 2, "it knows how long it did not run: {gap} ms");
    paused.signal("-TERM");
    paused.sees("view", "");
    let judged: Vec<_> = paused.read.iter().filter(|line| line["event"] == "dead").collect();
    assert!(judged.is_empty(), "who did not run judges nobody: {judged:?}");
}

#[test]
fn a_terminated_process_leaves_and_prints_its_last_view() {
    let mut processes = cluster(3, "local");
    let mut leaver = processes.pop().unwrap();
    leaver.signal("-TERM");
    let view = leaver.sees("view", "");
    let names: Vec<_> = view["members"].as_array().unwrap().iter().map(|member| member["name"].clone()).collect();
    assert!(names.contains(&"n1".into()) && names.contains(&"n2".into()), "{view}");
    assert!(leaver.lines.recv_timeout(PATIENCE).is_err(), "the view is its last line");
    assert!(leaver.child.wait().unwrap().success());
    for process in &mut processes {
        process.sees("left", "n3");
        assert_eq!(process.kinds_about("n3"), ["left"]);
    }
}

#[test]
fn a_process_of_the_same_name_takes_the_place_of_the_killed_one() {
    let mut processes = cluster(3, "lan");
    let killed = processes.pop().unwrap();
    killed.signal("-KILL");
    let port = killed.port;
    drop(killed);
    let _again = Process::start("n3", "lan", port, processes[0].port);
    for process in &mut processes {
        let dead = process.sees("dead", "n3");
        let up = process.sees("up", "n3");
        assert!(up["generation"].as_u64() > dead["generation"].as_u64(), "{dead} {up}");
        assert_eq!(dead["reason"], "restarted");
        assert!(process.kinds_about("n3").ends_with(&["dead", "up"]), "{:?}", process.read);
    }
}
