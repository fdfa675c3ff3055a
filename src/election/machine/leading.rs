//! The leader in a node: takes leadership, renews its lease, steps down in time, hands over.

use std::time::Duration;

use crate::election::leader::{Gate, HandingOver, Leader};
use crate::election::message::{Message, Round};
use crate::leader::{LossReason, Term, Trigger};
use crate::member::NodeId;
use crate::rejected::Rejected;
use crate::sabotage;
use crate::time::Instant;

use super::{Election, Liveness};

/// How many voters a leader that hands over without naming one asks in turn while its lease lasts.
const SUCCESSORS_IN_LEASE: u32 = 4;

impl Election {
    /// A quorum has voted: this node leads, and may act as soon as its lease and its predecessor let it.
    pub(super) fn take_leadership(&mut self) {
        let Some(candidate) = self.role.take_candidate() else { return };
        self.next_round = candidate.next_round();
        let in_turn = candidate.hand_over.filter(|_| sabotage::is_off("own_term"));
        let (term, trigger) = (in_turn.unwrap_or(candidate.term), candidate.trigger);
        if let Some(old) = self.role.take_leader() {
            self.end_of_leadership(&old, LossReason::Resigned);
        }

        let mut leading = Leader::new(self.now, term, trigger, candidate.granted_at(&self.rules), self.next_round);
        leading.gate = candidate.relieves().and_then(|(predecessor, term)| self.gate_behind(predecessor, term));

        self.counts.terms_won += 1;
        self.failures = 0;
        (self.turn, self.claim_at) = (None, None);
        self.role.lead(leading);
        self.unfollow(LossReason::Resigned);
        self.run_leading();
    }

    /// Votes that set promises to a leader aside bind the elected to wait for that leader's word.
    fn gate_behind(&self, predecessor: NodeId, relieved: Term) -> Option<Gate> {
        let resigned = self.rules.place_of(predecessor).and_then(|place| self.resigned.get(place));
        let has_resigned = resigned.is_some_and(|resigned| resigned.contains(&relieved));
        (!has_resigned).then(|| Gate { predecessor, term: relieved, until: self.promise_until() })
    }

    /// Renews when that is due, and goes on handing over.
    pub(super) fn run_leading(&mut self) {
        let Some(leading) = self.role.leader_mut() else { return };
        if leading.beat_at <= self.now {
            let round = leading.beat(self.now, &self.rules);
            let turn = self.timing.measured(&self.rules);
            let (term, trigger) = (leading.term, leading.trigger);
            let heartbeat = Message::Heartbeat { term, round, trigger, turn };
            self.send_all(heartbeat.clone(), |_| true);
            self.newcomers().into_iter().for_each(|id| self.send(id, heartbeat.clone()));
            self.tell_who_is_behind();
            self.ask_successor();
            self.run_transition();
        }
        self.assume_leadership();
    }

    /// Counts the lease anew, and tells once that it may act.
    pub(super) fn assume_leadership(&mut self) {
        let (me, Some(leading)) = (self.me, self.role.leader_mut()) else { return };
        if let Some(took) = leading.renew(self.now, &self.rules, me) {
            self.timing.answered(took);
        }
        if leading.is_told || leading.acts_until(self.now, &self.rules, me).is_none() {
            return;
        }
        leading.is_told = true;
        self.tell(LossReason::Resigned);
    }

    pub(super) fn leading_deadline(&self, leading: &Leader) -> Instant {
        let gate = leading.gate.map(|gate| gate.until).filter(|until| *until > self.now).unwrap_or(Instant::NEVER);
        leading.beat_at.min(leading.lease_until()).min(gate)
    }

    pub(super) fn note_promise(&mut self, from: NodeId, term: Term, round: Round) -> Result<(), Rejected> {
        let is_mine = |leading: &&mut Leader| leading.term == term;
        let Some(leading) = self.role.leader_mut().filter(is_mine) else { return Err(Rejected::Stale) };
        if !leading.granted(self.now, from, round) {
            return Err(Rejected::Stale);
        }
        leading.outrun = leading.outrun.filter(|(outrunner, _)| *outrunner != from);
        self.assume_leadership();
        Ok(())
    }

