//! Where a datagram came from and how a report reached us: what decides how far it is trusted.

use std::net::SocketAddr;

use crate::swim::slot::Slot;
use crate::wire::Digest;

/// Where a datagram came from, as far as it can be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    pub(super) digest: Digest,
    /// The member with that digest.
    pub(super) slot: Option<Slot>,
    /// Whether that member has proved that it receives at this address.
    pub(super) is_proved: bool,
    /// The datagram's length: what an unproved address may be answered with at most.
    pub(super) bytes: usize,
}

/// How a report reached us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// From the member itself, whose address is proved.
    Owner,
    /// Riding on a datagram.
    Gossip,
    /// In a comparison of views.
    Sync,
    /// In a joiner's first pages or a saved view; it is no news.
    Bulk,
}
