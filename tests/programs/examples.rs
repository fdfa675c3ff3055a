//! The examples of elections, run as their users run them, and the broker's own parts: its log, its assignment, its
//! proof.

#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tidings::Term;
use tidings::leader::{Holder, Token};

use crate::example;
use assignment::{Assignment, Card};
use log::{AppendError, Log};
use proof::{Proof, Told};

#[path = "../../examples/broker/assignment.rs"]
#[allow(dead_code)]
mod assignment;
#[path = "../../examples/broker/log.rs"]
#[allow(dead_code)]
mod log;
#[path = "../../examples/broker/options.rs"]
#[allow(dead_code)]
mod options;
#[path = "../../examples/broker/proof.rs"]
#[allow(dead_code)]
mod proof;

/// As the example has it, whose parts look for it at the root of their crate.
const PARTITIONS: usize = 12;
/// For a whole run; on a busy machine much more than it needs.
const PATIENCE: Duration = Duration::from_secs(150);

/// An example under way with all the processes it starts, which are a group of their own and end with it.
struct Run {
    child: Child,
    lines: Receiver<String>,
}

impl Run {
    fn start(name: &str, args: &[&str]) -> Run {
        let mut command = Command::new(example(name));
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Run { child, lines }
    }

    /// Reads all it prints, until it ends.
    #[track_caller]
    fn finish(mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        let mut read = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => read.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("not through, but {read:#?}"),
            }
        }
        (self.child.wait().unwrap(), read)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let group = format!("-{}", self.child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            let _ = self.child.wait();
        }
    }
}

