//! Terms that lie further ahead than clocks explain: asked for before they are believed.
//!
//! Terms begin at a wall clock and rise by one with each election. One far beyond this voter's clock and all terms that
//! it knows is of a voter whose clock is wrong, or was made up. The member that is named as its sender is asked, under
//! a number that only it is told; the term that it then says it knows counts, and the message when it is repeated.

use crate::election::message::{Message, Question, Round};
use crate::leader::Term;
use crate::member::NodeId;
use crate::sabotage;
use crate::time::Instant;

use super::Election;

/// A leader check for this term asks which one a voter is in: no leader is elected in it any more, so that all refuse.
const WHICH_TERM: Term = Term(1);
/// Members that are asked at once.
const ASKED_MAX: usize = 32;

/// The members that were asked, and the highest possible term that an answer named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Leaping {
    asked: Vec<Asked>,
    confirmed: Term,
}

/// A member that is asked which term it is in: again with each heartbeat's time, under one number until it has
/// answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Asked {
    of: NodeId,
    round: Round,
    /// When it was asked last.
    at: Instant,
    has_answered: bool,
}

impl Election {
    /// Whether a message names a term that leaps: its sender is asked then. What answers a question of this voter's own
    /// names its number, and needs no other.
    pub(super) fn leaps(&mut self, from: NodeId, message: &Message) -> bool {
        match message {
            Message::Granted { .. } | Message::Refused { .. } => false,
            // A candidate's is one above what it knows of.
            Message::LeaderCheck { term, .. } | Message::PreVote { term, .. } | Message::Vote { term, .. } => {
                self.leaps_to(from, Term(term.0.saturating_sub(1)))
            }
            _ => self.leaps_to(from, message.term()),
        }
    }

    /// Whether a term leaps: the member that named it is asked then, once in the time of a heartbeat.
    pub(super) fn leaps_to(&mut self, from: NodeId, term: Term) -> bool {
        if !self.is_leap(term) || sabotage::is_off("leaps_asked") {
            return false;
        }

        let (now, pause, lease) = (self.now, self.rules.heartbeat(), self.rules.lease());
        self.leaping.asked.retain(|asked| asked.at + lease > now);
        let place = self.leaping.asked.iter().position(|asked| asked.of == from);
        let known = place.map(|place| self.leaping.asked.swap_remove(place));

        let is_soon = |asked: &Asked| asked.at + pause > now;
        if let Some(known) = known.filter(is_soon) {
            self.leaping.asked.push(known);
        } else if self.leaping.asked.len() < ASKED_MAX {
            let round = known.filter(|known| !known.has_answered).map(|known| known.round);
            let round = round.unwrap_or_else(|| Round(self.random.draw() as u32));
            self.leaping.asked.push(Asked { of: from, round, at: now, has_answered: false });
            self.send(from, Message::LeaderCheck { term: WHICH_TERM, round });
        }
        true
    }

    /// Whether a message answers that question; what it says is believed then.
    pub(super) fn hears_which_term(&mut self, from: NodeId, message: &Message) -> bool {
        let Message::Refused { asked: Question::LeaderCheck, term, round, .. } = *message else { return false };
        let is_it = |asked: &Asked| (asked.of, asked.round) == (from, round);
        let Some(asked) = self.leaping.asked.iter_mut().find(|asked| is_it(asked)) else { return false };
        asked.has_answered = true;
        if self.voter.as_ref().is_some_and(|voter| voter.can_be(self.now, term)) {
            self.leaping.confirmed = self.leaping.confirmed.max(term);
        }
        self.see(term);
        true
    }

    /// The term that a refusal of a leader check names: the highest that this voter goes by when it stands.
    pub(super) fn known_term(&self) -> Term {
        self.term().unwrap_or_default().max(self.seen).max(Term(1))
    }

    /// Whether a term can be, and lies further ahead than clocks and what is known explain.
    pub(super) fn is_leap(&self, term: Term) -> bool {
        let known = self.seen.max(self.leaping.confirmed);
        self.voter.as_ref().is_some_and(|voter| voter.can_be(self.now, term) && voter.leaps(self.now, known, term))
    }
}
