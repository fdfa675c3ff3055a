//! When a suspicion becomes this node's own verdict, and what holds it back (`protocol.md 5.3` to `5.10`).

use std::time::Duration;

use crate::event::{DeadReason, Event};
use crate::member::State;
use crate::sabotage;
use crate::swim::detector::pings::PingPurpose;
use crate::swim::detector::suspicion::{Pace, Publicity, Suspicion, Verdict, Wanted, accusers_needed, insist_every};
use crate::swim::detector::verdict::{Evidence, Ruling, due, rule};
use crate::swim::dissemination::gossip::Urgency;
use crate::swim::dissemination::outbox::First;
use crate::swim::machine::Machine;
use crate::swim::slot::Slot;
use crate::time::Instant;
use crate::why::{Cause, Waiting};

/// Others pinged with each try of the last ping, to see whether it is us. Chosen: with one try alone, 9 false
/// `Isolated` and verdicts up to 2.5 s late at 64 nodes and 25 % loss; with each, none.
const LAST_PING_SELF_TESTS: usize = 2;
/// Others asked to probe a suspect too, when too few relays could say anything.
const SECOND_OPINIONS: usize = 3;
/// How far the first last ping is spread for each member, so that not everyone asks at once.
const SPREAD_PER_MEMBER: Duration = Duration::from_micros(50);
/// Pings at most in the least retry timeout to a suspect that speaks.
const INSISTS_PER_RTO: u32 = 5;
/// Members that must answer after a late wake before this node judges.
pub(super) const LATE_WAKE_ANSWERS: usize = 2;

impl Machine {
    /// What the deadlines of a suspicion that is heard of now follow from.
    pub(super) fn pace(&self, slot: Slot) -> Pace {
        Pace { tolerance: self.rules.stall_tolerance, rto: self.rto(slot) }
    }

    /// Plans the last ping for the verdict at P or, once P is over and too few have accused, for the one at 3 P.
    pub(super) fn plan(&mut self, slot: Slot) {
        let Some(suspicion) = self.suspicions.get(slot) else { return };
        let soft = suspicion.soft_deadline();
        let soft = if sabotage::is_off("whole_p") { self.now + soft.since(self.now) / 2 } else { soft };
        let due = due(self.now, soft, suspicion.hard_deadline(), self.has_enough_accusers(suspicion));

        if self.isolated.is_some() && suspicion.publicity == Publicity::Never {
            // protocol.md 5.4: too few hear us, and a last ping would not be heard either.
            let hard = suspicion.hard_deadline();
            return self.suspicions.hold_until(slot, hard);
        }
        self.plan_for(slot, due);
    }

    fn plan_for(&mut self, slot: Slot, due: Instant) {
        if !self.can_reach(slot) {
            return self.plan_beyond_reach(slot);
        }

        let rto = self.rto(slot);
        let spread = SPREAD_PER_MEMBER * u32::try_from(self.members.ring_len()).unwrap_or(u32::MAX);
        let jitter = self.random.probing.fraction_of(rto.max(spread));
        let now = self.now;
        if let Some(suspicion) = self.suspicions.get_mut(slot) {
            suspicion.plan(now, due, rto, jitter);
        }
    }

    /// New accusers: a verdict that waited for them is due after a new last ping.
    pub(super) fn reconsider(&mut self, slot: Slot) {
        let Some(suspicion) = self.suspicions.get(slot) else { return };
        if suspicion.lacks == Some(Waiting::Accusers) && self.has_enough_accusers(suspicion) {
            let due = suspicion.soft_deadline().max(self.now);
            self.plan_for(slot, due);
            if let Some(suspicion) = self.suspicions.get_mut(slot) {
                suspicion.lacks = None;
            }
        }
    }

    fn has_enough_accusers(&self, suspicion: &Suspicion) -> bool {
        let present = self.present_in_reach();
        present <= 2 || suspicion.accusers.len() >= accusers_needed(self.rules.confirmations, present)
    }

    pub(super) fn run_suspicions(&mut self) {
        for slot in self.suspicions.due(self.now) {
            let now = self.now;
            while let Some(wanted) = self.suspicions.get_mut(slot).and_then(|s| s.next_wanted(now)) {
                match wanted {
                    Wanted::AskAgain => drop(self.ping(slot, PingPurpose::Look, First::Nothing)),
                    Wanted::LastPing(attempt) => self.last_ping(slot, attempt),
                    Wanted::Verdict => self.judge(slot),
                }
            }
        }
    }

