//! The candidate in a voter: waits for its turn, asks whether it would be elected, then for votes.
//!
//! Turns keep candidates apart (Raft 5.2 draws them at random): the first of those that are believed to live stands at
//! once, each other a turn later, and chance decides only after an attempt that came to nothing.

use std::time::Duration;

use crate::election::candidate::{Candidate, FAILURES_MAX, Refusal, Stage};
use crate::election::message::{Message, Question, Round};
use crate::leader::{Term, Trigger};
use crate::member::NodeId;
use crate::rejected::Rejected;
use crate::sabotage;
use crate::time::Instant;
use crate::voters::Version;

use super::{Election, Liveness, Purpose};

/// When this voter's turn comes, and why there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Turn {
    pub(super) at: Instant,
    pub(super) trigger: Trigger,
    /// Whether its place in the order is counted in: that is done when it comes, by those that live then.
    is_drawn: bool,
    /// Until when it is another candidate's, which stands already.
    yields_until: Instant,
}

impl Election {
    /// There is, or soon will be, an election: this voter's turn comes with its place among those that live. The first
    /// cause stands.
    pub(super) fn await_turn(&mut self, trigger: Trigger) {
        if self.voter.is_none() || !self.stands() || self.role.leader().is_some() {
            return;
        }
        let is_asking = self.role.candidate().is_some_and(|candidate| candidate.stage != Stage::LeaderCheck);
        if is_asking {
            return;
        }
        // A detector's word comes while the promise still binds: then it is worth asking at once when each voter is
        // free.
        let bound = if matches!(trigger, Trigger::Dead | Trigger::Left) { Duration::ZERO } else { self.bound() };
        let at = (self.now + bound).max(self.sits_out_until);
        match &mut self.turn {
            Some(turn) if turn.is_drawn || turn.at <= at => {}
            Some(turn) => turn.at = at,
            None => self.turn = Some(Turn { at, trigger, is_drawn: false, yields_until: Instant::ORIGIN }),
        }
    }

    /// After an attempt that came to nothing, or a vote for another, the turn comes later.
    fn await_another_turn(&mut self, trigger: Trigger) {
        self.turn = None;
        self.await_turn(trigger);
    }

    fn delay(&mut self) -> Duration {
        let turn = self.turn_length();
        // The order of ranks still tells most candidates apart after one vain attempt; with each further one chance
        // counts for more.
        let pause = if self.failures == 0 { Duration::ZERO } else { turn * (1 << self.failures.min(FAILURES_MAX)) / 4 };
        turn * self.rank() + self.random.fraction_of(pause)
    }

    pub(super) fn run_turn(&mut self) {
        let Some(turn) = self.turn.filter(|turn| turn.at <= self.now) else { return };
        let at = if turn.is_drawn { turn.at } else { (turn.at + self.delay()).max(turn.yields_until) };
        if at > self.now {
            self.turn = Some(Turn { at, is_drawn: true, ..turn });
            return;
        }
        self.turn = None;
        let is_led = match turn.trigger {
            Trigger::Dead | Trigger::Left => self.hears_leader(),
            _ => self.heard.is_some(),
        };
        if self.role.leader().is_none() && !is_led {
            self.stand_for_election(turn.trigger);
        }
    }

    /// Another stands, and will ask for votes when this voter is free: its own turn comes after that, and after the
    /// other has asked once more, should an answer be lost. It yields once, so that a candidate that no voter answers
    /// does not keep the others from standing.
    pub(super) fn yield_turn(&mut self, wait: Duration) {
        let until = self.now + wait.min(self.rules.promise()) + self.turn_length() * 3 / 2;
        if let Some(turn) = self.turn.as_mut().filter(|turn| !turn.is_drawn && turn.yields_until == Instant::ORIGIN) {
            turn.yields_until = until;
        }
    }

    /// Begins to ask whether it would be voted for.
    fn stand_for_election(&mut self, trigger: Trigger) {
        let Some(term) = self.next_term() else {
            // Its clock is behind the terms: time will tell.
            self.failures = self.failures.saturating_add(1);
            return self.await_another_turn(trigger);
        };

        self.counts.campaigns += 1;
        self.begin_candidacy(Stage::PreVote, term, trigger);
        if sabotage::is_off("pre_vote") {
            return self.vote_for_itself();
        }
        self.run_candidacy();
    }

    fn begin_candidacy(&mut self, stage: Stage, term: Term, trigger: Trigger) {
        self.drop_candidacy();
        let pace = (&self.rules, self.turn_length(), self.failures);
        self.role.stand(Candidate::new(self.now, pace, stage, (term, trigger), self.next_round));
    }

