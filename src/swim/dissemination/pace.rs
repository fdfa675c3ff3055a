//! How often this node may tell of its own metadata, so that all owners together stay within what each node may
//! send (`protocol.md 7.4`).
//!
//! A change costs every node its bytes, λ·⌈log2(n+1)⌉ times. Each node hears how often the others change theirs,
//! and computes from it the one interval at which the budget is just used up if all owners that want to change more
//! often than that keep to it, and the others change as they do: the max-min fair share. A member that changed
//! once, as all do when a new version is rolled out, wants no more; one that rests wants less the longer it does.
//! Between two tells the newest words win. Each interval is stretched or shortened at random, or owners that began
//! together would go on together.

use std::time::Duration;

use crate::swim::slot::Slot;
use crate::time::Instant;

/// The share of the budget that owners aim at, in percent: queues must drain.
const AIM_PERCENT: u64 = 75;
/// An interval is stretched to so many thousandths, from the first on, drawn anew for each.
const STRETCH_LEAST: u32 = 500;
const STRETCHES: u64 = 1_000;
/// Never heard, or only once.
const NEVER_S: u32 = u32::MAX;
/// Classes of what members want, each twice as long as the one before: half a second to 2^31 seconds.
const CLASSES: usize = 33;
const SHORTEST_MS: u64 = 500;

/// How a member changed its metadata, as far as it was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heard {
    /// When last, in seconds since the origin.
    at_s: u32,
    /// How long after the time before.
    gap_s: u32,
    /// Its record's length then.
    bytes: u16,
}

const NOTHING: Heard = Heard { at_s: NEVER_S, gap_s: NEVER_S, bytes: 0 };

/// What the interval follows from, beside what was heard of the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// The length of this node's own record.
    pub(crate) own_bytes: usize,
    /// How often each node sends each news.
    pub(crate) sends: usize,
    /// Bytes a second that each node may send.
    pub(crate) budget: u32,
}

#[derive(Debug)]
pub(crate) struct MetadataPace {
    heard: Vec<Heard>,
    /// The newest metadata that the others have not been told.
    waiting: Option<Vec<u8>>,
    told_at: Option<Instant>,
    stretch: u32,
}

impl MetadataPace {
    pub(crate) fn new() -> Self {
        MetadataPace { heard: Vec::new(), waiting: None, told_at: None, stretch: STRETCH_LEAST }
    }

    /// A member's metadata changed.
    pub(crate) fn heard(&mut self, now: Instant, slot: Slot, bytes: usize) {
        let place = slot.0 as usize;
        if self.heard.len() <= place {
            self.heard.resize(place + 1, NOTHING);
        }
        let Some(heard) = self.heard.get_mut(place) else { return };

        let at_s = seconds(now);
        let gap_s = if heard.at_s == NEVER_S { NEVER_S } else { at_s.saturating_sub(heard.at_s) };
        *heard = Heard { at_s, gap_s, bytes: u16::try_from(bytes).unwrap_or(u16::MAX) };
    }

    /// The row is another member's from now on.
    pub(crate) fn forget(&mut self, slot: Slot) {
        if let Some(heard) = self.heard.get_mut(slot.0 as usize) {
            *heard = NOTHING;
        }
    }

    /// The owner wants to say this; what waited before is never said.
    pub(crate) fn want(&mut self, metadata: &[u8]) {
        self.waiting = Some(metadata.to_vec());
    }

    pub(crate) fn waiting(&self) -> Option<&[u8]> {
        self.waiting.as_deref()
    }

    /// When what waits may be told.
    pub(crate) fn due(&self, now: Instant, load: Load) -> Instant {
        let Some(told_at) = self.told_at else { return now };
        let interval = self.interval(now, load);
        told_at + interval / 1_000 * self.stretch
    }

    /// Takes what waits, to tell it now; `draw` gives a number below its bound.
    pub(crate) fn take(&mut self, now: Instant, draw: impl FnOnce(u64) -> u64) -> Option<Vec<u8>> {
        let metadata = self.waiting.take()?;
        self.told_at = Some(now);
        self.stretch = STRETCH_LEAST + u32::try_from(draw(STRETCHES + 1)).unwrap_or(0);
        Some(metadata)
    }

    /// Says nothing more.
    pub(crate) fn clear(&mut self) {
        self.waiting = None;
    }

    /// How often each owner may tell of a change that wants to do so more often.
    pub(crate) fn interval(&self, now: Instant, load: Load) -> Duration {
        let now_s = seconds(now);
        let mut bytes = [0_u64; CLASSES];
        for heard in self.heard.iter().filter(|heard| heard.gap_s != NEVER_S) {
            // An owner that was held back to an interval shows gaps half as long again: it is taken to want twice as
            // much as it shows, or the interval would follow its own effects.
            let span = now_s.saturating_sub(heard.at_s).max(heard.gap_s).max(1);
            bytes[(u32::BITS - (span - 1).leading_zeros()) as usize] += u64::from(heard.bytes);
        }

        let sends = load.sends as u64;
        share(load.own_bytes as u64 * sends, bytes.map(|bytes| bytes * sends), load.budget)
    }
}

