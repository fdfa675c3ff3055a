//! Terms that lie further ahead than clocks explain: asked for before they are believed.
//!
//! Terms begin at a wall clock and rise by one with each election. One far beyond this voter's clock and all terms that it
//! knows is of a voter whose clock is wrong, or of nobody: somebody else made it up. The member that is named as its sender
//! is asked, under a number that only it is told; the term that it then says it is in counts, and the letter it repeats.

use crate::leader::Term;
use crate::member::NodeId;
use crate::sabotage;
use crate::time::Instant;
use crate::wire::{Letter, Question, Round};

use super::Election;

/// Members that are asked at once.
const ASKED_MAX: usize = 32;

/// Who was asked, and the highest term that an answer named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Leaping {
    asked: Vec<Asked>,
    confirmed: Term,
}

/// A member that was asked which term it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Asked {
    of: NodeId,
    round: Round,
    at: Instant,
}

impl Election {
    /// Whether a letter names a term that leaps: its sender is asked then. What answers a question of this voter's own names
    /// its number, and needs no other.
    pub(super) fn leaps(&mut self, from: NodeId, letter: &Letter) -> bool {
        match letter {
            Letter::Granted { .. } | Letter::Refused { .. } => false,
            // Of a term that is refused anyway a candidate's is one above what it has seen.
            Letter::PreVote { term, .. } | Letter::Vote { term, .. } => {
                self.leaps_to(from, Term(term.0.saturating_sub(1)))
            }
            _ => self.leaps_to(from, letter.term()),
        }
    }

    /// Whether a term leaps: the member that named it is asked then, once in the time of a heartbeat.
    pub(super) fn leaps_to(&mut self, from: NodeId, term: Term) -> bool {
        if !self.is_leap(term) || sabotage::is_off("leaps_asked") {
            return false;
        }
        let (now, pause) = (self.now, self.rules.heartbeat());
        let asked = &mut self.leaping.asked;
        asked.retain(|asked| asked.at + pause > now);
        if asked.len() < ASKED_MAX && asked.iter().all(|asked| asked.of != from) {
            let round = Round(self.random.draw() as u32);
            asked.push(Asked { of: from, round, at: now });
            // In a term that it is past: a refusal names the one that it is in.
            let term = self.term().unwrap_or_default().max(Term(1));
            self.send(from, Letter::Sounding { term, round });
        }
        true
    }

    /// Whether a letter answers that question; what it says is believed then.
    pub(super) fn hears_which_term(&mut self, from: NodeId, letter: &Letter) -> bool {
        let Letter::Refused { asked: Question::Sounding, term, round, .. } = *letter else { return false };
        let is_it = |asked: &Asked| (asked.of, asked.round) == (from, round);
        let Some(place) = self.leaping.asked.iter().position(is_it) else { return false };
        self.leaping.asked.remove(place);
        self.leaping.confirmed = self.leaping.confirmed.max(term);
        self.see(term);
        true
    }

    /// Whether a term can be, and lies further ahead than clocks and what is known explain.
    pub(super) fn is_leap(&self, term: Term) -> bool {
        let known = self.seen.max(self.leaping.confirmed);
        self.voter.as_ref().is_some_and(|voter| voter.can_be(self.now, term) && voter.leaps(self.now, known, term))
    }
}
