//! Who a member is, what is known of it, and which of two reports about it wins.
//!
//! A member is named by a [`NodeId`]; each start of its process is a [`Generation`]; each word it says about itself within one
//! generation is an [`Incarnation`]. Reports are ordered by generation, then incarnation, then [`State`] (SWIM 4.2, with the
//! generation put in front so that a restarted process outranks everything said of its past). What a node does with a
//! report that wins but that it has reason to doubt is policy, and lives elsewhere.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest metadata, in bytes.
pub const METADATA_BYTES_MAX: usize = 512;
/// Longest tail of record fields this release does not know, in bytes.
pub const EXTRA_BYTES_MAX: usize = 256;

/// The 128-bit identity of a member, the same over all its restarts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    high: u64,
    low: u64,
}

impl NodeId {
    /// The id of a name: its XXH3 128-bit hash with seed 0, the same on every machine and in every release.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        NodeId::from_u128(twox_hash::XxHash3_128::oneshot(name.as_bytes()))
    }

    /// An id chosen by the application.
    #[must_use]
    pub const fn from_u128(value: u128) -> Self {
        NodeId { high: (value >> 64) as u64, low: value as u64 }
    }

    /// An id from 16 bytes, such as a UUID's, most significant first.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        NodeId::from_u128(u128::from_be_bytes(bytes))
    }

    /// The id as a number.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }

    /// The id as 16 bytes, most significant first.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.as_u128().to_be_bytes()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.high, self.low)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NodeId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(NodeId::from_u128)
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// One start of a member's process, by convention the Unix time of the start in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Generation(pub u64);

impl Generation {
    /// Generations at or above this are rejected, so that there is always a higher one to answer with.
    pub const LIMIT: u64 = 1 << 63;

    /// The generation that answers this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Generation(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A member's own counter within one generation, raised by nobody else (SWIM 4.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Incarnation(pub u32);

impl Incarnation {
    /// Incarnations at or above this are rejected, so that there is always a higher one to refute with.
    pub const LIMIT: u32 = 1 << 31;

    /// The incarnation that refutes this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Incarnation(self.0.saturating_add(1))
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What is believed of a member; of two reports of one incarnation the later in this order wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It answers, or nothing says otherwise.
    Alive,
    /// Somebody's ping went unanswered; it has until the suspicion's deadline to refute.
    Suspect,
    /// This node's own verdict.
    Dead,
    /// It said itself that it leaves.
    Left,
}

impl State {
    /// Whether the member counts as present: Alive or Suspect.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, State::Alive | State::Suspect)
    }
}

/// The place of a report in the order of all reports about one member.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Standing {
    /// The process start it speaks of.
    pub generation: Generation,
    /// The owner's word it answers.
    pub incarnation: Incarnation,
    /// What it claims.
    pub state: State,
}

impl Standing {
    /// Whether this report wins over `other`: generation first, then incarnation, then state (SWIM 4.2).
    ///
    /// Keeping whichever of two standings supersedes the other is a join: associative, commutative and idempotent, so that
    /// reports may arrive in any order and any number of times.
    #[must_use]
    pub fn supersedes(self, other: Standing) -> bool {
        self > other
    }
}

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

/// `profile` holds the length of the name (1 byte), of the metadata (2 bytes), then name, metadata and unknown fields.
const PROFILE_HEADER: usize = 3;

impl Record {
    /// A record in the words of its owner.
    ///
    /// # Errors
    /// When a part is outside its range; nothing is built.
    pub fn new(identity: &Identity, incarnation: Incarnation, extra: &[u8]) -> Result<Self, IdentityError> {
        identity.check()?;
        if incarnation.0 >= Incarnation::LIMIT || extra.len() > EXTRA_BYTES_MAX {
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

    /// Fields of the record that this release does not know, passed on as they came.
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

/// The address without an IPv4-mapped IPv6 form, scope or flow label: the one form this crate stores and compares.
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A row of the membership list.
#[derive(Clone, PartialEq, Eq)]
pub struct Member {
    pub(crate) record: Record,
    pub(crate) incarnation: Incarnation,
    pub(crate) state: State,
}

impl Member {
    /// The member's identity over all its restarts.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.record.id
    }

    /// Its name, 1 to 64 bytes.
    #[must_use]
    pub fn name(&self) -> &str {
        self.record.name()
    }

    /// The start of its process that is believed in.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.record.generation
    }

    /// The highest incarnation heard of; the record may be of a lower one until it arrives.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// What this node believes of it.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Where it receives datagrams.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.record.address()
    }

    /// Its application metadata, at most 512 bytes.
    #[must_use]
    pub fn metadata(&self) -> &[u8] {
        self.record.metadata()
    }

