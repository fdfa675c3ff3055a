//! Every byte of every message and item, pinned: these hex strings came from another encoder, written after
//! `docs/wire.md` alone. Change one only together with the version byte.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::leader::{Term, Trigger};
use crate::member::{Accusers, Generation, Incarnation, NodeId};

pub(super) const SENDER: Digest = Digest(0xf8f7_f6f5_f4f3_f2f1);
pub(super) const OTHER: Digest = Digest(0x1817_1615_1413_1211);
pub(super) const NONCE: Nonce = Nonce(0xa8a7_a6a5_a4a3_a2a1);
pub(super) const PULSE: Pulse = Pulse { incarnation: Incarnation(5), view_hash: 0x1122_3344_5566_7788, round: 0x0102 };
const CURSOR: u64 = 0xe8e7_e6e5_e4e3_e2e1;

pub(super) const DEPARTURE: Departure = Departure {
    id: NodeId::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
    generation: Generation(1_700_000_000_000),
    incarnation: Incarnation(7),
};

pub(super) const RECORD: RecordRef<'static> = RecordRef {
    id: DEPARTURE.id,
    generation: DEPARTURE.generation,
    incarnation: DEPARTURE.incarnation,
    address: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 7340),
    name: "db-1",
    metadata: &[1, 2, 3],
    extra: &[],
};

/// Long metadata, IPv6, and two fields of a later release.
const EXTENDED: RecordRef<'static> = RecordRef {
    address: SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 7340),
    name: "dé-1 x",
    metadata: &[0x5a; 300],
    extra: &[9, 2, 0xaa, 0xbb, 200, 0],
    ..RECORD
};

/// A joiner that does not know its own address.
const ELSEWHERE: RecordRef<'static> =
    RecordRef { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 7340), metadata: &[], ..RECORD };

pub(super) fn suspicion() -> Accusation {
    Accusation {
        id: DEPARTURE.id,
        generation: DEPARTURE.generation,
        incarnation: DEPARTURE.incarnation,
        age: Duration::from_millis(1_500),
        probe: true,
        accusers: [1, 2].into_iter().map(NodeId::from_u128).collect(),
    }
}

fn verdict() -> Accusation {
    Accusation { age: Duration::ZERO, probe: false, accusers: Accusers::default(), ..suspicion() }
}

pub(super) fn codec() -> Codec {
    Codec::new("golden", 1_400)
}

pub(super) struct Golden {
    pub message: Message,
    pub items: Vec<Item<'static>>,
    pub bytes: Vec<u8>,
}

pub(super) fn goldens() -> Vec<Golden> {
    let all = table().into_iter().chain(letters());
    all.map(|(message, items, hex)| {
        let hex = hex.replace("LONG", &"5a".repeat(300)).replace(' ', "");
        let byte = |place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
        Golden { message, items, bytes: (0..hex.len()).step_by(2).map(byte).collect() }
    })
    .collect()
}

const COUNCIL: Council = Council { election: 0xb8b7_b6b5_b4b3_b2b1, charter: 0xc8c7_c6c5_c4c3_c2c1 };

const TERM: Term = Term(300);
const ROUND: Round = Round(70_000);

fn election(letter: Letter) -> Message {
    Message::Election { to: OTHER, council: COUNCIL, letter }
}

