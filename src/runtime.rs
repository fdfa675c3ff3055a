//! The tokio driver: the only room that reads a clock, opens a socket or starts a thread.
//!
//! One task owns the socket and the protocol; everything the application touches ([`Node`], [`Events`],
//! [`View`]) talks to it through a bounded channel and one short-held lock, so that nothing the application does can make
//! its node look dead.

mod builder;
mod clock;
mod contacts;
mod difference;
mod driver;
mod entropy;
mod error;
mod events;
mod faults;
mod hub;
mod node;
mod pages;
mod reporter;
mod socket;
mod view;

pub use builder::{Builder, DEFAULT_PORT};
pub use error::{RequestError, StartError, Stopped};
pub use events::{Events, Notice};
pub use faults::Faults;
pub use node::{Departure, Node, NodeMetrics, Who};
pub use view::{Judgement, View};
