//! Where this node is seen, and where the members' datagrams come from (`protocol.md 7.7`).

pub(crate) mod ways;
pub(crate) mod whereabouts;