/// Every letter, each with all its fields.
fn letters() -> Vec<(Message, Vec<Item<'static>>, &'static str)> {
    vec![
        (
            election(Letter::Sounding { term: TERM, round: ROUND }),
            vec![],
            "01 09 8f5b694669f2fee9 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 01 fb2c01 fc70110100 00 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::PreVote { term: TERM, round: ROUND }),
            vec![],
            "01 09 9caa666bb9e1b4ed f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 02 fb2c01 fc70110100 00 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::Vote { term: TERM, round: ROUND, hand_over: None }),
            vec![],
            "01 09 056f6e5915791066 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 03 fb2c01 fc70110100 00 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::Vote { term: TERM, round: ROUND, hand_over: Some(Term(299)) }),
            vec![],
            "01 09 dc31c31140cc0bac f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 03 fb2c01 fc70110100 fb2b01 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::Heartbeat { term: TERM, round: ROUND, trigger: Trigger::LeaseRanOut }),
            vec![],
            "01 09 d0b63685618b0684 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 04 fb2c01 fc70110100 01 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::Resign { term: TERM }),
            vec![],
            "01 09 25653db56b1f4019 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 18 fb2c01 00 00 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::HandOver { term: TERM }),
            vec![],
            "01 09 c782414e7a1f47ef f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 19 fb2c01 00 00 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::AskHandOver { term: TERM }),
            vec![],
            "01 09 593505b440c148fd f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 1a fb2c01 00 00 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::Granted { asked: Question::Sounding, term: TERM, round: ROUND }),
            vec![],
            "01 09 222a7667917ee9c8 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 08 fb2c01 fc70110100 00 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::Refused {
                asked: Question::Sounding,
                term: TERM,
                round: ROUND,
                wait: Duration::from_micros(1_500),
            }),
            vec![],
            "01 09 d04f9109ca6fa616 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 10 fb2c01 fc70110100 fbdc05 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::Granted { asked: Question::PreVote, term: TERM, round: ROUND }),
            vec![],
            "01 09 d56cabf9a388dce2 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 09 fb2c01 fc70110100 00 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::Refused {
                asked: Question::PreVote,
                term: TERM,
                round: ROUND,
                wait: Duration::from_micros(1_500),
            }),
            vec![],
            "01 09 e64417b695edef7a f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 11 fb2c01 fc70110100 fbdc05 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::Granted { asked: Question::Vote, term: TERM, round: ROUND }),
            vec![],
            "01 09 344d2dce76ffd3bf f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 0a fb2c01 fc70110100 00 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::Refused {
                asked: Question::Vote,
                term: TERM,
                round: ROUND,
                wait: Duration::from_micros(1_500),
            }),
            vec![],
            "01 09 b998eaacc7b79fe7 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 12 fb2c01 fc70110100 fbdc05 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::Granted { asked: Question::Heartbeat, term: TERM, round: ROUND }),
            vec![],
            "01 09 910d6b967f49706a f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 0b fb2c01 fc70110100 00 05 8877665544332211 0201 00",
        ),
        (
            election(Letter::Refused {
                asked: Question::Heartbeat,
                term: TERM,
                round: ROUND,
                wait: Duration::from_micros(1_500),
            }),
            vec![],
            "01 09 0891c23f3a098606 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3\
             c4c5c6c7c8 13 fb2c01 fc70110100 fbdc05 05 8877665544332211 0201 00",
        ),
    ]
}

