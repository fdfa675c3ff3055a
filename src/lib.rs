//! `tidings` tells every process of a cluster which others are up, suspect or dead, and why.

pub mod config;
pub mod event;
pub mod member;
pub mod metrics;
pub mod protocol;
mod sabotage;
mod swim;
pub mod time;
pub mod why;
pub mod wire;
