//! The voter in a node: answers candidates, follows leaders, lets go of those that resign.

use std::time::Duration;

use crate::election::leader::Gate;
use crate::election::message::{Message, Question, Round};
use crate::election::voter::Voter;
use crate::leader::{LossReason, Term, Trigger};
use crate::member::NodeId;
use crate::rejected::Rejected;
use crate::sabotage;

use super::knowing::Heard;
use super::{Election, Purpose};

impl Election {
    fn grant(&mut self, to: NodeId, asked: Question, term: Term, round: Round) {
        self.send(to, Message::Granted { asked, term, round });
    }

    pub(super) fn refuse(&mut self, to: NodeId, asked: Question, round: Round, wait: Duration) {
        let own = self.term().unwrap_or_default().max(Term(1));
        let term = if asked == Question::LeaderCheck { self.known_term() } else { own };
        self.send(to, Message::Refused { asked, term, round, wait });
    }

    /// Whether this voter would vote so now.
    ///
    /// # Errors
    /// How long it would have to wait; zero if time is not what it lacks.
    fn would_vote(&self, candidate: NodeId, term: Term, hand_over: Option<Term>) -> Result<(), Duration> {
        let Some(voter) = &self.voter else { return Err(Duration::ZERO) };
        voter.may_vote(self.now, &self.rules, (term, candidate), hand_over).map_err(|no| no.wait)?;
        match self.role.leader() {
            Some(leading) if hand_over != Some(leading.term) => Err(leading.lease_until().since(self.now)),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn answer_pre_vote(&mut self, from: NodeId, term: Term, round: Round) -> Result<(), Rejected> {
        self.see_candidate(term);
        match self.would_vote(from, term, None) {
            Ok(()) => {
                self.yield_turn(Duration::ZERO);
                self.grant(from, Question::PreVote, term, round);
            }
            Err(wait) => {
                self.yield_turn(wait);
                // A voter that stands already asks for time to be elected.
                let wait = if self.is_standing() { wait.max(self.turn_length()) } else { wait };
                self.refuse(from, Question::PreVote, round, wait);
            }
        }
        Ok(())
    }

    /// As for a pre-vote, but the promise to a leader that is not heard any more is no reason to refuse.
    pub(super) fn answer_leader_check(&mut self, from: NodeId, term: Term, round: Round) -> Result<(), Rejected> {
        let leader = self.heard.map(|heard| heard.term);
        let misses = !self.hears_leader();
        match self.would_vote(from, term, leader) {
            Ok(()) if misses => self.grant(from, Question::LeaderCheck, term, round),
            Ok(()) => self.refuse(from, Question::LeaderCheck, round, Duration::ZERO),
            Err(wait) => self.refuse(from, Question::LeaderCheck, round, wait),
        }
        Ok(())
    }

    /// A candidate's term is one above what it has seen; that much is learned even from a question that is refused.
    fn see_candidate(&mut self, term: Term) {
        self.see(Term(term.0.saturating_sub(1)));
    }

    pub(super) fn answer_vote(
        &mut self,
        (place, from): (usize, NodeId),
        (term, round): (Term, Round),
        hand_over: Option<Term>,
    ) -> Result<(), Rejected> {
        if self.resigned.get(place).is_some_and(|resigned| resigned.contains(&term)) {
            return Err(Rejected::Stale);
        }

        self.see_candidate(term);
        if self.is_saving_vote_for(from, term) && !sabotage::is_off("saving_in_silence") {
            // The answer comes when the vote is saved. To refuse meanwhile would be to say that it went to another.
            self.purpose = Some(Purpose::Vote(from, round));
            return Ok(());
        }

        // Relief is the leader's to give, and a leader relieves only the successor that it hands over to.
        let is_chosen = |to: NodeId| to == from;
        let own = self.role.leader().map(|leading| leading.handing_over.is_some_and(|over| is_chosen(over.to)));
        let relief = hand_over.filter(|_| own != Some(false));
        if let Err(wait) = self.would_vote(from, term, relief) {
            self.refuse(from, Question::Vote, round, wait);
            return Ok(());
        }

        let Some(voter) = &mut self.voter else { return Err(Rejected::NoVoter) };
        voter.give(term, from, self.rules.electorate());
        let is_saved = voter.is_saved();
        if self.role.leader().is_none() && !sabotage::is_off("vote_ends_candidacy") {
            // A voter that votes for another stands no more. While the vote is saved it could still be elected itself,
            // and the other would be by the vote of a leader that did not step down.
            self.wait_for_the_elected();
        }

        // docs/elections.md, E2: a vote is told only once it is saved.
        if is_saved {
            self.grant_vote(from, round);
        } else {
            self.begin_save(Purpose::Vote(from, round));
        }
        Ok(())
    }

    fn is_saving_vote_for(&self, candidate: NodeId, term: Term) -> bool {
        let is_it = |voter: &Voter| voter.is_saving() && (voter.term(), voter.vote()) == (term, Some(candidate));
        let is_asker = matches!(self.purpose, Some(Purpose::Vote(asker, _)) if asker == candidate);
        is_asker && self.voter.as_ref().is_some_and(is_it)
    }

    /// The vote for a candidate is saved, or could not be.
    pub(super) fn grant_vote(&mut self, candidate: NodeId, round: Round) {
        let until = self.promise_until();
        let Some(voter) = &mut self.voter else { return };
        let term = voter.term();
        if voter.vote() != Some(candidate) || !voter.is_saved() || voter.is_void() {
            return;
        }
        voter.promise(self.now, candidate, term, until);
        self.counts.votes_given += 1;
        self.grant(candidate, Question::Vote, term, round);
        if self.role.leader().is_none() {
            self.wait_for_the_elected();
        }
    }

    /// Answers a leader's heartbeat: follows it and promises itself to it, where [`Voter::may_follow`] allows it and
    /// the term is not over.
    pub(super) fn follow(
        &mut self,
        (place, from): (usize, NodeId),
        (term, round): (Term, Round),
        (trigger, turn): (Trigger, Duration),
    ) -> Result<(), Rejected> {
        if self.resigned.get(place).is_some_and(|resigned| resigned.contains(&term)) {
            return Err(Rejected::Stale);
        }

        let Some(voter) = &self.voter else { return Err(Rejected::NoVoter) };
        if let Err(wait) = voter.may_follow(self.now, term) {
            self.refuse(from, Question::Heartbeat, round, wait);
            return Ok(());
        }
        if !voter.can_be(self.now, term) || self.role.leader().is_some_and(|leading| leading.term >= term) {
            return Err(Rejected::Stale);
        }

        self.step_down(LossReason::Resigned);
        self.drop_candidacy();
        let until = self.promise_until();
        if let Some(voter) = &mut self.voter {
            voter.adopt(term);
            voter.promise(self.now, from, term, until);
        }

        self.see(term);
        self.grant(from, Question::Heartbeat, term, round);
        self.failures = 0;
        self.timing.hear(turn);
        self.turn = None;

        let is_new = self.heard.is_none_or(|heard| (heard.id, heard.term) != (from, term));
        self.heard = Some(Heard { id: from, term, trigger, at: self.now, until });
        if is_new {
            self.await_claim();
        }
        self.tell(LossReason::Resigned);
        Ok(())
    }

    /// A leader or candidate of a term says that it does not lead in it, nor ever will.
    pub(super) fn note_resigned(&mut self, (place, from): (usize, NodeId), term: Term) -> Result<(), Rejected> {
        let resigned = self.resigned.get_mut(place);
        let is_known = resigned.as_ref().is_some_and(|resigned| resigned.contains(&term));
        if let Some(resigned) = resigned.filter(|_| !is_known) {
            *resigned = [term, resigned[0]];
        }

        self.grant(from, Question::Resigned, term, Round(0));
        if is_known {
            return Ok(());
        }
        if let Some(voter) = &mut self.voter {
            voter.free(from, term);
        }

        let opens = |gate: Gate| (gate.predecessor, gate.term) == (from, term);
        if let Some(leading) = self.role.leader_mut().filter(|leading| leading.gate.is_some_and(opens)) {
            leading.gate = None;
            self.assume_leadership();
        }

        if self.heard.is_some_and(|heard| (heard.id, heard.term) == (from, term)) {
            self.turn = None;
            self.unfollow(LossReason::Resigned);
            self.await_turn(Trigger::Resigned);
        } else if self.heard.is_none() {
            if let Some(candidate) = self.role.candidate_mut() {
                candidate.ask_the_freed(self.now);
            }
            // A promise that was given up may have been what this voter waited for.
            let trigger = self.turn.take().map_or(self.vacancy, |turn| turn.trigger);
            self.await_turn(trigger);
        }
        Ok(())
    }
}
