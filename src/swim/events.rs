//! Events that wait for the driver, bounded by coalescing to the latest of each member.
//!
//! A driver that does not drain loses history, never state: applying what is left gives the same list of members (S9 in
//! `protocol.md 2`). What a burst made the queue grow to is given back when it is drained: ten thousand members in a
//! simulator have as many queues.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::event::{Change, Event};
use crate::member::Member;

/// Events kept before older ones of the same member are folded into the latest.
const EVENTS_MAX: usize = 1_024;
/// Places that an empty queue keeps. Chosen: more than the news of one datagram, and 6 KB.
const PLACES_KEPT: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: VecDeque<Change>,
    coalesce_at: usize,
}

impl Events {
    pub(crate) fn push(&mut self, event: Event) {
        self.enqueue(Change::Told(event));
    }

    /// Holds an event back from the application; its view is to show it.
    pub(crate) fn hold(&mut self, event: Event) {
        self.enqueue(Change::Held(event));
    }

    fn enqueue(&mut self, change: Change) {
        self.queue.push_back(change);
        if self.queue.len() > self.coalesce_at.max(EVENTS_MAX) {
            self.coalesce();
        }
    }

    /// Events of so many new members follow at once: there is nothing to fold among them.
    pub(crate) fn expect(&mut self, count: usize) {
        self.queue.reserve_exact(count);
        self.coalesce_at = self.coalesce_at.max(self.queue.len()) + count;
    }

    pub(crate) fn pop(&mut self) -> Option<Change> {
        let change = self.queue.pop_front();
        if self.queue.is_empty() {
            self.coalesce_at = 0;
            self.queue.shrink_to(PLACES_KEPT);
        }
        change
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Keeps the latest event of each member, and the latest of each other kind. What was held back stands for nothing
    /// that was told; the latest of that is kept too, unless something was told after it.
    fn coalesce(&mut self) {
        let (mut told, mut held) = (BTreeSet::new(), BTreeSet::new());
        let mut kinds = BTreeSet::new();
        let mut kept: VecDeque<Change> = VecDeque::with_capacity(self.queue.len());
        while let Some(change) = self.queue.pop_back() {
            let member = change.event().member().map(Member::id);
            let is_latest = match (&change, member) {
                (Change::Told(_), Some(id)) => told.insert(id),
                (Change::Held(_), Some(id)) => !told.contains(&id) && held.insert(id),
                (_, None) => kinds.insert(topic(change.event())),
            };
            if is_latest {
                kept.push_front(change);
            }
        }

        // With as many members as events nothing folds; try again only after as many more.
        self.coalesce_at = kept.len() * 2;
        self.queue = kept;
    }
}

/// What an event that is about no member replaces: the latest word on the same thing.
fn topic(event: &Event) -> (&'static str, Option<Arc<str>>) {
    match event {
        Event::Leader { leader, .. } | Event::LeaderLost { leader, .. } => {
            ("leader", Some(Arc::clone(&leader.election)))
        }
        Event::LeaderUpdated { leader } => (event.kind(), Some(Arc::clone(&leader.election))),
        Event::VotersDiffer { election, .. } | Event::VotersChanged { election, .. } => {
            (event.kind(), Some(Arc::clone(election)))
        }
        _ => (event.kind(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{Generation, Identity, Incarnation, Record, State};

    fn member(n: u64, incarnation: u32) -> Member {
        let identity = Identity::named(&format!("n{n}"), Generation(1), "127.0.0.1:1".parse().unwrap());
        let record = Record::new(&identity, Incarnation(incarnation), &[]).unwrap();
        Member { record, incarnation: Incarnation(incarnation), state: State::Alive, flaps: false }
    }

    #[test]
    fn what_is_held_back_replaces_nothing_that_is_told() {
        let mut events = Events::default();
        for n in 0..EVENTS_MAX as u32 {
            events.push(Event::Refuted(member(1, n)));
            events.hold(Event::Refuted(member(1, n)));
            events.hold(Event::Refuted(member(2, n)));
            events.push(Event::Refuted(member(2, n)));
        }
        events.coalesce();
        let last = EVENTS_MAX as u32 - 1;
        let told = |n| Some(Change::Told(Event::Refuted(member(n, last))));
        assert_eq!(events.pop(), told(1));
        assert_eq!(events.pop(), Some(Change::Held(Event::Refuted(member(1, last)))));
        assert_eq!((events.pop(), events.pop()), (told(2), None), "what was held back before it is over");
    }

    #[test]
    fn the_latest_of_each_member_survives() {
        let mut events = Events::default();
        events.expect(2_000);
        for n in 0..100_000_u32 {
            events.push(Event::Updated(member(u64::from(n % 10), n)));
            events.push(Event::Reconnected);
        }
        assert!(events.len() <= EVENTS_MAX + 1);
        let mut latest = std::collections::BTreeMap::new();
        while let Some(change) = events.pop() {
            if let Some(member) = change.event().member() {
                latest.insert(member.name().to_owned(), member.incarnation().0);
            }
        }
        assert_eq!(latest.values().copied().collect::<Vec<_>>(), (99_990..100_000).collect::<Vec<_>>());
        assert!(events.queue.capacity() <= 2 * PLACES_KEPT, "{} places are kept", events.queue.capacity());
    }
}
