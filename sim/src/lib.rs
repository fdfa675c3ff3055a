//! A deterministic simulator for `tidings`.
