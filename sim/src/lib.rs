//! A deterministic simulator for `tidings`.
pub mod delay;
pub mod fault;
pub mod random;
pub mod scenario;
pub mod span;
