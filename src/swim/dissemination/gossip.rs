//! News that spread: what is piggybacked on datagrams, least-sent first, and how much may be forwarded at once (SWIM
//! 4.1; `protocol.md 7.1` to `7.3`).
//!
//! A news is only the name of a member; what is told of it is read from the table when the datagram is made, so
//! that the newest state goes out and an older one never does. Each goes out λ·⌈log2(n+1)⌉ times in all. On first
//! receipt it is also forwarded at once, under a token bucket that keeps a storm from feeding itself. The queue
//! is one doubly linked list for each count of sends and urgency, threaded through the slots, so that nothing
//! stale can be left in it.

use std::time::Duration;

use crate::member::Incarnation;
use crate::sabotage;
use crate::swim::slot::Slot;
use crate::time::Instant;

/// How urgent a news is; the first goes first.
///
/// The first four decide which members are taken for dead and are *urgent*: at whatever count of sends they go before
/// all others, which are *ordinary*. A record of which a cluster has thousands would otherwise starve a suspicion.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Urgency {
    Refutation,
    Left,
    Dead,
    Suspect,
    /// A member that is new, has moved or changed its further fields.
    Joined,
    /// Other metadata of a member; these bytes are metered.
    Changed,
}

const ALL: [Urgency; 6] =
    [Urgency::Refutation, Urgency::Left, Urgency::Dead, Urgency::Suspect, Urgency::Joined, Urgency::Changed];
const URGENT: &[Urgency] = ALL.split_at(4).0;
const ORDINARY: &[Urgency] = ALL.split_at(4).1;
/// More sends than λ·⌈log2(n+1)⌉ can ask for.
const SENDS_MAX: usize = 255;
/// The end of a list.
const NONE: u32 = u32::MAX;

impl Urgency {
    fn is_urgent(self) -> bool {
        URGENT.contains(&self)
    }
}

/// Where the news of a member stands: in one list, or in none.
#[derive(Clone, Copy, Debug)]
struct Place {
    before: u32,
    after: u32,
    sends: u8,
    urgency: Option<Urgency>,
    /// Its record changed while an urgent news of it was under way: that goes on, and the change follows.
    owes_change: bool,
    /// The incarnation since which only further fields changed, when no more than those need be told.
    base: Option<Incarnation>,
}

const NOWHERE: Place = Place { before: NONE, after: NONE, sends: 0, urgency: None, owes_change: false, base: None };

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

const EMPTY: List = List { first: NONE, last: NONE };

/// The queue of news. Its memory is a place for each slot and a list for each count of sends, whatever is told.
#[derive(Debug)]
pub(crate) struct Gossip {
    places: Vec<Place>,
    /// By count of sends, then by urgency.
    lists: Vec<[List; ALL.len()]>,
    counts: [usize; ALL.len()],
    count_max: usize,
    carriers_due: usize,
    /// The same for news of changes alone.
    change_carriers_due: usize,
}

impl Gossip {
    pub(crate) fn new(count_max: usize) -> Self {
        Gossip {
            places: Vec::new(),
            lists: Vec::new(),
            counts: [0; ALL.len()],
            count_max,
            carriers_due: 0,
            change_carriers_due: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.counts.iter().sum()
    }

    /// What kind of news is queued of `slot`.
    pub(crate) fn urgency(&self, slot: Slot) -> Option<Urgency> {
        self.places.get(slot.0 as usize)?.urgency
    }

    /// The members of which urgent news are queued.
    pub(crate) fn urgent(&self) -> impl Iterator<Item = Slot> + '_ {
        let firsts = self.lists.iter().flat_map(|lists| URGENT.iter().map(|urgency| lists[*urgency as usize].first));
        let next = |slot: &u32| self.places.get(*slot as usize).map(|place| place.after).filter(|after| *after != NONE);
        let queued: usize = URGENT.iter().map(|urgency| self.counts[*urgency as usize]).sum();
        let lists = firsts.filter(|first| *first != NONE).take(queued);
        lists.flat_map(move |first| std::iter::successors(Some(first), next).map(Slot))
    }

