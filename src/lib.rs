//! stub
pub mod config;
pub mod event;
pub mod member;
pub mod metrics;
pub mod time;
pub mod why;
pub mod wire;
