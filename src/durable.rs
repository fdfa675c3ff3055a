//! One small record on a disk, replaced as a whole or not at all, and owned by one opener at a time.
//!
//! A voter that forgets its vote, or a gate that forgets the highest term, is worse than one that does not start. So a
//! record is read back exactly as it was written or refused by name, and [`Place::replace`] returns only when the disk
//! has it: a temporary file is written and synced, renamed over the record, and the folder is synced too. Whatever
//! fails on the way leaves the old record or the new one, each whole. Nothing here knows what is in a record.

mod disk;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "files")]
mod lock;
mod place;
mod record;

pub use disk::Disk;
#[cfg(feature = "files")]
pub(crate) use files::{Files, create_folder};
#[cfg(feature = "files")]
pub(crate) use lock::Lock;
pub(crate) use place::{Place, beside};
pub use record::DurableError;
pub(crate) use record::{Kind, open, seal};