    /// There is something new to tell of `slot`; `carriers` datagrams are due to forward it at once.
    pub(crate) fn spread(&mut self, slot: Slot, urgency: Urgency, carriers: usize) {
        let place = slot.0 as usize;
        if self.places.len() <= place {
            self.places.resize(place + 1, NOWHERE);
        }

        let Place { urgency: queued, sends, .. } = self.places[place];

        match queued {
            // What is urgent stays so, and a member that changes for ever must not be urgent for ever.
            Some(queued) if queued.is_urgent() && urgency == Urgency::Changed => self.places[place].owes_change = true,
            Some(Urgency::Joined) if sends == 0 && urgency == Urgency::Changed => {}
            Some(queued) if sends == 0 && urgency == queued => self.places[place].owes_change = false,
            Some(_) => {
                self.unlink(slot);
                self.link(slot, urgency, 0);
            }
            None if self.make_space(urgency) => self.link(slot, urgency, 0),
            None => return,
        }

        self.places[place].base = None;
        let due = if urgency == Urgency::Changed { &mut self.change_carriers_due } else { &mut self.carriers_due };
        *due = (*due).max(carriers);
    }

    /// What is to be told of `slot` is only how its further fields differ from those at this incarnation; until there
    /// is something new to tell.
    pub(crate) fn build_on(&mut self, slot: Slot, base: Incarnation) {
        if let Some(place) = self.places.get_mut(slot.0 as usize) {
            place.base = Some(base);
        }
    }

    /// What the news of `slot` build on; none if they are to be told whole.
    pub(crate) fn base(&self, slot: Slot) -> Option<Incarnation> {
        self.places.get(slot.0 as usize)?.base
    }

    /// Nothing is to be told of `slot` any more.
    pub(crate) fn hush(&mut self, slot: Slot) {
        if self.urgency(slot).is_some() {
            self.unlink(slot);
        }
    }

    /// Nothing is to be told any more of those slots for which this holds.
    pub(crate) fn hush_all(&mut self, is_known: impl Fn(Slot) -> bool) {
        for place in 0..self.places.len() as u32 {
            if self.places[place as usize].urgency.is_some() && is_known(Slot(place)) {
                self.unlink(Slot(place));
            }
        }
    }

    /// Writes into `batch` what should go out next, at most `most` of them: urgent before ordinary, and of each the
    /// least-sent first. Each that goes out is then [`Gossip::sent`].
    pub(crate) fn list(&self, most: usize, changes: ChangedNews, batch: &mut Vec<Slot>) {
        batch.clear();
        let ordinary = if changes == ChangedNews::Wait { &ORDINARY[..1] } else { ORDINARY };
        let kinds = if sabotage::is_off("urgent_first") { [&ALL[..], &[]] } else { [URGENT, ordinary] };

        for urgencies in kinds {
            let mut left: usize = urgencies.iter().map(|urgency| self.counts[*urgency as usize]).sum();
            for lists in &self.lists {
                if left == 0 {
                    break;
                }
                for urgency in urgencies {
                    let mut next = lists[*urgency as usize].first;
                    while next != NONE {
                        if batch.len() >= most {
                            return;
                        }
                        batch.push(Slot(next));
                        left -= 1;
                        next = self.places[next as usize].after;
                    }
                }
            }
        }
    }

    /// A news went out; it was the last time if it has been sent `sends_max` times.
    pub(crate) fn sent(&mut self, slot: Slot, sends_max: usize) {
        let Some(Place { urgency: Some(urgency), sends, owes_change, base, .. }) =
            self.places.get(slot.0 as usize).copied()
        else {
            return;
        };
        self.unlink(slot);

        let sends = usize::from(sends) + 1;
        if sends < sends_max.min(SENDS_MAX) || sabotage::is_off("news_ends") {
            self.link(slot, urgency, sends.min(SENDS_MAX));
            let place = &mut self.places[slot.0 as usize];
            (place.owes_change, place.base) = (owes_change, base);
        } else if owes_change {
            self.link(slot, Urgency::Changed, 0);
        }
    }

    /// How many datagrams are due to forward unsent news.
    pub(crate) fn carriers_due(&self) -> usize {
        self.carriers_due
    }

    /// How many datagrams are due to forward unsent news of changes.
    pub(crate) fn change_carriers_due(&self) -> usize {
        self.change_carriers_due
    }

    /// So many of them were sent; each carried what there was space for.
    pub(crate) fn carried(&mut self, count: usize) {
        self.carriers_due = self.carriers_due.saturating_sub(count);
        self.change_carriers_due = self.change_carriers_due.saturating_sub(count);
    }

