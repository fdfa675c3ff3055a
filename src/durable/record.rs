//! A record as bytes: what it is of, how long it is, and a checksum over all of it.
//!
//! | field | form |
//! |---|---|
//! | magic | the 7 bytes `tidings` |
//! | kind | 1 byte |
//! | version | 1 byte: `01` |
//! | length of the body | 4 bytes, least significant first |
//! | body | as many bytes |
//! | checksum | XXH3_64, seed 0, of everything before; 8 bytes, least significant first |
//!
//! Reading is strict, because a record that is nearly right is a disk that has begun to lie.

use std::fmt;

const MAGIC: &[u8; 7] = b"tidings";
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 8;

/// What a record is of, so that no file is taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// What a voter must not forget.
    Ballot = b'b',
    /// The highest term that a gate has admitted.
    #[cfg(any(feature = "files", test))]
    Fence = b'f',
    /// The view of a node, for a warm restart.
    #[cfg(any(feature = "node", test))]
    Snapshot = b's',
}

impl Kind {
    /// As much is read of a file at most; a longer one is none of ours, and its length will not match.
    pub(crate) const fn bytes_max(self) -> u64 {
        match self {
            Kind::Ballot => 4_096,
            #[cfg(any(feature = "files", test))]
            Kind::Fence => 4_096,
            // 65,536 members of 1,080 bytes are 70.8 MB.
            #[cfg(any(feature = "node", test))]
            Kind::Snapshot => 80 << 20,
        }
    }
}

/// Why bytes are not the record that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DurableError {
    /// They do not begin as a record does.
    NotARecord,
    /// They are a record of something else.
    OtherKind,
    /// They are of another version of the format.
    Version(u8),
    /// There are fewer or more of them than the record says: it is torn, or something was appended.
    Length,
    /// The checksum does not match: some of them have changed.
    Checksum,
    /// The record is as it was written, but what it says is impossible.
    Body,
    /// The record is whole, but was written for another place.
    Misplaced,
}

impl fmt::Display for DurableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DurableError::NotARecord => f.write_str("it does not begin as a record of ours does"),
            DurableError::OtherKind => f.write_str("it is a record of something else"),
            DurableError::Version(version) => {
                write!(f, "it is of format {version}, and this release reads {VERSION}")
            }
            DurableError::Length => f.write_str("it is torn: its length is not the one it names"),
            DurableError::Checksum => f.write_str("it is corrupt: its checksum does not match"),
            DurableError::Body => f.write_str("it is whole, but what it says is impossible"),
            DurableError::Misplaced => f.write_str("it is whole, but was written for another place: was it moved?"),
        }
    }
}

impl std::error::Error for DurableError {}

/// The record of `body`.
pub(crate) fn seal(kind: Kind, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    debug_assert_eq!(length as usize, body.len(), "records are far below 4 GB");
    let mut bytes = Vec::with_capacity(MAGIC.len() + 6 + body.len() + CHECKSUM_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[kind as u8, VERSION]);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(&checksum(&bytes));
    bytes
}

/// The body of a record that is exactly as it was sealed.
pub(crate) fn open(kind: Kind, bytes: &[u8]) -> Result<&[u8], DurableError> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        // The beginning of a record, and no more, is a torn one.
        return Err(if MAGIC.starts_with(bytes) { DurableError::Length } else { DurableError::NotARecord });
    };

    let (&found, rest) = rest.split_first().ok_or(DurableError::Length)?;
    if found != kind as u8 {
        return Err(DurableError::OtherKind);
    }
    let (&version, rest) = rest.split_first().ok_or(DurableError::Length)?;
    if version != VERSION {
        return Err(DurableError::Version(version));
    }

    let (length, rest) = rest.split_first_chunk().ok_or(DurableError::Length)?;
    let (body, sum) = rest.split_last_chunk::<CHECKSUM_BYTES>().ok_or(DurableError::Length)?;
    if usize::try_from(u32::from_le_bytes(*length)) != Ok(body.len()) {
        return Err(DurableError::Length);
    }

    let summed = bytes.get(..bytes.len() - CHECKSUM_BYTES).unwrap_or_default();
    if *sum != checksum(summed) {
        return Err(DurableError::Checksum);
    }
    Ok(body)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    twox_hash::XxHash3_64::oneshot(bytes).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_these_bytes() {
        let sealed = seal(Kind::Fence, &[7, 8]);
        assert_eq!(sealed[..15], *b"tidingsf\x01\x02\0\0\0\x07\x08");
        assert_eq!(sealed[15..], twox_hash::XxHash3_64::oneshot(&sealed[..15]).to_le_bytes());
        assert_eq!(open(Kind::Fence, &sealed), Ok(&[7, 8][..]));
        assert_eq!(open(Kind::Fence, &seal(Kind::Fence, &[])), Ok(&[][..]));
    }

    #[test]
    fn each_defect_has_its_name() {
        let sealed = seal(Kind::Ballot, b"body");
        let changed = |at: usize, to: u8| {
            let mut bytes = sealed.clone();
            bytes[at] = to;
            bytes
        };
        let table = [
            (b"".to_vec(), DurableError::Length),
            (b"tidi".to_vec(), DurableError::Length),
            (b"tidy".to_vec(), DurableError::NotARecord),
            (vec![0; sealed.len()], DurableError::NotARecord),
            (seal(Kind::Fence, b"body"), DurableError::OtherKind),
            (changed(8, 2), DurableError::Version(2)),
            (changed(9, 3), DurableError::Length),
            (changed(13, b'B'), DurableError::Checksum),
            (changed(17, !sealed[17]), DurableError::Checksum),
            ([&sealed[..], b"x"].concat(), DurableError::Length),
            (sealed[..sealed.len() - 1].to_vec(), DurableError::Length),
        ];
        for (bytes, error) in table {
            assert_eq!(open(Kind::Ballot, &bytes), Err(error), "{bytes:?}");
        }
        assert_eq!(open(Kind::Ballot, &sealed), Ok(&b"body"[..]));
    }

    #[test]
    fn no_torn_or_flipped_record_is_read() {
        let sealed = seal(Kind::Ballot, b"some body");
        for length in 0..sealed.len() {
            assert_eq!(open(Kind::Ballot, &sealed[..length]), Err(DurableError::Length), "{length}");
        }
        for bit in 0..sealed.len() * 8 {
            let mut bytes = sealed.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(open(Kind::Ballot, &bytes).is_err(), "bit {bit}");
        }
    }
}
