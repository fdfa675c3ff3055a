//! What others hold against a member: a received Suspect or Dead makes this node look and starts its own clock; it
//! never adopts another's verdict (`protocol.md 3.2`, `5.2`, `8.3`).

use crate::event::{DeadReason, SuspectReason};
use crate::member::{Accusers, Generation, Incarnation, NodeId, State};
use crate::sabotage;
use crate::swim::detector::pings::PingPurpose;
use crate::swim::detector::probe::Occasion;
use crate::swim::detector::suspicion::{Publicity, Suspicion, add_accusers};
use crate::swim::dissemination::gossip::Urgency;
use crate::swim::dissemination::outbox::First;
use crate::swim::machine::Machine;
use crate::swim::machine::origin::Origin;
use crate::swim::members::merge::Source;
use crate::swim::members::precedence::{Precedence, precedence};
use crate::swim::slot::Slot;
use crate::time::Instant;
use crate::wire::Accusation;

impl Machine {
    pub(super) fn hear_suspect(&mut self, origin: Origin, accusation: &Accusation) {
        if accusation.id == self.me().id() && !sabotage::is_off("own_name") {
            // A later start of our name that is suspected may yet be another process that runs: its record or its death
            // will tell.
            if accusation.generation <= self.me().generation() {
                self.accused(origin, accusation.generation, accusation.incarnation, accusation.accusers);
            }
            return;
        }

        let Some(slot) = self.raise_to(accusation.id, accusation.generation, accusation.incarnation) else { return };
        self.accuse(slot, accusation, SuspectReason::Accused);

        // protocol.md 5.9: the accuser asks for a second opinion.
        if accusation.probe {
            self.begin_round(slot, Occasion::Solicited);
        }
    }

    pub(super) fn hear_dead(&mut self, origin: Origin, accusation: &Accusation, source: Source) {
        if accusation.id == self.me().id() {
            self.accused(origin, accusation.generation, accusation.incarnation, accusation.accusers);
            return;
        }

        let Some(slot) = self.raise_to(accusation.id, accusation.generation, accusation.incarnation) else { return };
        let is_alive = self.members.member(slot).state() == State::Alive;

        if is_alive && source != Source::Gossip && self.can_reach(slot) {
            // protocol.md 8.3: a view from the other side of a partition. The member is told and looked at;
            // nothing is suspected here.
            let accused = Accusation { accusers: accusation.accusers, probe: false, ..*accusation };
            self.ping(slot, PingPurpose::Look, First::Accusation(accused));
            if let Some(serial) = self.begin_round(slot, Occasion::Look) {
                if let Some(round) = self.rounds.get_mut(serial) {
                    round.nackers = accusation.accusers;
                }
            }
            return;
        }

        // protocol.md 3.2: another's Dead is an accusation like a Suspect, and makes this node probe at once.
        self.accuse(slot, accusation, SuspectReason::CalledDead);
        self.note_called_dead(slot);
        if sabotage::is_off("own_verdict") {
            self.convict(slot, DeadReason::Silent);
        }
        if is_alive {
            self.begin_round(slot, Occasion::Look);
        }
    }

    /// The row that an accusation at this standing is about, with the incarnation raised to it; none if it is old, of a
    /// later start, or leaps ahead (`protocol.md 3.1`, `3.6`).
    fn raise_to(&mut self, id: NodeId, generation: Generation, incarnation: Incarnation) -> Option<Slot> {
        let slot = self.members.find(id)?;
        match precedence(self.members.member(slot).standing(), generation, incarnation) {
            Precedence::EarlierStart | Precedence::EarlierWords => {
                self.outdated.get_or_insert(slot);
                None
            }
            Precedence::LaterStart => None,
            Precedence::Leap => {
                self.begin_round(slot, Occasion::Look);
                None
            }
            Precedence::SameWords => Some(slot),
            Precedence::LaterWords => self.raise_words(slot, incarnation),
        }
    }

    /// An accusation of a later incarnation than the one that is held: the member has spoken since.
    fn raise_words(&mut self, slot: Slot, incarnation: Incarnation) -> Option<Slot> {
        if !self.may_be_live(slot) {
            return None;
        }

        let was_well = self.members.member(slot).state() == State::Alive;
        self.members.raise_incarnation(slot, incarnation);
        if !was_well {
            // It was suspected, convicted or gone before: what is held against it now has a clock of its own.
            self.revive(slot);
        }
        Some(slot)
    }

    /// Takes an accusation of a row at its present standing.
    fn accuse(&mut self, slot: Slot, accusation: &Accusation, reason: SuspectReason) {
        let row = self.members.row(slot);
        if row.is_provisional() || row.member.state() == State::Suspect {
            self.add_accusers(slot, accusation.accusers);
        } else if row.member.state() == State::Alive {
            // Its answer to a later ping of ours is better known than what is claimed.
            let start = (self.now - accusation.age.min(self.rules.unconfirmed_tolerance())).max(row.alive_at);
            let mut suspicion = Suspicion::new(self.now, start, reason, Publicity::Published, self.pace(slot));
            add_accusers(&mut suspicion, self.now, accusation.accusers.iter());
            self.suspect(slot, suspicion);
        }
    }

    /// Adds accusers to a suspicion; what is new is news.
    pub(super) fn add_accusers(&mut self, slot: Slot, accusers: Accusers) {
        let now = self.now;
        let Some(suspicion) = self.suspicions.get_mut(slot) else { return };

        let added = add_accusers(suspicion, now, accusers.iter());
        let was_private = suspicion.publicity != Publicity::Published;
        suspicion.publicity = Publicity::Published;

        if added > 0 {
            self.tell_accusers(slot);
        }
        if added > 0 || was_private {
            self.gossip(slot, Urgency::Suspect);
            self.reconsider(slot);
        }
    }

    /// Begins a suspicion of a live member.
    pub(super) fn suspect(&mut self, slot: Slot, mut suspicion: Suspicion) {
        let alive_at = self.members.row(slot).alive_at;
        if alive_at > Instant::ORIGIN {
            suspicion.answered(self.now, alive_at);
        }

        let is_published = suspicion.publicity == Publicity::Published;
        self.members.set_state(slot, State::Suspect);
        self.metrics.suspicions += 1;
        self.suspicions.insert(slot, suspicion);

        self.plan(slot);
        self.tell_suspicion(slot);
        self.anti_entropy.note_news(self.now);

        if is_published {
            self.gossip(slot, Urgency::Suspect);
        } else {
            self.gossip.hush(slot);
        }
    }
}
