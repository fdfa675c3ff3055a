//! The demo, run as its users run it: the tour as JSON, a tour that must fail, and the prompt with good and bad input.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::example;

// The demo's own parts with tests of their own; cargo runs none of those inside an example.
#[path = "../../examples/demo/commands.rs"]
#[allow(dead_code)]
mod commands;
#[path = "../../examples/demo/groups.rs"]
#[allow(dead_code)]
mod groups;
#[path = "../../examples/demo/names.rs"]
#[allow(dead_code)]
mod names;
#[path = "../../examples/demo/options.rs"]
#[allow(dead_code)]
mod options;
#[path = "../../examples/demo/silences.rs"]
#[allow(dead_code)]
mod silences;

fn demo(args: &[&str]) -> Command {
    let mut command = Command::new(example("demo"));
    command.args(args).stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    demo(args).output().unwrap()
}

/// Runs with these lines typed at the prompt.
fn type_in(args: &[&str], lines: &[u8]) -> Output {
    let mut command = demo(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines).unwrap();
    child.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

fn ms(line: &Value, key: &str) -> u64 {
    line[key].as_u64().unwrap_or_else(|| panic!("{key} in {line}"))
}

/// Where a command of this verb is among the lines, when it began, and the members that it named.
fn command<'a>(lines: &'a [Value], verb: &str) -> (usize, u64, Vec<&'a str>) {
    let words = |line: &'a Value| line["command"].as_str().unwrap_or_default().split([' ', ',']);
    let is = |line: &Value| line["event"] == "command" && line["command"].as_str().unwrap().starts_with(verb);
    let place = lines.iter().position(is).unwrap_or_else(|| panic!("no {verb} in {lines:#?}"));
    (place, ms(&lines[place], "t_ms"), words(&lines[place]).skip(1).collect())
}

/// The node that may act as leader according to an outcome, and in which term.
fn led(outcome: &str) -> (&str, u64) {
    let (before, after) = outcome.split_once(" may act as leader ").unwrap();
    let term = after.split("in term ").nth(1).unwrap();
    let term: String = term.chars().take_while(char::is_ascii_digit).collect();
    (before.rsplit(' ').next().unwrap(), term.parse().unwrap())
}

/// Events of a kind about a member, from other nodes' subscribers.
fn events<'a>(lines: &'a [Value], kind: &'a str, name: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["event"] == kind && line["name"] == name && line["observer"] != name)
}

#[test]
fn the_tour_measures_what_the_others_received() {
    let output = run(&["--json", "--seed", "7"]);
    let lines = lines(&output);
    let summary = lines.last().unwrap();
    assert!(output.status.success(), "{summary:#}");
    assert_eq!((&summary["event"], &summary["passed"]), (&"summary".into(), &true.into()));
    assert_eq!((ms(summary, "nodes"), ms(summary, "seed"), ms(summary, "false_dead")), (5, 7, 0));
    assert_eq!((&summary["profile"], ms(summary, "stall_tolerance_ms")), (&"local".into(), 1_000));

    // The figures once more, from the lines before the summary.
    let (_, killed, whom) = command(&lines, "kill");
    let restarted = command(&lines, "restart").1;
    let victim = &*format!("n{}", whom[0]);
    let first = |kind| events(&lines, kind, victim).map(|line| ms(line, "t_ms")).find(|at| *at >= killed).unwrap();
    let dead: BTreeMap<&str, u64> = events(&lines, "dead", victim)
        .filter(|line| (killed..=restarted).contains(&ms(line, "t_ms")))
        .map(|line| (line["observer"].as_str().unwrap(), ms(line, "t_ms")))
        .collect();
    let others: Vec<_> = ["n1", "n2", "n3", "n4", "n5"].into_iter().filter(|name| *name != victim).collect();
    assert_eq!(dead.keys().copied().collect::<Vec<_>>(), others);
    let last = dead.values().max().unwrap();
    // The moments are cut to whole milliseconds.
    assert!(ms(summary, "detect_suspect_ms").abs_diff(first("suspect") - killed) <= 1, "{summary:#}");
    assert!(ms(summary, "detect_dead_ms").abs_diff(dead.values().min().unwrap() - killed) <= 1, "{summary:#}");
    assert!(ms(summary, "everyone_knows_ms").abs_diff(last - killed) <= 1, "{summary:#}");
    assert!(ms(summary, "detect_suspect_ms") <= ms(summary, "detect_dead_ms"), "{summary:#}");
    assert!(ms(summary, "heal_ms") > 0 && command(&lines, "heal").1 >= command(&lines, "partition").1, "{summary:#}");

    let suspect = events(&lines, "suspect", victim).next().unwrap();
    assert!(!suspect["by"].as_array().unwrap().is_empty() && suspect["reason"].is_string(), "{suspect}");
    let generations: BTreeSet<_> = events(&lines, "up", victim).map(|line| ms(line, "generation")).collect();
    assert_eq!(generations.len(), 2, "before and after the restart");
    let (cut, ..) = command(&lines, "partition");
    let frozen = &*format!("n{}", command(&lines, "freeze").2[0]);
    assert!(events(&lines[..cut], "refuted", frozen).count() > 0);
    assert_eq!(events(&lines[..cut], "dead", frozen).count(), 0, "its stall was shorter than P");
    let leaver = &*format!("n{}", command(&lines, "leave").2[0]);
    assert_eq!(events(&lines, "left", leaver).count(), 4);
}

