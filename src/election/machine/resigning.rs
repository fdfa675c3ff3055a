//! The word of a leader or candidate that it does not lead in a term: repeated until the other voters have confirmed
//! it.
//!
//! It frees them from what they promised. A voter that does not hear it stays bound for as long as a promise lasts, and
//! a successor that was handed leadership waits as long.

use std::time::Duration;

use crate::election::message::Message;
use crate::leader::Term;
use crate::rejected::Rejected;
use crate::sabotage;
use crate::time::Instant;

use super::{Election, Liveness};

/// Terms whose end is told at once. A voter that ends more of them in the time of a promise lets the oldest run out.
const RESIGNATIONS_MAX: usize = 2;

/// A term that this node ended, and the voters that have not confirmed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Resignation {
    term: Term,
    /// Whether each voter has yet to confirm it, by place.
    unconfirmed: Vec<bool>,
    say_at: Instant,
    pause: Duration,
    /// Promises to it are over then.
    until: Instant,
}

impl Resignation {
    /// The voters have other places now.
    pub(super) fn move_places(&mut self, moved: impl Fn(&[bool]) -> Vec<bool>) {
        self.unconfirmed = moved(&self.unconfirmed);
    }
}

impl Election {
    /// Tells the other voters that this node does not lead in a term, nor ever will.
    pub(super) fn announce_resignation(&mut self, term: Term) {
        if sabotage::is_off("resigns") {
            return;
        }
        let unconfirmed = (0..self.rules.voters().len()).map(|place| Some(place) != self.place).collect();
        let resignation =
            Resignation { term, unconfirmed, say_at: self.now, pause: self.turn_length(), until: self.promise_until() };
        self.resignations.retain(|known| known.term != term);
        if self.resignations.len() >= RESIGNATIONS_MAX {
            self.resignations.remove(0);
        }
        self.resignations.push(resignation);
        self.repeat_resignations();
    }

    pub(super) fn repeat_resignations(&mut self) {
        let now = self.now;
        let mut said = Vec::new();
        for resignation in self.resignations.iter_mut().filter(|resignation| resignation.say_at <= now) {
            resignation.say_at = now + resignation.pause;
            resignation.pause *= 2;
            let waits = (0..).zip(&resignation.unconfirmed).filter(|(_, waits)| **waits);
            said.extend(waits.map(|(place, _): (usize, _)| (place, resignation.term)));
        }

        let is_gone = |place: usize| matches!(self.liveness.get(place), Some(Liveness::Dead | Liveness::Left));
        said.retain(|(place, _)| !is_gone(*place));

        for (place, term) in said {
            if let Some((to, _)) = self.rules.voters().get(place) {
                self.messages.push_back((*to, Message::Resign { term }));
            }
        }

        let is_once = sabotage::is_off("repeated_resign");
        self.resignations
            .retain(|resignation| resignation.until > now && resignation.unconfirmed.contains(&true) && !is_once);
    }

    pub(super) fn resignation_deadline(&self) -> Option<Instant> {
        self.resignations.iter().map(|resignation| resignation.say_at.min(resignation.until)).min()
    }

    /// A voter has heard that this node ended a term.
    pub(super) fn note_confirmed(&mut self, place: usize, term: Term) -> Result<(), Rejected> {
        let resignation =
            self.resignations.iter_mut().find(|resignation| resignation.term == term).ok_or(Rejected::Stale)?;
        let unconfirmed = resignation.unconfirmed.get_mut(place).filter(|waits| **waits).ok_or(Rejected::Stale)?;
        *unconfirmed = false;
        self.resignations.retain(|resignation| resignation.unconfirmed.contains(&true));
        Ok(())
    }
}
