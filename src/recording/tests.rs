//! Recordings made in memory: what is written is read, replays arrive, and nothing that is read can do harm.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::writer::{HEAD_BYTES, check, kind};
use super::*;
use crate::config::ElectionConfig;
use crate::election::{Ballot, SaveOutcome, VoterState};
use crate::event::Event;
use crate::leader::Term;
use crate::protocol::Protocol;

type Recorded = Recorder<Vec<u8>>;

fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n as u8], 7_340))
}

fn header(n: usize) -> Header {
    let identity = Identity::named(&format!("n{n}"), Generation(1_000), address(n));
    Header::new(Config::local("c"), identity, 7 + n as u64, Instant::ORIGIN)
}

/// Three recorded protocols over a network that loses nothing and takes no time; the last one falls silent.
struct Trio {
    now: Instant,
    hosts: Vec<Recorded>,
    told: Vec<Vec<(Instant, Event)>>,
    silent: Option<usize>,
}

impl Trio {
    fn new(bytes_max: u64) -> Self {
        let start = |n| Recorded::start(header(n), Some(Writer::new(Vec::new(), bytes_max))).unwrap();
        let mut trio =
            Trio { now: Instant::ORIGIN, hosts: (0..3).map(start).collect(), told: vec![vec![]; 3], silent: None };
        for n in 0..3 {
            trio.hosts[n].join(trio.now, &[address(0)]);
            trio.drain(n);
        }
        trio
    }

    fn drain(&mut self, n: usize) {
        let mut buf = Vec::new();
        let mut sent = Vec::new();
        while let Some(transmit) = self.hosts[n].poll_transmit(&mut buf) {
            sent.push((transmit.to, buf.clone()));
        }
        while let Some(event) = self.hosts[n].poll_event() {
            self.told[n].push((self.now, event));
        }
        for (to, mut bytes) in sent {
            let receiver = (0..3).find(|m| address(*m) == to && *m != n && Some(*m) != self.silent);
            if let Some(m) = receiver.filter(|_| Some(n) != self.silent) {
                let _ = self.hosts[m].handle_datagram(self.now, address(n), &mut bytes);
                self.drain(m);
            }
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let due =
                (0..3).filter(|n| Some(*n) != self.silent).filter_map(|n| Some((self.hosts[n].poll_timeout()?, n)));
            let Some((at, n)) = due.min().filter(|(at, _)| *at <= end) else { break };
            self.now = self.now.max(at);
            self.hosts[n].handle_timeout(self.now);
            self.drain(n);
        }
        self.now = end;
    }
}

/// What the first of three told, and its recording: a metadata change, a death, a forgotten member, a leave.
fn lived() -> (Vec<(Instant, Event)>, Vec<u8>) {
    let mut trio = Trio::new(u64::MAX);
    trio.run(Duration::from_secs(3));
    trio.hosts[0].set_metadata(trio.now, b"zone=a").unwrap();
    trio.drain(0);
    assert!(trio.hosts[0].set_metadata(trio.now, &[0; 600]).is_err());
    trio.silent = Some(2);
    trio.run(Duration::from_secs(6));
    let now = trio.now;
    trio.hosts[0].forget(now, NodeId::from_name("n2")).unwrap();
    trio.drain(0);
    trio.hosts[0].leave(now);
    trio.drain(0);
    let bytes = trio.hosts[0].finish().unwrap();
    assert_eq!(bytes.len() as u64, trio.hosts[0].recorded_bytes());
    (trio.told.swap_remove(0), bytes)
}

