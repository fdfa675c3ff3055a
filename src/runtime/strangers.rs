//! The senders of what this node cannot read: the first thing to look at when no member answers.
//!
//! A wrong cluster name, an older release and a damaged path look the same from inside: silence. The rejected datagrams
//! tell them apart, so their senders are counted, a few of them by address and the rest together.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::runtime::backoff::Backoff;
use crate::time::Instant;
use crate::wire::Rejected;

/// Sources that are counted one by one.
const SOURCES_MAX: usize = 32;
/// Sources that are shown.
const SHOWN_MAX: usize = 3;
/// For so long they are counted together while other members are live.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);
/// So many in a window are told. Chosen: a port scan sends fewer, and a node of another cluster that dials this one
/// goes on in the next window.
const MANY: u64 = 20;

/// Datagrams that are another cluster's or damaged, by where they came from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strangers {
    /// How many came from where.
    sources: Vec<(SocketAddr, u64)>,
    /// How many came from sources that are not among those.
    others: u64,
}

impl Strangers {
    /// Counts one, if its reason speaks of the sender: what is late or misdirected is no sign of a stranger.
    pub(crate) fn note(&mut self, from: SocketAddr, reason: Rejected) {
        if !is_foreign(reason) {
            return;
        }
        if let Some((_, count)) = self.sources.iter_mut().find(|(source, _)| *source == from) {
            *count += 1;
        } else if self.sources.len() < SOURCES_MAX {
            self.sources.push((from, 1));
        } else {
            self.others += 1;
        }
    }

    /// How many there were.
    pub(crate) fn total(&self) -> u64 {
        self.others + self.sources.iter().map(|(_, count)| count).sum::<u64>()
    }
}

/// The same while other members are live: told if there are many in a window, or if a source goes on in the next one.
///
/// A single datagram, such as a port scan sends, is no mistake of operation.
#[derive(Debug, Default)]
pub(crate) struct Intruders {
    /// The window that is open, and since when.
    open: Option<(Instant, Strangers)>,
    /// The senders of the window before, and when that ended.
    before: Option<(Instant, Vec<IpAddr>)>,
    told: Backoff,
}

impl Intruders {
    /// Counts one, as [`Strangers::note`] does.
    pub(crate) fn note(&mut self, now: Instant, from: SocketAddr, reason: Rejected) {
        if is_foreign(reason) {
            self.open.get_or_insert_with(|| (now, Strangers::default())).1.note(from, reason);
        }
    }

    /// What was counted is told in another way.
    pub(crate) fn forget(&mut self) {
        (self.open, self.before) = (None, None);
    }

    /// What is to be told of a window that is over; asked by [`Intruders::next_at`] at the latest.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Strangers> {
        let (since, window) = self.open.take_if(|(since, _)| now.since(*since) >= WINDOW)?;
        let sources: Vec<IpAddr> = window.sources.iter().map(|(source, _)| source.ip()).collect();
        // The windows of a source that sends seldom do not follow each other at once.
        let before = self.before.take().filter(|(ended, _)| since.since(*ended) < WINDOW);
        let goes_on = before.is_some_and(|(_, before)| before.iter().any(|source| sources.contains(source)));
        self.before = Some((now, sources));
        let is_told = (goes_on || window.total() >= MANY) && self.told.takes_turn(now);
        is_told.then_some(window)
    }

    /// When the open window is over.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.open.as_ref().map(|(since, _)| *since + WINDOW)
    }
}

/// Whether a rejection says that the datagram is of another cluster, of another release, or damaged.
fn is_foreign(reason: Rejected) -> bool {
    matches!(
        reason,
        Rejected::Truncated
            | Rejected::Oversized
            | Rejected::Version
            | Rejected::Kind
            | Rejected::Tag
            | Rejected::Malformed
    )
}

