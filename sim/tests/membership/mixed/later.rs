//! Datagrams of a later release: version 1.1, which adds to everything that may grow.
//!
//! Written from `docs/wire.md` alone. It takes what a member of this release sends and says the same as a member would
//! that knows more: a new kind of message in place of News, an item of a new kind, more behind each item's fields, more
//! flags, more in each further field of its own record and one of a new kind, and details in messages that had none.

use tidings::member::NodeId;
use tidings_sim::forge::{self, tagged};

/// A kind of message that version 1 does not have.
pub const NEWS_AND_MORE: u8 = 40;
/// A kind of further field that version 1 does not have, with its length and body.
pub const FIELD: [u8; 5] = [200, 3, 1, 1, 0];

/// What a sender of version 1.1 would have sent in place of this.
pub fn said_later(cluster: &str, me: NodeId, datagram: &[u8]) -> Vec<u8> {
    let kind = datagram[1];
    let mut rest = &datagram[10..];
    let mut head = front(&mut rest, 8).to_vec();

    match kind {
        forge::PING | forge::PING_REQ => head.extend(front(&mut rest, 16)),
        forge::ACK | forge::NACK | forge::SYNC_REQUEST => head.extend(front(&mut rest, 8)),
        forge::RELAYED => {
            head.extend(front(&mut rest, 16));
            head.extend(number(&mut rest));
        }
        forge::SYNC_REPLY => {
            head.extend(front(&mut rest, 8));
            head.extend(number(&mut rest));
        }
        forge::ELECTION => {
            head.extend(front(&mut rest, 32));
            head.extend(message(&mut rest));
        }
        _ => {}
    }

    head.extend(number(&mut rest));
    head.extend(front(&mut rest, 10));
    let count = front(&mut rest, 1)[0];

    let mut items = Vec::new();
    if count < 255 {
        items.extend([77, 3, 1, 2, 3]);
    }

    for _ in 0..count {
        let kind = front(&mut rest, 1)[0];
        let length = value(&number(&mut rest)) as usize;
        let body = item(kind, me, front(&mut rest, length));
        items.push(kind);
        items.extend(written(body.len() as u64));
        items.extend(body);
    }

    assert!(rest.is_empty(), "{rest:02x?} left over");
    let kind = if kind == forge::NEWS { NEWS_AND_MORE } else { kind };
    tagged(cluster, kind, &[&head, &[count.saturating_add(1)][..], &items].concat())
}

/// A message, with a detail where its kind had none.
fn message(rest: &mut &[u8]) -> Vec<u8> {
    let version = [number(rest), number(rest)].concat();
    let kind = front(rest, 1)[0];
    let (term, round, detail) = (number(rest), number(rest), number(rest));
    let is_free = matches!(kind, 1 | 2 | 8..16 | 24 | 25 | 27);
    let detail = if is_free { written(777) } else { detail };
    let voters = match kind {
        27 | 28 => {
            let length = number(rest);
            [&length, front(rest, value(&length) as usize)].concat()
        }
        _ => Vec::new(),
    };
    [&version, &[kind][..], &term, &round, &detail, &voters].concat()
}

/// The body of an item, with more in it.
fn item(kind: u8, me: NodeId, body: &[u8]) -> Vec<u8> {
    match kind {
        forge::ALIVE if body[..16] == me.to_bytes() => record(body),
        // Another's record is passed on as it came.
        forge::ALIVE => body.to_vec(),
        forge::CHANGE if body[..16] == me.to_bytes() => change(body),
        forge::CHANGE => body.to_vec(),
        forge::SUSPECT | forge::DEAD => {
            let mut rest = &body[16..];
            (0..3).for_each(|_| drop(number(&mut rest)));
            let mut longer = [body, &[9, 9]].concat();
            longer[body.len() - rest.len()] |= 0xf0;
            longer
        }
        _ => [body, &[7; 3]].concat(),
    }
}

/// The sender's own record: a byte more in each further field that version 1 has, and a field that it has not.
fn record(body: &[u8]) -> Vec<u8> {
    let mut rest = &body[16..];
    (0..2).for_each(|_| drop(number(&mut rest)));
    let ip = if front(&mut rest, 1)[0] == 4 { 4 } else { 16 };
    front(&mut rest, ip + 2);
    let name = front(&mut rest, 1)[0];
    front(&mut rest, usize::from(name));
    let metadata = value(&number(&mut rest)) as usize;
    front(&mut rest, metadata);
    [&body[..body.len() - rest.len()], &further_fields(rest)].concat()
}

/// The further fields of the sender's own record, where they are told alone.
fn change(body: &[u8]) -> Vec<u8> {
    let mut rest = &body[16..];
    (0..3).for_each(|_| drop(number(&mut rest)));
    let head = &body[..body.len() - rest.len()];
    number(&mut rest);
    let longer = further_fields(rest);
    [head, &written(longer.len() as u64), &longer].concat()
}

fn further_fields(mut rest: &[u8]) -> Vec<u8> {
    let mut longer = Vec::new();
    while !rest.is_empty() {
        let kind = front(&mut rest, 1)[0];
        let length = value(&number(&mut rest)) as usize;
        longer.push(kind);
        longer.extend(written(length as u64 + 1));
        longer.extend(front(&mut rest, length));
        longer.push(5);
    }
    longer.extend(FIELD);
    longer
}

fn front<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (front, behind) = rest.split_at(length);
    *rest = behind;
    front
}

/// A number as it was written.
fn number(rest: &mut &[u8]) -> Vec<u8> {
    let length = match rest[0] {
        251 => 3,
        252 => 5,
        253 => 9,
        _ => 1,
    };
    front(rest, length).to_vec()
}

fn value(number: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    match number {
        [byte] => bytes[0] = *byte,
        [_, digits @ ..] => bytes[..digits.len()].copy_from_slice(digits),
        [] => {}
    }
    u64::from_le_bytes(bytes)
}

fn written(number: u64) -> Vec<u8> {
    match number {
        0..=250 => vec![number as u8],
        _ => [&[251], &(number as u16).to_le_bytes()[..]].concat(),
    }
}