#[test]
fn a_replay_tells_what_was_told_when_it_was_told() {
    let (told, bytes) = lived();
    let mut replayed = Vec::new();
    let summary = replay(&*bytes, |at, event, _| replayed.push((at, event.clone()))).unwrap();
    assert_eq!(replayed, told);
    assert_eq!(summary.ending, Ending::Stopped);
    let kinds: Vec<_> = told.iter().map(|(_, event)| event.kind()).collect();
    assert!(["up", "updated", "suspect", "dead", "left"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
}

#[test]
fn what_is_written_is_read() {
    let mut written = Header::new(Config::wan("orders"), header(1).identity, 99, Instant::from_nanos(5));
    written.identity.metadata = vec![1, 2, 3];
    written.identity.advertise = crate::member::Advertise::AsGiven;
    written.release = "0.0.9".to_owned();
    let record = Record::new(&written.identity, Incarnation(4), &[8, 1, 9]).unwrap();
    let vote = Some(NodeId::from_name("x"));
    let ballot = Ballot { term: Term(5), vote, promise: Duration::from_millis(510), voters: None, owner: None };
    let v6 = "[fe80::1%7]:9".parse::<SocketAddr>().unwrap();
    let calls = [
        What::Datagram { from: v6, bytes: vec![1, 2].into() },
        What::Timeout,
        What::Join(vec![address(1), v6].into()),
        What::Preload(vec![record].into()),
        What::SetMetadata(vec![5].into()),
        What::Forget(NodeId::from_name("x")),
        What::Leave,
        What::StartVoting {
            election: "e".into(),
            voter_state: VoterState { ballot: None, is_durable: false, unix_ms: 7 },
        },
        What::StartVoting {
            election: "e".into(),
            voter_state: VoterState { ballot: Some(ballot.clone()), is_durable: true, unix_ms: 0 },
        },
        What::StartVoting {
            election: "e".into(),
            voter_state: VoterState { ballot: Some(Ballot { vote: None, ..ballot }), is_durable: true, unix_ms: 0 },
        },
        What::Saved { election: "e".into(), number: 3, outcome: SaveOutcome::Done },
        What::Saved { election: "e".into(), number: 4, outcome: SaveOutcome::Failed },
        What::Reach(Reach::V4),
        What::Reach(Reach::V6),
        What::Reach(Reach::Both),
        What::SetCandidacy { election: "e".into(), candidacy: None },
        What::SetCandidacy { election: "e".into(), candidacy: Some(255) },
        What::SetWallClock(9),
        What::SetWord { election: "e".into(), word: vec![1, 2].into() },
        What::Resign { election: "e".into(), to: None },
        What::Resign { election: "e".into(), to: Some(NodeId::from_name("x")) },
    ];
    let told = |kind: &'static str, member| Told { kind: kind.into(), member };
    let member = Some((NodeId::from_name("x"), Generation(3), Incarnation(1)));
    let drained = Drained { hash: 6, transmits: 2, events: vec![told("dead", member), told("reconnected", None)] };
    let mut entries: Vec<Entry> =
        calls.into_iter().map(|what| Entry::Input(Input { at: Instant::from_nanos(8), what })).collect();
    entries.push(Entry::Drained(drained));

    let mut writer = Writer::new(Vec::new(), u64::MAX);
    writer.start(&written).unwrap();
    for entry in &entries {
        match entry {
            Entry::Input(input) => writer.input(input).unwrap(),
            Entry::Drained(drained) => writer.drained(drained).unwrap(),
        }
    }
    writer.stopped().unwrap();
    let bytes = writer.into_inner();
    let mut reader = Reader::new(&*bytes).unwrap();
    assert_eq!(*reader.header(), written);
    assert_eq!(reader.by_ref().collect::<Vec<_>>(), entries);
    assert_eq!(reader.ending(), Some(Ending::Stopped));
}

/// A voter alone: it is a candidate, its first save fails, it leads, resigns, and leads again.
fn led() -> (Vec<Event>, Vec<u8>) {
    let mut header = header(0);
    header.config.elections = vec![ElectionConfig::lan("default", ["n0"])];
    let mut recorder = Recorded::start(header, Some(Writer::new(Vec::new(), u64::MAX))).unwrap();
    let (mut told, mut buf, mut saves) = (Vec::new(), Vec::new(), 0);
    let voter_state = VoterState { ballot: None, is_durable: true, unix_ms: 1_000 };
    recorder.start_voting(Instant::ORIGIN, "default", voter_state.clone()).unwrap();
    assert!(recorder.start_voting(Instant::ORIGIN, "other", voter_state).is_err());
    recorder.set_candidacy(Instant::ORIGIN, "default", Some(3)).unwrap();
    assert!(recorder.set_candidacy(Instant::ORIGIN, "other", None).is_err());
    recorder.set_word(Instant::ORIGIN, "default", b"here").unwrap();
    assert!(recorder.set_word(Instant::ORIGIN, "default", &[0; 257]).is_err());
    for ms in 0..4_000 {
        let now = Instant::from_nanos(ms * 1_000_000);
        if recorder.poll_timeout().is_some_and(|due| due <= now) {
            recorder.handle_timeout(now);
        }
        if ms == 2_000 {
            assert!(recorder.lease(now, "default").is_some());
            assert!(recorder.resign(now, "default", Some(NodeId::from_name("x"))).is_err());
            recorder.resign(now, "default", None).unwrap();
        }
        while recorder.poll_transmit(&mut buf).is_some() {}
        told.extend(std::iter::from_fn(|| recorder.poll_event()));
        while let Some(save) = recorder.poll_save() {
            saves += 1;
            let outcome = if saves == 1 { SaveOutcome::Failed } else { SaveOutcome::Done };
            recorder.handle_saved(now, &save.election, save.save.number, outcome);
            while recorder.poll_transmit(&mut buf).is_some() {}
            told.extend(std::iter::from_fn(|| recorder.poll_event()));
        }
    }
    assert!(saves >= 3, "{saves}");
    (told, recorder.finish().unwrap())
}

#[test]
fn a_voter_is_replayed_with_its_ballots() {
    let (told, bytes) = led();
    let terms: Vec<_> = told
        .iter()
        .filter_map(|event| if let Event::Leader { leader, .. } = event { Some(leader.term) } else { None })
        .collect();
    assert!(terms.len() == 2 && terms[0] < terms[1], "{told:?}");
    let mut replayed = Vec::new();
    replay(&*bytes, |_, event, _| replayed.push(event.clone())).unwrap();
    assert_eq!(replayed, told);
    let (signature, bodies) = bodies(&bytes);
    for changed in [kind::STAND, kind::SAVED, kind::RESIGN] {
        let mut bodies = bodies.clone();
        let place = bodies.iter().position(|body| body[0] == changed).unwrap();
        // The store held nothing, or a failure was none, or it was another election's.
        match changed {
            kind::STAND => *bodies[place].last_mut().unwrap() ^= 1,
            kind::SAVED => *bodies[place].last_mut().unwrap() ^= 1,
            _ => bodies[place][13] ^= 1,
        }
        let error = replay(&*sealed(signature, &bodies), |_, _, _| {}).unwrap_err();
        assert!(matches!(error, ReplayError::Diverged(_)), "{changed}: {error}");
    }
}

#[test]
fn a_recording_that_is_cut_off_anywhere_replays_up_to_there() {
    let (told, bytes) = lived();
    let header_end = Reader::new(&*bytes).unwrap().bytes_read() as usize;
    for length in (0..bytes.len()).filter(|length| *length < 700 || length % 13 == 0) {
        let mut replayed = Vec::new();
        let result = replay(&bytes[..length], |at, event, _| replayed.push((at, event.clone())));
        match result {
            Ok(summary) => assert!(matches!(summary.ending, Ending::CutOff { at_byte } if at_byte <= length as u64)),
            Err(ReplayError::Read(ReadError::CutOff)) => assert!(length < header_end, "{length}"),
            Err(other) => panic!("cut off after {length} bytes: {other}"),
        }
        assert!(told.starts_with(&replayed), "cut off after {length} bytes");
    }
}

#[test]
fn a_flipped_bit_is_damage_and_never_another_story() {
    let (told, bytes) = lived();
    for place in (0..bytes.len()).step_by(11) {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1 << (place % 8);
        let mut replayed = Vec::new();
        match replay(&*bytes, |at, event, _| replayed.push((at, event.clone()))) {
            Ok(summary) => assert!(matches!(summary.ending, Ending::Damaged { .. } | Ending::CutOff { .. }), "{place}"),
            Err(ReplayError::Read(_)) => {}
            Err(other) => panic!("byte {place}: {other}"),
        }
        assert!(told.starts_with(&replayed), "byte {place}");
    }
}

/// The recording's entries, each as its body, after the header.
fn bodies(bytes: &[u8]) -> (&[u8], Vec<Vec<u8>>) {
    let (mut rest, mut bodies) = (&bytes[8..], Vec::new());
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        bodies.push(rest[HEAD_BYTES..HEAD_BYTES + length].to_vec());
        rest = &rest[HEAD_BYTES + length..];
    }
    (&bytes[..8], bodies)
}

/// A recording of these bodies with checks that fit, as only a liar writes it.
fn sealed(signature: &[u8], bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = signature.to_vec();
    for (number, body) in bodies.iter().enumerate() {
        bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&check(number as u64, body).to_le_bytes());
        bytes.extend_from_slice(body);
    }
    bytes
}

