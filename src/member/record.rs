//! A member's record, packed small, as each node keeps one of every member.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crate::member::id::{Generation, Incarnation, NodeId};
use crate::member::identity::{Identity, IdentityError};
use crate::wire::check_further;

/// A record's further fields together, in bytes at most.
pub const EXTRA_BYTES_MAX: usize = 448;

/// What a member says of itself: identity, address and metadata at one incarnation.
///
/// Cheap to clone; name and metadata are shared.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    id: NodeId,
    generation: Generation,
    profile: Arc<[u8]>,
    ip: [u8; 16],
    port: u16,
    incarnation: Incarnation,
}

/// `profile` holds the length of the name (1 byte), of the metadata (2 bytes), then name, metadata and further fields.
const PROFILE_HEADER: usize = 3;

impl Record {
    /// A record in the words of its owner. `extra` are further fields, which `docs/wire.md` describes: at most 448
    /// bytes, kinds in ascending order.
    ///
    /// # Errors
    /// When a part is outside its range; nothing is built.
    pub fn new(identity: &Identity, incarnation: Incarnation, extra: &[u8]) -> Result<Self, IdentityError> {
        identity.check()?;
        let is_well_formed = extra.len() <= EXTRA_BYTES_MAX && check_further(extra).is_ok();
        if incarnation.0 >= Incarnation::LIMIT || !is_well_formed {
            return Err(IdentityError::OutOfRange);
        }
        Ok(Record {
            id: identity.id,
            generation: identity.generation,
            profile: profile(&identity.name, &identity.metadata, extra),
            ip: ip_bytes(identity.address.ip()),
            port: identity.address.port(),
            incarnation,
        })
    }

    /// Builds a record from parts that the wire has already checked.
    pub(crate) fn from_parts(
        (id, generation, incarnation): (NodeId, Generation, Incarnation),
        address: SocketAddr,
        name: &str,
        metadata: &[u8],
        extra: &[u8],
    ) -> Self {
        Record {
            id,
            generation,
            profile: profile(name, metadata, extra),
            ip: ip_bytes(address.ip()),
            port: address.port(),
            incarnation,
        }
    }

    /// The member's identity over all its restarts.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The process start that speaks.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The owner's counter when it said this.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Where it receives datagrams, in canonical form (an IPv4-mapped address is IPv4).
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(Ipv6Addr::from(self.ip).to_canonical(), self.port)
    }

    /// Its name, 1 to 64 bytes.
    #[must_use]
    pub fn name(&self) -> &str {
        let end = PROFILE_HEADER + usize::from(self.profile[0]);
        std::str::from_utf8(&self.profile[PROFILE_HEADER..end]).unwrap_or_default()
    }

    /// Its application metadata, at most 512 bytes.
    #[must_use]
    pub fn metadata(&self) -> &[u8] {
        let (start, end) = self.metadata_span();
        &self.profile[start..end]
    }

    /// Its further fields, those of later releases too, passed on as they came.
    #[must_use]
    pub fn extra(&self) -> &[u8] {
        &self.profile[self.metadata_span().1..]
    }

    pub(crate) fn set_generation(&mut self, generation: Generation) {
        self.generation = generation;
    }

    pub(crate) fn set_incarnation(&mut self, incarnation: Incarnation) {
        self.incarnation = incarnation;
    }

    pub(crate) fn set_address(&mut self, address: SocketAddr) {
        self.ip = ip_bytes(address.ip());
        self.port = address.port();
    }

    pub(crate) fn set_metadata(&mut self, metadata: &[u8]) {
        self.profile = profile(self.name(), metadata, self.extra());
    }

    pub(crate) fn set_extra(&mut self, extra: &[u8]) {
        self.profile = profile(self.name(), self.metadata(), extra);
    }

    fn metadata_span(&self) -> (usize, usize) {
        let start = PROFILE_HEADER + usize::from(self.profile[0]);
        let length = u16::from_le_bytes([self.profile[1], self.profile[2]]);
        (start, start + usize::from(length))
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} {}.{}", self.name(), self.address(), self.generation, self.incarnation)
    }
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordBytesError {
    /// They are of another format than this release reads.
    Format(u8),
    /// They are torn, or not those of a record.
    Damaged,
}

impl fmt::Display for RecordBytesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordBytesError::Format(format) => {
                write!(f, "a record of format {format}, and this release reads 1; start without it")
            }
            RecordBytesError::Damaged => f.write_str("no record, or a damaged one; start without it"),
        }
    }
}

impl std::error::Error for RecordBytesError {}

fn profile(name: &str, metadata: &[u8], extra: &[u8]) -> Arc<[u8]> {
    let mut bytes = Vec::with_capacity(PROFILE_HEADER + name.len() + metadata.len() + extra.len());
    bytes.push(name.len() as u8);
    bytes.extend_from_slice(&(metadata.len() as u16).to_le_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(metadata);
    bytes.extend_from_slice(extra);
    bytes.into()
}

fn ip_bytes(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_keeps_its_parts() {
        let mut identity = Identity::named("db-1", Generation(7), "[::ffff:10.0.0.1]:7340".parse().unwrap());
        identity.metadata = vec![1, 2, 3];
        let mut record = Record::new(&identity, Incarnation(2), &[9, 0]).unwrap();
        assert_eq!(record.name(), "db-1");
        assert_eq!(record.metadata(), [1, 2, 3]);
        assert_eq!(record.extra(), [9, 0]);
        assert_eq!(record.address(), "10.0.0.1:7340".parse().unwrap());
        record.set_metadata(&[]);
        assert_eq!((record.name(), record.metadata(), record.extra()), ("db-1", &[][..], &[9, 0][..]));
        record.set_address("[2001:db8::1]:1".parse().unwrap());
        assert_eq!(record.address(), "[2001:db8::1]:1".parse().unwrap());
    }

    #[test]
    fn a_record_stays_small() {
        assert!(size_of::<Record>() <= 64, "{}", size_of::<Record>());
    }
}
