//! The commonest mistakes of operation, as a decision: what is known goes in, what is to be said comes out.
//!
//! Wrong contacts, an address that no member can send to and a clock that is years off all look like silence. Each is
//! said once, with the next step, and again with back-off for as long as it stands. Nothing here changes what the node
//! does.

use std::time::Duration;

use crate::member::{Fingerprint, Generation, NodeId, Version};
use crate::runtime::backoff::{Backoff, Backoffs};
use crate::runtime::strangers::Strangers;
use crate::time::Instant;

/// No contact has answered for so long. Chosen: a cluster that starts together has met many times over by then.
pub(crate) const UNANSWERED_AFTER: Duration = Duration::from_secs(10);
/// This node does not know its own address so long after its start. Chosen: many greetings have been answered by then,
/// if any.
pub(crate) const ADDRESS_AFTER: Duration = Duration::from_secs(5);
/// 2020-01-01: a wall clock before it was never set.
const EARLIEST_UNIX_MS: u64 = 1_577_836_800_000;
/// A generation that is so far ahead of this node's wall clock was told by another clock. Chosen: above what clocks
/// differ by without a fault.
const AHEAD_MS: u64 = 3_600_000;

/// What is known of this node at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Whether it has contacts besides itself.
    pub(crate) has_contacts: bool,
    /// Whether it has contacts, and each is this node itself.
    pub(crate) is_own_contact: bool,
    /// Whether no other member is live.
    pub(crate) is_alone: bool,
    /// Whether it knows the address that others reach it at.
    pub(crate) knows_address: bool,
    /// The wall clock, in Unix milliseconds.
    pub(crate) unix_ms: u64,
}

/// A mistake that is to be said now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// No contact has answered, or none has let this node in.
    Unanswered,
    /// The only contact of this node is itself. A first node may be meant to be so: no more than a remark, said once.
    OwnContact,
    /// This node does not know its own address.
    AddressUnknown,
    /// The wall clock was never set.
    Clock,
}

/// How a member is configured otherwise than this node, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Differs {
    /// Its probe interval or P, or a release that may behave otherwise: one of another major version, or of another
    /// minor one below 1.0.
    Matters(String),
    /// A release that behaves as ours does: of another patch, or of another minor version from 1.0 on.
    Release(String),
}

/// What stands, since when, and when it was said.
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    alone_since: Option<Instant>,
    unanswered: Backoff,
    /// Whether the only contact of this node is itself, and whether that was said.
    is_own_contact: bool,
    own_contact_told: bool,
    unknown_since: Option<Instant>,
    unknown: Backoff,
    clock: Backoff,
    ahead: Backoffs<NodeId>,
    /// By what the members say, for a hundred of them may say the same.
    differing: Backoffs<Fingerprint>,
    /// The senders of what could not be read since no other member is live.
    pub(crate) strangers: Strangers,
}

impl Mistakes {
    /// What is to be said now; asked again by [`Mistakes::next_at`] at the latest.
    pub(crate) fn due(&mut self, now: Instant, facts: Facts) -> impl Iterator<Item = Mistake> {
        if facts.is_alone && (facts.has_contacts || facts.is_own_contact) {
            self.alone_since.get_or_insert(now);
        } else {
            (self.alone_since, self.own_contact_told) = (None, false);
            self.strangers = Strangers::default();
        }
        self.is_own_contact = facts.is_own_contact;
        let is_alone_long = is_over(self.alone_since, UNANSWERED_AFTER, now);
        let unanswered = is_alone_long && facts.has_contacts && self.unanswered.takes_turn(now);
        let own_contact = is_alone_long && facts.is_own_contact && !std::mem::replace(&mut self.own_contact_told, true);

        if facts.knows_address {
            self.unknown_since = None;
        } else {
            self.unknown_since.get_or_insert(now);
        }
        let unknown = is_over(self.unknown_since, ADDRESS_AFTER, now) && self.unknown.takes_turn(now);

        let clock = facts.unix_ms < EARLIEST_UNIX_MS && self.clock.takes_turn(now);

        let said = [
            unanswered.then_some(Mistake::Unanswered),
            own_contact.then_some(Mistake::OwnContact),
            unknown.then_some(Mistake::AddressUnknown),
            clock.then_some(Mistake::Clock),
        ];
        said.into_iter().flatten()
    }

