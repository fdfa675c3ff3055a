//! The identity of a member, what is known of it, and which of two reports about it wins.
//!
//! A member is named by a [`NodeId`]; each start of its process is a [`Generation`]; each word it says about itself
//! within one generation is an [`Incarnation`]. Reports are ordered by generation, then incarnation, then [`State`]
//! (SWIM 4.2, with the generation put in front so that a restarted process outranks everything said of its past). What
//! a node does with a report that wins but that it has reason to doubt is policy, and lives elsewhere.

mod accusers;
mod fingerprint;
mod id;
mod identity;
mod kept;
mod record;

pub use accusers::{ACCUSERS_MAX, Accusers};
pub use fingerprint::{Fingerprint, Reads, Version};
pub use id::{Generation, Incarnation, NodeId};
pub use identity::{
    Advertise, Identity, IdentityError, METADATA_BYTES_MAX, NAME_BYTES_MAX, NameFault, canonical, name_is_valid,
};
pub(crate) use identity::{name_fault, shown};
pub use record::{EXTRA_BYTES_MAX, Record, RecordBytesError};

use std::fmt;
use std::net::SocketAddr;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

/// What is believed of a member; of two reports of one incarnation the later in this order wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It answers, or nothing says otherwise.
    Alive,
    /// A member's ping to it went unanswered; it has until the suspicion's deadline to refute.
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
    /// What it claims of the member.
    pub state: State,
}

impl Standing {
    /// Whether this report wins over `other`: generation first, then incarnation, then state (SWIM 4.2).
    ///
    /// Keeping whichever of two standings supersedes the other is a join: associative, commutative and idempotent, so
    /// that reports may arrive in any order and any number of times.
    #[must_use]
    pub fn supersedes(self, other: Standing) -> bool {
        self > other
    }
}

/// A row of the membership list.
#[derive(Clone, PartialEq, Eq)]
pub struct Member {
    pub(crate) record: Record,
    pub(crate) incarnation: Incarnation,
    pub(crate) state: State,
    pub(crate) flaps: bool,
}

impl Member {
    /// The member's identity over all its restarts.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.record.id()
    }

    /// Its name, 1 to 64 bytes.
    #[must_use]
    pub fn name(&self) -> &str {
        self.record.name()
    }

    /// The start of its process that is believed in.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.record.generation()
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

    /// Whether it flaps: it refuted three suspicions within a minute, and has since not been without one for a minute.
    /// Its [`Event::Suspect`](crate::Event::Suspect) and [`Event::Refuted`](crate::Event::Refuted) are told seldom
    /// meanwhile, and so are those of members that it alone accuses, which do not count. A verdict ends it. This node
    /// itself flaps when it has to refute as often.
    #[must_use]
    pub fn is_flapping(&self) -> bool {
        self.flaps
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
        Standing { generation: self.record.generation(), incarnation: self.incarnation, state: self.state }
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flaps = if self.flaps { ", flapping" } else { "" };
        let (name, address, generation) = (self.name(), self.address(), self.generation());
        write!(f, "{:?} {name}@{address} {generation}.{}{flaps}", self.state, self.incarnation)
    }
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Member", 8)?;
        out.serialize_field("name", self.name())?;
        out.serialize_field("id", &self.id())?;
        out.serialize_field("state", &self.state)?;
        out.serialize_field("address", &self.address())?;
        out.serialize_field("generation", &self.generation())?;
        out.serialize_field("incarnation", &self.incarnation)?;
        out.serialize_field("flapping", &self.flaps)?;
        out.serialize_field("metadata", self.metadata())?;
        out.end()
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
}
