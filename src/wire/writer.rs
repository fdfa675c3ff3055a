//! One datagram under way: written so that it never outgrows its limit and never says what a receiver would refuse.
//!
//! The buffer is made as long as the datagram may become and cut at the end, so that an item that does not fit is found
//! out by the attempt and leaves no trace. Nothing is allocated but in the buffer, which the caller keeps.

use super::WIRE_VERSION;
use super::bytes::put;
use super::fields::Wire;
use super::items::Item;
use super::message::{Digest, Message, SenderState};
use super::tag::{TAG_END, TAG_START, tag};
use super::varint::Varint;

/// The longest header: version, kind, tag, sender, the fields of Relayed, the sender's state, count.
const HEAD_BYTES_MAX: usize = 1 + 1 + 8 + 8 + (8 + 8 + 8 + 8 + 9 + 5 + 1 + 9 + 5 + 9) + (5 + 8 + 2) + 1;

/// A datagram under way; the buffer holds none until [`Writer::finish`].
#[derive(Debug)]
#[must_use = "without `finish` the buffer holds no datagram"]
pub(crate) struct Writer<'b> {
    buf: &'b mut Vec<u8>,
    /// What the datagram may become; the buffer is at least as long.
    limit: usize,
    /// What it is so far.
    length: usize,
    count: u8,
    count_at: usize,
    tag_seed: u64,
}

impl<'b> Writer<'b> {
    /// Writes the header, whatever the limit.
    pub(super) fn begin(
        tag_seed: u64,
        buf: &'b mut Vec<u8>,
        limit: usize,
        from: Digest,
        sender_state: SenderState,
        message: Message,
    ) -> Self {
        buf.resize(limit.max(HEAD_BYTES_MAX), 0);
        let tag_to_come = Wire(0_u64);
        let head = (Wire(WIRE_VERSION), Wire(message.kind()), tag_to_come, Wire(from), message, sender_state);
        let written = put(buf, &head);
        debug_assert!(written.is_some(), "no header is longer than HEAD_BYTES_MAX");
        let count_at = written.unwrap_or_default();
        Writer { buf, limit, length: count_at + 1, count: 0, count_at, tag_seed }
    }

    /// Appends an item. False, with the datagram as it was, if there is no space, if there are 255 items already, or if
    /// a value is outside its range, so that the receiver would refuse the whole datagram.
    pub(crate) fn item(&mut self, item: &Item<'_>) -> bool {
        let Some(count) = self.count.checked_add(1) else { return false };
        if item.check().is_err() {
            return false;
        }
        let Some(free) = self.buf.get_mut(self.length..self.limit) else { return false };
        let Some(written) = put_item(free, item) else { return false };
        self.length += written;
        self.count = count;
        true
    }

    /// Bytes still free under the limit.
    pub(crate) fn bytes_left(&self) -> usize {
        self.limit.saturating_sub(self.length)
    }

    /// Items so far, 255 at most.
    pub(crate) fn count(&self) -> u8 {
        self.count
    }

    /// Fills in the count and the tag.
    pub(crate) fn finish(self) {
        self.buf.truncate(self.length);
        if let Some(count) = self.buf.get_mut(self.count_at) {
            *count = self.count;
        }
        let Some((head, tagged)) = self.buf.split_at_mut_checked(TAG_END) else { return };
        if let Some(place) = head.get_mut(TAG_START..) {
            place.copy_from_slice(&tag(self.tag_seed, tagged));
        }
    }
}