    /// A voter follows no more, because it is in a higher term. If that lasts, only a higher term wins it back; the
    /// others, which still follow, let this leader have one.
    pub(super) fn note_defection(
        &mut self,
        from: NodeId,
        term: Term,
        (round, wait): (Round, Duration),
    ) -> Result<(), Rejected> {
        let is_answer = |leading: &&Leader| leading.term < term && leading.has_sent(round);
        if self.role.leader().filter(is_answer).is_none() {
            return Err(Rejected::Stale);
        }

        self.see(term);
        let (seen, stands_anew) = (self.seen, self.role.candidate().is_some());
        let Some(leading) = self.role.leader_mut().filter(|_| term <= seen) else { return Ok(()) };
        if leading.handing_over.is_some() || wait > Duration::ZERO {
            return Ok(());
        }

        let is_own = self.voter.as_ref().is_some_and(|voter| (voter.term(), voter.vote()) == (term, Some(self.me)));
        if is_own && !stands_anew {
            // It voted for this leader in an attempt that came to nothing, and has not heard so.
            self.send(from, Message::Resign { term });
            return Ok(());
        }

        let since = *leading.outrun.get_or_insert((from, self.now));
        let relieved = leading.term;
        if self.now.since(since.1) < self.rules.lease() || stands_anew {
            return Ok(());
        }

        leading.outrun = None;
        if let Some(voter) = &self.voter {
            let next = voter.term().max(self.seen).next();
            self.counts.campaigns += 1;
            self.stand_with_relief(next, relieved, None, Trigger::Outrun);
        }
        Ok(())
    }

    /// Hands leadership over, if this node has it; false if it has not, or `to` cannot have it.
    pub(super) fn hand_over(&mut self, to: Option<NodeId>) -> bool {
        if self.role.leader().is_none() || to.is_some_and(|to| to == self.me || self.rules.place_of(to).is_none()) {
            return false;
        }

        let is_named = to.is_some();
        let Some(to) = to.or_else(|| self.successor(0)) else {
            // No candidate can take it: it is simply given up.
            self.sit_out();
            return true;
        };
        // An attempt to be elected anew would end without a word of this.
        if !sabotage::is_off("ends_reelection") {
            self.drop_candidacy();
        }
        self.turn_to(to, is_named);
        true
    }

    /// This leader has no seat in the list that follows: a voter that has one takes leadership, and ends the change.
    pub(super) fn hand_over_to_who_stays(&mut self) {
        if let Some(to) = self.successor(0) {
            self.drop_candidacy();
            self.turn_to(to, false);
        }
    }

    /// Asks a voter to take leadership. The first that was asked counts from then, so a second one gives no more time.
    fn turn_to(&mut self, to: NodeId, is_named: bool) {
        let patience = (self.rules.lease() / SUCCESSORS_IN_LEASE).max(self.timing.measured(&self.rules));
        let retry_at = if is_named { Instant::NEVER } else { self.now + patience };
        let place = self.rules.place_of(to).unwrap_or_default();
        let until = self.now + self.rules.lease();
        let Some(leading) = self.role.leader_mut() else { return };
        let (until, asked) = leading.handing_over.map_or((until, 0), |over| (over.until, over.asked));
        let until = if sabotage::is_off("first_successor_counts") { self.now + self.rules.lease() } else { until };
        leading.handing_over = Some(HandingOver { to, until, retry_at, asked: asked | 1 << place });
        let term = leading.term;
        self.send(to, Message::HandOver { term });
    }

    /// Asks the successor once more, or another if that one did not come in its time.
    fn ask_successor(&mut self) {
        let Some((over, term)) = self.role.leader().and_then(|leading| Some((leading.handing_over?, leading.term)))
        else {
            return;
        };
        match self.successor(over.asked).filter(|_| over.retry_at <= self.now) {
            Some(other) => self.turn_to(other, false),
            None => self.send(over.to, Message::HandOver { term }),
        }
    }

