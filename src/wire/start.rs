//! What an item speaks of: a member, one start of it, and one of its words.

use bincode::{Decode, Encode};

use super::Rejected;
use super::fields::Wire;
use crate::member::{Generation, Incarnation, NodeId};

/// A member's word that it leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Departure {
    pub id: NodeId,
    pub generation: Generation,
    pub incarnation: Incarnation,
}

/// The member that an item speaks of, and which of its words it answers.
#[derive(Encode, Decode)]
pub(super) struct Start {
    id: Wire<NodeId>,
    generation: Wire<Generation>,
    incarnation: Wire<Incarnation>,
}

impl From<Departure> for Start {
    fn from(departure: Departure) -> Self {
        let Departure { id, generation, incarnation } = departure;
        Start { id: Wire(id), generation: Wire(generation), incarnation: Wire(incarnation) }
    }
}

impl From<Start> for Departure {
    fn from(start: Start) -> Self {
        Departure { id: start.id.0, generation: start.generation.0, incarnation: start.incarnation.0 }
    }
}

/// Whether both numbers leave space for an answer.
pub(super) fn check_start(generation: Generation, incarnation: Incarnation) -> Result<(), Rejected> {
    let in_range = generation.0 < Generation::LIMIT && incarnation.0 < Incarnation::LIMIT;
    if in_range { Ok(()) } else { Err(Rejected::Malformed) }
}
