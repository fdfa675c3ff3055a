//! The term: the number of a leader, and the token that fences off the leaders before it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Numbers the leaders of one election: at most one leads in a term, and a later leader has a higher one (Raft 5.1).
///
/// It is the fencing token too: whoever guards a resource admits a write only if its term is not below the highest it
/// has seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Term(pub u64);

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
