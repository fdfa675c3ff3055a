//! Which family of addresses each host speaks: v4 islands, v6 islands, and hosts between that speak both.
//!
//! A datagram to a family that its sender does not speak never leaves the host.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tidings::protocol::Reach;

use crate::fault::Hosts;
use crate::scenario::{Scenario, ScenarioError};

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

/// Hosts that speak another family than v4, by number; those that are named in neither list speak v4 alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Families {
    /// Those that speak v6 alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub v6: Vec<u32>,
    /// Those that speak both and advertise their v6 address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub both: Vec<u32>,
}

impl Families {
    /// Whether every host speaks v4 alone.
    #[must_use]
    pub fn is_v4(&self) -> bool {
        self.v6.is_empty() && self.both.is_empty()
    }

    /// Whether a host can send to addresses of a family, and receive there.
    #[must_use]
    pub fn speaks(&self, host: u32, family: Family) -> bool {
        self.both.contains(&host) || self.v6.contains(&host) == (family == Family::V6)
    }

    /// The family of the address that a host advertises.
    #[must_use]
    pub fn advertised(&self, host: u32) -> Family {
        if self.speaks(host, Family::V6) { Family::V6 } else { Family::V4 }
    }

    /// The family by which a host sends to another: v6 where both speak it, as resolvers prefer it; none if they share
    /// none.
    #[must_use]
    pub fn shared(&self, some: u32, other: u32) -> Option<Family> {
        let both_speak = |family: &Family| self.speaks(some, *family) && self.speaks(other, *family);
        [Family::V6, Family::V4].into_iter().find(both_speak)
    }

    /// What a host's protocol is told that its socket can send to; nothing where every host speaks v4 alone, so that
    /// no family makes a difference.
    #[must_use]
    pub fn reach(&self, host: u32) -> Option<Reach> {
        let reach = match (self.speaks(host, Family::V4), self.speaks(host, Family::V6)) {
            (true, true) => Reach::Both,
            (true, false) => Reach::V4,
            (false, _) => Reach::V6,
        };
        (!self.is_v4()).then_some(reach)
    }
}

impl Scenario {
    pub(super) fn check_families(&self) -> Result<(), ScenarioError> {
        let limit = self.host_limit();
        let wildcard = if let Hosts::These(these) = &self.wildcard { these.as_slice() } else { &[] };
        let named = wildcard.iter().chain(&self.families.v6).chain(&self.families.both);
        if let Some(host) = named.copied().find(|host| *host >= limit) {
            return Err(ScenarioError(format!("wildcard, families: there is no host {host}")));
        }
        match self.families.v6.iter().find(|host| self.families.both.contains(host)) {
            Some(host) => Err(ScenarioError(format!("families: host {host} speaks v6 alone and speaks both"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_speaks_its_families() {
        let families = Families { v6: vec![1], both: vec![2] };
        let rows = [(0, true, false, Family::V4), (1, false, true, Family::V6), (2, true, true, Family::V6)];
        for (host, v4, v6, advertised) in rows {
            let speaks = (families.speaks(host, Family::V4), families.speaks(host, Family::V6));
            assert_eq!((speaks, families.advertised(host)), ((v4, v6), advertised), "{host}");
        }
        let shared = |some, other| families.shared(some, other);
        assert_eq!([shared(0, 1), shared(0, 2), shared(1, 2)], [None, Some(Family::V4), Some(Family::V6)]);
        let reaches = [0, 1, 2].map(|host| families.reach(host));
        assert_eq!(reaches, [Reach::V4, Reach::V6, Reach::Both].map(Some));
        assert_eq!(Families::default().reach(0), None);
        assert!(Families::default().is_v4() && !families.is_v4());
    }

    #[test]
    fn hosts_that_are_not_there_or_named_twice_are_refused() {
        let refused = |line: &str| {
            let text = format!("name = \"t\"\nhosts = 3\nfor = \"9s\"\n{line}");
            Scenario::from_toml(&text).unwrap_err().to_string()
        };
        assert!(refused("wildcard = [3]").contains("there is no host 3"));
        assert!(refused("families = { v6 = [7] }").contains("there is no host 7"));
        assert!(refused("families = { v6 = [1], both = [1] }").contains("speaks both"));
    }
}