#[test]
fn a_changed_input_is_a_divergence_that_names_the_turn() {
    let (_, bytes) = lived();
    let (signature, mut bodies) = bodies(&bytes);
    let silence = bodies.iter().position(|body| body[0] == kind::SET_METADATA).unwrap();
    let changed = (silence..bodies.len()).find(|n| bodies[*n][0] == kind::TIMEOUT).unwrap();
    bodies[changed][1 + 3] ^= 1; // 16 ms
    let error = replay(&*sealed(signature, &bodies), |_, _, _| {}).unwrap_err();
    let ReplayError::Diverged(divergence) = error else { panic!("{error}") };
    let turns_before = bodies[..changed].iter().filter(|body| body[0] == kind::DRAINED).count();
    assert_eq!(divergence.turn, turns_before as u64);
    assert_eq!(divergence.inputs.last().unwrap().what, What::Timeout);
    assert!(divergence.to_string().contains("(timeout)"), "{divergence}");
}

#[test]
fn a_missing_call_is_damage_to_the_reader_and_a_divergence_to_the_replay() {
    let (_, bytes) = lived();
    let (signature, mut bodies) = bodies(&bytes);
    let dropped = bodies.iter().position(|body| body[0] == kind::DATAGRAM).unwrap();
    let body = bodies.remove(dropped);
    assert!(matches!(replay(&*sealed(signature, &bodies), |_, _, _| {}), Err(ReplayError::Diverged(_))));
    let mut unsealed = bytes.clone();
    let at = bytes.windows(body.len()).position(|window| window == body).unwrap() - HEAD_BYTES;
    unsealed.drain(at..at + HEAD_BYTES + body.len());
    assert!(matches!(replay(&*unsealed, |_, _, _| {}).unwrap().ending, Ending::Damaged { .. }));
}

