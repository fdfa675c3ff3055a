//! Where this node is seen: whose word of it counts, and what is done about what they say together (`protocol.md 7.7`).

use std::net::SocketAddr;

use crate::sabotage;
use crate::swim::addresses::whereabouts::{ASKED_MAX, Ruling};
use crate::swim::detector::pings::PingPurpose;
use crate::swim::dissemination::gossip::Urgency;
use crate::swim::dissemination::outbox::First;
use crate::swim::machine::Machine;
use crate::swim::machine::origin::Origin;
use crate::time::Instant;
use crate::wire::with_way_out;

/// The sender of a word of where this node is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Speaker {
    /// A contact, by our own address's family, while no member is known.
    Contact,
    /// A member at a proved address, by our own address's family.
    Member,
    Other,
}

/// A word of where this node is seen, and what is known when it comes.
#[derive(Clone, Copy, Debug)]
struct Seen {
    own: SocketAddr,
    at: SocketAddr,
    by: Speaker,
    /// Whether this node has asked for such words.
    is_asking: bool,
}

/// What becomes of a word of where this node is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Word {
    Ignored,
    /// Until the contacts are dialled once more.
    Kept,
    Counts,
}

/// A node without an address takes any word; one that is known moves by the words of members alone, or of contacts
/// while no member is known: they are all that a node hears that moved before it was let in. A contact's word that was
/// not asked for waits, for a ping may still show that we are reached at our own address.
fn rule_seen(seen: Seen) -> Word {
    let is_known = !seen.own.ip().is_unspecified();
    if seen.by == Speaker::Contact && is_known && !seen.is_asking {
        return Word::Kept;
    }

    let may_move = seen.by != Speaker::Other && seen.at.is_ipv4() == seen.own.is_ipv4();
    let counts = !seen.at.ip().is_unspecified() && (may_move || !is_known);
    if counts { Word::Counts } else { Word::Ignored }
}

impl Machine {
    /// A datagram tells at which address its sender sees us.
    pub(super) fn hear_seen(&mut self, origin: Origin, seen: SocketAddr) {
        let (own, by) = (self.me().address(), self.speaker(origin));
        match rule_seen(Seen { own, at: seen, by, is_asking: self.whereabouts.is_asking() }) {
            Word::Ignored => {}
            Word::Kept => self.joining.seen = Some((origin.digest, seen)),
            Word::Counts => {
                self.whereabouts.note(self.now, origin.digest, seen, own);
                self.run_whereabouts();
            }
        }
    }

    /// The contacts are to be dialled once more. If one said that it sees us elsewhere, and no ping has reached us
    /// since, this dial asks where we are. Not before: a contact that says so has pinged us at our own address as well.
    pub(super) fn weigh_word_of_contact(&mut self) {
        let own = self.me().address();
        if let Some((by, seen)) = self.joining.seen.take().filter(|(_, seen)| !seen.ip().is_unspecified()) {
            self.whereabouts.note(self.now, by, seen, own);
            self.run_whereabouts();
        }
    }

    /// A ping says where it was sent: if that is where we are recorded, we are reached there,
    /// and else we are seen there.
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

    /// A member sees us at another address than it has of us, and had no space to say at which.
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

    fn speaker(&self, origin: Origin) -> Speaker {
        let same_family = origin.source.is_ipv4() == self.me().address().is_ipv4();
        if self.is_alone() && same_family && self.joining.contacts().contains(&origin.source) {
            Speaker::Contact
        } else if self.is_near(origin) {
            Speaker::Member
        } else {
            Speaker::Other
        }
    }

