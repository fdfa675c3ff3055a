//! Which hosts have one host Dead, and since when; nothing else is looked at, because looking costs.

use tidings::{Event, Instant, NodeId, Protocol};
use tidings_sim::watch::{Moment, Watch};

/// Counts the hosts that have one host Dead.
#[derive(Debug)]
pub(super) struct Deaths {
    victim: NodeId,
    /// Since when each host has it Dead.
    since: Vec<Option<Instant>>,
    /// How many have it Dead now.
    count: u32,
    first: Option<Instant>,
    all: Option<Instant>,
}

impl Deaths {
    /// Of this host, in a cluster of so many.
    pub(super) fn of(victim: u32, nodes: u32) -> Self {
        let victim = NodeId::from_name(&format!("n{victim}"));
        Deaths { victim, since: vec![None; nodes as usize], count: 0, first: None, all: None }
    }

    /// When the first had it Dead.
    pub(super) fn first(&self) -> Option<Instant> {
        self.first
    }

    /// When all others had it Dead, if they still have.
    pub(super) fn all(&self) -> Option<Instant> {
        self.all
    }

    /// How many have it Dead.
    pub(super) fn count(&self) -> u32 {
        self.count
    }
}

impl Watch for Deaths {
    fn told(&mut self, moment: Moment, host: u32, _: &Protocol, event: &Event) {
        let Some(place) = event.member().filter(|member| member.id() == self.victim).map(|_| host as usize) else {
            return;
        };
        let Some(since) = self.since.get_mut(place) else { return };
        match event {
            Event::Dead { .. } if since.is_none() => {
                *since = Some(moment.now);
                self.count += 1;
                self.first = self.first.or(*since);
                self.all = (self.count as usize + 1 == self.since.len()).then_some(moment.now);
            }
            // A verdict taken back does not count.
            Event::Up(_) | Event::Refuted(_) if since.take().is_some() => {
                self.count -= 1;
                self.all = None;
            }
            _ => {}
        }
    }
}
