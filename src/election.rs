//! What a voter must not forget, and who keeps it for the voter.

mod store;

pub use crate::durable::RecordError;
#[cfg(feature = "files")]
pub use store::FileStore;
pub use store::{Ballot, MemoryStore, TermStore};
