//! A cluster, its network, what goes wrong and when: plain data, from a TOML file or by a builder in Rust.
//!
//! What a file leaves to chance is drawn from the seed by [`Scenario::resolve`], and what comes out is a scenario
//! again: whatever ran can be printed, edited and run as a file.

mod catalogue;
mod differs;
mod elections;
mod families;
mod nature;

pub use catalogue::catalogue;
pub use differs::{Configs, Differs};
pub use elections::{Disks, Sleep};
pub use families::{Families, Family};

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::Config;
use tidings::config::ElectionConfig;

use crate::delay::Delay;
use crate::expect::Expectation;
use crate::fault::{Fault, Hosts, Planned};
use crate::random::Random;
use crate::span;

/// All that a run follows from, beside its seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// One sentence on what it shows.
    #[serde(default)]
    pub about: String,
    /// The seed it is meant for, if it is meant for one; a regression needs the one that it was found with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Hosts at the beginning, numbered from 0 and named `n0`, `n1`, ...
    pub hosts: u32,
    /// How long it runs.
    #[serde(rename = "for", with = "span")]
    pub lasts: Duration,
    /// The preset that the protocol's configuration starts from.
    #[serde(default)]
    pub profile: Profile,
    /// Knobs of [`Config`] that differ from the preset.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, serde_json::Value>,
    /// Hosts whose configuration differs; each in one of these at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<Differs>,
    /// How the cluster comes together.
    #[serde(default)]
    pub start: Start,
    /// Hosts that are bound to the unspecified address and have to learn where they are seen.
    #[serde(default = "no_hosts", skip_serializing_if = "is_no_hosts")]
    pub wildcard: Hosts,
    /// Hosts that were given their address to advertise: it never moves to where others see them.
    #[serde(default = "no_hosts", skip_serializing_if = "is_no_hosts")]
    pub given: Hosts,
    /// Hosts that speak another family of addresses than v4.
    #[serde(default, skip_serializing_if = "Families::is_v4")]
    pub families: Families,
    /// How many records of a thousand each host's preloaded view lacks, drawn from the seed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unknown_permille: u32,
    /// How long a datagram takes where nothing is wrong.
    #[serde(default)]
    pub latency: Delay,
    /// Bytes of metadata that each host begins with, 512 at most.
    #[serde(default)]
    pub metadata_bytes: usize,
    /// Elections that every host knows of; their voters are hosts, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elections: Vec<ElectionConfig>,
    /// What voters save their ballots on.
    #[serde(default, skip_serializing_if = "Disks::is_default")]
    pub disks: Disks,
    /// How long saving a ballot takes, by half of it more or less.
    #[serde(with = "span", default = "elections::save_time", skip_serializing_if = "elections::is_save_time")]
    pub save_time: Duration,
    /// What clocks do while a machine sleeps.
    #[serde(default, skip_serializing_if = "Sleep::is_default")]
    pub clock: Sleep,
    /// Whether the run ends with its time: then no check asks whether all views agree in the end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub brief: bool,
    /// What goes wrong.
    #[serde(rename = "fault", default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Planned>,
    /// What must come of it.
    #[serde(rename = "expect", default, skip_serializing_if = "Vec::is_empty")]
    pub expectations: Vec<Expectation>,
}

/// A preset of the protocol's configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// [`Config::lan`].
    #[default]
    Lan,
    /// [`Config::wan`].
    Wan,
    /// [`Config::local`].
    Local,
}

/// How the cluster comes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Every host knows all others, as after a warm restart of each.
    Preloaded,
    /// Every host joins through the first few.
    #[default]
    Joining,
}

/// Hosts in a world, those that faults start among them.
const HOSTS_MAX: u32 = 65_536;

/// What wall clocks say at the beginning, in Unix milliseconds.
pub(crate) const EPOCH_MS: u64 = 1_700_000_000_000;

/// The name of every simulated cluster that is given no other.
const CLUSTER: &str = "sim";

