//! A change of a record's further fields alone, so that it need not carry a name, an address and metadata that all
//! know.
//!
//! It names the incarnation since which the rest is unchanged: every record from there on becomes the new one by
//! putting these fields on it. A receiver that holds an older one learns the incarnation, and the record by a
//! comparison of views.

use bincode::{BorrowDecode, Encode};

use super::Rejected;
use super::fields::{Metadata, Wire};
use super::further::check_further;
use super::record::RecordRef;
use super::start::{Departure, Start, check_start};
use crate::member::{EXTRA_BYTES_MAX, Generation, Incarnation, NodeId, Record};

/// A member's further fields at a new incarnation, borrowed from a datagram or from a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ChangeRef<'a> {
    pub id: NodeId,
    pub generation: Generation,
    pub incarnation: Incarnation,
    /// Since when the rest of the record is unchanged; below `incarnation`.
    pub base: Incarnation,
    /// All further fields of the record.
    pub extra: &'a [u8],
}

impl<'a> ChangeRef<'a> {
    /// What changed of a record since its rest did last.
    pub(crate) fn of(record: RecordRef<'a>, base: Incarnation) -> Self {
        let RecordRef { id, generation, incarnation, extra, .. } = record;
        ChangeRef { id, generation, incarnation, base, extra }
    }

    /// The record that the change makes of one that is held; none of one that is too old, or of another start.
    pub(crate) fn apply(&self, held: &Record) -> Option<Record> {
        if held.id() != self.id || held.generation() != self.generation || held.incarnation() < self.base {
            return None;
        }
        let mut record = held.clone();
        record.set_extra(self.extra);
        record.set_incarnation(self.incarnation);
        Some(record)
    }

    pub(super) fn check(&self) -> Result<(), Rejected> {
        if self.extra.len() > EXTRA_BYTES_MAX {
            return Err(Rejected::Oversized);
        }
        if self.base >= self.incarnation {
            return Err(Rejected::Malformed);
        }
        check_start(self.generation, self.incarnation)?;
        check_further(self.extra)
    }
}

/// The body of a change: whose, since when, and the fields with their length.
#[derive(Encode, BorrowDecode)]
pub(super) struct ChangeBody<'a> {
    start: Start,
    base: Wire<Incarnation>,
    extra: Metadata<'a>,
}

impl<'a> From<ChangeRef<'a>> for ChangeBody<'a> {
    fn from(change: ChangeRef<'a>) -> Self {
        let ChangeRef { id, generation, incarnation, base, extra } = change;
        let start = Departure { id, generation, incarnation }.into();
        ChangeBody { start, base: Wire(base), extra: Metadata(extra) }
    }
}

impl<'a> From<ChangeBody<'a>> for ChangeRef<'a> {
    fn from(body: ChangeBody<'a>) -> Self {
        let Departure { id, generation, incarnation } = body.start.into();
        ChangeRef { id, generation, incarnation, base: body.base.0, extra: body.extra.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::golden::RECORD;

    #[test]
    fn a_change_makes_the_new_record_of_every_one_since_its_base() {
        let at =
            |incarnation| RecordRef { incarnation: Incarnation(incarnation), extra: &[9, 0], ..RECORD }.to_record();
        let new = RecordRef { incarnation: Incarnation(7), extra: &[1, 1, 5], ..RECORD };
        let change = ChangeRef::of(new, Incarnation(5));
        for (held, is_new) in [(4, false), (5, true), (6, true), (7, true)] {
            assert_eq!(change.apply(&at(held)), is_new.then(|| new.to_record()), "{held}");
        }
        let restarted = RecordRef { generation: RECORD.generation.next(), ..RECORD }.to_record();
        assert_eq!(change.apply(&restarted), None);
    }
}
