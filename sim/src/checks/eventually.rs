//! Eventually: when the faults are over, whether the cluster found back, and how soon.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings::{Instant, Member, NodeId, Protocol, State};

use crate::app::App;
use crate::checks::idle::Leaderships;
use crate::checks::sight::Sight;
use crate::fault::{Fault, Planned};
use crate::scenario::{Configs, Scenario};
use crate::violation::Violation;
use crate::watch::Watch;
use crate::world::{Host, World};

/// How long the datagram rate is measured for.
const IDLE_WINDOW: Duration = Duration::from_secs(10);
/// Datagrams that a host may send in one probe interval when nothing is wrong: a ping and an ack, dials of the dead and
/// of contacts at one in five intervals, retries when the network is slow at times, comparisons now and then.
const IDLE_PER_INTERVAL_PERMILLE: u64 = 5_000;
/// Bytes of them: a ping and an ack are 84, and one interval of five a contact is told a whole record.
const IDLE_BYTES_PER_INTERVAL: u64 = 512;

/// Bytes of an election message at most.
const MESSAGE_BYTES: u64 = 96;

/// Watches a cluster settle after its faults.
#[derive(Clone, Debug)]
pub struct Settling {
    /// When the faults were over.
    pub since: Instant,
    /// How long it may take.
    pub bound: Duration,
    /// When everything was first found in order, and still is.
    pub settled: Option<Instant>,
    /// A moment, and how many datagrams and bytes had been sent then.
    mark: (Instant, u64, u64),
    /// What its elections had come to then.
    leaderships: Leaderships,
}

impl Settling {
    /// Begins to watch when the faults are over.
    #[must_use]
    pub fn new(since: Instant, scenario: &Scenario, configs: &Configs) -> Self {
        let (settled, mark) = (None, (since, 0, 0));
        Settling { since, bound: bound(scenario, configs), settled, mark, leaderships: Leaderships::default() }
    }

    /// Looks whether everything is in order; the first thing that is not, if something is not.
    pub fn look<A: App, W: Watch>(&mut self, world: &World<A, W>) -> Option<Violation> {
        let found = disorder(world);
        self.settled = if found.is_some() { None } else { self.settled.or(Some(world.now())) };
        found
    }

    /// Whether it took longer than it may.
    #[must_use]
    pub fn is_overdue(&self, now: Instant) -> bool {
        now.since(self.since) > self.bound
    }

    /// How long the datagram rate is measured for.
    #[must_use]
    pub fn idle_window(&self, configs: &Configs) -> Duration {
        IDLE_WINDOW.max(configs.most(|config| config.probe_interval) * 8)
    }

    /// Begins to measure the datagram rate.
    pub fn begin_idle<A: App, W: Watch>(&mut self, world: &World<A, W>) {
        self.mark = (world.now(), world.trace().datagrams(), world.trace().bytes());
        self.leaderships = Leaderships::of(world);
    }

    /// Whether the datagram rate since then is that of an idle cluster.
    #[must_use]
    pub fn is_idle<A: App, W: Watch>(&self, world: &World<A, W>) -> Option<Violation> {
        // A host that no other answers goes on asking.
        if world.hosts().iter().any(Host::is_isolated) {
            return None;
        }

        let (since, datagrams_before, bytes_before) = self.mark;
        let running = world.hosts().iter().filter(|host| host.runs()).count() as u64;
        let sent = (world.trace().datagrams() - datagrams_before, world.trace().bytes() - bytes_before);
        let interval = world.configs().least(|config| config.probe_interval);
        let spent = crate::random::nanos(world.now().since(since)) / crate::random::nanos(interval);
        let share = running * (spent + 1);

        // A host that greets a contact sends its whole record.
        let metadata = |host: &Host<A>| host.protocol().map_or(0, |protocol| protocol.me().metadata().len() as u64);
        let bytes_each = IDLE_BYTES_PER_INTERVAL + world.hosts().iter().map(metadata).max().unwrap_or(0);

        let due = self.leaderships.due(world, world.now().since(since));
        let datagrams = share * IDLE_PER_INTERVAL_PERMILLE / 1_000 + due.messages + due.news;
        let most = (datagrams, (share + due.news) * bytes_each + due.messages * MESSAGE_BYTES);

        (sent.0 > most.0 || sent.1 > most.1).then(|| Violation {
            check: "idles",
            at: world.now(),
            text: format!(
                "{running} hosts sent {} datagrams, {} bytes, in {spent} intervals, idle ones at most {} and {}",
                sent.0, sent.1, most.0, most.1
            ),
            hosts: Vec::new(),
        })
    }
}