/// A folder that is gone when the test is.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidings-examples-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// The proof of a log in the first partition, of which so many records were acknowledged.
    fn prove(&self, acknowledged: u64) -> Proof {
        Proof::read(&self.0, &[acknowledged], 0).unwrap()
    }

    fn log(&self) -> PathBuf {
        self.0.join("00.log")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn an_option_is_no_name() {
    for name in ["hello", "lead", "leader", "embed_sync", "events"] {
        let (status, lines) = Run::start(name, &["--help"]).finish();
        assert!(!status.success() && lines.is_empty(), "{name}: {status} {lines:#?}");
    }
}

#[test]
fn three_processes_lose_their_leader_twice() {
    let (status, lines) = Run::start("leader", &[]).finish();
    assert!(status.success(), "{lines:#?}");
    let leads = lines.iter().filter_map(|line| line.split_once(" leads in term "));
    let leads: Vec<(&str, u64)> =
        leads.map(|(who, rest)| (who, rest.split(':').next().unwrap().parse().unwrap())).collect();
    let [(first, one), (second, two), (third, three)] = leads[..] else { panic!("{lines:#?}") };
    assert!(one < two && two < three && first != second && second != third && first != third, "{lines:#?}");
    assert!(lines.iter().filter(|line| line.ends_with(" without a leader")).count() == 2, "{lines:#?}");
    assert_eq!(lines.last().map(String::as_str), Some("all have left"));
}

#[test]
fn a_storage_server_refuses_a_leader_that_was_replaced() {
    let (status, lines) = Run::start("fenced", &[]).finish();
    assert!(status.success() && lines.last().is_some_and(|line| line.starts_with("proved: ")), "{lines:#?}");
    let refused: Vec<&String> = lines.iter().filter(|line| line.contains(": ") && !line.contains(": ok")).collect();
    let parts = ["wakes, writes in term ", "the first writes in term ", "two processes of one name", "proved"];
    assert!(refused.len() == 4 && refused.iter().zip(parts).all(|(line, part)| line.contains(part)), "{lines:#?}");
}

#[test]
fn the_broker_loses_nothing_and_writes_nothing_twice() {
    let (status, lines) = Run::start("broker", &["--seconds", "6", "--seed", "6", "--json"]).finish();
    let summary: Value = serde_json::from_str(lines.last().unwrap()).unwrap_or_else(|_| panic!("{lines:#?}"));
    assert!(status.success() && summary["passed"] == true, "{lines:#?}");
    for wrong in ["lost", "twice", "stale", "damaged", "unsent", "unserved"] {
        assert_eq!(summary["proof"][wrong], 0, "{lines:#?}");
    }
    assert!(summary["proof"]["acknowledged"].as_u64() > Some(0), "{lines:#?}");
    assert!(summary["disputed"].as_array().unwrap().is_empty() && summary["fenced"] == true, "{lines:#?}");
    assert!(!summary["leaders"].as_array().unwrap().is_empty(), "{lines:#?}");
    assert!(!summary["actions"].as_array().unwrap().is_empty(), "{lines:#?}");
    let voters: Vec<usize> =
        summary["voters"].as_array().unwrap().iter().map(|list| list.as_str().unwrap().split(' ').count()).collect();
    assert_eq!(voters, [3, 5, 3], "{lines:#?}");
}

#[test]
fn the_brokers_options_are_checked() {
    for (args, hint) in [("--seconds 2", "3 to 600"), ("--seed x", "needs a number"), ("--fast", "--help lists them")] {
        let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
        let error = options::Options::read(&args).unwrap_err();
        assert!(error.contains(hint), "{error}");
    }
}

fn token(term: u64) -> Token {
    Token { term: Term(term), sequence: 0, holder: Holder(u128::from(term)) }
}

/// An owner stands still after its third record, the next one takes over and writes, and the first goes on.
fn wake_after_take_over(folder: &Path, fenced: bool) -> Result<(), AppendError> {
    let mut old = Log::new(folder, 0, fenced);
    (1..=3).for_each(|number| old.append(token(7), number).unwrap());
    let mut new = Log::new(folder, 0, fenced);
    new.take_over(token(8)).unwrap();
    new.append(token(8), 3).unwrap(); // sent again: the answer was lost
    (4..=5).for_each(|number| new.append(token(8), number).unwrap());
    old.append(token(7), 6)
}

#[test]
fn a_fence_stops_an_owner_that_was_replaced() {
    let folder = Folder::new("fence");
    let woken = wake_after_take_over(&folder.0, true);
    assert!(matches!(woken, Err(AppendError::Fenced { highest: (Term(8), 0) })), "{woken:?}");
    assert!(folder.prove(5).holds(), "{:?}", folder.prove(5));
}

#[test]
fn without_the_fence_the_proof_fails() {
    let folder = Folder::new("open");
    wake_after_take_over(&folder.0, false).unwrap();
    let proof = folder.prove(6);
    assert!(!proof.holds() && proof.lost == 1, "the fourth is written over: {proof:?}");
}

#[test]
fn a_record_that_was_begun_by_a_killed_owner_is_cut_off() {
    let folder = Folder::new("torn");
    let mut log = Log::new(&folder.0, 0, true);
    log.append(token(7), 1).unwrap();
    let whole = std::fs::read(folder.log()).unwrap();
    std::fs::write(folder.log(), [&whole[..], &whole[..10]].concat()).unwrap();
    assert_eq!(folder.prove(1).damaged, 1);
    Log::new(&folder.0, 0, true).append(token(8), 2).unwrap();
    assert!(folder.prove(2).holds(), "{:?}", folder.prove(2));
}

#[test]
fn the_proof_sees_each_kind_of_wrong() {
    let folder = Folder::new("proof");
    for number in 1..=3 {
        Log::new(&folder.0, 0, true).append(token(7), number).unwrap();
    }
    let whole = std::fs::read(folder.log()).unwrap();
    let record = whole.len() / 3;
    let prove = |bytes: &[u8], acknowledged| {
        std::fs::write(folder.log(), bytes).unwrap();
        folder.prove(acknowledged)
    };

    assert!(prove(&whole, 3).holds() && prove(&whole, 2).holds(), "the last may be without an answer");
    assert_eq!(prove(&whole, 4).lost, 1);
    assert_eq!(prove(&whole, 1).unsent, 1);
    assert_eq!(prove(&[&whole[..], &whole[..record]].concat(), 3).twice, 1);
    assert_eq!(prove(&whole[..whole.len() - 1], 3).damaged, 1);
    let newer = String::from_utf8(whole.clone()).unwrap().replacen(" 7 ", " 8 ", 1);
    assert_eq!(prove(newer.as_bytes(), 3).stale, 2);
    assert!(!Proof::read(&folder.0, &[3], 1).unwrap().holds() && !Proof::default().holds());

    let mut told = Told::default();
    for (name, term) in [("b1", "7"), ("b2", "8"), ("b1", "7")] {
        told.leader(name, term, "");
    }
    assert!(told.disputed.is_empty() && told.latest().is_some_and(|(term, name, _)| (term, name) == (8, "b2")));
    told.leader("b3", "8", "");
    assert_eq!(told.disputed.len(), 1);
}

#[test]
fn a_change_of_members_moves_only_what_has_to_move() {
    let names = ["b1", "b2", "b3", "b4", "b5"].map(str::to_owned);
    let all = Assignment::spread(token(7).with_sequence(1), &names);
    for gone in &names {
        let rest: Vec<_> = names.iter().filter(|name| *name != gone).cloned().collect();
        let after = Assignment::spread(token(7).with_sequence(2), &rest);
        let moved = all.owners.iter().zip(&after.owners).filter(|(before, after)| before != after);
        assert!(moved.into_iter().all(|(before, _)| before == gone), "{gone}");
        assert!(all.owners.contains(gone) && after.is_newer_than(&all));
    }
    let next = Assignment::spread(token(8).with_sequence(1), &names);
    let last = Assignment { token: token(7).with_sequence(u64::MAX), ..all.clone() };
    assert!(next.is_newer_than(&last));
    let longest = Token { term: Term(Term::LIMIT), sequence: u64::MAX, holder: Holder(u128::MAX) };
    let longest = Assignment { token: longest, ..all };
    let clients = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535".parse().unwrap();
    assert!(Card { clients, assignment: Some(longest) }.to_bytes().len() <= 512);
}
