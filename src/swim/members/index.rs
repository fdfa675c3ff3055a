//! A compact hash index from 64-bit keys to slots of the membership table.
//!
//! Open addressing over 4-byte slots: 6 to 9 bytes a member where a map of keys would take 30. Nothing iterates it, so
//! its order decides nothing. The keys live in the table it points into; callers pass a way to read them.

use crate::swim::slot::Slot;

const EMPTY: u32 = u32::MAX;

#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    places: Vec<u32>,
    used: usize,
}

impl Index {
    /// The slot under `key` for which `is_it` holds.
    pub(crate) fn find(&self, key: u64, is_it: impl Fn(Slot) -> bool) -> Option<Slot> {
        if self.places.is_empty() {
            return None;
        }
        let mut place = self.home(key);
        while self.places[place] != EMPTY {
            let slot = Slot(self.places[place]);
            if is_it(slot) {
                return Some(slot);
            }
            place = self.after(place);
        }
        None
    }

    pub(crate) fn insert(&mut self, key: u64, slot: Slot, key_of: impl Fn(Slot) -> u64) {
        self.reserve(1, key_of);
        self.put(key, slot);
        self.used += 1;
    }

    /// Makes space for so many more, so that none of them is moved again while the others enter.
    pub(crate) fn reserve(&mut self, more: usize, key_of: impl Fn(Slot) -> u64) {
        let needed = (self.used + more) * 8;
        if needed > self.places.len() * 7 {
            self.grow(needed.div_ceil(7).next_power_of_two().max(16), key_of);
        }
    }

    pub(crate) fn remove(&mut self, key: u64, slot: Slot, key_of: impl Fn(Slot) -> u64) {
        if self.places.is_empty() {
            return;
        }
        let mut hole = self.home(key);
        while self.places[hole] != slot.0 {
            if self.places[hole] == EMPTY {
                debug_assert!(false, "removing a slot that is not indexed");
                return;
            }
            hole = self.after(hole);
        }

        self.used -= 1;
        self.close(hole, key_of);
    }

    /// Moves later entries of the chain into the hole, so that no search stops short of them.
    fn close(&mut self, mut hole: usize, key_of: impl Fn(Slot) -> u64) {
        let mut place = self.after(hole);
        while self.places[place] != EMPTY {
            let home = self.home(key_of(Slot(self.places[place])));
            let mask = self.places.len() - 1;
            if place.wrapping_sub(home) & mask >= place.wrapping_sub(hole) & mask {
                self.places[hole] = self.places[place];
                hole = place;
            }
            place = self.after(place);
        }
        self.places[hole] = EMPTY;
    }

    fn grow(&mut self, length: usize, key_of: impl Fn(Slot) -> u64) {
        let old = std::mem::replace(&mut self.places, vec![EMPTY; length]);
        for slot in old.into_iter().filter(|slot| *slot != EMPTY).map(Slot) {
            self.put(key_of(slot), slot);
        }
    }

    fn put(&mut self, key: u64, slot: Slot) {
        let mut place = self.home(key);
        while self.places[place] != EMPTY {
            place = self.after(place);
        }
        self.places[place] = slot.0;
    }

    fn home(&self, key: u64) -> usize {
        let bits = self.places.len().trailing_zeros();
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits)) as usize
    }

    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.places.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn agrees_with_a_map_over_inserts_and_removals() {
        let mut index = Index::default();
        let mut keys: BTreeMap<u32, u64> = BTreeMap::new();
        let mut random = crate::random::Random::fork(3, crate::random::Purpose::Probing);

        for step in 0..20_000_u32 {
            let slot = random.below(500) as u32;
            if let Some(key) = keys.get(&slot).copied() {
                index.remove(key, Slot(slot), |s| keys[&s.0]);
                keys.remove(&slot);
            } else {
                let key = random.below(64) << 58; // few keys, so that chains are long
                keys.insert(slot, key);
                index.insert(key, Slot(slot), |s| keys[&s.0]);
            }

            if step % 100 == 0 {
                for (slot, key) in &keys {
                    assert_eq!(index.find(*key, |s| s.0 == *slot), Some(Slot(*slot)));
                }
            }
        }

        assert_eq!(index.used, keys.len());
    }

    #[test]
    fn room_made_at_once_is_that_of_entering_one_by_one() {
        for count in 0..2_000 {
            let key_of = |slot: Slot| u64::from(slot.0).wrapping_mul(0x9e37_79b9);
            let (mut slowly, mut at_once) = (Index::default(), Index::default());
            at_once.reserve(count, key_of);
            let space = at_once.places.len();
            for slot in (0..count as u32).map(Slot) {
                slowly.insert(key_of(slot), slot, key_of);
                at_once.insert(key_of(slot), slot, key_of);
            }
            assert_eq!((at_once.places.len(), at_once.used), (space, count));
            assert!(count == 0 || space == slowly.places.len(), "{count}");
        }
    }
}
