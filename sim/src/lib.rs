//! A deterministic simulator for `tidings`.

pub mod app;
pub mod clock;
pub mod delay;
pub mod expect;
pub mod fault;
mod forge;
pub mod network;
pub mod random;
pub mod scenario;
pub mod span;
pub mod swarm;
pub mod trace;
pub mod violation;
pub mod watch;
pub mod world;
