//! The leader in a node: takes office, renews its lease, steps down in time, hands over.

use std::time::Duration;

use crate::election::reign::{Gate, HandingOver, Reign};
use crate::leader::{LossReason, Term, Trigger};
use crate::member::NodeId;
use crate::sabotage;
use crate::time::Instant;
use crate::election::message::{Message, Round};
use crate::rejected::Rejected;

use super::{Election, Liveness};

/// How many voters a leader that hands over without naming one asks in turn while its lease lasts.
const SUCCESSORS_IN_LEASE: u32 = 4;

impl Election {
    /// A quorum has voted: this node leads, and may act as soon as its lease and its predecessor let it.
    pub(super) fn take_office(&mut self) {
        let Some(campaign) = self.campaign.take() else { return };
        self.next_round = campaign.next_round();
        let in_turn = campaign.hand_over.filter(|_| sabotage::is_off("own_term"));
        let (term, trigger) = (in_turn.unwrap_or(campaign.term), campaign.trigger);
        if let Some(old) = self.reign.take() {
            self.end_of_reign(&old, LossReason::Resigned);
        }
        let mut reign = Reign::new(self.now, term, trigger, campaign.granted_at(&self.rules), self.next_round);
        reign.gate = campaign.relieves().and_then(|(predecessor, term)| self.gate_behind(predecessor, term));
        self.counts.terms_won += 1;
        self.failures = 0;
        (self.turn, self.claim_at) = (None, None);
        self.reign = Some(reign);
        self.unfollow(LossReason::Resigned);
        self.run_reign();
    }

    /// Votes that set promises to a leader aside bind the elected to wait for that leader's word.
    fn gate_behind(&self, predecessor: NodeId, relieved: Term) -> Option<Gate> {
        let resigned = self.rules.place_of(predecessor).and_then(|place| self.resigned.get(place));
        let has_resigned = resigned.is_some_and(|resigned| resigned.contains(&relieved));
        (!has_resigned).then(|| Gate { predecessor, term: relieved, until: self.promise_until() })
    }

    /// Renews when that is due, and goes on handing over.
    pub(super) fn run_reign(&mut self) {
        let Some(reign) = &mut self.reign else { return };
        if reign.beat_at <= self.now {
            let round = reign.beat(self.now, &self.rules);
            let turn = self.tempo.measured(&self.rules);
            let (term, trigger) = (reign.term, reign.trigger);
            let heartbeat = Message::Heartbeat { term, round, trigger, turn };
            self.send_all(heartbeat.clone(), |_| true);
            self.newcomers().into_iter().for_each(|id| self.send(id, heartbeat.clone()));
            self.tell_who_is_behind();
            self.ask_successor();
            self.run_transition();
        }
        self.assume_office();
    }

    /// Counts the lease anew, and tells once that it may act.
    pub(super) fn assume_office(&mut self) {
        let (me, Some(reign)) = (self.me, &mut self.reign) else { return };
        if let Some(took) = reign.renew(self.now, &self.rules, me) {
            self.tempo.answered(took);
        }
        if reign.is_told || reign.acts_until(self.now, &self.rules, me).is_none() {
            return;
        }
        reign.is_told = true;
        self.tell(LossReason::Resigned);
    }

    pub(super) fn reign_deadline(&self, reign: &Reign) -> Instant {
        let gate = reign.gate.map(|gate| gate.until).filter(|until| *until > self.now).unwrap_or(Instant::NEVER);
        reign.beat_at.min(reign.lease_until()).min(gate)
    }

    pub(super) fn note_promise(&mut self, from: NodeId, term: Term, round: Round) -> Result<(), Rejected> {
        let is_mine = |reign: &&mut Reign| reign.term == term;
        let Some(reign) = self.reign.as_mut().filter(is_mine) else { return Err(Rejected::Stale) };
        if !reign.granted(self.now, from, round) {
            return Err(Rejected::Stale);
        }
        reign.outrun = reign.outrun.filter(|(outrunner, _)| *outrunner != from);
        self.assume_office();
        Ok(())
    }

