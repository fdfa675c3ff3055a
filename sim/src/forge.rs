//! Datagrams by hand, as `docs/wire.md` has them: what a liar that knows the cluster's name could send, and how to read
//! what was sent.
//!
//! Written from the page and not from the encoder, so that the two check each other. It reads only what a sound sender
//! wrote; it checks no tag and refuses little.

use std::net::{IpAddr, SocketAddr};

use tidings::member::{Member, NodeId};
use twox_hash::XxHash3_64;

/// The message kind of a ping.
pub const PING: u8 = 1;
/// The message kind of an ack.
pub const ACK: u8 = 2;
/// The message kind of an order to a relay.
pub const PING_REQ: u8 = 3;
/// The message kind of a relay that had no answer.
pub const NACK: u8 = 4;
/// The message kind of a relay that had one.
pub const RELAYED: u8 = 5;
/// The message kind of news.
pub const NEWS: u8 = 6;
/// The message kind that begins a comparison of views, or goes on with one.
pub const SYNC_REQUEST: u8 = 7;
/// The message kind that answers it.
pub const SYNC_REPLY: u8 = 8;

/// The message kind of an election message.
pub const ELECTION: u8 = 9;

/// The election message's kind that asks for a vote.
pub const VOTE: u8 = 3;
/// The election message's kind that says yes, to which the number of the question is added, counted from 0: leader
/// check, pre-vote, vote, heartbeat.
pub const GRANTED: u8 = 8;
/// The election message's kind that says no, to which the number of the question is added.
pub const REFUSED: u8 = 16;
/// The election message's kind of a leader that leads no more.
pub const RESIGN: u8 = 24;
/// The election message's kind that says which voters there are.
const VOTERS: u8 = 27;
/// The election message's kind that asks for other voters.
const ASK_CHANGE: u8 = 28;
/// The number of the question whether a voter votes for the asker.
pub const ASKED_VOTE: u8 = 2;
/// The number of the question whether a voter still follows the asker.
pub const ASKED_HEARTBEAT: u8 = 3;

/// The item kind of a record.
pub const ALIVE: u8 = 1;
/// The item kind of a suspicion.
pub const SUSPECT: u8 = 2;
/// The item kind of a verdict.
pub const DEAD: u8 = 3;
/// The item kind of a Left.
pub const LEFT: u8 = 4;
/// The item kind that says where the receiver is seen.
pub const SEEN: u8 = 5;
/// The kind of an item with the further fields of a record.
pub const CHANGE: u8 = 6;

/// The flag of an accusation that asks the receiver to look at once.
pub const LOOK: u8 = 1;

/// The digests and nonces that a message of each kind begins with, behind its sender.
const WORDS: [usize; 10] = [0, 2, 1, 2, 1, 2, 0, 1, 1, 4];
/// Where an election message begins: behind the header, its sender, its receiver, the election, its rules and its
/// voters.
const MESSAGE_AT: usize = 10 + 8 + 8 + 8 + 8 + 8;

/// A member at a generation and an incarnation, as a rumour names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    /// Its id.
    pub id: NodeId,
    /// Its generation.
    pub generation: u64,
    /// Its incarnation.
    pub incarnation: u32,
}

impl Who {
    /// The member as it stands in a table.
    #[must_use]
    pub fn is(member: &Member) -> Self {
        Who { id: member.id(), generation: member.generation().0, incarnation: member.incarnation().0 }
    }

    /// The short name under which datagrams name their sender and the member they are for.
    #[must_use]
    pub fn digest(self) -> u64 {
        let mut bytes = self.id.to_bytes().to_vec();
        bytes.extend(self.generation.to_le_bytes());
        XxHash3_64::oneshot(&bytes).max(1)
    }

    fn bytes(self) -> Vec<u8> {
        [&self.id.to_bytes()[..], &varint(self.generation), &varint(u64::from(self.incarnation))].concat()
    }

