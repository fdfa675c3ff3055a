//! Whole datagrams: verified before anything of them is believed, written so that they never outgrow their limit.
//!
//! The tag keeps out other clusters and damage; it is no secret and stops no attacker. It is checked before the bytes behind
//! it are looked at, and every item is read once before the first is handed out. Nothing here allocates but the buffer the
//! caller keeps.

use bincode::enc::write::{SizeWriter, Writer as ByteWriter};
use bincode::error::EncodeError;
use bincode::{Encode, encode_into_writer};
use twox_hash::XxHash3_64;

use super::fields::{CONFIG, Wire, take};
use super::head;
use super::items::Item;
use super::message::{Digest, Message, Pulse};
use super::varint::Varint;
use super::{Rejected, WIRE_VERSION};

/// Version, kind and tag.
const TAG_END: usize = 10;
const TAG_START: usize = 2;
/// What every version keeps: version, kind, tag, sender and count.
const DATAGRAM_BYTES_MIN: usize = 19;

/// Reads and writes the datagrams of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Codec {
    seed: u64,
    datagram_bytes_max: usize,
}

impl Codec {
    pub(crate) fn new(cluster: &str, datagram_bytes_max: usize) -> Self {
        Codec { seed: XxHash3_64::oneshot(cluster.as_bytes()), datagram_bytes_max }
    }

    /// Verifies a whole datagram: header, tag and every item of a known kind.
    ///
    /// # Errors
    /// When any byte is not as `docs/wire.md` has it; nothing of the datagram may then be believed.
    pub(crate) fn decode<'a>(&self, datagram: &'a [u8]) -> Result<Datagram<'a>, Rejected> {
        if datagram.len() > self.datagram_bytes_max {
            return Err(Rejected::Oversized);
        }
        let (&[version, kind, tag @ ..], tagged) =
            datagram.split_first_chunk::<TAG_END>().ok_or(Rejected::Truncated)?;
        if datagram.len() < DATAGRAM_BYTES_MIN {
            return Err(Rejected::Truncated);
        }
        if version != WIRE_VERSION {
            return Err(Rejected::Version);
        }
        if !Message::knows(kind) {
            return Err(Rejected::Kind);
        }
        if self.tag(kind, tagged) != tag {
            return Err(Rejected::Tag);
        }
        let mut rest = tagged;
        let from = head::digest(&mut rest)?;
        let message = Message::decode(kind, &mut rest)?;
        let pulse = Pulse::decode(&mut rest)?;
        let count: u8 = take(&mut rest)?;
        let items = rest;
        for _ in 0..count {
            let (kind, body) = next_item(&mut rest)?;
            if let Some(item) = Item::decode(kind, body)? {
                item.check()?;
            }
        }
        if rest.is_empty() { Ok(Datagram { from, pulse, message, items }) } else { Err(Rejected::Malformed) }
    }

    /// Begins a datagram in `buf`, whose contents are dropped: the header and the message are always written, and items never
    /// beyond `limit` or the codec's own limit.
    pub(crate) fn writer<'b>(
        &self,
        buf: &'b mut Vec<u8>,
        limit: usize,
        from: Digest,
        pulse: Pulse,
        message: Message,
    ) -> Writer<'b> {
        buf.clear();
        buf.extend_from_slice(&[WIRE_VERSION, message.kind(), 0, 0, 0, 0, 0, 0, 0, 0]);
        append(buf, &(Wire(from), message, pulse));
        let count_at = buf.len();
        buf.push(0);
        let limit = limit.min(self.datagram_bytes_max);
        Writer { codec: self.clone(), buf, limit, kind: message.kind(), count: 0, count_at }
    }

    /// The hash of everything behind it, and through the seed of everything before it and of the cluster's name.
    fn tag(&self, kind: u8, tagged: &[u8]) -> [u8; 8] {
        let seed = self.seed ^ u64::from(u16::from_be_bytes([WIRE_VERSION, kind]));
        XxHash3_64::oneshot_with_seed(seed, tagged).to_le_bytes()
    }
}

/// A datagram that has been verified whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram<'a> {
    pub from: Digest,
    pub pulse: Pulse,
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
fn next_item<'a>(rest: &mut &'a [u8]) -> Result<(u8, &'a [u8]), Rejected> {
    let (kind, Varint(length)) = take::<(u8, Varint)>(rest)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (body, behind) = rest.split_at_checked(length).ok_or(Rejected::Truncated)?;
    *rest = behind;
    Ok((kind, body))
}

/// A datagram under way; no datagram until [`Writer::finish`].
#[derive(Debug)]
#[must_use = "without `finish` the buffer holds no datagram"]
pub(crate) struct Writer<'b> {
    codec: Codec,
    buf: &'b mut Vec<u8>,
    limit: usize,
    kind: u8,
    count: u8,
    count_at: usize,
}

impl Writer<'_> {
    /// Appends an item. False, with the bytes as they were, if there is no room, if there are 255 items already, or if a
    /// value is outside its range, so that the receiver would refuse the whole datagram.
    pub(crate) fn item(&mut self, item: &Item<'_>) -> bool {
        let Some(count) = self.count.checked_add(1) else { return false };
        if item.check().is_err() {
            return false;
        }
        let mut body = SizeWriter::default();
        if encode_into_writer(item, &mut body, CONFIG).is_err() {
            return false;
        }
        let length = Varint(body.bytes_written as u64);
        if 1 + length.size() + body.bytes_written > self.room() {
            return false;
        }
        append(self.buf, &(item.kind(), length, item));
        self.count = count;
        true
    }

    /// Bytes still free under the limit.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.buf.len())
    }

    /// Items so far.
    pub(crate) fn count(&self) -> u8 {
        self.count
    }

    /// Fills in the count and the tag.
    pub(crate) fn finish(self) {
        if let Some(count) = self.buf.get_mut(self.count_at) {
            *count = self.count;
        }
        if let Some((head, tagged)) = self.buf.split_at_mut_checked(TAG_END) {
            let tag = self.codec.tag(self.kind, tagged);
            if let Some(place) = head.get_mut(TAG_START..) {
                place.copy_from_slice(&tag);
            }
        }
    }
}

struct Tail<'b>(&'b mut Vec<u8>);

impl ByteWriter for Tail<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Encodes onto the end of a buffer, which grows as needed: this cannot fail.
fn append<T: Encode>(buf: &mut Vec<u8>, value: &T) {
    let written = encode_into_writer(value, Tail(buf), CONFIG);
    debug_assert!(written.is_ok(), "{written:?}");
}