/// Writes kind, length and body to the front of `free` and says how long they are; `None` if they do not fit.
fn put_item(free: &mut [u8], item: &Item<'_>) -> Option<usize> {
    // Most bodies are short, so this is where they belong.
    let usual = 1 + Varint(0).size();
    let length = put(free.get_mut(usual..)?, item)?;
    let number = Varint(length as u64);
    let start = 1 + number.size();
    if start > usual {
        free.get(start..start + length)?;
        free.copy_within(usual..usual + length, start);
    }
    put(free, &(Wire(item.kind()), number))?;
    Some(start + length)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::election::{Context, Message as ElectionMessage, Question, Round};
    use crate::leader::Term;
    use crate::member::{Generation, Incarnation};
    use crate::voters::Version;
    use crate::wire::golden::{DEPARTURE, NONCE, OTHER, RECORD, SENDER, SENDER_STATE, codec, suspicion};
    use crate::wire::strict::body_of;
    use crate::wire::{Accusation, ChangeRef, Codec, Departure, Range, RecordRef, Terms};

    #[test]
    fn a_writer_never_outgrows_its_limit() {
        let ping = Message::Ping { to: OTHER, nonce: NONCE };
        let mut buf = Vec::new();
        for (message, head, item) in
            [(ping, 46, Item::Suspect(suspicion())), (Message::News, 30, Item::Page { next: None, round: 0 })]
        {
            let size = 2 + body_of(&item).len();
            for limit in 0..head + 3 * size {
                for limited in [Codec::new("golden", limit), codec()] {
                    let mut writer = limited.writer(&mut buf, limit, SENDER, SENDER_STATE, message.clone());
                    let fit = limit.saturating_sub(head) / size;
                    for _ in 0..fit {
                        assert!(writer.item(&item));
                    }
                    let space = writer.bytes_left();
                    assert!(space < size && !writer.item(&item));
                    assert_eq!((writer.bytes_left(), usize::from(writer.count())), (space, fit));
                    writer.finish();
                    assert_eq!(buf.len(), head + fit * size);
                    assert_eq!(codec().decode(&buf).unwrap().items().count(), fit);
                }
            }
        }
    }

    #[test]
    fn a_writer_stops_at_255_items() {
        let codec = Codec::new("golden", 65_507);
        let mut buf = Vec::new();
        let mut writer = codec.writer(&mut buf, usize::MAX, SENDER, SENDER_STATE, Message::News);
        for _ in 0..255 {
            assert!(writer.item(&Item::Pull { cursor: 1 }));
        }
        assert_eq!(writer.count(), 255);
        assert!(!writer.item(&Item::Pull { cursor: 1 }));
        writer.finish();
        assert_eq!(codec.decode(&buf).unwrap().items().count(), 255);
    }

    #[test]
    fn a_writer_refuses_what_a_reader_would() {
        let long = "x".repeat(65);
        let high = Incarnation(Incarnation::LIMIT);
        let refused = [
            Item::Alive(RecordRef { name: "", ..RECORD }),
            Item::Alive(RecordRef { name: "a\tb", ..RECORD }),
            Item::Alive(RecordRef { name: &long, ..RECORD }),
            Item::Alive(RecordRef { metadata: &[0; 513], ..RECORD }),
            Item::Alive(RecordRef { extra: &[1, 0, 1, 0], ..RECORD }),
            Item::Alive(RecordRef { extra: &[7], ..RECORD }),
            Item::Alive(RecordRef { address: "192.0.2.1:0".parse().unwrap(), ..RECORD }),
            Item::Alive(RecordRef { incarnation: high, ..RECORD }),
            Item::Suspect(Accusation { incarnation: high, ..suspicion() }),
            Item::Dead(Accusation { generation: Generation(1 << 63), ..suspicion() }),
            Item::Left(Departure { incarnation: high, ..DEPARTURE }),
            Item::Change(ChangeRef::of(RECORD, RECORD.incarnation)),
            Item::Change(ChangeRef { extra: &[7], ..ChangeRef::of(RECORD, Incarnation(0)) }),
            Item::Change(ChangeRef { extra: &[0; 257], ..ChangeRef::of(RECORD, Incarnation(0)) }),
            Item::Seen("0.0.0.0:1".parse().unwrap()),
            Item::Seen("[::ffff:0.0.0.0]:1".parse().unwrap()),
            Item::Range { range: Range { bits: 61, prefix: 0 }, hash: 0 },
            Item::Range { range: Range { bits: 4, prefix: 1 }, hash: 0 },
            Item::Want { range: Range { bits: 0, prefix: 1 << 63 }, terms: Terms::of(&[]) },
        ];
        let mut buf = Vec::new();
        let mut writer = codec().writer(&mut buf, usize::MAX, SENDER, SENDER_STATE, Message::News);
        let space = writer.bytes_left();
        for item in refused {
            assert!(!writer.item(&item), "{item:?}");
        }
        assert_eq!((writer.bytes_left(), writer.count()), (space, 0));
        assert!(writer.item(&Item::Left(DEPARTURE)));
        writer.finish();
        assert_eq!(codec().decode(&buf).unwrap().items().count(), 1);
    }

    #[test]
    fn what_is_sent_is_rounded_and_canonical() {
        let mut buf = Vec::new();
        let mut writer = codec().writer(&mut buf, usize::MAX, SENDER, SENDER_STATE, Message::News);
        let long = Duration::MAX;
        assert!(writer.item(&Item::Suspect(Accusation { age: long, ..suspicion() })));
        assert!(writer.item(&Item::Suspect(Accusation { age: Duration::from_micros(1_999), ..suspicion() })));
        assert!(writer.item(&Item::Seen("[::ffff:192.0.2.1]:7340".parse().unwrap())));
        writer.finish();
        let decoded = codec().decode(&buf).unwrap();
        let millis = Duration::from_millis;
        let expected = [
            Item::Suspect(Accusation { age: millis(u64::from(u32::MAX)), ..suspicion() }),
            Item::Suspect(Accusation { age: millis(1), ..suspicion() }),
            Item::Seen("192.0.2.1:7340".parse().unwrap()),
        ];
        assert_eq!(decoded.items().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn items_longer_than_250_bytes_have_a_longer_length() {
        let head = 30;
        for terms in 50..70_usize {
            let terms = vec![7; terms];
            let item = Item::Terms { range: Range::whole(), terms: Terms::of(&terms) };
            let body = body_of(&item).len();
            let size = 1 + Varint(body as u64).size() + body;
            for (limit, fits) in [(head + size - 1, false), (head + size, true)] {
                let mut buf = Vec::new();
                let mut writer = codec().writer(&mut buf, limit, SENDER, SenderState::default(), Message::News);
                assert_eq!(writer.item(&item), fits, "{body} bytes");
                writer.finish();
                assert_eq!(buf.len(), if fits { limit } else { head });
                assert_eq!(codec().decode(&buf).unwrap().items().next(), fits.then_some(item));
            }
        }
    }

    #[test]
    fn the_longest_header_fits_any_limit() {
        let top = Incarnation(Incarnation::LIMIT - 1);
        let election_message = ElectionMessage::Refused {
            asked: Question::Vote,
            term: Term(Term::LIMIT - 1),
            round: Round(u32::MAX),
            wait: Duration::from_micros(Term::LIMIT - 1),
        };
        let context = Context {
            election: 1,
            rules: 2,
            voters: 3,
            version: Version { term: Term(Term::LIMIT - 1), number: u32::MAX },
        };
        let longest = Message::Election { to: OTHER, context, election_message };
        let mut buf = vec![0xee; 70_000];
        codec().writer(&mut buf, 0, SENDER, SenderState { incarnation: top, ..SENDER_STATE }, longest.clone()).finish();
        assert_eq!(buf.len(), HEAD_BYTES_MAX);
        assert_eq!(codec().decode(&buf).unwrap().message, longest);
        Codec::new("golden", usize::MAX).writer(&mut buf, usize::MAX, SENDER, SENDER_STATE, longest.clone()).finish();
        assert!(codec().decode(&buf).is_ok());
    }
}
