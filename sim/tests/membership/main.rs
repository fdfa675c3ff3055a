//! Membership in simulated worlds: the detector, the dissemination of news, anti-entropy, and what disturbs them.

#[path = "../support/mod.rs"]
mod support;

mod allocations;
mod bad_input;
mod changes;
mod convergence;
mod economy;
mod lifecycle;
mod loss;
mod mechanisms;
mod mixed;
mod paper;
mod partitions;
mod preload;
mod regressions;
mod unproved;
mod why;
