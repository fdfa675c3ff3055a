//! Events that wait for the driver, bounded by coalescing to the latest of each member.
//!
//! A driver that does not drain loses history, never state: applying what is left gives the same list of members.
//! What a burst made the queue grow to is given back when it is drained: ten thousand members in a simulator have as
//! many queues.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::event::Event;

/// Events kept before older ones of the same member are folded into the latest.
const EVENTS_MAX: usize = 1_024;
/// Places that an empty queue keeps. Chosen: more than the news of one datagram, and 6 KB.
const PLACES_KEPT: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: VecDeque<Event>,
    coalesce_at: usize,
}

impl Events {
    pub(crate) fn push(&mut self, event: Event) {
        self.queue.push_back(event);
        if self.queue.len() > self.coalesce_at.max(EVENTS_MAX) {
            self.coalesce();
        }
    }

    /// Events of so many new members follow at once: there is nothing to fold among them.
    pub(crate) fn expect(&mut self, count: usize) {
        self.queue.reserve_exact(count);
        self.coalesce_at = self.coalesce_at.max(self.queue.len()) + count;
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        let event = self.queue.pop_front();
        if self.queue.is_empty() {
            self.coalesce_at = 0;
            self.queue.shrink_to(PLACES_KEPT);
        }
        event
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Keeps the latest event of each member, and the latest of each other kind.
    fn coalesce(&mut self) {
        let mut members = BTreeSet::new();
        let mut kinds = BTreeSet::new();
        let mut kept: VecDeque<Event> = VecDeque::with_capacity(self.queue.len());
        while let Some(event) = self.queue.pop_back() {
            let is_latest = match event.member() {
                Some(member) => members.insert(member.id()),
                None => kinds.insert(topic(&event)),
            };
            if is_latest {
                kept.push_front(event);
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
        Event::VotersDiffer { election, .. } => (event.kind(), Some(Arc::clone(election))),
        _ => (event.kind(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{Generation, Identity, Incarnation, Member, Record, State};

    #[test]
    fn the_latest_of_each_member_survives() {
        let member = |n: u64, incarnation| {
            let identity = Identity::named(&format!("n{n}"), Generation(1), "127.0.0.1:1".parse().unwrap());
            let record = Record::new(&identity, Incarnation(incarnation), &[]).unwrap();
            Member { record, incarnation: Incarnation(incarnation), state: State::Alive }
        };
        let mut events = Events::default();
        events.expect(2_000);
        for n in 0..100_000_u32 {
            events.push(Event::Updated(member(u64::from(n % 10), n)));
            events.push(Event::Reconnected);
        }
        assert!(events.len() <= EVENTS_MAX + 1);
        let mut latest = std::collections::BTreeMap::new();
        while let Some(event) = events.pop() {
            if let Some(member) = event.member() {
                latest.insert(member.name().to_owned(), member.incarnation().0);
            }
        }
        assert_eq!(latest.values().copied().collect::<Vec<_>>(), (99_990..100_000).collect::<Vec<_>>());
        assert!(events.queue.capacity() <= 2 * PLACES_KEPT, "{} places are kept", events.queue.capacity());
    }
}
