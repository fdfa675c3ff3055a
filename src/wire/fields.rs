//! The fields that messages and items are built of: the library's words in their one permitted form of bytes.
//!
//! A word of the library is never encoded by itself, or the encoder's traits would become part of our public types: it
//! is put in a [`Wire`] first, which stays in this module. Here the *form* is checked; which *values* may be said at
//! all is [`Item::check`](super::items::Item::check)'s business, for what comes in and what goes out alike.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bincode::de::{BorrowDecoder, Decoder};
use bincode::enc::{Encoder, write::Writer as _};
use bincode::error::{DecodeError, EncodeError};
use bincode::{BorrowDecode, Decode, Encode};

use super::bytes::{array, slice};
use super::message::{Digest, Nonce};
use super::varint::Varint;
use crate::leader::Term;
use crate::member::{Accusers, Generation, Incarnation, NodeId, canonical};
use crate::voters::Version;

/// A word of the library as the wire carries it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wire<T>(pub(super) T);

/// Words that travel as plain bytes, because they are random or of fixed width: no shorter form would pay.
macro_rules! plain {
    ($($word:ty: $into:expr, $from:expr;)*) => {$(
        impl Encode for Wire<$word> {
            #[inline]
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                encoder.writer().write(&$into(self.0))
            }
        }

        impl<C> Decode<C> for Wire<$word> {
            #[inline]
            fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                Ok(Wire($from(array(decoder)?)))
            }
        }

        bincode::impl_borrow_decode!(Wire<$word>);
    )*};
}

plain! {
    u8: u8::to_le_bytes, u8::from_le_bytes;
    u16: u16::to_le_bytes, u16::from_le_bytes;
    u32: u32::to_le_bytes, u32::from_le_bytes;
    u64: u64::to_le_bytes, u64::from_le_bytes;
    NodeId: NodeId::to_bytes, NodeId::from_bytes;
    Digest: |digest: Digest| digest.0.to_le_bytes(), |bytes| Digest(u64::from_le_bytes(bytes));
    Nonce: |nonce: Nonce| nonce.0.to_le_bytes(), |bytes| Nonce(u64::from_le_bytes(bytes));
}

/// Words that are usually small numbers, and what a number must be to be one.
macro_rules! numbers {
    ($($word:ty: $into:expr, $from:expr;)*) => {$(
        impl Encode for Wire<$word> {
            #[inline]
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                Varint($into(self.0)).encode(encoder)
            }
        }

        impl<C> Decode<C> for Wire<$word> {
            #[inline]
            fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                let Varint(number) = Varint::decode(decoder)?;
                let word: Option<$word> = $from(number);
                word.map(Wire).ok_or_else(|| DecodeError::Other("a number beyond its field's width"))
            }
        }

        bincode::impl_borrow_decode!(Wire<$word>);
    )*};
}

numbers! {
    Generation: |generation: Generation| generation.0, |number| Some(Generation(number));
    Incarnation: |incarnation: Incarnation| u64::from(incarnation.0), |number| u32::try_from(number).ok().map(Incarnation);
    Duration: millis, |number| u32::try_from(number).ok().map(|ms| Duration::from_millis(u64::from(ms)));
}

/// Whole milliseconds, 49 days at most.
fn millis(duration: Duration) -> u64 {
    u64::from(u32::try_from(duration.as_millis()).unwrap_or(u32::MAX))
}

/// The term, then the number; there is no term at or above the limit of terms.
impl Encode for Wire<Version> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        Varint(self.0.term.0).encode(encoder)?;
        Varint(u64::from(self.0.number)).encode(encoder)
    }
}

impl<C> Decode<C> for Wire<Version> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (Varint(term), Varint(number)) = (Varint::decode(decoder)?, Varint::decode(decoder)?);
        let number = u32::try_from(number).ok().filter(|_| term < Term::LIMIT);
        let number = number.ok_or(DecodeError::Other("a version beyond the limits of its numbers"))?;
        Ok(Wire(Version { term: Term(term), number }))
    }
}

bincode::impl_borrow_decode!(Wire<Version>);

/// 4 or 6, the address, the port: an IPv4 address inside an IPv6 one is written as what it is.
impl Encode for Wire<SocketAddr> {
    #[inline]
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let address = canonical(self.0);
        match address.ip() {
            IpAddr::V4(ip) => {
                encoder.writer().write(&[4])?;
                encoder.writer().write(&ip.octets())?;
            }
            IpAddr::V6(ip) => {
                encoder.writer().write(&[6])?;
                encoder.writer().write(&ip.octets())?;
            }
        }
        Wire(address.port()).encode(encoder)
    }
}

impl<C> Decode<C> for Wire<SocketAddr> {
    #[inline]
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let ip = match array(decoder)? {
            [4] => IpAddr::from(array::<4, D>(decoder)?),
            [6] => IpAddr::from(array::<16, D>(decoder)?),
            _ => return Err(DecodeError::Other("an address of no known family")),
        };
        if ip != ip.to_canonical() {
            return Err(DecodeError::Other("an IPv4 address written as IPv6"));
        }
        let Wire(port) = Wire::<u16>::decode(decoder)?;
        Ok(Wire(SocketAddr::new(ip, port)))
    }
}

bincode::impl_borrow_decode!(Wire<SocketAddr>);

/// How many, then each, none twice: a set has no other way to hold them.
impl Encode for Wire<Accusers> {
    #[inline]
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        encoder.writer().write(&[self.0.len() as u8])?;
        self.0.iter().try_for_each(|id| Wire(id).encode(encoder))
    }
}

impl<C> Decode<C> for Wire<Accusers> {
    #[inline]
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let [count]: [u8; 1] = array(decoder)?;
        let mut accusers = Accusers::default();
        for _ in 0..count {
            let Wire(id) = Wire::<NodeId>::decode(decoder)?;
            if !accusers.insert(id) {
                return Err(DecodeError::Other("an accuser named twice, or one more than there is space for"));
            }
        }
        Ok(Wire(accusers))
    }
}

bincode::impl_borrow_decode!(Wire<Accusers>);

/// A member's name: its length in one byte, then UTF-8.
#[derive(Clone, Copy)]
pub(super) struct Name<'a>(pub(super) &'a str);

impl Encode for Name<'_> {
    #[inline]
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        encoder.writer().write(&[self.0.len() as u8])?;
        encoder.writer().write(self.0.as_bytes())
    }
}

impl<'de, C> BorrowDecode<'de, C> for Name<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let [length]: [u8; 1] = array(decoder)?;
        let bytes = slice(decoder, u64::from(length))?;
        std::str::from_utf8(bytes).map(Name).map_err(|inner| DecodeError::Utf8 { inner })
    }
}

/// Bytes for the application: how many, then they.
#[derive(Clone, Copy)]
pub(super) struct Metadata<'a>(pub(super) &'a [u8]);

impl Encode for Metadata<'_> {
    #[inline]
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        Varint(self.0.len() as u64).encode(encoder)?;
        encoder.writer().write(self.0)
    }
}

impl<'de, C> BorrowDecode<'de, C> for Metadata<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let Varint(length) = Varint::decode(decoder)?;
        slice(decoder, length).map(Metadata)
    }
}

/// Bytes up to the end of an item, written as they are.
pub(super) struct Tail<'a>(pub(super) &'a [u8]);

impl Encode for Tail<'_> {
    #[inline]
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        encoder.writer().write(self.0)
    }
}

/// Whether something can be received at an address.
pub(super) fn is_usable(address: SocketAddr) -> bool {
    address.port() != 0 && !canonical(address).ip().is_unspecified()
}
