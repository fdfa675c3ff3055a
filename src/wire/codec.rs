//! Whole datagrams: their tag, and their reading, which verifies everything before anything is believed.
//!
//! The tag keeps out other clusters and damage; it is no secret and stops no attacker. It is checked before the bytes
//! behind it are looked at, and every item is read once before the first is handed out. Reading allocates nothing.

use twox_hash::XxHash3_64;

use super::bytes::take;
use super::fields::Wire;
use super::head;
use super::items::Item;
use super::message::{Digest, Message, SenderState};
use super::tag::{TAG_END, tag};
use super::varint::Varint;
use super::writer::Writer;
use super::{Rejected, WIRE_VERSION};
use crate::sabotage;

/// What every version keeps: version, kind, tag, sender and count.
const DATAGRAM_BYTES_MIN: usize = 19;
/// The longest payload of UDP over IPv4.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Reads and writes the datagrams of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Codec {
    seed: u64,
    /// The longest datagram that is written; whatever UDP carries is read, for others may have another limit.
    datagram_bytes_max: usize,
}

impl Codec {
    pub(crate) fn new(cluster: &str, datagram_bytes_max: usize) -> Self {
        let datagram_bytes_max = datagram_bytes_max.min(DATAGRAM_BYTES_MAX);
        Codec { seed: XxHash3_64::oneshot(cluster.as_bytes()), datagram_bytes_max }
    }

    /// Verifies a whole datagram: header, tag and every item of a known kind.
    ///
    /// # Errors
    /// When any byte is not as `docs/wire.md` has it; nothing of the datagram may then be believed.
    pub(crate) fn decode<'a>(&self, datagram: &'a [u8]) -> Result<Datagram<'a>, Rejected> {
        if datagram.len() > DATAGRAM_BYTES_MAX {
            return Err(Rejected::Oversized);
        }
        let (&[version, kind, its_tag @ ..], tagged) =
            datagram.split_first_chunk::<TAG_END>().ok_or(Rejected::Truncated)?;
        if datagram.len() < DATAGRAM_BYTES_MIN {
            return Err(Rejected::Truncated);
        }

        if version != WIRE_VERSION {
            return Err(Rejected::Version);
        }
        if kind == Message::NONE {
            return Err(Rejected::Kind);
        }
        if tag(self.tag_seed(kind), tagged) != its_tag && !sabotage::is_off("tag") {
            return Err(Rejected::Tag);
        }

        let mut rest = tagged;
        let from = head::digest(&mut rest)?;
        let message = Message::decode(kind, &mut rest)?;
        let sender_state = SenderState::decode(&mut rest)?;
        let count: u8 = take(&mut rest)?;

        let items = rest;
        for _ in 0..count {
            let (kind, body) = next_item(&mut rest)?;
            // By reference: an item is big, and moving it costs more than reading it.
            match &Item::decode(kind, body) {
                Ok(Some(item)) => item.check()?,
                Ok(None) => {}
                Err(rejected) => return Err(*rejected),
            }
        }

        if rest.is_empty() { Ok(Datagram { from, sender_state, message, items }) } else { Err(Rejected::Malformed) }
    }

    /// Begins a datagram in `buf`, whose contents are dropped: the header and the message are always written, and items
    /// never beyond `limit` or the codec's own limit.
    pub(crate) fn writer<'b>(
        &self,
        buf: &'b mut Vec<u8>,
        limit: usize,
        from: Digest,
        sender_state: SenderState,
        message: Message,
    ) -> Writer<'b> {
        let limit =
            if sabotage::is_off("datagram_limit") { limit + TAG_END } else { limit.min(self.datagram_bytes_max) };
        Writer::begin(self.tag_seed(message.kind()), buf, limit, from, sender_state, message)
    }

    fn tag_seed(&self, kind: u8) -> u64 {
        self.seed ^ u64::from(u16::from_be_bytes([WIRE_VERSION, kind]))
    }
}

/// A datagram that has been verified whole.
#[derive(Clone, Debug)]
pub(crate) struct Datagram<'a> {
    pub from: Digest,
    pub sender_state: SenderState,
    pub message: Message,
    items: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// The items of kinds that this release knows, in the order they were written.
    pub(crate) fn items(&self) -> Items<'a> {
        Items { rest: self.items }
    }
}

/// The items of a [`Datagram`].
#[derive(Clone, Debug)]
pub(crate) struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        while !self.rest.is_empty() {
            let (kind, body) = next_item(&mut self.rest).ok()?;
            let item = Item::decode(kind, body);
            debug_assert!(item.is_ok(), "a datagram is verified before its items are handed out");
            if let Ok(Some(item)) = item {
                return Some(item);
            }
        }
        None
    }
}

/// Kind and body of the item at the front of `rest`, which moves behind it.
pub(super) fn next_item<'a>(rest: &mut &'a [u8]) -> Result<(u8, &'a [u8]), Rejected> {
    let Wire(kind) = take(rest)?;
    let Varint(length) = take(rest)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (body, behind) = rest.split_at_checked(length).ok_or(Rejected::Truncated)?;
    *rest = behind;
    Ok((kind, body))
}
