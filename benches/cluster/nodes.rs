//! Real nodes over loopback UDP, all joined through the first.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tidings::config::Config;
use tidings::runtime::{Builder, Node, NodeMetrics};
use tokio::task::JoinSet;

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// No cluster takes longer than this to agree, on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the tasks of nodes run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// All on the one runtime that measures.
    OneRuntime,
    /// Each on a thread of its own, as nodes do unless told otherwise.
    OwnThreads,
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Home::OneRuntime => "one runtime",
            Home::OwnThreads => "a thread each",
        })
    }
}

pub fn builder(name: &str, config: &Config, home: Home) -> Builder {
    let builder = Node::builder(name).config(config.clone()).bind("127.0.0.1:0");
    match home {
        Home::OneRuntime => builder.on_this_runtime(),
        Home::OwnThreads => builder,
    }
}

/// Starts a cluster, all nodes at once but for the contact; returns when each holds everyone Alive.
pub async fn cluster(config: &Config, size: usize, home: Home) -> Outcome<Vec<Node>> {
    let first = builder("n0", config, home).start().await?;
    let contact = first.local_address();
    let mut joining = JoinSet::new();
    for place in 1..size {
        let builder = builder(&format!("n{place}"), config, home).contacts([contact]);
        joining.spawn(async move {
            let node = builder.start().await?;
            all_alive(&node, size).await?;
            Outcome::Ok(node)
        });
    }
    all_alive(&first, size).await?;
    let mut nodes = vec![first];
    while let Some(joined) = joining.join_next().await {
        nodes.push(joined??);
    }
    Ok(nodes)
}

async fn all_alive(node: &Node, size: usize) -> Outcome<()> {
    let whole = node.wait_until(|view| view.len() == size && view.alive().count() == size);
    let waited = tokio::time::timeout(PATIENCE, whole).await;
    waited.map_err(|_| format!("{} sees {} of {size} after {PATIENCE:?}", node.name(), node.view().len()))??;
    Ok(())
}

/// Waits until every node holds exactly `size` members, all Alive.
pub async fn agreed(nodes: &[Node], size: usize) -> Outcome<()> {
    for node in nodes {
        all_alive(node, size).await?;
    }
    Ok(())
}

/// Drops the nodes without a word, and waits until all of them have stopped.
pub async fn stop(nodes: Vec<Node>) {
    let stops: Vec<_> = nodes.iter().map(Node::stopped).collect();
    drop(nodes);
    for stop in stops {
        stop.await;
    }
}

/// What all nodes together counted so far.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    pub datagrams_out: u64,
    pub bytes_out: u64,
    pub suspicions: u64,
    pub late_wakes: u64,
    pub lost: u64,
}

impl Counts {
    pub async fn of(nodes: &[Node]) -> Self {
        let mut counts = Counts::default();
        for node in nodes {
            counts.add(&node.metrics().await);
        }
        counts
    }

    /// What came on top of an earlier count.
    pub fn since(self, before: Counts) -> Counts {
        Counts {
            datagrams_out: self.datagrams_out - before.datagrams_out,
            bytes_out: self.bytes_out - before.bytes_out,
            suspicions: self.suspicions - before.suspicions,
            late_wakes: self.late_wakes - before.late_wakes,
            lost: self.lost - before.lost,
        }
    }

    fn add(&mut self, metrics: &NodeMetrics) {
        self.datagrams_out += metrics.protocol.datagrams_out;
        self.bytes_out += metrics.protocol.bytes_out;
        self.suspicions += metrics.protocol.suspicions;
        self.late_wakes += metrics.protocol.late_wakes;
        self.lost += metrics.sends_failed + metrics.protocol.transmits_dropped;
    }
}
