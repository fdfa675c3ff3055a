//! Who this node is, as its application says once, and the ranges that hold for every member.

use std::fmt;
use std::net::SocketAddr;

use crate::member::id::{Generation, NodeId};

/// Longest name, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest metadata, in bytes.
pub const METADATA_BYTES_MAX: usize = 512;

/// What becomes of a node's address when the others see it at another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Advertise {
    /// It is told as it was given, whatever the others see: somebody knows better how this node is reached.
    AsGiven,
    /// If most others see this node at one other address and nobody reaches it at its own, that one is told instead.
    #[default]
    AsSeen,
}

/// Who this node is; given once to the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// 1 to 64 bytes of UTF-8 without control characters; shown to people, unique in the cluster.
    pub name: String,
    /// Usually [`NodeId::from_name`] of the name.
    pub id: NodeId,
    /// Higher at each start of the process: Unix milliseconds at the start. Below 2^63.
    pub generation: Generation,
    /// Where others send to; the unspecified address means that this node asks the others until it knows.
    pub address: SocketAddr,
    /// Whether the address is told as it stands, or as most others see it.
    pub advertise: Advertise,
    /// At most 512 bytes for the application.
    pub metadata: Vec<u8>,
}

impl Identity {
    /// An identity whose id is the hash of its name, without metadata.
    #[must_use]
    pub fn named(name: &str, generation: Generation, address: SocketAddr) -> Self {
        Identity {
            name: name.to_owned(),
            id: NodeId::from_name(name),
            generation,
            address: canonical(address),
            advertise: Advertise::default(),
            metadata: Vec::new(),
        }
    }

    /// Checks every part against its range.
    ///
    /// # Errors
    /// Names the part that is outside its range and says what to do.
    pub fn check(&self) -> Result<(), IdentityError> {
        if !name_is_valid(&self.name) {
            return Err(IdentityError::Name);
        }
        if self.metadata.len() > METADATA_BYTES_MAX {
            return Err(IdentityError::Metadata(self.metadata.len()));
        }
        if self.generation.0 >= Generation::LIMIT {
            return Err(IdentityError::OutOfRange);
        }
        Ok(())
    }
}

/// Whether a text may be a member's name: 1 to 64 bytes, no control characters.
#[must_use]
pub fn name_is_valid(name: &str) -> bool {
    // Names are checked in every record that passes, and most are plain ASCII: one pass without a branch settles those.
    let is_plain = name.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte));
    (1..=NAME_BYTES_MAX).contains(&name.len()) && (is_plain || !name.chars().any(char::is_control))
}

/// Why an identity cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// The name is empty, too long or holds a control character.
    Name,
    /// The metadata is longer than 512 bytes.
    Metadata(usize),
    /// The generation, the incarnation or the unknown fields are beyond their range.
    OutOfRange,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityError::Name => write!(
                f,
                "a name needs 1 to {NAME_BYTES_MAX} bytes of UTF-8 without control characters; choose another"
            ),
            IdentityError::Metadata(length) => write!(
                f,
                "metadata is {length} bytes, at most {METADATA_BYTES_MAX} fit; gossip a key and keep the value elsewhere"
            ),
            IdentityError::OutOfRange => {
                write!(f, "a generation must be below 2^63; use Unix milliseconds at the start")
            }
        }
    }
}

impl std::error::Error for IdentityError {}

/// The address without an IPv4-mapped IPv6 form, scope or flow label: the one form this crate stores and compares.
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_identities_are_refused() {
        let good = Identity::named("n", Generation(1), "127.0.0.1:1".parse().unwrap());
        for name in ["", "a\nb", &"x".repeat(65)] {
            let bad = Identity { name: name.to_owned(), ..good.clone() };
            assert_eq!(bad.check(), Err(IdentityError::Name));
        }
        let bad = Identity { metadata: vec![0; 513], ..good.clone() };
        assert_eq!(bad.check(), Err(IdentityError::Metadata(513)));
        let bad = Identity { generation: Generation(1 << 63), ..good };
        assert_eq!(bad.check(), Err(IdentityError::OutOfRange));
    }
}
