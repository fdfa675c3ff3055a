//! The leader of an election, its term, and how it came to lead.

use std::fmt;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::member::NodeId;
use crate::time::Instant;

/// Numbers the leaders of one election: at most one leads in a term, and a later leader has a higher one (Raft 5.1).
///
/// It is the fencing token too: a resource has to refuse a write whose term is below the highest it has seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Term(pub u64);

impl Term {
    /// Terms at or above this are rejected, so that there is always a higher one.
    pub const LIMIT: u64 = 1 << 62;

    /// The term after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Term(self.0.saturating_add(1))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Longest [word](Leader::word) of a leader, in bytes.
pub const WORD_BYTES_MAX: usize = 256;

/// One process that may lead, told apart from all others, those of its own name too: drawn at random at its start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Holder(pub u128);

/// 32 hexadecimal digits.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for Holder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Holder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map(Holder).map_err(D::Error::custom)
    }
}

/// What a write carries, so that the resource can refuse those of leaders that were replaced.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Token {
    /// The leader's term.
    pub term: Term,
    /// Orders the processes to which the leader of a term lends its right, one after the other; 0 for the leader
    /// itself.
    pub sequence: u64,
    /// The leader's process.
    pub holder: Holder,
}

impl Token {
    /// The same with this number, for a process to which the leader lends its right.
    #[must_use]
    pub const fn with_sequence(self, sequence: u64) -> Self {
        Token { sequence, ..self }
    }

    /// What a resource compares: a write is refused if it comes with less than an earlier one.
    #[must_use]
    pub const fn order(self) -> (Term, u64) {
        (self.term, self.sequence)
    }
}

/// The leader of an election, as this node knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Leader {
    /// The election's name.
    #[serde(serialize_with = "text")]
    pub election: Arc<str>,
    /// The leader's member id.
    pub id: NodeId,
    /// The leader's name, 1 to 64 bytes.
    #[serde(serialize_with = "text")]
    pub name: Arc<str>,
    /// The term it leads in: the fencing token of everything it does as leader.
    pub term: Term,
    /// Since when this node knows it as the leader of that term.
    pub since: Instant,
    /// What its application says to those that look for the leader, such as the address it serves at: at most
    /// [`WORD_BYTES_MAX`]. It comes with the leader's record by gossip, mostly before it is elected; empty until then,
    /// and where nothing was said.
    #[serde(serialize_with = "bytes")]
    pub word: Arc<[u8]>,
}

fn bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(bytes)
}

pub(crate) fn text<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// What started the election that a leader won.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trigger {
    /// No leader was known: the voters had just started, or had not found a quorum for a while.
    NoLeader,
    /// The leader's lease ran out without a word from it.
    LeaseRanOut,
    /// The detector declared the leader dead.
    Dead,
    /// The leader left the cluster.
    Left,
    /// The leader resigned.
    Resigned,
    /// The leader handed over to this one by name.
    HandedOver,
    /// Voters had moved on to a higher term than the leader's, so it asked to be elected anew.
    Outrun,
}

impl Trigger {
    /// All triggers, in the order of their numbers on the wire.
    pub const ALL: [Trigger; 7] = [
        Trigger::NoLeader,
        Trigger::LeaseRanOut,
        Trigger::Dead,
        Trigger::Left,
        Trigger::Resigned,
        Trigger::HandedOver,
        Trigger::Outrun,
    ];

    /// Its number on the wire, its place in [`Trigger::ALL`].
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The trigger with this number.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Trigger::ALL.get(usize::try_from(code).ok()?).copied()
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trigger::NoLeader => "there was no leader",
            Trigger::LeaseRanOut => "the lease of the leader before ran out",
            Trigger::Dead => "the leader before was declared dead",
            Trigger::Left => "the leader before left",
            Trigger::Resigned => "the leader before resigned",
            Trigger::HandedOver => "the leader before handed over",
            Trigger::Outrun => "voters had moved on to a higher term",
        })
    }
}

/// Why a leader is not known as one any more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LossReason {
    /// Its lease was not renewed in time.
    LeaseRanOut,
    /// It resigned, or handed over.
    Resigned,
    /// This node only knew it by hearsay, and the detector says that it is dead or left.
    Gone,
}

impl LossReason {
    /// Its number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// How a leadership ended by its holder's own word; that of a later release is a resignation.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        if code == LossReason::LeaseRanOut.code() { LossReason::LeaseRanOut } else { LossReason::Resigned }
    }
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LossReason::LeaseRanOut => "its lease ran out",
            LossReason::Resigned => "it resigned",
            LossReason::Gone => "it is dead or left",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triggers_have_their_place_as_number() {
        for trigger in Trigger::ALL {
            assert_eq!(Trigger::from_code(u64::from(trigger.code())), Some(trigger));
        }
        assert_eq!(Trigger::from_code(Trigger::ALL.len() as u64), None);
    }
}
