//! An election's configuration, checked, with what follows from it.

use std::sync::Arc;
use std::time::Duration;

use twox_hash::XxHash3_64;

use crate::config::{ElectionConfig, Stands};
use crate::election::message::Context;
use crate::member::NodeId;
use crate::sabotage;
use crate::voters::Voters;

/// The shortest turns in a lease. Chosen: a turn of 31 ms leaves a first candidate its two rounds and two writes to a
/// slow disk (6 ms each at p99 here) before the second stands.
const TURNS_IN_LEASE: u32 = 16;
/// The shortest turn of all.
const TURN_MIN: Duration = Duration::from_millis(4);

/// What one node goes by in one election. Lease and drift are the same at all voters that elect together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    name: Arc<str>,
    voters: Voters,
    lease: Duration,
    heartbeat: Duration,
    promise: Duration,
    /// Hashes of the name, and of lease and drift.
    election: u64,
    rules: u64,
    stands: Stands,
    priority: u8,
}

impl Rules {
    /// What follows from a configuration that [`Config::check`](crate::Config::check) accepted.
    #[must_use]
    pub fn new(config: &ElectionConfig) -> Self {
        let mut rules = config.lease.as_nanos().to_le_bytes().to_vec();
        rules.extend_from_slice(&config.clock_drift_max_ppm.to_le_bytes());
        Rules {
            name: config.name.as_str().into(),
            voters: Voters::first(&config.voters),
            lease: config.lease,
            heartbeat: config.heartbeat,
            promise: promise(config),
            election: XxHash3_64::oneshot(config.name.as_bytes()),
            rules: XxHash3_64::oneshot(&rules),
            stands: config.stands,
            priority: config.priority,
        }
    }

    /// The election's name, 1 to 64 bytes.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The same under other voters.
    #[must_use]
    pub fn under(&self, voters: Voters) -> Self {
        Rules { voters, ..self.clone() }
    }

    /// The configuration of voters in effect.
    #[must_use]
    pub fn electorate(&self) -> &Voters {
        &self.voters
    }

    /// Ids and names of the voters, ascending by id.
    #[must_use]
    pub fn voters(&self) -> &[(NodeId, Arc<str>)] {
        self.voters.all()
    }

    /// A voter's place among them.
    #[must_use]
    pub fn place_of(&self, id: NodeId) -> Option<usize> {
        self.voters.place_of(id)
    }

    /// How many voters must agree: more than half of those configured; 0 where they are not known.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.voters.quorum()
    }

    /// When this node is a candidate.
    #[must_use]
    pub fn stands(&self) -> Stands {
        self.stands
    }

    /// Its priority among candidates, where the application sets no other.
    #[must_use]
    pub fn priority(&self) -> u8 {
        self.priority
    }

    /// Whether this node only wants to know the leader, and does not know the voters.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.voters.is_empty()
    }

    /// How long the leader may act after the start of a round that a quorum answered.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// How often the leader renews.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// How long a voter keeps its promise: the lease and the drift of two clocks.
    #[must_use]
    pub fn promise(&self) -> Duration {
        self.promise
    }

    /// What messages about this election carry.
    #[must_use]
    pub fn context(&self) -> Context {
        let (voters, version) = (self.voters.digest(), self.voters.version());
        Context { election: self.election, rules: self.rules, voters, version }
    }

    /// How much later than the candidate before it each candidate stands, where an attempt takes so long.
    pub(super) fn turn(&self, attempt: Duration) -> Duration {
        let least = (self.lease / TURNS_IN_LEASE).max(TURN_MIN);
        attempt.clamp(least, (self.lease / 2).max(least))
    }
}

/// How long a promise lasts, but for planted faults.
fn promise(config: &ElectionConfig) -> Duration {
    let (lease, promise) = (config.lease, config.promise());
    if sabotage::is_off("drift_margin") {
        lease
    } else if sabotage::is_off("half_margin") {
        lease + promise.saturating_sub(lease) / 2
    } else {
        promise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_voters_makes_no_other_context() {
        let rules = |voters: &[&str]| Rules::new(&ElectionConfig::lan("default", voters.iter().copied()));
        assert_eq!(rules(&["a", "b", "c"]), rules(&["c", "a", "b"]));
        assert_ne!(rules(&["a", "b", "c"]).context(), rules(&["a", "b", "d"]).context());
        let longer = ElectionConfig::lan("default", ["a", "b", "c"]).with_lease(Duration::from_secs(1));
        assert_ne!(rules(&["a", "b", "c"]).context().rules, Rules::new(&longer).context().rules);
        assert_eq!(rules(&["a", "b", "c"]).context().voters, Rules::new(&longer).context().voters);
        for (voters, quorum) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (9, 5)] {
            let names: Vec<String> = (0..voters).map(|n| format!("n{n}")).collect();
            assert_eq!(Rules::new(&ElectionConfig::lan("default", names)).quorum(), quorum);
        }
    }
}
