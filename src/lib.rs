//! `tidings` tells every process of a cluster which others are up, **suspect** or dead, and why.
//!
//! Nodes exchange small UDP datagrams in a SWIM-style protocol with indirect probes and suspicion timeouts. Each keeps
//! a membership list and tells the application of every change, suspicion included. Nobody takes another's word for a
//! death, a node that did not run kills no one, and partitions heal by themselves.
//!
#![cfg_attr(feature = "node", doc = "```no_run")]
#![cfg_attr(not(feature = "node"), doc = "```ignore")]
//! use tidings::{Event, Node};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let node = Node::builder("db-1")
//!         .cluster("orders")
//!         .bind("0.0.0.0:7340")
//!         .contacts(["db-0.internal:7340", "db-2.internal:7340"])
//!         .start()
//!         .await?;
//!     let mut events = node.events(); // the present members first, itself among them
//!     while let Some(notice) = events.next().await {
//!         match &notice.event {
//!             Event::Suspect { member, dead_after, .. } => {
//!                 println!("{} dies in {:?} unless it refutes", member.name(), dead_after.since(node.now()));
//!             }
//!             Event::Dead { member, reason, .. } => println!("{} is dead: {reason}", member.name()),
//!             other => println!("{} {:?}", other.kind(), other.member()),
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Three ways in, the same protocol code behind each:
//! - [`Node`] (feature `node`, on by default): a tokio task on a thread of its own, a view, an event subscription.
//! - [`Protocol`]: no socket, no clock, no entropy; bytes and moments in, bytes and events out, for loops of your own.
//! - a simulator can drive [`Protocol`] in virtual time, because nothing in it decides by a clock or by chance it was not given.
//!
//! A cluster can have leaders as well: [`ElectionConfig`] names the voters of one, [`Node::lead`] makes this node a candidate and runs
//! a future while it leads, under a [`Lease`] whose [`Term`] a [`FenceGate`] before the resource checks.
//!
//! Features: `node` (tokio and socket2), `stream` (`futures_core::Stream` for [`Events`]), `files` (terms, votes and
//! fences on disk). Without features the core alone is built.
//!
//! More is in the package's `docs/`: `guarantees.md` (what is promised), `operations.md` (what an operator sees),
//! `protocol.md` and `elections.md` (what is decided, and why), `wire.md` (every byte), `architecture.md` (the code).

#![warn(clippy::disallowed_types, clippy::disallowed_methods)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(feature = "node"), allow(rustdoc::broken_intra_doc_links))]

pub mod config;
mod durable;
pub mod election;
pub mod event;
pub mod leader;
pub mod member;
pub mod metrics;
pub mod protocol;
mod random;
pub mod recording;
mod rejected;
#[cfg(feature = "node")]
pub mod runtime;
mod sabotage;
mod swim;
pub mod time;
pub mod voters;
pub mod why;
pub mod wire;

pub use config::{Config, ElectionConfig};
pub use election::FenceGate;
pub use event::Event;
pub use leader::{Leader, Term};
pub use member::{Generation, Identity, Member, NodeId, State};
pub use protocol::Protocol;
#[cfg(feature = "node")]
pub use runtime::{Events, Lease, Node, StartError, Stopped, View};
pub use time::Instant;
pub use why::Why;

/// What the simulator and the benches drive directly. No part of the API: it changes without notice.
#[doc(hidden)]
pub mod explore {
    pub use crate::durable::Disk;
    pub use crate::election::exchange::{Change, Liveness};
    pub use crate::election::message::{Context, Message, Progress, Question, Round};
    pub use crate::election::store::DiskStore;
}
