//! What each fault of the network makes of a datagram: one rule for one fault.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings::Instant;

use crate::delay::Delay;
use crate::fault::{Fault, Links};
use crate::network::{Damage, Loss, Parcel, Verdict};
use crate::random::{Random, nanos};

/// A duplicate follows its original within this.
const DUPLICATE_WITHIN: Duration = Duration::from_millis(50);

/// One thing that is wrong with the network.
#[derive(Clone, Debug)]
pub struct Rule {
    reach: Reach,
    effect: Effect,
}

/// Which datagrams a rule meets.
#[derive(Clone, Debug)]
enum Reach {
    Links(Links),
    /// Those between hosts of different sides; a bridge has none.
    Sides {
        of: BTreeMap<u32, Option<u32>>,
        others: u32,
    },
    /// Those between hosts that are further apart.
    Beyond {
        neighbours: u32,
    },
}

#[derive(Clone, Debug)]
enum Effect {
    Cut,
    Loss { permille: u32 },
    Burst { good: u32, bad: u32, worsens: u32, mends: u32, is_bad: BTreeMap<(u32, u32), bool> },
    Latency(Delay),
    Reorder { permille: u32, by: Duration },
    Duplicate { permille: u32 },
    Corrupt { permille: u32 },
    Mtu { bytes: usize },
    Bandwidth { bytes_per_s: u64, queue: Duration, free_at: BTreeMap<(u32, u32), Instant> },
    Clog { until: Instant },
}

impl Rule {
    /// The rule of a fault, if it is one of the network; `ends` is when it will be over.
    #[must_use]
    pub fn of(fault: &Fault, ends: Option<Instant>) -> Option<Self> {
        let (links, effect) = match fault {
            Fault::Partition { groups, bridges } => {
                return Some(Rule { reach: sides(groups, bridges), effect: Effect::Cut });
            }
            Fault::Ring { reach } => {
                return Some(Rule { reach: Reach::Beyond { neighbours: *reach }, effect: Effect::Cut });
            }
            Fault::Loss { links, permille } => (links, Effect::Loss { permille: *permille }),
            Fault::BurstLoss { links, good_permille, bad_permille, worsens_permille, mends_permille } => {
                let (good, bad, worsens, mends) = (*good_permille, *bad_permille, *worsens_permille, *mends_permille);
                (links, Effect::Burst { good, bad, worsens, mends, is_bad: BTreeMap::new() })
            }
            Fault::Latency { links, delay } => (links, Effect::Latency(delay.clone())),
            Fault::Reorder { links, permille, by } => (links, Effect::Reorder { permille: *permille, by: *by }),
            Fault::Duplicate { links, permille } => (links, Effect::Duplicate { permille: *permille }),
            Fault::Corrupt { links, permille } => (links, Effect::Corrupt { permille: *permille }),
            Fault::Mtu { links, bytes } => (links, Effect::Mtu { bytes: *bytes }),
            Fault::Bandwidth { links, bytes_per_s, queue } => {
                (links, Effect::Bandwidth { bytes_per_s: *bytes_per_s, queue: *queue, free_at: BTreeMap::new() })
            }
            Fault::Clog { links } => (links, Effect::Clog { until: ends.unwrap_or(Instant::NEVER) }),
            Fault::Cut { links } => (links, Effect::Cut),
            _ => return None,
        };

        Some(Rule { reach: Reach::Links(links.clone()), effect })
    }

    /// What it does to a datagram.
    pub fn judge(&mut self, now: Instant, parcel: Parcel, random: &mut Random) -> Verdict {
        if self.reach.meets(parcel.from, parcel.to) { self.effect.judge(now, parcel, random) } else { Verdict::Pass }
    }
}

fn sides(groups: &[Vec<u32>], bridges: &[u32]) -> Reach {
    let mut of = BTreeMap::new();
    for (side, group) in (0..).zip(groups) {
        of.extend(group.iter().map(|host| (*host, Some(side))));
    }
    of.extend(bridges.iter().map(|host| (*host, None)));
    // Hosts named in no group belong to the last; one group stands against all others.
    Reach::Sides { of, others: (groups.len() as u32).saturating_sub(1).max(1) }
}

impl Reach {
    fn meets(&self, from: u32, to: u32) -> bool {
        match self {
            Reach::Links(links) => links.contain(from, to),
            Reach::Sides { of, others } => {
                let side = |host| of.get(&host).copied().unwrap_or(Some(*others));
                matches!((side(from), side(to)), (Some(here), Some(there)) if here != there)
            }
            // The ends of the row are no neighbours: a chain, so that a cut in it would be seen.
            Reach::Beyond { neighbours } => from.abs_diff(to) > *neighbours,
        }
    }
}

