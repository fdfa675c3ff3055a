//! The view at this moment, and what of it subscribers were not told.
//!
//! The turns of a member that flaps show in the view and are told now and then. What was told last of such a member is
//! kept beside the view while the two differ, so that a subscriber's own sum of events is never taken for the view, and
//! it costs nothing while no member flaps.

use std::sync::Arc;

use crate::event::{Change, Event};
use crate::member::{Incarnation, Member, NodeId};
use crate::runtime::pages::Row;
use crate::runtime::view::{View, in_state};

#[derive(Clone, Debug)]
pub(crate) struct Present {
    view: Arc<View>,
    /// As they were told last, the members that the view shows otherwise.
    apart: Arc<View>,
}

impl Present {
    pub(crate) fn new(view: View) -> Self {
        let apart = Arc::new(View::empty(view.id()));
        Present { view: Arc::new(view), apart }
    }

    pub(crate) fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Whether the view is the sum of the told events.
    pub(crate) fn is_told(&self) -> bool {
        self.apart.is_empty()
    }

    /// The sum of the told events.
    pub(crate) fn into_told(self) -> Arc<View> {
        let mut told = self.view;
        for row in self.apart.rows().iter() {
            Arc::make_mut(&mut told).put_back(row.clone());
        }
        told
    }

    /// Takes in a change; whether it shows in the view.
    pub(crate) fn take(&mut self, change: &Change) -> bool {
        let event = change.event();
        if !shows(event) {
            return false;
        }

        let id = event.member().map(Member::id);
        if let Some(id) = id {
            self.take_apart(id, change);
        }

        let shown = id.filter(|id| self.apart.get(*id).is_some()).and_then(|id| self.view.get(id));
        let changed = match (event, shown.map(Member::state)) {
            // Subscribers hear of it in the state that they were told.
            (Event::Updated(member), Some(state)) => {
                let updated = Event::Updated(in_state(member, state));
                Arc::make_mut(&mut self.view).apply(&updated)
            }
            _ => Arc::make_mut(&mut self.view).apply(event),
        };

        if let Some(id) = id.filter(|_| !self.apart.is_empty()) {
            self.unite(id);
        }
        changed
    }

    /// What was told of the member is kept as it is told.
    fn take_apart(&mut self, id: NodeId, change: &Change) {
        let is_apart = self.apart.get(id).is_some();
        match change {
            Change::Told(event) if is_apart => {
                Arc::make_mut(&mut self.apart).apply(event);
            }
            Change::Held(_) if !is_apart => {
                if let Some(told) = self.view.rows().get(id) {
                    let told = told.clone();
                    Arc::make_mut(&mut self.apart).put_back(told);
                }
            }
            Change::Told(_) | Change::Held(_) => {}
        }
    }

    /// Keeps nothing of a member of which the view shows what was told.
    fn unite(&mut self, id: NodeId) {
        let (shown, told) = (self.view.rows().get(id), self.apart.rows().get(id));
        if told.is_some_and(|told| shown.is_none_or(|shown| is_same(shown, told))) {
            Arc::make_mut(&mut self.apart).drop_row(id);
        }
    }
}

/// Whether an event can change the view; for the others the view's spine is not copied.
fn shows(event: &Event) -> bool {
    !matches!(
        event,
        Event::SelfStalled { .. } | Event::VotersDiffer { .. } | Event::VotersChanged { .. } | Event::Full { .. }
    )
}

/// Whether two rows of one member say the same, whatever its incarnation: that may rise without an event.
fn is_same(shown: &Row, told: &Row) -> bool {
    let plain = |row: &Row| {
        let mut row = row.clone();
        row.member.incarnation = Incarnation(0);
        row.member.record.set_incarnation(Incarnation(0));
        row
    };
    plain(shown) == plain(told)
}
