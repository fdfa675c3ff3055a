//! Nodes over real sockets on loopback: their handle, their subscription, their recordings.

#[path = "../support/mod.rs"]
mod support;

mod families;
mod handle;
mod recording;
mod subscription;
