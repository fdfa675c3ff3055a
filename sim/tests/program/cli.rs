//! The command line as a person types it: what it prints, what it writes, and how it ends.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::program::{self, Ended, PROGRAM, last_json, sim};

/// The words before a command that is printed to be typed.
const PRINTED: &str = "cargo run --release -p tidings-sim -- ";
/// No event of these tests is further away.
const DEADLINE: Duration = Duration::from_secs(120);
/// A sweep that says more than this after Ctrl-C does not mean to end.
const LINES_MAX: usize = 10_000;

/// A crash, and the expectation that no host be dead of it: it fails, with a verdict to explain.
const FAILS: &str = r#"
name = "wishful"
about = "Nobody is ever dead, though somebody crashes."
seed = 11
hosts = 5
for = "60s"
metadata_bytes = 64
[[fault]]
at = "2s"
for = "1s"
what = { loss = { permille = 50 } }
[[fault]]
at = "10s"
what = { crash = { hosts = [2] } }
[[expect]]
never = "dead"
about = [2]
"#;

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}"));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// What a shell does with a line that the program printed, with this build for the program.
fn typed(line: &str, folder: &PathBuf) -> Ended {
    let rest = line.split_once(PRINTED).unwrap_or_else(|| panic!("no command in {line:?}")).1;
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("'{PROGRAM}' {rest}")).current_dir(folder);
    program::ended(&mut shell)
}

fn line<'a>(text: &'a str, begins: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("no line {begins:?} in\n{text}"))
}

#[test]
fn everything_there_is_has_a_sentence() {
    for (command, expected) in
        [("list", ["crash", "partition-heal", "swarm"]), ("checks", ["fold", "silent-p", "expect"])]
    {
        let listed = sim(&[command]);
        assert_eq!(listed.code, Some(0));
        assert!(listed.out.lines().all(|line| line.split_whitespace().count() > 2), "{}", listed.out);
        for name in expected {
            assert!(listed.out.lines().any(|line| line.split_whitespace().next() == Some(name)), "no {name}");
        }
    }
}

#[test]
fn a_run_tells_what_happened_and_ends_with_an_object() {
    let told = sim(&["run", "crash", "--seed", "3"]);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    assert!(told.out.contains("dead:") && told.out.contains("fault    until 40.000000s: crash, "), "{}", told.out);
    assert!(!told.out.contains("sends "), "datagrams are for --verbose");
    assert!(told.out.contains("all promises held"));
    assert!(sim(&["run", "crash", "--seed", "3", "--verbose"]).out.contains("sends "));

    let object = last_json(&sim(&["run", "crash", "--seed", "3", "--json"]));
    for field in ["virtual_s", "wall_s", "happenings", "datagrams"] {
        assert!(object[field].as_f64().unwrap() > 0.0, "{field}: {object}");
    }
    assert_eq!((object["seed"].as_u64(), object["violations"].as_array().unwrap().len()), (Some(3), 0));
    assert_eq!(object["trace_hash"].as_str().unwrap().len(), 16);
    assert!(told.out.contains(object["trace_hash"].as_str().unwrap()), "the same seed, another hash");
}

