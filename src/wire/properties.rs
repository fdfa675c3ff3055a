//! What must hold of every datagram, sought in random ones.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::strict::{body_of, with_tag};
use super::*;
use crate::election::{Context, Message as ElectionMessage, Progress, Question, Round};
use crate::leader::{Term, Trigger};
use crate::member::{Generation, Incarnation, NodeId, Record, canonical};
use crate::voters::{Version, Voters};

/// What any item may be made of; one strategy serves all kinds.
#[derive(Clone, Debug)]
struct Parts {
    kind: u8,
    departure: Departure,
    address: SocketAddr,
    name: String,
    metadata: Vec<u8>,
    extra: Vec<u8>,
    age: Duration,
    probe: bool,
    accusers: Vec<u128>,
    range: Range,
    terms: Vec<u32>,
    hashes: [u32; 16],
    next: Option<u64>,
    round: u64,
}

const KINDS: u8 = 13;

impl Parts {
    fn item(&self) -> Item<'_> {
        let Departure { id, generation, incarnation } = self.departure;
        let (range, terms) = (self.range, Terms::of(&self.terms));
        let accusers = self.accusers.iter().copied().map(NodeId::from_u128).collect();
        let accusation = Accusation { id, generation, incarnation, age: self.age, probe: self.probe, accusers };
        match self.kind {
            0 => Item::Alive(RecordRef {
                id,
                generation,
                incarnation,
                address: self.address,
                name: &self.name,
                metadata: &self.metadata,
                extra: &self.extra,
            }),
            1 => Item::Suspect(accusation),
            2 => Item::Dead(accusation),
            3 => Item::Left(self.departure),
            4 => Item::Seen(self.address),
            5 => Item::Range { range, hash: self.hashes[0] },
            6 => Item::Children { range, hashes: self.hashes },
            7 => Item::Terms { range, terms },
            8 => Item::Want { range, terms },
            9 => Item::Pull { cursor: self.round },
            10 if incarnation.0 > 0 => {
                let base = Incarnation(incarnation.0 / 2);
                Item::Change(ChangeRef { id, generation, incarnation, base, extra: &self.extra })
            }
            11 => Item::SeenElsewhere,
            _ => Item::Page { next: self.next, round: self.round },
        }
    }
}

/// Numbers of all widths, not mostly of the longest.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(bits, shift)| bits >> shift)
}

fn departure() -> impl Strategy<Value = Departure> {
    (any::<u128>(), number(), number()).prop_map(|(id, generation, incarnation)| Departure {
        id: NodeId::from_u128(id),
        generation: Generation(generation >> 1),
        incarnation: Incarnation(incarnation as u32 >> 1),
    })
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), 1..=u16::MAX)
        .prop_map(|(ip, port)| canonical(SocketAddr::new(ip, port)))
        .prop_filter("Seen names a real address", |address| !address.ip().is_unspecified())
}

fn extra() -> impl Strategy<Value = Vec<u8>> {
    btree_map(any::<u8>(), vec(any::<u8>(), 0..60), 0..5).prop_map(|fields: BTreeMap<u8, Vec<u8>>| {
        let field = |(kind, bytes): (u8, Vec<u8>)| [&[kind, bytes.len() as u8][..], &bytes].concat();
        fields.into_iter().take(4).flat_map(field).collect()
    })
}

fn range() -> impl Strategy<Value = Range> {
    (0..=Range::BITS_MAX, any::<u64>()).prop_map(|(bits, place)| {
        let below = u64::MAX >> bits;
        Range { bits, prefix: place & !below }
    })
}

fn parts() -> impl Strategy<Value = Parts> {
    let member = (departure(), address(), "[^\\pC]{1,16}", vec(any::<u8>(), 0..=512), extra());
    let case = (0..KINDS, any::<u32>(), any::<bool>(), vec(any::<u128>(), 0..=4));
    let compared = (range(), vec(any::<u32>(), 0..80), any::<[u32; 16]>(), any::<Option<u64>>(), number());
    (member, case, compared).prop_map(|(member, case, compared)| {
        let (departure, address, name, metadata, extra) = member;
        let (kind, age, probe, accusers) = case;
        let (range, terms, hashes, next, round) = compared;
        let age = Duration::from_millis(u64::from(age));
        Parts {
            kind,
            departure,
            address,
            name,
            metadata,
            extra,
            age,
            probe,
            accusers,
            range,
            terms,
            hashes,
            next,
            round,
        }
    })
}