    /// When something that stands may have to be said.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let alone = self.alone_since.filter(|_| !self.is_own_contact || !self.own_contact_told);
        let rest = if self.is_own_contact { Instant::ORIGIN } else { self.unanswered.next_at() };
        let unanswered = alone.map(|since| (since + UNANSWERED_AFTER).max(rest));
        let unknown = self.unknown_since.map(|since| (since + ADDRESS_AFTER).max(self.unknown.next_at()));
        [unanswered, unknown].into_iter().flatten().min()
    }

    /// By how many milliseconds a member's start lies ahead of this node's wall clock, if that is to be said. A node
    /// whose own clock was never set accuses no other.
    pub(crate) fn ahead(&mut self, now: Instant, id: NodeId, started: Generation, unix_ms: u64) -> Option<u64> {
        let ahead = started.0.saturating_sub(unix_ms);
        let is_said = unix_ms >= EARLIEST_UNIX_MS && ahead > AHEAD_MS && self.ahead.takes_turn(now, id);
        is_said.then_some(ahead)
    }

    /// What a member with this fingerprint does otherwise than one with `ours`, if that is to be said. Members that say
    /// the same are one difference.
    pub(crate) fn differs(&mut self, now: Instant, theirs: Fingerprint, ours: Fingerprint) -> Option<Differs> {
        let words = theirs.difference_from(&ours)?;
        let is_same_release = is_compatible(theirs.version, ours.version);
        let only_release = Fingerprint { version: ours.version, ..theirs } == ours;
        let differs = if only_release && is_same_release { Differs::Release(words) } else { Differs::Matters(words) };
        self.differing.takes_turn(now, theirs).then_some(differs)
    }
}

/// Whether two releases are of one line by semantic versioning, which counts minor versions below 1.0 as major ones.
fn is_compatible(one: Version, other: Version) -> bool {
    one.major == other.major && (one.major > 0 || one.minor == other.minor)
}