    /// Whether it votes for itself and asks others for their votes.
    pub(super) fn is_standing(&self) -> bool {
        self.role.candidate().is_some_and(|candidate| matches!(candidate.stage, Stage::Saving | Stage::Vote))
    }

    /// The term that a candidate stands in: above all it has heard of.
    pub(super) fn next_term(&self) -> Option<Term> {
        let voter = self.voter.as_ref()?;
        let term = voter.term().max(self.seen).next();
        voter.believes(self.now, term).then_some(term)
    }

    /// The leader is suspected, and not heard here: would a quorum that misses it, too, follow this voter?
    pub(super) fn run_leader_check(&mut self) {
        if self.leader_check_at.is_none_or(|at| at > self.now) {
            return;
        }
        let is_busy =
            self.role.candidate().is_some() || self.role.leader().is_some() || self.turn.is_some() || !self.stands();
        self.leader_check_at = self.heard.map(|_| self.now + self.rules.lease() / 2);
        if self.heard.is_none() || is_busy || self.hears_leader() || self.rank() > 0 {
            return;
        }
        if let Some(term) = self.next_term() {
            self.begin_candidacy(Stage::LeaderCheck, term, Trigger::HandedOver);
            self.run_candidacy();
        }
    }

    /// The leader of a term asks this voter to be elected in its place: no pre-vote is needed, for it was chosen.
    pub(super) fn take_over(&mut self, from: NodeId, term: Term) -> Result<(), Rejected> {
        let is_leader = self.heard.is_some_and(|heard| (heard.id, heard.term) == (from, term));
        if !is_leader || self.role.leader().is_some() {
            return Err(Rejected::Stale);
        }

        if !self.stands() && !sabotage::is_off("declines") {
            self.decline(from, term, Duration::ZERO);
            return Ok(());
        }
        let is_under_way = self.role.candidate().is_some_and(|candidate| candidate.hand_over == Some(term));
        if is_under_way {
            return Ok(());
        }

        let Some(next) = self.next_term() else {
            self.decline(from, term, Duration::ZERO);
            return Ok(());
        };

        self.counts.campaigns += 1;
        let may_vote =
            self.voter.as_ref().map(|voter| voter.may_vote(self.now, &self.rules, (next, self.me), Some(term)));
        if let Some(Err(no)) = may_vote {
            // It has just started, say.
            self.decline(from, term, no.wait);
            return Ok(());
        }

        self.stand_with_relief(next, term, Some(from), Trigger::HandedOver);
        Ok(())
    }

    /// Stands in the next term with the promises to the leader of `relieved` set aside, which is `predecessor` if it is
    /// not this node itself.
    pub(super) fn stand_with_relief(
        &mut self,
        next: Term,
        relieved: Term,
        predecessor: Option<NodeId>,
        trigger: Trigger,
    ) {
        self.turn = None;
        self.begin_candidacy(Stage::PreVote, next, trigger);
        if let Some(candidate) = self.role.candidate_mut() {
            candidate.hand_over = Some(relieved);
            candidate.predecessor = predecessor.filter(|_| !sabotage::is_off("predecessor"));
        }
        self.vote_for_itself();
    }

    pub(super) fn run_candidacy(&mut self) {
        let (Some(me), Some(candidate)) = (self.place, self.role.candidate_mut()) else { return };
        if candidate.stage == Stage::Saving || candidate.ask_at > self.now {
            return;
        }
        if candidate.stage == Stage::Vote && candidate.is_lost(self.now, &self.rules, me) {
            return self.fail();
        }

        let (term, hand_over) = (candidate.term, candidate.hand_over);
        let stage = candidate.stage;
        let round = candidate.ask(self.now, &self.rules);
        let message = match stage {
            Stage::LeaderCheck => Message::LeaderCheck { term, round },
            Stage::PreVote => Message::PreVote { term, round },
            Stage::Saving | Stage::Vote => Message::Vote { term, round, hand_over },
        };

        let wants = |place| candidate.wants(self.now, &self.rules, place);
        let unconvinced: Vec<bool> = (0..self.rules.voters().len()).map(wants).collect();
        self.send_all(message, |place| unconvinced.get(place) == Some(&true));

        // A quorum may have said yes while this voter was bound itself, or be this voter alone.
        if stage == Stage::PreVote || self.rules.quorum() == 1 {
            self.count_answers(me);
        }
    }

    pub(super) fn candidacy_deadline(&self, candidate: &Candidate) -> Option<Instant> {
        (candidate.stage != Stage::Saving).then(|| candidate.until.min(candidate.ask_at))
    }

