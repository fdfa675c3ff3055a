//! Members that this node's socket cannot send to (`protocol.md 6.4`).
//!
//! In a cluster of both families a member may be known and yet out of reach. Its silence is then the socket's and not
//! its own, so it is neither probed nor accused by this node, and carries nothing for it.

use std::net::{IpAddr, SocketAddr};

/// Which families of addresses a socket can send to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// IPv4 and IPv6, as a socket that is bound to `[::]`.
    #[default]
    Both,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

impl Reach {
    /// What a socket bound to this address can send to: both families from the unspecified IPv6 address, else its own.
    #[must_use]
    pub fn of(bound: SocketAddr) -> Self {
        match bound.ip() {
            IpAddr::V4(_) => Reach::V4,
            IpAddr::V6(ip) if ip.is_unspecified() => Reach::Both,
            IpAddr::V6(_) => Reach::V6,
        }
    }

    /// The family of an address, in canonical form.
    pub(crate) fn family_of(address: SocketAddr) -> Self {
        if address.is_ipv4() { Reach::V4 } else { Reach::V6 }
    }

    /// Whether an address, in canonical form, is of a family that can be sent to.
    #[must_use]
    pub fn covers(self, address: SocketAddr) -> bool {
        match self {
            Reach::Both => true,
            Reach::V4 => address.is_ipv4(),
            Reach::V6 => address.is_ipv6(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_reached_from_the_unspecified_ipv6_address_only() {
        for (bound, v4, v6) in [
            ("0.0.0.0:1", true, false),
            ("10.0.0.1:1", true, false),
            ("[::]:1", true, true),
            ("[::1]:1", false, true),
            ("[2001:db8::1]:1", false, true),
        ] {
            let reach = Reach::of(bound.parse().unwrap());
            let covers = |text: &str| reach.covers(text.parse().unwrap());
            assert_eq!((covers("10.0.0.9:9"), covers("[::9]:9")), (v4, v6), "{bound}");
        }
    }
}
