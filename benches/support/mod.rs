//! What the measuring commands share: a fast cluster in virtual time, and tables that also print as JSON.
#![allow(dead_code)]

pub mod cluster;
pub mod report;