    /// A voter follows no more, because it is in a higher term. If that lasts, only a higher term wins it back; the
    /// others, who still follow, let this leader have one.
    pub(super) fn note_defection(
        &mut self,
        from: NodeId,
        term: Term,
        (round, wait): (Round, Duration),
    ) -> Result<(), Rejected> {
        let is_answer = |reign: &&Reign| reign.term < term && reign.has_sent(round);
        if self.reign.as_ref().filter(is_answer).is_none() {
            return Err(Rejected::Stale);
        }
        self.see(term);
        let seen = self.seen;
        let Some(reign) = self.reign.as_mut().filter(|_| term <= seen) else { return Ok(()) };
        if reign.handing_over.is_some() || wait > Duration::ZERO {
            return Ok(());
        }
        let is_own = self.voter.as_ref().is_some_and(|voter| (voter.term(), voter.vote()) == (term, Some(self.me)));
        if is_own && self.campaign.is_none() {
            // It voted for this leader in an attempt that came to nothing, and has not heard so.
            self.send(from, Message::Resign { term });
            return Ok(());
        }
        let since = *reign.outrun.get_or_insert((from, self.now));
        let relieved = reign.term;
        if self.now.since(since.1) < self.rules.lease() || self.campaign.is_some() {
            return Ok(());
        }
        reign.outrun = None;
        if let Some(voter) = &self.voter {
            let next = voter.term().max(self.seen).next();
            self.counts.campaigns += 1;
            self.stand_with_relief(next, relieved, None, Trigger::Outrun);
        }
        Ok(())
    }

    /// Hands the office over, if this node has it; false if it has not, or `to` cannot have it.
    pub(super) fn hand_over(&mut self, to: Option<NodeId>) -> bool {
        if self.reign.is_none() || to.is_some_and(|to| to == self.me || self.rules.place_of(to).is_none()) {
            return false;
        }
        let is_named = to.is_some();
        let Some(to) = to.or_else(|| self.successor(0)) else {
            // Nobody to take it: it is simply given up.
            self.sit_out();
            return true;
        };
        // An attempt to be elected anew would end without a word of this.
        if !sabotage::is_off("ends_reelection") {
            self.drop_campaign();
        }
        self.turn_to(to, is_named);
        true
    }

    /// This leader has no seat in the list that follows: somebody who has one takes the office, and ends the change.
    pub(super) fn hand_over_to_who_stays(&mut self) {
        if let Some(to) = self.successor(0) {
            self.drop_campaign();
            self.turn_to(to, false);
        }
    }

    /// Asks a voter to take the office. The first that was asked counts from then, so a second one gives no more time.
    fn turn_to(&mut self, to: NodeId, is_named: bool) {
        let patience = (self.rules.lease() / SUCCESSORS_IN_LEASE).max(self.tempo.measured(&self.rules));
        let retry_at = if is_named { Instant::NEVER } else { self.now + patience };
        let place = self.rules.place_of(to).unwrap_or_default();
        let until = self.now + self.rules.lease();
        let Some(reign) = &mut self.reign else { return };
        let (until, asked) = reign.handing_over.map_or((until, 0), |over| (over.until, over.asked));
        let until = if sabotage::is_off("first_successor_counts") { self.now + self.rules.lease() } else { until };
        reign.handing_over = Some(HandingOver { to, until, retry_at, asked: asked | 1 << place });
        let term = reign.term;
        self.send(to, Message::HandOver { term });
    }

    /// Asks the successor once more, or another if that one did not come in its time.
    fn ask_successor(&mut self) {
        let Some((over, term)) = self.reign.as_ref().and_then(|reign| Some((reign.handing_over?, reign.term))) else {
            return;
        };
        match self.successor(over.asked).filter(|_| over.retry_at <= self.now) {
            Some(other) => self.turn_to(other, false),
            None => self.send(over.to, Message::HandOver { term }),
        }
    }

    /// The candidate of the highest priority among those that answered within the lease, of equals the one that answered
    /// last, but for those at these places.
    fn successor(&self, asked: u32) -> Option<NodeId> {
        let reign = self.reign.as_ref()?;
        let lives = |place: usize| !matches!(self.liveness.get(place), Some(Liveness::Dead | Liveness::Left));
        // Who has no seat in what follows would have to hand over at once.
        let may = |place: usize| asked & 1 << place == 0 && lives(place) && self.rules.electorate().stays(place);
        let others = (0..).zip(self.rules.voters()).filter(|(place, (id, _))| *id != self.me && may(*place));
        let willing = others.filter_map(|(place, (id, _))| Some((self.priority_of(place)?, reign.promised(*id)?, *id)));
        let recent = willing.filter(|(_, asked, _)| *asked + self.rules.lease() > self.now);
        recent.reduce(|best, next| if (next.0, next.1) > (best.0, best.1) { next } else { best }).map(|(.., id)| id)
    }

