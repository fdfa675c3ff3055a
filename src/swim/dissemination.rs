//! How news spread: what is piggybacked, what is forwarded at once, and what both may cost (`docs/protocol.md`, 7).

pub(crate) mod gossip;
pub(crate) mod meter;
pub(crate) mod outbox;
pub(crate) mod pace;
