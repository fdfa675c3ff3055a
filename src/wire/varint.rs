//! A number in as few bytes as it needs, and in no other form.
//!
//! The form is the encoder's standard one. What is ours is the refusal of a longer one than needed, so that one meaning
//! has one datagram and no sender can vary bytes that a tag, a hash or a copy of an unknown field covers.

use bincode::de::Decoder;
use bincode::enc::{Encoder, write::Writer as _};
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use super::bytes::array;

/// Up to 250: the byte itself. Above: 251, 252 or 253, then 2, 4 or 8 bytes, least significant first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Varint(pub(super) u64);

impl Varint {
    /// How many bytes it takes.
    pub(super) const fn size(self) -> usize {
        match self.0 {
            0..=250 => 1,
            251..=0xffff => 3,
            0x1_0000..=0xffff_ffff => 5,
            _ => 9,
        }
    }
}

impl Encode for Varint {
    #[inline]
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let writer = encoder.writer();
        match self.0 {
            byte @ 0..=250 => writer.write(&[byte as u8]),
            short @ 251..=0xffff => {
                writer.write(&[251])?;
                writer.write(&(short as u16).to_le_bytes())
            }
            word @ 0x1_0000..=0xffff_ffff => {
                writer.write(&[252])?;
                writer.write(&(word as u32).to_le_bytes())
            }
            long => {
                writer.write(&[253])?;
                writer.write(&long.to_le_bytes())
            }
        }
    }
}

impl<C> Decode<C> for Varint {
    #[inline]
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (value, least) = match array(decoder)? {
            [byte @ 0..=250] => return Ok(Varint(u64::from(byte))),
            [251] => (u64::from(u16::from_le_bytes(array(decoder)?)), 251),
            [252] => (u64::from(u32::from_le_bytes(array(decoder)?)), 1 << 16),
            [253] => (u64::from_le_bytes(array(decoder)?), 1 << 32),
            _ => return Err(DecodeError::Other("a number of more than 64 bits")),
        };
        if value < least {
            return Err(DecodeError::Other("a number in a longer form than it needs"));
        }
        Ok(Varint(value))
    }
}

bincode::impl_borrow_decode!(Varint);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Rejected;
    use crate::wire::bytes::{put, take};

    fn decode(mut bytes: &[u8]) -> Result<u64, Rejected> {
        let value = take::<Varint>(&mut bytes)?;
        assert!(bytes.is_empty(), "{bytes:02x?} left over");
        Ok(value.0)
    }

    #[test]
    fn every_width_has_one_form() {
        let table: [(u64, &[u8]); 9] = [
            (0, &[0]),
            (250, &[250]),
            (251, &[251, 251, 0]),
            (0xffff, &[251, 0xff, 0xff]),
            (0x1_0000, &[252, 0, 0, 1, 0]),
            (0xffff_ffff, &[252, 0xff, 0xff, 0xff, 0xff]),
            (0x1_0000_0000, &[253, 0, 0, 0, 0, 1, 0, 0, 0]),
            (u64::MAX - 1, &[253, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            (u64::MAX, &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ];
        for (value, bytes) in table {
            let mut written = [0xee; 9];
            assert_eq!(put(&mut written, &Varint(value)), Some(bytes.len()));
            assert_eq!(&written[..bytes.len()], bytes);
            assert_eq!(bincode::encode_to_vec(value, bincode::config::standard()).unwrap(), bytes, "the standard form");
            assert_eq!(decode(bytes), Ok(value));
            assert_eq!(Varint(value).size(), bytes.len());
        }
    }

    #[test]
    fn longer_forms_are_refused() {
        let longer: [&[u8]; 8] = [
            &[251, 0, 0],
            &[251, 250, 0],
            &[252, 0, 0, 0, 0],
            &[252, 0xff, 0xff, 0, 0],
            &[253, 0, 0, 0, 0, 0, 0, 0, 0],
            &[253, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
            &[254, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[255],
        ];
        for bytes in longer {
            assert_eq!(decode(bytes), Err(Rejected::Malformed), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_number_cut_short_is_truncated() {
        for bytes in [&[][..], &[251], &[251, 9], &[252, 1, 2, 3], &[253, 1, 2, 3, 4, 5, 6, 7]] {
            assert_eq!(decode(bytes), Err(Rejected::Truncated), "{bytes:02x?}");
        }
    }
}
