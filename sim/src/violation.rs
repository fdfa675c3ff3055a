//! A broken promise: which, when, how and between which hosts.

use std::fmt;

use tidings::Instant;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The check's name.
    pub check: &'static str,
    /// When, in true time.
    pub at: Instant,
    /// What was seen and what should have been.
    pub text: String,
    /// The hosts concerned, the observer first.
    pub hosts: Vec<u32>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.check, self.at, self.text)
    }
}
