//! What a receiver refuses, and what it must not: datagrams built by hand, with a tag that fits, one fault each.

use std::time::Duration;

use super::golden::{DEPARTURE, SENDER, codec, goldens, suspicion};
use super::*;
use crate::election::{Message as ElectionMessage, Question, Round};
use crate::leader::{Term, Trigger};

/// Fills in the tag as `docs/wire.md` has it.
pub(super) fn with_tag(mut bytes: Vec<u8>) -> Vec<u8> {
    let seed = twox_hash::XxHash3_64::oneshot(b"golden") ^ u64::from(bytes[0]) << 8 ^ u64::from(bytes[1]);
    let tag = twox_hash::XxHash3_64::oneshot_with_seed(seed, &bytes[10..]);
    bytes[2..10].copy_from_slice(&tag.to_le_bytes());
    bytes
}

/// A piece of a datagram, so that a test can write one of its numbers in another way.
#[derive(Clone)]
pub(super) enum Piece {
    Bytes(Vec<u8>),
    Number(u64),
}

use Piece::{Bytes, Number};

pub(super) fn bytes(bytes: &[u8]) -> Piece {
    Bytes(bytes.to_vec())
}

/// `value` in the form that starts with `width`, or in its shortest.
pub(super) fn number(value: u64, width: Option<u8>) -> Vec<u8> {
    let shortest = match value {
        0..=250 => 0,
        251..=0xffff => 251,
        0x1_0000..=0xffff_ffff => 252,
        _ => 253,
    };
    let width = width.unwrap_or(shortest);
    let length = match width {
        251 => 2,
        252 => 4,
        253 => 8,
        254 => 16,
        _ => return vec![value as u8],
    };
    let mut form = vec![width];
    form.extend_from_slice(&u128::from(value).to_le_bytes()[..length]);
    form
}

/// Joins pieces, with the number at place `odd` in the form that starts with `width`.
pub(super) fn join(pieces: &[Piece], odd: Option<(usize, u8)>) -> Vec<u8> {
    let mut joined = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        match piece {
            Bytes(bytes) => joined.extend_from_slice(bytes),
            Number(value) => {
                let width = odd.and_then(|(odd, width)| (odd == place).then_some(width));
                joined.extend(number(*value, width));
            }
        }
    }
    joined
}

/// A datagram of any message, whose fields, sender's state and items are given as bytes.
pub(super) fn datagram(kind: u8, after_from: &[u8], items: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut raw = vec![1, kind, 0, 0, 0, 0, 0, 0, 0, 0];
    raw.extend_from_slice(&SENDER.0.to_le_bytes());
    raw.extend_from_slice(after_from);
    raw.push(items.len() as u8);
    for (kind, body) in items {
        raw.push(*kind);
        raw.extend(number(body.len() as u64, None));
        raw.extend_from_slice(body);
    }
    with_tag(raw)
}

const IDLE_STATE: [u8; 11] = [0; 11];

/// A News datagram with these items.
pub(super) fn news(items: &[(u8, Vec<u8>)]) -> Vec<u8> {
    datagram(6, &IDLE_STATE, items)
}

pub(super) fn verdict_on(datagram: &[u8]) -> Result<usize, Rejected> {
    codec().decode(datagram).map(|datagram| datagram.items().count())
}

pub(super) fn start() -> Vec<Piece> {
    vec![bytes(&DEPARTURE.id.to_bytes()), Number(1_700_000_000_000), Number(7)]
}

pub(super) fn with(mut pieces: Vec<Piece>, more: &[Piece]) -> Vec<Piece> {
    pieces.extend_from_slice(more);
    pieces
}

pub(super) const ADDRESS: [u8; 7] = [4, 192, 0, 2, 1, 0xac, 0x1c];

/// Every body with a number in it.
fn bodies() -> Vec<(u8, Vec<Piece>)> {
    let accusation = with(start(), &[Number(1_500), bytes(&[1, 0])]);
    let record = [
        bytes(&ADDRESS),
        bytes(b"\x04db-1"),
        Number(1),
        bytes(&[7]),
        bytes(&[9]),
        Number(0),
        bytes(&[200]),
        Number(1),
        bytes(&[0]),
    ];
    vec![
        (1, with(start(), &record)),
        (2, accusation.clone()),
        (3, accusation),
        (4, start()),
        (6, with(start(), &[Number(3), Number(4), bytes(&[9, 2, 0, 0])])),
        (16, vec![bytes(&[12]), Number(0xabc), bytes(&[0; 4])]),
        (16, vec![bytes(&[0]), Number(0), bytes(&[0; 4])]),
        (17, vec![bytes(&[60]), Number((1 << 60) - 1), bytes(&[0; 64])]),
        (18, vec![bytes(&[40]), Number(1 << 39), Number(2), bytes(&[0; 8])]),
        (19, vec![bytes(&[1]), Number(1), Number(0)]),
        (21, vec![bytes(&[0]), Number(70_000)]),
        (21, vec![bytes(&[1, 1, 2, 3, 4, 5, 6, 7, 8]), Number(0)]),
    ]
}

