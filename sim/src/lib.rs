//! A deterministic simulator for `tidings`.

pub mod page;
