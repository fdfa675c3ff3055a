//! Addresses: what each place is called, in either family, and what a translation on the way makes of a source.
//!
//! A place has one number and two addresses, `10.x.x.x` and `fd00::x`. A translated source is no place: it stands for a
//! host, and whether it leads back to it is for the translation to say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tidings::Instant;

use crate::app::App;
use crate::fault::{Back, Gateway, Hosts, MovesTo};
use crate::scenario::Family;
use crate::watch::Watch;
use crate::world::World;

const PORT: u16 = 7_340;
/// The port that a gateway gives to the first host; each other has the one of its number.
const GATEWAY_PORTS: u16 = 10_000;
/// How long a translation knows the way back to a host after the host last sent to that destination, as Linux does it.
const FLOW_KEPT: Duration = Duration::from_secs(30);

/// The address of a place.
pub(super) fn address(place: u32, family: Family) -> SocketAddr {
    let [_, b, c, d] = place.to_be_bytes();
    match family {
        Family::V4 => SocketAddr::from(([10, b, c, d], PORT)),
        Family::V6 => SocketAddr::from((Ipv6Addr::from((0xfd00_u128 << 112) | u128::from(place)), PORT)),
    }
}

/// What the unspecified address of a family looks like in an identity.
pub(super) fn unspecified(family: Family) -> SocketAddr {
    match family {
        Family::V4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)),
        Family::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)),
    }
}

/// The place of an address, if it is one.
fn place_of(address: SocketAddr) -> Option<usize> {
    match address.ip() {
        IpAddr::V4(ip) if ip.octets()[0] == 10 => Some((u32::from(ip) & 0x00ff_ffff) as usize),
        IpAddr::V6(ip) if ip.octets()[0] == 0xfd => Some((u128::from(ip) & 0x00ff_ffff) as usize),
        _ => None,
    }
}

/// The source that a host's datagrams to a destination have behind a translation; a gateway has the number of its
/// fault.
fn translated(host: u32, gateway: Gateway, fault: u32, to: SocketAddr) -> SocketAddr {
    let [_, b, c, d] = host.to_be_bytes();
    let [_, _, x, y] = fault.to_be_bytes();
    match gateway {
        Gateway::Each => SocketAddr::from(([11, b, c, d], PORT)),
        Gateway::One => SocketAddr::from(([12, 0, x, y], GATEWAY_PORTS.saturating_add(host as u16))),
        Gateway::EachDestination => {
            let destination = place_of(to).or_else(|| host_behind(to)).unwrap_or_default();
            SocketAddr::from(([13, b, c, d], GATEWAY_PORTS.saturating_add(destination as u16)))
        }
    }
}

/// The host that a translated source stands for, if it is one.
fn host_behind(address: SocketAddr) -> Option<usize> {
    match address.ip() {
        IpAddr::V4(ip) if matches!(ip.octets()[0], 11 | 13) => Some((u32::from(ip) & 0x00ff_ffff) as usize),
        IpAddr::V4(ip) if ip.octets()[0] == 12 => address.port().checked_sub(GATEWAY_PORTS).map(usize::from),
        _ => None,
    }
}

/// A translation as it does to one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Translation {
    host: u32,
    gateway: Gateway,
    fault: u32,
    back: Back,
}

impl Translation {
    pub(super) fn new(host: u32, gateway: Gateway, back: Back, fault: u32) -> Self {
        Translation { host, gateway, fault, back }
    }

    fn source(self, to: SocketAddr) -> SocketAddr {
        translated(self.host, self.gateway, self.fault, to)
    }
}

impl<A: App, W: Watch> World<A, W> {
    /// The host that receives what is sent to an address, by those that can send there; none if no host does.
    #[must_use]
    pub fn host_at(&self, to: SocketAddr) -> Option<u32> {
        let host = self.places.get(place_of(to)?).copied().flatten()?;
        let families = &self.scenario.families;
        (families.is_v4() && to.is_ipv4() || families.speaks(host, Family::of(to))).then_some(host)
    }

