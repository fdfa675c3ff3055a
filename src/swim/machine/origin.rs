//! Where a datagram came from: what decides how far it is trusted (`protocol.md 9`).

use std::net::SocketAddr;

use crate::swim::slot::Slot;
use crate::wire::{Digest, Item};

/// Where a datagram came from, as far as it can be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) source: SocketAddr,
    /// Where an answer goes: where the member receives, if the datagram is known to be its own, else the source.
    pub(super) address: SocketAddr,
    pub(super) path: Path,
    pub(super) digest: Digest,
    /// The member with that digest.
    pub(super) slot: Option<Slot>,
    /// Whether it has proved that it receives where the answer goes.
    pub(super) is_proved: bool,
    /// The datagram's length: what an unproved address may be answered with at most.
    pub(super) bytes: usize,
}

/// Which way a datagram took, by what is known of its sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Path {
    /// From where the member receives.
    Home,
    /// From where the member's answers come, which is not where it receives.
    WayOut,
    /// From anywhere else, or from a process that is no member here.
    Unknown,
}

/// Whether a ping asks where we see its sender, by telling us itself at another address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AsksWhere {
    Yes,
    No,
}

/// What the items of a datagram say of where its receiver and its sender are.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct SaidOfPlaces {
    /// Where the sender sees the receiver, or that it has no space to say it.
    pub(super) where_seen: bool,
    /// The sender tells itself at another address than it is seen at, or at none: it asks where it is seen.
    pub(super) itself_elsewhere: bool,
}

impl SaidOfPlaces {
    pub(super) fn note(&mut self, origin: Origin, item: &Item<'_>) {
        match item {
            Item::Seen(_) | Item::SeenElsewhere => self.where_seen = true,
            Item::Alive(record) if record.address != origin.source => {
                self.itself_elsewhere |= Digest::of(record.id, record.generation) == origin.digest;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{Generation, Identity, Incarnation, Record};
    use crate::wire::RecordRef;

    #[test]
    fn a_sender_that_tells_itself_elsewhere_asks_where_it_is_seen() {
        let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let record = |name: &str, generation, at: &str| {
            let identity = Identity::named(name, Generation(generation), address(at));
            Record::new(&identity, Incarnation(0), &[]).unwrap()
        };

        let (source, elsewhere) = ("10.0.0.2:7", "10.0.0.9:7");
        let sender = record("b", 5, source);
        let digest = Digest::of(sender.id(), sender.generation());
        let source_address = address(source);
        let origin = Origin {
            source: source_address,
            address: source_address,
            path: Path::Home,
            digest,
            slot: None,
            is_proved: true,
            bytes: 100,
        };

        let rows = [
            ("it tells itself where it is seen", record("b", 5, source), false),
            ("at another address", record("b", 5, elsewhere), true),
            ("at none", record("b", 5, "0.0.0.0:7"), true),
            ("an earlier start of it", record("b", 4, elsewhere), false),
            ("another member", record("c", 5, elsewhere), false),
        ];

        for (what, told, asks) in rows {
            let mut said = SaidOfPlaces::default();
            said.note(origin, &Item::Alive(RecordRef::of(&told)));
            assert_eq!(said, SaidOfPlaces { where_seen: false, itself_elsewhere: asks }, "{what}");
            said.note(origin, &Item::Seen(source_address));
            assert_eq!(said, SaidOfPlaces { where_seen: true, itself_elsewhere: asks }, "{what}, and where it sees us");
        }
    }
}