#[test]
fn a_moment_at_the_end_of_time_is_damage() {
    let (_, bytes) = lived();
    let (signature, bodies) = bodies(&bytes);
    let last = bodies.iter().rposition(|body| body[0] == kind::TIMEOUT).unwrap();
    for (nanos, is_taken) in [(u64::MAX, false), (1 << 62, false), ((1 << 62) - 1, true)] {
        let mut bodies = bodies.clone();
        bodies[last][1..9].copy_from_slice(&u64::to_le_bytes(nanos));
        let result = replay(&*sealed(signature, &bodies), |_, _, _| {});
        match result {
            Ok(summary) => assert!(!is_taken && matches!(summary.ending, Ending::Damaged { .. }), "{summary:?}"),
            Err(error) => assert!(is_taken && matches!(error, ReplayError::Diverged(_)), "{error}"),
        }
    }
}

#[test]
fn the_bound_is_never_passed_and_what_is_there_can_be_replayed() {
    let (told, bytes) = lived();
    for bytes_max in [0, 8, 100, 700, 2_000, 20_000, bytes.len() as u64 - 1, bytes.len() as u64] {
        let mut sink = Vec::new();
        let mut writer = Writer::new(&mut sink, bytes_max);
        let mut reader = Reader::new(&*bytes).unwrap();
        let mut ended = writer.start(reader.header());
        while let (Ok(()), Some(entry)) = (&ended, reader.next()) {
            ended = match &entry {
                Entry::Input(input) => writer.input(input),
                Entry::Drained(drained) => writer.drained(drained),
            };
        }
        assert!(sink.len() as u64 <= bytes_max);
        let mut replayed = Vec::new();
        match replay(&*sink, |at, event, _| replayed.push((at, event.clone()))) {
            Ok(summary) if bytes_max < bytes.len() as u64 => assert_eq!(summary.ending, Ending::BytesMax),
            Ok(summary) => assert!(matches!(summary.ending, Ending::CutOff { .. }), "the last word was not written"),
            Err(error) => assert!(matches!(error, ReplayError::Read(ReadError::CutOff)) && sink.is_empty(), "{error}"),
        }
        assert!(told.starts_with(&replayed) && (bytes_max < 20_000 || !replayed.is_empty()));
    }
}

