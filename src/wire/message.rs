//! The messages and the fields that every datagram carries.

use twox_hash::XxHash3_64;

use crate::election::{Context, Message as ElectionMessage};
use crate::member::{Generation, Incarnation, NodeId};

/// 64 bits that stand for one start of one member: the XXH3 of its id and generation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Digest(pub u64);

impl Digest {
    /// The digest of no member: stands for the receiver of a datagram sent to an address whose owner is not known.
    pub(crate) const NOBODY: Digest = Digest(0);

    pub(crate) fn of(id: NodeId, generation: Generation) -> Self {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&id.to_bytes());
        bytes[16..].copy_from_slice(&generation.0.to_le_bytes());
        Digest(XxHash3_64::oneshot(&bytes).max(1))
    }
}

/// An unguessable number that an answer echoes; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Nonce(pub u64);

/// What every datagram tells of its sender besides its digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct SenderState {
    /// The sender's own incarnation; a higher one than known is its word that it lives.
    pub incarnation: Incarnation,
    /// The sender's hash of its live view.
    pub view_hash: u64,
    /// The low 16 bits of the sender's round.
    pub round: u16,
}

/// What a datagram is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Message {
    /// Asks `to` to echo the nonce. `Digest::NOBODY` asks any receiver to begin an acquaintance.
    Ping { to: Digest, nonce: Nonce },
    /// Echoes a ping's nonce.
    Ack { nonce: Nonce },
    /// Asks the receiver to ping `target` with this same nonce and to report.
    PingReq { nonce: Nonce, target: Digest },
    /// Reports that the target of a ping-req has not answered.
    Nack { nonce: Nonce },
    /// Passes on the target's own echo of a ping-req's nonce, with the target's incarnation.
    Relayed { nonce: Nonce, target: Digest, incarnation: Incarnation },
    /// Carries items and asks for nothing.
    News,
    /// One step of a comparison of views: items the receiver answers in order.
    SyncRequest { nonce: Nonce },
    /// The answer to the first `done` items of a request.
    SyncReply { nonce: Nonce, done: u16 },
    /// An election message between voters, for this start of the receiver.
    Election { to: Digest, context: Context, election_message: ElectionMessage },
    /// A kind of a later release, which has no fields of its own: what it asks is not done, its items are news.
    Unknown { kind: u8 },
}
