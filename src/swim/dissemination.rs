//! How news spread: what is piggybacked, what is forwarded at once, and what both may cost
//! (`protocol.md 7.1` to `7.4`).

pub(crate) mod gossip;
pub(crate) mod meter;
pub(crate) mod outbox;
pub(crate) mod pace;