    /// The host that receives what another sends to an address now.
    #[must_use]
    pub fn reach(&self, from: u32, to: SocketAddr) -> Option<u32> {
        let one = self.hosts.get(from as usize)?;
        let source = one.translation().map_or_else(|| address(one.place, Family::of(to)), |found| found.source(to));
        self.receiver(source, to).filter(|_| self.has_route(from, to))
    }

    /// The host that receives what comes from this source; a translated address leads back to some senders only.
    pub(super) fn receiver(&self, source: SocketAddr, to: SocketAddr) -> Option<u32> {
        let Some(behind) = host_behind(to) else { return self.host_at(to) };
        let translation =
            self.hosts.get(behind)?.translation().filter(|translation| translation.source(source) == to)?;
        let is_open = match translation.back {
            Back::Lost => false,
            Back::Answers => {
                let flow = self.hosts[behind].flows.get(&source);
                flow.is_some_and(|at| self.now.since(*at) <= FLOW_KEPT)
            }
            Back::All => true,
        };
        is_open.then_some(behind as u32)
    }

    /// Whether a host can send to an address at all.
    #[must_use]
    pub fn has_route(&self, from: u32, to: SocketAddr) -> bool {
        let families = &self.scenario.families;
        families.is_v4() || families.speaks(from, Family::of(to))
    }

    /// The address that a host's datagrams to another seem to come from; the other may answer there.
    pub(super) fn source(&mut self, from: u32, to: SocketAddr) -> SocketAddr {
        let now: Instant = self.now;
        let one = &mut self.hosts[from as usize];
        match one.translation() {
            Some(translation) => {
                if translation.back == Back::Answers {
                    one.flows.insert(to, now);
                }
                translation.source(to)
            }
            None => address(one.place, Family::of(to)),
        }
    }

    /// Gives hosts other places; their processes go on.
    pub(super) fn relocate(&mut self, hosts: &Hosts, to: MovesTo) {
        let hosts = hosts.numbers(self.hosts.len() as u32);
        let old: Vec<u32> = hosts.iter().map(|host| self.hosts[*host as usize].place).collect();
        for place in &old {
            self.places[*place as usize] = None;
        }
        for (number, host) in hosts.iter().enumerate() {
            let place = match to {
                MovesTo::New => self.add_place(*host),
                MovesTo::Next => old[(number + 1) % old.len()],
            };
            self.places[place as usize] = Some(*host);
            self.hosts[*host as usize].place = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_places_are_each_others_and_no_source_is_a_place() {
        for place in [0, 1, 255, 256, 70_000] {
            for family in [Family::V4, Family::V6] {
                let address = address(place, family);
                assert_eq!((place_of(address), host_behind(address)), (Some(place as usize), None));
                assert_eq!(Family::of(address), family);
            }
        }

        let to = |place| address(place, Family::V4);
        for (host, gateway) in
            [(3, Gateway::Each), (3, Gateway::One), (9_000, Gateway::One), (70_000, Gateway::EachDestination)]
        {
            let source = translated(host, gateway, 5, to(7));
            assert_eq!((place_of(source), host_behind(source)), (None, Some(host as usize)), "{source}");
        }

        assert_eq!(place_of(unspecified(Family::V4)), None);
        let seen = |host, gateway, by| translated(host, gateway, 5, to(by));
        assert_ne!(seen(1, Gateway::One, 7).port(), seen(2, Gateway::One, 7).port());
        assert_eq!(seen(1, Gateway::One, 7).ip(), seen(2, Gateway::One, 7).ip());
        assert_eq!(seen(1, Gateway::One, 7), seen(1, Gateway::One, 8));
        assert_ne!(seen(1, Gateway::EachDestination, 7), seen(1, Gateway::EachDestination, 8));
    }
}