#[test]
fn hosts_and_span_can_be_others_and_trace_and_page_are_written() {
    let folder = folder("run");
    let (trace, page) = (folder.join("out.jsonl"), folder.join("out.html"));
    let (trace_arg, page_arg) = (trace.display().to_string(), page.display().to_string());
    let args = ["run", "swarm", "--seed", "3", "--for", "150s", "--json", "--trace", &trace_arg, "--html", &page_arg];
    let object = last_json(&sim(&args));
    assert_eq!(object["virtual_s"].as_f64(), Some(150.0));
    let lines = std::fs::read_to_string(trace).unwrap();
    let header: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((header["trace"].as_str(), header["seed"].as_str()), (Some("tidings"), Some("3")));
    assert!(header["replay"].as_str().unwrap().ends_with("run swarm --seed 3 --for 150s"), "{header}");
    assert!(lines.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    assert!(std::fs::read_to_string(page).unwrap().contains("tidingsViewer"));

    let seven = sim(&["run", "swarm", "--seed", "3", "--nodes", "12"]);
    assert!(seven.out.contains("hosts = 12") && seven.out.contains("n11 "), "{}", seven.out);
}

#[test]
fn what_makes_no_sense_is_said_in_words() {
    let folder = folder("nonsense");
    let bad = folder.join("bad.toml");
    std::fs::write(&bad, "name = \"t\"\nhosts = 3\nfor = \"9 apples\"").unwrap();
    let bad = bad.display().to_string();
    let binary = folder.join("recording.bin");
    std::fs::write(&binary, b"tidings\x01\xff\xfe").unwrap();
    let binary = binary.display().to_string();

    for (args, words) in [
        (&["run", "crsh", "--seed", "1"][..], &["no scenario \"crsh\"", "did you mean crash?", "partition-heal"][..]),
        (&["run", "missing.toml"], &["cannot read missing.toml"]),
        (&["run", &bad], &["bad.toml", "9 apples", "is no duration"]),
        (&["run", "crash", "--nodes", "3"], &["crash", "no host"]),
        (&["run", "crash", "--for", "soon"], &["write a span as"]),
        (&["run", "crash", "--trace", "/nowhere/at/all"], &["cannot write /nowhere/at/all"]),
        (&["sweep", "--seeds", "9..3"], &["there is no seed in 9..3"]),
        (&["sweep"], &["--seeds"]),
        (&["sweep", "crash", "--profile", "large", "--seeds", "0..1"], &["--profile is for the swarm"]),
        (&["shrink", "crash"], &["which seed fails? give --seed N"]),
        (&["replay", &bad], &["bad.toml"]),
        (&["replay", &binary], &["recording"]),
        (&["scale", "--nodes", "1"], &["--nodes"]),
        (&["scale", "--nodes", "9", "--for", "5s"], &["--crash-at"]),
    ] {
        let refused = sim(args);
        assert_eq!(refused.code, Some(2), "{args:?}: {}{}", refused.out, refused.err);
        for word in words {
            assert!(refused.err.contains(word), "{args:?} does not say {word:?}: {}", refused.err);
        }
        assert!(!refused.err.contains("panicked") && !refused.err.contains("Error("), "{args:?}: {}", refused.err);
    }
}

#[test]
fn a_scenario_without_a_seed_does_not_replay_and_says_what_to_write() {
    let file = folder("seedless").join("plain.toml");
    std::fs::write(&file, "name = \"t\"\nhosts = 3\nfor = \"20s\"").unwrap();
    let file = file.display().to_string();
    let refused = sim(&["replay", &file]);
    assert!(refused.code == Some(2) && refused.err.contains("write `seed = 7`"), "{}", refused.err);
    assert_eq!(sim(&["replay", &file, "--seed", "7"]).code, Some(0));
    assert_eq!(sim(&["run", &file]).code, Some(0));
}

#[test]
fn a_sweep_comes_to_the_same_with_any_number_of_jobs() {
    let sweep = |jobs: &str| sim(&["sweep", "steady", "--seeds", "0..50", "--json", "--hashes", "--jobs", jobs]);
    let (one, two) = (sweep("1"), sweep("2"));
    assert_eq!((one.code, two.code), (Some(0), Some(0)), "{}{}", one.out, one.err);
    let hashes = |ended: &Ended| -> Vec<String> { ended.out.lines().take(50).map(str::to_owned).collect() };
    assert_eq!(hashes(&one), hashes(&two));
    assert!(hashes(&one)[49].starts_with("49 "), "{:?}", hashes(&one));
    let (one, two) = (last_json(&one), last_json(&two));
    for field in ["trace_hash", "happenings", "datagrams", "virtual_s", "sometimes", "seeds", "seeds_run"] {
        assert_eq!(one[field], two[field], "{field}");
    }
    assert_eq!((one["seeds"].as_str(), one["seeds_run"].as_u64()), (Some("0..50"), Some(50)));
    assert_eq!(one["sometimes"]["told up"].as_u64(), Some(50));
    let other = last_json(&sim(&["sweep", "steady", "--seeds", "1..51", "--json"]));
    assert_ne!(other["trace_hash"], one["trace_hash"]);
}

#[test]
fn a_broken_promise_is_told_with_all_about_it_and_replays() {
    let folder = folder("broken");
    let file = folder.join("my wish.toml");
    std::fs::write(&file, FAILS).unwrap();
    let broken = sim(&["run", &file.display().to_string(), "--json"]);
    assert_eq!(broken.code, Some(1), "{}{}", broken.out, broken.err);
    for words in ["BROKEN   expect at ", "promise  ", "members  ", "seed     11", "why      n", "is Dead (", "crash"] {
        assert!(broken.out.contains(words), "no {words:?} in\n{}", broken.out);
    }
    let object = last_json(&broken);
    assert_eq!(object["violations"][0]["check"].as_str(), Some("expect"));
    assert!(object["violations"][0]["at_s"].as_f64().unwrap() > 10.0);

    let again = typed(line(&broken.out, "replay   "), &folder);
    assert_eq!(again.code, Some(1), "{}{}", again.out, again.err);
    assert_eq!(line(&again.out, "BROKEN"), line(&broken.out, "BROKEN"));
}

#[test]
fn a_sweep_shrinks_the_first_failing_seed_and_what_it_writes_replays() {
    let folder = folder("sweep");
    std::fs::write(folder.join("wish.toml"), FAILS).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["sweep", "wish.toml", "--seeds", "5..9", "--json", "--out", "found"]).current_dir(&folder);
    let swept = program::ended(&mut command);
    assert_eq!(swept.code, Some(1), "{}{}", swept.out, swept.err);
    let failed: Vec<&str> = swept.out.lines().filter(|line| line.starts_with("FAILED")).collect();
    assert_eq!(failed.len(), 4, "{}", swept.out);
    assert!(failed[0].contains("seed 5: expect"), "{failed:?}");
    let object = last_json(&swept);
    assert_eq!((object["seeds_run"].as_u64(), object["seeds_failed"].as_u64()), (Some(4), Some(4)));
    assert_eq!(object["violations"][3]["seed"].as_u64(), Some(8));

    let small = std::fs::read_to_string(folder.join("found/sim-failure-5.toml")).unwrap();
    assert!(small.contains("seed = 5") && small.contains("crash") && !small.contains("loss"), "{small}");
    assert!(small.contains("metadata_bytes = 0"), "{small}");
    let trace = std::fs::read_to_string(folder.join("found/sim-failure-5.jsonl")).unwrap();
    assert!(trace.lines().any(|line| line.contains("\"violation\"")), "no violation in the trace");
    for command in ["replay   ", "unshrunk "] {
        let again = typed(line(&swept.out, command), &folder);
        assert_eq!(again.code, Some(1), "{command}: {}{}", again.out, again.err);
        assert!(again.out.contains("BROKEN   expect at "), "{}", again.out);
    }
}

