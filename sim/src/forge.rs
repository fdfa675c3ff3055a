//! Datagrams by hand, as `docs/wire.md` has them: what a liar who knows the cluster's name could send.
//!
//! Written from the page and not from the encoder, so that the two check each other.

use std::net::{IpAddr, SocketAddr};

use tidings::{Member, NodeId};
use twox_hash::XxHash3_64;

use crate::fault::Lie;

/// The message kind of news.
pub(crate) const NEWS: u8 = 6;

const ALIVE: u8 = 1;
const SUSPECT: u8 = 2;
const DEAD: u8 = 3;
const LEFT: u8 = 4;

/// A member at a generation and an incarnation, as a rumour names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who {
    id: NodeId,
    generation: u64,
    incarnation: u32,
}

impl Who {
    pub(crate) fn is(member: &Member) -> Self {
        Who { id: member.id(), generation: member.generation().0, incarnation: member.incarnation().0 }
    }

    fn digest(self) -> u64 {
        let mut bytes = self.id.to_bytes().to_vec();
        bytes.extend(self.generation.to_le_bytes());
        XxHash3_64::oneshot(&bytes).max(1)
    }

    fn bytes(self) -> Vec<u8> {
        [&self.id.to_bytes()[..], &varint(self.generation), &varint(u64::from(self.incarnation))].concat()
    }

    fn alive(self, address: SocketAddr, name: &str, metadata: &[u8]) -> Vec<u8> {
        let ip = match address.ip() {
            IpAddr::V4(ip) => [&[4], &ip.octets()[..]].concat(),
            IpAddr::V6(ip) => [&[6], &ip.octets()[..]].concat(),
        };
        let (port, length) = (address.port().to_le_bytes(), varint(metadata.len() as u64));
        let name = [&[name.len() as u8], name.as_bytes()].concat();
        item(ALIVE, &[&self.bytes()[..], &ip, &port, &name, &length, metadata].concat())
    }

    /// A Suspect or a Dead whose silence began `age_ms` ago.
    fn accused(self, kind: u8, age_ms: u64, accusers: &[NodeId]) -> Vec<u8> {
        let mut body = [self.bytes(), varint(age_ms), vec![0, accusers.len() as u8]].concat();
        accusers.iter().for_each(|id| body.extend(id.to_bytes()));
        item(kind, &body)
    }

    /// A datagram in this member's name.
    pub(crate) fn says(self, cluster: &str, kind: u8, fields: &[u8], items: &[Vec<u8>]) -> Vec<u8> {
        let pulse = [&varint(u64::from(self.incarnation))[..], &[0; 10]].concat();
        let from = self.digest().to_le_bytes();
        let body = [&from, fields, &pulse, &[items.len() as u8], &items.concat()].concat();
        let seed = XxHash3_64::oneshot(cluster.as_bytes()) ^ u64::from(u16::from_be_bytes([1, kind]));
        let tag = XxHash3_64::oneshot_with_seed(seed, &body).to_le_bytes();
        [&[1, kind], &tag[..], &body].concat()
    }
}

/// What a liar says of a member.
pub(crate) fn lie(what: Lie, liar: Who, member: &Member, address: SocketAddr) -> Vec<u8> {
    let truth = Who::is(member);
    // As many accusers as a verdict asks for, the others made up.
    let accusers = [liar.id, NodeId::from_name("nobody"), NodeId::from_name("no one")];
    let say = |who: Who| who.alive(address, member.name(), member.metadata());
    match what {
        Lie::Suspect => truth.accused(SUSPECT, 60_000, &accusers),
        Lie::Dead => truth.accused(DEAD, 60_000, &accusers),
        Lie::Left => item(LEFT, &Who { incarnation: truth.incarnation + 1, ..truth }.bytes()),
        Lie::Incarnation => say(Who { incarnation: (1 << 31) - 1, ..truth }),
        Lie::Generation => say(Who { generation: (1 << 63) - 1, ..truth }),
        Lie::Phantom => Who { id: NodeId::from_name("phantom"), ..truth }.alive(address, "phantom", &[]),
    }
}

fn varint(number: u64) -> Vec<u8> {
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