    fn last_ping(&mut self, slot: Slot, attempt: u8) {
        let (now, heard) = (self.now, self.reachability.heard());
        if let Some(suspicion) = self.suspicions.get_mut(slot) {
            if attempt == 1 {
                suspicion.asked_at = now;
                suspicion.heard_by_then.get_or_insert(heard);
            }
            suspicion.log(now, Cause::LastPing { attempt });
        }

        self.ping(slot, PingPurpose::Look, First::Nothing);

        if attempt > 1 && sabotage::is_off("repeated_self_test") {
            return;
        }

        // protocol.md 5.4: two others show whether it is this node that is not heard.
        for other in self.pick_others(LAST_PING_SELF_TESTS, Some(slot)).iter() {
            let first = self.question_about(slot, other);
            self.ping(other, PingPurpose::Look, first);
        }
    }

    /// What a self-test says of the suspect that it is for: a member that knows newer words of it answers with them.
    /// News are sent a few times only, so that a refutation may have reached all but this node.
    fn question_about(&self, suspect: Slot, other: Slot) -> First {
        let row = self.members.row(other);
        let may_hear = row.is_proved() && row.member.state() == State::Alive;
        if may_hear && !sabotage::is_off("last_question") { First::About(suspect) } else { First::Nothing }
    }

    /// A suspect has sent us something, so it runs at this moment and may answer now what it did not before. Asked
    /// where it is known to receive, once it has shown that it does, and once in the least retry timeout: a forged
    /// sender gains nothing (`protocol.md 5.8`).
    ///
    /// That may be lost too. A member that speaks while it is suspected hears little of what it
    /// is sent, and is pinged on.
    pub(super) fn ping_back(&mut self, slot: Slot) {
        let (now, rto) = (self.now, self.rules.rto_min());
        let may_be_asked = self.leaving.is_none() && self.members.row(slot).is_proved();
        let Some(suspicion) = self.suspicions.get_mut(slot).filter(|_| may_be_asked) else { return };

        let insists = suspicion.insists() || sabotage::is_off("insistence");
        let left = suspicion.left_to_insist(now, self.flapping.has_refuted_lately(slot));

        if suspicion.may_ping_back(now, rto) && !sabotage::is_off("ping_back") {
            self.ping(slot, PingPurpose::Look, First::Nothing);
        }
        if insists || self.is_beyond_reach(slot) {
            return;
        }

        let others = self.present_in_reach().saturating_sub(1);
        let every = insist_every(left.max(self.rules.stall_tolerance / 4), others, rto / INSISTS_PER_RTO);
        let first = now + self.random.probing.fraction_of(every);
        if let Some(suspicion) = self.suspicions.get_mut(slot) {
            suspicion.insist(first, every, now + left);
        }
    }

    /// The verdict is due: it falls, or something holds it back.
    fn judge(&mut self, slot: Slot) {
        if !self.can_reach(slot) {
            return self.judge_beyond_reach(slot);
        }
        let Some(suspicion) = self.suspicions.get(slot) else { return };
        match rule(&self.evidence(suspicion)) {
            Ruling::NotYet(due) => self.plan_for(slot, due),
            Ruling::Hold(lack, until) => {
                self.suspicions.note_lack(slot, self.now, lack);
                self.suspicions.hold_until(slot, until);
            }
            Ruling::Wait(lack, due) => {
                self.plan_for(slot, due);
                self.suspicions.note_lack(slot, self.now, lack);
            }
            Ruling::AskAgain(latest) => self.ask_again(slot, latest),
            Ruling::Dead(reason) => self.convict(slot, reason),
            Ruling::Provisional => self.convict_provisionally(slot),
        }
    }

    /// What this node holds, has asked and has heard, as a verdict needs it.
    fn evidence(&self, suspicion: &Suspicion) -> Evidence {
        let woke = self.late_wake.bar();
        Evidence {
            now: self.now,
            tolerance: self.rules.stall_tolerance,
            soft: suspicion.soft_deadline(),
            hard: suspicion.hard_deadline(),
            is_accused: self.has_enough_accusers(suspicion),
            is_answered: self.is_answered(suspicion),
            hears_well: self.hears_well(suspicion),
            woke_unanswered: woke.is_some_and(|since| !self.has_answers_since(since, LATE_WAKE_ANSWERS)),
            provisional_only: suspicion.provisional_only,
        }
    }

    /// Whether enough others have answered us since the silence began, and one since the last ping.
    fn is_answered(&self, suspicion: &Suspicion) -> bool {
        let needed = self.answers_needed();
        if needed == 0 || sabotage::is_off("isolated") {
            return true;
        }
        let is_untested = self.others_alive() == 0 || sabotage::is_off("self_tests");
        let tested = is_untested || self.count_answers(suspicion.asked_at) > 0;
        tested && self.count_answers(suspicion.start) >= needed
    }

