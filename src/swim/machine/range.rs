//! The members that this node can send to: which of them it looks at, and which count when it asks whether it is
//! heard (`protocol.md 6.4`).
//!
//! All members count for what the cluster does together; only those in reach count for what their silence would mean.
//! With a socket for both families these are the same.

use std::net::SocketAddr;

use crate::event::DeadReason;
use crate::member::State;
use crate::sabotage;
use crate::swim::detector::verdict::{Beyond, rule_beyond_reach};
use crate::swim::dissemination::gossip::Urgency;
use crate::swim::dissemination::outbox::First;
use crate::swim::machine::Machine;
use crate::swim::machine::origin::Origin;
use crate::swim::reach::Reach;
use crate::swim::slot::Slot;
use crate::time::Instant;

/// The members whose word counts of where a node with this address is seen: those of its own family, for by the other
/// one its datagrams come from elsewhere than it receives; all while it knows no address.
fn who_sees(own: SocketAddr) -> Reach {
    let is_any = own.ip().is_unspecified() || sabotage::is_off("voices_of_family");
    if is_any { Reach::Both } else { Reach::family_of(own) }
}

impl Machine {
    /// Says which families this node's socket can send to.
    pub(crate) fn set_reach(&mut self, now: Instant, reach: Reach) {
        self.enter(now);
        if !sabotage::is_off("reach") {
            self.reach = reach;
        }
        self.settle();
    }

    /// Another has called a suspect dead: beyond our reach that is all that we shall ever know of it.
    pub(super) fn note_called_dead(&mut self, slot: Slot) {
        let beyond = !self.can_reach(slot) && !sabotage::is_off("death_by_word");
        if let Some(suspicion) = self.suspicions.get_mut(slot).filter(|suspicion| beyond && !suspicion.called_dead) {
            suspicion.called_dead = true;
            self.plan(slot);
        }
    }

    /// Plans when a suspect that cannot be asked is judged, or told of again. Another may call it dead after that
    /// moment: a timer that is set in the past would look as if this node had not run since.
    pub(super) fn plan_beyond_reach(&mut self, slot: Slot) {
        let (now, again) = (self.now, self.rules.unconfirmed_tolerance());
        if let Some(suspicion) = self.suspicions.get_mut(slot) {
            let hard = suspicion.hard_deadline();
            let is_late = hard <= now && !suspicion.called_dead;
            suspicion.wait_until(if is_late { now + again } else { hard.max(now) });
        }
    }

    /// A verdict rests on a last ping of our own, and here there can be none. What others suspect stays a suspect, and
    /// is told of again after 3 P, so that the members that can ask it do so, and it refutes. What one of them has
    /// called dead, and that has not refuted it until 3 P are over, is dead here too. Otherwise the views of the two
    /// families would differ for ever, and one family would raise a member that the other has forgotten.
    pub(super) fn judge_beyond_reach(&mut self, slot: Slot) {
        let Some(suspicion) = self.suspicions.get(slot) else { return };
        let hears_others = self.hears_others_since(suspicion.start) && !suspicion.provisional_only;

        match rule_beyond_reach(suspicion.called_dead, suspicion.hard_deadline() <= self.now, hears_others) {
            Beyond::Wait => self.plan_beyond_reach(slot),
            Beyond::TellAgain => {
                self.gossip(slot, Urgency::Suspect);
                if let Some(suspicion) = self.suspicions.get_mut(slot) {
                    suspicion.told_to_next = !sabotage::is_off("told_to_next");
                }
                self.plan_beyond_reach(slot);
            }
            Beyond::Dead => self.convict(slot, DeadReason::SilentUnconfirmed),
            Beyond::Again => {
                let now = self.now;
                if let Some(suspicion) = self.suspicions.get_mut(slot) {
                    suspicion.renew(now);
                }
                self.plan_beyond_reach(slot);
            }
        }
    }

