//! What a node writes to the log: one line per change of state, and a bounded number about everything else.
//!
//! A flood of bad datagrams, or an address that flaps, must not fill a disk; so those lines are counted, and what
//! stands is told with back-off. Members are named, metadata is never shown.

mod elections;
mod names;

use std::net::SocketAddr;
use std::time::Duration;

use tracing::{debug, info, warn};

use crate::event::{Change, Event};
use crate::member::{Fingerprint, Member, NodeId};
use crate::protocol::Protocol;
use crate::recording::RecordError;
use crate::runtime::address::can_reach;
use crate::runtime::backoff::{Backoff, Backoffs};
use crate::runtime::clock::unix_ms;
use crate::runtime::contacts::Lookup;
use crate::runtime::listed::listed;
use crate::runtime::mistakes::{ADDRESS_AFTER, Differs, Facts, Mistake, Mistakes};
use crate::runtime::strangers::{Intruders, WINDOW};
use crate::runtime::unanswered::{self, Contacts, Outside, beyond_loopback, cannot_leave};
use crate::runtime::view::View;
use crate::time::{Instant, Utc};
use crate::wire::Rejected;
use elections::OfElections;
use names::names;

/// Rejected datagrams are told at most this often, for an operator who reads every line.
const REJECTED_EVERY: Duration = Duration::from_secs(1);
/// Where members saw this node so lately they see it still: surveys are seconds apart while none reaches it.
const SEEN_LATELY: Duration = Duration::from_secs(60);

/// What every line of a node is written in, its core's too. No span of the caller's is kept open for it.
pub(crate) fn span(node: &str) -> tracing::Span {
    tracing::error_span!(target: "tidings::node", parent: None, "tidings", node)
}

/// Remembers what was told, and when.
#[derive(Debug)]
pub(crate) struct Reporter {
    rejected: u64,
    rejected_told: Option<Instant>,
    seen: Backoff,
    seen_apart: Backoff,
    /// Where most members last saw this node, when that was not where it says, and when they did.
    seen_last: Option<(Instant, SocketAddr)>,
    mistakes: Mistakes,
    intruders: Intruders,
    pub(crate) elections: OfElections,
    /// Where the socket is bound.
    local: SocketAddr,
    loopback_told: bool,
    /// How long the latest wait of the node's task took.
    rested_for: Duration,
    /// Members that it cannot send to.
    unreachable: Backoffs<NodeId>,
}

impl Reporter {
    pub(crate) fn new(local: SocketAddr) -> Self {
        Reporter {
            rejected: 0,
            rejected_told: None,
            seen: Backoff::default(),
            seen_apart: Backoff::default(),
            seen_last: None,
            mistakes: Mistakes::default(),
            intruders: Intruders::default(),
            elections: OfElections::default(),
            local,
            loopback_told: false,
            rested_for: Duration::ZERO,
            unreachable: Backoffs::default(),
        }
    }

    pub(crate) fn started(&self, me: &Member, contacts: usize) {
        let local = self.local;
        info!(target: "tidings::node", generation = me.generation().0, %local, address = %me.address(), contacts, "started");
    }

    pub(crate) fn stopped(&self, reason: &dyn std::fmt::Display) {
        info!(target: "tidings::node", "stopped: {reason}");
    }

    /// The node's task waited so long for its next turn.
    pub(crate) fn woke_after(&mut self, rested: Duration) {
        self.rested_for = rested;
    }

    /// One line per change of state, given the view as it was before these changes. What is held back of a member that
    /// flaps is a line at DEBUG.
    pub(crate) fn changes(&mut self, now: Instant, changes: &[Change], before: &View, protocol: &Protocol) {
        let me = protocol.me();
        for (place, change) in changes.iter().enumerate() {
            let event = match change {
                Change::Told(event) => event,
                Change::Held(event) => {
                    let peer = event.member().map_or("", Member::name);
                    debug!(target: "tidings::member", peer, "{} once more: it flaps", event.kind());
                    continue;
                }
            };

            match event {
                Event::Up(member) if member.id() != me.id() => self.look_at_member(now, member, me.fingerprint()),
                Event::Updated(member) => {
                    if member.id() != me.id() {
                        self.look_at_member(now, member, me.fingerprint());
                    }
                    let earlier = changes.iter().take(place).rev().filter_map(|change| change.event().member());
                    let was = earlier.into_iter().find(|earlier| earlier.id() == member.id());
                    self.updated(was.or_else(|| before.get(member.id())), member);
                    continue;
                }
                _ => {}
            }

            self.event(event, protocol);
        }
    }

