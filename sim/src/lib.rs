//! A deterministic simulator for `tidings`.

pub mod app;
pub mod checks;
pub mod clock;
pub mod delay;
pub mod expect;
pub mod experiment;
pub mod fault;
mod forge;
pub mod measure;
pub mod network;
pub mod page;
pub mod random;
pub mod scenario;
pub mod shrink;
pub mod span;
pub mod swarm;
pub mod trace;
pub mod violation;
pub mod watch;
pub mod world;

pub use experiment::{Experiment, Outcome};
pub use scenario::Scenario;
