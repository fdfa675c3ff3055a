//! Every knob of the protocol, with its unit, its default and what goes wrong when it is too low or too high.
//!
//! A [`Config`] is plain data that serde can read; [`Config::check`] turns it once into something the core can trust.
//! Three presets cover most clusters: [`Config::lan`], [`Config::wan`] and [`Config::local`].

mod duration_text;
mod election;

pub use election::{ElectionConfig, Stands, VOTERS_MAX};

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::member::{ACCUSERS_MAX, name_fault, shown};

/// Elections that one node takes part in at most.
pub(crate) const ELECTIONS_MAX: usize = 8;

/// How the protocol behaves.
///
/// Members may differ in all but the cluster's name, so that a configuration can be changed member by member. What each
/// does follows its own: with another P or probe interval it finds a crash at its own time. Two knobs divide what they
/// should not: voters under another lease or drift elect no leader together, which [`VotersDiffer`] tells, and
/// `members_max` must have space for all members on each of them.
///
/// [`VotersDiffer`]: crate::event::Event::VotersDiffer
///
/// Start from a preset and set what should differ (`Config { members_max: 64, ..Config::lan("orders") }`): a release
/// may add fields. Read by serde, a field that is missing is that of [`Config::lan`], an unknown one is an error, and
/// durations are written as `200ms`, `3s`, `5m` or `72h`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default = "Config::unnamed")]
pub struct Config {
    /// The cluster's name, 1 to 64 bytes without control or bidirectional characters; datagrams of another cluster are
    /// rejected. It is required.
    pub cluster: String,
    /// How often each member is probed, and probes another. Lower finds a crash sooner and costs in proportion. Default
    /// 1 s (lan), 2 s (wan), 200 ms (local). Source: memberlist's LAN preset for 1 s.
    #[serde(with = "duration_text")]
    pub probe_interval: Duration,
    /// The cap of the adaptive retry timeout; also the timeout before any round trip was measured. At most the probe
    /// interval. Default 500 ms, 1 s, 100 ms.
    #[serde(with = "duration_text")]
    pub probe_timeout: Duration,
    /// P: how long a member may be silent and never be declared dead. Constant in the size of the cluster. At least two
    /// round trips plus what the operating system may pause a process. Default 3 s, 8 s, 1 s.
    #[serde(with = "duration_text")]
    pub stall_tolerance: Duration,
    /// k: relays asked to ping a member that did not answer. 0 to 16, default 3. Source: memberlist, SWIM 3.1.
    pub indirect_checks: usize,
    /// c: members that must agree with an accusation before the verdict at P, fewer when fewer are present; without
    /// them the verdict waits for 3 P. 0 to 3, default 2. Chosen: with 0, 26 false deaths in 150 s at 10 % loss and
    /// P = 1 s, with 2 none.
    pub confirmations: usize,
    /// λ: each news is sent λ·⌈log2(n+1)⌉ times in all. 1 to 10, default 2. Source: SWIM 4.1's λ log n.
    pub retransmit_mult: u32,
    /// How many random members news is forwarded to at once on first receipt. 1 to 16, default 4.
    pub forward_fanout: usize,
    /// Datagrams per second that forwarding may use beyond the burst. 1 to 10,000, default 20.
    pub forward_rate: u32,
    /// Datagrams that forwarding may use at once. 1 to 10,000, default 40.
    pub forward_burst: u32,
    /// Bytes of changed metadata, its own and others', that a node sends per second at most; as much as four seconds'
    /// worth at once. Above it, members that change theirs are heard at intervals at which all of them fit, and only
    /// their newest. Each change costs every member its bytes λ·⌈log2(n+1)⌉ times, so that half the budget makes the
    /// intervals twice as long. 1,024 to 1,000,000,000, default 16,384. A guess: no other was measured.
    pub metadata_bytes_per_second: u32,
    /// Quiet time without news after which two members whose views differ compare them. Default 1 s.
    #[serde(with = "duration_text")]
    pub sync_quiet: Duration,
    /// Time of continued difference after which they compare views though news still flows. Default 2 s.
    #[serde(with = "duration_text")]
    pub sync_patience: Duration,
    /// Dead members that are remembered and dialled so that partitions heal. 0 to 65,536, default 4,096.
    pub ghosts_max: usize,
    /// How long a dead member is dialled. Default 72 h. Source: serf's reconnect timeout is 24 h; partitions over a
    /// weekend are not rare.
    #[serde(with = "duration_text")]
    pub ghost_retention: Duration,
    /// News that wait to ride on datagrams. 16 to 65,536, default 1,024.
    pub news_max: usize,
    /// How long a leaving node waits for others to confirm. Default 2 s.
    #[serde(with = "duration_text")]
    pub leave_timeout: Duration,
    /// Members held at most; beyond it new ones are refused, which [`Full`](crate::event::Event::Full) tells. 2 to
    /// 65,536, default 20,000. A member that is refused is not passed on either: members that know each other only
    /// through members with full tables do not meet, so leave space for all everywhere.
    pub members_max: usize,
    /// Longest datagram ever sent, in bytes of UDP payload; whatever UDP carries is received. 1,200 to 65,507, default
    /// 1,400, which fits every common MTU.
    pub datagram_bytes_max: usize,
    /// Recent events kept for subscribers; one that falls further behind gets a difference instead. 16 to 1,048,576,
    /// default 1,024.
    pub events_max: usize,
    /// Elections that this node votes in or watches, 0 to 8; none by default.
    pub elections: Vec<ElectionConfig>,
}

