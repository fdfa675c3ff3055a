//! What the measuring commands share: a fast cluster in virtual time, and tables that also print as JSON.

pub mod cluster;
pub mod report;
