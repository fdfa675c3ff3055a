//! The failure detector: which member to ping in which round and what an answer is worth, when a silence is a suspicion
//! and when a suspicion is a verdict, and how far this node trusts itself (`protocol.md 4` to `6`).

pub(crate) mod awareness;
pub(crate) mod late_wake;
pub(crate) mod pings;
pub(crate) mod probe;
pub(crate) mod reachability;
pub(crate) mod relays;
pub(crate) mod round_number;
pub(crate) mod suspicion;
pub(crate) mod verdict;
