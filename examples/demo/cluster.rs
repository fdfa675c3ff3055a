//! The nodes of the demo, real ones on 127.0.0.1, and what is done to them.
//!
//! Faults sit between each node and its socket (`tidings::runtime::Faults`), so nothing here needs a privilege. A call
//! that asks for something impossible gets a sentence back, and nothing is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tidings::config::Config;
use tidings::election::MemoryStore;
use tidings::member::{Generation, NodeId};
use tidings::runtime::{Faults, Node};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use crate::commands::Number;
use crate::feed::{Clock, Happening, listen};
use crate::leaderships::Leaderships;
use crate::names::name;
use crate::options::NODES_MAX;

/// Running nodes that a new one is told of.
const CONTACTS: usize = 3;
/// How long the nodes may take to say goodbye when the demo is interrupted.
const GOODBYE: Duration = Duration::from_millis(500);

mod roster;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Running,
    Frozen,
    Leaving,
    Left,
    Killed,
}

struct Host {
    phase: Phase,
    node: Option<Node>,
    faults: Faults,
    /// Kept over restarts.
    address: SocketAddr,
    starts: u32,
    thaw: Option<JoinHandle<()>>,
    /// What it does when it leads; it holds a handle on the node.
    leads: JoinHandle<()>,
}

/// A node that runs, as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Present {
    pub node: Number,
    pub id: NodeId,
    pub generation: Generation,
}

pub struct Cluster {
    config: Config,
    seed: u64,
    clock: Clock,
    feed: UnboundedSender<Happening>,
    hosts: BTreeMap<Number, Host>,
    /// One side of the partition; empty when nothing is cut.
    side: BTreeSet<Number>,
    loss: u8,
    pub leaderships: Leaderships,
}

impl Cluster {
    pub fn new(config: Config, seed: u64, clock: Clock, feed: UnboundedSender<Happening>) -> Self {
        let (hosts, side, leaderships) = (BTreeMap::new(), BTreeSet::new(), Leaderships::new(clock, feed.clone()));
        Cluster { config, seed, clock, feed, hosts, side, loss: 0, leaderships }
    }

    /// Starts one more node; its number.
    pub async fn add(&mut self) -> Result<Number, String> {
        let number = self.hosts.keys().next_back().map_or(1, |last| last + 1);
        if number > NODES_MAX {
            return Err(format!("there are {NODES_MAX} nodes, which is the most; restart one instead"));
        }
        self.start(number, None).await?;
        Ok(number)
    }

    pub async fn restart(&mut self, number: Number) -> Result<(), String> {
        let host = self.host(number)?;
        match host.phase {
            Phase::Killed | Phase::Left => {}
            Phase::Leaving => return Err(format!("{} is still leaving; try again in a moment", name(number))),
            Phase::Running | Phase::Frozen => return Err(format!("{0} runs; kill {number} first", name(number))),
        }
        let address = host.address;
        self.start(number, Some(address)).await
    }

    /// Starts a node on its old address if that is still free, and subscribes to it.
    async fn start(&mut self, number: Number, old: Option<SocketAddr>) -> Result<(), String> {
        let start = self.hosts.get(&number).map_or(0, |host| host.starts) + 1;
        let seed = self.seed.wrapping_mul(1_000_003) ^ (number as u64) << 32 ^ u64::from(start);
        let faults = Faults::new(seed);
        faults.lose(self.loss);
        faults.cut(self.across(number));

        let contacts = self.contacts(number);
        let builder = Node::builder(name(number)).config(self.config.clone()).seed(seed).faults(faults.clone());
        // Ballots in memory will do: this machine's clock is not turned back meanwhile.
        let builder = builder.contacts(contacts).term_store(MemoryStore);

        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut started = builder.clone().bind(old.unwrap_or(any)).start().await;
        if started.is_err() && old.is_some() {
            // A store is the first's that starts, so this one needs its own.
            started = builder.term_store(MemoryStore).bind(any).start().await;
        }
        let node = started.map_err(|error| format!("{} cannot start: {error}", name(number)))?;

        tokio::spawn(listen(node.events(), self.feed.clone(), self.clock, (number, start)));
        let address = node.local_address();
        let leads = tokio::spawn(self.leaderships.clone().lead(number, node.clone()));
        let host = Host { phase: Phase::Running, node: Some(node), faults, address, starts: start, thaw: None, leads };
        self.hosts.insert(number, host);
        self.apply_cuts();
        Ok(())
    }

