//! A member's own record as the wire carries it, with its further fields at the end.
//!
//! Those that are not known here are kept byte for byte, so that a cluster may be upgraded member by member and the old
//! ones do not wipe what the new ones say.

use std::net::SocketAddr;

use bincode::enc::Encoder;
use bincode::error::EncodeError;
use bincode::{BorrowDecode, Encode};

use super::Rejected;
use super::bytes::take_borrowed;
use super::fields::{Metadata, Name, Tail, Wire};
use super::further::check_further;
use super::start::{Departure, Start, check_start};
use crate::member::{
    EXTRA_BYTES_MAX, Generation, Incarnation, METADATA_BYTES_MAX, NAME_BYTES_MAX, NodeId, Record, name_is_valid,
};

/// A member's own record, borrowed from a datagram or from a [`Record`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecordRef<'a> {
    pub id: NodeId,
    pub generation: Generation,
    pub incarnation: Incarnation,
    /// Its IP may be unspecified: a joiner need not know its own.
    pub address: SocketAddr,
    pub name: &'a str,
    pub metadata: &'a [u8],
    /// Further fields, well formed, in ascending order of their kinds.
    pub extra: &'a [u8],
}

impl<'a> RecordRef<'a> {
    pub(crate) fn of(record: &'a Record) -> Self {
        RecordRef {
            id: record.id(),
            generation: record.generation(),
            incarnation: record.incarnation(),
            address: record.address(),
            name: record.name(),
            metadata: record.metadata(),
            extra: record.extra(),
        }
    }

    pub(crate) fn to_record(self) -> Record {
        Record::from_parts(
            (self.id, self.generation, self.incarnation),
            self.address,
            self.name,
            self.metadata,
            self.extra,
        )
    }

    /// Reads the body of an Alive whole: what follows the fields that we know is kept.
    pub(super) fn decode(body: &'a [u8]) -> Result<Self, Rejected> {
        let mut extra = body;
        let RecordBody { start, address, name, metadata } = take_borrowed(&mut extra)?;
        let Departure { id, generation, incarnation } = start.into();
        Ok(RecordRef { id, generation, incarnation, address: address.0, name: name.0, metadata: metadata.0, extra })
    }

    pub(super) fn check(&self) -> Result<(), Rejected> {
        if self.name.len() > NAME_BYTES_MAX
            || self.metadata.len() > METADATA_BYTES_MAX
            || self.extra.len() > EXTRA_BYTES_MAX
        {
            return Err(Rejected::Oversized);
        }
        if self.address.port() == 0 || !name_is_valid(self.name) {
            return Err(Rejected::Malformed);
        }
        check_start(self.generation, self.incarnation)?;
        check_further(self.extra)
    }
}

/// Writes the body of an Alive.
impl Encode for RecordRef<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let RecordRef { id, generation, incarnation, address, name, metadata, extra } = *self;
        let start = Departure { id, generation, incarnation }.into();
        let known = RecordBody { start, address: Wire(address), name: Name(name), metadata: Metadata(metadata) };
        (known, Tail(extra)).encode(encoder)
    }
}

#[derive(Encode, BorrowDecode)]
struct RecordBody<'a> {
    start: Start,
    address: Wire<SocketAddr>,
    name: Name<'a>,
    metadata: Metadata<'a>,
}
