//! Routes inputs to the mechanisms and queues what they ask for.
//!
//! The only module that sees all of them. Each file below is one kind of input or decision: what came in, what is
//! believed of it, which member is probed, judged or let in, what goes out.

mod absence;
mod accusations;
mod answers;
mod anti_entropy;
mod duplicate_name;
mod election_messages;
#[cfg(test)]
mod fixture;
mod flapping;
mod forget;
mod forwarding;
mod further;
mod isolation;
mod join;
mod late_wake;
mod leave;
mod merge;
mod metadata;
mod origin;
mod own_address;
mod piggyback;
mod probing;
mod range;
mod receive;
mod refute;
mod send;
mod verdict;
mod whereabouts;

pub(crate) use election_messages::Received;
pub use forget::ForgetError;
pub use leave::LeaveProgress;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use twox_hash::XxHash3_64;

use crate::config::Rules;
use crate::event::{Change, Event};
use crate::member::{Advertise, Member, NodeId, Record, State};
use crate::metrics::Metrics;
use crate::random::{Purpose, Random};
use crate::sabotage;
use crate::swim::addresses::ways::Ways;
use crate::swim::addresses::whereabouts::Whereabouts;
use crate::swim::detector::awareness::Awareness;
use crate::swim::detector::late_wake::Lateness;
use crate::swim::detector::pings::Pings;
use crate::swim::detector::probe::Rounds;
use crate::swim::detector::reachability::Reachability;
use crate::swim::detector::relays::Relays;
use crate::swim::detector::round_number::RoundNumber;
use crate::swim::detector::suspicion::{Suspicions, Verdict};
use crate::swim::dissemination::gossip::{Bucket, Gossip};
use crate::swim::dissemination::meter::Meter;
use crate::swim::dissemination::outbox::Outbox;
use crate::swim::dissemination::pace::MetadataPace;
use crate::swim::events::Events;
use crate::swim::flapping::Flapping;
use crate::swim::joining::Joining;
use crate::swim::members::Members;
use crate::swim::members::ghosts::Ghosts;
use crate::swim::members::hearsay::Hearsay;
use crate::swim::members::rtt::Rtt;
use crate::swim::reach::Reach;
use crate::swim::slot::Slot;
use crate::swim::timers::{Timer, Timers};
use crate::time::Instant;
use crate::why::Why;
use crate::wire::{Codec, Digest, Rejected};

use anti_entropy::AntiEntropy;
use isolation::Sweep;
use leave::Leaving;

/// How long the budget of changes is saved up. A guess: no other was measured.
const CHANGE_BYTES_BURST: Duration = Duration::from_secs(4);
/// Datagrams that may forward changes at once.
const CHANGE_DATAGRAMS_BURST: u32 = 16;

/// One node's membership protocol: told the time and what came in, it says what to send and what has changed.
#[derive(Debug)]
pub(crate) struct Machine {
    rules: Rules,
    codec: Codec,
    now: Instant,
    started: Instant,
    members: Members,
    suspicions: Suspicions,
    /// Why each certainly dead member is dead, for as long as it is held Dead.
    verdicts: BTreeMap<Slot, Verdict>,
    pings: Pings,
    rounds: Rounds,
    relays: Relays,
    reachability: Reachability,
    awareness: Awareness,
    late_wake: Lateness,
    gossip: Gossip,
    bucket: Bucket,
    /// Datagrams that forward changes alone.
    change_bucket: Bucket,
    /// Bytes of changes, on whatever datagram.
    change_meter: Meter,
    metadata_pace: MetadataPace,
    anti_entropy: AntiEntropy,
    ghosts: Ghosts,
    hearsay: Hearsay,
    joining: Joining,
    leaving: Option<Leaving>,
    round_number: RoundNumber,
    whereabouts: Whereabouts,
    ways: Ways,
    pooled: Rtt,
    /// A member that pinged us from an address that is not proved while there was news for it.
    unmet: Option<Slot>,
    /// A member that the ping at hand accuses at a standing which it has left since.
    outdated: Option<Slot>,
    /// The digest and the source of the latest stranger: a sender that names itself as a member which we
    /// know by another address.
    stranger: Option<(Digest, SocketAddr)>,
    /// The families of addresses that the socket can send to.
    reach: Reach,
    /// When the latest ping was sent that a member out of reach has answered from where it sends.
    answered_beyond_reach: Instant,
    outbox: Outbox,
    events: Events,
    flapping: Flapping,
    timers: Timers,
    random: Streams,
    metrics: Metrics,
    /// Since when too few members answer us.
    isolated: Option<Instant>,
    sweep: Sweep,
    /// The latest start that is known to be true, less the time we had run by then: a measure of the present.
    latest_start: u64,
    full: bool,
    stopped: bool,
    batch: Vec<Slot>,
}