    /// Whether enough of what was asked since the first last ping was answered for a verdict on this node's evidence
    /// alone. Since the latest one it would be too little to tell anything by.
    fn hears_well(&self, suspicion: &Suspicion) -> bool {
        let is_alone = self.others_alive() == 0 || self.present_in_reach() <= 2;
        let well = suspicion.heard_by_then.is_none_or(|before| self.reachability.heard().is_well_since(before));
        is_alone || well || sabotage::is_off("hears_well")
    }

    /// The self-tests went unanswered: ask again. When that brings nothing either, and too few have answered ever since
    /// the suspicion began, we are isolated (`protocol.md 6.3`).
    fn ask_again(&mut self, slot: Slot, hard: Instant) {
        self.suspicions.note_lack(slot, self.now, Waiting::Answers);
        let pace = self.pace(slot);
        let again = self.now + (pace.rto * 3).max(pace.tolerance / 4);
        self.plan_for(slot, again.min(hard));

        let Some(suspicion) = self.suspicions.get_mut(slot) else { return };
        suspicion.unanswered_verdicts = suspicion.unanswered_verdicts.saturating_add(1);
        let (is_repeated, since) = (suspicion.unanswered_verdicts > 1, suspicion.start);
        if is_repeated && self.too_few_answer(slot, since) {
            self.isolate();
        }
    }

    /// Whether fewer others have answered since a moment than a verdict about this member needs: any answer counts
    /// here, a suspect's too, for it shows that we are heard.
    fn too_few_answer(&self, suspect: Slot, since: Instant) -> bool {
        let answered = self.reachability.since(since, |answerer| answerer != suspect);
        answered < self.answers_needed() || sabotage::is_off("counted_isolation")
    }

    /// This node's own verdict: the member is Dead for certain, and a ghost to be dialled.
    pub(super) fn convict(&mut self, slot: Slot, reason: DeadReason) {
        self.tell_before_verdict(slot);
        let Some(mut suspicion) = self.suspicions.remove(slot) else { return };
        let since = suspicion.base();
        suspicion.log(self.now, Cause::Verdict { reason, provisional: false, since });

        self.metrics.suspicions_dead += 1;
        if !sabotage::is_off("verdict_stored") {
            self.members.set_state(slot, State::Dead);
        }
        self.rounds.end_for(slot);
        self.ghosts.add(slot, self.now, true);
        self.anti_entropy.note_news(self.now);

        let by = suspicion.accusers;
        // protocol.md 5.10: with enough accusers all clocks run already, so the verdict is only piggybacked.
        let carriers = if self.has_enough_accusers(&suspicion) { 0 } else { self.rules.forward_fanout };
        self.verdicts.insert(slot, Verdict::from(suspicion));
        self.gossip.spread(slot, Urgency::Dead, carriers);

        let member = self.members.member(slot).clone();
        self.events.push(Event::Dead { member, by, reason, provisional: false });
        self.full = false;
    }

    /// A verdict that may be our own fault: told here, kept from the others, undone by any sign of life.
    fn convict_provisionally(&mut self, slot: Slot) {
        if !self.members.row(slot).is_provisional() {
            self.tell_before_verdict(slot);
        }

        // protocol.md 6.3: this node is isolated if too few have answered in the last P.
        let present = self.present_in_reach();
        if present > 2 && self.too_few_answer(slot, self.now - self.rules.stall_tolerance) {
            self.isolate();
        }

        let reason = DeadReason::SilentUnconfirmed;
        let is_isolated = self.isolated.is_some();
        let now = self.now;
        let Some(suspicion) = self.suspicions.get_mut(slot) else { return };
        let since = suspicion.base();
        suspicion.log(now, Cause::Verdict { reason, provisional: true, since });
        suspicion.wait_until(Instant::NEVER);

        let by = suspicion.accusers;
        if is_isolated {
            suspicion.stop_asking();
        } else {
            // It was our own stalling or bad hearing that forbade a certain verdict: judge anew from here.
            suspicion.renew(now);
        }

        if !self.members.row(slot).is_provisional() {
            self.metrics.verdicts_provisional += 1;
            self.members.set_provisionally_dead(slot);
            self.ghosts.add_provisional(slot, now);
            self.gossip.hush(slot);
            let member = self.members.member(slot).clone();
            self.events.push(Event::Dead { member, by, reason, provisional: true });
        }

        if !is_isolated {
            self.plan(slot);
        }
    }

    /// The suspect hears it first (`protocol.md 5.8`), and if too few relays could say anything, others
    /// are asked to look (`5.9`).
    pub(super) fn announce_suspicion(&mut self, slot: Slot, nacks: usize) {
        self.ping(slot, PingPurpose::Look, First::Nothing);
        if nacks >= self.rules.confirmations || self.present_in_reach() <= 2 {
            return;
        }
        for other in self.pick_proved(SECOND_OPINIONS, slot).iter() {
            self.send_news(self.members.member(other).address(), First::ProbeThis(slot));
        }
    }
}