    /// The candidate of the highest priority among those that answered within the lease, of equals the one that
    /// answered last, but for those at these places.
    fn successor(&self, asked: u32) -> Option<NodeId> {
        let leading = self.role.leader()?;
        let lives = |place: usize| !matches!(self.liveness.get(place), Some(Liveness::Dead | Liveness::Left));
        // A voter without a seat in what follows would have to hand over at once.
        let may = |place: usize| asked & 1 << place == 0 && lives(place) && self.rules.electorate().stays(place);
        let others = (0..).zip(self.rules.voters()).filter(|(place, (id, _))| *id != self.me && may(*place));
        let willing =
            others.filter_map(|(place, (id, _))| Some((self.priority_of(place)?, leading.promised(*id)?, *id)));
        let recent = willing.filter(|(_, asked, _)| *asked + self.rules.lease() > self.now);
        recent.reduce(|best, next| if (next.0, next.1) > (best.0, best.1) { next } else { best }).map(|(.., id)| id)
    }

    /// The voter that was asked to take leadership does not stand, or cannot vote yet: the next is asked, or leadership
    /// is given up. For one that was named the leader waits, if that is not for longer than it tries at all.
    pub(super) fn note_declined(&mut self, place: usize, term: Term, wait: Duration) -> Result<(), Rejected> {
        let id = self.rules.voters().get(place).map(|(id, _)| *id);
        let over = self.role.leader().filter(|leading| leading.term == term).and_then(|leading| leading.handing_over);
        let Some(over) = over.filter(|over| Some(over.to) == id) else { return Err(Rejected::Stale) };

        let again = self.now + wait;
        if let Some(leading) = self.role.leader_mut().filter(|_| wait > Duration::ZERO && over.may_wait(again)) {
            // It is asked with each heartbeat.
            leading.beat_at = leading.beat_at.min(again);
            return Ok(());
        }

        match self.successor(over.asked) {
            Some(other) => self.turn_to(other, false),
            None => self.sit_out(),
        }
        Ok(())
    }

    /// Another voter would lead: because a quorum misses this leader, or because it goes before this one. A leader
    /// whose lease is in good health does not hand over to those that miss it, for theirs may be the bad links.
    pub(super) fn hear_request(&mut self, from: NodeId, term: Term, priority: Option<u8>) -> Result<(), Rejected> {
        let me = self.me;
        let Some(leading) = self.role.leader().filter(|leading| leading.term == term) else {
            return Err(Rejected::Stale);
        };

        let yields = if let Some(priority) = priority {
            leading.is_told && self.candidacy.is_none_or(|own| priority > own)
        } else {
            let renewed = leading.quorum_since(self.now, &self.rules, me);
            renewed.is_none_or(|since| self.now.since(since) > self.rules.heartbeat() * 2)
        };

        if yields && leading.handing_over.is_none() {
            self.hand_over(Some(from));
        }
        Ok(())
    }

    /// Ends this node's own leadership, if it has one: voters need keep no promise to it, and its application hears
    /// that before it hears of another leader.
    pub(super) fn step_down(&mut self, reason: LossReason) {
        let Some(leading) = self.role.take_leader() else { return };
        self.end_of_leadership(&leading, reason);
        // The other half of an attempt to be elected anew is of no use without leadership.
        self.drop_candidacy();
        self.await_turn(self.vacancy);
    }

    /// Steps down by its own will, and leaves leadership to others for a while.
    pub(super) fn sit_out(&mut self) {
        self.sits_out_until = self.now + self.rules.lease();
        self.step_down(LossReason::Resigned);
    }

    fn end_of_leadership(&mut self, leading: &Leader, reason: LossReason) {
        self.next_round = self.next_round.max(leading.next_round());
        self.note_vacancy(self.me, reason);
        self.ended = reason;
        self.tell(reason);
        if let Some(voter) = &mut self.voter {
            voter.free(self.me, leading.term);
        }
        self.announce_resignation(leading.term);
    }

    /// Leadership whose lease is over is given up before anything else is done.
    pub(super) fn end_what_is_over(&mut self) {
        match self.role.leader() {
            // A successor did not come in time: leadership is open to the candidate that stands first.
            Some(leading) if leading.handing_over.is_some_and(|over| over.until <= self.now) => self.sit_out(),
            Some(leading) if leading.lease_until() <= self.now => {
                self.counts.leases_lost += 1;
                self.step_down(LossReason::LeaseRanOut);
            }
            Some(_) | None => {}
        }
        self.end_candidacy_that_is_over();
    }

    /// This node did not run for a while: if it leads, a quorum has to say so again before it acts.
    pub(super) fn doubt(&mut self) {
        if let Some(leading) = self.role.leader_mut() {
            leading.doubt(self.now);
        }
    }
}