    fn event(&self, event: &Event, protocol: &Protocol) {
        match event {
            Event::Suspect { member, by, reason, .. } => {
                let (peer, generation) = (member.name(), member.generation().0);
                let by = names(by, protocol);
                info!(target: "tidings::member", peer, generation, address = %member.address(), by, flapping = flapping(member), "suspect: {reason}");
            }
            Event::Dead { member, by, reason, provisional } => {
                let (peer, generation) = (member.name(), member.generation().0);
                let by = names(by, protocol);
                warn!(target: "tidings::member", peer, generation, address = %member.address(), by, provisional, "dead: {reason}");
            }
            Event::Up(member) | Event::Refuted(member) | Event::Left(member) | Event::Updated(member) => {
                let (peer, generation) = (member.name(), member.generation().0);
                info!(target: "tidings::member", peer, generation, address = %member.address(), flapping = flapping(member), "{}", event.kind());
            }
            Event::SelfStalled { gap } => {
                let ran_not = not_run_for(*gap, self.rested_for);
                warn!(target: "tidings::node", ?gap, "this node did not run for {ran_not}; it judges no member until others answered");
            }
            Event::Isolated { reachable, known } => {
                warn!(target: "tidings::node", reachable, known, "too few members answer this node; its verdicts are provisional");
            }
            Event::Reconnected => info!(target: "tidings::node", "enough members answer again"),
            Event::Superseded { by } => tracing::error!(
                target: "tidings::node", %by,
                "a later start of this name is alive at {by}: this node stops; stop one of the two, or give one another name"
            ),
            Event::Leader { .. }
            | Event::LeaderUpdated { .. }
            | Event::LeaderLost { .. }
            | Event::VotersDiffer { .. }
            | Event::VotersChanged { .. } => elections::event(event, protocol),
            Event::Full { members_max } => {
                warn!(target: "tidings::node", members_max, "the table is full, a new member was refused; raise members_max");
            }
        }
    }

    /// Says what of its record a member has changed; of its metadata only the lengths.
    fn updated(&self, was: Option<&Member>, member: &Member) {
        let (peer, generation) = (member.name(), member.generation().0);
        let changes = was.map_or_else(String::new, |was| changes(was, member));
        info!(target: "tidings::member", peer, generation, address = %member.address(), "updated{changes}");
    }

    /// Says what about another member looks like a mistake; `ours` is this node's fingerprint.
    fn look_at_member(&mut self, now: Instant, member: &Member, ours: Option<Fingerprint>) {
        self.look_at_clock(now, member);
        if let (Some(theirs), Some(ours)) = (member.fingerprint(), ours) {
            self.look_at_configuration(now, member, theirs, ours);
        }
        if !can_reach(self.local, member.address()) && self.unreachable.takes_turn(now, member.id()) {
            let (peer, address, local) = (member.name(), member.address(), self.local);
            warn!(target: "tidings::node", peer, %address, "a socket bound to {local} cannot send to {peer} at \
                {address}: this node does not probe it, and shows of it what others say; bind [::]:{} for both families",
                local.port());
        }
    }

    /// Says when a member's start lies far ahead of this node's wall clock: one of the two clocks is wrong.
    fn look_at_clock(&mut self, now: Instant, member: &Member) {
        let unix_ms = unix_ms();
        let Some(ahead) = self.mistakes.ahead(now, member.id(), member.generation(), unix_ms) else { return };
        let (peer, ahead) = (member.name(), Duration::from_millis(ahead));
        let (theirs, ours) = (Utc::from_unix_ms(member.generation().0), Utc::from_unix_ms(unix_ms));
        warn!(target: "tidings::node", peer, ?ahead, "the start of {peer} is dated {theirs}, but it is {ours} here: \
            one of the two clocks is wrong, and after it is set right a restart may be taken for an earlier one; set both \
            by NTP");
    }