/// The random draws, by what they are for.
#[derive(Debug)]
struct Streams {
    nonces: Random,
    probing: Random,
    gossip: Random,
    healing: Random,
}

impl Machine {
    pub(crate) fn new(rules: Rules, me: Record, advertise: Advertise, seed: u64, now: Instant) -> Self {
        let key = XxHash3_64::oneshot_with_seed(1, rules.cluster.as_bytes());
        let mut random = Streams {
            nonces: Random::fork(seed, Purpose::Nonces),
            probing: Random::fork(seed, Purpose::Probing),
            gossip: Random::fork(seed, Purpose::Gossip),
            healing: Random::fork(seed, Purpose::Healing),
        };

        let mut timers = Timers::new();
        let interval = rules.probe_interval;
        timers.set(Timer::Tick, now + random.probing.fraction_of(interval));

        let whereabouts = Whereabouts::new(advertise, rules.rto_min() * 3, rules.probe_interval);
        let latest_start = me.generation().0;

        let mut machine = Machine {
            codec: Codec::new(&rules.cluster, rules.datagram_bytes_max),
            now,
            started: now,
            members: Members::new(me, key),
            suspicions: Suspicions::default(),
            verdicts: BTreeMap::new(),
            pings: Pings::new(rules.unconfirmed_tolerance()),
            rounds: Rounds::default(),
            relays: Relays::default(),
            reachability: Reachability::default(),
            awareness: Awareness::default(),
            late_wake: Lateness::default(),
            gossip: Gossip::new(rules.news_max),
            bucket: Bucket::new(now, rules.forward_rate, rules.forward_burst),
            change_bucket: Bucket::new(now, rules.change_datagrams_per_second(), CHANGE_DATAGRAMS_BURST),
            change_meter: Meter::new(now, rules.metadata_bytes_per_second, CHANGE_BYTES_BURST),
            metadata_pace: MetadataPace::new(),
            anti_entropy: AntiEntropy::new(now),
            ghosts: Ghosts::new(rules.ghosts_max, rules.ghost_retention, rules.unconfirmed_tolerance()),
            hearsay: Hearsay::default(),
            joining: Joining::default(),
            leaving: None,
            round_number: RoundNumber::default(),
            whereabouts,
            ways: Ways::default(),
            pooled: Rtt::default(),
            unmet: None,
            outdated: None,
            stranger: None,
            reach: Reach::default(),
            answered_beyond_reach: Instant::ORIGIN,
            outbox: Outbox::default(),
            events: Events::default(),
            flapping: Flapping::default(),
            timers,
            random,
            metrics: Metrics::default(),
            isolated: None,
            sweep: Sweep::default(),
            latest_start,
            full: false,
            stopped: false,
            batch: Vec::new(),
            rules,
        };

        let me = machine.members.me();
        machine.events.push(Event::Up(machine.members.member(me).clone()));
        machine.gossip(me, crate::swim::dissemination::gossip::Urgency::Joined);
        machine
    }

    /// Every call that takes `now` begins here: time never goes back, and lateness is judged first (`protocol.md 6.1`).
    fn enter(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if sabotage::is_off("late_wake") {
            return;
        }

        let soonest = self.timers.soonest();
        if let Some(wake) = self.late_wake.observe(self.now, soonest, self.rules.rto_min()) {
            self.wake_late(wake);
        }
    }

    /// Every call that changed something ends here: the mechanisms' own deadlines become timers.
    fn settle(&mut self) {
        if self.stopped {
            return;
        }

        self.evict_ghosts();
        self.forward();
        self.wonder_where();

        self.timers.set(Timer::Whereabouts, self.whereabouts_at());
        self.timers.set(Timer::Rounds, self.rounds.next_at());
        self.timers.set(Timer::Relays, self.relays.next_at());
        self.timers.set(Timer::Suspicions, self.suspicions.next_at());
        self.timers.set(Timer::Sync, self.anti_entropy.deadline());
        self.timers.set(Timer::Flapping, self.flapping.next_at());
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.stopped {
            return;
        }

        self.enter(now);
        if self.timers.soonest().is_none_or(|soonest| soonest > self.now) {
            return;
        }

        self.late_wake.fired(self.now, self.timers.soonest());

        // What one timer does may make another due at once, so each is followed by all deadlines.
        while let Some(timer) = self.timers.take_due(self.now) {
            match timer {
                Timer::Relays => self.run_relays(),
                Timer::Rounds => self.run_rounds(),
                Timer::Tick => self.tick(),
                Timer::Suspicions => self.run_suspicions(),
                Timer::Forward => {}
                Timer::Sync => self.repeat_sync(),
                Timer::Join => self.dial_contacts(),
                Timer::Leave => self.run_leave(),
                Timer::Whereabouts => self.run_whereabouts(),
                Timer::Metadata => self.tell_metadata(),
                Timer::Flapping => self.run_flapping(),
            }
            if self.stopped {
                return;
            }
            self.settle();
        }
    }

