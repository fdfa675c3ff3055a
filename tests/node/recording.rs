//! Recordings of real nodes: their replay tells what the node told, and nothing about a recording disturbs the node.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant as Clock};

use tidings::config::ElectionConfig;
use tidings::election::MemoryStore;
use tidings::event::Event;
use tidings::member::{NodeId, State};
use tidings::protocol::Reach;
use tidings::recording::{Ending, ReadError, Reader, Replay, ReplayError, Summary, What, replay};
use tidings::runtime::{Faults, Node, NodeMetrics, Notice, Stopped};
use tidings::why::Why;

use crate::support::{block_on, drain, is, node, read_until, start, state, until};

const PLENTY: u64 = 1 << 30;

/// A file of the test's own, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Scratch(directory)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A whole recording: everything told, and how it ended.
fn replayed(path: &Path) -> Result<(Vec<Event>, Summary), ReplayError> {
    let mut told = Vec::new();
    let summary = replay(fs::File::open(path).unwrap(), |_, event, _| told.push(event.clone()))?;
    Ok((told, summary))
}

/// What a subscriber read is what the replay tells, event by event: an event's number is its place.
fn assert_told(read: &[Notice], told: &[Event]) {
    let exact: Vec<_> = read.iter().skip_while(|notice| notice.number == read[0].number).collect();
    let first = exact[0].number as usize - 1;
    assert!(read.iter().all(|notice| !notice.coalesced));
    assert_eq!(exact.iter().map(|notice| &notice.event).collect::<Vec<_>>(), told[first..].iter().collect::<Vec<_>>());
}

/// Why a member is dead, by the replay of another's recording.
fn why_replayed(path: &Path, id: NodeId) -> Why {
    let mut why = None;
    replay(fs::File::open(path).unwrap(), |_, event, protocol| {
        if matches!(event, Event::Dead { member, .. } if member.id() == id) {
            why = protocol.why(id);
        }
    })
    .unwrap();
    why.unwrap()
}

/// Asks for the metrics until they are as wanted; each question is a turn of the node.
fn metrics_until(node: &Node, wanted: impl Fn(&NodeMetrics) -> bool) -> NodeMetrics {
    let deadline = Clock::now() + Duration::from_secs(30);
    loop {
        let metrics = block_on(node.metrics());
        if wanted(&metrics) {
            return metrics;
        }
        assert!(Clock::now() < deadline, "{metrics:?}");
    }
}

#[test]
fn a_replay_tells_what_the_node_told_and_why() {
    let scratch = Scratch::new("replay");
    let (first, second) = (scratch.file("n1"), scratch.file("n2"));
    let faults = Faults::new(1);
    let n1 = start(node("n1").record(&first, PLENTY).faults(faults.clone()).metadata("zone=a"));
    let mut events = n1.events();
    let n2 = start(node("n2").record(&second, PLENTY).contacts([n1.local_address()]));
    let mut events_2 = n2.events();
    let n3 = start(node("n3").contacts([n1.local_address()]));
    for node in [&n1, &n2, &n3] {
        until(node, |view| view.alive().count() == 3);
    }
    block_on(n1.set_metadata("zone=b")).unwrap();
    assert!(block_on(n1.set_metadata(vec![0; 513])).is_err());

    // It does not run until it is suspected, then refutes: its own row changes.
    faults.freeze();
    until(&n2, |view| state(view, "n1") != Some(State::Alive));
    faults.thaw();
    until(&n1, |view| view.me().unwrap().incarnation().0 >= 2);
    until(&n2, |view| state(view, "n1") == Some(State::Alive));

    let gone = n3.id();
    drop(n3);
    let mut read = read_until(&mut events, "dead", "n3");
    let why = block_on(n1.why("n3")).unwrap();
    until(&n2, |view| state(view, "n3") == Some(State::Dead));
    let why_2 = block_on(n2.why("n3")).unwrap();
    block_on(n1.forget("n3")).unwrap();
    block_on(n1.leave()).unwrap();
    read.extend(drain(&mut events));
    block_on(n2.leave()).unwrap();

    let (told, summary) = replayed(&first).unwrap();
    assert_told(&read, &told);
    assert_eq!(summary.ending, Ending::Stopped);
    assert!(read.iter().any(|notice| is(notice, "self_stalled", "")), "it was frozen");
    let own = |event: &&Event| matches!(event, Event::Updated(member) if member.name() == "n1");
    assert!(told.iter().filter(own).count() >= 2, "the metadata, and the refutation: {told:?}");
    assert_eq!(why_replayed(&first, gone), Why { wall_origin_ms: None, ..why }, "a replay has no wall clock");

    let (told, summary) = replayed(&second).unwrap();
    assert_told(&drain(&mut events_2), &told);
    assert_eq!(summary.ending, Ending::Stopped);
    assert_eq!(why_replayed(&second, gone), Why { wall_origin_ms: None, ..why_2 });
}

