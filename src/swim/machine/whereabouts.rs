//! Where members receive and where their datagrams come from, this node's own address among them.

use std::net::SocketAddr;

use crate::sabotage;
use crate::swim::attempts::Errand;
use crate::swim::gossip::Urgency;
use crate::swim::joining::Purpose;
use crate::swim::machine::Machine;
use crate::swim::machine::origin::{AsksWhere, Origin, Path};
use crate::swim::outbox::First;
use crate::swim::slot::Slot;
use crate::swim::whereabouts::{ASKED_MAX, Ruling};
use crate::time::Instant;
use crate::wire::{Datagram, Digest, Item, way_out_of, with_way_out};

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

    /// Somebody pings us, or asks us to ping another, as a member we know, from an address that we do not know it by: its
    /// address may have changed or be rewritten, or this is another process of its name and start. The member is pinged
    /// where it is recorded, and with the next tick whoever is here.
    pub(super) fn notice_stranger(&mut self, origin: Origin, slot: Slot) {
        self.stranger = Some((origin.digest, origin.source));
        if self.members.row(slot).is_present() && self.bucket.take(self.now) {
            let home = self.members.member(slot).address();
            self.ping(slot, Errand::Look, First::Seen(home));
        }
    }

    /// Asks the last stranger to prove its address and tells it where it is seen. Waits for the tick: at once, with our
    /// echo, it would be more than an unproved address may be answered with.
    pub(super) fn ask_stranger(&mut self) {
        let Some((digest, source)) = self.stranger.take() else { return };
        let origin = self.origin(source, digest, 0);
        let is_due = !origin.is_proved || self.rounding.round() % STRANGER_ROUNDS == 0;
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
    pub(super) fn hear_whereabouts(&mut self, origin: Origin, heard: &Datagram<'_>) -> AsksWhere {
        let says_where = |item: Item<'_>| matches!(item, Item::Seen(_) | Item::SeenElsewhere);
        if origin.slot.is_some() && !heard.items().any(says_where) {
            self.whereabouts.reached(self.now);
        }
        // Whoever tells itself at another address than we see it at, or at none, asks.
        let tells_itself = |item: Item<'_>| match item {
            Item::Alive(record) => {
                let is_its_own = Digest::of(record.id, record.generation) == origin.digest;
                is_its_own && record.address != origin.source
            }
            _ => false,
        };
        if heard.items().any(tells_itself) { AsksWhere::Yes } else { AsksWhere::No }
    }

    /// Somebody tells at which address it sees us.
    pub(super) fn hear_seen(&mut self, origin: Origin, seen: SocketAddr) {
        let own = self.me().address();
        if self.is_contact_of_one_alone(origin) && !self.whereabouts.is_asking() && self.is_address_known() {
            self.joining.seen = Some((origin.digest, seen));
            return;
        }
        // Whoever knows no address takes any word; one that is known moves by the words of members alone, or of contacts
        // while no member is known: they are all that a node hears that moved before it was let in.
        let is_near = self.is_near(origin) || self.is_contact_of_one_alone(origin);
        let may_say = own.ip().is_unspecified() || (is_near && seen.is_ipv4() == own.is_ipv4());
        if !seen.ip().is_unspecified() && may_say {
            self.whereabouts.note(self.now, origin.digest, seen, own);
            self.run_whereabouts();
        }
    }

    /// The contacts are to be dialled once more. If one said that it sees us elsewhere, and no ping has reached us since,
    /// this dial asks where we are. Not before: a contact that says so has pinged us at our own address as well.
    pub(super) fn weigh_word_of_contact(&mut self) {
        let own = self.me().address();
        if let Some((by, seen)) = self.joining.seen.take().filter(|(_, seen)| !seen.ip().is_unspecified()) {
            self.whereabouts.note(self.now, by, seen, own);
            self.run_whereabouts();
        }
    }

    /// A ping says where it was sent: if that is where we are recorded, we are reached there, and else we are seen there.
    pub(super) fn hear_sent_to(&mut self, origin: Origin, address: SocketAddr) {
        if address == self.me().address() {
            if origin.slot.is_some() {
                self.whereabouts.proved(self.now);
            }
        } else if !self.is_alone() || !self.is_address_known() {
            self.hear_seen(origin, address);
        }
        // It has come to where we greet from.
        self.joining.seen = None;
    }

    /// A member sees us at another address than it has of us, and had no room to say at which.
    pub(super) fn hear_seen_elsewhere(&mut self, origin: Origin) {
        if self.is_near(origin) && self.is_address_known() {
            self.whereabouts.doubt(self.now);
            self.run_whereabouts();
        }
    }

    /// Whether a datagram came from a member at a proved address, and by our own address's family: what we send by
    /// another one comes from elsewhere by nature.
    fn is_near(&self, origin: Origin) -> bool {
        let same_family = origin.source.is_ipv4() == self.me().address().is_ipv4();
        origin.slot.is_some() && origin.is_proved && same_family
    }

    /// Whether a datagram came from a contact while this node knows nobody, by its own address's family.
    fn is_contact_of_one_alone(&self, origin: Origin) -> bool {
        let same_family = origin.source.is_ipv4() == self.me().address().is_ipv4();
        self.is_alone() && same_family && self.joining.contacts().contains(&origin.source)
    }

    /// Whoever does not know its address asks as soon as there is somebody to ask.
    pub(super) fn wonder_where(&mut self) {
        if self.me().address().ip().is_unspecified() && self.others() > 0 {
            self.whereabouts.wonder(self.now);
        }
    }

    pub(super) fn run_whereabouts(&mut self) {
        let (own, others) = (self.me().address(), self.others_of_family());
        match self.whereabouts.rule(self.now, own, others) {
            Ruling::Rest => {}
            Ruling::Ask => self.ask_where_we_are(),
            Ruling::Adopt(address) => self.adopt_address(address),
            Ruling::TellWayOut(way_out) => self.tell_way_out(way_out),
        }
        self.wonder_where();
    }

    /// Tells several members our own record, so that each says where it sees us and pings us where it has us.
    fn ask_where_we_are(&mut self) {
        for slot in self.pick_of_family(ASKED_MAX).iter() {
            self.ping(slot, Errand::Look, First::Me);
        }
    }

    fn adopt_address(&mut self, address: SocketAddr) {
        let was = self.me().address();
        if was.ip().is_unspecified() {
            // Nobody holds a record of ours without an address; but an earlier process of this start may have told one.
            let incarnation = self.me().incarnation().next();
            self.raise(incarnation, |record| record.set_address(address));
            self.tell(self.members.me(), Urgency::Joined);
            self.dial_contacts();
        } else if !sabotage::is_off("adopts_address") {
            tracing::warn!(%was, now = %address, "others see this node at another address and do not reach it at its own: it tells the one they see");
            let incarnation = self.me().incarnation().next();
            self.speak(incarnation, |record| {
                record.set_address(address);
                let extra = with_way_out(record.extra(), None);
                record.set_extra(&extra);
            });
            // Those that hold us for dead where we were would hear no news.
            self.ask_where_we_are();
            self.dial_contacts();
        }
    }

    fn tell_way_out(&mut self, way_out: Option<SocketAddr>) {
        let own = self.me().address();
        match way_out {
            Some(seen) => {
                tracing::info!(%own, %seen, "datagrams of this node are seen to come from another address than the one at which it is reached: a gateway rewrites it, and the others are told")
            }
            None => tracing::info!(%own, "datagrams of this node are seen to come from its own address again"),
        }
        let extra = with_way_out(self.me().record().extra(), way_out);
        self.set_further_fields(self.now, &extra);
    }

    /// The address that most others see this node at, when they do not reach it at its own.
    pub(crate) fn seen_elsewhere(&self) -> Option<SocketAddr> {
        self.whereabouts.unreached(self.me().address(), self.others_of_family())
    }

    /// Whether this node knows an address to tell the others.
    pub(crate) fn is_address_known(&self) -> bool {
        !self.me().address().ip().is_unspecified()
    }

    /// A member has echoed a nonce that was sent where it is recorded.
    pub(super) fn note_way(&mut self, slot: Slot, sent_to: SocketAddr, source: SocketAddr) {
        let digest = self.members.row(slot).digest();
        self.ways.note(slot, digest, sent_to, source);
    }

    /// When the next question about addresses is due.
    pub(super) fn whereabouts_at(&self) -> Instant {
        self.whereabouts.next_at()
    }
}