    /// Goes on once a quorum has said yes.
    pub(super) fn count_answers(&mut self, me: usize) {
        let is_won =
            |candidate: &&Candidate| candidate.is_won(self.now, &self.rules, me) && self.may_go_on(candidate, me);
        let Some(candidate) = self.role.candidate().filter(is_won) else { return };
        match candidate.stage {
            Stage::LeaderCheck => self.ask_for_hand_over(),
            Stage::PreVote => self.vote_for_itself(),
            Stage::Saving => {}
            Stage::Vote => self.take_leadership(),
        }
    }

    /// As far as a voter without a saved list knows, no voter has agreed to the list in its configuration yet. Before
    /// it asks for votes it has heard all others that live, for one that knows of other voters says so; it waits half a
    /// lease for them, because an attempt without answers lasts for one.
    fn may_go_on(&self, candidate: &Candidate, me: usize) -> bool {
        if self.rules.electorate().version() != Version::default() || candidate.stage != Stage::PreVote {
            return true;
        }
        let lives = |place: &usize| self.liveness.get(*place) == Some(&Liveness::Alive);
        let mut others = (0..self.rules.voters().len()).filter(|place| *place != me && lives(place));
        others.all(|place| candidate.has_heard(place)) || self.now >= candidate.began + self.rules.lease() / 2
    }

    /// A quorum misses the leader and would follow this voter: the leader is asked to hand over.
    fn ask_for_hand_over(&mut self) {
        let leader = self.heard.map(|heard| (heard.id, heard.term));
        self.drop_candidacy();
        if let Some((id, term)) = leader {
            self.send(id, Message::AskHandOver { term, priority: None });
        }
    }

    /// The candidate's own vote comes first, and has to be safe before others are asked for theirs.
    fn vote_for_itself(&mut self) {
        let (Some(voter), Some(candidate)) = (&mut self.voter, self.role.candidate_mut()) else { return };
        let (me, term, relief) = (self.me, candidate.term, candidate.hand_over);
        if let Err(no) = voter.may_vote(self.now, &self.rules, (term, me), relief) {
            if no.wait > Duration::ZERO && relief.is_none() {
                candidate.ask_at = self.now + no.wait;
                candidate.until = candidate.until.max(candidate.ask_at + self.rules.lease());
            } else {
                self.fail();
            }
            return;
        }

        // docs/elections.md, E2: no question leaves before the own vote is saved.
        candidate.enter(self.now, &self.rules, Stage::Saving);
        voter.give(term, me, self.rules.electorate());
        if voter.is_saved() && voter.vote() == Some(me) {
            return self.go_to_the_voters();
        }
        self.begin_save(Purpose::Own);
    }

    /// The own vote is saved, or could not be.
    pub(super) fn go_to_the_voters(&mut self) {
        let (Some(voter), Some(candidate)) = (&mut self.voter, self.role.candidate_mut()) else { return };
        if candidate.stage != Stage::Saving {
            return;
        }
        let is_its_own = (voter.term(), voter.vote()) == (candidate.term, Some(self.me));
        if !is_its_own || !voter.is_saved() {
            return self.fail();
        }
        let until = self.now + self.rules.promise();
        voter.promise(self.now, self.me, candidate.term, until);
        candidate.enter(self.now, &self.rules, Stage::Vote);
        self.run_candidacy();
    }

    pub(super) fn note_granted(
        &mut self,
        (place, from): (usize, NodeId),
        asked: Question,
        (term, round): (Term, Round),
    ) -> Result<(), Rejected> {
        match asked {
            Question::Heartbeat => return self.note_promise(from, term, round),
            Question::Resigned => return self.note_confirmed(place, term),
            Question::LeaderCheck | Question::PreVote | Question::Vote | Question::HandOver => {}
        }

        let me = self.place.ok_or(Rejected::NoVoter)?;
        let is_mine = |candidate: &&mut Candidate| (candidate.question(), candidate.term) == (asked, term);
        let is_counted =
            self.role.candidate_mut().filter(is_mine).is_some_and(|candidate| candidate.granted(place, round));
        if is_counted {
            self.count_answers(me);
            self.ask_when_free(me);
            return Ok(());
        }

        if asked == Question::Vote && self.role.leader().is_some_and(|leading| leading.term == term) {
            // It was elected without this vote, whose promise comes with the next heartbeat.
            return Ok(());
        }

        let was_mine = self.voter.as_ref().is_some_and(|voter| (voter.term(), voter.vote()) == (term, Some(self.me)));
        if asked == Question::Vote && was_mine && self.role.candidate().is_none_or(|candidate| candidate.term != term) {
            // Too late: the voter need not keep its promise.
            self.send(from, Message::Resign { term });
            return Ok(());
        }
        Err(Rejected::Stale)
    }