    /// The item of its record.
    #[must_use]
    pub fn alive(self, address: SocketAddr, name: &str, metadata: &[u8]) -> Vec<u8> {
        let ip = match address.ip() {
            IpAddr::V4(ip) => [&[4], &ip.octets()[..]].concat(),
            IpAddr::V6(ip) => [&[6], &ip.octets()[..]].concat(),
        };
        let (port, length) = (address.port().to_le_bytes(), varint(metadata.len() as u64));
        let name = [&[name.len() as u8], name.as_bytes()].concat();
        item(ALIVE, &[&self.bytes()[..], &ip, &port, &name, &length, metadata].concat())
    }

    /// The item of a Suspect or a Dead whose silence began `age_ms` ago.
    #[must_use]
    pub fn accused(self, kind: u8, age_ms: u64, accusers: &[NodeId]) -> Vec<u8> {
        self.accused_with(0, kind, age_ms, accusers)
    }

    /// The same with flags.
    #[must_use]
    pub fn accused_with(self, flags: u8, kind: u8, age_ms: u64, accusers: &[NodeId]) -> Vec<u8> {
        let mut body = [self.bytes(), varint(age_ms), vec![flags, accusers.len() as u8]].concat();
        accusers.iter().for_each(|id| body.extend(id.to_bytes()));
        item(kind, &body)
    }

    /// The item of its Left.
    #[must_use]
    pub fn left(self) -> Vec<u8> {
        item(LEFT, &self.bytes())
    }

    /// A datagram in its name.
    #[must_use]
    pub fn says(self, cluster: &str, kind: u8, fields: &[u8], items: &[Vec<u8>]) -> Vec<u8> {
        let sender_state = [&varint(u64::from(self.incarnation))[..], &[0; 10]].concat();
        let from = self.digest().to_le_bytes();
        tagged(cluster, kind, &[&from, fields, &sender_state, &[items.len() as u8], &items.concat()].concat())
    }
}

/// An election message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRead {
    /// The digest of the member that it is for.
    pub to: u64,
    /// The hash of the election's name.
    pub election: u64,
    /// The configuration of voters that it was written under: its leader's term and its number.
    pub version: (u64, u64),
    /// What kind of election message it is.
    pub kind: u8,
    /// The term it names.
    pub term: u64,
    /// The round it belongs to.
    pub round: u64,
    /// What else it says; what that is depends on its kind.
    pub detail: u64,
}

impl MessageRead {
    /// The election message in a datagram; none if it carries another message.
    #[must_use]
    pub fn of(datagram: &[u8]) -> Option<Self> {
        if datagram.get(1) != Some(&ELECTION) {
            return None;
        }
        let mut rest = datagram.get(MESSAGE_AT - 32..MESSAGE_AT - 16)?;
        let to = u64::from_le_bytes(take(&mut rest)?);
        let election = u64::from_le_bytes(take(&mut rest)?);
        let mut rest = datagram.get(MESSAGE_AT..)?;
        MessageRead::take((to, election), &mut rest)
    }

    fn take((to, election): (u64, u64), rest: &mut &[u8]) -> Option<Self> {
        let version = (take_varint(rest)?, take_varint(rest)?);
        let [kind] = take(rest)?;
        let mut number = || take_varint(rest);
        let read = MessageRead { to, election, version, kind, term: number()?, round: number()?, detail: number()? };
        if matches!(kind, VOTERS | ASK_CHANGE) {
            let length = usize::try_from(number()?).ok()?;
            *rest = rest.get(length..)?;
        }
        Some(read)
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        const ASKED: [&str; 5] = ["?", "leader-check", "pre-vote", "vote", "heartbeat"];
        const GRANTED_TO: [&str; 4] = ["granted leader-check", "granted pre-vote", "granted vote", "followed"];
        const REFUSED_TO: [&str; 4] = ["refused leader-check", "refused pre-vote", "refused vote", "not followed"];
        const OF_LEADERS: [&str; 7] =
            ["resigned", "hand-over", "asks for hand-over", "voters", "asks for change", "holds voters", "change"];
        let names: (&[&'static str], u8) = match self.kind {
            0..GRANTED => (&ASKED, 0),
            GRANTED..REFUSED => (&GRANTED_TO, GRANTED),
            REFUSED..RESIGN => (&REFUSED_TO, REFUSED),
            RESIGN.. => (&OF_LEADERS, RESIGN),
        };
        names.0.get(usize::from(self.kind - names.1)).copied().unwrap_or("election message")
    }

    /// Its fields as a message has them, behind the election's three words.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        [
            &varint(self.version.0)[..],
            &varint(self.version.1),
            &[self.kind],
            &varint(self.term),
            &varint(self.round),
            &varint(self.detail),
        ]
        .concat()
    }
}