    /// Whether one more news may enter. A full queue gives up the ordinary news that was sent most often; an unsent one
    /// only for an urgent news, and an urgent one only for an urgent one and if it was sent.
    fn make_space(&mut self, urgency: Urgency) -> bool {
        if self.len() < self.count_max || sabotage::is_off("news_max") {
            return true;
        }
        let sent_least = usize::from(!urgency.is_urgent());
        let ordinary = self.most_sent(ORDINARY, sent_least);
        let given_up = ordinary.or_else(|| self.most_sent(URGENT, 1).filter(|_| urgency.is_urgent()));
        given_up.inspect(|slot| self.unlink(*slot)).is_some()
    }

    /// The news of these kinds that was sent most often, and at least so often.
    fn most_sent(&self, urgencies: &[Urgency], sent_least: usize) -> Option<Slot> {
        let levels = self.lists.iter().skip(sent_least).rev();
        let lasts = levels.flat_map(|lists| urgencies.iter().rev().map(|urgency| lists[*urgency as usize].last));
        lasts.into_iter().find(|last| *last != NONE).map(Slot)
    }

    /// Puts a slot that is in no list at the end of one.
    fn link(&mut self, slot: Slot, urgency: Urgency, sends: usize) {
        if self.lists.len() <= sends {
            self.lists.resize(sends + 1, [EMPTY; ALL.len()]);
        }
        let list = &mut self.lists[sends][urgency as usize];
        let before = std::mem::replace(&mut list.last, slot.0);
        match self.places.get_mut(before as usize) {
            Some(place) => place.after = slot.0,
            None => list.first = slot.0,
        }
        self.places[slot.0 as usize] = Place { before, sends: sends as u8, urgency: Some(urgency), ..NOWHERE };
        self.counts[urgency as usize] += 1;
    }

    /// Takes a slot out of the list that it is in.
    fn unlink(&mut self, slot: Slot) {
        let Place { before, after, sends, urgency, .. } = std::mem::replace(&mut self.places[slot.0 as usize], NOWHERE);
        let Some(urgency) = urgency else { return };
        let list = &mut self.lists[usize::from(sends)][urgency as usize];
        match self.places.get_mut(before as usize) {
            Some(place) => place.after = after,
            None => list.first = after,
        }
        match self.places.get_mut(after as usize) {
            Some(place) => place.before = before,
            None => list.last = before,
        }
        self.counts[urgency as usize] -= 1;
    }
}

/// Whether news of changed metadata may go out now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ChangedNews {
    Go,
    Wait,
}

/// Sends in all for each news: λ·⌈log2(n+1)⌉. Source: SWIM 4.1, with 2 for the logarithm's base.
pub(crate) fn sends_in_all(retransmit_mult: u32, members: usize) -> usize {
    let log = usize::BITS - members.leading_zeros();
    (retransmit_mult * log.max(1)) as usize
}

/// A token bucket in whole tokens and nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: u32,
    burst: u32,
    period: Duration,
    filled_at: Instant,
}

impl Bucket {
    pub(crate) fn new(now: Instant, per_second: u32, burst: u32) -> Self {
        Bucket { tokens: burst, burst, period: Duration::from_secs(1) / per_second.max(1), filled_at: now }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let had = self.tokens > 0;
        self.tokens -= u32::from(had);
        had
    }

    /// When the next token comes.
    pub(crate) fn next_at(&self) -> Instant {
        self.filled_at + self.period
    }