fn is_over(since: Option<Instant>, tolerated: Duration, now: Instant) -> bool {
    since.is_some_and(|since| now.since(since) >= tolerated)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTHY: Facts = Facts {
        has_contacts: true,
        is_own_contact: false,
        is_alone: false,
        knows_address: true,
        unix_ms: EARLIEST_UNIX_MS,
    };

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    /// The seconds at which this is said, if the facts stay for three minutes.
    fn said(facts: Facts) -> Vec<(u64, Mistake)> {
        let mut mistakes = Mistakes::default();
        let each = |second| mistakes.due(at(second), facts).map(move |said| (second, said)).collect::<Vec<_>>();
        (0..180).flat_map(each).collect()
    }

    #[test]
    fn each_is_said_after_its_time_and_again_after_a_minute() {
        let alone = Facts { is_alone: true, ..HEALTHY };
        let nowhere = Facts { knows_address: false, ..HEALTHY };
        let rows = [
            (HEALTHY, vec![]),
            (alone, vec![(10, Mistake::Unanswered), (70, Mistake::Unanswered)]),
            (Facts { has_contacts: false, ..alone }, vec![]),
            (Facts { has_contacts: false, is_own_contact: true, ..alone }, vec![(10, Mistake::OwnContact)]),
            (Facts { has_contacts: false, is_own_contact: true, ..HEALTHY }, vec![]),
            (nowhere, vec![(5, Mistake::AddressUnknown), (65, Mistake::AddressUnknown)]),
            (Facts { unix_ms: EARLIEST_UNIX_MS - 1, ..HEALTHY }, vec![(0, Mistake::Clock), (60, Mistake::Clock)]),
        ];
        for (facts, expected) in rows {
            assert_eq!(said(facts), expected, "{facts:?}");
        }
    }

    #[test]
    fn it_asks_to_be_looked_at_when_something_is_due() {
        let mut mistakes = Mistakes::default();
        let facts = Facts { is_alone: true, knows_address: false, ..HEALTHY };
        for (second, said, next) in [(2, 0, 7), (7, 1, 12), (12, 1, 67), (67, 1, 72)] {
            assert_eq!(mistakes.due(at(second), facts).count(), said, "{second}");
            assert_eq!(mistakes.next_at(), Some(at(next)), "{second}");
        }
        assert_eq!(mistakes.due(at(68), HEALTHY).count(), 0);
        assert_eq!(mistakes.next_at(), None);

        let itself = Facts { has_contacts: false, is_own_contact: true, knows_address: true, ..facts };
        for (second, facts, said, next) in [
            (100, itself, 0, Some(110)),
            (110, itself, 1, None),
            (111, Facts { is_own_contact: false, has_contacts: true, ..itself }, 1, Some(231)),
            (112, itself, 0, None),
        ] {
            assert_eq!(mistakes.due(at(second), facts).count(), said, "{second}");
            assert_eq!(mistakes.next_at(), next.map(at), "{second}");
        }
    }

    #[test]
    fn who_was_heard_of_begins_anew_when_somebody_answers() {
        let mut mistakes = Mistakes::default();
        mistakes.strangers.note("10.0.0.1:1".parse().unwrap(), crate::wire::Rejected::Tag);
        assert_eq!(mistakes.due(at(1), Facts { is_alone: true, ..HEALTHY }).count(), 0);
        assert_eq!(mistakes.strangers.total(), 1);
        assert_eq!(mistakes.due(at(2), HEALTHY).count(), 0);
        assert_eq!(mistakes.strangers.total(), 0);
    }

    #[test]
    fn a_start_far_ahead_of_our_clock_is_said_once_a_member() {
        let mut mistakes = Mistakes::default();
        let (one, two) = (NodeId::from_u128(1), NodeId::from_u128(2));
        let now_ms = EARLIEST_UNIX_MS + 5;
        let mut ahead = |second, id, by, unix_ms| mistakes.ahead(at(second), id, Generation(unix_ms + by), unix_ms);
        assert_eq!(ahead(0, one, AHEAD_MS, now_ms), None, "clocks differ by that much");
        assert_eq!(ahead(0, one, AHEAD_MS + 1, now_ms), Some(AHEAD_MS + 1));
        assert_eq!(ahead(1, one, AHEAD_MS + 1, now_ms), None, "told");
        assert_eq!(ahead(1, two, AHEAD_MS + 1, now_ms), Some(AHEAD_MS + 1), "another member");
        assert_eq!(ahead(61, one, AHEAD_MS + 1, now_ms), Some(AHEAD_MS + 1), "again after a minute");
        assert_eq!(ahead(99, one, u64::MAX / 4, 0), None, "our own clock is the wrong one");
    }

    #[test]
    fn a_difference_is_said_once_whoever_shows_it_and_a_patch_is_no_warning() {
        let (second, p) = (Duration::from_secs(1), Duration::from_secs(3));
        let version = |major, minor, patch| Version { major, minor, patch };
        let released = |version| Fingerprint { probe_interval: second, stall_tolerance: p, version };
        let ours = released(version(0, 4, 2));
        let matters = |words: &str| Some(Differs::Matters(words.to_owned()));
        let release = |words: &str| Some(Differs::Release(words.to_owned()));
        // (they, we, what is said)
        let rows = [
            (ours, ours, None),
            (Fingerprint { stall_tolerance: second, ..ours }, ours, matters("stall_tolerance 1s, here 3s")),
            (Fingerprint { probe_interval: p, ..ours }, ours, matters("probe_interval 3s, here 1s")),
            (released(version(0, 4, 3)), ours, release("version 0.4.3, here 0.4.2")),
            (released(version(0, 5, 2)), ours, matters("version 0.5.2, here 0.4.2")),
            (released(version(1, 4, 2)), ours, matters("version 1.4.2, here 0.4.2")),
            (released(version(1, 5, 0)), released(version(1, 4, 2)), release("version 1.5.0, here 1.4.2")),
            (released(version(2, 4, 2)), released(version(1, 4, 2)), matters("version 2.4.2, here 1.4.2")),
            (
                Fingerprint { stall_tolerance: second, ..released(version(0, 4, 3)) },
                ours,
                matters("stall_tolerance 1s, here 3s; version 0.4.3, here 0.4.2"),
            ),
        ];
        let mut mistakes = Mistakes::default();
        for (theirs, ours, said) in &rows {
            assert_eq!(mistakes.differs(at(0), *theirs, *ours), *said);
        }
        for (second, again) in [(59, false), (60, true), (61, false)] {
            for (theirs, ours, said) in &rows {
                let said = said.clone().filter(|_| again);
                assert_eq!(mistakes.differs(at(second), *theirs, *ours), said, "{theirs:?} at {second}");
            }
        }
    }
}