/// The shortest interval at which these costs stay within the budget: the bytes of an owner that wants to change all
/// the time, and for each class those of its members, which want to change once in its span at most.
fn share(own: u64, classes: [u64; CLASSES], budget: u32) -> Duration {
    let aim = (u64::from(budget) * AIM_PERCENT / 100).max(1);
    let wanted_ms = |class: usize| SHORTEST_MS << class;

    let mut held = own;
    let mut rest: u64 = (0..CLASSES).map(|class| classes[class] * 1_000 / wanted_ms(class)).sum();

    for (class, cost) in classes.into_iter().enumerate() {
        let interval_ms = held.saturating_mul(1_000).checked_div(aim.saturating_sub(rest)).unwrap_or(u64::MAX);
        if interval_ms <= wanted_ms(class) {
            return Duration::from_millis(interval_ms);
        }
        held += cost;
        rest -= cost * 1_000 / wanted_ms(class);
    }

    Duration::from_millis(held.saturating_mul(1_000) / aim)
}

fn seconds(at: Instant) -> u32 {
    u32::try_from(at.since(Instant::ORIGIN).as_secs()).unwrap_or(NEVER_S - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends and budget for which a byte costs a millisecond.
    const LOAD: Load = Load { own_bytes: 100, sends: 12, budget: 16_000 };

    fn at(s: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(s)
    }

    /// Members that changed 100 bytes last at this second, and before that at another.
    fn heard(members: u32, before: Option<u64>, last: u64) -> MetadataPace {
        let mut pace = MetadataPace::new();
        for slot in 0..members {
            if let Some(before) = before {
                pace.heard(at(before), Slot(slot), 100);
            }
            pace.heard(at(last), Slot(slot), 100);
        }
        pace
    }

    #[test]
    fn the_interval_follows_from_who_is_active() {
        let ms = |pace: &MetadataPace, now| pace.interval(at(now), LOAD).as_millis();
        assert_eq!(ms(&MetadataPace::new(), 50), 100, "alone: its own bytes");
        assert_eq!(ms(&heard(50, None, 49), 50), 100, "each changed once: a roll-out is no load");
        assert_eq!(ms(&heard(50, Some(48), 49), 50), 5_100, "each changes each second");
        assert_eq!(ms(&heard(50, Some(36), 43), 50), 5_100, "each as often as all may");
        assert_eq!(ms(&heard(50, Some(10), 42), 50), 145, "each twice as often as it shows: within the budget");
        assert_eq!(ms(&heard(50, Some(42), 43), 75), 145, "rests since");
        assert_eq!(ms(&heard(500, Some(1_000), 1_040), 1_080), 50_100, "many are slow, and none is missed");
    }

    #[test]
    fn the_slow_are_not_held_back_for_the_fast() {
        let mut classes = [0; CLASSES];
        let ms = |own, classes| share(own, classes, 16_000).as_millis();
        // 8 s: 6,000 of 12,000 bytes a second.
        classes[4] = 48_000;
        assert_eq!(ms(600, classes), 100);
        assert_eq!(ms(48_000, classes), 8_000, "two alike");
        assert_eq!(ms(60_000, classes), 9_000, "both are held back");
        classes[0] = 24_000;
        assert_eq!(ms(600, classes), 4_100, "one that wants too much does not shorten the others' share");
        assert_eq!(ms(u64::MAX, [0; CLASSES]), u128::from(u64::MAX / 12_000));
    }

    #[test]
    fn a_row_of_another_member_is_forgotten() {
        let mut pace = heard(50, Some(48), 49);
        (0..50).for_each(|slot| pace.forget(Slot(slot)));
        assert_eq!(pace.interval(at(50), LOAD).as_millis(), 100);
    }

    #[test]
    fn the_first_goes_at_once_and_the_newest_wins_after_that() {
        let mut pace = MetadataPace::new();
        pace.want(b"a");
        assert_eq!(pace.due(at(5), LOAD), at(5));
        assert_eq!(pace.take(at(5), |bound| bound - 1), Some(b"a".to_vec()));
        pace.want(b"b");
        pace.want(b"c");
        assert_eq!(pace.due(at(5), LOAD), at(5) + Duration::from_millis(150), "the longest stretch");
        assert_eq!(pace.take(at(6), |_| 0), Some(b"c".to_vec()));
        assert_eq!((pace.due(at(6), LOAD), pace.waiting()), (at(6) + Duration::from_millis(50), None));
        pace.want(b"d");
        pace.clear();
        assert_eq!(pace.take(at(7), |_| 0), None);
    }
}
