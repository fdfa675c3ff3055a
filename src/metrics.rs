//! Plain counters and gauges of one protocol, cheap to copy.
//!
//! Counters only rise; gauges say how things stand. Nothing here decides anything.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::wire::Rejected;

/// A snapshot of the protocol's counters and gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Metrics {
    /// Datagrams handed out to be sent.
    pub datagrams_out: u64,
    /// Bytes of them.
    pub bytes_out: u64,
    /// Datagrams that came in and were accepted.
    pub datagrams_in: u64,
    /// Bytes of them.
    pub bytes_in: u64,
    /// Accepted datagrams of a kind that only a later release knows: their news were taken, what they ask was not done.
    pub messages_unknown: u64,
    /// Datagrams rejected, by reason.
    pub rejected: RejectedCounts,
    /// Rounds answered by the target's own ack.
    pub probes_acked: u64,
    /// Rounds answered only through a relay.
    pub probes_acked_by_relay: u64,
    /// Rounds that no answer ended in time.
    pub probes_failed: u64,
    /// Rounds void because this node did not run.
    pub probes_void: u64,
    /// Suspicions that began here: by a round of this node's own, by an accusation, or by silence in isolation.
    pub suspicions: u64,
    /// Suspicions that the member refuted.
    pub suspicions_refuted: u64,
    /// Suspicions that ended in a verdict of this node.
    pub suspicions_dead: u64,
    /// Verdicts that were provisional.
    pub verdicts_provisional: u64,
    /// Provisional verdicts that were undone.
    pub verdicts_undone: u64,
    /// Suspicions of this node that it refuted.
    pub refutations: u64,
    /// Comparisons of views begun by this node.
    pub syncs: u64,
    /// Dials of dead members and contacts.
    pub dials: u64,
    /// Transmissions dropped because the queue was full.
    pub transmits_dropped: u64,
    /// New members refused because the table was full.
    pub members_refused: u64,
    /// Wakes later than the tolerance.
    pub late_wakes: u64,
    /// Microseconds of the last wake's lateness.
    pub lateness_us: u64,
    /// Microseconds of the greatest lateness so far.
    pub lateness_max_us: u64,
    /// Lifeguard's local health multiplier, 0 (healthy) to 8.
    pub awareness: u8,
    /// Members that are Alive, this node included.
    pub members_alive: usize,
    /// Members that are Suspect.
    pub members_suspect: usize,
    /// Members that flap, told of seldom because they are suspected and refute all the time; this node itself counts.
    pub members_flapping: usize,
    /// Dead members still dialled.
    pub ghosts: usize,
    /// News waiting to ride.
    pub news: usize,
    /// Transmissions waiting to be polled.
    pub transmits: usize,
    /// Events waiting to be polled.
    pub events: usize,
    /// The round of the probing ring.
    pub round: u64,
    /// The hash of the live view.
    pub view_hash: u64,
    /// All elections of this node together.
    pub elections: ElectionMetrics,
}

/// What happened in all elections of one node together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ElectionMetrics {
    /// Times that this node stood for election: pre-votes begun.
    pub campaigns: u64,
    /// Terms that it was elected in.
    pub terms_won: u64,
    /// Votes that it gave to others.
    pub votes_given: u64,
    /// Ballots that could not be saved, so that nothing was told.
    pub saves_failed: u64,
    /// Times that it lost its leadership because its lease ran out.
    pub leases_lost: u64,
    /// Elections that it leads now.
    pub led: u64,
}

/// Rejected datagrams by reason.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct RejectedCounts([u64; Rejected::ALL.len()]);

impl RejectedCounts {
    /// Counts one.
    pub(crate) fn count(&mut self, reason: Rejected) {
        if let Some(counter) = self.0.get_mut(reason as usize) {
            *counter += 1;
        }
    }

    /// How many were rejected for this reason.
    #[must_use]
    pub fn of(&self, reason: Rejected) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// How many were rejected in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// A map of all reasons, by [`Rejected::name`], to their counts.
impl Serialize for RejectedCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Rejected::ALL.into_iter().map(|reason| (reason.name(), self.of(reason))))
    }
}

/// Each reason with its count.
impl fmt::Debug for RejectedCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(Rejected::ALL.into_iter().map(|reason| (reason, self.of(reason)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_are_written_by_name() {
        let mut counts = RejectedCounts::default();
        counts.count(Rejected::Tag);
        counts.count(Rejected::Tag);
        counts.count(Rejected::NoVoter);
        let written = serde_json::to_value(counts).unwrap();
        assert_eq!(written.as_object().unwrap().len(), Rejected::ALL.len(), "{written}");
        assert_eq!((&written["tag"], &written["no_voter"], &written["stale"]), (&2.into(), &1.into(), &0.into()));
    }
}
