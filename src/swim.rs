//! The membership protocol as small machines under one router.
//!
//! Each mechanism owns one idea and knows nothing of the others; `machine` alone sees them all, hands each its inputs
//! and queues what it asks for. The rules have numbers in `docs/protocol.md`; `docs/architecture.md` lists the files.

mod awareness;
mod changes;
mod events;
mod flapping;
mod ghosts;
mod gossip;
mod hearsay;
mod index;
mod joining;
mod late_wake;
mod machine;
mod members;
mod merge;
mod meter;
mod outbox;
mod pace;
mod pings;
mod precedence;
mod probe;
mod reach;
mod reachability;
mod relays;
mod ring;
mod round_number;
mod rtt;
mod sample;
mod slot;
mod suspicion;
mod sync;
mod timers;
mod verdict;
mod ways;
mod whereabouts;

pub use machine::{ForgetError, LeaveProgress};
pub(crate) use machine::{Machine, Received};
pub use reach::Reach;
