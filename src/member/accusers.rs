//! A small set of members that accuse another.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::member::id::NodeId;

/// How many accusers a suspicion carries at most.
pub const ACCUSERS_MAX: usize = 4;

/// The members whose own ping to a suspect went unanswered, at most four, each once, in the order they were heard of.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Accusers {
    ids: [Option<NodeId>; ACCUSERS_MAX],
}

impl Accusers {
    /// Adds one; false if it was there already or there is no space.
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

    #[test]
    fn accusers_are_a_small_set() {
        let mut accusers = Accusers::default();
        for n in [1, 2, 1, 3, 4, 5] {
            accusers.insert(NodeId::from_u128(n));
        }
        assert_eq!(accusers.len(), ACCUSERS_MAX);
        assert!(accusers.contains(NodeId::from_u128(4)) && !accusers.contains(NodeId::from_u128(5)));
    }
}
