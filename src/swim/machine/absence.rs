//! Being away for longer than the others remember a death: what is held then is hearsay until it is
//! confirmed (`protocol.md 3.8`).

use crate::member::NodeId;
use crate::sabotage;
use crate::swim::detector::pings::PingPurpose;
use crate::swim::dissemination::outbox::First;
use crate::swim::machine::Machine;
use crate::swim::machine::origin::Origin;
use crate::swim::members::ghosts::TOMBSTONE_RETENTION;
use crate::swim::members::hearsay::Weight;
use crate::swim::members::merge::Source;
use crate::swim::slot::Slot;

impl Machine {
    /// After a late wake. Every node remembers a death for as long as a tombstone stands, whatever its configuration
    /// says of ghosts: when no member has answered us for that long, others may have died and been forgotten, and so
    /// may we, whose next words must outrank what was said of us.
    pub(super) fn wake_among_strangers(&mut self) {
        let answered =
            self.reachability.latest().unwrap_or(self.started).max(self.started).max(self.answered_beyond_reach);
        if self.now.since(answered) < TOMBSTONE_RETENTION || self.leaving.is_some() || sabotage::is_off("hearsay") {
            return;
        }

        let me = self.members.me();
        let others: Vec<Slot> = self.members.slots().filter(|slot| *slot != me).collect();
        for slot in others.into_iter().filter(|slot| self.members.row(*slot).is_live()) {
            self.hearsay.doubt(slot);
        }
        if !self.hearsay.is_empty() {
            self.speak(self.me().incarnation().next(), |_| {});
        }
    }

    /// One more ping an interval, until each is known to live or not to.
    pub(super) fn ask_about_hearsay(&mut self) {
        let Some(slot) = self.hearsay.next() else { return };
        if self.members.row(slot).is_live() {
            self.ping(slot, PingPurpose::Look, First::Nothing);
        }
    }

    /// What a report of a member says about whether it still exists, taken after the report itself.
    pub(super) fn weigh(&mut self, origin: Origin, about: NodeId, source: Source, was_known: bool) {
        if self.hearsay.is_empty() {
            return;
        }
        let Some(slot) = self.members.find(about).filter(|slot| *slot != self.members.me()) else { return };
        let teller = origin.slot.filter(|_| origin.is_proved);
        match self.hearsay.weigh(teller, !was_known) {
            Weight::Confirms => self.hearsay.confirm(slot),
            Weight::Hearsay if source != Source::Owner => self.hearsay.doubt(slot),
            Weight::Hearsay | Weight::Nothing => {}
        }
    }
}