    pub(super) fn note_refused(
        &mut self,
        (place, from): (usize, NodeId),
        asked: Question,
        (term, round): (Term, Round),
        wait: Duration,
    ) -> Result<(), Rejected> {
        match asked {
            Question::Heartbeat => return self.note_defection(from, term, (round, wait)),
            Question::HandOver => return self.note_declined(place, term, wait),
            Question::LeaderCheck | Question::PreVote | Question::Vote | Question::Resigned => {}
        }

        let me = self.place.ok_or(Rejected::NoVoter)?;
        let (now, turn) = (self.now, self.turn_length());
        let Some(candidate) = self.role.candidate_mut().filter(|candidate| candidate.question() == asked) else {
            return Err(Rejected::Stale);
        };

        let is_outbid = term >= candidate.term;
        // Bound to another for longer than it takes to save a vote, a voter is lost to this candidacy.
        let is_lost = candidate.stage == Stage::Vote && wait > turn;
        let refusal =
            if is_outbid || is_lost { Refusal::InThisTerm } else { Refusal::For(wait.min(self.rules.promise())) };
        if !candidate.refused(now, place, round, refusal) {
            return Err(Rejected::Stale);
        }

        let (stage, trigger) = (candidate.stage, candidate.trigger);
        match stage {
            Stage::PreVote if !is_outbid => {
                self.count_answers(me);
                self.ask_when_free(me);
            }
            Stage::Vote if candidate.is_lost(now, &self.rules, me) => self.fail(),
            _ => {}
        }

        self.see(term);
        if is_outbid && stage == Stage::PreVote {
            if let Some(next) = self.next_term().filter(|_| self.seen >= term) {
                self.begin_candidacy(Stage::PreVote, next, trigger);
                if let Some(candidate) = self.role.candidate_mut() {
                    candidate.ask_at = now + wait.min(turn);
                }
                self.run_candidacy();
            }
        }
        Ok(())
    }

    /// Asks for pre-votes again when a quorum of those that have answered is free.
    fn ask_when_free(&mut self, me: usize) {
        let (now, own) = (self.now, self.bound());
        if let Some(candidate) = self.role.candidate_mut().filter(|candidate| candidate.stage == Stage::PreVote) {
            candidate.wait_for_quorum(now, &self.rules, me, own);
        }
    }

    /// An attempt whose time is over has failed.
    pub(super) fn end_candidacy_that_is_over(&mut self) {
        let is_over = |candidate: &Candidate| candidate.stage != Stage::Saving && candidate.until <= self.now;
        if self.role.candidate().is_some_and(is_over) {
            self.fail();
        }
    }

    /// The attempt has come to nothing; the next comes later.
    fn fail(&mut self) {
        let Some(candidate) = self.role.candidate() else { return };
        let (stage, trigger) = (candidate.stage, candidate.trigger);
        let relieves = candidate.relieves();
        let knows_better = candidate.knows_better;
        self.drop_candidacy();
        // Perhaps no candidate is elected without the voter that refused under later voters: what it holds has to be
        // known here.
        knows_better.into_iter().for_each(|who| self.ask_who_votes(who));

        if let Some((predecessor, term)) = relieves {
            self.decline(predecessor, term, Duration::ZERO);
        }
        if stage != Stage::LeaderCheck && self.role.leader().is_none() {
            self.failures = self.failures.saturating_add(1);
            self.await_another_turn(trigger);
        }
    }

    /// Ends the attempt under way. If votes were asked for, the other voters are told that it does not lead in its
    /// term.
    pub(super) fn drop_candidacy(&mut self) {
        let Some(candidate) = self.role.take_candidate() else { return };
        self.next_round = candidate.next_round();
        if !matches!(candidate.stage, Stage::Saving | Stage::Vote) {
            return;
        }
        let (me, term) = (self.me, candidate.term);
        if let Some(voter) = &mut self.voter {
            voter.free(me, term);
        }
        if candidate.stage == Stage::Vote {
            self.announce_resignation(term);
        }
    }

    /// This voter has voted for another: if no leader comes of it, it stands when its promise is over.
    pub(super) fn wait_for_the_elected(&mut self) {
        let trigger = match (self.role.candidate(), self.turn) {
            (Some(candidate), _) => candidate.trigger,
            (None, Some(turn)) => turn.trigger,
            (None, None) => self.vacancy,
        };
        self.drop_candidacy();
        self.await_another_turn(trigger);
    }
}
