//! The members that this node can send to: whom it looks at, and who counts when it asks whether it is heard.
//!
//! All members count for what the cluster does together; only those in reach count for what their silence would mean.
//! With a socket for both families these are the same.

use crate::member::State;
use crate::swim::machine::Machine;
use crate::swim::reach::Reach;
use crate::swim::slot::Slot;
use crate::time::Instant;

impl Machine {
    /// Says which families this node's socket can send to.
    pub(crate) fn set_reach(&mut self, now: Instant, reach: Reach) {
        self.enter(now);
        self.reach = reach;
        self.settle();
    }

    /// Whether a member can be sent to at its own address.
    pub(super) fn can_reach(&self, slot: Slot) -> bool {
        self.reach == Reach::Both || self.reach.covers(self.members.member(slot).address())
    }

    /// How many members in reach are present, this node included.
    pub(super) fn present_in_reach(&self) -> usize {
        let me = self.members.me();
        let uncounted = self.members.row(me).is_present() && !self.can_reach(me);
        self.members.counts_in(self.reach).present() + usize::from(uncounted)
    }

    /// How many others in reach are Alive.
    pub(super) fn others_alive(&self) -> usize {
        let me = self.members.me();
        let counted = self.me().state() == State::Alive && self.can_reach(me);
        self.members.counts_in(self.reach).alive.saturating_sub(usize::from(counted))
    }
}