    /// Its own words, to save for a warm restart.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Where the belief stands in the order of reports.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing { generation: self.record.generation, incarnation: self.incarnation, state: self.state }
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}@{} {}.{}", self.state, self.name(), self.address(), self.generation(), self.incarnation)
    }
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Member", 7)?;
        out.serialize_field("name", self.name())?;
        out.serialize_field("id", &self.id())?;
        out.serialize_field("state", &self.state)?;
        out.serialize_field("address", &self.address())?;
        out.serialize_field("generation", &self.generation())?;
        out.serialize_field("incarnation", &self.incarnation)?;
        out.serialize_field("metadata", self.metadata())?;
        out.end()
    }
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
    /// Where others send to; the unspecified address means "as my first contact sees me".
    pub address: SocketAddr,
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
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
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

/// How many accusers a suspicion carries at most.
pub const ACCUSERS_MAX: usize = 4;

/// The members whose own ping to a suspect went unanswered, at most four, each once, in the order they were heard of.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Accusers {
    ids: [Option<NodeId>; ACCUSERS_MAX],
}

impl Accusers {
    /// Adds one; false if it was there already or there is no room.
    pub fn insert(&mut self, id: NodeId) -> bool {
        for place in &mut self.ids {
            match place {
                Some(known) if *known == id => return false,
                Some(_) => {}
                None => {
                    *place = Some(id);
                    return true;
                }
            }
        }
        false
    }

    /// The accusers, in the order they were heard of.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.ids.iter().flatten().copied()
    }

    /// How many there are, at most four.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids[0].is_none()
    }

    /// Whether `id` is one of them.
    #[must_use]
    pub fn contains(&self, id: NodeId) -> bool {
        self.iter().any(|known| known == id)
    }
}

impl fmt::Debug for Accusers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl FromIterator<NodeId> for Accusers {
    fn from_iter<I: IntoIterator<Item = NodeId>>(ids: I) -> Self {
        let mut accusers = Accusers::default();
        for id in ids {
            accusers.insert(id);
        }
        accusers
    }
}

impl Serialize for Accusers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(generation: u64, incarnation: u32, state: State) -> Standing {
        Standing { generation: Generation(generation), incarnation: Incarnation(incarnation), state }
    }

    #[test]
    fn generation_then_incarnation_then_state_decides() {
        let order = [
            standing(1, 0, State::Alive),
            standing(1, 0, State::Suspect),
            standing(1, 0, State::Dead),
            standing(1, 0, State::Left),
            standing(1, 1, State::Alive),
            standing(1, 9, State::Left),
            standing(2, 0, State::Alive),
        ];
        for (i, low) in order.iter().enumerate() {
            assert!(!low.supersedes(*low), "{low:?} over itself");
            for high in &order[i + 1..] {
                assert!(high.supersedes(*low), "{high:?} over {low:?}");
                assert!(!low.supersedes(*high), "{low:?} over {high:?}");
            }
        }
    }

    #[test]
    fn record_keeps_its_parts() {
        let mut identity = Identity::named("db-1", Generation(7), "[::ffff:10.0.0.1]:7340".parse().unwrap());
        identity.metadata = vec![1, 2, 3];
        let mut record = Record::new(&identity, Incarnation(2), &[9, 9]).unwrap();
        assert_eq!(record.name(), "db-1");
        assert_eq!(record.metadata(), [1, 2, 3]);
        assert_eq!(record.extra(), [9, 9]);
        assert_eq!(record.address(), "10.0.0.1:7340".parse().unwrap());
        record.set_metadata(&[]);
        assert_eq!((record.name(), record.metadata(), record.extra()), ("db-1", &[][..], &[9, 9][..]));
        record.set_address("[2001:db8::1]:1".parse().unwrap());
        assert_eq!(record.address(), "[2001:db8::1]:1".parse().unwrap());
    }

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

    #[test]
    fn accusers_are_a_small_set() {
        let mut accusers = Accusers::default();
        for n in [1, 2, 1, 3, 4, 5] {
            accusers.insert(NodeId::from_u128(n));
        }
        assert_eq!(accusers.len(), ACCUSERS_MAX);
        assert!(accusers.contains(NodeId::from_u128(4)) && !accusers.contains(NodeId::from_u128(5)));
    }

    #[test]
    fn ids_print_and_parse() {
        let id = NodeId::from_u128(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        assert_eq!(id.to_string(), "0123456789abcdef0011223344556677");
        assert_eq!(id.to_string().parse::<NodeId>().unwrap(), id);
        assert_eq!(NodeId::from_bytes(id.to_bytes()), id);
    }

    #[test]
    fn a_row_stays_small() {
        assert!(size_of::<Record>() <= 64, "{}", size_of::<Record>());
        assert!(size_of::<Member>() <= 72, "{}", size_of::<Member>());
    }
}
