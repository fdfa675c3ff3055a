//! An application that blocks every worker of its own runtime is not taken for dead: the node has a thread of its own.
//!
//! Its liveness is a health check's business. The control below shows that the check can fail: a node that runs on the
//! blocked runtime is suspected.

#![allow(clippy::disallowed_types)]

mod support;

use std::time::{Duration, Instant};

use support::{drain, is, node, read_until, until};
use tidings::runtime::{Events, Node};
use tokio::runtime::Runtime;

const WORKERS: usize = 2;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap()
}

/// Keeps every worker of a runtime busy without a single await.
fn burn(runtime: &Runtime, time: Duration) -> Vec<tokio::task::JoinHandle<()>> {
    let until = Instant::now() + time;
    let spin = move || {
        while Instant::now() < until {
            std::hint::spin_loop()
        }
    };
    (0..WORKERS).map(|_| runtime.spawn(async move { spin() })).collect()
}

/// A node with two healthy ones to judge it, all of P = 1 s.
fn three(first: Node, runtime: &Runtime) -> (Vec<Node>, Vec<Events>) {
    let contact = first.local_address();
    let start = |name| runtime.block_on(node(name).contacts([contact]).start()).unwrap();
    let nodes = vec![start("n2"), start("n3"), first];
    nodes.iter().for_each(|node| drop(until(node, |view| view.alive().count() == 3)));
    let mut events: Vec<_> = nodes.iter().map(Node::events).collect();
    events.iter_mut().for_each(|events| drop(drain(events)));
    (nodes, events)
}

#[test]
fn burning_every_worker_for_ten_seconds_causes_no_suspicion() {
    let runtime = runtime();
    let first = runtime.block_on(node("n1").start()).unwrap();
    let (nodes, mut events) = three(first, &runtime);
    for burned in burn(&runtime, Duration::from_secs(10)) {
        runtime.block_on(burned).unwrap();
    }
    // What a round begun meanwhile has to say is said before this arrives.
    support::block_on(nodes[2].set_metadata("burned")).unwrap();
    for events in &mut events[..2] {
        let read = read_until(events, "updated", "n1");
        assert!(read.iter().all(|notice| notice.event.kind() != "suspect"), "{read:?}");
    }
}

#[test]
fn on_a_burned_runtime_a_node_is_suspected() {
    let (runtime, healthy) = (runtime(), self::runtime());
    let first = runtime.block_on(node("n1").on_this_runtime().start()).unwrap();
    let (_nodes, mut events) = three(first, &healthy);
    let burned = burn(&runtime, Duration::from_secs(3));
    let read = read_until(&mut events[0], "suspect", "n1");
    assert!(read.iter().any(|notice| is(notice, "suspect", "n1")));
    burned.into_iter().for_each(|burned| runtime.block_on(burned).unwrap());
}
