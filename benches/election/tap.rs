//! Counts the datagrams that arrive on each link, from what the nodes trace of them.
//!
//! A node's thread receives for that node alone, so the thread says whose datagram it was.

use std::collections::HashMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::Outcome;

/// Datagrams and bytes, by receiving thread and sender.
type Count = HashMap<(ThreadId, SocketAddr), (u64, u64)>;

/// Sees every datagram of this process from now on.
#[derive(Clone)]
pub struct Tap(Arc<Mutex<Count>>);

/// One direction between the leader and a follower, and what went over it.
pub struct Link {
    pub from_leader: bool,
    pub datagrams: u64,
    pub bytes: u64,
}

impl Tap {
    pub fn install() -> Outcome<Self> {
        let tap = Tap(Arc::default());
        tracing::subscriber::set_global_default(tap.clone())?;
        Ok(tap)
    }

    pub fn count(&self) -> Count {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Link {
    /// What went over the links of the leader, which receives at `leader`, between two counts.
    pub fn all(leader: SocketAddr, first: &Count, last: &Count) -> Vec<Link> {
        let of = |count: &Count, key| count.get(key).copied().unwrap_or_default();
        let follows = |thread: ThreadId| last.contains_key(&(thread, leader));
        let links = last.keys().filter_map(|key| {
            let from_leader = key.1 == leader;
            let (before, after) = (of(first, key), of(last, key));
            let (datagrams, bytes) = (after.0 - before.0, after.1 - before.1);
            (from_leader || !follows(key.0)).then_some(Link { from_leader, datagrams, bytes })
        });
        links.collect()
    }
}

impl Subscriber for Tap {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "tidings::datagram"
    }

    fn event(&self, event: &Event<'_>) {
        let mut seen = Seen::default();
        event.record(&mut seen);
        if let (Some(from), Some(length)) = (seen.from, seen.length) {
            let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let link = count.entry((thread::current().id(), from)).or_default();
            *link = (link.0 + 1, link.1 + length);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The fields of a datagram that came in; one that goes out is not from anyone.
#[derive(Default)]
struct Seen {
    from: Option<SocketAddr>,
    length: Option<u64>,
}

impl Visit for Seen {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "length" {
            self.length = Some(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "from" {
            self.from = format!("{value:?}").parse().ok();
        }
    }
}
