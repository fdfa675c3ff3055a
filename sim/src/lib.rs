//! A deterministic simulator for `tidings`.

pub mod app;
pub mod checks;
pub mod clock;
pub mod delay;
pub mod experiment;
pub mod fault;
mod forge;
pub mod network;
pub mod random;
pub mod scenario;
pub mod shrink;
pub mod span;
pub mod sweep;
pub mod trace;
pub mod violation;
pub mod watch;
pub mod world;

pub use app::{App, Context, host_of};
pub use experiment::{Experiment, Outcome};
pub use scenario::Scenario;
pub use sweep::Sweep;