/// The sources with the most, as `10.0.0.9:7340 (300), 10.0.0.8:7340 (12) and 5 from others`.
impl fmt::Display for Strangers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sources = self.sources.clone();
        sources.sort_by_key(|(source, count)| (std::cmp::Reverse(*count), *source));
        let shown = sources.len().min(SHOWN_MAX);
        for (place, (source, count)) in sources.iter().take(shown).enumerate() {
            write!(f, "{}{source} ({count})", if place == 0 { "" } else { ", " })?;
        }
        let rest = self.others + sources.iter().skip(shown).map(|(_, count)| count).sum::<u64>();
        if rest > 0 { write!(f, " and {rest} from others") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn counts_what_speaks_of_a_stranger_and_shows_the_most() {
        type Row = (&'static [(u16, Rejected, u64)], u64, &'static str);
        let rows: [Row; 5] = [
            (&[], 0, ""),
            (&[(1, Rejected::Stale, 9), (1, Rejected::UnknownNonce, 9), (2, Rejected::FromSelf, 9)], 0, ""),
            (&[(1, Rejected::Misdirected, 9), (2, Rejected::Stopped, 9), (3, Rejected::Election, 9)], 0, ""),
            (&[(1, Rejected::Tag, 2), (2, Rejected::Version, 3)], 5, "10.0.0.1:2 (3), 10.0.0.1:1 (2)"),
            (
                &[
                    (4, Rejected::Kind, 1),
                    (3, Rejected::Truncated, 2),
                    (2, Rejected::Malformed, 3),
                    (1, Rejected::Tag, 4),
                ],
                10,
                "10.0.0.1:1 (4), 10.0.0.1:2 (3), 10.0.0.1:3 (2) and 1 from others",
            ),
        ];
        for (noted, total, text) in rows {
            let mut strangers = Strangers::default();
            for (port, reason, times) in noted {
                (0..*times).for_each(|_| strangers.note(at(*port), *reason));
            }
            assert_eq!((strangers.total(), strangers.to_string().as_str()), (total, text));
        }
    }

    #[test]
    fn sources_are_bounded() {
        let mut strangers = Strangers::default();
        for port in 0..10_000 {
            strangers.note(at(port), Rejected::Tag);
        }
        assert_eq!((strangers.sources.len(), strangers.total()), (SOURCES_MAX, 10_000));
        assert!(strangers.to_string().ends_with("and 9997 from others"), "{strangers}");
    }

    #[test]
    fn a_joined_node_tells_of_many_and_of_a_source_that_goes_on_with_back_off() {
        const TAG: Rejected = Rejected::Tag;
        // (what comes: the second, from which port, how many, why), and the seconds at which it is told
        type Row = (&'static [(u64, u16, u64, Rejected)], &'static [u64]);
        let rows: [Row; 7] = [
            (&[], &[]),
            (&[(0, 1, MANY - 1, TAG)], &[]),
            (&[(0, 1, MANY, TAG)], &[10]),
            (&[(0, 1, MANY * 9, Rejected::Stale)], &[]),
            (&[(0, 1, 1, TAG), (12, 2, 1, TAG)], &[22]),
            (&[(0, 1, 1, TAG), (40, 2, 1, TAG)], &[]),
            (&[(0, 1, MANY, TAG), (15, 1, MANY, TAG), (65, 1, MANY, TAG)], &[10, 75]),
        ];
        for (comes, expected) in rows {
            let (mut intruders, mut told) = (Intruders::default(), Vec::new());
            for second in 0..100 {
                let now = Instant::ORIGIN + Duration::from_secs(second);
                for (_, port, times, reason) in comes.iter().filter(|(at, ..)| *at == second) {
                    (0..*times).for_each(|_| intruders.note(now, at(*port), *reason));
                }
                assert!(intruders.next_at().is_none_or(|next| next + WINDOW >= now), "looked at in time");
                told.extend(intruders.due(now).map(|_| second));
            }
            assert_eq!(told, expected, "{comes:?}");
            assert_eq!(intruders.next_at(), None, "nothing is open, so nothing wakes the node");
        }
    }

    #[test]
    fn a_flood_from_everywhere_is_told_seldom_and_remembered_in_bounds() {
        let mut intruders = Intruders::default();
        let mut told = 0;
        for n in 0..600_000_u32 {
            let now = Instant::ORIGIN + Duration::from_millis(u64::from(n));
            intruders.note(now, SocketAddr::from((n.to_be_bytes(), 7)), Rejected::Tag);
            told += u32::from(intruders.due(now).is_some());
        }
        assert_eq!(told, 4, "in ten minutes");
        assert!(intruders.before.is_some_and(|(_, sources)| sources.len() <= SOURCES_MAX));
    }
}
