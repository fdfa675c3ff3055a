//! Which hosts a fault hits, and which links between them.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::random::Random;

/// Some of the hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Hosts {
    /// The hosts of these numbers.
    These(Vec<u32>),
    /// So many, drawn from the seed.
    Random {
        /// How many hosts.
        random: u32,
    },
    /// So many of a hundred, drawn from the seed.
    Share {
        /// How many of a hundred, rounded down.
        percent: u32,
    },
    /// The host that leads the first election when the fault begins, written `"leader"`; none if there is no leader.
    #[serde(with = "leader")]
    Leader,
    /// All, written `"all"`.
    #[default]
    #[serde(with = "all")]
    All,
}

impl Hosts {
    /// Whether all hosts are meant.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Hosts::All
    }

    /// Puts numbers in place of what is left to chance.
    pub(crate) fn draw(&mut self, random: &mut Random, hosts: u32) {
        match self {
            Hosts::Random { random: count } => *self = Hosts::These(random.choose(*count as usize, hosts)),
            Hosts::Share { percent } => {
                let count = u64::from(hosts) * u64::from(*percent) / 100;
                *self = Hosts::These(random.choose(count as usize, hosts));
            }
            Hosts::These(_) | Hosts::Leader | Hosts::All => {}
        }
    }

    /// Puts the present leader's number in its place.
    pub(crate) fn lead(&mut self, leader: Option<u32>) {
        if *self == Hosts::Leader {
            *self = Hosts::These(leader.into_iter().collect());
        }
    }

    /// The numbers meant, of so many hosts; none while it is not decided which.
    #[must_use]
    pub fn numbers(&self, hosts: u32) -> Vec<u32> {
        match self {
            Hosts::These(these) => these.iter().copied().filter(|host| *host < hosts).collect(),
            Hosts::All => (0..hosts).collect(),
            Hosts::Random { .. } | Hosts::Share { .. } | Hosts::Leader => Vec::new(),
        }
    }

    /// Whether a host is meant.
    #[must_use]
    pub fn contain(&self, host: u32) -> bool {
        match self {
            Hosts::These(these) => these.contains(&host),
            Hosts::All => true,
            Hosts::Random { .. } | Hosts::Share { .. } | Hosts::Leader => false,
        }
    }
}

mod all {
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("all")
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        super::word(deserializer, "all")
    }
}

mod leader {
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("leader")
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        super::word(deserializer, "leader")
    }
}

/// Reads this very word.
fn word<'de, D: Deserializer<'de>>(deserializer: D, word: &str) -> Result<(), D::Error> {
    match String::deserialize(deserializer)? {
        read if read == word => Ok(()),
        other => Err(D::Error::custom(format!("{other:?} names no hosts; write \"all\" or a list of numbers"))),
    }
}

/// Directed links between hosts; without a word all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Links {
    /// The sending hosts.
    #[serde(skip_serializing_if = "Hosts::is_all")]
    pub from: Hosts,
    /// The receiving hosts.
    #[serde(skip_serializing_if = "Hosts::is_all")]
    pub to: Hosts,
    /// Whether the way back is meant too.
    #[serde(skip_serializing_if = "Direction::is_one_way")]
    pub ways: Direction,
}

/// Whether a link means one direction or two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the one to the other.
    #[default]
    One,
    /// This way and back.
    Both,
}

impl Direction {
    #[allow(clippy::trivially_copy_pass_by_ref)] // The shape that serde asks for.
    fn is_one_way(&self) -> bool {
        *self == Direction::One
    }
}

impl Links {
    /// From some hosts to some others.
    #[must_use]
    pub fn from_to(from: &[u32], to: &[u32]) -> Self {
        Links { from: Hosts::These(from.to_vec()), to: Hosts::These(to.to_vec()), ways: Direction::One }
    }

    /// Between some hosts and some others, both ways.
    #[must_use]
    pub fn between(some: &[u32], others: &[u32]) -> Self {
        Links { ways: Direction::Both, ..Links::from_to(some, others) }
    }

    /// All that these hosts send.
    #[must_use]
    pub fn out_of(hosts: &[u32]) -> Self {
        Links { from: Hosts::These(hosts.to_vec()), ..Links::default() }
    }

    /// All that these hosts receive.
    #[must_use]
    pub fn into(hosts: &[u32]) -> Self {
        Links { to: Hosts::These(hosts.to_vec()), ..Links::default() }
    }

    /// Whether the link from one host to another is meant.
    #[must_use]
    pub fn contain(&self, from: u32, to: u32) -> bool {
        let forth = self.from.contain(from) && self.to.contain(to);
        forth || (self.ways == Direction::Both && self.from.contain(to) && self.to.contain(from))
    }

    pub(crate) fn draw(&mut self, random: &mut Random, hosts: u32) {
        self.from.draw(random, hosts);
        self.to.draw(random, hosts);
    }
}