/// Fields are set apart by spaces; LONG stands for the 300 bytes of metadata.
fn table() -> Vec<(Message, Vec<Item<'static>>, &'static str)> {
    vec![
        (
            Message::Ping { to: OTHER, nonce: NONCE },
            vec![],
            "01 01 48510725d41b9701 f1f2f3f4f5f6f7f8 1112131415161718 a1a2a3a4a5a6a7a8 05 8877665544332211 0201 \
             00",
        ),
        (
            Message::Ack { nonce: NONCE },
            vec![],
            "01 02 7cac4882b542c9c9 f1f2f3f4f5f6f7f8 a1a2a3a4a5a6a7a8 05 8877665544332211 0201 00",
        ),
        (
            Message::PingReq { nonce: NONCE, target: OTHER },
            vec![],
            "01 03 dcf7e286d8568430 f1f2f3f4f5f6f7f8 a1a2a3a4a5a6a7a8 1112131415161718 05 8877665544332211 0201 \
             00",
        ),
        (
            Message::Nack { nonce: NONCE },
            vec![],
            "01 04 9247ffa575b3c8c3 f1f2f3f4f5f6f7f8 a1a2a3a4a5a6a7a8 05 8877665544332211 0201 00",
        ),
        (
            Message::Relayed { nonce: NONCE, target: OTHER, incarnation: Incarnation(300) },
            vec![],
            "01 05 7a1c3060dffbd29f f1f2f3f4f5f6f7f8 a1a2a3a4a5a6a7a8 1112131415161718 fb2c01 05 8877665544332211 \
             0201 00",
        ),
        (Message::News, vec![], "01 06 a1fb800b360e01d3 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 00"),
        (
            Message::SyncRequest { nonce: NONCE },
            vec![],
            "01 07 97e5c603c7417423 f1f2f3f4f5f6f7f8 a1a2a3a4a5a6a7a8 05 8877665544332211 0201 00",
        ),
        (
            Message::SyncReply { nonce: NONCE, done: 9 },
            vec![],
            "01 08 3c91b01d599e4fc4 f1f2f3f4f5f6f7f8 a1a2a3a4a5a6a7a8 09 05 8877665544332211 0201 00",
        ),
        (
            Message::News,
            vec![Item::Alive(RECORD)],
            "01 06 0e1238cbeafee6cd f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 01 2a \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 04 c0000201 ac1c 04 64622d31 03 010203",
        ),
        (
            Message::News,
            vec![Item::Alive(EXTENDED)],
            "01 06 8fe600c3d8eac320 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 01 fb6a01 \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 06 20010db8000000000000000000000001 ac1c 07 \
             64c3a92d312078 fb2c01 LONG 09 02 aabb c8 00",
        ),
        (
            Message::News,
            vec![Item::Alive(ELSEWHERE)],
            "01 06 f2dff187d4ba2405 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 01 27 \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 04 00000000 ac1c 04 64622d31 00",
        ),
        (
            Message::News,
            vec![Item::Suspect(suspicion())],
            "01 06 0cb4963c128f4542 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 02 3f \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 fbdc05 01 02 00000000000000000000000000000001 \
             00000000000000000000000000000002",
        ),
        (
            Message::News,
            vec![Item::Dead(verdict())],
            "01 06 401477530196d511 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 03 1d \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 00 00 00",
        ),
        (
            Message::News,
            vec![Item::Left(DEPARTURE)],
            "01 06 82c1e913f87f8838 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 04 1a \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07",
        ),
        (
            Message::News,
            vec![Item::Seen(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)), 40_000))],
            "01 06 8c942c60a54b45a6 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 05 07 04 c6336407 409c",
        ),
        (
            Message::News,
            vec![Item::Change(ChangeRef::of(RecordRef { extra: EXTENDED.extra, ..RECORD }, Incarnation(3)))],
            "01 06 4521b960172d8e23 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 06 22 \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 03 06 0902aabb c800",
        ),
        (
            Message::News,
            vec![Item::SeenElsewhere],
            "01 06 b7fcc1c97d5cb142 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 07 00",
        ),
        (
            Message::News,
            vec![Item::Range { range: Range::whole(), hash: 0xd4d3_d2d1 }],
            "01 06 7e20674f13b94059 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 10 06 00 00 d1d2d3d4",
        ),
        (
            Message::News,
            vec![Item::Range { range: Range { bits: 12, prefix: 0xabc << 52 }, hash: 0xd4d3_d2d1 }],
            "01 06 dd9f154932b651be f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 10 08 0c fbbc0a d1d2d3d4",
        ),
        (
            Message::News,
            vec![Item::Children {
                range: Range { bits: 4, prefix: 5 << 60 },
                hashes: std::array::from_fn(|part| part as u32 * 0x0101_0101),
            }],
            "01 06 dc0ce255e687b055 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 11 42 04 05 00000000 01010101 \
             02020202 03030303 04040404 05050505 06060606 07070707 08080808 09090909 0a0a0a0a 0b0b0b0b 0c0c0c0c \
             0d0d0d0d 0e0e0e0e 0f0f0f0f",
        ),
        (
            Message::News,
            vec![Item::Terms { range: Range { bits: 60, prefix: !0 << 4 }, terms: Terms::of(&[1, 0xffff_fffe]) }],
            "01 06 9454745628e8943a f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 12 13 3c fdffffffffffffff0f \
             02 01000000 feffffff",
        ),
        (
            Message::News,
            vec![Item::Want { range: Range { bits: 8, prefix: 0xfe << 56 }, terms: Terms::of(&[]) }],
            "01 06 755239fb0eff976a f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 13 05 08 fbfe00 00",
        ),
        (
            Message::News,
            vec![Item::Pull { cursor: CURSOR }],
            "01 06 6f31f5bb17deca52 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 14 08 e1e2e3e4e5e6e7e8",
        ),
        (
            Message::News,
            vec![Item::Page { next: Some(CURSOR), round: 1 << 40 }],
            "01 06 cc858c676b4db954 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 15 12 01 e1e2e3e4e5e6e7e8 \
             fd0000000000010000",
        ),
        (
            Message::News,
            vec![Item::Page { next: None, round: 70_000 }],
            "01 06 808c89445b21d6fb f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 15 06 00 fc70110100",
        ),
        (
            Message::Ping { to: OTHER, nonce: NONCE },
            vec![
                Item::Suspect(suspicion()),
                Item::Left(DEPARTURE),
                Item::Range { range: Range::whole(), hash: 0xd4d3_d2d1 },
            ],
            "01 01 a2cbb448be8ac9e4 f1f2f3f4f5f6f7f8 1112131415161718 a1a2a3a4a5a6a7a8 05 8877665544332211 0201 \
             03 02 3f 00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 fbdc05 01 02 \
             00000000000000000000000000000001 00000000000000000000000000000002 04 1a \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 10 06 00 00 d1d2d3d4",
        ),
    ]
}

