//! Every byte of every message and item, pinned: these hex strings came from another encoder, written after
//! `docs/wire.md` alone. Change one only together with the version byte.

mod rows;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::member::{Accusers, Generation, Incarnation, NodeId};

pub(super) const SENDER: Digest = Digest(0xf8f7_f6f5_f4f3_f2f1);
pub(super) const OTHER: Digest = Digest(0x1817_1615_1413_1211);
pub(super) const NONCE: Nonce = Nonce(0xa8a7_a6a5_a4a3_a2a1);
pub(super) const SENDER_STATE: SenderState =
    SenderState { incarnation: Incarnation(5), view_hash: 0x1122_3344_5566_7788, round: 0x0102 };

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
    let golden = |(message, items, hex): rows::Row| {
        let hex = hex.replace("LONG", &"5a".repeat(300)).replace(' ', "");
        let byte = |place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
        Golden { message, items, bytes: (0..hex.len()).step_by(2).map(byte).collect() }
    };
    rows::all().map(golden).collect()
}

fn write(codec: &Codec, message: Message, items: &[Item<'_>]) -> Vec<u8> {
    let mut buf = vec![0xee; 7];
    let mut writer = codec.writer(&mut buf, usize::MAX, SENDER, SENDER_STATE, message);
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
        let ours = write(&codec(), golden.message.clone(), &golden.items);
        assert_eq!(hex(&ours), hex(&golden.bytes), "{:?} {:?}", golden.message, golden.items);
    }
}

#[test]
fn what_we_read_is_what_was_written() {
    for golden in goldens() {
        let datagram = codec().decode(&golden.bytes).unwrap();
        assert_eq!(
            (datagram.from, datagram.sender_state, datagram.message.clone()),
            (SENDER, SENDER_STATE, golden.message)
        );
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
            let rejected = codec().decode(&strict::with_tag(golden.bytes[..length].to_vec())).unwrap_err();
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
