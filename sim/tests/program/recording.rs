//! A node's recording, gone through by the command line: the same events, and why.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use tidings::member::{Incarnation, Record};
use tidings::recording::{Header, Recorder, Writer};
use tidings::{Config, Event, Generation, Identity, Instant};

use crate::program::{last_json, sim};

/// A node of two whose other one never answers, recorded until it calls it dead; what its application was told.
fn recorded(path: &std::path::Path) -> Vec<String> {
    let at = |port: u16| SocketAddr::from(([10, 0, 0, 1], port));
    let identity = |name: &str, port| Identity::named(name, Generation(7), at(port));
    let start = Instant::from_nanos(5_000_000_000);
    let header = Header::new(Config::lan("recorded"), identity("db-1", 1), 42, start);
    let writer = Writer::new(std::fs::File::create(path).unwrap(), 1 << 20);
    let mut node = Recorder::start(header, Some(writer)).unwrap();

    let (mut told, mut buffer, end) = (Vec::new(), Vec::new(), start + Duration::from_secs(60));
    node.preload(start, &[Record::new(&identity("db-2", 2), Incarnation(0), &[]).unwrap()]);

    while !told.iter().any(|kind| kind == "dead") {
        while node.poll_transmit(&mut buffer).is_some() {}
        while let Some(event) = node.poll_event() {
            told.push(Event::kind(&event).to_owned());
        }
        let next = node.poll_timeout().unwrap();
        assert!(next < end, "never called dead: {told:?}");
        node.handle_timeout(next);
    }

    while node.poll_transmit(&mut buffer).is_some() {}
    while node.poll_event().is_some() {}
    node.finish().unwrap();
    told
}

#[test]
fn a_recording_is_told_and_its_verdicts_explained() {
    let folder = std::env::temp_dir().join(format!("tidings-sim-recording-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("node.recording");
    let told = recorded(&path);
    let file = path.display().to_string();

    let replay = sim(&["replay", &file]);
    assert_eq!(replay.code, Some(0), "{}{}", replay.out, replay.err);
    assert_eq!(replay.out.lines().filter(|line| line.contains("  told     ")).count(), told.len(), "{}", replay.out);
    for words in
        ["db-1 at 10.0.0.1:1", "db-2 suspect", "pings of ours went unanswered", "db-2 dead", "the node stopped"]
    {
        assert!(replay.out.contains(words), "{words:?} is not said: {}", replay.out);
    }
    let json = last_json(&sim(&["replay", &file, "--json"]));
    assert_eq!(json["events"], told.len());
    assert_eq!((&json["violations"], &json["ending"]), (&serde_json::json!([]), &"the node stopped".into()));

    // One bit of what came of a call is another: the check of the entry is noticed before anything is believed.
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let damaged = sim(&["replay", &file]);
    assert!(damaged.out.contains("is damaged"), "{}{}", damaged.out, damaged.err);
    let drawn = sim(&["replay", &file, "--html", "page.html"]);
    assert_eq!(drawn.code, Some(2), "{}", drawn.err);
    std::fs::remove_dir_all(&folder).unwrap();
}