impl Scenario {
    /// A quiet cluster.
    #[must_use]
    pub fn new(name: &str, hosts: u32, lasts: Duration) -> Self {
        Scenario {
            name: name.to_owned(),
            about: String::new(),
            seed: None,
            hosts,
            lasts,
            profile: Profile::default(),
            config: BTreeMap::new(),
            differs: Vec::new(),
            start: Start::default(),
            wildcard: no_hosts(),
            given: no_hosts(),
            families: Families::default(),
            unknown_permille: 0,
            latency: Delay::default(),
            metadata_bytes: 0,
            elections: Vec::new(),
            disks: Disks::default(),
            save_time: elections::save_time(),
            clock: Sleep::default(),
            brief: false,
            faults: Vec::new(),
            expectations: Vec::new(),
        }
    }

    /// With this fault too.
    #[must_use]
    pub fn with(mut self, fault: Planned) -> Self {
        self.faults.push(fault);
        self
    }

    /// With this election too.
    #[must_use]
    pub fn electing(mut self, election: ElectionConfig) -> Self {
        self.elections.push(election);
        self
    }

    /// With this expectation too.
    #[must_use]
    pub fn expecting(mut self, expectation: Expectation) -> Self {
        self.expectations.push(expectation);
        self
    }

    /// With this configuration, all of it.
    #[must_use]
    pub fn configured(mut self, config: &Config) -> Self {
        let knobs = serde_json::to_value(config).ok();
        debug_assert!(knobs.is_some(), "a configuration is plain data");
        if let Some(serde_json::Value::Object(knobs)) = knobs {
            self.config = knobs.into_iter().collect();
        }
        self
    }

