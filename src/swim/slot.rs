//! A row's place in the membership table, the name by which the mechanisms know a member.

/// Reused after the row is removed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Slot(pub u32);
