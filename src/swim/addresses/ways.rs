//! From where the datagrams of members come that send from another address than they receive at (`protocol.md 7.7`).
//!
//! Behind a gateway that rewrites the sender a member's datagrams come from an address that it does not know and that
//! may not even reach it. A process that echoes a nonce which was sent to a member's recorded address receives there,
//! so where that echo came from is this member's way out: what else comes from there is its own, and answers go to
//! where it receives. Only members whose two addresses differ are noted.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::swim::slot::Slot;
use crate::wire::Digest;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    /// Of which start, recorded where: of another one nothing is known.
    digest: Digest,
    home: SocketAddr,
    from: SocketAddr,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Ways(BTreeMap<Slot, Way>);

impl Ways {
    /// An echo of a nonce that was sent to `home` came from `from`.
    pub(crate) fn note(&mut self, slot: Slot, digest: Digest, home: SocketAddr, from: SocketAddr) {
        if from == home {
            self.0.remove(&slot);
        } else {
            self.0.insert(slot, Way { digest, home, from });
        }
    }

    /// From where a member's datagrams come, if we have found out that it is not where it receives.
    pub(crate) fn of(&self, slot: Slot, digest: Digest, home: SocketAddr) -> Option<SocketAddr> {
        let way = self.0.get(&slot).filter(|way| (way.digest, way.home) == (digest, home));
        way.map(|way| way.from)
    }

    /// Forgets a member whose slot is about to be reused.
    pub(crate) fn forget(&mut self, slot: Slot) {
        self.0.remove(&slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_out_is_that_of_one_start_at_one_address() {
        let at = |port| SocketAddr::from(([10, 0, 0, 1], port));
        let mut ways = Ways::default();
        ways.note(Slot(1), Digest(5), at(1), at(9));
        assert_eq!(ways.of(Slot(1), Digest(5), at(1)), Some(at(9)));
        assert_eq!(ways.of(Slot(1), Digest(6), at(1)), None, "another start");
        assert_eq!(ways.of(Slot(1), Digest(5), at(2)), None, "another address");
        assert_eq!(ways.of(Slot(2), Digest(5), at(1)), None, "another member");
        ways.note(Slot(1), Digest(5), at(1), at(1));
        assert_eq!(ways.of(Slot(1), Digest(5), at(1)), None, "it comes from home again");
    }
}
