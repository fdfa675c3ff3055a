//! What a running node counts: in its protocol, and in what is around it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::metrics::{ElectionMetrics, Metrics};

/// A node's counters and gauges: the protocol's, and those of what is around it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NodeMetrics {
    /// The protocol's own.
    pub protocol: Metrics,
    /// Each election's own, by its name; `protocol.elections` is their sum.
    pub elections: BTreeMap<String, ElectionMetrics>,
    /// Whether this node knows the address that others reach it at; one on a wildcard bind learns it from a member.
    pub address_known: bool,
    /// The version of the present view.
    pub view_version: u64,
    /// Errors of the socket while reading.
    pub receives_failed: u64,
    /// Datagrams that the socket did not take: lost, like on the way.
    pub sends_failed: u64,
    /// Bytes of the recording so far, if one was asked for.
    pub recorded_bytes: u64,
    /// 1 once the recording has ended though the node goes on: its bound was reached, or the disk full or too slow.
    pub recordings_ended: u64,
    /// Ballots that this voter's store was asked to save and has answered.
    pub saves: u64,
    /// The longest that the store took for one, in microseconds. A vote waits for it, so an election does.
    pub save_us_max: u64,
}
