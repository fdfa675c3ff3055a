//! This node's identity, as its application gives it once, and the ranges that hold for every member.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::member::id::{Generation, NodeId};

/// Longest name, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest metadata, in bytes.
pub const METADATA_BYTES_MAX: usize = 512;

/// What becomes of a node's address when the others see it at another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advertise {
    /// It is told as it was given, whatever the others see: its operator knows better how this node is reached.
    AsGiven,
    /// If more than a third of those asked, and most of those that answer, see this node at one other address, and none
    /// reaches it at its own, that one is told instead.
    #[default]
    AsSeen,
}

impl Advertise {
    #[allow(clippy::trivially_copy_pass_by_ref)] // The shape that serde asks for.
    pub(crate) fn is_default(&self) -> bool {
        *self == Advertise::default()
    }
}

/// The identity of this node; given once to the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// 1 to 64 bytes of UTF-8 without control or bidirectional characters; shown to people, unique in the cluster.
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
        if let Some(fault) = name_fault(&self.name) {
            return Err(IdentityError::Name(self.name.clone(), fault));
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

/// Whether a text may be a member's name: 1 to 64 bytes, no control characters, none that changes the direction of the
/// text after it (a name so written is shown as another).
#[must_use]
pub fn name_is_valid(name: &str) -> bool {
    // Names are checked in every record that passes, and most are plain ASCII: one pass without a branch settles those.
    let is_plain = name.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte));
    if is_plain { (1..=NAME_BYTES_MAX).contains(&name.len()) } else { name_fault(name).is_none() }
}

/// What keeps a text from being a name, of a member, a cluster or an election; none if nothing does.
pub(crate) fn name_fault(name: &str) -> Option<NameFault> {
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
        return Some(NameFault::Length(name.len()));
    }
    name.chars().find(|c| c.is_control() || is_bidirectional(*c)).map(NameFault::Character)
}

/// The characters of Unicode that set or override the direction of text.
fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// What keeps a text from being a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameFault {
    /// It has so many bytes of UTF-8, and not 1 to 64.
    Length(usize),
    /// It holds this control or bidirectional character.
    Character(char),
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameFault::Length(length) => write!(f, "it has {length} bytes")?,
            NameFault::Character(c) => write!(f, "it holds the character U+{:04X}", u32::from(*c))?,
        }
        write!(
            f,
            "; use 1 to {NAME_BYTES_MAX} bytes of UTF-8 without control characters or such as change the direction of text"
        )
    }
}

/// A text as an error shows it: quoted, escaped, and no longer than a line.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Why an identity cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// The name, and what keeps it from being one.
    Name(String, NameFault),
    /// The metadata is longer than 512 bytes.
    Metadata(usize),
    /// The generation, the incarnation or the unknown fields are beyond their range.
    OutOfRange,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityError::Name(name, fault) => {
                write!(f, "{} cannot be a name: {fault}; choose another", shown(name))
            }
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
    fn a_name_holds_no_character_that_hides_or_turns_what_is_shown() {
        let marks = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\0', '\u{85}'];
        for mark in marks {
            assert!(!name_is_valid(&format!("db{mark}-1")), "{mark:?}");
        }
        for name in ["db-1", "база", "数据库", "שרת", "a b", "\u{200d}", "\u{2065}", "\u{206a}"] {
            assert!(name_is_valid(name), "{name:?}");
        }
    }

    #[test]
    fn bad_identities_are_refused() {
        let good = Identity::named("n", Generation(1), "127.0.0.1:1".parse().unwrap());
        let long = "x".repeat(65);
        for (name, fault, text) in [
            ("", NameFault::Length(0), "\"\" cannot be a name: it has 0 bytes; use 1 to 64 bytes"),
            ("a\nb", NameFault::Character('\n'), "\"a\\nb\" cannot be a name: it holds the character U+000A"),
            (
                "a\u{202e}b",
                NameFault::Character('\u{202e}'),
                "\"a\\u{202e}b\" cannot be a name: it holds the character U+202E",
            ),
            (&long, NameFault::Length(65), "it has 65 bytes"),
        ] {
            let bad = Identity { name: name.to_owned(), ..good.clone() };
            let error = bad.check().unwrap_err();
            assert_eq!(error, IdentityError::Name(name.to_owned(), fault));
            assert!(error.to_string().contains(text) && error.to_string().ends_with("choose another"), "{error}");
        }
        assert!(shown(&"x".repeat(1_000)).len() < 100);
        let bad = Identity { metadata: vec![0; 513], ..good.clone() };
        assert_eq!(bad.check(), Err(IdentityError::Metadata(513)));
        let bad = Identity { generation: Generation(1 << 63), ..good };
        assert_eq!(bad.check(), Err(IdentityError::OutOfRange));
    }
}
