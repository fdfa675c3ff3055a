//! Which rows of the membership table changed last, for a driver that does not want to look at all of them.
//!
//! A simulator compares tables after every change, and a reading of ten thousand rows for one that changed
//! would be all it does. The latest changes are kept by id in a ring of fixed size; a reader that fell further
//! behind looks at everything.

use crate::member::NodeId;

/// Changes kept. Chosen: more than one datagram's news of a few members; a burst beyond it is cheaper to look at whole.
const KEPT: usize = 32;

#[derive(Debug)]
pub(crate) struct Changes {
    revision: u64,
    /// The change that made revision r + 1 stands at r modulo the length.
    recent: [NodeId; KEPT],
}

impl Changes {
    pub(crate) fn new() -> Self {
        Changes { revision: 0, recent: [NodeId::from_u128(0); KEPT] }
    }

    /// Notes that the row of `id` changed, came or went.
    pub(crate) fn note(&mut self, id: NodeId) {
        self.recent[place(self.revision)] = id;
        self.revision += 1;
    }

    /// How many changes there were.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// The ids of the changes since a revision, oldest first; none when the ring no longer holds them all, or when the
    /// revision is not one of this table.
    pub(crate) fn since(&self, revision: u64) -> Option<impl Iterator<Item = NodeId> + '_> {
        let missed = self.revision.checked_sub(revision)?;
        (missed <= KEPT as u64).then(|| (revision..self.revision).map(|at| self.recent[place(at)]))
    }
}

fn place(revision: u64) -> usize {
    (revision % KEPT as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_changed_as_long_as_it_holds_it() {
        let mut changes = Changes::new();
        let since = |changes: &Changes, revision| {
            changes.since(revision).map(|ids| ids.map(NodeId::as_u128).collect::<Vec<_>>())
        };
        assert_eq!((changes.revision(), since(&changes, 0), since(&changes, 1)), (0, Some(vec![]), None));
        for n in 0..100 {
            changes.note(NodeId::from_u128(n));
        }
        assert_eq!(changes.revision(), 100);
        assert_eq!(since(&changes, 100), Some(vec![]));
        assert_eq!(since(&changes, 97), Some(vec![97, 98, 99]));
        assert_eq!(since(&changes, 68), Some((68..100).collect()));
        assert_eq!(since(&changes, 67), None);
        assert_eq!(since(&changes, 101), None, "a revision of another table");
    }
}