    /// Ends a node without a word.
    pub async fn kill(&mut self, number: Number) -> Result<(), String> {
        let host = self.running(number, &[Phase::Running, Phase::Frozen])?;
        // Nothing it does on its way out is heard.
        host.faults.lose(100);
        host.phase = Phase::Killed;
        if let Some(thaw) = host.thaw.take() {
            thaw.abort();
        }
        host.leads.abort();
        // An error means that it was aborted, and has let go of the node.
        let _ = (&mut host.leads).await;
        if let Some(node) = host.node.take() {
            let stopped = node.stopped();
            drop(node);
            host.faults.thaw();
            stopped.await;
        }
        Ok(())
    }

    /// Keeps a node from running for so long; a second freeze counts from now.
    pub fn freeze(&mut self, number: Number, time: Duration) -> Result<(), String> {
        let (feed, clock) = (self.feed.clone(), self.clock);
        let host = self.running(number, &[Phase::Running, Phase::Frozen])?;
        host.phase = Phase::Frozen;
        host.faults.freeze();
        let faults = host.faults.clone();
        let thaw = tokio::spawn(async move {
            tokio::time::sleep(time).await;
            faults.thaw();
            // An error means that the demo is over.
            let _ = feed.send(Happening::Thawed { at: clock.now(), node: number });
        });
        if let Some(earlier) = host.thaw.replace(thaw) {
            earlier.abort();
        }
        Ok(())
    }

    /// Takes note that a freeze is over.
    pub fn thawed(&mut self, number: Number) {
        if let Some(host) = self.hosts.get_mut(&number).filter(|host| host.phase == Phase::Frozen) {
            host.phase = Phase::Running;
        }
    }

    pub fn partition(&mut self, side: &BTreeSet<Number>) -> Result<(), String> {
        for number in side {
            self.host(*number)?;
        }
        if self.hosts.keys().all(|number| side.contains(number)) {
            return Err("that is everyone; leave somebody on the other side".to_owned());
        }
        self.side.clone_from(side);
        self.apply_cuts();
        Ok(())
    }

    pub fn heal(&mut self) -> Result<(), String> {
        if self.side.is_empty() {
            return Err("nothing is cut; try partition 1,2".to_owned());
        }
        self.side.clear();
        self.apply_cuts();
        Ok(())
    }

    pub fn lose(&mut self, percent: u8) {
        self.loss = percent;
        for host in self.hosts.values().filter(|host| host.node.is_some()) {
            host.faults.lose(percent);
        }
    }

    /// Lets a node say goodbye; `Happening::Departed` comes when it has stopped.
    pub fn leave(&mut self, number: Number) -> Result<(), String> {
        let feed = self.feed.clone();
        let host = self.running(number, &[Phase::Running])?;
        host.phase = Phase::Leaving;
        if let Some(node) = host.node.take() {
            tokio::spawn(async move {
                let departure = node.leave().await.ok();
                let _ = feed.send(Happening::Departed { node: number, departure });
            });
        }
        Ok(())
    }

    /// Takes note that a node has stopped.
    pub fn departed(&mut self, number: Number) {
        if let Some(host) = self.hosts.get_mut(&number).filter(|host| host.phase == Phase::Leaving) {
            host.phase = Phase::Left;
        }
    }

    /// Lets all nodes leave that can, for half a second at most.
    pub async fn close(&mut self) {
        let mut leaving = tokio::task::JoinSet::new();
        for host in self.hosts.values_mut() {
            host.faults.thaw();
            if let Some(node) = host.node.take() {
                leaving.spawn(async move { node.leave().await });
            }
        }
        let all = async { while leaving.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GOODBYE, all).await;
    }

    fn contacts(&self, number: Number) -> Vec<SocketAddr> {
        let others = self.hosts.iter().filter(|(other, host)| **other != number && host.node.is_some());
        let mut others: Vec<_> = others.map(|(other, host)| (self.is_cut(number, *other), host.address)).collect();
        others.sort_by_key(|(cut, _)| *cut);
        others.into_iter().map(|(_, address)| address).take(CONTACTS).collect()
    }

    /// The addresses on the other side of the partition.
    fn across(&self, number: Number) -> Vec<SocketAddr> {
        let across = self.hosts.iter().filter(|(other, _)| self.is_cut(number, **other));
        across.map(|(_, host)| host.address).collect()
    }

    fn apply_cuts(&self) {
        for (number, host) in &self.hosts {
            host.faults.cut(self.across(*number));
        }
    }
}