    /// Reads a scenario file.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Scenario = toml::from_str(text).map_err(|error| ScenarioError(error.to_string()))?;
        scenario.check()?;
        Ok(scenario)
    }

    /// As a scenario file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// The first thing that makes no sense.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let refuse = |why: String| Err(ScenarioError(why));
        if self.hosts == 0 || self.hosts > HOSTS_MAX {
            return refuse(format!("hosts = {}: use 1 to 65,536", self.hosts));
        }
        if self.unknown_permille > 1_000 {
            return refuse(format!("unknown_permille = {}: at most 1,000", self.unknown_permille));
        }
        if self.metadata_bytes > 512 {
            return refuse(format!("metadata_bytes = {}: at most 512", self.metadata_bytes));
        }

        for planned in &self.faults {
            planned.check().map_err(|why| ScenarioError(format!("{}: {why}", planned.what.name())))?;
        }

        let all = u64::from(self.hosts) + self.faults.iter().map(Planned::starts).sum::<u64>();
        if all > u64::from(HOSTS_MAX) {
            return refuse(format!("{all} hosts in all; {HOSTS_MAX} at most"));
        }

        for planned in &self.faults {
            let mut fault = planned.what.clone();
            if let Some(host) = named_hosts(&mut fault).into_iter().find(|host| *host >= self.host_limit()) {
                return refuse(format!("{}: there is no host {host}", fault.name()));
            }
            if matches!(fault, Fault::Twin { of } if of >= self.hosts) {
                return refuse("twin: it needs one of the first hosts' names".to_owned());
            }
        }

        self.check_families()?;
        self.check_elections()?;

        for (number, expectation) in (1..).zip(&self.expectations) {
            let checked = expectation.check(self.host_limit(), self.lasts);
            checked.map_err(|why| ScenarioError(format!("expectation {number}, {expectation}: {why}")))?;
        }

        for differs in &self.differs {
            if let Hosts::These(these) = &differs.hosts {
                if let Some(host) = these.iter().find(|host| **host >= self.host_limit()) {
                    return refuse(format!("differs: there is no host {host}"));
                }
            }
            if differs.hosts == Hosts::Leader {
                return refuse("differs: nobody is the leader yet; name hosts".to_owned());
            }
        }

        self.configs()?;
        Ok(())
    }

    /// The protocol's configuration.
    ///
    /// # Errors
    /// The knob that is unknown or out of range.
    pub fn config(&self) -> Result<Config, ScenarioError> {
        let preset = match self.profile {
            Profile::Lan => Config::lan(CLUSTER),
            Profile::Wan => Config::wan(CLUSTER),
            Profile::Local => Config::local(CLUSTER),
        };
        let wrong = |error: &dyn fmt::Display| ScenarioError(format!("config: {error}"));
        let mut knobs = serde_json::to_value(&preset).map_err(|error| wrong(&error))?;
        if let Some(knobs) = knobs.as_object_mut() {
            knobs.extend(self.config.clone());
        }
        let mut config: Config = serde_json::from_value(knobs).map_err(|error| wrong(&error))?;
        config.elections.extend(self.elections.iter().cloned());
        config.clone().check().map_err(|error| wrong(&error))?;
        Ok(config)
    }

    /// The most hosts that can ever be: those of the beginning, and those that faults start.
    #[must_use]
    pub fn host_limit(&self) -> u32 {
        let started = self.faults.iter().map(Planned::starts).sum::<u64>();
        u32::try_from(started).unwrap_or(u32::MAX).saturating_add(self.hosts)
    }

    /// The same scenario with everything decided that it leaves to chance.
    #[must_use]
    pub fn resolve(&self, seed: u64) -> Scenario {
        let mut random = Random::new(seed, "resolve");
        let mut faults: Vec<Planned> = Vec::new();
        for planned in &self.faults {
            faults.extend(planned.resolve(&mut random, self.hosts));
        }
        let mut wildcard = self.wildcard.clone();
        wildcard.draw(&mut random, self.hosts);
        // From streams of their own, so that faults are drawn as they are without.
        let mut given = self.given.clone();
        given.draw(&mut Random::new(seed, "given"), self.hosts);
        let mut random = Random::new(seed, "differs");
        let mut differs = self.differs.clone();
        differs.iter_mut().for_each(|differs| differs.hosts.draw(&mut random, self.hosts));
        Scenario { faults, wildcard, given, differs, ..self.clone() }
    }

    /// When the last fault ends; none when one never does. Crashes, departures and translations that last are no fault
    /// that ends.
    #[must_use]
    pub fn faults_end(&self) -> Option<Duration> {
        let mut last = Duration::ZERO;

        for planned in &self.faults {
            let is_a_moment = matches!(
                planned.what,
                Fault::Crash { .. }
                    | Fault::Leave { .. }
                    | Fault::Step { .. }
                    | Fault::Join { .. }
                    | Fault::Twin { .. }
                    | Fault::Metadata { .. }
                    | Fault::Nat { .. }
                    | Fault::Move { .. }
                    | Fault::Forget { .. }
                    | Fault::Resign { .. }
                    | Fault::Prefer { .. }
                    | Fault::ChangeVoters { .. }
                    | Fault::SetClock { .. }
                    | Fault::Drift { .. }
            );

            let end = match planned.ends() {
                Some(end) => end,
                None if is_a_moment => planned.at,
                None => return None,
            };
            last = last.max(end);
        }

        Some(last)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // The shape that serde asks for.
fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn no_hosts() -> Hosts {
    Hosts::These(Vec::new())
}

fn is_no_hosts(hosts: &Hosts) -> bool {
    *hosts == no_hosts()
}

/// The hosts a fault names by number.
fn named_hosts(fault: &mut Fault) -> Vec<u32> {
    let all = u32::MAX;
    let mut named = Vec::new();
    let mut take = |hosts: &Hosts| {
        if let Hosts::These(these) = hosts {
            named.extend(these.iter().copied().filter(|host| *host < all));
        }
    };

    if let Some(hosts) = fault.hosts_mut() {
        take(hosts);
    }
    if let Some(links) = fault.links_mut() {
        take(&links.from);
        take(&links.to);
    }

    match fault {
        Fault::Partition { groups, bridges } => {
            named.extend(groups.iter().flatten().chain(bridges.iter()));
        }
        Fault::Twin { of } => named.push(*of),
        Fault::Resign { to, .. } => named.extend(to.iter()),
        Fault::Lie { about: others, .. } | Fault::Forget { whom: others, .. } => {
            if let Hosts::These(these) = others {
                named.extend(these.iter().copied());
            }
        }
        _ => {}
    }

    named
}

/// What is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError(pub(crate) String);

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScenarioError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Links;

    #[test]
    fn a_configuration_is_taken_whole() {
        let config = Config { indirect_checks: 1, members_max: 9, ..Config::wan("mine") };
        assert_eq!(Scenario::new("t", 3, Duration::from_secs(1)).configured(&config).config().unwrap(), config);
    }

    #[test]
    fn a_file_reads_and_what_is_printed_reads_back() {
        let text = r#"
            name = "try"
            hosts = 5
            for = "60s"
            profile = "wan"
            config = { stall_tolerance = "9s" }
            [[fault]]
            at = "10s"
            for = "20s"
            flap = { on = "2s", off = "1s" }
            what = { cut = { links = { from = [1], to = [2], ways = "both" } } }
            [[fault]]
            at = "30s"
            again = { every = "5s", times = 2 }
            what = { crash = { hosts = { random = 2 }, clock = "stuck" } }
            [[fault]]
            at = "1s"
            for = "1s"
            what = { loss = { permille = 100 } }
        "#;

        let scenario = Scenario::from_toml(text).unwrap();
        assert_eq!(scenario.config().unwrap().stall_tolerance, Duration::from_secs(9));
        assert_eq!(scenario.faults[0].what, Fault::Cut { links: Links::between(&[1], &[2]) });

        let resolved = scenario.resolve(3);
        assert_eq!(resolved.faults.len(), 4);
        assert!(resolved.faults[1].what != resolved.faults[2].what || resolved.faults[1].at != resolved.faults[2].at);
        assert_eq!(resolved, scenario.resolve(3));
        assert_eq!(Scenario::from_toml(&resolved.to_toml()).unwrap(), resolved);
        assert_eq!(resolved.faults_end(), Some(Duration::from_secs(35)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let refused = |fault: &str| {
            let text = format!("name = \"t\"\nhosts = 3\nfor = \"9s\"\n[[fault]]\nat = \"1s\"\n{fault}");
            Scenario::from_toml(&text).unwrap_err().to_string()
        };
        assert!(refused("what = { crash = { hosts = [3] } }").contains("there is no host 3"));
        assert!(refused("what = { crash = { hosts = \"most\" } }").contains("did not match any variant"));
        assert!(refused("what = { crash = { host = [1] } }").contains("host"));
        assert!(refused("what = { crsh = { hosts = [1] } }").contains("crsh"));
        let knob = "name = \"t\"\nhosts = 3\nfor = \"9s\"\nconfig = { stall_tolerence = \"3s\" }";
        assert!(Scenario::from_toml(knob).unwrap_err().to_string().contains("stall_tolerence"));
    }

    #[test]
    fn staggered_hosts_are_hit_one_after_the_other() {
        let mut planned = Planned::at(Duration::from_secs(1), Fault::Leave { hosts: Hosts::All });
        planned.stagger = Some(Duration::from_secs(2));
        let resolved = Scenario::new("t", 3, Duration::from_secs(9)).with(planned).resolve(0);
        let hit: Vec<_> = resolved.faults.iter().map(|one| (one.at.as_secs(), one.what.clone())).collect();
        let leave = |host| Fault::Leave { hosts: Hosts::These(vec![host]) };
        assert_eq!(hit, [(1, leave(0)), (3, leave(1)), (5, leave(2))]);
    }
}