/// Every header with a number in it: kind of message, then what follows the sender's digest.
fn heads() -> Vec<(u8, Vec<Piece>)> {
    let sender_state = [Number(5), bytes(&[0; 10])];
    vec![
        (5, with(vec![bytes(&[1; 16]), Number(300)], &sender_state)),
        (6, sender_state.to_vec()),
        (8, with(vec![bytes(&[1; 8]), Number(9)], &sender_state)),
        (
            9,
            with(
                vec![
                    bytes(&[1; 32]),
                    Number(400),
                    Number(80_000),
                    bytes(&[17]),
                    Number(300),
                    Number(70_000),
                    Number(1_500),
                ],
                &sender_state,
            ),
        ),
    ]
}

/// Checks that `build` makes an accepted datagram of the pieces as they are, and a refused one of any longer number.
fn refuse_longer_numbers(pieces: &[Piece], build: impl Fn(Vec<u8>) -> Vec<u8>) -> usize {
    let plain = build(join(pieces, None));
    assert!(verdict_on(&plain).is_ok(), "{:?}: {plain:02x?}", verdict_on(&plain));
    let mut refused = 0;
    for (place, piece) in pieces.iter().enumerate() {
        let Number(value) = piece else { continue };
        for width in 251..=254 {
            let form = number(*value, Some(width));
            if form.len() > number(*value, None).len() {
                let longer = build(join(pieces, Some((place, width))));
                assert_eq!(verdict_on(&longer), Err(Rejected::Malformed), "{value} as {form:02x?}");
                refused += 1;
            }
        }
    }
    refused
}

#[test]
fn numbers_have_one_form_wherever_they_stand() {
    for (kind, pieces) in bodies() {
        assert!(refuse_longer_numbers(&pieces, |body| news(&[(kind, body)])) > 0);
    }
    for (kind, pieces) in heads() {
        assert!(refuse_longer_numbers(&pieces, |head| datagram(kind, &head, &[])) > 0);
    }
}

#[test]
fn lengths_of_items_have_one_form() {
    for length in [0, 5, 250] {
        let pieces = [bytes(&[1, 99]), Number(length), bytes(&vec![7; length as usize])];
        let build = |items: Vec<u8>| {
            let mut raw = news(&[]);
            raw.pop();
            raw.extend(items);
            with_tag(raw)
        };
        assert!(refuse_longer_numbers(&pieces, build) >= 3);
    }
}

/// The body of an Alive with another piece in the place of one of its own.
pub(super) fn record_with(place: usize, piece: &[u8]) -> Vec<u8> {
    let mut pieces = with(start(), &[bytes(&ADDRESS), bytes(b"\x04db-1"), bytes(&[0]), bytes(&[])]);
    pieces[place] = bytes(piece);
    join(&pieces, None)
}

pub(super) const GENERATION: usize = 1;
pub(super) const INCARNATION: usize = 2;
pub(super) const ADDRESS_AT: usize = 3;
pub(super) const NAME: usize = 4;
pub(super) const METADATA: usize = 5;
pub(super) const EXTRA: usize = 6;

pub(super) fn length_and(length: u64, fill: u8, present: usize) -> Vec<u8> {
    let mut field = number(length, None);
    field.extend(vec![fill; present]);
    field
}

#[test]
fn bodies_are_at_least_as_long_as_their_fields_and_the_rest_is_skipped() {
    for golden in goldens() {
        let [item] = golden.items[..] else { continue };
        let body = body_of(&item);
        for length in 0..body.len() {
            let verdict = verdict_on(&news(&[(item.kind(), body[..length].to_vec())]));
            match item {
                // Whole further fields may be missing.
                Item::Alive(_) if verdict == Ok(1) => {}
                _ => assert_eq!(verdict, Err(Rejected::Truncated), "{item:?} cut to {length}"),
            }
        }

        for tail in [&[0][..], &[255, 0], &[77; 40]] {
            let datagram = news(&[(item.kind(), [&body, tail].concat())]);
            match item {
                Item::Alive(_) => assert_eq!(verdict_on(&datagram).is_ok(), tail.len() == 2),
                _ => assert_eq!(codec().decode(&datagram).unwrap().items().collect::<Vec<_>>(), [item], "{tail:?}"),
            }
        }
    }
}