#[test]
fn a_file_cut_off_anywhere_replays_up_to_there() {
    let scratch = Scratch::new("cut");
    let path = scratch.file("n1");
    let n1 = start(node("n1").record(&path, PLENTY));
    let n2 = start(node("n2").contacts([n1.local_address()]));
    until(&n1, |view| view.alive().count() == 2);
    drop(n2);
    until(&n1, |view| state(view, "n2") == Some(State::Dead));
    let stopped = n1.stopped();
    drop(n1);
    assert_eq!(block_on(stopped), Stopped::Dropped);

    let (whole, _) = replayed(&path).unwrap();
    assert_eq!(whole.last().unwrap().kind(), "dead");
    let bytes = fs::read(&path).unwrap();
    let mut longest = 0;
    for length in (0..bytes.len()).step_by(37) {
        let mut told = Vec::new();
        match replay(&bytes[..length], |_, event, _| told.push(event.clone())) {
            Ok(summary) => assert!(matches!(summary.ending, Ending::CutOff { .. }), "{summary:?}"),
            Err(error) => assert!(matches!(error, ReplayError::Read(ReadError::CutOff)), "{error}"),
        }
        assert!(whole.starts_with(&told));
        longest = longest.max(told.len());
    }
    assert_eq!(longest, whole.len());
}

