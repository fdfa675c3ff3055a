//! The dead we keep dialling so that partitions heal, and what is remembered of those we let go.
//!
//! A partition looks like a crash to both sides; only somebody who still asks can find out that it is over. The most
//! recently dead are dialled most: with uniform choice, weeks of replaced processes would crowd out the half of the
//! cluster that was cut off an hour ago. What the cap evicts leaves a tombstone of 28 bytes, or an old rumour would
//! raise it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::member::{Generation, Incarnation, NodeId};
use crate::random::Random;
use crate::sabotage;
use crate::swim::slot::Slot;
use crate::time::Instant;

/// How long a tombstone is kept. Chosen: longer than any rumour rides.
const TOMBSTONE_RETENTION: Duration = Duration::from_secs(600);
/// The most recently dead, as dialling understands it.
const RECENT: usize = 32;

/// Whom to dial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dial {
    Ghost(Slot),
    Contact,
}

#[derive(Debug)]
pub(crate) struct Ghosts {
    /// The dead and the left, the longest so first.
    gone: VecDeque<Gone>,
    tombstones: BTreeMap<NodeId, Tombstone>,
    ghosts_max: usize,
    retention: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Gone {
    slot: Slot,
    since: Instant,
    is_dialled: bool,
}

#[derive(Clone, Copy, Debug)]
struct Tombstone {
    generation: Generation,
    incarnation: Incarnation,
    until: Instant,
}

impl Ghosts {
    pub(crate) fn new(ghosts_max: usize, retention: Duration) -> Self {
        Ghosts { gone: VecDeque::new(), tombstones: BTreeMap::new(), ghosts_max, retention }
    }

    /// How many dead members are dialled.
    pub(crate) fn dialled(&self) -> usize {
        self.gone.iter().filter(|gone| gone.is_dialled).count()
    }

    /// Remembers a member that died (and is dialled) or left (and is not).
    pub(crate) fn add(&mut self, slot: Slot, now: Instant, is_dialled: bool) {
        self.take_back(slot);
        self.gone.push_back(Gone { slot, since: now, is_dialled });
    }

    /// The member is back, or forgotten.
    pub(crate) fn take_back(&mut self, slot: Slot) {
        self.gone.retain(|gone| gone.slot != slot);
    }

    /// The next one that is over the cap or too long gone; its row is to be dropped and buried.
    pub(crate) fn next_evicted(&mut self, now: Instant) -> Option<Slot> {
        let oldest = self.gone.front()?;
        let is_over = self.gone.len() > self.ghosts_max || oldest.since + self.retention <= now;
        is_over.then(|| self.gone.pop_front().map(|gone| gone.slot)).flatten()
    }

    /// Keeps what must outlive a row: nothing at or below this standing raises the member again.
    pub(crate) fn bury(&mut self, now: Instant, id: NodeId, generation: Generation, incarnation: Incarnation) {
        self.tombstones.retain(|_, tombstone| tombstone.until > now);
        if self.tombstones.len() >= self.ghosts_max.max(1_024) * 4 {
            self.tombstones.pop_first();
        }
        let until = now + TOMBSTONE_RETENTION;
        self.tombstones.insert(id, Tombstone { generation, incarnation, until });
    }

    /// What a tombstone says of a member, if it holds down this report of it.
    pub(crate) fn buried(
        &self,
        now: Instant,
        id: NodeId,
        generation: Generation,
        incarnation: Incarnation,
    ) -> Option<(Generation, Incarnation)> {
        let tombstone = self.tombstones.get(&id).filter(|_| !sabotage::is_off("tombstones"))?;
        let buried = (tombstone.generation, tombstone.incarnation);
        (tombstone.until > now && (generation, incarnation) <= buried).then_some(buried)
    }

    /// Whom to dial this interval, if anybody: with probability min(1/5, 64/n), half the time one of the most recently
    /// dead, a quarter a contact, a quarter anyone dead.
    pub(crate) fn dial(&self, random: &mut Random, present: usize) -> Option<Dial> {
        let lot = random.below(present.max(320) as u64);
        if lot >= 64 || sabotage::is_off("ghosts") {
            return None;
        }
        let quarter = random.below(4);
        let among = if quarter < 2 { self.dialled().min(RECENT) } else { self.dialled() };
        let place = random.index(among);
        match self.gone.iter().rev().filter(|gone| gone.is_dialled).nth(place) {
            Some(ghost) if quarter != 2 => Some(Dial::Ghost(ghost.slot)),
            _ => Some(Dial::Contact),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn at(s: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(s)
    }

    #[test]
    fn caps_and_retention_evict_the_oldest() {
        let mut ghosts = Ghosts::new(2, Duration::from_secs(100));
        for n in 1..=3 {
            ghosts.add(Slot(n), at(n.into()), true);
        }
        assert_eq!(ghosts.next_evicted(at(3)), Some(Slot(1)));
        assert_eq!(ghosts.next_evicted(at(3)), None);
        assert_eq!(ghosts.next_evicted(at(102)), Some(Slot(2)));
        ghosts.take_back(Slot(3));
        assert_eq!(ghosts.next_evicted(at(1_000)), None);
    }

    #[test]
    fn tombstones_hold_down_old_rumours_for_a_while() {
        let id = NodeId::from_u128(1);
        let mut ghosts = Ghosts::new(2, Duration::from_secs(100));
        let buried = (Generation(5), Incarnation(3));
        ghosts.bury(at(0), id, buried.0, buried.1);
        assert_eq!(ghosts.buried(at(1), id, Generation(5), Incarnation(3)), Some(buried));
        assert_eq!(ghosts.buried(at(1), id, Generation(4), Incarnation(9)), Some(buried));
        assert_eq!(ghosts.buried(at(1), id, Generation(5), Incarnation(4)), None);
        assert_eq!(ghosts.buried(at(601), id, Generation(5), Incarnation(3)), None);
    }

    #[test]
    fn dials_a_fifth_of_the_time_and_mostly_the_recent() {
        let mut random = Random::fork(2, Purpose::Healing);
        let mut ghosts = Ghosts::new(1_000, Duration::from_secs(100));
        for n in 0..500 {
            ghosts.add(Slot(n), at(1), true);
        }
        let dials: Vec<Dial> = (0..10_000).filter_map(|_| ghosts.dial(&mut random, 5)).collect();
        assert!((1_800..2_200).contains(&dials.len()), "{}", dials.len());
        let recent = dials.iter().filter(|d| matches!(d, Dial::Ghost(slot) if slot.0 >= 468)).count();
        let contacts = dials.iter().filter(|d| **d == Dial::Contact).count();
        assert!((900..1_200).contains(&recent) && (400..600).contains(&contacts), "{recent} {contacts}");
        assert_eq!(Ghosts::new(9, Duration::ZERO).dialled(), 0);
    }
}
