//! The dead we keep dialling so that partitions heal, and what is remembered of those we let go
//! (`protocol.md 3.7`, `8.4`).
//!
//! A partition looks like a crash to both sides; only a node that still asks can find out that it is over. But an
//! address whose process is gone may be another process's soon, and must not hear from a whole cluster for days.
//! So what counts is how often the cluster as a whole dials one address: each node takes its share of that. The
//! rate falls with the age of the death. Members that died together look like the other side of a partition: a
//! sample of them is dialled faster, however long ago it was. A row that is dropped leaves a tombstone, or an old
//! rumour would raise the member.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::member::{Generation, Incarnation, NodeId};
use crate::random::Random;
use crate::sabotage;
use crate::swim::slot::Slot;
use crate::time::Instant;

/// How long a tombstone is kept. Chosen: longer than any rumour is passed on.
pub(crate) const TOMBSTONE_RETENTION: Duration = Duration::from_secs(600);

/// Rates are in dials a million seconds, of the whole cluster. A death is dialled about once a second at first,
const RATE_YOUNG: u64 = 1_000_000;
/// for so long,
const YOUNG: Duration = Duration::from_secs(300);
/// then ever more seldom, with the square of its age, down to once a minute, which it reaches after 39 minutes.
const RATE_OLD: u64 = RATE_YOUNG / 60;
/// All that died together are dialled once in two seconds, by each side. Chosen: two sides find each other within 10 s
/// but for one time in 20,000.
const RATE_GROUP: u64 = 500_000;
/// Contacts that are no live members are dialled once a second.
const RATE_CONTACTS: u64 = 1_000_000;
/// No node dials in more than one interval of so many.
const DIALS_APART: u64 = 5;

/// What to dial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dial {
    Ghost(Slot),
    Contact,
}

#[derive(Debug)]
pub(crate) struct Ghosts {
    /// The dead and the left, the longest so first.
    gone: VecDeque<Gone>,
    /// The provisionally dead, the longest so first. They keep their rows whatever the cap.
    provisional: VecDeque<(Slot, Instant)>,
    tombstones: BTreeMap<NodeId, Tombstone>,
    /// The tombstones by when they end.
    ends: BTreeSet<(Instant, NodeId)>,
    ghosts_max: usize,
    retention: Duration,
    /// Members that died no further apart than this died together: verdicts on the far side of
    /// one cut fall from P to 3 P.
    together: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Gone {
    slot: Slot,
    since: Instant,
    is_dialled: bool,
}

/// What decides how often to dial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) now: Instant,
    /// How many live members share the dialling, this node included.
    pub(crate) live: usize,
    pub(crate) interval: Duration,
    /// Whether there are contacts that are no live members.
    pub(crate) has_contacts: bool,
}

#[derive(Clone, Copy, Debug)]
struct Tombstone {
    generation: Generation,
    incarnation: Incarnation,
    until: Instant,
}

