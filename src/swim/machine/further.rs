//! Changes of a record's further fields alone: which node may tell only those, and what a receiver makes of them.
//!
//! A change of leader is one, and must not drag a record with 512 bytes of metadata through the cluster. A member that
//! lacks the rest of the record cannot use the change, so only a node whose news of the rest have gone out tells the
//! change alone; the others tell the whole record.

use crate::member::{Incarnation, Record};
use crate::swim::detector::probe::Occasion;
use crate::swim::dissemination::gossip::Urgency;
use crate::swim::machine::Machine;
use crate::swim::machine::origin::Origin;
use crate::swim::members::merge::Source;
use crate::swim::members::precedence::leaps;
use crate::swim::slot::Slot;
use crate::time::Instant;
use crate::wire::{ChangeRef, RecordRef};

impl Machine {
    /// Replaces the further fields of this node's own record.
    pub(super) fn set_further_fields(&mut self, now: Instant, extra: &[u8]) {
        self.enter(now);
        let me = self.members.me();
        let base = self.is_settled(me).then(|| self.gossip.base(me).unwrap_or(self.me().incarnation()));
        let incarnation = self.me().incarnation().next();
        self.raise(incarnation, |record| record.set_extra(extra));
        self.gossip(me, Urgency::Joined);
        // A new start has told nothing yet.
        self.tell_change(me, base.filter(|base| *base < self.me().incarnation()));
        self.settle();
    }

    /// A member changed nothing but its further fields.
    pub(super) fn hear_change(&mut self, origin: Origin, change: &ChangeRef<'_>, source: Source) {
        if change.id == self.me().id() {
            if change.generation == self.me().generation() && change.incarnation > self.me().incarnation() {
                self.outlive_words(change.incarnation);
            }
            return;
        }

        let Some(slot) = self.members.find(change.id) else { return };

        // protocol.md 3.6: a leap is not stored; its owner is asked.
        if leaps(Some(self.members.member(slot).standing()), self.present(), change.generation, change.incarnation) {
            self.begin_round(slot, Occasion::Look);
            return;
        }

        let Some(record) = change.apply(self.members.member(slot).record()) else {
            if self.members.member(slot).generation() == change.generation {
                self.hear_incarnation(slot, change.incarnation);
            }
            return;
        };

        let base = self.is_settled(slot).then_some(change.base);
        self.hear_alive(origin, &RecordRef::of(&record), source);
        if self.is_told(slot, &record) {
            self.tell_change(slot, base);
        }
    }

    /// Whether a change may be told alone: not while news of the whole record are still under way, for a member that
    /// has not heard them could make nothing of it.
    fn is_settled(&self, slot: Slot) -> bool {
        self.gossip.urgency(slot).is_none() || self.gossip.base(slot).is_some()
    }

    fn is_told(&self, slot: Slot, record: &Record) -> bool {
        self.gossip.urgency(slot) == Some(Urgency::Joined) && self.members.member(slot).record() == record
    }

    fn tell_change(&mut self, slot: Slot, base: Option<Incarnation>) {
        if let Some(base) = base {
            self.gossip.build_on(slot, base);
        }
    }
}
