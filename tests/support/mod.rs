//! What the tests over real sockets share: an executor of their own, deadlines, and nodes on loopback.
//!
//! The executor is a hand-written `block_on` on purpose: every test that uses it shows that a node's futures need no
//! tokio.

#![allow(dead_code)]

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tidings::config::Config;
use tidings::member::State;
use tidings::runtime::{Builder, Events, Node, Notice, View};

/// What any single wait may take; on a busy machine much more than it needs.
const PATIENCE: Duration = Duration::from_secs(30);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end on this thread.
#[track_caller]
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let within = within(PATIENCE, future);
    within.unwrap_or_else(|| panic!("nothing came within {PATIENCE:?}"))
}

/// Runs a future for at most so long.
pub fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    let deadline = Instant::now() + time;
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

/// A node of profile `local` on a loopback port of its own.
pub fn node(name: &str) -> Builder {
    Node::builder(name).config(Config::local("test")).bind("127.0.0.1:0")
}

pub fn start(builder: Builder) -> Node {
    block_on(builder.start()).unwrap()
}

/// `n1`, `n2`, ... all joined through the first, each with everyone Alive in its view.
pub fn cluster(size: usize) -> Vec<Node> {
    let first = start(node("n1"));
    let contact = first.local_address();
    let others = (2..=size).map(|n| start(node(&format!("n{n}")).contacts([contact])));
    let nodes: Vec<Node> = std::iter::once(first.clone()).chain(others).collect();
    for node in &nodes {
        until(node, |view| view.alive().count() == size);
    }
    nodes
}

#[track_caller]
pub fn until(node: &Node, wanted: impl FnMut(&View) -> bool) -> Arc<View> {
    let waited = within(PATIENCE, node.wait_until(wanted));
    match waited {
        Some(view) => view.unwrap(),
        None => panic!("{} still sees {:?}", node.name(), node.view().iter().collect::<Vec<_>>()),
    }
}

pub fn state(view: &View, name: &str) -> Option<State> {
    view.by_name(name).map(|member| member.state())
}

/// Reads until an event of this kind about this member; what was read on the way, the event last.
#[track_caller]
pub fn read_until(events: &mut Events, kind: &str, name: &str) -> Vec<Notice> {
    let mut read = Vec::new();
    loop {
        let Some(next) = within(PATIENCE, events.next()) else { panic!("no {kind} of {name}, but {}", list(&read)) };
        let Some(notice) = next else { panic!("the node stopped before {kind} of {name}, after {}", list(&read)) };
        let found = is(&notice, kind, name);
        read.push(notice);
        if found {
            return read;
        }
    }
}

pub fn is(notice: &Notice, kind: &str, name: &str) -> bool {
    notice.event.kind() == kind && notice.event.member().is_none_or(|member| member.name() == name)
}

/// The kinds of the events about one member, in order.
pub fn kinds(read: &[Notice], name: &str) -> Vec<&'static str> {
    let about = read.iter().filter(|notice| notice.event.member().is_some_and(|member| member.name() == name));
    about.map(|notice| notice.event.kind()).collect()
}

fn list(read: &[Notice]) -> String {
    read.iter().map(|notice| format!("\n  {:?}", notice.event)).collect()
}

/// Everything that can be read without waiting.
pub fn drain(events: &mut Events) -> Vec<Notice> {
    std::iter::from_fn(|| events.try_next()).collect()
}

pub fn any(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
