//! Whether tests, checks and `explore` notice what they are there for: mechanisms switched off, and mistakes planted.
//!
//! ```text
//! RUSTFLAGS="--cfg tidings_sabotage" cargo test --release -p tidings-sim --target-dir target/sabotage --test sabotage
//! ```
//!
//! A target directory of its own keeps the ordinary build. An ordinary build has no faults: of these tests it runs the
//! one that demands that it says so.

#[path = "../support/program.rs"]
mod program;
#[cfg(tidings_sabotage)]
#[path = "../support/mod.rs"]
mod support;

// What a mechanism that is off must fail.
#[cfg(tidings_sabotage)]
#[path = "../membership/bad_input.rs"]
mod bad_input;
#[cfg(tidings_sabotage)]
#[path = "../membership/economy.rs"]
mod economy;
#[cfg(tidings_sabotage)]
#[path = "../membership/mechanisms.rs"]
mod mechanisms;
#[cfg(tidings_sabotage)]
#[path = "../elections/one_voter.rs"]
mod one_voter;
#[cfg(tidings_sabotage)]
#[path = "../elections/runs.rs"]
mod runs;

mod canaries;
#[cfg(tidings_sabotage)]
mod mechanisms_off;
#[cfg(tidings_sabotage)]
mod planted;
