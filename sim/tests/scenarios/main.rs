//! The catalogue of scenarios, applications that run in them, and traces kept as text.

mod app;
mod catalogue;
mod golden;
