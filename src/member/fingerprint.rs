//! What a member says of its software and configuration, so that others can say in words what differs.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What of a member's configuration and software matters when it differs from another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How often it probes; whole milliseconds, at most 2^32 - 1, are told.
    pub probe_interval: Duration,
    /// P: how long it lets others be silent; whole milliseconds, at most 2^32 - 1, are told.
    pub stall_tolerance: Duration,
    /// Which release of this library it runs.
    pub version: Version,
}

impl Fingerprint {
    /// What a member with this fingerprint does otherwise than one with `ours`, in words such as `stall_tolerance 8s,
    /// here 3s`; none if nothing.
    #[must_use]
    pub fn difference_from(&self, ours: &Fingerprint) -> Option<String> {
        let mut differing = Vec::new();
        if self.probe_interval != ours.probe_interval {
            differing.push(format!("probe_interval {:?}, here {:?}", self.probe_interval, ours.probe_interval));
        }
        if self.stall_tolerance != ours.stall_tolerance {
            differing.push(format!("stall_tolerance {:?}, here {:?}", self.stall_tolerance, ours.stall_tolerance));
        }
        if self.version != ours.version {
            differing.push(format!("version {}, here {}", self.version, ours.version));
        }
        if differing.is_empty() { None } else { Some(differing.join("; ")) }
    }
}

/// A release of this library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// Of another major version, or of another minor one below 1.0, the Rust interface may differ.
    pub major: u32,
    /// Counts what was added.
    pub minor: u32,
    /// Counts what was mended.
    pub patch: u32,
}

impl Version {
    /// The release that this crate is.
    pub const OURS: Version = Version {
        major: number(env!("CARGO_PKG_VERSION_MAJOR")),
        minor: number(env!("CARGO_PKG_VERSION_MINOR")),
        patch: number(env!("CARGO_PKG_VERSION_PATCH")),
    };
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Cargo writes nothing but digits there.
const fn number(digits: &str) -> u32 {
    match u32::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => 0,
    }
}

/// Which datagrams a member reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reads {
    /// The lowest [version](crate::wire::WIRE_VERSION) of the format that it reads.
    pub lowest: u8,
    /// The highest version that it reads.
    pub highest: u8,
    /// A bit for each feature beyond version 1 that it reads; none is defined yet. Unknown bits are those of later
    /// releases.
    pub features: u64,
}

impl Reads {
    /// What this release reads.
    pub const OURS: Reads = Reads { lowest: 1, highest: 1, features: 0 };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_said_in_words() {
        let version = Version { major: 1, minor: 2, patch: 3 };
        let (second, third) = (Duration::from_secs(1), Duration::from_secs(3));
        let ours = Fingerprint { probe_interval: second, stall_tolerance: third, version };
        assert_eq!(ours.difference_from(&ours), None);
        let theirs = Fingerprint { probe_interval: third, stall_tolerance: Duration::from_millis(1_500), ..ours };
        assert_eq!(theirs.difference_from(&ours).unwrap(), "probe_interval 3s, here 1s; stall_tolerance 1.5s, here 3s");
        let newer = Fingerprint { version: Version { patch: 4, ..version }, ..ours };
        assert_eq!(newer.difference_from(&ours).unwrap(), "version 1.2.4, here 1.2.3");
        assert_eq!(Version::OURS.to_string(), env!("CARGO_PKG_VERSION"));
    }
}