fn write(codec: &Codec, message: Message, items: &[Item<'_>]) -> Vec<u8> {
    let mut buf = vec![0xee; 7];
    let mut writer = codec.writer(&mut buf, usize::MAX, SENDER, PULSE, message);
    for item in items {
        assert!(writer.item(item), "{item:?}");
    }
    writer.finish();
    buf
}

#[test]
fn what_we_write_is_pinned() {
    for golden in goldens() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let ours = write(&codec(), golden.message, &golden.items);
        assert_eq!(hex(&ours), hex(&golden.bytes), "{:?} {:?}", golden.message, golden.items);
    }
}

#[test]
fn what_we_read_is_what_was_written() {
    for golden in goldens() {
        let datagram = codec().decode(&golden.bytes).unwrap();
        assert_eq!((datagram.from, datagram.pulse, datagram.message), (SENDER, PULSE, golden.message));
        assert_eq!(datagram.items().collect::<Vec<_>>(), golden.items);
    }
}

#[test]
fn every_kind_is_pinned() {
    let goldens = goldens();
    let mut messages: Vec<u8> = goldens.iter().map(|golden| golden.message.kind()).collect();
    let mut items: Vec<u8> = goldens.iter().flat_map(|golden| &golden.items).map(Item::kind).collect();
    for kinds in [&mut messages, &mut items] {
        kinds.sort_unstable();
        kinds.dedup();
    }
    assert_eq!(messages, (0..=255).filter(|kind| Message::knows(*kind)).collect::<Vec<u8>>());
    let known = |kind: &u8| !matches!(Item::decode(*kind, &[]), Ok(None));
    assert_eq!(items, (0..=255).filter(known).collect::<Vec<u8>>());
}

#[test]
fn hashes_that_travel_are_pinned() {
    assert_eq!(Digest::of(DEPARTURE.id, DEPARTURE.generation), Digest(0x534b106d1db5fbf3));
    assert_eq!(NodeId::from_name("db-1").to_string(), "453ad95f72f5c81d45eedf9d99a1991d");
}

#[test]
fn idle_datagrams_are_small() {
    let ping = write(&codec(), Message::Ping { to: OTHER, nonce: NONCE }, &[]);
    let ack = write(&codec(), Message::Ack { nonce: NONCE }, &[]);
    assert_eq!((ping.len(), ack.len()), (46, 38));
}

#[test]
fn every_truncation_is_rejected() {
    for golden in goldens() {
        for length in 0..golden.bytes.len() {
            let rejected = codec().decode(&golden.bytes[..length]).unwrap_err();
            let expected = if length < 19 { Rejected::Truncated } else { Rejected::Tag };
            assert_eq!(rejected, expected, "{:?} cut to {length}", golden.message);
        }
    }
}

#[test]
fn every_truncation_is_rejected_for_its_length_even_if_the_tag_fits() {
    for golden in goldens() {
        for length in 10..golden.bytes.len() {
            let rejected = codec().decode(&strict::seal(golden.bytes[..length].to_vec())).unwrap_err();
            assert_eq!(rejected, Rejected::Truncated, "{:?} cut to {length}", golden.items);
        }
    }
}

#[test]
fn every_flipped_bit_is_rejected() {
    for golden in goldens() {
        for bit in 0..golden.bytes.len() * 8 {
            let mut bytes = golden.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let rejected = codec().decode(&bytes).unwrap_err();
            match bit / 8 {
                0 => assert_eq!(rejected, Rejected::Version),
                1 => assert!(matches!(rejected, Rejected::Kind | Rejected::Tag), "{rejected:?}"),
                _ => assert_eq!(rejected, Rejected::Tag, "bit {bit} of {:?}", golden.message),
            }
        }
    }
}

#[test]
fn another_cluster_is_foreign() {
    for golden in goldens() {
        for cluster in ["", "Golden", "golden "] {
            assert_eq!(Codec::new(cluster, 1_400).decode(&golden.bytes).unwrap_err(), Rejected::Tag);
        }
    }
}
