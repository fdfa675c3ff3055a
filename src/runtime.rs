//! The tokio driver: the only module that reads a clock, opens a socket or starts a thread.
//!
//! One task owns the socket and the protocol; everything the application touches ([`Node`], [`Events`],
//! [`View`]) talks to it through a bounded channel and one short-held lock, so that nothing the application does can
//! make its node look dead.

mod address;
mod backoff;
mod ballots;
mod builder;
mod candidacy;
mod clock;
mod contacts;
mod difference;
mod driver;
mod elections;
mod entropy;
mod error;
mod events;
mod faults;
mod hub;
mod joiners;
mod judgement;
mod leaderless;
mod leaders;
mod leading;
mod lease;
mod listed;
mod mistakes;
mod node;
mod node_metrics;
mod pages;
mod present;
mod reporter;
mod request;
mod resolver;
mod shared_election;
mod snapshot;
mod socket;
mod strangers;
mod tape;
mod unanswered;
mod view;
mod voters;

pub use builder::{Builder, DEFAULT_PORT};
pub use elections::{ElectionStatus, LeaderWatch};
pub use error::{ElectionError, RequestError, StartError, Stopped};
pub use events::{Events, Notice};
pub use faults::Faults;
pub use joiners::JoinError;
pub use judgement::Judgement;
pub use leading::{Candidate, Outcome};
pub use lease::Lease;
pub use node::{Departure, Node};
pub use node_metrics::NodeMetrics;
pub use request::MemberRef;
pub use view::View;
