//! Where this node is seen, and where the members' datagrams come from (`docs/protocol.md`, 9).

pub(crate) mod ways;
pub(crate) mod whereabouts;