    /// Says when a member is configured otherwise than this node. A release that differs by its patch alone, or from
    /// 1.0 on by its minor version, is no mistake: every upgrade of one member at a time goes through that.
    fn look_at_configuration(&mut self, now: Instant, member: &Member, theirs: Fingerprint, ours: Fingerprint) {
        let peer = member.name();
        match self.mistakes.differs(now, theirs, ours) {
            None => {}
            Some(Differs::Matters(what)) => {
                warn!(target: "tidings::node", peer, "{peer} is configured otherwise \
                than this node: {what}; the cluster tolerates what its least tolerant member does, at the pace of each: \
                give all members the same probe_interval, stall_tolerance and release (others that say the same are not \
                named)")
            }
            Some(Differs::Release(what)) => {
                info!(target: "tidings::node", peer, "{peer} runs another release: {what}");
            }
        }
    }

    /// Says once when the socket is bound to a loopback address and a contact is on another host.
    pub(crate) fn look_at_contacts(&mut self, lookups: &[Lookup]) {
        let beyond = beyond_loopback(self.local, lookups);
        if !beyond.is_empty() && !std::mem::replace(&mut self.loopback_told, true) {
            warn!(target: "tidings::node", "{}", cannot_leave(self.local, &beyond));
        }
    }

    /// Says what looks like a mistake of operation, if it is time to.
    pub(crate) fn look(&mut self, now: Instant, facts: Facts, contacts: &Contacts, protocol: &Protocol) {
        let due: Vec<Mistake> = self.mistakes.due(now, facts).collect();
        for mistake in due {
            let outside = Outside {
                local: self.local,
                own: protocol.me().address(),
                seen_at: self.seen_lately(now),
                answering: contacts.answering(now),
                lookups: contacts.lookups(),
                strangers: &self.mistakes.strangers,
            };
            self.mistake(mistake, facts, &outside);
        }

        self.elections.look(now, facts, protocol);

        // While contacts are silent, the line about them tells of it.
        if facts.is_alone && facts.has_contacts {
            self.intruders.forget();
        }

        if let Some(intruders) = self.intruders.due(now) {
            let rejected = intruders.total();
            warn!(target: "tidings::node", rejected, "{rejected} datagrams of another cluster or damaged came within \
                {WINDOW:?}, from {intruders}: a node that belongs here needs the same cluster name and release, and any \
                other should not send to this port");
        }
    }

    fn mistake(&self, mistake: Mistake, facts: Facts, outside: &Outside<'_>) {
        let local = self.local;
        match mistake {
            Mistake::Unanswered => {
                let rejected = Some(outside.strangers.total()).filter(|rejected| *rejected > 0);
                warn!(target: "tidings::node", rejected, "{}", unanswered::words(outside));
            }
            Mistake::OwnContact => {
                let contacts = listed(outside.lookups);
                info!(target: "tidings::node", "this node has no contact but itself: {contacts}; it waits until \
                    others join through it, and to join them itself it needs one of them as a contact");
            }
            Mistake::AddressUnknown => warn!(target: "tidings::node", "this node does not know its own address \
                {ADDRESS_AFTER:?} after it was bound to {local}, so no other can list it: call .advertise(..) with the \
                address that others reach it at, or give it a contact that answers"),
            Mistake::Clock => {
                let ours = Utc::from_unix_ms(facts.unix_ms);
                warn!(target: "tidings::node", "the wall clock says {ours}: it was never set, and a restart may be \
                    taken for an earlier start; set it before the node starts, by NTP");
            }
        }
    }

