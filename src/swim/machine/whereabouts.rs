//! Where members receive and where their datagrams come from (`protocol.md 7.7`, `9`).

use std::net::SocketAddr;

use crate::sabotage;
use crate::swim::detector::pings::PingPurpose;
use crate::swim::dissemination::outbox::First;
use crate::swim::joining::Purpose;
use crate::swim::machine::Machine;
use crate::swim::machine::origin::{AsksWhere, Origin, Path, SaidOfPlaces};
use crate::swim::slot::Slot;
use crate::wire::{Digest, way_out_of};

/// A stranger at a proved address is asked again once in so many rounds, for what it was told then may be lost.
const STRANGER_ROUNDS: u64 = 8;

impl Machine {
    /// Where a datagram came from: a member's own is answered where that member receives, and anything else at its
    /// source.
    pub(super) fn origin(&self, source: SocketAddr, digest: Digest, bytes: usize) -> Origin {
        let slot = self.members.find_digest(digest);
        let unproved_all = sabotage::is_off("proof_of_address");
        let Some(known) = slot else {
            let is_proved = self.joining.is_guest(digest, source) || unproved_all;
            return Origin { source, address: source, path: Path::Unknown, digest, slot, is_proved, bytes };
        };

        let row = self.members.row(known);
        let home = row.member.address();

        // protocol.md 7.7: behind a gateway a member may send from elsewhere than it receives.
        let path = if source == home {
            Path::Home
        } else if self.is_way_out(known, source) {
            Path::WayOut
        } else {
            Path::Unknown
        };

        let (address, is_proved) = match path {
            Path::Home | Path::WayOut => (home, row.is_proved()),
            Path::Unknown => (source, self.joining.is_guest(digest, source)),
        };
        Origin { source, address, path, digest, slot, is_proved: is_proved || unproved_all, bytes }
    }

    /// Whether a member's datagrams come from an address, as we have found out or as it says itself.
    fn is_way_out(&self, slot: Slot, source: SocketAddr) -> bool {
        let row = self.members.row(slot);
        let is_found = self.ways.of(slot, row.digest(), row.member.address()) == Some(source);
        let is_told = || way_out_of(row.member.record().extra()) == Some(source);
        (is_found || is_told()) && !sabotage::is_off("ways")
    }

    /// Says where a datagram came from.
    pub(super) fn where_seen(origin: Origin) -> First {
        match (origin.path, origin.slot) {
            (Path::Unknown | Path::WayOut, Some(_)) => First::SeenElsewhere(origin.source),
            (Path::Home, _) | (_, None) => First::Seen(origin.source),
        }
    }

    /// What a ping to where a datagram came from says first: where that is, unless its sender is known to be there. Its
    /// coming shows no member that it is reached where it is recorded.
    pub(super) fn where_asked(origin: Origin) -> First {
        match origin.path {
            Path::Unknown => Self::where_seen(origin),
            Path::Home | Path::WayOut => First::Nothing,
        }
    }

    /// Where we see a member.
    pub(super) fn seen_at(&self, slot: Slot) -> SocketAddr {
        let member = self.members.member(slot);
        let found = self.ways.of(slot, self.members.row(slot).digest(), member.address());
        found.or_else(|| way_out_of(member.record().extra())).unwrap_or(member.address())
    }

    /// A sender pings us, or asks us to ping another, as a member that we know by another address: the address may have
    /// changed or be rewritten, or the sender is another process of that name and start. The member is pinged where it
    /// is recorded, and the sender, with the next tick, where it is.
    pub(super) fn notice_stranger(&mut self, origin: Origin, slot: Slot) {
        self.stranger = Some((origin.digest, origin.source));
        if self.members.row(slot).is_present() && self.bucket.take(self.now) {
            let home = self.members.member(slot).address();
            self.ping(slot, PingPurpose::Look, First::Seen(home));
        }
    }

    /// Asks the last stranger to prove its address and tells it where it is seen. Waits for the tick: at once, with our
    /// echo, it would be more than an unproved address may be answered with.
    pub(super) fn ask_stranger(&mut self) {
        let Some((digest, source)) = self.stranger.take() else { return };
        let origin = self.origin(source, digest, 0);
        let is_due = !origin.is_proved || self.round_number.round() % STRANGER_ROUNDS == 0;
        if origin.path == Path::Unknown && is_due {
            let bytes_max = self.rules.datagram_bytes_max;
            // One beyond reach is never asked where we are, but here.
            let is_beyond = origin.slot.is_some_and(|slot| !self.can_reach(slot));
            let asks = is_beyond && !self.is_address_known() && !sabotage::is_off("asks_beyond_reach");
            let first = if asks { First::Me } else { First::Seen(source) };
            self.ask_for_proof(source, digest, Purpose::Serve, bytes_max, first);
        }
    }

    /// What a ping for us says of where we and its sender are; whether its sender wants to know where we see it.
    pub(super) fn hear_whereabouts(&mut self, origin: Origin, said: SaidOfPlaces) -> AsksWhere {
        if origin.slot.is_some() && !said.where_seen {
            self.whereabouts.reached(self.now);
        }
        if said.itself_elsewhere { AsksWhere::Yes } else { AsksWhere::No }
    }

    /// A member has echoed a nonce that was sent where it is recorded.
    pub(super) fn note_way(&mut self, slot: Slot, sent_to: SocketAddr, source: SocketAddr) {
        let digest = self.members.row(slot).digest();
        self.ways.note(slot, digest, sent_to, source);
    }
}
