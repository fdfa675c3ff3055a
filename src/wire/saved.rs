//! A record by itself, as bytes to be kept, and what its further fields say.
//!
//! The bytes are those of the wire behind a byte for their own format, so that what is kept by one release is read by
//! the next, and the same checks keep both clean.

use super::Rejected;
use super::bytes::put;
use super::further::{fingerprint_of, reads_of};
use super::record::RecordRef;
use crate::member::{Fingerprint, Member, Reads, Record, RecordBytesError};

/// The format of kept records.
const FORMAT: u8 = 1;
/// No record is longer: id, generation, incarnation, address, name, metadata and further fields.
const RECORD_BYTES_MAX: usize = 16 + 9 + 5 + 19 + 65 + (3 + 512) + 448;

/// Whether a record is one that may be said.
pub(crate) fn check_record(record: &Record) -> Result<(), Rejected> {
    RecordRef::of(record).check()
}

impl Record {
    /// The record as bytes that need nothing else to be read, to be kept for a warm restart; 1,078 at most.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 1 + RECORD_BYTES_MAX];
        let length = put(&mut bytes, &(FORMAT, RecordRef::of(self)));
        debug_assert!(length.is_some(), "no record is longer than RECORD_BYTES_MAX");
        bytes.truncate(length.unwrap_or_default());
        bytes
    }

    /// The record that [`Record::to_bytes`] made these bytes of; reads any bytes without harm.
    ///
    /// # Errors
    /// Why they are no record that may be kept.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordBytesError> {
        let (format, body) = bytes.split_first().ok_or(RecordBytesError::Damaged)?;
        if *format != FORMAT {
            return Err(RecordBytesError::Format(*format));
        }
        let record = RecordRef::decode(body).and_then(|record| record.check().map(|()| record));
        record.map(RecordRef::to_record).map_err(|_| RecordBytesError::Damaged)
    }

    /// Which datagrams its owner says that it reads; none if it does not say.
    #[must_use]
    pub fn reads(&self) -> Option<Reads> {
        reads_of(self.extra())
    }

    /// What its owner says of its configuration and software; none if it does not say.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        fingerprint_of(self.extra())
    }
}

impl Member {
    /// Which datagrams it says that it reads; none if it does not say.
    #[must_use]
    pub fn reads(&self) -> Option<Reads> {
        self.record.reads()
    }

    /// What it says of its configuration and software; none if it does not say.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.record.fingerprint()
    }
}
