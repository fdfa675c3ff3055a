//! Which configuration of voters is in effect here: the latest that this node's store holds.
//!
//! A node that is behind is told by those that are ahead. A voter refuses its vote to a candidate of other voters that
//! is behind: that is the part which the log plays in Raft.

use std::time::Duration;

use crate::election::leader::Leader;
use crate::election::message::{Context, Message, Question};
use crate::election::rules::Rules;
use crate::election::voter::Voter;
use crate::leader::Term;
use crate::member::NodeId;
use crate::rejected::Rejected;
use crate::sabotage;
use crate::time::Instant;
use crate::voters::{Version, Voters};

use super::{Change, Election, Purpose};

/// The place of a leader that has no seat.
const NO_PLACE: usize = usize::MAX;
/// How often one node is asked which voters it knows.
const ASKS_MAX: u8 = 10;

/// A node that knows of a later configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ahead {
    id: NodeId,
    number: u32,
    pub(super) ask_at: Instant,
    asks_left: u8,
}

impl Election {
    /// Looks at which voters a message is written under, and takes in what it says of them.
    ///
    /// The answer is whether there is more to a message, and the sender's place among the voters.
    ///
    /// # Errors
    /// When its sender elects under other rules, or has no vote here.
    pub(super) fn check_context(
        &mut self,
        from: NodeId,
        context: &Context,
        message: &Message,
    ) -> Result<Option<usize>, Rejected> {
        if self.rules.context().differs(context) {
            return Err(Rejected::Voters);
        }
        self.note_version(from, context.version);
        match self.hear_of_voters(from, context, message) {
            Some(heard) => heard.map(|()| None),
            None => self.weigh_sender(from, context, message),
        }
    }

    /// Takes in what is about the voters, or from one that is only to be one; none if a message is about something
    /// else.
    fn hear_of_voters(&mut self, from: NodeId, context: &Context, message: &Message) -> Option<Result<(), Rejected>> {
        match message {
            Message::Voters { voters, .. } => self.take_voters(from, voters),
            Message::Holds { term, is_durable } => {
                let mine = self.rules.context();
                self.note_holds(from, (*term, context.version), *is_durable);
                if context.is_behind(&mine) {
                    self.tell_who_asks(from);
                } else if mine.is_behind(context) && self.role.leader().is_none() {
                    // The sender knows a later configuration.
                    self.ask_who_votes(from);
                }
            }
            Message::AskChange { term, round, is_forced, list } => {
                return Some(self.answer_request(from, (*term, *round), (*is_forced, list)));
            }
            Message::Granted { asked: Question::Heartbeat, term, round } if self.is_newcomer(from) => {
                return Some(self.note_promise(from, *term, *round));
            }
            Message::Refused { asked: Question::Heartbeat, term, round, wait } if self.is_newcomer(from) => {
                return Some(self.note_defection(from, *term, (*round, *wait)));
            }
            _ => return None,
        }
        Some(Ok(()))
    }

    /// Refuses a question under voters that are behind; under later ones too, if this voter has agreed to none yet or
    /// does not know the sender as a voter. Otherwise the answer is the sender's place. A leader check is refused too
    /// where sender or receiver has no seat, so that the sender learns the term. Of a sender without a seat all else is
    /// rejected, but for the leader that is followed.
    fn weigh_sender(&mut self, from: NodeId, context: &Context, message: &Message) -> Result<Option<usize>, Rejected> {
        let mine = self.rules.context();
        let place = self.rules.place_of(from);
        if let (Message::Refused { .. }, Some(candidate)) = (message, self.role.candidate_mut()) {
            if mine.is_behind(context) {
                candidate.knows_better = Some(from);
            }
        }

        // docs/elections.md, "Why it is safe", 2: no vote for a candidate of other lists whose version is lower.
        let is_behind = context.is_behind(&mine) && !sabotage::is_off("configurations_in_order");

        let question = match message {
            Message::LeaderCheck { round, .. } => Some((Question::LeaderCheck, *round)),
            Message::PreVote { round, .. } => Some((Question::PreVote, *round)),
            Message::Vote { round, .. } => Some((Question::Vote, *round)),
            _ => None,
        };
        if is_behind && (question.is_some() || place.is_none()) {
            self.tell_if_agreed(from);
        }

        match (question, place) {
            (Some((asked, round)), _) if is_behind => {
                self.refuse(from, asked, round, Duration::ZERO);
                Ok(None)
            }
            // This voter has agreed to no list yet, and would agree to its own with this vote.
            (Some((asked, round)), _) if mine.version == Version::default() && mine.is_behind(context) => {
                self.refuse(from, asked, round, Duration::ZERO);
                self.ask_who_votes(from);
                Ok(None)
            }
            // A voter says which term it is in to newcomers too, and when it has no seat itself.
            (Some((asked @ Question::LeaderCheck, round)), _) if place.is_none() || self.place.is_none() => {
                self.refuse(from, asked, round, Duration::ZERO);
                Ok(None)
            }
            // The sender, which is ahead, learns from the refusal that this voter is behind.
            (Some((asked, round)), None) if context.version > mine.version => {
                self.refuse(from, asked, round, Duration::ZERO);
                Ok(None)
            }
            // The leader that is followed has no seat any more, and goes once these voters are agreed.
            (None, None) if self.heard.is_some_and(|heard| (heard.id, heard.term) == (from, message.term())) => {
                Ok(Some(NO_PLACE))
            }
            // It may be a voter of a later configuration than it knows, but is none of this one.
            (Some(_), _) if self.place.is_none() && context.version <= mine.version => Err(Rejected::NoVoter),
            (_, None) => Err(Rejected::NoVoter),
            (_, Some(place)) => Ok(Some(place)),
        }
    }

