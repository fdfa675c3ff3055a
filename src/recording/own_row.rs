//! This node's own row as its application was last told, so that a driver and a replay tell the same.
//!
//! The protocol raises its own incarnation without an event: peers must hear of it, the protocol's driver knows it
//! anyway. A [`View`](crate::runtime::View) shows it, so `Node` tells it as an update of its own.

use crate::event::Event;
use crate::member::Member;

#[derive(Clone, Debug)]
pub(crate) struct OwnRow(Member);

impl OwnRow {
    pub(crate) fn new(me: &Member) -> Self {
        OwnRow(me.clone())
    }

    /// An event that is told; one about this node says what its row is.
    pub(crate) fn hear(&mut self, event: &Event) {
        if let Some(own) = event.member().filter(|member| member.id() == self.0.id()) {
            self.0 = own.clone();
        }
    }

    /// What is still to be told, once all events have been, of a node that has not left.
    pub(crate) fn update(&mut self, me: &Member) -> Option<Event> {
        if *me == self.0 || !me.state().is_live() {
            return None;
        }
        self.0 = me.clone();
        Some(Event::Updated(me.clone()))
    }
}