#[test]
fn a_sweep_ends_at_the_first_failure_when_asked_to() {
    let folder = folder("fail-fast");
    std::fs::write(folder.join("wish.toml"), FAILS).unwrap();
    let mut command = Command::new(PROGRAM);
    let args = ["sweep", "wish.toml", "--seeds", "5..900", "--json", "--fail-fast", "--no-shrink", "--out", "."];
    command.args(args).current_dir(&folder);
    let swept = program::ended(&mut command);
    let object = last_json(&swept);
    assert_eq!((swept.code, object["seeds_run"].as_u64()), (Some(1), Some(1)), "{}", swept.out);
    let whole = std::fs::read_to_string(folder.join("sim-failure-5.toml")).unwrap();
    assert!(whole.contains("hosts = 5") && whole.contains("loss"), "it was to be left as large as it is: {whole}");
}

#[test]
fn a_seed_that_does_not_end_is_a_failure() {
    let folder = folder("endless").display().to_string();
    let args = ["sweep", "steady", "--seeds", "0..3", "--happenings-max", "100", "--no-shrink", "--out", &folder];
    let swept = sim(&args);
    assert_eq!(swept.code, Some(1), "{}{}", swept.out, swept.err);
    assert!(swept.out.contains("FAILED   seed 2: ends at "), "{}", swept.out);
    let again = typed(line(&swept.out, "replay   "), &folder.into());
    assert!(again.code == Some(1) && again.out.contains("BROKEN   ends at "), "{}{}", again.out, again.err);
}

