//! One simulated process: a protocol, the clock it is told, its processor, its socket buffer, and its conditions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use tidings::config::ElectionConfig;
use tidings::{Instant, NodeId, Protocol};

use crate::clock::Clock;
use crate::fault::{Inbox, WallClock};
use crate::scenario::Family;
use crate::world::ballots::Ballots;
use crate::world::mail::Content;
use crate::world::places::{Translation, address};

/// Datagrams that a socket buffer holds; as many as the protocol's own driver reads at once.
pub(super) const INBOX_MAX: usize = 1_024;
/// One simulated process, or what is left of it.
#[derive(Debug)]
pub struct Host<A = ()> {
    pub(super) name: String,
    pub(super) id: NodeId,
    pub(super) place: u32,
    /// The family of the address that it advertises.
    pub(super) family: Family,
    /// What the wall clock says when it starts for the first time.
    pub(super) first_clock: WallClock,
    /// When it last sent to each address through a translation that lets answers back.
    pub(super) flows: BTreeMap<SocketAddr, Instant>,
    /// When it resolves its contacts again while it is alone, and how long it waits after that.
    pub(super) resolves: Resolves,
    pub(super) protocol: Option<Protocol>,
    pub(super) app: Option<A>,
    /// What its applications persisted.
    pub(super) disk: Vec<u8>,
    pub(super) clock: Clock,
    /// What its voter saved of each election.
    pub(super) ballots: Ballots,
    /// How often its process has started.
    pub(super) starts: u32,
    /// What the wall clock said at the last start, in milliseconds.
    pub(super) wall: u64,
    /// Its conditions, each with the fault that brought it.
    pub(super) conditions: Vec<(u32, Condition)>,
    pub(super) inbox: VecDeque<u32>,
    /// Bytes in it.
    pub(super) inbox_bytes: usize,
    /// What a blocked host would have sent.
    pub(super) outbox: Vec<(SocketAddr, Vec<u8>, Content)>,
    /// When its processor is free again.
    pub(super) busy_until: Instant,
    pub(super) wakes_at: Instant,
    /// Since when the machine sleeps.
    pub(super) slept: Option<Instant>,
    pub(super) is_leaving: bool,
    /// The faults that ended its process and hold it down.
    pub(super) downed: BTreeSet<u32>,
    /// Whether it told its application that too few answer it.
    pub(super) is_isolated: bool,
    /// Whether it was a twin whose time is over: it does not start again.
    pub(super) is_over: bool,
    /// Its priority in elections, if a fault has set one.
    pub(super) priority: Option<u8>,
}

/// When a host resolves its contacts again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resolves {
    /// The wait after the next time, while it is alone; zero while it is not.
    pub(super) wait: Duration,
    /// When it does so although it is not alone.
    pub(super) seldom: Instant,
    /// When it does so while it is alone.
    pub(super) alone: Instant,
}

/// What is wrong with a host while a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Paused(Inbox),
    Suspended(Inbox),
    Blocked,
    Slow(Duration),
    Drifts(i64),
    Translated(Translation),
    DiskSlow(Duration),
    DiskFull,
    DiskTorn,
    DiskLost,
    /// There is no work for a leader.
    Idle,
}

impl<A> Host<A> {
    pub(super) fn new(name: String, place: u32) -> Self {
        Host {
            id: NodeId::from_name(&name),
            name,
            place,
            family: Family::V4,
            first_clock: WallClock::Right,
            flows: BTreeMap::new(),
            resolves: Resolves::default(),
            protocol: None,
            app: None,
            disk: Vec::new(),
            ballots: Ballots::default(),
            clock: Clock::new(Instant::ORIGIN, Instant::ORIGIN),
            starts: 0,
            wall: 0,
            conditions: Vec::new(),
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            outbox: Vec::new(),
            busy_until: Instant::ORIGIN,
            wakes_at: Instant::NEVER,
            slept: None,
            is_leaving: false,
            downed: BTreeSet::new(),
            is_isolated: false,
            is_over: false,
            priority: None,
        }
    }

