//! One election's knobs: its voters, how long a lease lasts, how far clocks may drift apart.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, duration_text, within};
use crate::member::{name_fault, shown};
use crate::voters::check_list;

pub use crate::voters::VOTERS_MAX;

/// The lease of [`ElectionConfig::lan`].
const LEASE: Duration = Duration::from_millis(500);
/// Parts of a million.
const MILLION: u128 = 1_000_000;

/// When a voter is a candidate, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// While a [`Node::lead`](crate::runtime::Node::lead) or a [`Candidate`](crate::runtime::Candidate) of it exists.
    #[default]
    WithWork,
    /// From its start, whether work runs or not: for an application that watches events and leads without a lease in
    /// its hands.
    Always,
    /// Never: a witness, which votes only, or a member that watches.
    Never,
}

/// A named election. Its name, voters, lease and drift are the same on all voters, or they do not elect together;
/// whether and with which priority one stands is its own.
///
/// A quorum is more than half of the voters named here, never of those that happen to live: a minority elects no
/// leader, however long the others are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct ElectionConfig {
    /// Its name, 1 to 64 bytes.
    pub name: String,
    /// The names of the members that vote and may lead, 1 to 9. Odd numbers are better: four voters bear the loss of
    /// one, as three do. None at a member that only [watches](ElectionConfig::watches).
    pub voters: Vec<String>,
    /// How long the leader may act after the start of a round that a quorum answered. Lower finds a new leader sooner;
    /// a leader that stalls or is cut off for longer loses its leadership. 50 ms to 10 minutes; default 500 ms (lan),
    /// 3 s (wan), 250 ms (local). Chosen: five rounds in a row must be lost before a healthy leader falls, and
    /// fail-over still takes less than Raft's classic timeouts.
    #[serde(with = "duration_text")]
    pub lease: Duration,
    /// How often the leader renews. At most a third of the lease, so that one lost round costs nothing; at least 5 ms
    /// and a fiftieth of it. Default a fifth of the lease: 100 ms (lan), ten small datagrams a second and voter.
    #[serde(with = "duration_text")]
    pub heartbeat: Duration,
    /// By how many parts of a million two clocks may run apart, each from true time. 0 to 200,000, default 10,000
    /// (1 %). Voters keep their promise that much longer than the leader counts on it. Source: operating systems slew a
    /// clock by 500 at most; a virtual machine may do worse.
    pub clock_drift_max_ppm: u32,
    /// When this node is a candidate. Default [`Stands::WithWork`].
    pub stands: Stands,
    /// The higher, the sooner this node stands; a candidate of a higher priority than the leader's takes over from it
    /// by hand-over once it has been there for two leases. 0 to 255, default 0.
    pub priority: u8,
}

/// What a file says: the voters, and what differs from [`ElectionConfig::lan`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<String>,
    #[serde(default)]
    voters: Vec<String>,
    lease: Option<Span>,
    heartbeat: Option<Span>,
    clock_drift_max_ppm: Option<u32>,
    #[serde(default)]
    stands: Stands,
    #[serde(default)]
    priority: u8,
}

