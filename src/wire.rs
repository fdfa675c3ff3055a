//! Datagrams to bytes and back: total, strict and bounded; the only module that knows bytes.
//!
//! `docs/wire.md` describes every byte. A datagram is verified whole before any of it is handed out, so that a caller
//! that gets a `Datagram` may apply it item by item without meeting an error half way.

mod bytes;
mod change;
mod codec;
mod compare;
mod election;
mod fields;
mod further;
mod head;
mod items;
mod message;
mod record;
mod roles;
mod saved;
mod start;
mod tag;
mod varint;
mod writer;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod ranges;
#[cfg(test)]
mod strict;

pub(crate) use change::ChangeRef;
pub(crate) use codec::{Codec, Datagram};
pub(crate) use compare::{Range, Terms};
pub(crate) use further::{check_further, own_fields, way_out_of, with_way_out};
pub(crate) use items::{Accusation, Item};

pub(crate) use message::{Digest, Message, Nonce, SenderState};
pub(crate) use record::RecordRef;
pub(crate) use roles::{ROLE_BYTES_MAX, Role, roles_of, with_roles};
pub(crate) use saved::check_record;
pub(crate) use start::Departure;
pub(crate) use writer::Writer;

pub use crate::rejected::Rejected;

/// The version byte that this release speaks.
pub const WIRE_VERSION: u8 = 1;
