//! The membership protocol as small machines under one router.
//!
//! Each mechanism owns one idea and knows nothing of the others; `machine` alone sees them all, hands each its inputs
//! and queues what it asks for. The rules have numbers in `docs/protocol.md`, cited as `protocol.md 5.3`;
//! `docs/architecture.md` lists the files.

mod addresses;
mod anti_entropy;
mod detector;
mod dissemination;
mod events;
mod flapping;
mod joining;
mod machine;
mod members;
mod reach;
mod slot;
mod timers;

pub use machine::{ForgetError, LeaveProgress};
pub(crate) use machine::{Machine, Received};
pub use reach::Reach;
