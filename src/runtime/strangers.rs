//! Who sends what this node cannot read: the first thing to look at when nobody answers.
//!
//! A wrong cluster name, an older release and a damaged path look the same from inside: silence. The rejected datagrams
//! tell them apart, so their senders are counted, a few of them by address and the rest together.

use std::fmt;
use std::net::SocketAddr;

use crate::wire::Rejected;

/// Sources that are counted one by one.
const SOURCES_MAX: usize = 32;
/// Sources that are shown.
const SHOWN_MAX: usize = 3;

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
}
