//! Datagrams by hand, as `docs/wire.md` has them: what a liar who knows the cluster's name could send, and how to read
//! the tap.
//!
//! Written from the page and not from the encoder, so that the two check each other.
#![allow(dead_code, clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};

use tidings::member::{Member, NodeId};
use twox_hash::XxHash3_64;

pub const PING: u8 = 1;
pub const ACK: u8 = 2;
pub const PING_REQ: u8 = 3;
pub const NACK: u8 = 4;
pub const RELAYED: u8 = 5;
pub const NEWS: u8 = 6;
pub const SYNC_REQUEST: u8 = 7;
pub const SYNC_REPLY: u8 = 8;

pub const ALIVE: u8 = 1;
pub const SUSPECT: u8 = 2;
pub const DEAD: u8 = 3;
pub const LEFT: u8 = 4;
pub const SEEN: u8 = 5;

/// A member at a generation and an incarnation, as a rumour names it.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    pub id: NodeId,
    pub generation: u64,
    pub incarnation: u32,
}

impl Who {
    pub fn is(member: &Member) -> Self {
        Who { id: member.id(), generation: member.generation().0, incarnation: member.incarnation().0 }
    }

    pub fn digest(self) -> u64 {
        let mut bytes = self.id.to_bytes().to_vec();
        bytes.extend(self.generation.to_le_bytes());
        XxHash3_64::oneshot(&bytes).max(1)
    }

    fn bytes(self) -> Vec<u8> {
        [&self.id.to_bytes()[..], &varint(self.generation), &varint(u64::from(self.incarnation))].concat()
    }

    pub fn alive(self, address: SocketAddr, name: &str, metadata: &[u8]) -> Vec<u8> {
        let ip = match address.ip() {
            IpAddr::V4(ip) => [&[4], &ip.octets()[..]].concat(),
            IpAddr::V6(ip) => [&[6], &ip.octets()[..]].concat(),
        };
        let (port, length) = (address.port().to_le_bytes(), varint(metadata.len() as u64));
        let name = [&[name.len() as u8], name.as_bytes()].concat();
        item(ALIVE, &[&self.bytes()[..], &ip, &port, &name, &length, metadata].concat())
    }

    /// A Suspect or a Dead whose silence began `age_ms` ago.
    pub fn accused(self, kind: u8, age_ms: u64, probe: bool, accusers: &[NodeId]) -> Vec<u8> {
        let mut body = [self.bytes(), varint(age_ms), vec![u8::from(probe), accusers.len() as u8]].concat();
        accusers.iter().for_each(|id| body.extend(id.to_bytes()));
        item(kind, &body)
    }

    pub fn left(self) -> Vec<u8> {
        item(LEFT, &self.bytes())
    }

    /// A datagram in this member's name.
    pub fn says(self, cluster: &str, kind: u8, fields: &[u8], items: &[Vec<u8>]) -> Vec<u8> {
        let pulse = [&varint(u64::from(self.incarnation))[..], &[0; 10]].concat();
        let from = self.digest().to_le_bytes();
        tagged(cluster, kind, &[&from, fields, &pulse, &[items.len() as u8], &items.concat()].concat())
    }
}

/// The fields of a message: digests and nonces one after another.
pub fn fields(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A datagram with a tag that this cluster believes.
pub fn tagged(cluster: &str, kind: u8, body: &[u8]) -> Vec<u8> {
    let seed = XxHash3_64::oneshot(cluster.as_bytes()) ^ u64::from(u16::from_be_bytes([1, kind]));
    let tag = XxHash3_64::oneshot_with_seed(seed, body).to_le_bytes();
    [&[1, kind], &tag[..], body].concat()
}

pub fn varint(number: u64) -> Vec<u8> {
    match number {
        0..=250 => vec![number as u8],
        251..=0xffff => [&[251], &(number as u16).to_le_bytes()[..]].concat(),
        0x1_0000..=0xffff_ffff => [&[252], &(number as u32).to_le_bytes()[..]].concat(),
        _ => [&[253], &number.to_le_bytes()[..]].concat(),
    }
}

fn item(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &varint(body.len() as u64)[..], body].concat()
}

fn read_varint(bytes: &mut &[u8]) -> u64 {
    let first = bytes[0];
    let width = match first {
        251 => 2,
        252 => 4,
        253 => 8,
        _ => 0,
    };
    let mut wide = [0; 8];
    wide[..width].copy_from_slice(&bytes[1..=width]);
    *bytes = &bytes[1 + width..];
    if width == 0 { u64::from(first) } else { u64::from_le_bytes(wide) }
}

/// A datagram of the tap, taken apart.
#[derive(Clone, Debug)]
pub struct Read<'a> {
    pub kind: u8,
    pub from: u64,
    /// The digests and nonces of the message, in order.
    pub words: Vec<u64>,
    pub round: u16,
    /// Kind, whom it is about (if it names one) and body.
    pub items: Vec<(u8, Option<NodeId>, &'a [u8])>,
}

pub fn read(datagram: &[u8]) -> Read<'_> {
    let word = |at: usize| u64::from_le_bytes(datagram[at..at + 8].try_into().unwrap());
    let (kind, from) = (datagram[1], word(10));
    let count = [0, 2, 1, 2, 1, 2, 0, 1, 1][usize::from(kind)];
    let words = (0..count).map(|n| word(18 + 8 * n)).collect();
    let mut rest = &datagram[18 + 8 * count..];
    if kind == RELAYED || kind == SYNC_REPLY {
        read_varint(&mut rest);
    }
    read_varint(&mut rest);
    let round = u16::from_le_bytes([rest[8], rest[9]]);
    let mut items = Vec::new();
    let many = rest[10];
    rest = &rest[11..];
    for _ in 0..many {
        let kind = rest[0];
        rest = &rest[1..];
        let length = read_varint(&mut rest) as usize;
        let (body, behind) = rest.split_at(length);
        rest = behind;
        let id = (kind <= LEFT).then(|| NodeId::from_bytes(body[..16].try_into().unwrap()));
        items.push((kind, id, body));
    }
    Read { kind, from, words, round, items }
}
