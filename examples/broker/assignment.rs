//! Which broker owns which partition, as one leader decided it, and how the others hear of it.
//!
//! A leader publishes its assignment as metadata, which gossip carries to every member within milliseconds. Gossip may be
//! late, lost for a while, or come out of order: whoever hears two assignments believes the one with the higher term,
//! and of one term the higher number, and who believes an old one is stopped by the fence of the log (`log.rs`).

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tidings::{Member, Term};
use twox_hash::XxHash3_64;

use crate::PARTITIONS;

/// Assignments that one leader can number in its term. Terms start as Unix milliseconds, so these bits are free.
const NUMBERS: u64 = 1 << 20;

/// An assignment of all partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The term of the leader that decided it.
    pub term: Term,
    /// Counts that leader's assignments.
    pub number: u64,
    /// The owner of each partition.
    pub owners: Vec<String>,
}

/// What a broker tells the others of itself, in its metadata: 512 bytes at most.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Card {
    /// Where clients reach it.
    pub clients: SocketAddr,
    /// What it assigned when it led.
    pub assignment: Option<Assignment>,
}

impl Assignment {
    /// Spreads the partitions over these members by rendezvous hashing: each goes to the member that it hashes highest
    /// with, so that a change of members moves nothing but what has to move.
    pub fn spread(term: Term, number: u64, members: &[String]) -> Self {
        let owner = |partition: usize| {
            let weight = |member: &&String| XxHash3_64::oneshot_with_seed(partition as u64, member.as_bytes());
            members.iter().max_by_key(weight).cloned().unwrap_or_default()
        };
        Assignment { term, number, owners: (0..PARTITIONS).map(owner).collect() }
    }

    /// The owner's fencing token: it orders assignments by term first, by number second, in the one number that a fence
    /// compares. None when there is no room for both, which no clock will see.
    pub fn token(&self) -> Option<Term> {
        let number = Some(self.number).filter(|number| *number < NUMBERS)?;
        Some(Term(self.term.0.checked_mul(NUMBERS)? + number))
    }

    pub fn is_newer_than(&self, other: &Assignment) -> bool {
        (self.term, self.number) > (other.term, other.number)
    }
}

impl Card {
    /// What a member says of itself, if it says that in our words.
    pub fn of(member: &Member) -> Option<Self> {
        serde_json::from_slice(member.metadata()).ok()
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