#[test]
fn shrink_writes_the_least_that_fails_and_says_when_nothing_does() {
    let folder = folder("shrink");
    let (big, small) = (folder.join("big.toml"), folder.join("small.toml"));
    std::fs::write(&big, FAILS).unwrap();
    let (big, small) = (big.display().to_string(), small.display().to_string());
    let shrunk = sim(&["shrink", &big, "--runs", "500", "--out", &small]);
    assert_eq!(shrunk.code, Some(1), "{}{}", shrunk.out, shrunk.err);
    let again = sim(&["replay", &small]);
    assert_eq!(again.code, Some(1), "{}{}", again.out, again.err);
    assert_eq!(line(&again.out, "BROKEN"), line(&shrunk.out, "BROKEN"));
    let left = std::fs::read_to_string(&small).unwrap();
    assert!(left.contains("seed = 11") && left.contains("crash") && !left.contains("loss"), "{left}");

    let fine = sim(&["shrink", "steady", "--seed", "1"]);
    assert!(fine.code == Some(0) && fine.out.contains("nothing to shrink"), "{}", fine.out);
}

#[test]
fn scale_says_when_the_first_and_when_all_know_of_a_crash() {
    let object = last_json(&sim(&["scale", "--nodes", "50", "--for", "30s", "--json"]));
    let (first, all) = (object["first_dead_s"].as_f64().unwrap(), object["all_dead_s"].as_f64().unwrap());
    assert!(3.0 < first && first <= all && all < 15.0, "{object}");
    assert_eq!((object["have_it_dead"].as_u64(), object["virtual_s"].as_f64()), (Some(49), Some(30.0)));
    for field in ["happenings", "datagrams_per_node_s", "bytes_per_node_s", "set_up_wall_s"] {
        assert!(object[field].as_f64().unwrap() > 0.0, "{field}: {object}");
    }
    let soon = sim(&["scale", "--nodes", "50", "--for", "11s"]);
    assert!(soon.code == Some(1) && soon.out.contains("0 of 49 have it Dead"), "{}", soon.out);
    let soon = last_json(&sim(&["scale", "--nodes", "50", "--for", "11s", "--json"]));
    assert_eq!(soon["violations"][0]["check"].as_str(), Some("detects"), "{soon}");

    let joined = sim(&["scale", "--nodes", "50", "--for", "60s", "--join", "--json"]);
    assert_eq!(joined.code, Some(0), "{}", joined.out);
    assert!(last_json(&joined)["all_joined_s"].as_f64().unwrap() < 60.0);
}

#[test]
fn ctrl_c_ends_a_sweep_with_the_command_that_goes_on() {
    let mut command = Command::new(PROGRAM);
    command.args(["sweep", "steady", "--seeds", "7..4000000000", "--jobs", "2", "--hashes"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = mpsc::channel();
    let reader = thread::spawn(move || stdout.lines().for_each(|line| sender.send(line.unwrap()).unwrap()));

    let mut seen: Vec<String> = (0..3).map(|_| lines.recv_timeout(DEADLINE).unwrap()).collect();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());

    loop {
        match lines.recv_timeout(DEADLINE) {
            Ok(line) if seen.len() < LINES_MAX => seen.push(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            _ => {
                child.kill().unwrap();
                panic!("it goes on as if nobody had asked for an end");
            }
        }
    }

    reader.join().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{seen:#?}");

    let hash = |line: &String| line.split_once(' ').filter(|(_, hash)| hash.len() == 16)?.0.parse::<u64>().ok();
    let last = seen.iter().filter_map(hash).next_back().unwrap();
    let go_on = seen.last().unwrap();
    let next = last + 1;
    let expected = format!("{PRINTED}sweep steady --seeds {next}..4000000000 --jobs 2 --hashes");
    assert_eq!(go_on.trim(), expected, "{seen:#?}");
}