    /// Nothing more is done or sent.
    fn stop(&mut self) {
        self.stopped = true;
        self.outbox.clear();
    }

    /// Tells the application of something that another machine found out, in its place among the events.
    pub(crate) fn tell_of(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Counts a datagram that was rejected for what its election message said.
    pub(crate) fn reject(&mut self, reason: Rejected) {
        self.metrics.rejected.count(reason);
    }

    /// The members that the queued urgent news are about.
    pub(crate) fn urgent_news(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.gossip.urgent().map(|slot| self.members.member(slot).id())
    }

    /// What is believed of a member; the Left are known as such for as long as their row is kept.
    pub(crate) fn state_of(&self, id: NodeId) -> Option<State> {
        self.members.find(id).map(|slot| self.members.member(slot).state())
    }

    pub(crate) fn poll_change(&mut self) -> Option<Change> {
        self.events.pop()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.stopped { None } else { self.timers.soonest() }
    }

    pub(crate) fn me(&self) -> &Member {
        self.members.member(self.members.me())
    }

    pub(crate) fn member(&self, id: NodeId) -> Option<&Member> {
        self.members.find(id).map(|slot| self.members.member(slot)).filter(|member| member.state != State::Left)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        let all = self.members.slots().map(|slot| self.members.member(slot));
        all.filter(|member| member.state != State::Left || member.id() == self.me().id())
    }

    /// The ids of all rows, the Left among them.
    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members.slots().map(|slot| self.members.member(slot).id())
    }

    pub(crate) fn revision(&self) -> u64 {
        self.members.changes().revision()
    }

    pub(crate) fn changed_since(&self, revision: u64) -> Option<impl Iterator<Item = NodeId> + '_> {
        self.members.changes().since(revision)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether no other member is Alive or Suspect here; a provisionally dead one is not waited for.
    pub(crate) fn is_alone(&self) -> bool {
        self.others() == 0
    }

    /// The chain behind a member's state, when it is Suspect or Dead by this node's own judgement.
    pub(crate) fn why(&self, id: NodeId) -> Option<Why> {
        let slot = self.members.find(id)?;
        let member = self.members.member(slot);
        let chain = match self.suspicions.get(slot) {
            Some(suspicion) => Verdict::from(suspicion.clone()),
            None => self.verdicts.get(&slot)?.clone(),
        };

        let others: BTreeSet<NodeId> = chain.steps.iter().filter_map(|step| step.what.other()).collect();
        let name = |id: NodeId| self.members.find(id).map(|slot| (id, self.members.member(slot).name().to_owned()));

        Some(Why {
            names: others.into_iter().filter_map(name).collect(),
            member: id,
            name: member.name().to_owned(),
            generation: member.generation(),
            incarnation: member.incarnation(),
            state: member.state(),
            start: chain.start,
            steps: chain.steps,
            omitted: chain.steps_omitted,
            wall_origin_ms: None,
        })
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let counts = self.members.counts();
        Metrics {
            transmits_dropped: self.outbox.dropped(),
            late_wakes: self.late_wake.wakes(),
            lateness_us: self.late_wake.last().as_micros() as u64,
            lateness_max_us: self.late_wake.longest().as_micros() as u64,
            awareness: self.awareness.level(),
            members_alive: counts.alive,
            members_suspect: counts.suspect,
            members_flapping: self.flapping.count(),
            ghosts: self.ghosts.dialled(),
            news: self.gossip.len(),
            transmits: self.outbox.len(),
            events: self.events.len(),
            round: self.round_number.round(),
            view_hash: self.members.view_hash(),
            ..self.metrics
        }
    }

    /// How many other members are Alive or Suspect here; a node that leaves is not counted itself.
    fn others(&self) -> usize {
        self.members.counts().live().saturating_sub(usize::from(self.me().state().is_live()))
    }
}
