//! The leader as this node knows it: its own leadership, the heartbeats it follows, or hearsay.
//!
//! What is shown never goes back to a lower term, and hearsay is shown only where nothing better is known. What is
//! decided goes by heartbeats alone.

use crate::election::voter::Voter;
use crate::leader::{LossReason, Term, Trigger};
use crate::member::NodeId;
use crate::time::Instant;

use super::{Change, Election, Liveness};

/// Terms of hearsay at or above this are passed over where nothing better is known: the year 10,889 in milliseconds.
const HEARSAY_MAX: u64 = 1 << 48;

/// The leader that this voter follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Heard {
    pub(super) id: NodeId,
    pub(super) term: Term,
    pub(super) trigger: Trigger,
    /// Its last heartbeat.
    pub(super) at: Instant,
    /// When the promise that went with it ends.
    pub(super) until: Instant,
}

/// A leader that says so in its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hearsay {
    id: NodeId,
    term: Term,
    trigger: Trigger,
}

/// What the application was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Known {
    pub(super) id: NodeId,
    pub(super) term: Term,
    pub(super) since: Instant,
}

impl Election {
    /// A member says that it leads in a term, in a record that reached this node by gossip. It is shown where nothing
    /// better is known, and decides nothing.
    pub fn hear_say(&mut self, now: Instant, id: NodeId, term: Term, trigger: Trigger) {
        self.enter(now);
        let is_newer = self.hearsay.is_none_or(|known| known.term < term);
        // A node with a seat learns of a term that leaps from the leader itself.
        let may_leap = self.place.is_none() || !self.is_leap(term);
        let can_be = |voter: &Voter| voter.can_be(self.now, term) && may_leap;
        let is_plausible = self.voter.as_ref().map_or(term.0 < HEARSAY_MAX, can_be);
        // A node without a vote may not know all voters.
        let may_lead = self.place.is_none() || self.rules.place_of(id).is_some();
        let can_be = may_lead && term.0 > 0 && is_plausible;
        if is_newer && can_be && id != self.me {
            self.hearsay = Some(Hearsay { id, term, trigger });
            self.tell(LossReason::Gone);
        }
    }

    /// A member's record says no more that it leads, and how that ended.
    pub fn hear_say_over(&mut self, now: Instant, id: NodeId, reason: LossReason) {
        self.enter(now);
        self.drop_hearsay(id, reason);
    }

    fn drop_hearsay(&mut self, id: NodeId, reason: LossReason) {
        if self.hearsay.is_some_and(|hearsay| hearsay.id == id) {
            self.hearsay = None;
            self.tell(reason);
        }
    }

    /// Tells the application if the leader is another than it was told; `reason` is why the one before is none any
    /// more.
    pub(super) fn tell(&mut self, reason: LossReason) {
        let own = self
            .role
            .leader()
            .filter(|leading| leading.is_told)
            .map(|leading| (leading.term, self.me, leading.trigger));
        let heard = self.heard.map(|heard| (heard.term, heard.id, heard.trigger));
        let hearsay = self.hearsay.map(|hearsay| (hearsay.term, hearsay.id, hearsay.trigger));

        let best = own.or_else(|| [heard, hearsay].into_iter().flatten().max_by_key(|(term, ..)| *term));
        let best = best.filter(|(term, ..)| *term >= self.told);

        if best.map(|(term, id, _)| (id, term)) == self.known.map(|known| (known.id, known.term)) {
            return;
        }

        let was = self.known.take();
        match (best, was) {
            (Some((term, id, trigger)), _) => {
                self.told = term;
                self.known = Some(Known { id, term, since: self.now });
                self.changes.push_back(Change::Led { id, term, trigger });
            }
            (None, Some(Known { id, term, since })) => self.changes.push_back(Change::Lost { id, term, since, reason }),
            (None, None) => {}
        }
    }

    /// A leader that has not been heard for the time of a promise is lost. Timers find that out, and not messages: what
    /// waits in a socket is read first.
    pub(super) fn run_heard(&mut self) {
        if self.heard.is_some_and(|heard| heard.until <= self.now) {
            self.await_turn(Trigger::LeaseRanOut);
            self.unfollow(LossReason::LeaseRanOut);
        }
    }

    /// This voter follows no leader any more.
    pub(super) fn unfollow(&mut self, reason: LossReason) {
        if let Some(heard) = self.heard.take() {
            self.note_vacancy(heard.id, reason);
            // What its record says of a term that it has ended is older than that. If it is only not heard here any
            // more, it may lead on; not if the detector does not hear it either.
            let place = self.rules.place_of(heard.id);
            let lives = place.and_then(|place| self.liveness.get(place)) == Some(&Liveness::Alive);
            let is_over = |hearsay: &Hearsay| hearsay.id == heard.id && hearsay.term <= heard.term;
            if reason == LossReason::Resigned || !lives {
                self.hearsay = self.hearsay.filter(|hearsay| !is_over(hearsay));
            }
            self.tell(reason);
        }
    }

    /// A hint from the detector makes an election begin sooner, and makes no node leader.
    pub(super) fn weigh_hint(&mut self, id: NodeId, liveness: Liveness) {
        let follows = self.heard.is_some_and(|heard| heard.id == id);
        match liveness {
            Liveness::Dead | Liveness::Left => self.drop_hearsay(id, LossReason::Gone),
            // A voter has not heard it for the time of a promise, and now the detector does not.
            Liveness::Suspect if self.voter.is_some() && !follows => self.drop_hearsay(id, LossReason::LeaseRanOut),
            Liveness::Suspect | Liveness::Unknown | Liveness::Alive => {}
        }

        let place = self.rules.place_of(id).filter(|_| liveness == Liveness::Alive);
        if let Some((place, candidate)) = place.zip(self.role.candidate_mut()) {
            candidate.ask_the_returned(self.now, place);
        }

        let Some(heard) = self.heard.filter(|heard| heard.id == id) else { return };
        self.leader_check_at = None;
        match liveness {
            Liveness::Dead => self.await_turn(Trigger::Dead),
            Liveness::Left => self.await_turn(Trigger::Left),
            Liveness::Suspect => self.leader_check_at = Some((heard.at + self.rules.heartbeat() * 2).max(self.now)),
            Liveness::Unknown | Liveness::Alive => {}
        }
    }

    /// Whether the leader has been heard within two heartbeats.
    pub(super) fn hears_leader(&self) -> bool {
        self.heard.is_some_and(|heard| self.now.since(heard.at) < self.rules.heartbeat() * 2)
    }
}
