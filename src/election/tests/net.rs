//! A few voters in memory with a message delay, a disk that takes a while, and links that can be cut.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::*;
use crate::config::ElectionConfig;
use crate::leader::{Term, Trigger};
use crate::member::NodeId;
use crate::random::Random;
use crate::time::Instant;

pub(super) const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
pub(super) const DELAY: Duration = Duration::from_micros(500);
pub(super) const DISK: Duration = Duration::from_millis(3);

pub(super) fn at(ms: u64) -> Instant {
    Instant::ORIGIN + Duration::from_millis(ms)
}

enum What {
    Message(usize, usize, Context, Message),
    Saved(usize, Save),
}

pub(super) struct Net {
    pub(super) now: Instant,
    /// The nodes in the list that each is configured with.
    pub(super) lists: Vec<Vec<usize>>,
    pub(super) nodes: Vec<Option<Election>>,
    pub(super) disks: Vec<Option<Ballot>>,
    queue: Vec<(Instant, u64, What)>,
    count: u64,
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// No other node hears this one ask for votes.
    pub(super) unheard: Option<usize>,
    /// Disks take a time drawn from here, up to the duration, where there is one.
    pub(super) stalls: Option<(Random, Duration)>,
    /// When, at which node, what.
    pub(super) changes: Vec<(Instant, usize, Change)>,
}

impl Net {
    pub(super) fn new(voters: usize) -> Self {
        Net::with(vec![(0..voters).collect(); voters])
    }

    /// Nodes with a list each.
    pub(super) fn with(lists: Vec<Vec<usize>>) -> Self {
        let voters = lists.len();
        let mut net = Net {
            now: Instant::ORIGIN,
            lists,
            nodes: vec![None; voters],
            disks: vec![None; voters],
            queue: Vec::new(),
            count: 0,
            cut: BTreeSet::new(),
            unheard: None,
            stalls: None,
            changes: Vec::new(),
        };
        (0..voters).for_each(|node| net.start(node));
        net
    }

    pub(super) fn rules(&self) -> Rules {
        Rules::new(&ElectionConfig::lan("default", NAMES[..self.nodes.len()].iter().copied()).stands_always())
    }

    pub(super) fn names(&self, nodes: &[usize]) -> Vec<std::sync::Arc<str>> {
        let all = self.rules();
        nodes.iter().map(|node| all.voters()[*node].1.clone()).collect()
    }

    /// The node at a place in the order of ids, which is the order of ranks.
    pub(super) fn id(&self, node: usize) -> NodeId {
        self.rules().voters()[node].0
    }

    pub(super) fn start(&mut self, node: usize) {
        let list = self.names(&self.lists[node]);
        let config = ElectionConfig::lan("default", list.iter().map(|name| &**name)).stands_always();
        let mut election = Election::new(Rules::new(&config), self.id(node), node as u64, self.now);
        let ballot = self.disks[node].clone();
        let unix_ms = 1_000_000 + self.now.as_nanos() / 1_000_000;
        election.start_voting(self.now, VoterState { ballot, is_durable: true, unix_ms });
        for other in 0..self.nodes.len() {
            election.hint(self.now, self.id(other), Liveness::Alive);
            election.hint_candidacy(self.now, self.id(other), Some(0));
        }
        self.nodes[node] = Some(election);
        self.drain(node);
    }

    pub(super) fn crash(&mut self, node: usize) {
        self.nodes[node] = None;
        self.queue.retain(|(_, _, what)| !matches!(what, What::Saved(at, _) if *at == node));
    }

    pub(super) fn call(&mut self, node: usize, call: impl FnOnce(&mut Election, Instant)) {
        let now = self.now;
        if let Some(election) = &mut self.nodes[node] {
            call(election, now);
        }
        self.drain(node);
    }

    fn drain(&mut self, node: usize) {
        let Some(mut election) = self.nodes[node].take() else { return };
        while let Some((to, message)) = election.poll_message() {
            let to = self.rules().place_of(to).unwrap();
            let is_unheard = self.unheard == Some(node) && matches!(message, Message::Vote { .. });
            if !self.cut.contains(&(node, to)) && !is_unheard {
                self.push(DELAY, What::Message(node, to, election.rules().context(), message));
            }
        }
        while let Some(save) = election.poll_save() {
            let disk = self.stalls.as_mut().map_or(DISK, |(random, most)| random.fraction_of(*most));
            self.push(disk, What::Saved(node, save));
        }
        while let Some(change) = election.poll_change() {
            let is_of_voters = matches!(change, Change::Voters { .. });
            self.changes.push((self.now, node, change));
            if is_of_voters {
                for other in 0..self.nodes.len() {
                    election.hint(self.now, self.id(other), Liveness::Alive);
                    election.hint_candidacy(self.now, self.id(other), Some(0));
                }
            }
        }
        self.nodes[node] = Some(election);
    }

    fn push(&mut self, after: Duration, what: What) {
        self.count += 1;
        self.queue.push((self.now + after, self.count, what));
    }

    pub(super) fn cut(&mut self, one: usize, other: usize) {
        self.cut.extend([(one, other), (other, one)]);
    }

    pub(super) fn run_until(&mut self, end: Instant) {
        loop {
            let wake = |(node, election): (usize, &Option<Election>)| Some((election.as_ref()?.poll_timeout()?, node));
            let wake = self.nodes.iter().enumerate().filter_map(wake).min();
            let next = self.queue.iter().enumerate().min_by_key(|(_, (at, count, _))| (*at, *count));
            let next = next.map(|(place, (at, ..))| (*at, place));
            match (next, wake) {
                (Some((due, place)), wake) if due <= end && wake.is_none_or(|(other, _)| due <= other) => {
                    let (due, _, what) = self.queue.remove(place);
                    self.now = self.now.max(due);
                    match what {
                        What::Message(from, to, context, message) => {
                            let from = self.id(from);
                            self.call(to, |election, now| {
                                let _ = election.handle_message(now, (from, context), message);
                            });
                        }
                        What::Saved(node, save) => {
                            self.disks[node] = Some(save.ballot);
                            self.call(node, |election, now| {
                                election.handle_saved(now, save.number, SaveOutcome::Done);
                            });
                        }
                    }
                }
                (_, Some((due, node))) if due <= end => {
                    self.now = self.now.max(due);
                    self.call(node, |election, now| election.handle_timeout(now));
                }
                _ => break,
            }
            self.check();
        }
        self.now = end;
    }

    pub(super) fn run(&mut self, ms: u64) {
        self.run_until(self.now + Duration::from_millis(ms));
    }

    pub(super) fn check(&self) {
        assert!(self.leaders().len() <= 1, "two leaders at {}: {:?}", self.now, self.leaders());
    }

    pub(super) fn leaders(&self) -> Vec<(usize, Term)> {
        let held =
            |(node, election): (usize, &Option<Election>)| Some((node, election.as_ref()?.lease(self.now)?.term));
        self.nodes.iter().enumerate().filter_map(held).collect()
    }

    pub(super) fn leader(&self) -> (usize, Term) {
        assert_eq!(self.leaders().len(), 1, "{:?}", self.leaders());
        self.leaders()[0]
    }

    /// How a node came to the leadership that it holds.
    pub(super) fn led(&self, node: usize) -> Option<Trigger> {
        self.nodes[node].as_ref()?.leadership().map(|(_, trigger)| trigger)
    }
}
