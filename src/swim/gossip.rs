//! News that spread: what rides on datagrams, least-sent first, and how much may be forwarded at once (SWIM 4.1).
//!
//! A news is only the name of a member; what is told of it is read from the table when the datagram is made, so that
//! the newest state goes out and an older one never does. Each rides λ·⌈log2(n+1)⌉ times in all. On first receipt it is
//! also forwarded at once, under a token bucket that keeps a storm from feeding itself.

use std::collections::VecDeque;
use std::time::Duration;

use crate::sabotage;
use crate::swim::slot::Slot;
use crate::time::Instant;

/// How urgent an unsent news is; the first goes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Urgency {
    Refutation,
    Left,
    Dead,
    Suspect,
    Joined,
    /// Rides, but is not a reason to send anything.
    Idle,
}

const URGENCIES: usize = 6;
/// More sends than λ·⌈log2(n+1)⌉ can ask for.
const SENDS_MAX: usize = 255;

#[derive(Debug)]
pub(crate) struct Gossip {
    /// Unsent news by urgency.
    fresh: [VecDeque<Slot>; URGENCIES],
    /// News by how often they were sent; place 0 is not used.
    sent: Vec<VecDeque<Slot>>,
    /// For each slot: 0 when there is no news of it, else its sends plus one.
    level: Vec<u8>,
    /// For each slot the queue of unsent news it stands in.
    urgency: Vec<u8>,
    count: usize,
    count_max: usize,
    carriers_due: usize,
}