    fn fill(&mut self, now: Instant) {
        let periods = now.since(self.filled_at).as_nanos() / self.period.as_nanos().max(1);
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        self.tokens = self.tokens.saturating_add(periods).min(self.burst);
        self.filled_at = if self.tokens == self.burst { now } else { self.filled_at + self.period * periods };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(gossip: &Gossip, most: usize) -> Vec<u32> {
        let mut batch = Vec::new();
        gossip.list(most, ChangedNews::Go, &mut batch);
        batch.into_iter().map(|slot| slot.0).collect()
    }

    fn send_one(gossip: &mut Gossip, sends_max: usize) -> Option<u32> {
        let slot = batch(gossip, 1).first().copied()?;
        gossip.sent(Slot(slot), sends_max);
        Some(slot)
    }

    fn send_all(gossip: &mut Gossip, sends_max: usize) -> Vec<u32> {
        std::iter::from_fn(|| send_one(gossip, sends_max)).collect()
    }

    #[test]
    fn urgent_first_at_every_count_of_sends_then_least_sent_and_each_so_often() {
        let mut gossip = Gossip::new(16);
        for (slot, urgency) in ALL.into_iter().rev().enumerate() {
            gossip.spread(Slot(slot as u32), urgency, 4);
        }
        assert_eq!(batch(&gossip, 9), [5, 4, 3, 2, 1, 0]);
        assert_eq!(gossip.urgent().map(|slot| slot.0).collect::<Vec<_>>(), [5, 4, 3, 2]);
        assert_eq!(batch(&gossip, 2), [5, 4]);
        assert_eq!(send_all(&mut gossip, 2), [5, 4, 3, 2, 5, 4, 3, 2, 1, 0, 1, 0]);
        assert_eq!(gossip.len(), 0);
    }

    #[test]
    fn an_urgent_news_that_was_sent_goes_before_an_ordinary_one_that_was_not() {
        let mut gossip = Gossip::new(16);
        gossip.spread(Slot(1), Urgency::Suspect, 4);
        send_one(&mut gossip, 9);
        gossip.spread(Slot(2), Urgency::Joined, 4);
        gossip.spread(Slot(3), Urgency::Changed, 4);
        gossip.spread(Slot(4), Urgency::Dead, 0);
        assert_eq!(batch(&gossip, 9), [4, 1, 2, 3]);
    }

    #[test]
    fn changes_wait_and_nothing_else() {
        let mut gossip = Gossip::new(16);
        for (slot, urgency) in ALL.into_iter().enumerate() {
            gossip.spread(Slot(slot as u32), urgency, 4);
        }
        let mut batch = Vec::new();
        gossip.list(9, ChangedNews::Wait, &mut batch);
        assert_eq!(batch, [0, 1, 2, 3, 4].map(Slot));
    }

    #[test]
    fn a_change_neither_ends_nor_prolongs_what_is_urgent() {
        let mut gossip = Gossip::new(16);
        gossip.spread(Slot(1), Urgency::Refutation, 4);
        send_one(&mut gossip, 3);
        gossip.spread(Slot(1), Urgency::Changed, 4);
        assert_eq!(gossip.urgency(Slot(1)), Some(Urgency::Refutation));
        gossip.spread(Slot(2), Urgency::Joined, 4);
        gossip.spread(Slot(2), Urgency::Changed, 4);
        // Two sends of the refutation are left; the change that it owes is a news of its own.
        assert_eq!(send_all(&mut gossip, 3), [1, 1, 2, 1, 2, 1, 2, 1]);
        gossip.spread(Slot(1), Urgency::Refutation, 4);
        gossip.spread(Slot(1), Urgency::Changed, 4);
        gossip.spread(Slot(1), Urgency::Dead, 4);
        assert_eq!(send_all(&mut gossip, 3), [1, 1, 1], "a death owes no change");
    }

    #[test]
    fn what_changed_back_and_forth_before_it_was_sent_is_one_news() {
        let mut gossip = Gossip::new(16);
        for urgency in [Urgency::Suspect, Urgency::Refutation, Urgency::Suspect] {
            gossip.spread(Slot(1), urgency, 4);
        }
        gossip.spread(Slot(2), Urgency::Left, 4);
        gossip.hush(Slot(2));
        gossip.spread(Slot(2), Urgency::Left, 4);
        assert_eq!(batch(&gossip, 9), [2, 1]);
        assert_eq!(send_all(&mut gossip, 1), [2, 1]);
    }

    #[test]
    fn a_newer_news_starts_over() {
        let mut gossip = Gossip::new(16);
        gossip.spread(Slot(1), Urgency::Joined, 4);
        send_one(&mut gossip, 3);
        send_one(&mut gossip, 3);
        gossip.spread(Slot(1), Urgency::Dead, 4);
        assert_eq!(send_all(&mut gossip, 3).len(), 3);
        gossip.spread(Slot(1), Urgency::Dead, 4);
        gossip.hush(Slot(1));
        assert_eq!((send_one(&mut gossip, 3), gossip.len()), (None, 0));
    }

    #[test]
    fn a_full_queue_gives_up_the_most_sent_ordinary_news() {
        let mut gossip = Gossip::new(2);
        gossip.spread(Slot(1), Urgency::Joined, 4);
        send_one(&mut gossip, 9);
        for slot in 2..5 {
            gossip.spread(Slot(slot), Urgency::Joined, 4);
        }
        assert_eq!(batch(&gossip, 9), [2, 3], "the one that was sent, then the newcomer");
    }

    #[test]
    fn a_full_queue_refuses_no_urgent_news_for_an_ordinary_one() {
        let mut gossip = Gossip::new(3);
        for (slot, urgency) in [(1, Urgency::Changed), (2, Urgency::Joined), (3, Urgency::Suspect)] {
            gossip.spread(Slot(slot), urgency, 4);
        }
        // Changed metadata go first, then the new member, both unsent.
        gossip.spread(Slot(4), Urgency::Dead, 4);
        assert_eq!(batch(&gossip, 9), [4, 3, 2]);
        gossip.spread(Slot(5), Urgency::Refutation, 4);
        assert_eq!(batch(&gossip, 9), [5, 4, 3]);
        // All is urgent and unsent: nothing more fits.
        gossip.spread(Slot(6), Urgency::Dead, 4);
        assert_eq!(batch(&gossip, 9), [5, 4, 3]);
        // Once one was sent, an urgent news may take its place, and an ordinary one may not.
        send_one(&mut gossip, 9);
        gossip.spread(Slot(7), Urgency::Joined, 4);
        assert_eq!(batch(&gossip, 9), [4, 3, 5]);
        gossip.spread(Slot(8), Urgency::Suspect, 4);
        assert_eq!(batch(&gossip, 9), [4, 3, 8]);
    }

    #[test]
    fn nothing_stale_is_kept_whatever_flows() {
        let mut gossip = Gossip::new(8);
        let mut random = 1_u32;
        for _ in 0..100_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (slot, what) = (Slot(random >> 16 & 15), random >> 24);
            match what % 8 {
                urgency @ 0..6 => gossip.spread(slot, ALL[urgency as usize], 4),
                6 => gossip.hush(slot),
                _ => drop(send_one(&mut gossip, 5)),
            }
            assert!(gossip.len() <= 8 && batch(&gossip, 99).len() == gossip.len());
        }
        assert!(gossip.places.len() <= 16 && gossip.lists.len() <= 5);
    }