impl Config {
    /// For one data centre: round trips of a few milliseconds, P = 3 s.
    #[must_use]
    pub fn lan(cluster: &str) -> Self {
        Config {
            cluster: cluster.to_owned(),
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            stall_tolerance: Duration::from_secs(3),
            indirect_checks: 3,
            confirmations: 2,
            retransmit_mult: 2,
            forward_fanout: 4,
            forward_rate: 20,
            forward_burst: 40,
            metadata_bytes_per_second: 16_384,
            sync_quiet: Duration::from_secs(1),
            sync_patience: Duration::from_secs(2),
            ghosts_max: 4_096,
            ghost_retention: Duration::from_secs(72 * 3_600),
            news_max: 1_024,
            leave_timeout: Duration::from_secs(2),
            members_max: 20_000,
            datagram_bytes_max: 1_400,
            events_max: 1_024,
            elections: Vec::new(),
        }
    }

    /// For the internet: round trips up to a few hundred milliseconds, P = 8 s.
    #[must_use]
    pub fn wan(cluster: &str) -> Self {
        Config {
            probe_interval: Duration::from_secs(2),
            probe_timeout: Duration::from_secs(1),
            stall_tolerance: Duration::from_secs(8),
            ..Config::lan(cluster)
        }
    }

    /// For one machine, tests and demonstrations: P = 1 s.
    #[must_use]
    pub fn local(cluster: &str) -> Self {
        Config {
            probe_interval: Duration::from_millis(200),
            probe_timeout: Duration::from_millis(100),
            stall_tolerance: Duration::from_secs(1),
            ..Config::lan(cluster)
        }
    }

    /// What a configuration file starts from: its `cluster` is still to be named.
    fn unnamed() -> Self {
        Config::lan("")
    }

    /// Checks every knob against its range and its neighbours.
    ///
    /// # Errors
    /// The first knob that is out of range, with what to do about it.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_durations()?;
        self.check_numbers()?;
        self.check_elections()
    }

    /// The configuration, if it passes [`Config::check`], with what follows from it.
    pub(crate) fn into_rules(self) -> Result<Rules, ConfigError> {
        self.check()?;
        let rto_min_ms = if self.stall_tolerance <= Duration::from_secs(1) { 50 } else { 100 };
        Ok(Rules { rto_min: Duration::from_millis(rto_min_ms).min(self.probe_timeout), config: self })
    }

    fn check_durations(&self) -> Result<(), ConfigError> {
        let ms = Duration::from_millis;
        let hour = Duration::from_secs(3_600);
        within("probe_interval", self.probe_interval, ms(20), hour)?;
        within("probe_timeout", self.probe_timeout, ms(10), self.probe_interval)?;
        within("stall_tolerance", self.stall_tolerance, ms(300), hour)?;
        within("sync_quiet", self.sync_quiet, ms(10), hour)?;
        within("sync_patience", self.sync_patience, ms(10), hour)?;
        within("ghost_retention", self.ghost_retention, Duration::ZERO, hour * 24 * 365)?;
        within("leave_timeout", self.leave_timeout, Duration::ZERO, hour)?;

        if self.stall_tolerance < self.probe_interval {
            return Err(ConfigError {
                knob: "stall_tolerance",
                why: format!(
                    "{:?} is below the probe_interval {:?}; raise it, or lower the interval",
                    self.stall_tolerance, self.probe_interval
                ),
            });
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), ConfigError> {
        if let Some(fault) = name_fault(&self.cluster) {
            return Err(ConfigError::new("cluster", format!("{} is no name: {fault}", shown(&self.cluster))));
        }
        within("indirect_checks", self.indirect_checks, 0, 16)?;
        within("confirmations", self.confirmations, 0, ACCUSERS_MAX - 1)?;
        within("retransmit_mult", self.retransmit_mult, 1, 10)?;
        within("forward_fanout", self.forward_fanout, 1, 16)?;
        within("forward_rate", self.forward_rate, 1, 10_000)?;
        within("forward_burst", self.forward_burst, 1, 10_000)?;
        within("metadata_bytes_per_second", self.metadata_bytes_per_second, 1_024, 1_000_000_000)?;
        within("ghosts_max", self.ghosts_max, 0, 65_536)?;
        within("news_max", self.news_max, 16, 65_536)?;
        within("members_max", self.members_max, 2, 65_536)?;
        within("datagram_bytes_max", self.datagram_bytes_max, 1_200, 65_507)?;
        within("events_max", self.events_max, 16, 1_048_576)
    }

    fn check_elections(&self) -> Result<(), ConfigError> {
        within("elections (number)", self.elections.len(), 0, ELECTIONS_MAX)?;
        let mut names = BTreeSet::new();
        for election in &self.elections {
            election.check()?;
            if !names.insert(&election.name) {
                return Err(ConfigError::new("elections.name", format!("{:?} is there twice", election.name)));
            }
        }
        Ok(())
    }
}