    /// The voter that was asked to take the office does not stand, or cannot vote yet: the next is asked, or the office is
    /// given up. For one that somebody named the leader waits, if that is not for longer than it tries at all.
    pub(super) fn note_declined(&mut self, place: usize, term: Term, wait: Duration) -> Result<(), Rejected> {
        let id = self.rules.voters().get(place).map(|(id, _)| *id);
        let over = self.reign.as_ref().filter(|reign| reign.term == term).and_then(|reign| reign.handing_over);
        let Some(over) = over.filter(|over| Some(over.to) == id) else { return Err(Rejected::Stale) };
        let again = self.now + wait;
        if let Some(reign) = self.reign.as_mut().filter(|_| wait > Duration::ZERO && over.may_wait(again)) {
            // It is asked with each heartbeat.
            reign.beat_at = reign.beat_at.min(again);
            return Ok(());
        }
        match self.successor(over.asked) {
            Some(other) => self.turn_to(other, false),
            None => self.sit_out(),
        }
        Ok(())
    }

    /// Another would lead: because voters miss this leader, or because it goes before this one. To those who miss it a
    /// leader whose lease is in good health does not hand over, for they may be the ones whose links are bad.
    pub(super) fn hear_request(&mut self, from: NodeId, term: Term, priority: Option<u8>) -> Result<(), Rejected> {
        let me = self.me;
        let Some(reign) = self.reign.as_ref().filter(|reign| reign.term == term) else { return Err(Rejected::Stale) };
        let yields = if let Some(priority) = priority {
            reign.is_told && self.candidacy.is_none_or(|own| priority > own)
        } else {
            let renewed = reign.quorum_since(self.now, &self.rules, me);
            renewed.is_none_or(|since| self.now.since(since) > self.rules.heartbeat() * 2)
        };
        if yields && reign.handing_over.is_none() {
            self.hand_over(Some(from));
        }
        Ok(())
    }

    /// Ends this node's own leadership, if it has one: nobody need keep a promise to it, and its application hears that
    /// before it hears of another leader.
    pub(super) fn step_down(&mut self, reason: LossReason) {
        let Some(reign) = self.reign.take() else { return };
        self.end_of_reign(&reign, reason);
        // The other half of an attempt to be elected anew is of no use without the office.
        self.drop_campaign();
        self.await_turn(self.vacancy);
    }

    /// Steps down by its own will, and leaves the office to others for a while.
    pub(super) fn sit_out(&mut self) {
        self.sits_out_until = self.now + self.rules.lease();
        self.step_down(LossReason::Resigned);
    }

    fn end_of_reign(&mut self, reign: &Reign, reason: LossReason) {
        self.next_round = self.next_round.max(reign.next_round());
        self.note_vacancy(self.me, reason);
        self.ended = reason;
        self.tell(reason);
        if let Some(voter) = &mut self.voter {
            voter.free(self.me, reign.term);
        }
        self.bid_farewell(reign.term);
    }

    /// An office whose lease is over is given up before anything else is done.
    pub(super) fn end_what_is_over(&mut self) {
        match &self.reign {
            // A successor did not come in time: the office is open to whoever stands first.
            Some(reign) if reign.handing_over.is_some_and(|over| over.until <= self.now) => self.sit_out(),
            Some(reign) if reign.lease_until() <= self.now => {
                self.counts.leases_lost += 1;
                self.step_down(LossReason::LeaseRanOut);
            }
            Some(_) | None => {}
        }
        self.end_campaign_that_is_over();
    }

    /// This node did not run for a while: if it leads, a quorum has to say so again before it acts.
    pub(super) fn doubt(&mut self) {
        if let Some(reign) = &mut self.reign {
            reign.doubt(self.now);
        }
    }
}
