//! The bytes of a message and of the sender's state that follows it.

use bincode::enc::Encoder;
use bincode::error::EncodeError;
use bincode::{Decode, Encode};

use super::Rejected;
use super::bytes::take;
use super::election::ContextBody;
use super::fields::Wire;
use super::message::{Digest, Message, Nonce, SenderState};
use super::varint::Varint;
use crate::election::Message as ElectionMessage;
use crate::member::Incarnation;

mod kind {
    pub(super) const PING: u8 = 1;
    pub(super) const ACK: u8 = 2;
    pub(super) const PING_REQ: u8 = 3;
    pub(super) const NACK: u8 = 4;
    pub(super) const RELAYED: u8 = 5;
    pub(super) const NEWS: u8 = 6;
    pub(super) const SYNC_REQUEST: u8 = 7;
    pub(super) const SYNC_REPLY: u8 = 8;
    pub(super) const ELECTION: u8 = 9;
}

impl Message {
    /// The number that is no kind of message.
    pub(super) const NONE: u8 = 0;

    /// Whether this release knows a kind of message.
    #[cfg(test)]
    pub(super) const fn knows(kind: u8) -> bool {
        matches!(kind, kind::PING..=kind::ELECTION)
    }

    pub(super) const fn kind(&self) -> u8 {
        match self {
            Message::Ping { .. } => kind::PING,
            Message::Ack { .. } => kind::ACK,
            Message::PingReq { .. } => kind::PING_REQ,
            Message::Nack { .. } => kind::NACK,
            Message::Relayed { .. } => kind::RELAYED,
            Message::News => kind::NEWS,
            Message::SyncRequest { .. } => kind::SYNC_REQUEST,
            Message::SyncReply { .. } => kind::SYNC_REPLY,
            Message::Election { .. } => kind::ELECTION,
            Message::Unknown { kind } => *kind,
        }
    }

    pub(super) fn decode(kind: u8, rest: &mut &[u8]) -> Result<Self, Rejected> {
        Ok(match kind {
            kind::PING => {
                let (Wire(to), nonce) = take(rest)?;
                Message::Ping { to, nonce: nonce_of(nonce) }
            }
            kind::ACK => Message::Ack { nonce: nonce_of(take(rest)?) },
            kind::PING_REQ => {
                let (nonce, Wire(target)) = take(rest)?;
                Message::PingReq { nonce: nonce_of(nonce), target }
            }
            kind::NACK => Message::Nack { nonce: nonce_of(take(rest)?) },
            kind::RELAYED => {
                let (nonce, Wire(target), Wire(incarnation)) = take(rest)?;
                Message::Relayed { nonce: nonce_of(nonce), target, incarnation: checked(incarnation)? }
            }
            kind::NEWS => Message::News,
            kind::SYNC_REQUEST => Message::SyncRequest { nonce: nonce_of(take(rest)?) },
            kind::SYNC_REPLY => {
                let (nonce, Varint(done)) = take(rest)?;
                let done = u16::try_from(done).map_err(|_| Rejected::Malformed)?;
                Message::SyncReply { nonce: nonce_of(nonce), done }
            }
            kind::ELECTION => {
                let (Wire(to), context) = take::<(Wire<Digest>, ContextBody)>(rest)?;
                Message::Election { to, context: context.into(), election_message: ElectionMessage::decode(rest)? }
            }
            // Kinds of later releases have no fields of their own.
            _ => Message::Unknown { kind },
        })
    }
}

/// Writes the message's own fields; its kind stands in front of the tag.
impl Encode for Message {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        match *self {
            Message::Ping { to, nonce } => (Wire(to), Wire(nonce)).encode(encoder),
            Message::PingReq { nonce, target } => (Wire(nonce), Wire(target)).encode(encoder),
            Message::Relayed { nonce, target, incarnation } => {
                (Wire(nonce), Wire(target), Wire(incarnation)).encode(encoder)
            }
            Message::Ack { nonce } | Message::Nack { nonce } | Message::SyncRequest { nonce } => {
                Wire(nonce).encode(encoder)
            }
            Message::News | Message::Unknown { .. } => Ok(()),
            Message::SyncReply { nonce, done } => (Wire(nonce), Varint(u64::from(done))).encode(encoder),
            Message::Election { to, context, ref election_message } => {
                (Wire(to), ContextBody::from(context), election_message).encode(encoder)
            }
        }
    }
}

#[derive(Encode, Decode)]
struct SenderStateBody {
    incarnation: Wire<Incarnation>,
    view_hash: Wire<u64>,
    round: Wire<u16>,
}

impl Encode for SenderState {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let SenderState { incarnation, view_hash, round } = *self;
        SenderStateBody { incarnation: Wire(incarnation), view_hash: Wire(view_hash), round: Wire(round) }
            .encode(encoder)
    }
}

impl SenderState {
    pub(super) fn decode(rest: &mut &[u8]) -> Result<Self, Rejected> {
        let SenderStateBody { incarnation, view_hash, round } = take(rest)?;
        Ok(SenderState { incarnation: checked(incarnation.0)?, view_hash: view_hash.0, round: round.0 })
    }
}

pub(super) fn digest(rest: &mut &[u8]) -> Result<Digest, Rejected> {
    take::<Wire<Digest>>(rest).map(|Wire(digest)| digest)
}

fn nonce_of(nonce: Wire<Nonce>) -> Nonce {
    nonce.0
}

fn checked(incarnation: Incarnation) -> Result<Incarnation, Rejected> {
    if incarnation.0 < Incarnation::LIMIT { Ok(incarnation) } else { Err(Rejected::Malformed) }
}
