//! Which voters are candidates, and in which order they stand: by priority first, then by id; the last leader stands
//! last.
//!
//! A voter stands only while its application wants to lead; otherwise it votes and follows, and hands over what it
//! leads. What others say of themselves is a hint from their records, late by gossip's time: it orders the candidates,
//! and decides nothing.

use std::time::Duration;

use crate::election::candidate::Candidate;
use crate::election::message::{Message, Question, Round};
use crate::leader::{LossReason, Term, Trigger};
use crate::member::NodeId;
use crate::sabotage;
use crate::time::Instant;

use super::{Election, Liveness};

/// How many leases a candidate stands before it asks a leader of a lower priority for leadership. Chosen: a restart
/// that fails at once moves nothing.
const SETTLED_LEASES: u32 = 2;
/// How often that doubles at most: once with each request.
const DOUBLINGS_MAX: u32 = 6;

impl Election {
    /// Says whether this voter is a candidate from now on, and with which priority. One that is none votes and follows.
    /// If it leads, it hands over; if no candidate can take leadership, it is given up.
    pub fn set_candidacy(&mut self, now: Instant, candidacy: Option<u8>) {
        self.enter(now);
        if self.candidacy == candidacy {
            return;
        }
        self.candidacy = candidacy;
        self.claims = 0;
        if !self.stands() {
            return self.withdraw();
        }
        if self.heard.is_none() {
            self.await_turn(self.vacancy);
        }
        self.await_claim();
    }

    /// Its priority, if it is a candidate.
    #[must_use]
    pub fn candidacy(&self) -> Option<u8> {
        self.candidacy
    }

    /// What a voter's record says of its candidacy.
    pub fn hint_candidacy(&mut self, now: Instant, id: NodeId, candidacy: Option<u8>) {
        self.enter(now);
        if let Some(known) = self.rules.place_of(id).and_then(|place| self.candidates.get_mut(place)) {
            *known = candidacy;
        }
        if self.heard.is_some_and(|heard| heard.id == id) {
            self.await_claim();
        }
    }

    /// Whether a voter is a candidate: as it says itself, if it is another than this node.
    #[must_use]
    pub fn is_candidate(&self, id: NodeId) -> bool {
        let said = self.rules.place_of(id).and_then(|place| self.priority_of(place));
        if id == self.me { self.stands() } else { said.is_some() }
    }

    pub(super) fn stands(&self) -> bool {
        self.candidacy.is_some() && self.place.is_some() && !self.is_leaving
    }

    pub(super) fn priority_of(&self, place: usize) -> Option<u8> {
        self.candidates.get(place).copied().flatten()
    }

    /// It stands no more, and leads no longer than it takes to hand over.
    pub(super) fn withdraw(&mut self) {
        (self.turn, self.claim_at) = (None, None);
        if sabotage::is_off("withdraws") {
            return;
        }

        let relieves = self.role.candidate().and_then(Candidate::relieves);
        if self.role.leader().is_none() {
            self.drop_candidacy();
        }
        if let Some((predecessor, term)) = relieves {
            self.decline(predecessor, term, Duration::ZERO);
        }

        // docs/elections.md, E10: it leads on only until a successor is elected, for a lease at most.
        match self.role.leader() {
            // It has not begun to act, so there is nothing to go on with meanwhile.
            Some(leading) if !leading.is_told => self.sit_out(),
            Some(leading) if leading.handing_over.is_none() => {
                self.hand_over(None);
            }
            Some(_) | None => {}
        }
    }

    /// Tells a leader that hands over that this voter does not stand, or cannot vote for so long.
    pub(super) fn decline(&mut self, leader: NodeId, term: Term, wait: Duration) {
        let asked = Question::HandOver;
        self.send(leader, Message::Refused { asked, term, round: Round(0), wait });
    }

    /// How many candidates that are believed to live stand before this one; the last leader stands last.
    pub(super) fn rank(&self) -> u32 {
        let Some(me) = self.place else { return 0 };
        let last = self.heard.map(|heard| heard.id).or(self.last);
        let lives = |place: usize| self.liveness.get(place) == Some(&Liveness::Alive);
        let others = (0..).zip(self.rules.voters()).filter(|(place, (id, _))| *place != me && Some(*id) != last);
        let is_before = |place: usize, priority: u8| {
            let own = self.candidacy.unwrap_or_default();
            priority > own || priority == own && place < me || last == Some(self.me)
        };
        let stands = |place: usize| self.priority_of(place).filter(|_| lives(place));
        others.filter(|(place, _)| stands(*place).is_some_and(|priority| is_before(*place, priority))).count() as u32
    }

    /// Plans to ask the leader for leadership, if this candidate goes before it. Whatever comes of it, each request
    /// makes the time before the next longer: one that cannot be elected, or that falls again and again, must not
    /// topple the others for ever.
    pub(super) fn await_claim(&mut self) {
        let pause = self.rules.lease() * SETTLED_LEASES * (1 << self.claims.min(DOUBLINGS_MAX));
        self.claim_at = (self.stands() && self.goes_before_leader()).then(|| self.now + pause);
    }

    /// Asks the leader for leadership.
    pub(super) fn run_claim(&mut self) {
        if self.claim_at.is_none_or(|at| at > self.now) {
            return;
        }
        let may_be_elected = self.stands() && self.goes_before_leader() && self.next_term().is_some();
        self.claims = self.claims.saturating_add(1);
        self.await_claim();
        if !may_be_elected {
            return;
        }
        if let Some(heard) = self.heard.filter(|_| self.hears_leader() && self.role.candidate().is_none()) {
            self.send(heard.id, Message::AskHandOver { term: heard.term, priority: self.candidacy });
        }
    }

    /// Whether this candidate's priority is higher than that of the leader it follows.
    fn goes_before_leader(&self) -> bool {
        let leader =
            self.heard.and_then(|heard| self.rules.place_of(heard.id)).and_then(|place| self.priority_of(place));
        leader.is_some_and(|leader| self.candidacy > Some(leader))
    }

    /// The leader that this voter followed, or was itself, leads no more.
    pub(super) fn note_vacancy(&mut self, who: NodeId, reason: LossReason) {
        self.last = Some(who);
        self.vacancy = if reason == LossReason::Resigned { Trigger::Resigned } else { Trigger::LeaseRanOut };
    }
}