    /// A node that does not know its address asks as soon as it knows another member.
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
            self.ping(slot, PingPurpose::Look, First::Me);
        }
    }

    fn adopt_address(&mut self, address: SocketAddr) {
        let was = self.me().address();

        if was.ip().is_unspecified() {
            // No member holds a record of ours without an address; but an earlier process of this
            // start may have told one.
            let incarnation = self.me().incarnation().next();
            self.raise(incarnation, |record| record.set_address(address));
            self.gossip(self.members.me(), Urgency::Joined);
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

    /// Two of the addresses that others see this node at, when each sees it at another.
    pub(crate) fn seen_apart(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.whereabouts.apart(self.others_of_family())
    }

    /// Whether this node knows an address to tell the others.
    pub(crate) fn is_address_known(&self) -> bool {
        !self.me().address().ip().is_unspecified()
    }

    /// When the next question about addresses is due.
    pub(super) fn whereabouts_at(&self) -> Instant {
        self.whereabouts.next_at()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::machine::fixture;
    use crate::wire::Digest;

    const NOWHERE: &str = "0.0.0.0:7";
    const OWN: &str = "10.0.0.1:7";
    const ELSEWHERE: &str = "10.0.0.9:7";
    const BY_V6: &str = "[2001:db8::1]:7";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_known_address_moves_by_words_of_members_and_by_contacts_of_one_alone() {
        let (asked, unasked) = (true, false);
        let rows = [
            ("a member's counts, asked or not", OWN, ELSEWHERE, Speaker::Member, unasked, Word::Counts),
            ("the same", OWN, ELSEWHERE, Speaker::Member, asked, Word::Counts),
            ("that it sees us where we are, too", OWN, OWN, Speaker::Member, asked, Word::Counts),
            ("one of the other family does not", OWN, BY_V6, Speaker::Member, asked, Word::Ignored),
            ("a contact's waits if it was not asked", OWN, ELSEWHERE, Speaker::Contact, unasked, Word::Kept),
            ("and counts if it was", OWN, ELSEWHERE, Speaker::Contact, asked, Word::Counts),
            ("anyone else's does not", OWN, ELSEWHERE, Speaker::Other, asked, Word::Ignored),
            ("nor the word of nowhere", OWN, NOWHERE, Speaker::Member, asked, Word::Ignored),
            ("an unknown address takes any word", NOWHERE, ELSEWHERE, Speaker::Other, unasked, Word::Counts),
            ("a contact's at once", NOWHERE, ELSEWHERE, Speaker::Contact, unasked, Word::Counts),
            ("by either family", NOWHERE, BY_V6, Speaker::Other, unasked, Word::Counts),
            ("but that of nowhere", NOWHERE, NOWHERE, Speaker::Member, unasked, Word::Ignored),
        ];

        for (what, own, at, by, is_asking, word) in rows {
            let seen = Seen { own: address(own), at: address(at), by, is_asking };
            assert_eq!(rule_seen(seen), word, "{what}");
        }
    }

    #[test]
    fn a_contacts_word_counts_at_the_next_dial_unless_a_ping_came() {
        let contact = address("10.0.0.2:7");
        let rows = [
            ("it sees us elsewhere", ELSEWHERE, None, true),
            ("a ping came to our own address", ELSEWHERE, Some(OWN), false),
            ("a ping came to where we are seen", ELSEWHERE, Some(ELSEWHERE), false),
            ("it sees us where we are", OWN, None, false),
            ("it says nothing", NOWHERE, None, false),
        ];

        for (what, seen, pinged, asks) in rows {
            let mut machine = fixture::machine(OWN);
            machine.joining.add_contacts(&[contact]);
            let origin = machine.origin(contact, Digest(1), 100);
            machine.hear_seen(origin, address(seen));
            assert!(!machine.whereabouts.is_asking(), "{what}: not before the dial");
            if let Some(sent_to) = pinged {
                machine.hear_sent_to(origin, address(sent_to));
            }
            machine.weigh_word_of_contact();
            assert_eq!(machine.whereabouts.is_asking(), asks, "{what}");
            assert_eq!(machine.joining.seen, None, "{what}: it is weighed once");
        }
    }
}
