//! Which broker owns which partition, as one leader decided it, and how the others hear of it.
//!
//! A leader publishes its assignment as metadata, which gossip carries to every member within milliseconds. Gossip may
//! be late, lost for a while, or come out of order: a broker that hears two assignments believes the one with the
//! higher token, by term and then by number, and one that believes an old one is stopped by the fence of the log
//! (`log.rs`).

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tidings::Member;
use tidings::leader::Token;
use twox_hash::XxHash3_64;

use super::PARTITIONS;

/// An assignment of all partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The token of the leader that decided it; its sequence counts that leader's assignments.
    pub token: Token,
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
    pub fn spread(token: Token, members: &[String]) -> Self {
        let owner = |partition: usize| {
            let weight = |member: &&String| XxHash3_64::oneshot_with_seed(partition as u64, member.as_bytes());
            members.iter().max_by_key(weight).cloned().unwrap_or_default()
        };
        Assignment { token, owners: (0..PARTITIONS).map(owner).collect() }
    }

    pub fn is_newer_than(&self, other: &Assignment) -> bool {
        self.token.order() > other.token.order()
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