    /// When [`Reporter::look`] may have something to say.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let all = [self.mistakes.next_at(), self.intruders.next_at(), self.elections.next_at()];
        all.into_iter().flatten().min()
    }

    /// The recording has ended before the node: told once, for there is one recording.
    pub(crate) fn recording_ended(&self, why: &RecordError, bytes: u64) {
        warn!(target: "tidings::node", bytes, "the recording has ended, the node goes on: {why}");
    }

    /// Counts a rejected datagram, and tells of it unless that was done a moment ago.
    pub(crate) fn rejected(&mut self, now: Instant, from: SocketAddr, reason: Rejected) {
        self.rejected += 1;
        self.mistakes.strangers.note(from, reason);
        self.intruders.note(now, from, reason);
        if self.rejected_told.is_none_or(|told| now.since(told) >= REJECTED_EVERY) {
            debug!(target: "tidings::node", %from, count = self.rejected, "rejected datagrams; the last was {reason}");
            self.rejected = 0;
            self.rejected_told = Some(now);
        }
    }

    /// Warns when most others see this node elsewhere than it says.
    pub(crate) fn seen_elsewhere(&mut self, now: Instant, seen_at: Option<SocketAddr>, own: SocketAddr) {
        let Some(seen_at) = seen_at else { return };
        self.seen_last = Some((now, seen_at));
        if self.seen.takes_turn(now) {
            warn!(target: "tidings::node", %own, %seen_at, "most members see this node at {seen_at}, it says {own}; call .advertise(..) with the address they should use");
        }
    }

    /// Where most members see this node instead of where it says. While they are asked anew it is not known for a
    /// moment.
    fn seen_lately(&self, now: Instant) -> Option<SocketAddr> {
        self.seen_last.filter(|(at, _)| now.since(*at) < SEEN_LATELY).map(|(_, seen_at)| seen_at)
    }

    /// Warns when each of the others sees this node elsewhere.
    pub(crate) fn seen_apart(&mut self, now: Instant, seen: Option<(SocketAddr, SocketAddr)>, own: SocketAddr) {
        let Some((one, other)) = seen else { return };
        if self.seen_apart.takes_turn(now) {
            warn!(target: "tidings::node", %own, %one, %other, "each member sees this node at another address, such as {one} and {other}: a gateway gives each destination a port of its own, so that hardly any member reaches {own} and healthy members may be declared dead; let the gateway forward one address to this node and call .advertise(..) with it");
        }
    }
}

/// How long a node did not run: at least as long as it is late, and no longer than it waited.
fn not_run_for(late: Duration, rested: Duration) -> String {
    let ms = |ms: u128| Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX));
    let least = ms(late.as_millis());
    if rested > late {
        format!("{least:?} at least and {:?} at most", ms(rested.as_micros().div_ceil(1_000)))
    } else {
        format!("{least:?} at least")
    }
}

/// A field that is there only if the member flaps.
fn flapping(member: &Member) -> Option<bool> {
    member.is_flapping().then_some(true)
}

