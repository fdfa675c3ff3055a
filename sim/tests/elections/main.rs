//! Elections: whole runs, one voter message by message, every order of events of small ones.

#[path = "../support/mod.rs"]
mod support;

mod explore;
mod input;
mod one_voter;
mod runs;