impl Effect {
    fn judge(&mut self, now: Instant, parcel: Parcel, random: &mut Random) -> Verdict {
        let pass_unless = |is_hit: bool, verdict: Verdict| if is_hit { verdict } else { Verdict::Pass };

        match self {
            Effect::Cut => Verdict::Drop(Loss::Cut),
            Effect::Loss { permille } => pass_unless(random.permille(*permille), Verdict::Drop(Loss::Chance)),
            Effect::Burst { good, bad, worsens, mends, is_bad } => {
                let state = is_bad.entry((parcel.from, parcel.to)).or_default();
                if random.permille(if *state { *mends } else { *worsens }) {
                    *state = !*state;
                }
                pass_unless(random.permille(if *state { *bad } else { *good }), Verdict::Drop(Loss::Chance))
            }
            Effect::Latency(delay) => Verdict::Later(delay.draw(random)),
            Effect::Reorder { permille, by } => {
                let is_hit = random.permille(*permille);
                pass_unless(is_hit, Verdict::Later(random.span(Duration::ZERO, *by)))
            }
            Effect::Duplicate { permille } => {
                let is_hit = random.permille(*permille);
                pass_unless(is_hit, Verdict::Twice(random.span(Duration::ZERO, DUPLICATE_WITHIN)))
            }
            Effect::Corrupt { permille } => {
                let (is_hit, place) = (random.permille(*permille), random.draw());
                let damage = if place & 1 == 0 {
                    Damage::Flip { bit: place >> 1 }
                } else {
                    Damage::Truncate { left: place >> 1 }
                };
                pass_unless(is_hit, Verdict::Damage(damage))
            }
            Effect::Mtu { bytes } => pass_unless(parcel.bytes > *bytes, Verdict::Drop(Loss::Mtu)),
            Effect::Bandwidth { bytes_per_s, queue, free_at } => {
                let free = free_at.entry((parcel.from, parcel.to)).or_insert(now);
                let waits = free.since(now);
                if waits > *queue {
                    return Verdict::Drop(Loss::Queue);
                }
                let takes =
                    Duration::from_nanos((parcel.bytes as u64).saturating_mul(1_000_000_000) / (*bytes_per_s).max(1));
                *free = (*free).max(now) + takes;
                Verdict::Later(waits + takes)
            }
            Effect::Clog { until } => {
                let spread = Duration::from_nanos(random.below(nanos(Duration::from_millis(1))));
                Verdict::Later(until.since(now) + spread)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Hosts;

    fn verdicts(fault: &Fault, parcels: impl IntoIterator<Item = (u32, u32, usize)>) -> Vec<Verdict> {
        let (mut random, now) = (Random::new(1, "test"), Instant::from_nanos(1));
        let mut rule = Rule::of(fault, Some(now + Duration::from_secs(5))).unwrap();
        parcels.into_iter().map(|(from, to, bytes)| rule.judge(now, Parcel { from, to, bytes }, &mut random)).collect()
    }

    fn lost(fault: &Fault, parcels: impl IntoIterator<Item = (u32, u32, usize)>) -> usize {
        verdicts(fault, parcels).iter().filter(|verdict| matches!(verdict, Verdict::Drop(_))).count()
    }

    #[test]
    fn cuts_meet_their_links_and_no_others() {
        let one_way = Fault::Cut { links: Links::from_to(&[0], &[1]) };
        assert_eq!([lost(&one_way, [(0, 1, 9)]), lost(&one_way, [(1, 0, 9)]), lost(&one_way, [(0, 2, 9)])], [1, 0, 0]);
        let deaf = Fault::Cut { links: Links::into(&[2]) };
        assert_eq!([lost(&deaf, [(0, 2, 9)]), lost(&deaf, [(2, 0, 9)])], [1, 0]);
        let split = Fault::Partition { groups: vec![vec![0, 1], vec![2, 3]], bridges: vec![4] };
        let meets = [(0, 1, 0), (2, 3, 0), (0, 2, 1), (3, 1, 1), (4, 0, 0), (2, 4, 0), (9, 0, 1), (9, 2, 0)];
        for (from, to, expected) in meets {
            assert_eq!(lost(&split, [(from, to, 9)]), expected, "{from} to {to}");
        }
        let chain = Fault::Ring { reach: 1 };
        assert_eq!([lost(&chain, [(0, 1, 9)]), lost(&chain, [(0, 2, 9)]), lost(&chain, [(3, 2, 9)])], [0, 1, 0]);
    }

    #[test]
    fn chance_hits_its_share_and_bursts_come_together() {
        let loss = Fault::Loss { links: Links::default(), permille: 100 };
        assert!((800..1_200).contains(&lost(&loss, (0..10_000).map(|_| (0, 1, 9)))));
        let burst = Fault::BurstLoss {
            links: Links::default(),
            good_permille: 0,
            bad_permille: 1_000,
            worsens_permille: 10,
            mends_permille: 100,
        };
        let verdicts = verdicts(&burst, (0..20_000).map(|_| (0, 1, 9)));
        let lost: Vec<bool> = verdicts.iter().map(|verdict| *verdict != Verdict::Pass).collect();
        let count = lost.iter().filter(|lost| **lost).count();
        let pairs = lost.windows(2).filter(|pair| pair[0] && pair[1]).count();
        // A tenth of the bursts end with each datagram, so nine of ten losses are followed by another.
        assert!((1_000..2_800).contains(&count) && pairs * 10 > count * 8, "{count} {pairs}");
    }

    #[test]
    fn a_narrow_link_queues_and_then_drops() {
        let narrow =
            Fault::Bandwidth { links: Links::default(), bytes_per_s: 1_000, queue: Duration::from_millis(250) };
        let later = |ms| Verdict::Later(Duration::from_millis(ms));
        let parcels = [(0, 1, 100), (0, 1, 100), (0, 1, 100), (0, 1, 100), (1, 0, 100)];
        assert_eq!(
            verdicts(&narrow, parcels),
            [later(100), later(200), later(300), Verdict::Drop(Loss::Queue), later(100)]
        );
    }

    #[test]
    fn clogs_release_at_the_end_and_black_holes_swallow_the_long() {
        let clog = verdicts(&Fault::Clog { links: Links::default() }, [(0, 1, 9)]);
        assert!(
            matches!(clog[0], Verdict::Later(span) if span >= Duration::from_secs(5) && span < Duration::from_millis(5_001))
        );
        let hole = Fault::Mtu { links: Links { from: Hosts::All, ..Links::default() }, bytes: 500 };
        assert_eq!(verdicts(&hole, [(0, 1, 500), (0, 1, 501)]), [Verdict::Pass, Verdict::Drop(Loss::Mtu)]);
    }
}