fn message() -> impl Strategy<Value = Message> {
    (0..10_u8, any::<u64>(), any::<u64>(), number()).prop_map(|(kind, nonce, target, number)| {
        let (nonce, target) = (Nonce(nonce), Digest(target));
        match kind {
            0 => Message::Ping { to: target, nonce },
            1 => Message::Ack { nonce },
            2 => Message::PingReq { nonce, target },
            3 => Message::Nack { nonce },
            4 => Message::Relayed { nonce, target, incarnation: Incarnation(number as u32 >> 1) },
            5 => Message::News,
            6 => Message::SyncRequest { nonce },
            7 => Message::SyncReply { nonce, done: number as u16 },
            8 => Message::Unknown { kind: (number as u8).max(10) },
            _ => Message::Election {
                to: target,
                context: Context {
                    election: number,
                    rules: !number,
                    voters: number.rotate_left(9),
                    version: Version { term: Term(number % Term::LIMIT), number: number as u32 },
                },
                election_message: election_message(number),
            },
        }
    })
}

fn election_message(number: u64) -> ElectionMessage {
    let (term, round) = (Term((number >> 4) % (Term::LIMIT - 1) + 1), Round(number as u32));
    let asked = Question::ALL[number as usize % Question::ALL.len()];
    match number % 13 {
        0 => ElectionMessage::LeaderCheck { term, round },
        1 => ElectionMessage::PreVote { term, round },
        2 => ElectionMessage::Vote { term, round, hand_over: (number & 16 > 0).then_some(term) },
        3 => {
            let trigger = Trigger::ALL[(number >> 8) as usize % Trigger::ALL.len()];
            ElectionMessage::Heartbeat { term, round, trigger, turn: Duration::from_micros(number % (1 << 54)) }
        }
        4 | 5 if asked == Question::HandOver => {
            ElectionMessage::Refused { asked, term, round, wait: Duration::from_micros(number % Term::LIMIT) }
        }
        5 if asked == Question::Resigned => ElectionMessage::Granted { asked, term, round },
        4 => ElectionMessage::Granted { asked, term, round },
        5 => ElectionMessage::Refused { asked, term, round, wait: Duration::from_micros(number % Term::LIMIT) },
        6 => ElectionMessage::Resign { term },
        7 => ElectionMessage::HandOver { term },
        8 => ElectionMessage::AskHandOver { term, priority: u8::try_from(number >> 8 & 0x1ff).ok() },
        9 => ElectionMessage::Voters { term, voters: voters(number >> 4) },
        10 => ElectionMessage::Holds { term, is_durable: number & 16 > 0 },
        11 => ElectionMessage::AskChange { term, round, is_forced: number & 16 > 0, list: voters(number >> 4) },
        _ => ElectionMessage::Change {
            term,
            round,
            progress: Progress::ALL[(number >> 4) as usize % Progress::ALL.len()],
        },
    }
}

fn voters(number: u64) -> Arc<Voters> {
    let list = |bits: u64| -> Vec<Arc<str>> {
        let places = (0..9).filter(|place| bits >> place & 1 > 0 || *place == 8);
        places.map(|place| format!("n{place}").into()).collect()
    };
    let version = Version { term: Term(number % Term::LIMIT), number: number as u32 };
    let (present, next) = (list(number), list(number >> 9));
    Arc::new(Voters::of(version, &present, (number & 1 << 20 > 0).then_some(&next)))
}

fn head() -> impl Strategy<Value = (Digest, SenderState, Message)> {
    (any::<u64>(), number(), any::<u64>(), any::<u16>(), message()).prop_map(
        |(from, incarnation, view_hash, round, message)| {
            let incarnation = Incarnation(incarnation as u32 >> 1);
            (Digest(from), SenderState { incarnation, view_hash, round }, message)
        },
    )
}

fn codec() -> Codec {
    Codec::new("golden", 16_000)
}

/// Writes a datagram and says where its count stands.
fn write<'a>(
    (from, sender_state, message): (Digest, SenderState, Message),
    items: impl Iterator<Item = Item<'a>>,
) -> (Vec<u8>, usize) {
    let mut buf = Vec::new();
    codec().writer(&mut buf, usize::MAX, from, sender_state, message.clone()).finish();
    let count_at = buf.len() - 1;
    let mut writer = codec().writer(&mut buf, usize::MAX, from, sender_state, message);
    for item in items {
        assert!(writer.item(&item), "{item:?}");
    }
    writer.finish();
    (buf, count_at)
}

