//! What leaders and their voters must not forget: votes, terms, and the fence before a resource.

mod fence;
mod store;

pub use crate::durable::RecordError;
pub use fence::{FenceError, FenceGate};
#[cfg(feature = "files")]
pub use store::FileStore;
pub use store::{Ballot, MemoryStore, TermStore};