#[test]
fn a_process_that_is_killed_leaves_all_but_its_last_moments() {
    let scratch = Scratch::new("killed");
    let path = scratch.file("n1");
    let n1 = start(node("n1").record(&path, PLENTY));
    let _n2 = start(node("n2").contacts([n1.local_address()]));
    until(&n1, |view| view.alive().count() == 2);

    // The node runs on: what is read here is what a kill would leave.
    let deadline = Clock::now() + Duration::from_secs(30);
    let ending = loop {
        let left = replayed(&path);
        match left {
            Ok((told, summary)) if told.iter().any(|event| event.member().is_some_and(|m| m.name() == "n2")) => {
                break summary.ending;
            }
            Ok(_) | Err(ReplayError::Read(ReadError::CutOff)) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(Clock::now() < deadline, "nothing was written while the node ran");
        block_on(n1.metrics());
    };

    assert!(matches!(ending, Ending::CutOff { .. }), "{ending:?}");
}

#[test]
fn a_bound_that_is_reached_ends_the_recording_and_not_the_node() {
    let scratch = Scratch::new("bound");
    for bytes_max in [0, 300, 2_000] {
        let path = scratch.file(&bytes_max.to_string());
        let n1 = start(node("n1").record(&path, bytes_max));
        let n2 = start(node("n2").contacts([n1.local_address()]));

        let metrics = metrics_until(&n1, |metrics| metrics.recordings_ended > 0);
        assert!(metrics.recorded_bytes <= bytes_max);
        until(&n1, |view| view.alive().count() == 2);

        drop(n2);
        until(&n1, |view| state(view, "n2") == Some(State::Dead));
        assert_eq!(block_on(n1.metrics()).recordings_ended, 1, "told once");
        block_on(n1.leave()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), metrics.recorded_bytes);

        match replayed(&path) {
            Ok((told, summary)) => assert!(summary.ending == Ending::BytesMax && !told.is_empty(), "{summary:?}"),
            Err(error) => {
                assert!(bytes_max < 2_000 && matches!(error, ReplayError::Read(ReadError::CutOff)), "{error}")
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_recording_and_not_the_node() {
    let full = Path::new("/dev/full");
    assert!(full.exists(), "Linux has it");
    let n1 = start(node("n1").record(full, PLENTY));
    let n2 = start(node("n2").contacts([n1.local_address()]));
    metrics_until(&n1, |metrics| metrics.recordings_ended > 0);
    until(&n1, |view| view.alive().count() == 2);
    drop(n2);
    until(&n1, |view| state(view, "n2") == Some(State::Dead));
    assert_eq!(block_on(n1.metrics()).recordings_ended, 1, "told once");
    assert!(full.exists(), "what is no plain file is not moved out of the way");
}

#[test]
fn the_recording_of_the_last_start_is_kept() {
    let scratch = Scratch::new("old");
    let path = scratch.file("n1");
    for generation in 1..=3 {
        let n1 = start(node("n1").generation(tidings::Generation(generation)).record(&path, PLENTY));
        let stopped = n1.stopped();
        drop(n1);
        block_on(stopped);
    }
    let generation = |name: &str| {
        let reader = Reader::new(fs::File::open(scratch.file(name)).unwrap()).unwrap();
        reader.header().identity.generation.0
    };
    assert_eq!((generation("n1"), generation("n1.old")), (3, 2));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "it holds the seed");
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_told_at_the_start() {
    let scratch = Scratch::new("refused");
    let error = block_on(node("n1").record(scratch.file("no/such/place"), PLENTY).start()).unwrap_err().to_string();
    assert!(error.contains("no/such/place") && error.contains("may write to"), "{error}");
}

#[test]
fn a_leader_is_replayed_with_its_term() {
    let scratch = Scratch::new("led");
    let path = scratch.file("n1");
    let election = ElectionConfig::lan("default", ["n1", "n2", "n3"]).stands_always();
    let voter = |name| node(name).election(election.clone()).term_store(MemoryStore);
    let n1 = start(voter("n1").record(&path, PLENTY));
    let mut events = n1.events();
    let n2 = start(voter("n2").contacts([n1.local_address()]));
    let n3 = start(voter("n3").contacts([n1.local_address()]));

    // Whichever voter leads first, this one is made to lead, and then it resigns.
    let led = std::thread::scope(|scope| {
        let asked = scope.spawn(|| block_on(n1.candidate("default").unwrap().elected()).unwrap().term());
        while !asked.is_finished() {
            for node in [&n2, &n3] {
                let _ = block_on(node.resign_to("default", "n1"));
            }
        }
        asked.join().unwrap()
    });
    let _ = block_on(n1.resign("default"));
    block_on(n1.leave()).unwrap();

    let read = drain(&mut events);
    let (told, summary) = replayed(&path).unwrap();
    assert_told(&read, &told);
    assert_eq!(summary.ending, Ending::Stopped);
    let own =
        |event: &&Event| matches!(event, Event::Leader { leader, .. } if leader.id == n1.id() && leader.term == led);
    assert_eq!(told.iter().filter(own).count(), 1, "{told:?}");

    let mut kinds = Vec::new();
    let reader = Reader::new(fs::File::open(&path).unwrap()).unwrap();
    let mut replay = Replay::new(reader).unwrap();
    while let Some(turn) = replay.turn().unwrap() {
        kinds.extend(turn.inputs.into_iter().map(|input| match input.what {
            What::StartVoting { .. } => "stand",
            What::Saved { .. } => "saved",
            What::Resign { .. } => "resign",
            _ => "other",
        }));
    }

    assert!(["stand", "saved", "resign"].iter().all(|kind| kinds.contains(kind)));
    assert_eq!(replay.protocol().metrics().elections.terms_won, 1);
}

#[test]
fn a_node_that_starts_warm_is_replayed_warm() {
    let scratch = Scratch::new("warm");
    let path = scratch.file("n2");
    let n1 = start(node("n1"));
    let record = n1.view().me().unwrap().record().clone();
    let n2 = start(node("n2").preload(vec![record]).record(&path, PLENTY));
    until(&n1, |view| view.alive().count() == 2);
    block_on(n2.leave()).unwrap();
    let reader = Reader::new(fs::File::open(&path).unwrap()).unwrap();
    let mut replay = Replay::new(reader).unwrap();
    let first = replay.turn().unwrap().unwrap();
    let begins = [&first.inputs[0].what, &first.inputs[1].what];
    assert!(matches!(begins, [What::Reach(Reach::V4), What::Preload(_)]), "{:?}", first.inputs);
    assert_eq!(first.events.len(), 2, "itself and n1");
    while replay.turn().unwrap().is_some() {}
    assert_eq!(replay.reader().ending(), Some(Ending::Stopped));
}
