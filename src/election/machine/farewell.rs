//! The word of a leader or candidate that it leads nobody in a term: repeated until the other voters have confirmed it.
//!
//! It frees them from what they promised. A voter that does not hear it stays bound for as long as a promise lasts, and a
//! successor that was handed the office waits as long.

use std::time::Duration;

use crate::leader::Term;
use crate::sabotage;
use crate::time::Instant;
use crate::election::message::Message;
use crate::rejected::Rejected;

use super::{Election, Liveness};

/// Terms whose end is told at once. A voter that ends more of them in the time of a promise lets the oldest run out.
const FAREWELLS_MAX: usize = 2;

/// A term that this node ended, and who has not confirmed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Farewell {
    term: Term,
    /// By place.
    unconfirmed: Vec<bool>,
    say_at: Instant,
    pause: Duration,
    /// Promises to it are over then.
    until: Instant,
}

impl Farewell {
    /// The voters have other places now.
    pub(super) fn move_places(&mut self, moved: impl Fn(&[bool]) -> Vec<bool>) {
        self.unconfirmed = moved(&self.unconfirmed);
    }
}

impl Election {
    /// Tells the other voters that this node leads nobody in a term, nor ever will.
    pub(super) fn bid_farewell(&mut self, term: Term) {
        if sabotage::is_off("resigns") {
            return;
        }
        let unconfirmed = (0..self.rules.voters().len()).map(|place| Some(place) != self.place).collect();
        let farewell =
            Farewell { term, unconfirmed, say_at: self.now, pause: self.turn_length(), until: self.promise_until() };
        self.farewells.retain(|known| known.term != term);
        if self.farewells.len() >= FAREWELLS_MAX {
            self.farewells.remove(0);
        }
        self.farewells.push(farewell);
        self.run_farewells();
    }

    pub(super) fn run_farewells(&mut self) {
        let now = self.now;
        let mut said = Vec::new();
        for farewell in self.farewells.iter_mut().filter(|farewell| farewell.say_at <= now) {
            farewell.say_at = now + farewell.pause;
            farewell.pause *= 2;
            let waits = (0..).zip(&farewell.unconfirmed).filter(|(_, waits)| **waits);
            said.extend(waits.map(|(place, _): (usize, _)| (place, farewell.term)));
        }
        let is_gone = |place: usize| matches!(self.liveness.get(place), Some(Liveness::Dead | Liveness::Left));
        said.retain(|(place, _)| !is_gone(*place));
        for (place, term) in said {
            if let Some((to, _)) = self.rules.voters().get(place) {
                self.messages.push_back((*to, Message::Resign { term }));
            }
        }
        let is_once = sabotage::is_off("repeated_resign");
        self.farewells.retain(|farewell| farewell.until > now && farewell.unconfirmed.contains(&true) && !is_once);
    }

    pub(super) fn farewell_deadline(&self) -> Option<Instant> {
        self.farewells.iter().map(|farewell| farewell.say_at.min(farewell.until)).min()
    }

    /// A voter has heard that this node ended a term.
    pub(super) fn note_confirmed(&mut self, place: usize, term: Term) -> Result<(), Rejected> {
        let farewell = self.farewells.iter_mut().find(|farewell| farewell.term == term).ok_or(Rejected::Stale)?;
        let unconfirmed = farewell.unconfirmed.get_mut(place).filter(|waits| **waits).ok_or(Rejected::Stale)?;
        *unconfirmed = false;
        self.farewells.retain(|farewell| farewell.unconfirmed.contains(&true));
        Ok(())
    }
}