pub(super) fn body_of(item: &Item<'_>) -> Vec<u8> {
    let mut body = vec![0; 1_400];
    let length = bytes::put(&mut body, item).unwrap();
    body.truncate(length);
    body
}

#[test]
fn counts_and_lengths_are_believed_only_as_far_as_there_are_bytes() {
    let departure = body_of(&Item::Left(DEPARTURE));
    let mut behind = news(&[(4, departure.clone())]);
    behind.push(0);
    assert_eq!(verdict_on(&with_tag(behind)), Err(Rejected::Malformed));

    let mut fewer = news(&[(4, departure.clone()), (4, departure.clone())]);
    fewer[29] = 1;
    assert_eq!(verdict_on(&with_tag(fewer)), Err(Rejected::Malformed));

    let mut more = news(&[(4, departure)]);
    more[29] = 2;
    assert_eq!(verdict_on(&with_tag(more)), Err(Rejected::Truncated));

    for kind in [1, 2, 5, 16, 18, 99] {
        let mut bare = news(&[]);
        bare[29] = 1;
        bare.push(kind);
        assert_eq!(verdict_on(&with_tag(bare)), Err(Rejected::Truncated), "{kind} without a length");
        for length in [2, 0xffff, 0xffff_ffff, u64::MAX - 1, u64::MAX] {
            let mut hostile = news(&[]);
            hostile[29] = 1;
            hostile.push(kind);
            hostile.extend(number(length, None));
            hostile.push(0);
            assert_eq!(verdict_on(&with_tag(hostile)), Err(Rejected::Truncated), "{kind}: {length}");
        }
    }
}

#[test]
fn the_header_is_judged_before_the_rest() {
    let good = news(&[]);
    assert_eq!(verdict_on(&good), Ok(0));
    for version in (0..=255).filter(|version| *version != WIRE_VERSION) {
        let mut other = good.clone();
        other[0] = version;
        assert_eq!(verdict_on(&with_tag(other)), Err(Rejected::Version));
    }
    let mut no_kind = good.clone();
    no_kind[1] = 0;
    assert_eq!(verdict_on(&with_tag(no_kind)), Err(Rejected::Kind));
    let mut untagged = datagram(6, &[0xff; 30], &[]);
    assert_eq!(verdict_on(&untagged), Err(Rejected::Malformed));
    untagged[2] ^= 1;
    assert_eq!(verdict_on(&untagged), Err(Rejected::Tag), "nothing is read before the tag fits");
    for length in 0..19 {
        assert_eq!(verdict_on(&vec![9; length]), Err(Rejected::Truncated), "{length} bytes");
    }
    assert_eq!(verdict_on(&[9; 19]), Err(Rejected::Version));
}

#[test]
fn election_messages_are_kept_to_their_ranges() {
    let limit = Term::LIMIT;
    let election_message = |kind: u8, term: u64, round: u64, detail: u64| {
        let numbers = [number(term, None), number(round, None), number(detail, None)].concat();
        verdict_on(&datagram(9, &[&[1; 32][..], &[0, 0], &[kind], &numbers, &IDLE_STATE].concat(), &[]))
    };

    let known = [1, 2, 3, 4, 8, 9, 10, 11, 12, 16, 17, 18, 19, 21, 24, 25, 26, 29, 30];
    // Two kinds are longer: a configuration of voters follows.
    for kind in (0..=255).filter(|kind| ![27, 28].contains(kind)) {
        let verdict = election_message(kind, 1, 0, 0);
        assert_eq!(verdict, if known.contains(&kind) { Ok(0) } else { Err(Rejected::Kind) }, "kind {kind}");
    }

    for (kind, term, round, detail) in [
        (1, 0, 0, 0),
        (1, limit, 0, 0),
        (1, u64::MAX, 0, 0),
        (1, 1, 1 << 32, 0),
        (3, 1, 0, limit),
        (17, 1, 0, limit),
        (24, 1, 0, limit),
    ] {
        assert_eq!(
            election_message(kind, term, round, detail),
            Err(Rejected::Malformed),
            "{kind} {term} {round} {detail}"
        );
    }

    assert_eq!(election_message(3, limit - 1, u64::from(u32::MAX), limit - 1), Ok(0));
    assert_eq!(
        election_message(30, 1, 0, 7),
        Err(Rejected::Kind),
        "how far a change has come in words of a later release"
    );
}