impl Gossip {
    pub(crate) fn new(count_max: usize) -> Self {
        Gossip {
            fresh: Default::default(),
            sent: Vec::new(),
            level: Vec::new(),
            urgency: Vec::new(),
            count: 0,
            count_max,
            carriers_due: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// There is something new to tell of `slot`; `carriers` datagrams are due to forward it at once.
    pub(crate) fn tell(&mut self, slot: Slot, urgency: Urgency, carriers: usize) {
        let place = slot.0 as usize;
        if self.level.len() <= place {
            self.level.resize(place + 1, 0);
            self.urgency.resize(place + 1, 0);
        }
        if self.level[place] == 0 {
            if self.count >= self.count_max && !sabotage::is_off("news_max") && !self.drop_most_sent() {
                return;
            }
            self.count += 1;
        }
        if self.level[place] != 1 || self.urgency[place] != urgency as u8 {
            self.level[place] = 1;
            self.urgency[place] = urgency as u8;
            self.fresh[urgency as usize].push_back(slot);
        }
        if urgency != Urgency::Idle {
            self.carriers_due = self.carriers_due.max(carriers);
        }
    }

    /// Nothing is to be told of `slot` any more.
    pub(crate) fn hush(&mut self, slot: Slot) {
        if let Some(level) = self.level.get_mut(slot.0 as usize) {
            self.count -= usize::from(*level != 0);
            *level = 0;
        }
    }

    /// Nothing is to be told any more of those slots for which this holds.
    pub(crate) fn hush_all(&mut self, is_known: impl Fn(Slot) -> bool) {
        for place in 0..self.level.len() as u32 {
            if self.level[place as usize] != 0 && is_known(Slot(place)) {
                self.hush(Slot(place));
            }
        }
    }

    /// Takes the least-sent news into `batch`, at most `most` of them; give them back with [`Gossip::give_back`].
    pub(crate) fn take(&mut self, most: usize, batch: &mut Vec<Slot>) {
        batch.clear();
        for urgency in 0..URGENCIES {
            while batch.len() < most {
                let Some(slot) = self.fresh[urgency].pop_front() else { break };
                // One that was told this way twice, with another in between, stands in the queue twice.
                let is_current = self.level[slot.0 as usize] == 1 && self.urgency[slot.0 as usize] == urgency as u8;
                if is_current && !batch.contains(&slot) {
                    batch.push(slot);
                }
            }
        }
        for sends in 1..self.sent.len() {
            while batch.len() < most {
                let Some(slot) = self.sent[sends].pop_front() else { break };
                if usize::from(self.level[slot.0 as usize]) == sends + 1 && !batch.contains(&slot) {
                    batch.push(slot);
                }
            }
        }
    }

    /// Gives back a news that was taken: sent once more, or not sent for want of room.
    pub(crate) fn give_back(&mut self, slot: Slot, was_sent: WasSent, sends_max: usize) {
        let place = slot.0 as usize;
        let sends = usize::from(self.level[place]) - 1 + usize::from(was_sent == WasSent::Yes);
        if sends >= sends_max.min(SENDS_MAX - 1) && !sabotage::is_off("news_ends") {
            self.hush(slot);
            return;
        }
        self.level[place] = sends as u8 + 1;
        if sends == 0 {
            self.fresh[usize::from(self.urgency[place])].push_front(slot);
            return;
        }
        if self.sent.len() <= sends {
            self.sent.resize_with(sends + 1, VecDeque::new);
        }
        if was_sent == WasSent::Yes {
            self.sent[sends].push_back(slot);
        } else {
            self.sent[sends].push_front(slot);
        }
    }

    /// How many datagrams are due to forward unsent news.
    pub(crate) fn carriers_due(&self) -> usize {
        self.carriers_due
    }

    /// So many of them were sent.
    pub(crate) fn carried(&mut self, count: usize) {
        self.carriers_due = self.carriers_due.saturating_sub(count);
    }

    /// Gives up the news that was sent most often; false if all are unsent.
    fn drop_most_sent(&mut self) -> bool {
        for sends in (1..self.sent.len()).rev() {
            while let Some(slot) = self.sent[sends].pop_back() {
                if usize::from(self.level[slot.0 as usize]) == sends + 1 {
                    self.hush(slot);
                    return true;
                }
            }
        }
        false
    }
}

/// Whether a news that was taken went out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WasSent {
    Yes,
    No,
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

    fn send_one(gossip: &mut Gossip, sends_max: usize) -> Option<Slot> {
        let mut batch = Vec::new();
        gossip.take(1, &mut batch);
        let slot = batch.first().copied()?;
        gossip.give_back(slot, WasSent::Yes, sends_max);
        Some(slot)
    }

    #[test]
    fn urgent_first_then_least_sent_and_each_so_often() {
        let mut gossip = Gossip::new(16);
        gossip.tell(Slot(1), Urgency::Joined, 4);
        gossip.tell(Slot(2), Urgency::Suspect, 4);
        gossip.tell(Slot(3), Urgency::Refutation, 4);
        let order: Vec<u32> = std::iter::from_fn(|| send_one(&mut gossip, 2)).map(|slot| slot.0).collect();
        assert_eq!(order, [3, 2, 1, 3, 2, 1]);
        assert_eq!(gossip.len(), 0);
    }

    #[test]
    fn what_changed_back_and_forth_before_it_was_sent_is_one_news() {
        let mut gossip = Gossip::new(16);
        for urgency in [Urgency::Suspect, Urgency::Refutation, Urgency::Suspect] {
            gossip.tell(Slot(1), urgency, 4);
        }
        gossip.tell(Slot(2), Urgency::Left, 4);
        gossip.hush(Slot(2));
        gossip.tell(Slot(2), Urgency::Left, 4);
        let mut batch = Vec::new();
        gossip.take(9, &mut batch);
        assert_eq!(batch, [Slot(2), Slot(1)]);
        for slot in batch {
            gossip.give_back(slot, WasSent::Yes, 1);
        }
        assert_eq!(gossip.len(), 0);
    }

    #[test]
    fn a_newer_news_starts_over() {
        let mut gossip = Gossip::new(16);
        gossip.tell(Slot(1), Urgency::Joined, 4);
        send_one(&mut gossip, 3);
        send_one(&mut gossip, 3);
        gossip.tell(Slot(1), Urgency::Dead, 4);
        assert_eq!(std::iter::from_fn(|| send_one(&mut gossip, 3)).count(), 3);
        gossip.tell(Slot(1), Urgency::Dead, 4);
        gossip.hush(Slot(1));
        assert_eq!((send_one(&mut gossip, 3), gossip.len()), (None, 0));
    }

    #[test]
    fn a_full_queue_gives_up_the_most_sent() {
        let mut gossip = Gossip::new(2);
        gossip.tell(Slot(1), Urgency::Joined, 4);
        send_one(&mut gossip, 9);
        gossip.tell(Slot(2), Urgency::Joined, 4);
        gossip.tell(Slot(3), Urgency::Joined, 4);
        gossip.tell(Slot(4), Urgency::Joined, 4);
        assert_eq!(gossip.len(), 2);
        assert_eq!(send_one(&mut gossip, 9), Some(Slot(2)));
        assert_eq!(send_one(&mut gossip, 9), Some(Slot(3)));
    }

    #[test]
    fn what_did_not_fit_keeps_its_place() {
        let mut gossip = Gossip::new(8);
        gossip.tell(Slot(1), Urgency::Joined, 4);
        gossip.tell(Slot(2), Urgency::Joined, 4);
        let mut batch = Vec::new();
        gossip.take(2, &mut batch);
        gossip.give_back(Slot(2), WasSent::No, 3);
        gossip.give_back(Slot(1), WasSent::No, 3);
        assert_eq!(send_one(&mut gossip, 3), Some(Slot(1)));
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
