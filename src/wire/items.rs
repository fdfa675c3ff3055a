//! The items a datagram carries after its message: news of members, and the steps of a comparison.
//!
//! An item is a kind, a length and a body, so that a release may skip what a later one says: kinds that it does not
//! know, and what stands in a body behind the fields that it knows. Of a member's own record that rest is passed on as
//! it came; every other item is said anew from what is believed here, without it.

use std::net::SocketAddr;
use std::time::Duration;

use bincode::enc::Encoder;
use bincode::error::EncodeError;
use bincode::{Decode, Encode};

use super::Rejected;
use super::bytes::{take, take_borrowed};
use super::change::{ChangeBody, ChangeRef};
use super::compare::{Range, Terms};
use super::fields::{Wire, is_usable};
use super::record::RecordRef;
use super::start::{Departure, Start, check_start};
use super::varint::Varint;
use crate::member::{Accusers, Generation, Incarnation, NodeId};

/// One thing that a datagram says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Item<'a> {
    /// A member's own record.
    Alive(RecordRef<'a>),
    /// Another member's pings to the member named here went unanswered.
    Suspect(Accusation),
    /// The sender, or one whose word it passes on, has convicted this member.
    Dead(Accusation),
    /// A member said that it leaves.
    Left(Departure),
    /// "I see you at this address."
    Seen(SocketAddr),
    /// "I see you at another address than your record's": what fits where the address does not.
    SeenElsewhere,
    /// A member changed nothing but the further fields of its record.
    Change(ChangeRef<'a>),
    /// "My hash of this part of the ring."
    Range { range: Range, hash: u32 },
    /// "My hashes of its sixteen parts."
    Children { range: Range, hashes: [u32; 16] },
    /// "My terms in this range."
    Terms { range: Range, terms: Terms<'a> },
    /// "Send me the records of these terms."
    Want { range: Range, terms: Terms<'a> },
    /// "Send me your records from this place of the ring on."
    Pull { cursor: u64 },
    /// Ends a pull's page: where to go on, if there is more, and the sender's full round.
    Page { next: Option<u64>, round: u64 },
}

/// What is held against a member, for a suspicion and for a verdict alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Accusation {
    pub id: NodeId,
    pub generation: Generation,
    pub incarnation: Incarnation,
    /// How long before the sending the silence began; whole milliseconds, at most 2^32 - 1, are sent.
    pub age: Duration,
    /// Asks the receiver to probe the member at once.
    pub probe: bool,
    pub accusers: Accusers,
}

mod kind {
    pub(super) const ALIVE: u8 = 1;
    pub(super) const SUSPECT: u8 = 2;
    pub(super) const DEAD: u8 = 3;
    pub(super) const LEFT: u8 = 4;
    pub(super) const SEEN: u8 = 5;
    pub(super) const CHANGE: u8 = 6;
    pub(super) const SEEN_ELSEWHERE: u8 = 7;
    pub(super) const RANGE: u8 = 16;
    pub(super) const CHILDREN: u8 = 17;
    pub(super) const TERMS: u8 = 18;
    pub(super) const WANT: u8 = 19;
    pub(super) const PULL: u8 = 20;
    pub(super) const PAGE: u8 = 21;
}

impl<'a> Item<'a> {
    pub(super) const fn kind(&self) -> u8 {
        match self {
            Item::Alive(_) => kind::ALIVE,
            Item::Suspect(_) => kind::SUSPECT,
            Item::Dead(_) => kind::DEAD,
            Item::Left(_) => kind::LEFT,
            Item::Seen(_) => kind::SEEN,
            Item::SeenElsewhere => kind::SEEN_ELSEWHERE,
            Item::Change(_) => kind::CHANGE,
            Item::Range { .. } => kind::RANGE,
            Item::Children { .. } => kind::CHILDREN,
            Item::Terms { .. } => kind::TERMS,
            Item::Want { .. } => kind::WANT,
            Item::Pull { .. } => kind::PULL,
            Item::Page { .. } => kind::PAGE,
        }
    }

    /// Reads the known fields of a body and skips the rest; `None` for a kind that this release does not know.
    pub(super) fn decode(kind: u8, body: &'a [u8]) -> Result<Option<Self>, Rejected> {
        let mut rest = body;
        let item = match kind {
            kind::ALIVE => Item::Alive(RecordRef::decode(rest)?),
            kind::SUSPECT | kind::DEAD => {
                let accusation = take::<AccusationBody>(&mut rest)?.into();
                if kind == kind::DEAD { Item::Dead(accusation) } else { Item::Suspect(accusation) }
            }
            kind::LEFT => Item::Left(take::<Start>(&mut rest)?.into()),
            kind::SEEN => Item::Seen(take::<Wire<SocketAddr>>(&mut rest)?.0),
            kind::SEEN_ELSEWHERE => Item::SeenElsewhere,
            kind::CHANGE => Item::Change(take_borrowed::<ChangeBody<'_>>(&mut rest)?.into()),
            kind::RANGE => {
                let (Wire(range), Wire(hash)) = take(&mut rest)?;
                Item::Range { range, hash }
            }
            kind::CHILDREN => {
                let (Wire(range), hashes) = take::<(Wire<Range>, [Wire<u32>; 16])>(&mut rest)?;
                Item::Children { range, hashes: hashes.map(|Wire(hash)| hash) }
            }
            kind::TERMS => {
                let Wire(range) = take(&mut rest)?;
                Item::Terms { range, terms: Terms::take(&mut rest)? }
            }
            kind::WANT => {
                let Wire(range) = take(&mut rest)?;
                Item::Want { range, terms: Terms::take(&mut rest)? }
            }
            kind::PULL => Item::Pull { cursor: take::<Wire<u64>>(&mut rest)?.0 },
            kind::PAGE => {
                let (next, Varint(round)) = take::<(Option<Wire<u64>>, Varint)>(&mut rest)?;
                Item::Page { next: next.map(|Wire(cursor)| cursor), round }
            }
            _ => return Ok(None),
        };

        Ok(Some(item))
    }

    /// Whether all values are such as may be said: the same for what comes in and what goes out.
    pub(super) fn check(&self) -> Result<(), Rejected> {
        match self {
            Item::Alive(record) => record.check(),
            Item::Suspect(accusation) | Item::Dead(accusation) => {
                check_start(accusation.generation, accusation.incarnation)
            }
            Item::Left(departure) => check_start(departure.generation, departure.incarnation),
            Item::Seen(address) => {
                if is_usable(*address) {
                    Ok(())
                } else {
                    Err(Rejected::Malformed)
                }
            }
            Item::Change(change) => change.check(),
            Item::Range { range, .. }
            | Item::Children { range, .. }
            | Item::Terms { range, .. }
            | Item::Want { range, .. } => range.check(),
            Item::SeenElsewhere | Item::Pull { .. } | Item::Page { .. } => Ok(()),
        }
    }
}

/// Writes the body.
impl Encode for Item<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        match *self {
            Item::Alive(record) => record.encode(encoder),
            Item::Suspect(accusation) | Item::Dead(accusation) => AccusationBody::from(accusation).encode(encoder),
            Item::Left(departure) => Start::from(departure).encode(encoder),
            Item::Seen(address) => Wire(address).encode(encoder),
            Item::SeenElsewhere => Ok(()),
            Item::Change(change) => ChangeBody::from(change).encode(encoder),
            Item::Range { range, hash } => (Wire(range), Wire(hash)).encode(encoder),
            Item::Children { range, hashes } => (Wire(range), hashes.map(Wire)).encode(encoder),
            Item::Terms { range, terms } | Item::Want { range, terms } => (Wire(range), terms).encode(encoder),
            Item::Pull { cursor } => Wire(cursor).encode(encoder),
            Item::Page { next, round } => (next.map(Wire), Varint(round)).encode(encoder),
        }
    }
}

#[derive(Encode, Decode)]
struct AccusationBody {
    id: Wire<NodeId>,
    generation: Wire<Generation>,
    incarnation: Wire<Incarnation>,
    age: Wire<Duration>,
    flags: Wire<u8>,
    accusers: Wire<Accusers>,
}

/// The receiver is asked to probe at once. Other flags are those of later releases, and are ignored.
const FLAG_PROBE: u8 = 1;

impl From<Accusation> for AccusationBody {
    fn from(accusation: Accusation) -> Self {
        let Accusation { id, generation, incarnation, age, probe, accusers } = accusation;
        AccusationBody {
            id: Wire(id),
            generation: Wire(generation),
            incarnation: Wire(incarnation),
            age: Wire(age),
            flags: Wire(if probe { FLAG_PROBE } else { 0 }),
            accusers: Wire(accusers),
        }
    }
}

impl From<AccusationBody> for Accusation {
    fn from(body: AccusationBody) -> Self {
        Accusation {
            id: body.id.0,
            generation: body.generation.0,
            incarnation: body.incarnation.0,
            age: body.age.0,
            probe: body.flags.0 & FLAG_PROBE != 0,
            accusers: body.accusers.0,
        }
    }
}