    /// A joint configuration may never be agreed, and then those without it elect: they are told of it when they ask.
    fn tell_if_agreed(&mut self, to: NodeId) {
        if !self.rules.electorate().is_joint() {
            self.tell_voters(to, self.rules.electorate().clone());
        }
    }

    /// A node that asks is told of a joint configuration too, but only by a voter of the list before: there it was in
    /// effect before any that follows. A newcomer may hold one that was taken back.
    fn tell_who_asks(&mut self, to: NodeId) {
        let voters = self.rules.electorate();
        if self.place.is_some_and(|place| voters.is_present(place)) || !voters.is_joint() {
            self.tell_voters(to, voters.clone());
        }
    }

    /// A member's record says that it has a part in this election under a configuration of this number.
    pub fn hint_number(&mut self, now: Instant, id: NodeId, number: u32) {
        self.enter(now);
        if number > self.rules.electorate().version().number && self.voter.is_some() {
            self.ahead = Some(Ahead { id, number, ask_at: self.now, asks_left: ASKS_MAX });
            self.run_ahead();
        }
    }

    /// Asks the node that is ahead for its voters: once a lease, until they are known here or it was asked often
    /// enough.
    pub(super) fn run_ahead(&mut self) {
        let known = self.rules.electorate().version().number;
        let Some(ahead) = self.ahead.take_if(|ahead| ahead.number <= known || ahead.ask_at <= self.now) else { return };
        if ahead.number > known && ahead.asks_left > 0 {
            let asks_left = ahead.asks_left - 1;
            self.ahead = Some(Ahead { ask_at: self.now + self.rules.lease(), asks_left, ..ahead });
            self.ask_who_votes(ahead.id);
        }
    }

    /// Names the voters that are in effect here: a node that knows later ones tells them.
    pub(super) fn ask_who_votes(&mut self, of: NodeId) {
        let term = self.term().unwrap_or_default().max(Term(1));
        self.send(of, Message::Holds { term, is_durable: false });
    }

    pub(super) fn tell_voters(&mut self, to: NodeId, voters: Voters) {
        let term = self.term().unwrap_or_default().max(Term(1));
        self.send(to, Message::Voters { term, voters: voters.into() });
    }

    /// A node tells of a configuration: a later one is saved, and in effect then.
    fn take_voters(&mut self, from: NodeId, voters: &Voters) {
        if voters.version() <= self.rules.electorate().version() {
            return self.say_what_is_held(from);
        }
        // A later list that no leader has made (term 0) is taken only from a voter of the list in effect here: a
        // stranger may have been started alone.
        if voters.version().term == Term(0) && self.rules.place_of(from).is_none() {
            return;
        }
        if self.leaps_to(from, voters.version().term) {
            return;
        }

        let Some(voter) = &mut self.voter else { return };
        // A leader's own is the latest of its term; of later terms it learns by losing its leadership.
        if self.role.leader().is_some() || voter.is_saving() || !voter.can_be(self.now, voters.version().term) {
            return;
        }

        voter.configure(voters.clone());
        let is_other = voter.voters().is_some_and(|voters| voters.digest() != self.rules.electorate().digest());
        self.begin_save(Purpose::Voters(Some(from)));
        // It would be elected under the one, and lead under the other.
        if self.role.candidate().is_some() && is_other {
            self.wait_for_the_elected();
        }
    }