    /// Its priority in an election, if it may vote in it and there is work for it as leader.
    pub(super) fn candidacy(&self, election: &ElectionConfig) -> Option<u8> {
        let stands = !election.is_watched() && !self.has(Condition::Idle);
        stands.then_some(self.priority.unwrap_or(election.priority))
    }

    /// Its name; two hosts of one name are twins.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its member id.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Where it receives.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        address(self.place, self.family)
    }

    /// Its protocol; none while its process is down.
    #[must_use]
    pub fn protocol(&self) -> Option<&Protocol> {
        self.protocol.as_ref()
    }

    /// Its application; none while its process is down.
    #[must_use]
    pub fn app(&self) -> Option<&A> {
        self.app.as_ref()
    }

    /// What its applications last persisted, whether or not one runs.
    #[must_use]
    pub fn persisted(&self) -> &[u8] {
        &self.disk
    }

    /// Whether it has a process, which may be paused.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.protocol.is_some()
    }

    /// Whether it has a process and that runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.is_up() && !self.is_stopped()
    }

    /// Whether its process does not run though it is not over.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.conditions.iter().any(|(_, condition)| matches!(condition, Condition::Paused(_) | Condition::Suspended(_)))
    }

    /// Whether it told its application that too few answer it, and nothing else since.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.is_up() && self.is_isolated
    }

    /// Whether nothing comes in or goes out though it runs.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.conditions.iter().any(|(_, condition)| *condition == Condition::Blocked)
    }

    /// Whether its socket has space for so many bytes more, which depends on what stopped it.
    pub(super) fn has_space(&self, bytes: usize) -> bool {
        let holds = |inbox: Inbox| match inbox {
            Inbox::Kept => true,
            Inbox::Dropped => false,
            Inbox::Bytes(most) => self.inbox_bytes + bytes <= most,
        };
        self.inbox.len() < INBOX_MAX
            && self.conditions.iter().all(|(_, condition)| match condition {
                Condition::Paused(inbox) | Condition::Suspended(inbox) => holds(*inbox),
                _ => true,
            })
    }

    /// What is done to the source of its datagrams; the last of several counts.
    pub(super) fn translation(&self) -> Option<Translation> {
        self.conditions.iter().rev().find_map(|(_, condition)| match condition {
            Condition::Translated(translation) => Some(*translation),
            _ => None,
        })
    }

    pub(super) fn is_asleep(&self) -> bool {
        self.conditions.iter().any(|(_, condition)| matches!(condition, Condition::Suspended(_)))
    }

    /// What one datagram costs it.
    pub(super) fn service(&self) -> Duration {
        let costs = self.conditions.iter().map(|(_, condition)| match condition {
            Condition::Slow(service) => *service,
            _ => Duration::ZERO,
        });
        costs.max().unwrap_or_default()
    }

    /// By how much its clock is fast, in parts of a million.
    pub(super) fn drift(&self) -> i64 {
        self.conditions
            .iter()
            .map(|(_, condition)| if let Condition::Drifts(ppm) = condition { *ppm } else { 0 })
            .fold(0, i64::saturating_add)
    }

    pub(super) fn has(&self, what: Condition) -> bool {
        self.conditions.iter().any(|(_, condition)| *condition == what)
    }

    /// How much longer its disk takes.
    pub(super) fn disk_delay(&self) -> Duration {
        let delay = |condition: &Condition| {
            if let Condition::DiskSlow(latency) = condition { *latency } else { Duration::ZERO }
        };
        self.conditions.iter().map(|(_, condition)| delay(condition)).max().unwrap_or_default()
    }

    /// Its protocol and what its clock says, if it runs.
    pub(super) fn running(&mut self, now: Instant) -> Option<(&mut Protocol, Instant)> {
        if self.is_stopped() {
            return None;
        }
        let local = self.clock.read(now);
        self.protocol.as_mut().map(|protocol| (protocol, local))
    }
}