/// How long after the last write changed metadata may be told that were put off. Writers together tell once in an
/// interval at which their records, sent as often as each news is, take three quarters of the budget; the interval may
/// be half as long again, and the last words wait for its end. Then what they all said at once goes out within the
/// whole budget, each change on as many datagrams as it has sends, one an interval at the least.
#[must_use]
pub fn put_off<A: App, W: Watch>(world: &World<A, W>) -> Duration {
    let writes = |planned: &Planned| match &planned.what {
        Fault::Writers { bytes, .. } => Some(*bytes),
        _ => None,
    };
    let Some(bytes) = world.scenario().faults.iter().filter_map(writes).max() else { return Duration::ZERO };
    let running = || world.hosts().iter().filter_map(Host::protocol);
    let besides = |protocol: &Protocol| {
        let record = protocol.me().record();
        record.to_bytes().len() - record.metadata().len()
    };
    let record = running().map(besides).max().unwrap_or_default() + bytes;
    let members = running().count();
    let log = u64::from(members.max(1).ilog2()) + 1;
    let sends = world.configs().all().map(|config| u64::from(config.retransmit_mult) * log).max().unwrap_or(1);
    let budget = world.configs().all().map(|config| config.metadata_bytes_per_second).min().unwrap_or(1).max(1);
    let bytes_in_all = members as u64 * record as u64 * sends;
    let all_once = Duration::from_nanos(bytes_in_all.saturating_mul(1_000_000_000) / u64::from(budget));
    all_once * 4 / 3 * 3 / 2 + all_once + world.configs().most(|config| config.probe_interval) * sends as u32
}

/// How long a cluster may take to find back: to miss each other's dials with a chance of one in a million, then to
/// notice, judge at 3 P and spread.
fn bound(scenario: &Scenario, configs: &Configs) -> Duration {
    let (tolerance, interval) =
        (configs.most(|config| config.stall_tolerance), configs.most(|config| config.probe_interval));
    // Two sides that forgot each other meet by a contact that both know: one dial of four, and one contact of three.
    let forgets = scenario.faults.iter().any(|planned| matches!(planned.what, Fault::Forget { .. }));
    tolerance * 9 + interval * if forgets { 720 } else { 60 }
}

/// The first thing that is not in order.
fn disorder<A: App, W: Watch>(world: &World<A, W>) -> Option<Violation> {
    let running: BTreeMap<NodeId, (u32, &Member)> =
        (0..).zip(world.hosts()).filter_map(|(host, one)| Some((one.id(), (host, one.protocol()?.me())))).collect();
    let sight = Sight::of(world);
    let mut hashes = BTreeMap::new();

    for (host, one) in (0..).zip(world.hosts()) {
        let Some(protocol) = one.protocol() else { continue };
        let broken = |check: &'static str, text: String, other: Option<u32>| {
            let hosts = [Some(host), other].into_iter().flatten().collect();
            Some(Violation { check, at: world.now(), text, hosts })
        };

        let view_hash = protocol.metrics().view_hash;
        if protocol.me().address().ip().is_unspecified() {
            return broken("known", format!("n{host} still does not know where it is seen"), None);
        }

        for member in protocol.members() {
            let truth = running.get(&member.id());
            let is_running = truth.is_some_and(|(_, me)| me.generation() == member.generation());
            match member.state() {
                State::Suspect if sight.sees(world, host, member.address()) => {
                    let other = truth.map(|(host, _)| *host);
                    return broken("calms", format!("n{host} still suspects {}", member.name()), other);
                }
                State::Alive if !is_running && sight.sees(world, host, member.address()) => {
                    return broken("detects", format!("n{host} holds {member:?}, which does not run"), None);
                }
                _ => {}
            }
        }

        // All that run and that it can hear of are there: in their present start, where they receive, with their words.
        for (id, (other, me)) in running.iter().filter(|(_, (other, _))| sight.group(*other) == sight.group(host)) {
            let held = protocol.member(*id);
            // Two starts of one generation differ in nothing but the address.
            let is_me = |held: &Member| (held.generation(), held.address()) == (me.generation(), me.address());
            let is_found = held.is_some_and(|held| held.state() == State::Alive && is_me(held));
            if !is_found {
                let text = format!("n{host} holds n{other}, which runs, as {held:?}");
                return broken("finds", text, Some(*other));
            }

            // Where owner and observer agree, both may be wrong. An observer with a route to the address must reach the
            // member there; for one without a route, the address must be where the member receives from others.
            let held_at = held.map_or(me.address(), Member::address);
            let is_tried = host != *other && world.has_route(host, held_at);
            let reached = if is_tried { world.reach(host, held_at) } else { world.host_at(held_at) };
            if host != *other && reached != Some(*other) {
                let text = format!("n{host} holds n{other} at {held_at}, where it does not receive");
                return broken("known", text, Some(*other));
            }

            // The protocol's own view hash is no witness: what it leaves out no comparison would ever repair.
            let is_said = |held: &&Member| {
                (held.record().incarnation(), held.metadata()) == (me.record().incarnation(), me.metadata())
            };
            if let Some(held) = held.filter(|held| !is_said(held)) {
                let (known, own) = (held.record().incarnation(), me.incarnation());
                let text = format!("n{host} holds n{other}'s words at incarnation {known}, its own are at {own}");
                return broken("converges", text, Some(*other));
            }
        }

        // And all of a group hold the same, told by one hash.
        if *hashes.entry(sight.group(host)).or_insert(view_hash) != view_hash {
            return broken("converges", format!("n{host}'s view hash differs from the first one's"), None);
        }
    }
    None
}
