//! The fields that messages and items are built of: the library's words in their one permitted form of bytes.
//!
//! A word of the library is never encoded by itself, or the encoder's traits would become part of our public types: it is
//! put in a [`Wire`] first, which stays in this room. Here the *form* is checked; which *values* may be said at all is
//! [`Item::check`](super::items::Item::check)'s business, for what comes in and what goes out alike.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bincode::config::{Configuration, Limit, LittleEndian, Varint as VariableLength};
use bincode::de::{BorrowDecoder, Decoder, read::BorrowReader};
use bincode::enc::{Encoder, write::Writer as _};
use bincode::error::{DecodeError, EncodeError};
use bincode::{BorrowDecode, Decode, Encode};

use super::Rejected;
use super::message::{Digest, Nonce};
use super::varint::Varint;
use crate::member::canonical;
use crate::member::{ACCUSERS_MAX, Accusers, Generation, Incarnation, METADATA_BYTES_MAX, NAME_BYTES_MAX, NodeId};

/// Little-endian, numbers of variable length, and no field beyond what a UDP datagram can hold.
pub(super) const CONFIG: Configuration<LittleEndian, VariableLength, Limit<65_536>> =
    bincode::config::standard().with_limit::<65_536>();

/// Reads one `T` from the front of `rest` and moves `rest` behind it.
pub(super) fn take<'a, T: BorrowDecode<'a, ()>>(rest: &mut &'a [u8]) -> Result<T, Rejected> {
    match bincode::borrow_decode_from_slice(rest, CONFIG) {
        Ok((value, used)) => {
            *rest = rest.get(used..).unwrap_or_default();
            Ok(value)
        }
        Err(DecodeError::UnexpectedEnd { .. }) => Err(Rejected::Truncated),
        Err(DecodeError::LimitExceeded) => Err(Rejected::Oversized),
        Err(_) => Err(Rejected::Malformed),
    }
}

/// A word of the library as the wire carries it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wire<T>(pub(super) T);

/// Words that travel as plain bytes, because they are random or of fixed width: no shorter form would pay.
macro_rules! plain {
    ($($word:ty: $into:expr, $from:expr;)*) => {$(
        impl Encode for Wire<$word> {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                $into(self.0).encode(encoder)
            }
        }

        impl<C> Decode<C> for Wire<$word> {
            fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                Ok(Wire($from(Decode::decode(decoder)?)))
            }
        }

        bincode::impl_borrow_decode!(Wire<$word>);
    )*};
}

plain! {
    u16: u16::to_le_bytes, u16::from_le_bytes;
    u32: u32::to_le_bytes, u32::from_le_bytes;
    u64: u64::to_le_bytes, u64::from_le_bytes;
    NodeId: NodeId::to_bytes, NodeId::from_bytes;
    Digest: |digest: Digest| Wire(digest.0), |Wire(bits)| Digest(bits);
    Nonce: |nonce: Nonce| Wire(nonce.0), |Wire(bits)| Nonce(bits);
}

/// Words that are usually small numbers, and what a number must be to be one.
macro_rules! numbers {
    ($($word:ty: $into:expr, $from:expr;)*) => {$(
        impl Encode for Wire<$word> {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                Varint($into(self.0)).encode(encoder)
            }
        }

        impl<C> Decode<C> for Wire<$word> {
            fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                let Varint(number) = Varint::decode(decoder)?;
                let word: Option<$word> = $from(number);
                word.map(Wire).ok_or(DecodeError::Other("a number beyond its field's width"))
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

/// 4 or 6, the address, the port: an IPv4 address inside an IPv6 one is written as what it is.
impl Encode for Wire<SocketAddr> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let address = canonical(self.0);
        match address.ip() {
            IpAddr::V4(ip) => (4u8, ip.octets()).encode(encoder)?,
            IpAddr::V6(ip) => (6u8, ip.octets()).encode(encoder)?,
        }
        Wire(address.port()).encode(encoder)
    }
}

impl<C> Decode<C> for Wire<SocketAddr> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let ip = match u8::decode(decoder)? {
            4 => IpAddr::from(<[u8; 4]>::decode(decoder)?),
            6 => IpAddr::from(<[u8; 16]>::decode(decoder)?),
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

/// How many, then each, none twice.
impl Encode for Wire<Accusers> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.0.len() as u8).encode(encoder)?;
        self.0.iter().try_for_each(|id| Wire(id).encode(encoder))
    }
}

impl<C> Decode<C> for Wire<Accusers> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let count = u8::decode(decoder)?;
        if usize::from(count) > ACCUSERS_MAX {
            return Err(DecodeError::Other("more accusers than a suspicion carries"));
        }
        let mut accusers = Accusers::default();
        for _ in 0..count {
            let Wire(id) = Wire::<NodeId>::decode(decoder)?;
            if !accusers.insert(id) {
                return Err(DecodeError::Other("an accuser named twice"));
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
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.0.len() as u8).encode(encoder)?;
        encoder.writer().write(self.0.as_bytes())
    }
}

impl<'de, C> BorrowDecode<'de, C> for Name<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let length = usize::from(u8::decode(decoder)?);
        let bytes = bytes(decoder, length, NAME_BYTES_MAX)?;
        std::str::from_utf8(bytes).map(Name).map_err(|inner| DecodeError::Utf8 { inner })
    }
}

/// Bytes for the application: how many, then they.
#[derive(Clone, Copy)]
pub(super) struct Metadata<'a>(pub(super) &'a [u8]);

impl Encode for Metadata<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        Varint(self.0.len() as u64).encode(encoder)?;
        encoder.writer().write(self.0)
    }
}

impl<'de, C> BorrowDecode<'de, C> for Metadata<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let Varint(length) = Varint::decode(decoder)?;
        bytes(decoder, usize::try_from(length).unwrap_or(usize::MAX), METADATA_BYTES_MAX).map(Metadata)
    }
}

/// Bytes up to the end of an item, written as they are.
pub(super) struct Tail<'a>(pub(super) &'a [u8]);

impl Encode for Tail<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        encoder.writer().write(self.0)
    }
}

fn bytes<'de, D: BorrowDecoder<'de>>(decoder: &mut D, length: usize, max: usize) -> Result<&'de [u8], DecodeError> {
    if length > max {
        return Err(DecodeError::LimitExceeded);
    }
    decoder.claim_bytes_read(length)?;
    decoder.borrow_reader().take_bytes(length)
}
