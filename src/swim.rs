//! The membership protocol as small machines under one router.
//!
//! Each mechanism owns one idea and knows nothing of the others; `machine` alone sees them all, hands each its inputs
//! and queues what it asks for.

mod answers;
mod attempts;
mod awareness;
mod events;
mod flapping;
mod ghosts;
mod gossip;
mod hearsay;
mod index;
mod joining;
mod journal;
mod lateness;
mod machine;
mod members;
mod meter;
mod outbox;
mod pace;
mod picks;
mod probe;
mod reach;
mod relays;
mod ring;
mod rtt;
mod slot;
mod suspicion;
mod sync;
mod timers;
mod ways;
mod whereabouts;

pub use machine::{ForgetError, LeaveProgress};
pub(crate) use machine::{Machine, Received};
pub use reach::Reach;
