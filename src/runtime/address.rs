//! Addresses that no member can have, said before anything is sent to them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::member::canonical;
use crate::protocol::Reach;

/// What is wrong with an address as a member's, whichever of the inputs it came from; none if nothing is.
///
/// A record carries an address and a port and no more, so an IPv6 link-local address, which means something only
/// together with an interface, cannot be told to others.
pub(crate) fn fault(ip: IpAddr) -> Option<&'static str> {
    match ip.to_canonical() {
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some("the broadcast address is no single node's; give one node's address"),
        ip if ip.is_multicast() => Some("a multicast address is no single node's; give one node's address"),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(
            "IPv6 link-local addresses are not supported, with or without an interface, which members cannot tell each \
             other; give a global, unique local (fd00::/8) or IPv4 address",
        ),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// The address of a text such as `[fe80::1%eth0]:7340`, whose interface the standard library does not read.
pub(crate) fn scoped(text: &str) -> Option<IpAddr> {
    text.split_once('%').and_then(|(ip, _interface)| ip.trim_start_matches('[').parse().ok())
}

/// Whether a socket bound to `local` can send to `peer` at all.
pub(crate) fn can_reach(local: SocketAddr, peer: SocketAddr) -> bool {
    Reach::of(local).covers(canonical(peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_no_member_can_have() {
        for (text, hint) in [
            ("10.0.0.1", None),
            ("0.0.0.0", None),
            ("127.0.0.1", None),
            ("169.254.1.1", None),
            ("::", None),
            ("::1", None),
            ("fd00::1", None),
            ("fec0::1", None),
            ("255.255.255.255", Some("broadcast")),
            ("::ffff:255.255.255.255", Some("broadcast")),
            ("224.0.0.1", Some("multicast")),
            ("ff02::1", Some("multicast")),
            ("fe80::1", Some("link-local")),
            ("febf::1", Some("link-local")),
        ] {
            let found = fault(text.parse().unwrap());
            assert_eq!(found.is_some(), hint.is_some(), "{text}: {found:?}");
            assert!(hint.is_none_or(|hint| found.unwrap().contains(hint)), "{text}: {found:?}");
        }
    }
}
