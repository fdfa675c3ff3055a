//! The words in which two members compare their views: parts of the ring, and the terms of the members in them.

use std::fmt;
use std::slice::ChunksExact;

use bincode::de::Decoder;
use bincode::enc::{Encoder, write::Writer as _};
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use super::Rejected;
use super::bytes::take;
use super::fields::Wire;
use super::varint::Varint;

/// All places of the ring that share their top `bits` bits with `prefix`; 0 bits are the whole ring.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Range {
    /// How many bits are shared, 0 to 60.
    pub bits: u8,
    /// The lowest place of the range: its bits below the top `bits` are zero.
    pub prefix: u64,
}

impl Range {
    /// The finest range that can be named.
    pub(crate) const BITS_MAX: u8 = 60;

    /// The whole ring.
    pub(crate) const fn whole() -> Self {
        Range { bits: 0, prefix: 0 }
    }

    /// Its lowest place.
    pub(crate) const fn first(self) -> u64 {
        self.prefix
    }

    /// Its highest place, itself in the range.
    pub(crate) const fn last(self) -> u64 {
        self.prefix | self.below()
    }

    /// Its sixteen equal parts, in the order of the ring. Those of the finest range are single places, too fine to be
    /// named on the wire.
    pub(crate) fn children(self) -> [Range; 16] {
        let bits = self.bits.saturating_add(4).min(64);
        let step = 64 - u32::from(bits);
        std::array::from_fn(|part| Range { bits, prefix: self.prefix | (part as u64) << step })
    }

    /// Whether it can be named on the wire.
    pub(super) const fn check(self) -> Result<(), Rejected> {
        if self.bits <= Range::BITS_MAX && self.prefix & self.below() == 0 { Ok(()) } else { Err(Rejected::Malformed) }
    }

    /// The bits in which the places of the range differ.
    const fn below(self) -> u64 {
        match u64::MAX.checked_shr(self.bits as u32) {
            Some(mask) => mask,
            None => 0,
        }
    }
}

/// The shared bits are written as a number, so that a coarse range is short.
impl Encode for Wire<Range> {
    #[inline]
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let Range { bits, prefix } = self.0;
        let number = prefix.checked_shr(64_u32.saturating_sub(u32::from(bits))).unwrap_or_default();
        (bits, Varint(number)).encode(encoder)
    }
}

impl<C> Decode<C> for Wire<Range> {
    #[inline]
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (bits, Varint(number)) = Decode::decode(decoder)?;
        if bits > Range::BITS_MAX || number >> bits != 0 {
            return Err(DecodeError::Other("a range finer than can be named, or outside the ring"));
        }
        let prefix = number.checked_shl(64 - u32::from(bits)).unwrap_or_default();
        Ok(Wire(Range { bits, prefix }))
    }
}

bincode::impl_borrow_decode!(Wire<Range>);

/// Terms of members, as they came in a datagram or as a slice of the sender's.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    /// Four bytes each, least significant first.
    Bytes(&'a [u8]),
    Words(&'a [u32]),
}

impl<'a> Terms<'a> {
    /// Views a slice of terms, to be written.
    pub(crate) const fn of(terms: &'a [u32]) -> Self {
        Terms(Source::Words(terms))
    }

    /// Views the terms at the front of `rest`, which moves behind them.
    pub(super) fn take(rest: &mut &'a [u8]) -> Result<Self, Rejected> {
        let Varint(count) = take(rest)?;
        let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(TERM_BYTES));
        let (terms, behind) = length.and_then(|length| rest.split_at_checked(length)).ok_or(Rejected::Truncated)?;
        *rest = behind;
        Ok(Terms(Source::Bytes(terms)))
    }

    /// The terms in the order they were written.
    pub(crate) fn iter(&self) -> TermsIter<'a> {
        match self.0 {
            Source::Bytes(bytes) => TermsIter { bytes: bytes.chunks_exact(TERM_BYTES), words: [].iter() },
            Source::Words(words) => TermsIter { bytes: [].chunks_exact(TERM_BYTES), words: words.iter() },
        }
    }
}

