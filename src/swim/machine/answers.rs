//! What an answer proves of the member that gave it, and of this node, which is heard
//! (`protocol.md 4.7`, `5.6`, `6.1` to `6.3`).

use std::time::Duration;

use crate::member::State;
use crate::sabotage;
use crate::swim::detector::pings::PingPurpose;
use crate::swim::detector::suspicion::{Publicity, answers_needed};
use crate::swim::detector::verdict::{Private, rule_private};
use crate::swim::dissemination::gossip::Urgency;
use crate::swim::dissemination::outbox::First;
use crate::swim::machine::Machine;
use crate::swim::machine::origin::Origin;
use crate::swim::machine::verdict::LATE_WAKE_ANSWERS;
use crate::swim::slot::Slot;
use crate::time::Instant;
use crate::why::Waiting;

/// A private suspicion that is older than this, and than two intervals, when another member answers
/// at last was our own fault.
const PRIVATE_MAX: Duration = Duration::from_secs(2);
/// Members pinged at once to see whether it is us.
pub(super) const SELF_TEST_PINGS: usize = 3;

impl Machine {
    /// `slot` answered a ping that was sent at `sent`: the only evidence of life there is.
    pub(super) fn on_answer(&mut self, slot: Slot, sent: Instant, purpose: PingPurpose) {
        self.members.note_alive(slot, sent);
        self.note_start(slot);
        self.hearsay.confirm(slot);
        self.reachability.note(slot, sent);

        // protocol.md 4.7: an answer counts for when its ping was sent. One to a ping from before
        // the round does not end it.
        let pending = self.rounds.get_for(slot).map(|round| round.began);
        if pending.is_some_and(|began| sent >= began) {
            self.rounds.end_for(slot);
            self.awareness.probe_answered();
            self.metrics.probes_acked += u64::from(matches!(purpose, PingPurpose::Round(_)));
        }

        // protocol.md 6.3: any answer takes back what was thought of the member in isolation,
        // and a provisional verdict.
        let is_unheard = self.suspicions.get(slot).is_some_and(|suspicion| suspicion.publicity == Publicity::Never);
        if self.members.row(slot).is_provisional() || is_unheard {
            self.revive(slot);
        }

        // protocol.md 5.6: the deadline moves, the suspect is pinged on until it refutes, and its
        // last ping is planned anew.
        let now = self.now;
        if self.suspicions.get_mut(slot).is_some_and(|suspicion| suspicion.answered(now, sent)) {
            if let Some(suspicion) = self.suspicions.get_mut(slot) {
                suspicion.keep_asking(now);
            }
            self.plan(slot);
        }

        if sabotage::is_off("owner_refutes") && self.members.member(slot).state() == State::Suspect {
            self.hear_incarnation(slot, self.members.member(slot).incarnation().next());
        }

        self.answers_changed();
    }

    /// A member that answers has truly started when it says, whatever our own clock said at our start.
    pub(super) fn note_start(&mut self, slot: Slot) {
        let started = self.members.member(slot).generation().0.saturating_sub(self.running_ms());
        if !sabotage::is_off("true_starts") {
            self.latest_start = self.latest_start.max(started);
        }
    }

    /// A member answered: what waited for answers looks again.
    fn answers_changed(&mut self) {
        if let Some(since) = self.isolated {
            // protocol.md 6.3: as many as a verdict needs, for those that are held for dead cannot be waited for.
            if self.reachability.since(since, |_| true) >= self.answers_to_reconnect() {
                self.reconnect();
            }
        }

        // protocol.md 6.1: two others that are no suspects have answered since this node ran again.
        if self.late_wake.bar().is_some_and(|since| self.has_answers_since(since, LATE_WAKE_ANSWERS)) {
            self.late_wake.lift_bar();
            self.suspicions.release(self.now, Waiting::LateWake);
        }

        self.publish_private();
    }

    /// Whether enough members that are not suspects have answered pings sent since a moment: two, or all there are.
    pub(super) fn has_answers_since(&self, since: Instant, most: usize) -> bool {
        if self.present_in_reach() <= 2 {
            return true;
        }
        self.count_answers(since) >= self.others_alive().min(most)
    }

    /// How many members that are not suspects have answered pings sent since a moment.
    pub(super) fn count_answers(&self, since: Instant) -> usize {
        self.reachability.since(since, |slot| self.members.member(slot).state() == State::Alive)
    }

    /// How many answers a verdict needs with the members that are known now (`protocol.md 5.5`).
    pub(super) fn answers_needed(&self) -> usize {
        answers_needed(self.present_in_reach(), self.others_alive())
    }

    /// Suspicions kept to ourselves because no other member answered: now one has (`protocol.md 6.2`).
    fn publish_private(&mut self) {
        let private: Vec<Slot> = self
            .suspicions
            .slots()
            .filter(|slot| self.suspicions.get(*slot).is_some_and(|s| s.publicity == Publicity::Private))
            .collect();

        for slot in private {
            let Some(suspicion) = self.suspicions.get(slot) else { continue };
            let start = suspicion.start;

            // A round may last an interval: its failure alone must not be old.
            let oldest = PRIVATE_MAX.max(self.rules.probe_interval * 2);
            let is_old = self.now.since(start) > oldest;
            let another_answered = self.reachability.since(start, |answerer| answerer != slot) > 0;
            let it_answered = self.reachability.since(start, |answerer| answerer == slot) > 0;
            let is_provisional = self.members.row(slot).is_provisional();

            match rule_private(another_answered, it_answered, is_old, is_provisional) {
                Private::Keep => continue,
                Private::Drop => {
                    self.revive(slot);
                    continue;
                }
                Private::Publish => {}
            }

            let now = self.now;
            if let Some(suspicion) = self.suspicions.get_mut(slot) {
                suspicion.publish(now);
            }
            self.plan(slot);
            if !is_provisional {
                self.gossip(slot, Urgency::Suspect);
                self.announce_suspicion(slot, 0);
            }
        }
    }

    /// Pings three others, to see whether it is us that no member hears.
    pub(super) fn self_test(&mut self, except: Option<Slot>) {
        for slot in self.pick_others(SELF_TEST_PINGS, except).iter() {
            self.ping(slot, PingPurpose::Look, First::Nothing);
        }
    }

    /// After an answer to a ping that was sent for more than the answer.
    pub(super) fn after_answer(&mut self, origin: Origin, purpose: PingPurpose) {
        match purpose {
            PingPurpose::Leave => self.note_leave_confirmed(origin),
            PingPurpose::Introduction => self.send_news(origin.address, First::Me),
            PingPurpose::Round(_)
            | PingPurpose::Relay { .. }
            | PingPurpose::Look
            | PingPurpose::Proof(_)
            | PingPurpose::DuplicateName => {}
        }
    }
}
