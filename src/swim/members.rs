//! The membership table: a row for each member known, the only writer of [`State`] (its view hash: `protocol.md 8.1`).
//!
//! Every change of a row goes through [`Members::change`], which takes the row out of all that is derived from it (the
//! ring, the indices, the view hash, the counts) and puts it back in. What changes a row is decided elsewhere. Whatever
//! is told of a row and changes is noted in [`Changes`].

pub(crate) mod changes;
pub(crate) mod ghosts;
pub(crate) mod hearsay;
mod index;
pub(crate) mod merge;
pub(crate) mod precedence;
pub(crate) mod ring;
pub(crate) mod rtt;
pub(crate) mod sample;
#[cfg(test)]
mod tests;

use twox_hash::XxHash3_64;

use crate::member::{Generation, Incarnation, Member, NodeId, Record, State};
use crate::sabotage;
use crate::swim::members::changes::Changes;
use crate::swim::members::index::Index;
use crate::swim::members::ring::Ring;
use crate::swim::members::rtt::Rtt;
use crate::swim::reach::Reach;
use crate::swim::slot::Slot;
use crate::time::Instant;
use crate::wire::Digest;

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) member: Member,
    /// When the latest ping that it answered was sent; the origin if it never answered at this address.
    pub(crate) alive_at: Instant,
    pub(crate) rtt: Rtt,
    standing: Presence,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Presence {
    Free,
    Certain,
    Provisional,
}

impl Row {
    /// Whether its Dead is provisional: told, not gossiped, and undone by any sign of life.
    pub(crate) fn is_provisional(&self) -> bool {
        self.standing == Presence::Provisional
    }

    /// Whether it counts in n and stands in the ring: neither Left nor certainly Dead.
    pub(crate) fn is_present(&self) -> bool {
        self.is_used() && (self.member.state.is_live() || self.is_provisional())
    }

    /// Whether its state may be told to others and compared with theirs as present.
    pub(crate) fn is_live(&self) -> bool {
        self.is_used() && self.member.state.is_live()
    }

    /// Whether it has answered a nonce of ours at its present address.
    pub(crate) fn is_proved(&self) -> bool {
        self.alive_at > Instant::ORIGIN
    }

    pub(crate) fn is_used(&self) -> bool {
        self.standing != Presence::Free
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.member.id(), self.member.generation())
    }
}

/// How many members are in which state, this node included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) alive: usize,
    pub(crate) suspect: usize,
    pub(crate) provisional: usize,
}

impl Counts {
    /// n: ourselves and all that are neither Dead nor Left; a provisional Dead counts.
    pub(crate) fn present(self) -> usize {
        self.alive + self.suspect + self.provisional
    }

    pub(crate) fn live(self) -> usize {
        self.alive + self.suspect
    }
}

#[derive(Debug)]
pub(crate) struct Members {
    rows: Vec<Row>,
    free: Vec<Slot>,
    by_id: Index,
    by_digest: Index,
    ring: Ring,
    me: Slot,
    /// Where this node last stood on the ring: a search at every tick would read a dozen rows all over the table.
    my_place: usize,
    /// Those at IPv4 addresses, and those at IPv6 ones.
    counts: [Counts; 2],
    hash_key: u64,
    view_hash: u64,
    changes: Changes,
}

impl Members {
    /// A table that holds this node alone.
    pub(crate) fn new(me: Record, hash_key: u64) -> Self {
        let mut members = Members {
            rows: Vec::new(),
            free: Vec::new(),
            by_id: Index::default(),
            by_digest: Index::default(),
            ring: Ring::default(),
            me: Slot(0),
            my_place: 0,
            counts: Default::default(),
            hash_key,
            view_hash: 0,
            changes: Changes::new(),
        };
        members.me = members.insert(me);
        members
    }

    pub(crate) fn me(&self) -> Slot {
        self.me
    }

    pub(crate) fn row(&self, slot: Slot) -> &Row {
        &self.rows[slot.0 as usize]
    }

