//! Where each member stands on the ring, and which one a node pings in round r (`protocol.md 4.1`, `4.5`).
//!
//! Members stand in the order of a hash of their ids, so that every member with the same view sees the same ring. In
//! round r each node pings the member s(r) places on: with equal views and rounds each member is pinged exactly once a
//! round, where SWIM's shuffled round robin (4.3) leaves one in three unpinged in any one period. The offsets change
//! every round: an offset kept for several rounds would leave a member unwatched for as long when its watcher is gone.

use std::cmp::Ordering;

use twox_hash::XxHash3_64;

use crate::member::NodeId;
use crate::sabotage;
use crate::swim::slot::Slot;

/// How many predecessors share the near rounds' watch over a member. Chosen: 16 gives a p99 wait of 1.6 intervals and
/// degrades least (2.2 and 3.4) when 1 % and 5 % of views differ.
pub(crate) const NEAR: usize = 16;
/// Every so many rounds one takes an offset from the whole ring, so that each pair is tried in time.
const FAR_EVERY: u64 = 8;

/// A member's place on the ring: a fixed hash of its id, equal at all members.
pub(crate) fn position(id: NodeId) -> u64 {
    let value = id.as_u128();
    let mut mixed = (value >> 64) as u64 ^ (value as u64).rotate_left(32);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The members present, in ring order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ring {
    order: Vec<Slot>,
}

impl Ring {
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn at(&self, place: usize) -> Option<Slot> {
        self.order.get(place).copied()
    }

    pub(crate) fn insert(&mut self, id: NodeId, slot: Slot, id_of: impl Fn(Slot) -> NodeId) {
        if let Err(place) = self.place_of(id, id_of) {
            self.reserve(1);
            self.order.insert(place, slot);
        }
    }

    /// Adds many that are not on the ring yet and sorts once: one by one each would move half of the others.
    pub(crate) fn insert_all(&mut self, slots: &[Slot], id_of: impl Fn(Slot) -> NodeId) {
        self.reserve(slots.len());
        self.order.extend_from_slice(slots);
        self.order.sort_by_cached_key(|slot| {
            let id = id_of(*slot);
            (position(id), id)
        });
    }

    fn reserve(&mut self, more: usize) {
        if self.order.len() + more > self.order.capacity() {
            self.order.reserve_exact(more.max(self.order.len() / 32).max(16));
        }
    }

    pub(crate) fn remove(&mut self, id: NodeId, id_of: impl Fn(Slot) -> NodeId) {
        if let Ok(place) = self.place_of(id, id_of) {
            self.order.remove(place);
        }
    }

    /// The place of `id`, or where it would stand.
    pub(crate) fn place_of(&self, id: NodeId, id_of: impl Fn(Slot) -> NodeId) -> Result<usize, usize> {
        self.order.binary_search_by(|slot| compare(id_of(*slot), id))
    }

    /// The members whose positions lie in `first..=last`.
    pub(crate) fn between(&self, first: u64, last: u64, id_of: impl Fn(Slot) -> NodeId) -> &[Slot] {
        let low = self.order.partition_point(|slot| position(id_of(*slot)) < first);
        let high = self.order.partition_point(|slot| position(id_of(*slot)) <= last);
        self.order.get(low..high).unwrap_or_default()
    }
}

fn compare(a: NodeId, b: NodeId) -> Ordering {
    position(a).cmp(&position(b)).then(a.cmp(&b))
}

/// What members know of each other's rounds: datagrams carry the low 16 bits. Members whose rounds agree in them ping
/// as one, however long one of them was away; after 18 hours of seconds the order repeats.
fn told(round: u64) -> u64 {
    if sabotage::is_off("told_rounds") { round } else { round & 0xffff }
}

/// How many places on the target of `round` stands in a ring of `members`; 0 when there is no other member.
pub(crate) fn offset(round: u64, members: usize) -> usize {
    let round = told(round);
    let others = members.saturating_sub(1);
    if others == 0 {
        return 0;
    }
    if round % FAR_EVERY == FAR_EVERY - 1 {
        return far_offset(round / FAR_EVERY, others as u64);
    }

    let near = others.min(NEAR);
    let index = round - round / FAR_EVERY;
    let block = index / near as u64;
    near_order(block, near)[(index % near as u64) as usize]
}

/// The offset of the `extra`-th target after a failed round, from the whole ring.
pub(crate) fn extra_offset(round: u64, extra: u8, members: usize) -> usize {
    let round = told(round);
    let others = members.saturating_sub(1) as u64;
    if others == 0 { 0 } else { 1 + (hash(round, u64::from(extra)) % others) as usize }
}

/// Each block of far rounds visits all offsets once: a stride that shares no factor with their number.
fn far_offset(far: u64, others: u64) -> usize {
    let block = far / others;
    let step = far % others;
    let start = hash(block, 1 << 32) % others;
    let mut stride = 1 + hash(block, 2 << 32) % others;
    while gcd(stride, others) != 1 {
        stride = stride % others + 1;
    }
    1 + ((u128::from(stride) * u128::from(step) + u128::from(start)) % u128::from(others)) as usize
}

/// Each block of near rounds visits the offsets 1..=near once, in an order hashed from the block's number.
fn near_order(block: u64, near: usize) -> [usize; NEAR] {
    let mut order = [0; NEAR];
    for (i, place) in order.iter_mut().enumerate() {
        *place = i + 1;
    }
    for i in (1..near.min(NEAR)).rev() {
        order.swap(i, (hash(block, 3 << 32 | i as u64) % (i as u64 + 1)) as usize);
    }
    order
}

fn hash(a: u64, b: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&a.to_le_bytes());
    bytes[8..].copy_from_slice(&b.to_le_bytes());
    XxHash3_64::oneshot(&bytes)
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_is_near_once_a_block_and_within_36_rounds() {
        for members in [2, 3, 9, 17, 18, 64, 1000] {
            let near = (members - 1).min(NEAR);
            let mut last = vec![0_u64; near + 1];
            for round in 1..5_000 {
                let offset = offset(round, members);
                assert!((1..members).contains(&offset));
                if round % FAR_EVERY != FAR_EVERY - 1 {
                    assert!(offset <= near);
                    assert!(round - last[offset] <= 36, "offset {offset} of {members} waited {}", round - last[offset]);
                    last[offset] = round;
                }
            }
        }
    }

    #[test]
    fn far_rounds_try_every_offset() {
        for members in [2, 3, 65, 100] {
            let mut seen = vec![false; members];
            for far in 0..(members as u64 - 1) {
                seen[offset(far * FAR_EVERY + FAR_EVERY - 1, members)] = true;
            }
            assert_eq!(seen.iter().filter(|s| **s).count(), members - 1);
        }
    }

    #[test]
    fn alone_there_is_nobody_to_ping() {
        assert_eq!((offset(7, 1), offset(8, 1), extra_offset(3, 1, 1)), (0, 0, 0));
    }

    #[test]
    fn ring_order_is_that_of_the_hashed_ids() {
        let ids: Vec<NodeId> = (0..200).map(NodeId::from_u128).collect();
        let mut ring = Ring::default();
        for (i, id) in ids.iter().enumerate() {
            ring.insert(*id, Slot(i as u32), |slot| ids[slot.0 as usize]);
        }
        assert!(ring.order.windows(2).all(|w| position(ids[w[0].0 as usize]) < position(ids[w[1].0 as usize])));

        let middle = ring.between(1 << 62, (1 << 63) - 1, |slot| ids[slot.0 as usize]).len();
        assert_eq!(middle, ids.iter().filter(|id| position(**id) >> 62 == 1).count());

        let mut at_once = Ring::default();
        at_once.insert(ids[7], Slot(7), |slot| ids[slot.0 as usize]);
        let others: Vec<Slot> = (0..200).filter(|n| *n != 7).map(Slot).collect();
        at_once.insert_all(&others, |slot| ids[slot.0 as usize]);
        assert_eq!(at_once.order, ring.order);
        ring.remove(ids[5], |slot| ids[slot.0 as usize]);
        assert_eq!(ring.len(), 199);
    }
}