    /// A member that cannot be sent to at its own address has pinged us: it can send by both families. News
    /// reach it only on answers to its pings, and may have gone to the others by then; so what was told
    /// again is told to it as well.
    pub(super) fn tell_who_can_ask(&mut self, origin: Origin) {
        if origin.is_proved && origin.slot.is_some_and(|slot| !self.can_reach(slot)) {
            if let Some(suspect) = self.suspicions.take_told_to_next() {
                self.send_news(origin.address, First::About(suspect));
            }
        }
    }

    /// A member that cannot be sent to at its own address has answered where it sends from. The others look for it
    /// elsewhere, so their suspicions are untouched; but it is there, and it shows that this node is heard, which may
    /// have no other member that tells it so.
    pub(super) fn note_answer_beyond_reach(&mut self, slot: Slot, sent: Instant) {
        if !self.can_reach(slot) && !sabotage::is_off("answers_beyond_reach") {
            self.answered_beyond_reach = self.answered_beyond_reach.max(sent);
            self.hearsay.confirm(slot);
            self.note_start(slot);
        }
    }

    /// Whether a member has answered a ping sent since a moment: one in reach that is no suspect, or one beyond it.
    fn hears_others_since(&self, since: Instant) -> bool {
        self.count_answers(since) > 0 || self.answered_beyond_reach >= since
    }

    /// Whether a member can be sent to at its own address.
    pub(super) fn can_reach(&self, slot: Slot) -> bool {
        self.reach == Reach::Both || self.reach.covers(self.members.member(slot).address())
    }

    /// The members whose word counts of where this node is seen.
    pub(super) fn who_sees_us(&self) -> Reach {
        who_sees(self.me().address())
    }

    /// How many others that can say where it is seen are Alive or Suspect; a node that leaves is not counted itself.
    pub(super) fn others_of_family(&self) -> usize {
        let live = self.members.counts_in(self.who_sees_us()).live();
        live.saturating_sub(usize::from(self.me().state().is_live()))
    }

    /// How many members in reach are present, this node included: one that leaves needs the
    /// answers of two others still.
    pub(super) fn present_in_reach(&self) -> usize {
        let me = self.members.me();
        let is_present = self.members.row(me).is_present();
        let uncounted = !(is_present && self.can_reach(me)) && (is_present || !sabotage::is_off("leaver_counted"));
        self.members.counts_in(self.reach).present() + usize::from(uncounted)
    }

    /// How many others in reach are Alive.
    pub(super) fn others_alive(&self) -> usize {
        let me = self.members.me();
        let counted = self.me().state() == State::Alive && self.can_reach(me);
        self.members.counts_in(self.reach).alive.saturating_sub(usize::from(counted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::machine::fixture;

    #[test]
    fn where_a_node_is_seen_is_told_by_live_members_of_its_family() {
        let known = [
            ("10.0.0.2:7", State::Alive),
            ("10.0.0.3:7", State::Suspect),
            ("10.0.0.4:7", State::Dead),
            ("10.0.0.5:7", State::Left),
            ("[2001:db8::2]:7", State::Alive),
            ("[2001:db8::3]:7", State::Alive),
            ("[2001:db8::4]:7", State::Suspect),
            ("[2001:db8::5]:7", State::Dead),
        ];

        let rows = [
            ("10.0.0.1:7", Reach::V4, 2),
            ("127.0.0.1:7", Reach::V4, 2),
            ("[2001:db8::1]:7", Reach::V6, 3),
            ("0.0.0.0:7", Reach::Both, 5),
            ("[::]:7", Reach::Both, 5),
        ];

        for (own, family, others) in rows {
            let mut machine = fixture::machine(own);
            for (address, state) in known {
                fixture::add(&mut machine, address, state);
            }
            assert_eq!((machine.who_sees_us(), machine.others_of_family()), (family, others), "{own}");
            machine.members.set_state(machine.members.me(), State::Left);
            assert_eq!(machine.others_of_family(), others, "{own}, which leaves");
        }
    }
}