    pub(crate) fn member(&self, slot: Slot) -> &Member {
        &self.row(slot).member
    }

    pub(crate) fn find(&self, id: NodeId) -> Option<Slot> {
        self.by_id.find(id_key(id), |slot| self.row(slot).member.id() == id)
    }

    /// The member whose present generation has this digest.
    pub(crate) fn find_digest(&self, digest: Digest) -> Option<Slot> {
        self.by_digest.find(digest.0, |slot| self.row(slot).digest() == digest)
    }

    /// Every row in use, in table order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..self.rows.len() as u32).map(Slot).filter(|slot| self.row(*slot).is_used())
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts_in(Reach::Both)
    }

    /// How many of the members that can be sent to are in which state.
    pub(crate) fn counts_in(&self, reach: Reach) -> Counts {
        let [v4, v6] = self.counts;
        match reach {
            Reach::V4 => v4,
            Reach::V6 => v6,
            Reach::Both => Counts {
                alive: v4.alive + v6.alive,
                suspect: v4.suspect + v6.suspect,
                provisional: v4.provisional + v6.provisional,
            },
        }
    }

    /// The sum of the live members' terms.
    pub(crate) fn view_hash(&self) -> u64 {
        self.view_hash
    }

    /// What changed last among that which is told of the rows.
    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }

    pub(crate) fn ring_len(&self) -> usize {
        self.ring.len()
    }

    pub(crate) fn ring_at(&self, place: usize) -> Option<Slot> {
        self.ring.at(place)
    }

    /// The member `offset` places after this node.
    pub(crate) fn ring_after_me(&mut self, offset: usize) -> Option<Slot> {
        if self.ring.at(self.my_place) != Some(self.me) {
            self.my_place = self.ring.place_of(self.member(self.me).id(), |slot| self.member(slot).id()).ok()?;
        }
        self.ring.at((self.my_place + offset) % self.ring.len().max(1)).filter(|slot| *slot != self.me)
    }

    /// The live members at ring positions `first..=last`, in ring order.
    pub(crate) fn live_between(&self, first: u64, last: u64) -> impl Iterator<Item = Slot> + '_ {
        let present = self.ring.between(first, last, |slot| self.member(slot).id());
        present.iter().copied().filter(|slot| self.row(*slot).is_live())
    }

    /// The member's contribution to the view hash: a keyed hash of what its owner last said.
    pub(crate) fn term(&self, slot: Slot) -> u64 {
        term(self.hash_key, &self.row(slot).member.record)
    }

    /// Adds a row, Alive, for an id that has none.
    pub(crate) fn insert(&mut self, record: Record) -> Slot {
        let slot = self.insert_unplaced(record);
        self.enter_ring(slot);
        slot
    }

    /// Adds a row, Alive, for each record of an unknown id, `space` of them at most; returns the new rows, and how
    /// many records were refused.
    ///
    /// The same as inserting one by one, without that each moves half of the ring and without slack in the tables.
    pub(crate) fn insert_all<'a>(
        &mut self,
        records: impl Iterator<Item = &'a Record> + Clone,
        space: usize,
    ) -> (Vec<Slot>, u64) {
        let expected = records.clone().filter(|record| self.find(record.id()).is_none()).count().min(space);
        self.reserve(expected);

        let mut added = Vec::with_capacity(expected);
        let mut refused = 0;
        for record in records {
            // Asked again, for an id may be there twice.
            if self.find(record.id()).is_some() {
                continue;
            }
            if added.len() < space {
                added.push(self.insert_unplaced(record.clone()));
            } else {
                refused += 1;
            }
        }

        let rows = &self.rows;
        self.ring.insert_all(&added, |slot| rows[slot.0 as usize].member.id());
        (added, refused)
    }

    /// Adds a row to all but the ring.
    fn insert_unplaced(&mut self, record: Record) -> Slot {
        let id = record.id();
        let incarnation = record.incarnation();
        let row = Row {
            member: Member { record, incarnation, state: State::Alive, flaps: false },
            alive_at: Instant::ORIGIN,
            rtt: Rtt::default(),
            standing: Presence::Certain,
        };

        let slot = self.place(row);
        let rows = &self.rows;
        self.by_id.insert(id_key(id), slot, |slot| id_key(rows[slot.0 as usize].member.id()));
        self.enter_sums(slot);
        self.changes.note(id);
        slot
    }

    /// Drops a row; its slot is used again.
    pub(crate) fn remove(&mut self, slot: Slot) {
        self.exit(slot);
        let id = self.member(slot).id();
        let rows = &self.rows;
        self.by_id.remove(id_key(id), slot, |slot| id_key(rows[slot.0 as usize].member.id()));
        self.rows[slot.0 as usize].standing = Presence::Free;
        self.free.push(slot);
        self.changes.note(id);
    }

    pub(crate) fn set_state(&mut self, slot: Slot, state: State) {
        self.change(slot, |row| {
            row.member.state = state;
            row.standing = Presence::Certain;
        });
    }

    /// Dead by a verdict that may be this node's own fault.
    pub(crate) fn set_provisionally_dead(&mut self, slot: Slot) {
        self.change(slot, |row| {
            row.member.state = State::Dead;
            row.standing = Presence::Provisional;
        });
    }

    /// Marks a member as one that flaps, or not any more.
    pub(crate) fn set_flapping(&mut self, slot: Slot, flaps: bool) {
        let member = &mut self.rows[slot.0 as usize].member;
        if member.flaps != flaps {
            member.flaps = flaps;
            self.changes.note(member.id());
        }
    }

    /// Raises the incarnation heard of; the record stays until its owner's words arrive.
    pub(crate) fn raise_incarnation(&mut self, slot: Slot, incarnation: Incarnation) {
        if sabotage::is_off("words_apart") && incarnation > self.row(slot).member.incarnation {
            let mut record = self.row(slot).member.record.clone();
            record.set_incarnation(incarnation);
            return self.set_record(slot, record);
        }
        let row = &mut self.rows[slot.0 as usize];
        if incarnation > row.member.incarnation {
            row.member.incarnation = incarnation;
            self.changes.note(row.member.id());
        }
    }

    /// Replaces the owner's words; a new address or generation has proved nothing yet.
    pub(crate) fn set_record(&mut self, slot: Slot, record: Record) {
        self.change(slot, |row| {
            let same_place = row.member.address() == record.address() && row.member.generation() == record.generation();
            if !same_place {
                row.alive_at = Instant::ORIGIN;
                row.rtt = Rtt::default();
            }

            if row.member.generation() == record.generation() && !sabotage::is_off("highest_heard") {
                row.member.incarnation = row.member.incarnation.max(record.incarnation());
            } else {
                row.member.incarnation = record.incarnation();
            }
            row.member.record = record;
        });
    }

    /// Notes that the member answered a ping sent at `sent`.
    pub(crate) fn note_alive(&mut self, slot: Slot, sent: Instant) {
        let row = &mut self.rows[slot.0 as usize];
        row.alive_at = row.alive_at.max(sent).max(Instant::from_nanos(1));
    }

    pub(crate) fn sample_rtt(&mut self, slot: Slot, rtt: std::time::Duration) {
        self.rows[slot.0 as usize].rtt.sample(rtt);
    }

    /// Speaks for this node itself: a new generation.
    pub(crate) fn set_my_generation(&mut self, generation: Generation) {
        self.change(self.me, |row| {
            row.member.record.set_generation(generation);
            row.member.record.set_incarnation(Incarnation(0));
            row.member.incarnation = Incarnation(0);
        });
    }

    /// Changes this node's own record and stamps it with `incarnation`.
    pub(crate) fn change_my_record(&mut self, incarnation: Incarnation, change: impl FnOnce(&mut Record)) {
        self.change(self.me, |row| {
            change(&mut row.member.record);
            row.member.record.set_incarnation(incarnation);
            row.member.incarnation = incarnation;
        });
    }

    fn change(&mut self, slot: Slot, change: impl FnOnce(&mut Row)) {
        self.exit(slot);
        change(&mut self.rows[slot.0 as usize]);
        self.enter(slot);
        self.changes.note(self.member(slot).id());
    }

    fn place(&mut self, row: Row) -> Slot {
        if let Some(slot) = self.free.pop() {
            self.rows[slot.0 as usize] = row;
            return slot;
        }
        self.reserve_rows(1);
        self.rows.push(row);
        Slot(self.rows.len() as u32 - 1)
    }

    /// Makes space for so many more rows.
    fn reserve(&mut self, more: usize) {
        self.reserve_rows(more.saturating_sub(self.free.len()));
        let rows = &self.rows;
        self.by_id.reserve(more, |slot| id_key(rows[slot.0 as usize].member.id()));
        self.by_digest.reserve(more, |slot| rows[slot.0 as usize].digest().0);
    }

    fn reserve_rows(&mut self, more: usize) {
        if self.rows.len() + more > self.rows.capacity() {
            self.rows.reserve_exact(more.max(self.rows.len() / 32).max(16));
        }
    }

    /// Puts a row into everything derived from it.
    fn enter(&mut self, slot: Slot) {
        self.enter_sums(slot);
        self.enter_ring(slot);
    }

    fn enter_ring(&mut self, slot: Slot) {
        if self.row(slot).is_present() {
            let rows = &self.rows;
            self.ring.insert(self.member(slot).id(), slot, |slot| rows[slot.0 as usize].member.id());
        }
    }

    /// Puts a row into the index of digests, the view hash and the counts.
    fn enter_sums(&mut self, slot: Slot) {
        let digest = self.row(slot).digest();
        let rows = &self.rows;
        self.by_digest.insert(digest.0, slot, |slot| rows[slot.0 as usize].digest().0);
        if self.row(slot).is_live() {
            self.view_hash = self.view_hash.wrapping_add(self.term(slot));
        }
        if let Some(count) = self.count_of(slot) {
            *count += 1;
        }
    }

    /// Takes a row out of everything derived from it.
    fn exit(&mut self, slot: Slot) {
        let (id, digest) = (self.member(slot).id(), self.row(slot).digest());
        let rows = &self.rows;
        self.by_digest.remove(digest.0, slot, |slot| rows[slot.0 as usize].digest().0);
        if self.row(slot).is_present() {
            self.ring.remove(id, |slot| rows[slot.0 as usize].member.id());
        }

        if self.row(slot).is_live() {
            self.view_hash = self.view_hash.wrapping_sub(self.term(slot));
        }
        if let Some(count) = self.count_of(slot) {
            *count -= 1;
        }
    }

    fn count_of(&mut self, slot: Slot) -> Option<&mut usize> {
        let row = &self.rows[slot.0 as usize];
        let [v4, v6] = &mut self.counts;
        let counts = if row.member.address().is_ipv4() { v4 } else { v6 };
        match (row.member.state, row.standing) {
            (_, Presence::Free) => None,
            (State::Alive, _) => Some(&mut counts.alive),
            (State::Suspect, _) => Some(&mut counts.suspect),
            (State::Dead, Presence::Provisional) => Some(&mut counts.provisional),
            (State::Dead | State::Left, _) => None,
        }
    }
}

fn id_key(id: NodeId) -> u64 {
    crate::swim::members::ring::position(id)
}

fn term(key: u64, record: &Record) -> u64 {
    let mut bytes = [0; 28];
    bytes[..16].copy_from_slice(&record.id().to_bytes());
    bytes[16..24].copy_from_slice(&record.generation().0.to_le_bytes());
    if !sabotage::is_off("hash_of_words") {
        bytes[24..].copy_from_slice(&record.incarnation().0.to_le_bytes());
    }
    XxHash3_64::oneshot_with_seed(key, &bytes)
}