#[derive(Deserialize)]
struct Span(#[serde(with = "duration_text")] Duration);

impl From<Written> for ElectionConfig {
    fn from(written: Written) -> Self {
        let mut config = ElectionConfig::lan(written.name.as_deref().unwrap_or("default"), written.voters);
        if let Some(Span(lease)) = written.lease {
            config = config.with_lease(lease);
        }
        config.heartbeat = written.heartbeat.map_or(config.heartbeat, |Span(heartbeat)| heartbeat);
        config.clock_drift_max_ppm = written.clock_drift_max_ppm.unwrap_or(config.clock_drift_max_ppm);
        ElectionConfig { stands: written.stands, priority: written.priority, ..config }
    }
}

impl ElectionConfig {
    /// For one data centre: a lease of 500 ms, renewed every 100 ms.
    pub fn lan<N: Into<String>>(name: &str, voters: impl IntoIterator<Item = N>) -> Self {
        ElectionConfig {
            name: name.to_owned(),
            voters: voters.into_iter().map(Into::into).collect(),
            lease: LEASE,
            heartbeat: LEASE / 5,
            clock_drift_max_ppm: 10_000,
            stands: Stands::WithWork,
            priority: 0,
        }
    }

    /// For a member that has no vote and wants to know the leader: it needs no more than the name.
    #[must_use]
    pub fn watches(name: &str) -> Self {
        ElectionConfig::lan::<String>(name, []).votes_only()
    }

    /// The same at a voter that never leads: a witness.
    #[must_use]
    pub fn votes_only(mut self) -> Self {
        self.stands = Stands::Never;
        self
    }

    /// The same at a voter that is a candidate from its start, whether work runs there or not.
    #[must_use]
    pub fn stands_always(mut self) -> Self {
        self.stands = Stands::Always;
        self
    }

    /// The same with another [priority](ElectionConfig::priority) of this node.
    #[must_use]
    pub fn with_priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// Whether this node has no vote and only wants to know the leader.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.voters.is_empty() && self.stands == Stands::Never
    }

    /// For the internet: a lease of 3 s, renewed every 600 ms.
    pub fn wan<N: Into<String>>(name: &str, voters: impl IntoIterator<Item = N>) -> Self {
        ElectionConfig::lan(name, voters).with_lease(LEASE * 6)
    }

    /// For one machine, tests and demonstrations: a lease of 250 ms, renewed every 50 ms.
    pub fn local<N: Into<String>>(name: &str, voters: impl IntoIterator<Item = N>) -> Self {
        ElectionConfig::lan(name, voters).with_lease(LEASE / 2)
    }

    /// The same with another lease, renewed five times in it.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self.heartbeat = lease / 5;
        self
    }

    /// How long a voter keeps its promise: the lease as the slowest clock may count it, by the fastest.
    #[must_use]
    pub fn promise(&self) -> Duration {
        let drift = u128::from(self.clock_drift_max_ppm);
        let promise = (self.lease.as_nanos() * (MILLION + drift)).div_ceil(MILLION.saturating_sub(drift).max(1));
        // A nanosecond for each division that a clock rounds.
        Duration::from_nanos(u64::try_from(promise).unwrap_or(u64::MAX).saturating_add(2))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let ms = Duration::from_millis;
        if let Some(fault) = name_fault(&self.name) {
            let why = format!("{} is no name: {fault}", shown(&self.name));
            return Err(ConfigError::new("elections.name", why));
        }
        if !self.is_watched() {
            check_list(&self.voters).map_err(|fault| ConfigError::new("elections.voters", fault.to_string()))?;
        }
        within("elections.lease", self.lease, ms(50), ms(600_000))?;
        within("elections.heartbeat", self.heartbeat, ms(5).max(self.lease / 50), self.lease / 3)?;
        within("elections.clock_drift_max_ppm", self.clock_drift_max_ppm, 0, 200_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_outlast_leases_on_any_two_clocks_within_the_drift() {
        for (lease_ms, drift) in [(500, 10_000), (150, 10_000), (50, 0), (10_000, 200_000)] {
            let mut config = ElectionConfig::lan("e", ["a"]).with_lease(Duration::from_millis(lease_ms));
            config.clock_drift_max_ppm = drift;
            let (million, drift) = (1_000_000_u128, u128::from(drift));
            let longest_lease = config.lease.as_nanos() * million / (million - drift) + 1;
            let shortest_promise = config.promise().as_nanos() * million / (million + drift);
            assert!(shortest_promise >= longest_lease, "{lease_ms} ms at {drift}");
        }
        assert_eq!(ElectionConfig::lan("e", ["a"]).promise().as_millis(), 510);
    }

    #[test]
    fn errors_name_the_knob() {
        let refused = |change: fn(&mut ElectionConfig)| {
            let mut config = ElectionConfig::lan("default", ["a", "b", "c"]);
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert_eq!(refused(|c| c.voters.clear()), "elections.voters: no voter at all: an election needs one at least");
        assert_eq!(
            refused(|c| c.voters.push("a".to_owned())),
            "elections.voters: \"a\" is there twice; one voter has one vote"
        );
        assert_eq!(
            refused(|c| c.heartbeat = c.lease),
            "elections.heartbeat: 500ms is too high; use 10ms to 166.666666ms"
        );
        assert!(refused(|c| c.name.clear()).contains("is no name"));
        assert!(ElectionConfig::lan("default", ["a"]).check().is_ok());
    }

    #[test]
    fn a_file_names_the_voters_and_what_differs() {
        let read: ElectionConfig = serde_json::from_str(r#"{"voters": ["a"], "lease": "150ms"}"#).unwrap();
        assert_eq!(read.lease, Duration::from_millis(150));
        assert_eq!((read.name.as_str(), read.heartbeat), ("default", Duration::from_millis(30)));
        let text = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<ElectionConfig>(&text).unwrap(), read);
    }
}