    #[test]
    fn forwarding_of_changes_is_counted_apart() {
        let mut gossip = Gossip::new(8);
        gossip.spread(Slot(1), Urgency::Changed, 4);
        assert_eq!((gossip.carriers_due(), gossip.change_carriers_due()), (0, 4));
        gossip.spread(Slot(2), Urgency::Dead, 0);
        gossip.spread(Slot(3), Urgency::Suspect, 3);
        gossip.carried(1);
        assert_eq!((gossip.carriers_due(), gossip.change_carriers_due()), (2, 3));
    }

    #[test]
    fn a_news_builds_on_its_base_until_there_is_another() {
        let mut gossip = Gossip::new(8);
        let base = Some(Incarnation(3));
        for urgency in [Urgency::Joined, Urgency::Changed, Urgency::Suspect] {
            gossip.spread(Slot(1), Urgency::Joined, 4);
            gossip.build_on(Slot(1), Incarnation(3));
            assert_eq!(gossip.base(Slot(1)), base);
            gossip.spread(Slot(1), urgency, 4);
            assert_eq!(gossip.base(Slot(1)), None, "{urgency:?}");
            gossip.hush(Slot(1));
        }
        gossip.spread(Slot(1), Urgency::Joined, 4);
        gossip.build_on(Slot(1), Incarnation(3));
        send_one(&mut gossip, 2);
        assert_eq!(gossip.base(Slot(1)), base);
        send_one(&mut gossip, 2);
        assert_eq!(gossip.base(Slot(1)), None);
    }

    #[test]
    fn what_did_not_fit_keeps_its_place() {
        let mut gossip = Gossip::new(8);
        gossip.spread(Slot(1), Urgency::Joined, 4);
        gossip.spread(Slot(2), Urgency::Joined, 4);
        gossip.spread(Slot(3), Urgency::Joined, 4);
        gossip.sent(Slot(2), 3);
        assert_eq!(batch(&gossip, 9), [1, 3, 2]);
    }

    #[test]
    fn sends_grow_with_the_logarithm() {
        let of = |members| sends_in_all(2, members);
        assert_eq!((of(1), of(3), of(7), of(64), of(1_000)), (2, 4, 6, 14, 20));
    }

    #[test]
    fn the_bucket_refills_in_whole_tokens() {
        let at = |ms: u64| Instant::ORIGIN + Duration::from_millis(ms);
        let mut bucket = Bucket::new(at(0), 20, 2);
        assert!(bucket.take(at(0)) && bucket.take(at(0)) && !bucket.take(at(49)));
        assert_eq!(bucket.next_at(), at(50));
        assert!(bucket.take(at(50)) && !bucket.take(at(99)) && bucket.take(at(100)));
        assert!(bucket.take(at(60_000)) && bucket.take(at(60_000)) && !bucket.take(at(60_000)));
    }
}
