//! Datagrams to bytes and back: total, strict and bounded; the only module that knows bytes.
//!
//! `docs/wire.md` describes every byte. A datagram is verified whole before any of it is handed out, so that a caller
//! that gets a `Datagram` may apply it item by item without meeting an error half way.

mod bytes;
mod change;
mod codec;
mod compare;
mod fields;
mod further;
mod head;
mod items;
mod letter;
mod letter_bytes;
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
pub use letter::{Council, Letter, Progress, Question, Round};
pub(crate) use message::{Digest, Message, Nonce, SenderState};
pub(crate) use record::RecordRef;
pub(crate) use roles::{ROLE_BYTES_MAX, Role, roles_of, with_roles};
pub(crate) use saved::check_record;
pub(crate) use start::Departure;
pub(crate) use writer::Writer;

use std::fmt;

use serde::Serialize;

/// The version byte that this release speaks.
pub const WIRE_VERSION: u8 = 1;

/// Why a datagram was not accepted; the protocol's state is unchanged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rejected {
    /// Shorter than its own fields say.
    Truncated,
    /// Longer than UDP carries, or a field longer than its range.
    Oversized,
    /// A version byte that this release does not speak.
    Version,
    /// A kind of letter that this release does not know, or a message without a kind.
    Kind,
    /// The tag does not match: another cluster, or damage on the way.
    Tag,
    /// A field is not in its one permitted form, or a value is outside its range.
    Malformed,
    /// This node's own datagram came back.
    FromSelf,
    /// An answer to a nonce that this node did not send, or that has expired.
    UnknownNonce,
    /// Meant for another node or another start of this one.
    Misdirected,
    /// The protocol has stopped.
    Stopped,
    /// A letter about an election that this node does not know.
    Election,
    /// A letter about an election under other voters, another lease or another drift than this node's.
    Voters,
    /// A letter from somebody who is no voter, or to a node that is none.
    NoVoter,
    /// A letter about what is over: an old term, or an answer to a round that nobody waits for.
    Stale,
}

impl Rejected {
    /// All reasons.
    pub const ALL: [Rejected; 14] = [
        Rejected::Truncated,
        Rejected::Oversized,
        Rejected::Version,
        Rejected::Kind,
        Rejected::Tag,
        Rejected::Malformed,
        Rejected::FromSelf,
        Rejected::UnknownNonce,
        Rejected::Misdirected,
        Rejected::Stopped,
        Rejected::Election,
        Rejected::Voters,
        Rejected::NoVoter,
        Rejected::Stale,
    ];

    /// The reason's name in lower case, as metrics print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Rejected::Truncated => "truncated",
            Rejected::Oversized => "oversized",
            Rejected::Version => "version",
            Rejected::Kind => "kind",
            Rejected::Tag => "tag",
            Rejected::Malformed => "malformed",
            Rejected::FromSelf => "from_self",
            Rejected::UnknownNonce => "unknown_nonce",
            Rejected::Misdirected => "misdirected",
            Rejected::Stopped => "stopped",
            Rejected::Election => "election",
            Rejected::Voters => "voters",
            Rejected::NoVoter => "no_voter",
            Rejected::Stale => "stale",
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rejected::Truncated => "truncated",
            Rejected::Oversized => "oversized",
            Rejected::Version => "unknown version",
            Rejected::Kind => "unknown kind",
            Rejected::Tag => "another cluster's, or damaged",
            Rejected::Malformed => "malformed",
            Rejected::FromSelf => "our own",
            Rejected::UnknownNonce => "an answer to nothing we asked",
            Rejected::Misdirected => "meant for another node",
            Rejected::Stopped => "we have stopped",
            Rejected::Election => "about an election that we do not know",
            Rejected::Voters => "about an election under other voters than ours",
            Rejected::NoVoter => "between members of which one is no voter",
            Rejected::Stale => "about a term or a round that is over",
        })
    }
}

impl std::error::Error for Rejected {}
