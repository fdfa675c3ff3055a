//! Real processes: children of `examples/events.rs` that are killed, stopped, asked to leave and started again.

#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);
/// P of the profile `local`.
const P_MS: u64 = 1_000;

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
        let mut child = Command::new(example())
            .args([name, "--profile", profile, "--bind", &at(port), "--contact", &at(contact)])
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

/// cargo builds the examples beside the tests, but not for `--test processes` alone.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().unwrap().parent().unwrap().join("examples").join("events");
    assert!(example.exists(), "{} is missing: cargo build --example events", example.display());
    example
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
        assert!(ms(&dead) >= ms(&suspect) && dead["isolated"] == false, "{dead}");
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
    // Whoever asks everyone to listen once more has heard of any verdict before.
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
