//! The nodes that may act as leader: they lead in earnest, and at the moment one begins, every other lease is looked
//! at.
//!
//! Events tell what a node knows of the leader. This tells what counts: from when to when a node held a lease, and that
//! no two held one at once. All nodes are in this process, so their leases can be asked in the same instant.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings::runtime::{Lease, Node};
use tokio::sync::mpsc::UnboundedSender;

use crate::commands::Number;
use crate::feed::{Clock, Happening};

/// The election of the demo.
pub const ELECTION: &str = "default";
/// Voters at most.
const VOTERS_MAX: usize = 5;

/// A node, and a term it leads in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    pub node: Number,
    pub term: u64,
}

/// How many of the first nodes vote: all up to five, and always an odd number.
pub fn voters(nodes: usize) -> usize {
    let most = nodes.clamp(1, VOTERS_MAX);
    most - usize::from(most % 2 == 0)
}

/// All leases that are not known to be over.
#[derive(Clone)]
pub struct Leaderships {
    held: Arc<Mutex<Vec<(Leadership, Lease)>>>,
    clock: Clock,
    feed: UnboundedSender<Happening>,
}

impl Leaderships {
    pub fn new(clock: Clock, feed: UnboundedSender<Happening>) -> Self {
        Leaderships { held: Arc::default(), clock, feed }
    }

    /// Leads whenever this node is elected, until it stops.
    pub async fn lead(self, number: Number, node: Node) {
        // The end of the node is told elsewhere.
        let _ = node
            .lead(ELECTION, |lease| {
                let leadership = Leadership { node: number, term: lease.term().0 };
                let leaderships = self.clone();
                async move {
                    leaderships.begin(leadership, lease);
                    let _ended = Ended { leaderships: &leaderships, leadership };
                    std::future::pending::<()>().await;
                }
            })
            .await;
    }

    /// The leadership whose node may act now.
    pub fn current(&self) -> Option<Leadership> {
        self.held().iter().rev().find(|(_, lease)| lease.is_valid()).map(|(leadership, _)| *leadership)
    }

    /// A lease that is over never comes back once another has begun, so this is the one moment to look. One that is
    /// found to be over is said to end now, unless that was said before: it did not end later.
    fn begin(&self, leadership: Leadership, lease: Lease) {
        let mut held = self.held();
        let at = self.clock.now();
        let (valid, over): (Vec<_>, Vec<_>) = held.drain(..).partition(|(_, lease)| lease.is_valid());
        *held = valid;
        for (leadership, _) in over {
            self.tell(Happening::Ended { at, leadership });
        }
        let beside = held.last().map(|(leadership, _)| *leadership);
        held.push((leadership, lease));
        self.tell(Happening::Began { at, leadership, beside });
    }

    fn end(&self, leadership: Leadership) {
        let mut held = self.held();
        if let Some(place) = held.iter().position(|(other, _)| *other == leadership) {
            held.remove(place);
            self.tell(Happening::Ended { at: self.clock.now(), leadership });
        }
    }

    fn tell(&self, happening: Happening) {
        // An error means that the demo is over.
        let _ = self.feed.send(happening);
    }

    fn held(&self) -> MutexGuard<'_, Vec<(Leadership, Lease)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Ended<'a> {
    leaderships: &'a Leaderships,
    leadership: Leadership,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.leaderships.end(self.leadership);
    }
}