const TERM_BYTES: usize = size_of::<u32>();

impl PartialEq for Terms<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Terms<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// How many, then each.
impl Encode for Terms<'_> {
    #[inline]
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        Varint(self.iter().len() as u64).encode(encoder)?;
        match self.0 {
            Source::Bytes(bytes) => encoder.writer().write(bytes),
            Source::Words(words) => words.iter().try_for_each(|term| Wire(*term).encode(encoder)),
        }
    }
}

/// The terms of a [`Terms`].
#[derive(Clone, Debug)]
pub(crate) struct TermsIter<'a> {
    bytes: ChunksExact<'a, u8>,
    words: std::slice::Iter<'a, u32>,
}

impl Iterator for TermsIter<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match self.bytes.next() {
            Some(chunk) => chunk.try_into().ok().map(u32::from_le_bytes),
            None => self.words.next().copied(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.bytes.len() + self.words.len();
        (left, Some(left))
    }
}

impl ExactSizeIterator for TermsIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_parts_make_the_whole() {
        let ranges = [
            Range::whole(),
            Range { bits: 4, prefix: 0xf << 60 },
            Range { bits: 7, prefix: 0x7a << 56 },
            Range { bits: 60, prefix: !0 << 4 },
        ];
        for range in ranges {
            let children = range.children();
            assert_eq!((children[0].first(), children[15].last()), (range.first(), range.last()));
            for pair in children.windows(2) {
                assert_eq!(pair[0].last().wrapping_add(1), pair[1].first());
                assert_eq!(pair[0].bits, range.bits + 4);
                assert_eq!(pair[1].prefix & pair[1].below(), 0);
            }
        }
    }

    #[test]
    fn a_range_holds_its_ends_and_not_its_neighbours() {
        let range = Range { bits: 12, prefix: 0xabc << 52 };
        assert_eq!((range.first(), range.last()), (0xabc0_0000_0000_0000, 0xabcf_ffff_ffff_ffff));
        assert_eq!((Range::whole().first(), Range::whole().last()), (0, u64::MAX));
        assert_eq!(Range { bits: 64, prefix: 7 }.last(), 7);
    }

    #[test]
    fn only_what_can_be_named_passes() {
        for bits in 0..=u8::MAX {
            let named = bits <= Range::BITS_MAX;
            assert_eq!(Range { bits, prefix: 0 }.check().is_ok(), named, "{bits}");
            let highest = Range { bits: bits.min(64), prefix: u64::MAX }.below();
            assert_eq!(Range { bits, prefix: !highest }.check().is_ok(), named, "{bits}");
            assert!(!named || Range { bits, prefix: 1 }.check().is_err(), "{bits}");
        }
        assert_eq!(Range { bits: 200, prefix: 1 }.children()[15].bits, 64, "absurd, but total");
    }

    #[test]
    fn terms_are_the_same_from_bytes_and_words() {
        let (words, bytes) = ([1, 0xfffe_0000], [2, 1, 0, 0, 0, 0, 0, 0xfe, 0xff, 77]);
        let mut rest = &bytes[..];
        let (from, of) = (Terms::take(&mut rest).unwrap(), Terms::of(&words));
        assert_eq!(rest, [77], "what follows them is not theirs");
        assert_eq!(from, of);
        assert_eq!((from.iter().len(), of.iter().len()), (2, 2));
        assert_ne!(from, Terms::of(&words[..1]));
        for length in 0..bytes.len() - 1 {
            assert_eq!(Terms::take(&mut &bytes[..length]), Err(Rejected::Truncated));
        }
        for count in [&[250][..], &[253, 255, 255, 255, 255, 255, 255, 255, 255]] {
            assert_eq!(Terms::take(&mut &*[count, &[0; 8]].concat()), Err(Rejected::Truncated));
        }
        assert_eq!(format!("{from:?}"), "[1, 4294836224]");
    }
}
