//! Scenarios, and applications that run in them.

mod app;
mod catalogue;