/// The fields of a message: digests and nonces one after another.
#[must_use]
pub fn fields(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A datagram with a tag that this cluster believes.
#[must_use]
pub fn tagged(cluster: &str, kind: u8, body: &[u8]) -> Vec<u8> {
    let seed = XxHash3_64::oneshot(cluster.as_bytes()) ^ u64::from(u16::from_be_bytes([1, kind]));
    let tag = XxHash3_64::oneshot_with_seed(seed, body).to_le_bytes();
    [&[1, kind], &tag[..], body].concat()
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

/// A datagram taken apart.
#[derive(Clone, Debug)]
pub struct Read<'a> {
    /// The kind of message.
    pub kind: u8,
    /// The digest of its sender.
    pub from: u64,
    /// The digests and nonces of the message, in order.
    pub words: Vec<u64>,
    /// The election message, if it is one.
    pub message: Option<MessageRead>,
    /// The sender's round.
    pub round: u16,
    /// What it carries.
    pub items: Vec<Item<'a>>,
}

/// One thing that a datagram carries.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Its kind.
    pub kind: u8,
    /// The member that it is about, if it names one.
    pub about: Option<NodeId>,
    /// The rest of it, with the id.
    pub body: &'a [u8],
}

/// The nonce of a ping or an ack, without taking the rest apart; none if it is another message.
#[must_use]
pub fn nonce_of(datagram: &[u8]) -> Option<u64> {
    let kind = *datagram.get(1)?;
    if kind != PING && kind != ACK {
        return None;
    }
    // Behind the header and the sender stand the words of the message, the nonce as the last of them.
    let at = 10 + 8 * WORDS[usize::from(kind)];
    let mut rest = datagram.get(at..)?;
    take(&mut rest).map(u64::from_le_bytes)
}

/// Takes a datagram apart; none when it is not whole.
#[must_use]
pub fn read(datagram: &[u8]) -> Option<Read<'_>> {
    let mut rest = datagram;
    let head: [u8; 10] = take(&mut rest)?;
    let kind = head[1];
    let from = u64::from_le_bytes(take(&mut rest)?);
    let count = *WORDS.get(usize::from(kind))?;
    let words = (0..count).map(|_| take(&mut rest).map(u64::from_le_bytes)).collect::<Option<Vec<u64>>>()?;
    if kind == RELAYED || kind == SYNC_REPLY {
        take_varint(&mut rest)?;
    }

    let message = match (kind, &words[..]) {
        (ELECTION, [to, election, ..]) => Some(MessageRead::take((*to, *election), &mut rest)?),
        _ => None,
    };

    take_varint(&mut rest)?;
    take::<8>(&mut rest)?;
    let round = u16::from_le_bytes(take(&mut rest)?);
    let [many] = take(&mut rest)?;
    let items = (0..many).map(|_| take_item(&mut rest)).collect::<Option<Vec<_>>>()?;

    Some(Read { kind, from, words, message, round, items })
}

fn take_item<'a>(rest: &mut &'a [u8]) -> Option<Item<'a>> {
    let [kind] = take(rest)?;
    let length = take_varint(rest)?;
    let (body, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = behind;
    let about = if kind <= LEFT || kind == CHANGE { Some(NodeId::from_bytes(take(&mut &*body)?)) } else { None };
    Some(Item { kind, about, body })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let [first] = take(rest)?;
    Some(match first {
        251 => u64::from(u16::from_le_bytes(take(rest)?)),
        252 => u64::from(u32::from_le_bytes(take(rest)?)),
        253 => u64::from_le_bytes(take(rest)?),
        _ => u64::from(first),
    })
}