impl Ghosts {
    pub(crate) fn new(ghosts_max: usize, retention: Duration, together: Duration) -> Self {
        Ghosts {
            gone: VecDeque::new(),
            provisional: VecDeque::new(),
            tombstones: BTreeMap::new(),
            ends: BTreeSet::new(),
            ghosts_max,
            retention,
            together,
        }
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

    /// Remembers since when a member is provisionally dead.
    pub(crate) fn add_provisional(&mut self, slot: Slot, now: Instant) {
        self.take_back(slot);
        self.provisional.push_back((slot, now));
    }

    /// The member is back, or forgotten.
    pub(crate) fn take_back(&mut self, slot: Slot) {
        self.gone.retain(|gone| gone.slot != slot);
        self.provisional.retain(|(provisional, _)| *provisional != slot);
    }

    /// The next one that is over the cap or too long gone; its row is to be dropped and buried.
    pub(crate) fn next_evicted(&mut self, now: Instant) -> Option<Slot> {
        if self.provisional.front().is_some_and(|(_, since)| *since + self.retention <= now) {
            return self.provisional.pop_front().map(|(slot, _)| slot);
        }
        let oldest = self.gone.front()?;
        let is_over = self.gone.len() > self.ghosts_max || oldest.since + self.retention <= now;
        is_over.then(|| self.gone.pop_front().map(|gone| gone.slot)).flatten()
    }

    /// Keeps what must outlive a row: nothing at or below this standing raises the member again.
    pub(crate) fn bury(&mut self, now: Instant, id: NodeId, generation: Generation, incarnation: Incarnation) {
        let most = self.ghosts_max.max(1_024) * 4;
        while self.ends.first().is_some_and(|(until, _)| *until <= now || self.ends.len() >= most) {
            if let Some((_, oldest)) = self.ends.pop_first() {
                self.tombstones.remove(&oldest);
            }
        }

        let until = now + TOMBSTONE_RETENTION;
        if let Some(before) = self.tombstones.insert(id, Tombstone { generation, incarnation, until }) {
            self.ends.remove(&(before.until, id));
        }
        self.ends.insert((until, id));
    }

    /// This node did not run for a while, and rumours did not end meanwhile: tombstones stand for as long after it.
    pub(crate) fn postpone(&mut self, by: Duration) {
        if sabotage::is_off("tombstones_wait") {
            return;
        }
        self.ends = std::mem::take(&mut self.ends).into_iter().map(|(until, id)| (until + by, id)).collect();
        self.tombstones.values_mut().for_each(|tombstone| tombstone.until += by);
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

    /// What to dial this interval, if anything: this node's share of what the whole cluster dials.
    pub(crate) fn dial(&self, random: &mut Random, share: &Share) -> Option<Dial> {
        if sabotage::is_off("ghosts") {
            return None;
        }

        let grouped = (0..self.gone.len()).filter(|place| self.is_in_group(*place, share.live)).count() as u64;
        let rates = (0..self.gone.len()).filter_map(|place| {
            let gone = self.gone.get(place).filter(|gone| gone.is_dialled)?;
            let of_group = if self.is_in_group(place, share.live) { RATE_GROUP / grouped.max(1) } else { 0 };
            Some((gone.slot, rate(share.now.since(gone.since)).max(of_group)))
        });

        let of_contacts = if share.has_contacts { RATE_CONTACTS } else { 0 };
        let of_ghosts: u64 = rates.clone().map(|(_, rate)| rate).sum();
        let interval = share.interval.as_millis() as u64;
        let all = (of_ghosts + of_contacts).saturating_mul(interval) / 1_000;

        // protocol.md 8.4: no node dials in more than one interval of five, so that fewer than five dial less.
        let space = (share.live.max(1) as u64 * RATE_YOUNG).max(all * DIALS_APART);
        let lot = random.below(space.max(1));
        if lot >= all {
            return None;
        }

        let mut lot = lot * 1_000 / interval.max(1);
        for (slot, rate) in rates {
            if lot < rate {
                return Some(Dial::Ghost(slot));
            }
            lot -= rate;
        }
        Some(Dial::Contact)
    }

    /// Whether a ghost died together with another; to a node that is alone all did.
    fn is_in_group(&self, place: usize, live: usize) -> bool {
        let Some(gone) = self.gone.get(place).filter(|gone| gone.is_dialled) else { return false };
        let is_near = |other: Option<&Gone>| {
            other.is_some_and(|other| {
                let apart = gone.since.since(other.since).max(other.since.since(gone.since));
                other.is_dialled && apart <= self.together
            })
        };
        live <= 1 || is_near(self.gone.get(place + 1)) || is_near(place.checked_sub(1).and_then(|p| self.gone.get(p)))
    }
}

/// How often the cluster dials one dead member whose death is so old, in dials a million seconds.
fn rate(age: Duration) -> u64 {
    let (young, age) = (YOUNG.as_secs(), age.as_secs());
    if age <= young { RATE_YOUNG } else { (RATE_YOUNG * young * young / age.saturating_mul(age)).max(RATE_OLD) }
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
        let mut ghosts = Ghosts::new(2, Duration::from_secs(100), Duration::ZERO);
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
        let mut ghosts = Ghosts::new(2, Duration::from_secs(100), Duration::ZERO);
        let buried = (Generation(5), Incarnation(3));
        ghosts.bury(at(0), id, buried.0, buried.1);
        assert_eq!(ghosts.buried(at(1), id, Generation(5), Incarnation(3)), Some(buried));
        assert_eq!(ghosts.buried(at(1), id, Generation(4), Incarnation(9)), Some(buried));
        assert_eq!(ghosts.buried(at(1), id, Generation(5), Incarnation(4)), None);
        assert_eq!(ghosts.buried(at(601), id, Generation(5), Incarnation(3)), None);
    }

    #[test]
    fn a_full_graveyard_gives_up_its_oldest_stone() {
        let mut ghosts = Ghosts::new(0, Duration::from_secs(100), Duration::ZERO);
        for n in 0..5_000_u64 {
            // The highest ids first, so that an order of ids would show.
            ghosts.bury(at(n / 100), NodeId::from_u128(u128::from(10_000 - n)), Generation(1), Incarnation(0));
        }
        assert_eq!((ghosts.tombstones.len(), ghosts.ends.len()), (4_096, 4_096));
        let is_held = |n: u64| {
            let id = NodeId::from_u128(u128::from(10_000 - n));
            ghosts.buried(at(50), id, Generation(1), Incarnation(0)).is_some()
        };
        assert!(!is_held(0) && !is_held(800) && is_held(1_000) && is_held(4_999));
    }

    #[test]
    fn tombstones_do_not_end_while_this_node_does_not_run() {
        let id = NodeId::from_u128(1);
        let mut ghosts = Ghosts::new(2, Duration::from_secs(100), Duration::ZERO);
        ghosts.bury(at(0), id, Generation(5), Incarnation(3));
        ghosts.postpone(Duration::from_secs(36_000));
        assert!(ghosts.buried(at(36_500), id, Generation(5), Incarnation(3)).is_some());
        assert!(ghosts.buried(at(36_601), id, Generation(5), Incarnation(3)).is_none());
    }

    #[test]
    fn the_provisionally_dead_end_with_their_time_and_not_with_the_cap() {
        let mut ghosts = Ghosts::new(1, Duration::from_secs(100), Duration::ZERO);
        (1..=3).for_each(|n| ghosts.add_provisional(Slot(n), at(n.into())));
        ghosts.take_back(Slot(1));
        assert_eq!((ghosts.next_evicted(at(50)), ghosts.dialled()), (None, 0));
        assert_eq!((ghosts.next_evicted(at(102)), ghosts.next_evicted(at(102))), (Some(Slot(2)), None));
    }

    #[test]
    fn a_death_is_dialled_ever_more_seldom() {
        let per_minute = |age| rate(Duration::from_secs(age)) * 60 / RATE_YOUNG;
        assert_eq!([0, 300, 600, 1_200, 2_400, 86_400].map(per_minute), [60, 60, 15, 3, 0, 0]);
        assert_eq!(rate(Duration::from_secs(3_600)), RATE_OLD);
    }

    /// Dials of a cluster of so many in a thousand intervals of a second, those of contacts apart.
    fn dials(ghosts: &Ghosts, live: usize, now: u64, has_contacts: bool) -> (usize, usize) {
        let mut random = Random::fork(2, Purpose::Healing);
        let share = Share { now: at(now), live, interval: Duration::from_secs(1), has_contacts };
        let all = (0..1_000 * live).filter_map(|_| ghosts.dial(&mut random, &share));
        let (contacts, ghosts): (Vec<_>, Vec<_>) = all.partition(|dial| *dial == Dial::Contact);
        (ghosts.len(), contacts.len())
    }

    #[test]
    fn the_cluster_shares_what_one_address_hears() {
        let one = |live: usize, age: u64| {
            let mut ghosts = Ghosts::new(9, Duration::from_secs(1 << 20), Duration::from_secs(9));
            ghosts.add(Slot(1), at(0), true);
            dials(&ghosts, live, age, false).0
        };
        for live in [10, 100, 400] {
            assert!((900..1_100).contains(&one(live, 60)), "{live}: {}", one(live, 60));
            assert!((10..=25).contains(&one(live, 3_600)), "{live}: {}", one(live, 3_600));
        }
        assert!((300..500).contains(&one(2, 60)), "no node dials in more than one interval of five: {}", one(2, 60));
        assert!((150..250).contains(&one(1, 3_600)), "whoever is alone goes on: {}", one(1, 3_600));
    }

    #[test]
    fn who_died_together_is_dialled_faster_as_a_group() {
        let mut ghosts = Ghosts::new(99, Duration::from_secs(1 << 20), Duration::from_secs(9));
        (0..32).for_each(|n| ghosts.add(Slot(n), at(u64::from(n) / 4), true));
        let (of_ghosts, of_contacts) = dials(&ghosts, 32, 7_200, true);
        assert!((450..650).contains(&of_ghosts) && (900..1_100).contains(&of_contacts), "{of_ghosts} {of_contacts}");
        let mut apart = Ghosts::new(99, Duration::from_secs(1 << 20), Duration::from_secs(9));
        (0..3).for_each(|n| apart.add(Slot(n), at(u64::from(n) * 10), true));
        assert!(dials(&apart, 32, 7_200, false).0 < 80);
        let mut pair = Ghosts::new(99, Duration::from_secs(1 << 20), Duration::from_secs(9));
        (0..2).for_each(|n| pair.add(Slot(n), at(u64::from(n) * 9), true));
        assert!((400..600).contains(&dials(&pair, 3, 7_200, false).0));
        assert_eq!(dials(&Ghosts::new(9, Duration::ZERO, Duration::ZERO), 5, 1, false), (0, 0));
    }
}
