//! Elections among real nodes on loopback, asked through nothing but their public handle. Here is what the tests share.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod changing;
mod electing;
mod files;
mod leases;
mod resigning;
mod shelf;
mod stores;
mod working;

use std::time::Duration;

use support::{block_on, node, read_until, start, until, within};
use tidings::config::ElectionConfig;
use tidings::election::MemoryStore;
use tidings::event::Event;
use tidings::leader::{Leader, Term, Trigger};
use tidings::runtime::{Builder, Events, Lease, Node};

const PATIENCE: Duration = Duration::from_secs(30);
const NAMES: [&str; 3] = ["n1", "n2", "n3"];

fn voters(names: &[&str]) -> ElectionConfig {
    ElectionConfig::lan("default", names.iter().copied()).stands_always()
}

fn voter(name: &str) -> Builder {
    node(name).election(voters(&NAMES)).term_store(MemoryStore)
}

/// The lease that a node holds, or is given next.
#[track_caller]
fn lease_of(node: &Node) -> Lease {
    block_on(node.candidate("default").unwrap().elected()).unwrap()
}

/// A node per builder, all joined through the first.
fn joined(builders: impl IntoIterator<Item = Builder>) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for builder in builders {
        let contacts: Vec<_> = nodes.iter().map(Node::local_address).take(1).collect();
        nodes.push(start(builder.contacts(contacts)));
    }
    for node in &nodes {
        until(node, |view| view.alive().count() == nodes.len());
    }
    nodes
}

/// Waits until all these nodes know the same leader, of a term above `term`.
#[track_caller]
fn agree(nodes: &[Node], term: Term) -> Leader {
    let mut above = term;
    loop {
        let leaders = nodes.iter().map(|node| {
            let view = until(node, |view| view.leader("default").is_some_and(|leader| leader.term > above));
            view.leader("default").unwrap().clone()
        });
        let leaders: Vec<Leader> = leaders.collect();
        let last = leaders.iter().max_by_key(|leader| leader.term).unwrap();
        if leaders.iter().all(|leader| same(leader, last)) {
            return last.clone();
        }
        above = Term(last.term.0 - 1);
    }
}

fn same(one: &Leader, other: &Leader) -> bool {
    (one.id, one.term) == (other.id, other.term)
}

/// Splits the leader off the others.
fn split(nodes: Vec<Node>, leader: &Leader) -> (Node, Vec<Node>) {
    let (mut led, others): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|node| node.id() == leader.id);
    (led.remove(0), others)
}

/// Reads until a leader of a term above `term`.
#[track_caller]
fn read_leader(events: &mut Events, above: Term) -> (Leader, Trigger) {
    loop {
        let read = read_until(events, "leader", "");
        if let Event::Leader { leader, trigger } = &read.last().unwrap().event {
            if leader.term > above {
                return (leader.clone(), *trigger);
            }
        }
    }
}

/// Lets others run, on any executor.
async fn let_others_run() {
    let mut was_polled = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut was_polled, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::thread::yield_now();
        std::task::Poll::Pending
    })
    .await;
}

/// Has leadership handed over, again if another was faster, until this node holds it in a term above `term`.
#[track_caller]
fn hand_to(node: &Node, nodes: &[Node], term: Term) {
    let handed = within(PATIENCE, async {
        loop {
            let leader = agree(nodes, term);
            if leader.id == node.id() {
                return;
            }
            let led = nodes.iter().find(|node| node.id() == leader.id).unwrap();
            let _ = led.resign_to("default", node.id()).await;
        }
    });
    assert!(handed.is_some());
}
