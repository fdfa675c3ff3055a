//! Hosts whose configuration differs from that of the others.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::Config;

use crate::fault::Hosts;
use crate::scenario::{Scenario, ScenarioError};

/// Some hosts, and what of their configuration is not that of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Differs {
    /// Which: numbers, so many drawn from the seed, or a share.
    pub hosts: Hosts,
    /// Knobs of [`Config`] that differ from the scenario's.
    pub config: BTreeMap<String, serde_json::Value>,
}

/// The configuration of each host.
#[derive(Clone, Debug)]
pub struct Configs {
    usual: Config,
    others: Vec<(Hosts, Config)>,
}

impl Configs {
    /// Of hosts that differ in nothing.
    #[must_use]
    pub fn usual(&self) -> &Config {
        &self.usual
    }

    /// The configuration of a host.
    #[must_use]
    pub fn of(&self, host: u32) -> &Config {
        self.others.iter().find(|(hosts, _)| hosts.contain(host)).map_or(&self.usual, |(_, config)| config)
    }

    /// All configurations that there are, the usual one among them.
    pub fn all(&self) -> impl Iterator<Item = &Config> {
        std::iter::once(&self.usual).chain(self.others.iter().map(|(_, config)| config))
    }

    /// The shortest of a knob's durations.
    #[must_use]
    pub fn least(&self, knob: fn(&Config) -> Duration) -> Duration {
        self.all().map(knob).min().unwrap_or_default()
    }

    /// The longest of a knob's durations.
    #[must_use]
    pub fn most(&self, knob: fn(&Config) -> Duration) -> Duration {
        self.all().map(knob).max().unwrap_or_default()
    }
}

impl Scenario {
    /// With some hosts that differ in these knobs.
    #[must_use]
    pub fn differing<const N: usize>(mut self, hosts: Hosts, knobs: [(&str, serde_json::Value); N]) -> Self {
        let config = knobs.into_iter().map(|(knob, value)| (knob.to_owned(), value)).collect();
        self.differs.push(Differs { hosts, config });
        self
    }

    /// The configuration of each host.
    ///
    /// # Errors
    /// The knob that is unknown or out of range.
    pub fn configs(&self) -> Result<Configs, ScenarioError> {
        let usual = self.config()?;
        let mut others: Vec<(Hosts, Config)> = Vec::new();
        for differs in &self.differs {
            let overlaps = others.iter().any(|(hosts, _)| overlap(hosts, &differs.hosts, self.host_limit()));
            if overlaps {
                return Err(ScenarioError("differs: a host is named twice; put all that differs in one".to_owned()));
            }
            let mut knobs = self.config.clone();
            knobs.extend(differs.config.clone());
            let config = Scenario { config: knobs, ..self.clone() }.config()?;
            if config.cluster != usual.cluster || config.elections != usual.elections {
                return Err(ScenarioError("differs: cluster and elections are the same for all".to_owned()));
            }
            others.push((differs.hosts.clone(), config));
        }
        Ok(Configs { usual, others })
    }
}

fn overlap(some: &Hosts, others: &Hosts, limit: u32) -> bool {
    some.numbers(limit).into_iter().any(|host| others.contain(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Scenario {
        Scenario::new("t", 5, Duration::from_secs(9))
    }

    #[test]
    fn who_differs_is_drawn_and_printed_and_has_its_own_configuration() {
        let scenario = base().differing(Hosts::Random { random: 2 }, [("datagram_bytes_max", 8_192.into())]);
        scenario.check().unwrap();
        let resolved = scenario.resolve(7);
        assert_eq!(Scenario::from_toml(&resolved.to_toml()).unwrap(), resolved);
        let configs = resolved.configs().unwrap();
        let long = (0..5).filter(|host| configs.of(*host).datagram_bytes_max == 8_192).count();
        assert_eq!((long, configs.usual().datagram_bytes_max, configs.all().count()), (2, 1_400, 2));
        assert_eq!(resolved, scenario.resolve(7));
    }

    #[test]
    fn a_file_names_who_differs() {
        let text = "name = \"t\"\nhosts = 3\nfor = \"9s\"\n\
                    [[differs]]\nhosts = [1]\nconfig = { stall_tolerance = \"5s\" }";
        let configs = Scenario::from_toml(text).unwrap().configs().unwrap();
        let seconds = |host| configs.of(host).stall_tolerance.as_secs();
        assert_eq!([0, 1, 2].map(seconds), [3, 5, 3]);
        assert_eq!(configs.least(|config| config.stall_tolerance), Duration::from_secs(3));
        assert_eq!(configs.most(|config| config.stall_tolerance), Duration::from_secs(5));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = |hosts: &[u32], knob: &str, value: serde_json::Value| {
            let scenario = base().differing(Hosts::These(hosts.to_vec()), [(knob, value)]);
            scenario.differing(Hosts::These(vec![4]), [("news_max", 16.into())]).check().unwrap_err().to_string()
        };
        assert!(refused(&[5], "news_max", 17.into()).contains("there is no host 5"));
        assert!(refused(&[1], "news_max", 1.into()).contains("news_max"));
        assert!(refused(&[1], "nwes_max", 17.into()).contains("nwes_max"));
        assert!(refused(&[1, 4], "news_max", 17.into()).contains("named twice"));
        assert!(refused(&[1], "cluster", "d".into()).contains("the same for all"));
        let leader = base().differing(Hosts::Leader, [("news_max", 17.into())]);
        assert!(leader.check().unwrap_err().to_string().contains("leader"));
    }
}
