//! This node's own metadata: told at once while the cluster's budget allows, else coalesced to the
//! newest (`protocol.md 7.4`).

use crate::member::{IdentityError, METADATA_BYTES_MAX, Record};
use crate::sabotage;
use crate::swim::dissemination::gossip::{Urgency, sends_in_all};
use crate::swim::dissemination::pace::Load;
use crate::swim::machine::Machine;
use crate::swim::timers::Timer;
use crate::time::Instant;

/// What a record's item takes on the wire beside its name, its metadata and its further fields: kind, lengths, id,
/// generation, incarnation and an IPv4 address.
const RECORD_BYTES: usize = 40;

impl Machine {
    /// Changes the metadata; others hear of it as an update. What cannot be told yet waits, and
    /// only the newest is told.
    ///
    /// # Errors
    /// When it is longer than 512 bytes; nothing changes.
    pub(crate) fn set_metadata(&mut self, now: Instant, metadata: &[u8]) -> Result<(), IdentityError> {
        if metadata.len() > METADATA_BYTES_MAX {
            return Err(IdentityError::Metadata(metadata.len()));
        }
        if self.stopped || metadata == self.metadata_pace.waiting().unwrap_or(self.me().metadata()) {
            return Ok(());
        }

        self.enter(now);
        self.metadata_pace.want(metadata);
        self.tell_metadata();
        self.settle();
        Ok(())
    }

    /// Tells the metadata that wait, if their time has come.
    pub(super) fn tell_metadata(&mut self) {
        let Some(waiting) = self.metadata_pace.waiting() else { return };
        if self.leaving.is_some() || waiting == self.me().metadata() {
            self.metadata_pace.clear();
            return;
        }

        let due = self.metadata_pace.due(self.now, self.metadata_load(waiting.len()));
        if due > self.now && !sabotage::is_off("metadata_pace") {
            self.timers.set(Timer::Metadata, due);
            return;
        }

        let random = &mut self.random.gossip;
        let Some(metadata) = self.metadata_pace.take(self.now, |bound| random.below(bound)) else { return };
        let now_mine = self.me().incarnation();
        let incarnation = if sabotage::is_off("new_words") { now_mine } else { now_mine.next() };
        self.raise(incarnation, |record| record.set_metadata(&metadata));
        self.gossip(self.members.me(), Urgency::Changed);
    }

    /// Notes that another member changed its metadata.
    pub(super) fn note_metadata(&mut self, slot: crate::swim::slot::Slot) {
        let bytes = bytes_of(self.members.member(slot).record());
        self.metadata_pace.heard(self.now, slot, bytes);
    }

    fn metadata_load(&self, metadata_bytes: usize) -> Load {
        let mine = self.me().record();
        Load {
            own_bytes: bytes_of(mine) - mine.metadata().len() + metadata_bytes,
            sends: sends_in_all(self.rules.retransmit_mult, self.members.counts().present()),
            budget: self.rules.metadata_bytes_per_second,
        }
    }
}

fn bytes_of(record: &Record) -> usize {
    RECORD_BYTES + record.name().len() + record.metadata().len() + record.extra().len()
}