proptest! {
    #[test]
    fn what_is_written_is_read(head in head(), parts in vec(parts(), 0..12)) {
        let (datagram, _) = write(head.clone(), parts.iter().map(Parts::item));
        let decoded = codec().decode(&datagram).unwrap();
        prop_assert_eq!((decoded.from, decoded.sender_state, decoded.message.clone()), head.clone());
        let items: Vec<Item<'_>> = decoded.items().collect();
        prop_assert_eq!(&items, &parts.iter().map(Parts::item).collect::<Vec<_>>());
        prop_assert_eq!(write(head, items.into_iter()).0, datagram);
    }

    #[test]
    fn records_survive_being_kept(mut parts in parts()) {
        parts.kind = 0;
        let Item::Alive(alive) = parts.item() else { unreachable!() };
        let record = alive.to_record();
        prop_assert_eq!(RecordRef::of(&record), alive);
    }

    #[test]
    fn records_survive_being_saved(mut parts in parts()) {
        parts.kind = 0;
        let Item::Alive(alive) = parts.item() else { unreachable!() };
        let record = alive.to_record();
        let bytes = record.to_bytes();
        prop_assert_eq!(Record::from_bytes(&bytes), Ok(record.clone()));
        for length in 0..bytes.len() {
            // Whole further fields may be missing.
            prop_assert!(Record::from_bytes(&bytes[..length]).is_err() || length > bytes.len() - 1 - alive.extra.len());
        }
        let text = serde_json::to_string(&record).unwrap();
        prop_assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }

    #[test]
    fn random_bytes_are_no_harm_as_a_record(mut bytes in vec(any::<u8>(), 0..200)) {
        for first in [None, Some(1)] {
            bytes.splice(0..usize::from(first.is_some() && !bytes.is_empty()), first);
            if let Ok(record) = Record::from_bytes(&bytes) {
                prop_assert_eq!(record.to_bytes(), bytes.clone());
            }
        }
        let _ = serde_json::from_slice::<Record>(&bytes);
    }

    #[test]
    fn random_bytes_are_rejected(bytes in vec(any::<u8>(), 0..2_000)) {
        prop_assert!(codec().decode(&bytes).is_err());
    }

    #[test]
    fn random_bytes_with_a_fitting_tag_do_no_harm(kind in 0..10_u8, bytes in vec(any::<u8>(), 17..300)) {
        let mut datagram = vec![1, kind, 0, 0, 0, 0, 0, 0, 0, 0];
        datagram.extend(bytes);
        let datagram = with_tag(datagram);
        if let Ok(decoded) = codec().decode(&datagram) {
            decoded.items().for_each(drop);
        }
    }

    #[test]
    fn random_bodies_do_no_harm(kind in any::<u8>(), body in vec(any::<u8>(), 0..250)) {
        let (mut datagram, count_at) = write((Digest(1), SenderState::default(), Message::News), std::iter::empty());
        datagram[count_at] = 1;
        datagram.extend([kind % 24, body.len() as u8]);
        datagram.extend(body);
        let datagram = with_tag(datagram);
        if let Ok(decoded) = codec().decode(&datagram) {
            decoded.items().for_each(drop);
        }
    }
}

/// A valid datagram after a change to one of its bytes, a cut or an insertion, tagged anew.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (0..8_u8, any::<prop::sample::Index>(), prop_oneof![any::<u8>(), 0..8_u8, 248..=255_u8]);
    (head(), vec(parts(), 0..4), vec(change, 1..3)).prop_map(|(head, parts, changes)| {
        let (mut datagram, _) = write(head, parts.iter().map(Parts::item));
        for (kind, place, byte) in changes {
            let place = 10 + place.index(datagram.len() - 10);
            match kind {
                0 => drop(datagram.remove(place)),
                1 => datagram.insert(place, byte),
                2 => datagram[place] ^= 1 << (byte % 8),
                _ => datagram[place] = byte,
            }
        }
        with_tag(datagram)
    })
}

/// The strictness of the reader is this: what it accepts is what the writer would have written, but for what it skips:
/// items of unknown kinds, what follows the known fields of a body, unknown flags, and what an election message does
/// not use.
#[test]
fn what_is_accepted_is_canonical() {
    let (accepted, rejected, skipped) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let count = |cell: &Cell<u32>| cell.set(cell.get() + 1);
    let result = TestRunner::new(Config::with_cases(1_500)).run(&mutated(), |datagram| {
        let Ok(decoded) = codec().decode(&datagram) else {
            count(&rejected);
            return Ok(());
        };

        let head = (decoded.from, decoded.sender_state, decoded.message.clone());
        let (again, count_at) = write(head.clone(), decoded.items());
        let reread = codec().decode(&again).unwrap();
        prop_assert_eq!((reread.from, reread.sender_state, reread.message.clone()), head);
        prop_assert!(reread.items().eq(decoded.items()));

        if again == datagram {
            count(&accepted);
            return Ok(());
        }

        count(&skipped);
        if !matches!(decoded.message, Message::Election { .. }) {
            prop_assert_eq!(&again[10..count_at], &datagram[10..count_at]);
            let mut raw = &datagram[count_at + 1..];
            while let Ok((kind, body)) = codec::next_item(&mut raw) {
                let Ok(Some(item)) = Item::decode(kind, body) else { continue };
                let written = body_of(&item);
                let differ = written.iter().zip(body).filter(|(ours, theirs)| ours != theirs).count();
                let flags = usize::from(matches!(item, Item::Suspect(_) | Item::Dead(_)));
                prop_assert!(written.len() <= body.len() && differ <= flags, "{:?}: {:02x?}", item, body);
            }
        }
        Ok(())
    });

    result.unwrap();
    let seen = (accepted.get(), rejected.get(), skipped.get());
    assert!(seen.0 > 200 && seen.1 > 200 && seen.2 > 0, "too few of a sort to tell anything: {seen:?}");
}