    /// Says that this voter holds what its messages name; to a leader, which counts those that do.
    pub(super) fn say_what_is_held(&mut self, to: NodeId) {
        let Some(voter) = &self.voter else { return };
        if voter.holds() != Some(self.rules.electorate().version()) {
            return;
        }
        let Some(term) = voter.spoken_term(self.now) else { return };
        let (term, is_durable) = (term.max(Term(1)), voter.is_durable());
        self.send(to, Message::Holds { term, is_durable });
    }

    /// What the store holds now is in effect, if it is later.
    pub(super) fn bring_into_effect(&mut self) {
        let held = self.voter.as_ref().and_then(Voter::held).cloned();
        let Some(voters) = held.filter(|held| held.version() > self.rules.electorate().version()) else { return };

        // docs/elections.md, "Why it is safe", 1: a configuration is in effect once the store holds it.
        let after = self.rules.under(voters);
        let before = std::mem::replace(&mut self.rules, after);
        self.place = self.rules.place_of(self.me);

        let until = self.promise_until();
        if let Some(leading) = self.role.leader_mut() {
            leading.transition.took_effect(before.electorate(), self.rules.electorate(), until);
            leading.recount(self.now, &self.rules, self.me);
            // So that the others have it at once.
            leading.beat_at = self.now;
        }

        if before.electorate().digest() == self.rules.electorate().digest() {
            return;
        }

        self.changed_at = self.now;
        self.move_places(&before);
        // What was asked under other voters counts no more.
        if self.role.candidate().is_some() {
            self.wait_for_the_elected();
        }

        match self.place {
            // A leader sees to it that its successors have it, and goes then.
            None if self.role.leader().is_none() => self.withdraw(),
            Some(_) if self.heard.is_none() => self.await_turn(self.vacancy),
            None | Some(_) => {}
        }

        let replace_own = before.electorate().version() == Version::default();
        self.changes.push_back(Change::Voters { replace_own });
    }

    /// What is known of each voter, by its place, goes with it to its new one.
    fn move_places(&mut self, before: &Rules) {
        let after = &self.rules;
        self.resigned = moved(&self.resigned, before, after);
        self.liveness = moved(&self.liveness, before, after);
        self.candidates = moved(&self.candidates, before, after);
        for resignation in &mut self.resignations {
            resignation.move_places(|waits| moved(waits, before, after));
        }
        if let Some(over) = self.role.leader_mut().and_then(|leading| leading.handing_over.as_mut()) {
            over.asked = 0;
        }
    }

    /// The nodes that are to be voters, and are told so, but are none yet.
    pub(super) fn newcomers(&self) -> Vec<NodeId> {
        let voters = self.rules.electorate();
        self.role.leader().map_or_else(Vec::new, |leading| leading.transition.newcomers(voters))
    }

    fn is_newcomer(&self, id: NodeId) -> bool {
        self.newcomers().contains(&id)
    }

    /// Notes which configuration a node's messages name.
    fn note_version(&mut self, from: NodeId, version: Version) {
        let in_effect = self.rules.electorate().version();
        if let Some(leading) = self.role.leader_mut() {
            leading.transition.note_named(from, version, in_effect, leading.term);
        }
    }

    /// What a voter in a later term says does not count: it may have voted there before it saved this, for a candidate
    /// under what was before.
    fn note_holds(&mut self, from: NodeId, (term, version): (Term, Version), is_durable: bool) {
        let is_late = |leading: &Leader| term > leading.term && !sabotage::is_off("holders_in_term");
        if let Some(leading) = self.role.leader_mut().filter(|leading| !is_late(leading)) {
            leading.transition.note_saved(from, version, is_durable);
            self.run_transition();
        }
    }
}

fn moved<T: Clone + Default>(of: &[T], before: &Rules, after: &Rules) -> Vec<T> {
    let known = |id: NodeId| before.place_of(id).and_then(|place| of.get(place)).cloned();
    after.voters().iter().map(|(id, _)| known(*id).unwrap_or_default()).collect()
}