#[test]
fn a_writer_that_fails_ends_the_recording_and_nothing_else() {
    struct Tiny(usize);
    impl io::Write for Tiny {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let plain = |n| Recorder::<Tiny>::start(header(n), None).unwrap();
    let mut unrecorded = plain(0);
    let mut recorded = Recorder::start(header(0), Some(Writer::new(Tiny(1_000), u64::MAX))).unwrap();
    assert!(recorded.is_recording() && !unrecorded.is_recording());
    let mut failures = 0;
    let mut buf = Vec::new();
    for ms in 0..5_000 {
        let now = Instant::from_nanos(ms * 1_000_000);
        for recorder in [&mut unrecorded, &mut recorded] {
            recorder.handle_timeout(now);
            while recorder.poll_transmit(&mut buf).is_some() {}
            while recorder.poll_event().is_some() {}
        }
        failures += usize::from(recorded.take_failure().is_some());
    }
    assert_eq!((failures, recorded.is_recording()), (1, false));
    assert!(recorded.finish().is_none() && recorded.recorded_bytes() > 500);
    assert_eq!(recorded.metrics(), unrecorded.metrics());
}

#[test]
fn other_files_are_refused_in_words() {
    for (bytes, word) in
        [(&b"#!/bin/sh\nexit"[..], "no recording"), (b"", "before it has begun"), (b"tidings\x07", "format 7")]
    {
        let error = Reader::new(bytes).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_is_read_to_its_end(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut after_signature = b"tidings\x01".to_vec();
        after_signature.extend_from_slice(&bytes);
        for bytes in [&bytes, &after_signature] {
            let _ = replay(&**bytes, |_, _, _| {});
        }
    }

    /// Changes behind checks that fit: every field is reached, at times that leap and go back.
    #[test]
    fn a_lying_recording_is_read_to_its_end(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..20),
        of_voter: bool,
    ) {
        let bytes = if of_voter { led().1 } else { short().1 };
        let (signature, mut bodies) = bodies(&bytes);
        for (entry, place, value) in changes {
            let body = entry.get_mut(&mut bodies);
            let place = place.index(body.len());
            body[place] = value;
        }
        let bytes = sealed(signature, &bodies);
        let mut reader = Reader::new(&*bytes);
        if let Ok(reader) = &mut reader {
            prop_assert!(reader.by_ref().count() <= bodies.len());
        }
        // Without the outcomes nothing stops the replay early.
        bodies.retain(|body| body[0] != kind::DRAINED);
        let _ = replay(&*sealed(signature, &bodies), |_, _, protocol: &Protocol| {
            let _ = protocol.members().count();
        });
    }
}

/// A second of three hosts.
fn short() -> (Trio, Vec<u8>) {
    let mut trio = Trio::new(u64::MAX);
    trio.run(Duration::from_secs(1));
    let bytes = trio.hosts[0].finish().unwrap();
    (trio, bytes)
}