#[test]
fn the_tour_kills_the_leader_and_cuts_the_next_off() {
    let output = run(&["--json", "--seed", "8"]);
    let lines = lines(&output);
    let summary = lines.last().unwrap();
    assert!(output.status.success() && summary["two_leaders"] == 0, "{summary:#}");
    let outcomes = |verb: &str| {
        let of = |line: &&Value| line["event"] == "outcome" && line["command"].as_str().unwrap().starts_with(verb);
        let texts = lines.iter().filter(of).filter_map(|line| line["text"].as_str());
        let mut texts = texts.filter(|text| text.contains(" may act as leader ")).map(|text| (led(text), text));
        texts.next().unwrap_or_else(|| panic!("nobody leads after {verb}: {lines:#?}"))
    };
    let ((first, term), _) = outcomes("start");
    let ((second, next_term), _) = outcomes("kill");
    assert!(next_term > term && second != first, "{first} {second}");
    assert_eq!(*command(&lines, "kill").2[0], first[1..], "the leader is killed");
    let heard = events(&lines, "leader", second).find(|line| ms(line, "term") == next_term);
    assert!(heard.is_some_and(|line| line["trigger"].is_string()), "the others hear of it");

    let ((third, last_term), text) = outcomes("partition");
    let side = command(&lines, "partition").2;
    assert!(last_term > next_term && !side.contains(&&third[1..]), "{side:?} {third}");
    assert!(text.contains("no instant with two"), "{text}");
    assert!(ms(summary, "lease_over_ms") <= ms(summary, "majority_leads_ms"), "{summary:#}");
    for key in ["leader_ms", "failover_ms"] {
        assert!(summary[key].is_u64(), "{key}: {summary:#}");
    }
}

#[test]
fn a_cluster_that_tolerates_a_minute_fails_the_tour() {
    let output = run(&["--json", "--stall-tolerance", "60s"]);
    let lines = lines(&output);
    let summary = lines.last().unwrap();
    assert_eq!(output.status.code(), Some(1), "{summary:#}");
    assert_eq!((&summary["passed"], &summary["detect_dead_ms"]), (&false.into(), &Value::Null));
    assert!(summary["everyone_knows_ms"].is_null() && summary["detect_suspect_ms"].is_u64(), "{summary:#}");
    let failed: Vec<_> = summary["failed"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let missed = |reason: &&str| reason.starts_with("kill ") && reason.contains(" did not call n");
    assert!(failed.iter().any(missed), "{failed:?}");
    assert!(summary["failover_ms"].is_u64(), "a lease needs no verdict: {summary:#}");
}

#[test]
fn people_read_aligned_lines_without_colours_in_a_pipe() {
    let output = run(&["--nodes", "3"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(text.contains("profile local") && text.contains("measured at the other nodes' subscribers"), "{text}");
    let columns: BTreeSet<_> = text.lines().filter_map(|line| line.find(" dead     n")).collect();
    assert_eq!(columns.len(), 1, "{text}");
}

#[test]
fn the_prompt_does_what_is_typed_and_ends_with_its_input() {
    let script =
        b"wait\nkill 3\nwait\nwhy 3\nmembers\nleader\nrestart 3\nwait\npartition 1,2\nadd\nwait\nheal\nwait\nloss 20\nloss 0\n\
        freeze 2 50ms\nwait\nleave 4\nwait\nhelp";

    let output = type_in(&["--interactive", "--json"], script);
    let lines = lines(&output);
    let summary = lines.last().unwrap();
    assert!(output.status.success(), "{summary:#}");
    assert_eq!(lines.iter().filter(|line| line["event"] == "refused").count(), 0, "{lines:#?}");

    let unmet: Vec<_> = lines.iter().filter(|line| line["met"] == false).collect();
    assert!(unmet.is_empty() && ms(summary, "false_dead") == 0, "{unmet:#?} {summary:#}");
    for key in ["everyone_knows_ms", "restart_ms", "partition_known_ms", "heal_ms", "freeze_ms", "join_ms", "leave_ms"]
    {
        assert!(summary[key].is_u64(), "{key}: {summary:#}");
    }

    let answer = |command: &str| {
        let answer = lines.iter().find(|line| line["event"] == "answer" && line["command"] == command);
        answer.unwrap_or_else(|| panic!("no answer to {command}"))["lines"].to_string()
    };

    assert!(answer("why 3").contains("n3 is Dead") && answer("why 3").contains("accused by n"), "{}", answer("why 3"));
    assert!(answer("leader").contains(" leads in term ") && answer("leader").contains("voters back it"));
    assert!(answer("members").contains("killed") && answer("help").contains("partition 1,2"));
}

#[test]
fn garbage_is_answered_and_changes_nothing() {
    let output = type_in(
        &["--interactive", "--json"],
        b"wait\nkil 3\nkill 9\nkill\n\xff\xfe\x00\x1b[2J\n\n# remark\nrestart 1\nheal\nquit\nkill 1\n",
    );
    let lines = lines(&output);
    assert!(output.status.success());

    let refused: Vec<_> =
        lines.iter().filter_map(|line| line["reason"].as_str().filter(|_| line["event"] == "refused")).collect();
    let hints = [
        "did you mean kill",
        "there are n1-n5",
        "write it like this: kill 3",
        "help lists them",
        "kill 1 first",
        "nothing is cut",
    ];

    assert_eq!(refused.len(), hints.len(), "{refused:#?}");
    assert!(refused.iter().zip(hints).all(|(reason, hint)| reason.contains(hint)), "{refused:#?}");
    assert!(lines.iter().all(|line| line["command"] != "kill 1"), "nothing is done after quit");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for (args, hint) in
        [(&["--nodes", "2"], "needs 3 nodes"), (&["--nodes", "51"], "3 to 50"), (&["--seed", "x"], "--seed x")]
    {
        let output = run(args);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(hint), "{error}");
    }
}