#[test]
fn what_an_election_message_does_not_use_yet_is_not_read() {
    let read = |kind: u8, round: u64, detail: u64| {
        let numbers = [number(7, None), number(round, None), number(detail, None)].concat();
        let datagram = datagram(9, &[&[1; 32][..], &[0, 0], &[kind], &numbers, &IDLE_STATE].concat(), &[]);
        match codec().decode(&datagram).map(|datagram| datagram.message) {
            Ok(Message::Election { election_message, .. }) => election_message,
            other => panic!("{other:?}"),
        }
    };

    let (term, round) = (Term(7), Round(3));
    assert_eq!(read(1, 3, 9), ElectionMessage::LeaderCheck { term, round });
    assert_eq!(read(2, 3, 9), ElectionMessage::PreVote { term, round });
    assert_eq!(read(9, 3, 9), ElectionMessage::Granted { asked: Question::PreVote, term, round });
    assert_eq!(read(24, 3, 9), ElectionMessage::Resign { term });
    assert_eq!(read(25, 3, 9), ElectionMessage::HandOver { term });
    assert_eq!(read(26, 3, 0), ElectionMessage::AskHandOver { term, priority: None });
    assert_eq!(read(26, 3, 9), ElectionMessage::AskHandOver { term, priority: Some(8) });

    let later = Trigger::ALL.len() as u64;
    let heartbeat =
        |trigger, micros| ElectionMessage::Heartbeat { term, round, trigger, turn: Duration::from_micros(micros) };
    assert_eq!(read(4, 3, later), heartbeat(Trigger::NoLeader, 0));
    assert_eq!(read(4, 3, 31_250 << 8 | 1), heartbeat(Trigger::LeaseRanOut, 31_250));
}

#[test]
fn what_udp_carries_is_read_whatever_may_be_sent_here() {
    let datagram = |bytes: usize| news(&[(99, vec![0; bytes - 30 - 4])]);
    let narrow = Codec::new("golden", 1_024);
    for bytes in [1_024, 1_025, 8_192, 65_507] {
        let datagram = datagram(bytes);
        assert_eq!((datagram.len(), narrow.decode(&datagram).map(|heard| heard.items().count())), (bytes, Ok(0)));
    }
    assert_eq!(narrow.decode(&datagram(65_508)).unwrap_err(), Rejected::Oversized);
}

#[test]
fn a_newer_release_is_read_as_far_as_it_is_known() {
    let items = [
        (200, vec![0xff; 300]),
        (2, body_of(&Item::Suspect(suspicion()))),
        (0, vec![]),
        (8, vec![1, 2, 3]),
        (4, body_of(&Item::Left(DEPARTURE))),
        (255, vec![0xff; 3]),
    ];
    let datagram = news(&items);
    let decoded = codec().decode(&datagram).unwrap();
    let items: Vec<Item<'_>> = decoded.items().collect();
    assert_eq!(items, [Item::Suspect(suspicion()), Item::Left(DEPARTURE)]);
}

#[test]
fn a_kind_of_message_of_a_later_release_is_read_as_news() {
    let items = [(77, vec![1, 2]), (4, body_of(&Item::Left(DEPARTURE)))];
    for kind in 10..=255 {
        let datagram = datagram(kind, &IDLE_STATE, &items);
        let heard = codec().decode(&datagram).unwrap();
        assert_eq!(
            (heard.from, heard.sender_state, heard.message.clone()),
            (SENDER, SenderState::default(), Message::Unknown { kind })
        );
        assert_eq!(heard.items().collect::<Vec<_>>(), [Item::Left(DEPARTURE)]);
    }
}

#[test]
fn unknown_fields_of_a_record_are_passed_on_as_they_came() {
    let fields = [9, 2, 0xaa, 0xbb, 77, 0, 200, 1, 0];
    let body = [record_with(EXTRA, &fields)].concat();
    let datagram = news(&[(1, body.clone())]);
    let decoded = codec().decode(&datagram).unwrap();
    let Some(Item::Alive(alive)) = decoded.items().next() else { panic!("no record") };
    assert_eq!(alive.extra, fields);
    let mut record = alive.to_record();
    assert_eq!(body_of(&Item::Alive(RecordRef::of(&record))), body);
    record.set_metadata(&[1]);
    assert_eq!(RecordRef::of(&record).extra, fields);
}