fn within<T: PartialOrd + fmt::Debug>(knob: &'static str, value: T, low: T, high: T) -> Result<(), ConfigError> {
    if value < low {
        return Err(ConfigError { knob, why: format!("{value:?} is too low; use {low:?} to {high:?}") });
    }
    if value > high {
        return Err(ConfigError { knob, why: format!("{value:?} is too high; use {low:?} to {high:?}") });
    }
    Ok(())
}

/// 3 P, for a stall tolerance of P: the silence that one observer's evidence alone makes a death. So long two sides of
/// a cut wait for accusers that they cannot hear; no other factor was measured.
pub(crate) fn unconfirmed(stall_tolerance: Duration) -> Duration {
    stall_tolerance * 3
}

/// A checked [`Config`], with what follows from it.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    config: Config,
    rto_min: Duration,
}

impl Rules {
    /// The least retry timeout: 100 ms, or 50 ms when P is at most 1 s.
    ///
    /// Chosen: below it, scheduler noise makes suspicions (62 to 113 in 150 s at 64 stalling nodes with 50 ms, 21 with
    /// 100 ms).
    #[must_use]
    pub(crate) fn rto_min(&self) -> Duration {
        self.rto_min
    }

    /// 3 P: how long a silence lasts before a node calls it a death without enough accusers (`protocol.md` 5.3). An
    /// answer later than that says nothing any more.
    pub(crate) fn unconfirmed_tolerance(&self) -> Duration {
        unconfirmed(self.stall_tolerance)
    }

    /// Datagrams a second that may be sent for changed metadata alone: as many as their bytes would fill.
    pub(crate) fn change_datagrams_per_second(&self) -> u32 {
        self.metadata_bytes_per_second / u32::try_from(self.datagram_bytes_max).unwrap_or(u32::MAX).max(1)
    }
}

impl std::ops::Deref for Rules {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

/// A knob that is out of its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    knob: &'static str,
    why: String,
}

impl ConfigError {
    /// An error about a knob that another part of the crate checks.
    pub(crate) fn new(knob: &'static str, why: String) -> Self {
        ConfigError { knob, why }
    }

    /// The knob's field name.
    #[must_use]
    pub fn knob(&self) -> &'static str {
        self.knob
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.knob, self.why)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid_and_their_floors_differ() {
        assert_eq!(Config::lan("c").into_rules().unwrap().rto_min(), Duration::from_millis(100));
        assert_eq!(Config::wan("c").into_rules().unwrap().rto_min(), Duration::from_millis(100));
        assert_eq!(Config::local("c").into_rules().unwrap().rto_min(), Duration::from_millis(50));
    }

    #[test]
    fn a_file_names_what_differs_and_round_trips() {
        let read: Config = serde_json::from_str(r#"{"cluster": "c", "stall_tolerance": "5s"}"#).unwrap();
        let mut expected = Config::lan("c");
        expected.stall_tolerance = Duration::from_secs(5);
        assert_eq!(read, expected);
        let text = serde_json::to_string(&Config::wan("w")).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), Config::wan("w"));
        let error = serde_json::from_str::<Config>(r#"{"stall_tolerence": "5s"}"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `stall_tolerence`"), "{error}");
        let error = serde_json::from_str::<Config>(r#"{"stall_tolerance": "5 s"}"#).unwrap_err().to_string();
        assert!(error.contains("write 200ms, 3s, 5m or 72h"), "{error}");
    }

    #[test]
    fn errors_name_the_knob_and_the_range() {
        let refused = |change: fn(&mut Config)| {
            let mut config = Config::lan("c");
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert_eq!(
            refused(|c| c.probe_timeout = Duration::from_secs(2)),
            "probe_timeout: 2s is too high; use 10ms to 1s"
        );
        assert!(refused(|c| c.cluster.clear()).starts_with("cluster: \"\" is no name: it has 0 bytes; use 1 to 64"));
        let turned = refused(|c| c.cluster.push('\u{2066}'));
        assert!(turned.starts_with("cluster: \"c\\u{2066}\" is no name: it holds the character U+2066"), "{turned}");
        assert_eq!(refused(|c| c.confirmations = 4), "confirmations: 4 is too high; use 0 to 3");
        assert_eq!(
            refused(|c| c.stall_tolerance = Duration::from_millis(500)),
            "stall_tolerance: 500ms is below the probe_interval 1s; raise it, or lower the interval"
        );
    }
}