/// What differs between two records of a member, each part with a colon or comma before it.
fn changes(was: &Member, is: &Member) -> String {
    let (had, has) = (was.metadata().len(), is.metadata().len());
    let parts = [
        (was.address() != is.address()).then(|| format!("address {} -> {}", was.address(), is.address())),
        (was.metadata() != is.metadata()).then(|| format!("metadata {had} bytes -> {has} bytes")),
        (was.generation() != is.generation())
            .then(|| format!("generation {} -> {}", was.generation(), is.generation())),
        (was.incarnation() != is.incarnation())
            .then(|| format!("incarnation {} -> {}", was.incarnation(), is.incarnation())),
        (was.is_flapping() != is.is_flapping())
            .then(|| if is.is_flapping() { "flaps" } else { "flaps no more" }.to_owned()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Level, Metadata, Subscriber};

    use super::*;
    use crate::config::Config;
    use crate::member::{Generation, Identity, Incarnation, Record as MemberRecord, State};

    /// Counts the lines of a level and the graver ones.
    #[derive(Clone)]
    struct Lines(Arc<AtomicUsize>, Level);

    impl Subscriber for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() <= self.1
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    /// How many lines ten minutes of something make, told a hundred times a second.
    pub(super) fn lines_of_ten_minutes(mut tell: impl FnMut(&mut Reporter, Instant, u64)) -> usize {
        lines(Level::TRACE, |reporter| {
            for ms in (0..600_000).step_by(10) {
                tell(reporter, Instant::from_nanos(ms * 1_000_000), ms);
            }
        })
    }

    fn lines(level: Level, tell: impl FnOnce(&mut Reporter)) -> usize {
        let (lines, mut reporter) = (Lines(Arc::default(), level), Reporter::new("10.0.0.1:1".parse().unwrap()));
        tracing::subscriber::with_default(lines.clone(), || tell(&mut reporter));
        lines.0.load(Ordering::SeqCst)
    }

    #[test]
    fn a_turn_that_is_held_back_is_for_whoever_looks_at_every_line() {
        let identity = |name: &str| Identity::named(name, Generation(7), "10.0.0.1:1".parse().unwrap());
        let protocol = Protocol::new(Config::lan("c"), identity("n1"), 1, Instant::ORIGIN).unwrap();
        let record = MemberRecord::new(&identity("n2"), Incarnation(3), &[]).unwrap();
        let refuted = Event::Refuted(Member { record, incarnation: Incarnation(3), state: State::Alive, flaps: true });
        let (told, held) = (Change::Told(refuted.clone()), Change::Held(refuted));
        for (change, level, expected) in [(&told, Level::INFO, 1), (&held, Level::INFO, 0), (&held, Level::DEBUG, 1)] {
            let view = View::empty(protocol.me().id());
            let tell = |reporter: &mut Reporter| {
                reporter.changes(Instant::ORIGIN, std::slice::from_ref(change), &view, &protocol);
            };
            assert_eq!(lines(level, tell), expected, "{change:?}");
        }
    }

    #[test]
    fn a_flood_of_bad_datagrams_makes_one_line_a_second() {
        let from = "127.0.0.1:1".parse().unwrap();
        let lines = lines_of_ten_minutes(|reporter, now, _| reporter.rejected(now, from, Rejected::Tag));
        assert_eq!(lines, 600);
    }

    #[test]
    fn a_stall_is_told_by_its_bounds() {
        let us = Duration::from_micros;
        for (late, rested, text) in [
            (us(460_123), us(1_020_999), "460ms at least and 1.021s at most"),
            (us(460_123), us(460_123), "460ms at least"),
            (us(460_123), us(0), "460ms at least"),
        ] {
            assert_eq!(not_run_for(late, rested), text);
        }
    }

    #[test]
    fn an_update_says_what_changed_and_no_contents() {
        let member = |port: u16, metadata: &[u8], incarnation| {
            let mut identity = Identity::named("n2", Generation(7), SocketAddr::from(([10, 0, 0, 2], port)));
            identity.metadata = metadata.to_vec();
            let incarnation = Incarnation(incarnation);
            Member {
                record: MemberRecord::new(&identity, incarnation, &[]).unwrap(),
                incarnation,
                state: State::Alive,
                flaps: false,
            }
        };
        let was = member(1, b"abc", 1);
        for (is, text) in [
            (member(1, b"abc", 1), ""),
            (member(2, b"abc", 1), ": address 10.0.0.2:1 -> 10.0.0.2:2"),
            (member(1, b"xyz", 2), ": metadata 3 bytes -> 3 bytes, incarnation 1 -> 2"),
            (member(2, b"", 1), ": address 10.0.0.2:1 -> 10.0.0.2:2, metadata 3 bytes -> 0 bytes"),
            (Member { flaps: true, ..member(1, b"abc", 1) }, ": flaps"),
        ] {
            assert_eq!(changes(&was, &is), text);
        }
    }

    #[test]
    fn an_address_seen_elsewhere_is_told_with_back_off_however_it_flaps() {
        let at = |port| std::net::SocketAddr::from(([10, 0, 0, 1], port));
        let flapping = |ms: u64| Some(at(1 + (ms % 7) as u16)).filter(|_| ms % 30 > 0);
        let lines = lines_of_ten_minutes(|reporter, now, ms| reporter.seen_elsewhere(now, flapping(ms), at(9)));
        assert_eq!(lines, 4);
        assert_eq!(lines_of_ten_minutes(|reporter, now, _| reporter.seen_elsewhere(now, Some(at(1)), at(9))), 4);
        assert_eq!(lines_of_ten_minutes(|reporter, now, _| reporter.seen_elsewhere(now, None, at(9))), 0);
    }
}
