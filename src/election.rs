//! Leader election by quorum leases, without a clock, a socket or a disk.
//!
//! A quorum of configured voters lends the leadership for the time of a lease, by votes that are durable and promises
//! that run out; terms number the leaders and fence their writes. The failure detector makes an election start soon and
//! never decides one: gossip can be late, and a leader must not be. The rules are Raft's (Ongaro and Ousterhout 2014,
//! with the pre-vote and check-quorum of Ongaro's thesis), without a log, and with leases counted as Gray and Cheriton
//! count theirs (1989): the holder from before it asked, the grantor from after it was asked.
//!
//! [`Election`] is one node's part in one election. It refuses to know members, addresses and bytes: it is told the
//! sender of a message, the time, and what the detector thinks of a voter. `docs/elections.md` says what is promised.

mod candidate;
pub(crate) mod exchange;
mod fence;
mod leader;
mod machine;
pub(crate) mod message;
mod role;
mod rounds;
mod rules;
pub(crate) mod store;
mod timing;
mod transition;
mod voter;

#[cfg(test)]
mod tests;

pub(crate) use exchange::{Change, Liveness};
pub use exchange::{ElectionCounts, HeldLease, Save, SaveOutcome};
#[cfg(all(feature = "node", feature = "files"))]
pub(crate) use fence::counted::Counted;
pub use fence::{FenceError, FenceGate};
pub use machine::{ChangeError, Election};
pub use rules::Rules;
#[cfg(feature = "files")]
pub use store::FileStore;
pub use store::{Ballot, MemoryStore, TermStore};
pub use voter::VoterState;

pub use crate::durable::DurableError;
pub(crate) use message::{Context, Message, Progress, Question, Round};
