//! The contract of the subscription, checked over random histories and readers of random speed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use super::{Events, Notice};
use crate::event::{Change, DeadReason, Event, SuspectReason};
use crate::leader::{Leader, LossReason, Term, Trigger};
use crate::member::{Accusers, Generation, Identity, Incarnation, Member, NodeId, Record, State};
use crate::runtime::error::Stopped;
use crate::runtime::hub::Hub;
use crate::runtime::node_metrics::NodeMetrics;
use crate::runtime::view::{View, in_state};
use crate::time::Instant;

const RING: usize = 16;

fn member(id: u128, generation: u64, incarnation: u32, metadata: &[u8]) -> Member {
    let mut identity = Identity::named(&format!("n{id}"), Generation(generation), "127.0.0.1:1".parse().unwrap());
    identity.id = NodeId::from_u128(id);
    identity.metadata = metadata.to_vec();
    let record = Record::new(&identity, Incarnation(incarnation), &[]).unwrap();
    Member { record, incarnation: Incarnation(incarnation), state: State::Alive, flaps: false }
}

fn suspect(of: &Member, accusers: u64) -> Event {
    let by: Accusers = (0..accusers).map(|n| NodeId::from_u128(u128::from(n) + 900)).collect();
    let (dead_after, dead_by) = (Instant::from_nanos(accusers), Instant::from_nanos(3 * accusers));
    let member = in_state(of, State::Suspect);
    Event::Suspect { member, by, reason: SuspectReason::Accused, dead_after, dead_by }
}

fn dead(of: &Member, reason: DeadReason) -> Event {
    Event::Dead { member: in_state(of, State::Dead), by: Accusers::default(), reason, provisional: false }
}

/// A world in which members come, fall silent, refute, restart and go, as the protocol would tell it.
struct World {
    random: Xoshiro256PlusPlus,
    rows: BTreeMap<u128, Member>,
    isolated: bool,
    leaders: BTreeMap<&'static str, (Leader, bool)>,
    ids: u64,
    /// Whether every third member flaps.
    flaps: bool,
    /// The sum of what was told.
    told: View,
    /// Those whose suspicion was held back.
    held: BTreeSet<u128>,
}

impl World {
    fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound
    }

    fn step(&mut self) -> Vec<Event> {
        if self.below(40) == 0 {
            self.isolated = !self.isolated;
            let known = self.rows.len();
            return vec![if self.isolated { Event::Isolated { reachable: 0, known } } else { Event::Reconnected }];
        }
        if self.below(10) == 0 {
            return vec![self.elect()];
        }
        let id = u128::from(self.below(self.ids));
        let Some(old) = self.rows.get(&id).cloned() else {
            let new = member(id, 1 + self.below(3), 0, &[]);
            self.rows.insert(id, new.clone());
            return vec![Event::Up(new)];
        };
        let (generation, incarnation) = (old.generation().0, old.incarnation().0);
        let restarted = member(id, generation + 1, 0, old.metadata());
        let lives_on = member(id, generation, incarnation + 1, old.metadata());
        let updated = Member { state: old.state(), ..member(id, generation, incarnation + 1, &[self.below(9) as u8]) };
        let choice = self.below(6);
        let (new, events) = match (old.state(), choice) {
            (State::Dead, 0) => (None, vec![Event::Left(in_state(&old, State::Left))]),
            (State::Dead, 1..3) => (Some(restarted.clone()), vec![Event::Up(restarted)]),
            (State::Dead, _) => (Some(lives_on.clone()), vec![Event::Up(lives_on)]),
            (_, 0) => (None, vec![Event::Left(in_state(&old, State::Left))]),
            (_, 1) => (Some(restarted.clone()), vec![dead(&old, DeadReason::Restarted), Event::Up(restarted)]),
            (_, 2) => (Some(updated.clone()), vec![Event::Updated(updated)]),
            (State::Suspect, 3) => (Some(lives_on.clone()), vec![Event::Refuted(lives_on)]),
            (State::Suspect, 4) => (Some(in_state(&old, State::Dead)), vec![dead(&old, DeadReason::Silent)]),
            (_, accusers) => (Some(in_state(&old, State::Suspect)), vec![suspect(&old, accusers - 2)]),
        };
        self.rows.remove(&id);
        self.rows.extend(new.map(|new| (id, new)));
        events
    }

    /// What happens next, of which of members that flap not all is told.
    fn changes(&mut self) -> Vec<Change> {
        let events = self.step();
        events.into_iter().flat_map(|event| self.tell(event)).collect()
    }

    fn tell(&mut self, event: Event) -> Vec<Change> {
        let Some(id) = event.member().map(|member| member.id().as_u128()).filter(|id| self.flaps && id % 3 == 0) else {
            return vec![event.into()];
        };
        let was_held = self.held.remove(&id);
        match &event {
            Event::Suspect { .. } if self.below(3) > 0 && (was_held || !self.is_told_suspect(id)) => {
                self.held.insert(id);
                vec![Change::Held(event)]
            }
            Event::Refuted(_) if was_held => vec![Change::Held(event)],
            Event::Updated(member) if was_held => {
                self.held.insert(id);
                vec![Event::Updated(in_state(member, State::Alive)).into()]
            }
            Event::Dead { member, reason: DeadReason::Silent, .. } if was_held => {
                vec![suspect(member, 1).into(), event.into()]
            }
            _ => vec![event.into()],
        }
    }

    fn is_told_suspect(&self, id: u128) -> bool {
        self.told.get(NodeId::from_u128(id)).is_some_and(|member| member.state() == State::Suspect)
    }

    /// Asserts that a view shows all that is so, and a sum of events all but what is held back.
    fn compare(&self, view: &View, folded: &View) {
        let listed = |id: u128| (view.get(NodeId::from_u128(id)), folded.get(NodeId::from_u128(id)));
        for id in 0..u128::from(self.ids) {
            let row = self.rows.get(&id);
            let (shown, told) = listed(id);
            let plain = |member: &Member, state| (state, member.generation(), member.metadata().to_owned());
            assert_eq!(shown.map(|is| plain(is, is.state())), row.map(|is| plain(is, is.state())), "shown of {id}");
            let as_told = |is: &Member| if self.held.contains(&id) { State::Alive } else { is.state() };
            assert_eq!(told.map(|is| plain(is, is.state())), row.map(|is| plain(is, as_told(is))), "told of {id}");
        }
    }

    /// A leader comes, goes, or is followed by the next.
    fn elect(&mut self) -> Event {
        let election = ["a", "b", "c"][self.below(3) as usize];
        let last = self.leaders.get(election).cloned();
        if let Some((leader, true)) = last.clone().filter(|_| self.below(2) == 0) {
            let reason = [LossReason::LeaseRanOut, LossReason::Resigned][self.below(2) as usize];
            self.leaders.insert(election, (leader.clone(), false));
            return Event::LeaderLost { leader, reason };
        }
        let term = Term(last.map_or(0, |(leader, _)| leader.term.0) + 1 + self.below(2));
        let (id, since) = (NodeId::from_u128(u128::from(self.below(3))), Instant::from_nanos(term.0));
        let leader = Leader { election: election.into(), id, name: "n".into(), term, since, word: Arc::default() };
        self.leaders.insert(election, (leader.clone(), true));
        Event::Leader { leader, trigger: Trigger::ALL[self.below(7) as usize] }
    }
}

/// A subscriber that folds what it reads and refuses an order that no member could go through.
struct Reader {
    events: Events,
    folded: View,
    terms: BTreeMap<String, Term>,
    initial: bool,
    coalesced: usize,
}

impl Reader {
    fn new(hub: &Arc<Hub>) -> Self {
        let folded = View::empty(hub.view().id());
        Reader { events: Events::new(Arc::clone(hub)), folded, terms: BTreeMap::new(), initial: true, coalesced: 0 }
    }

    /// Whether there was something to read.
    fn read(&mut self, told: &[Event], initial_until: u64) -> bool {
        let Some(notice) = self.events.try_next() else { return false };
        self.initial &= notice.number <= initial_until;
        self.coalesced += usize::from(notice.coalesced);
        if !notice.coalesced && !self.initial {
            assert_eq!(notice.event, told[notice.number as usize - 1], "an exact event is what happened");
        }
        if let Some(member) = notice.event.member() {
            let known = self.folded.get(member.id()).map(|known| (known.state(), known.generation()));
            let own = member.id() == self.folded.id();
            assert!(is_legal(known, &notice.event, member.generation()) || own, "{known:?} then {notice:?}");
        }
        let led = notice.event.election().and_then(|election| self.folded.leader(election)).map(|leader| leader.term);
        match &notice.event {
            Event::Leader { leader, .. } => {
                let last = self.terms.insert(leader.election.to_string(), leader.term);
                assert!(last < Some(leader.term), "terms never go back: {last:?} then {notice:?}");
            }
            Event::LeaderLost { leader, .. } => assert_eq!(led, Some(leader.term), "the end of one that was told"),
            _ => {}
        }
        self.folded.apply(&notice.event);
        true
    }
}

fn is_legal(known: Option<(State, Generation)>, event: &Event, generation: Generation) -> bool {
    let same = known.is_none_or(|(_, known)| known == generation);
    match (known.map(|(state, _)| state), event) {
        (None, Event::Up(_) | Event::Dead { .. }) => true,
        (Some(State::Alive), Event::Updated(_) | Event::Suspect { .. } | Event::Dead { .. } | Event::Left(_)) => same,
        (Some(State::Suspect), Event::Up(_)) => false,
        (Some(State::Suspect), _) => same,
        (Some(State::Dead), Event::Up(_) | Event::Dead { .. }) => true,
        (Some(State::Dead), Event::Left(_)) => same,
        _ => false,
    }
}

fn run(seed: u64) -> usize {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let ids = [3, 30, 300][(random.next_u64() % 3) as usize];
    let empty = View::empty(NodeId::from_u128(7_777));
    let mut world = World {
        random,
        rows: BTreeMap::new(),
        isolated: false,
        leaders: BTreeMap::new(),
        ids,
        flaps: seed % 2 == 1,
        told: empty.clone(),
        held: BTreeSet::new(),
    };
    let hub = Arc::new(Hub::new(empty, RING));
    let mut told = Vec::new();
    let mut readers: Vec<(Reader, u64, u64)> = Vec::new();
    for _ in 0..600 {
        if readers.len() < 5 && world.below(60) == 0 {
            let speed = [0, 1, 3, 40][world.below(4) as usize];
            readers.push((Reader::new(&hub), speed, told.len() as u64));
        }
        let mut batch = Vec::new();
        for _ in 0..1 + world.below(3) {
            let changes = world.changes();
            let events: Vec<Event> = changes.iter().cloned().filter_map(Change::told).collect();
            for event in &events {
                world.told.apply(event);
            }
            told.extend(events);
            batch.extend(changes);
        }
        let before = hub.view();
        hub.publish(batch);
        assert!(hub.view().version() >= before.version());
        for (reader, speed, since) in &mut readers {
            for _ in 0..world.below(*speed + 1) {
                if !reader.read(&told, *since) {
                    let is_exact = world.flaps || reader.folded.says_the_same(&hub.view());
                    assert!(is_exact, "seed {seed}: fold differs from the view");
                    world.compare(&hub.view(), &reader.folded);
                    break;
                }
            }
        }
    }
    hub.close(Stopped::Dropped, NodeMetrics::default());
    let mut coalesced = 0;
    for (reader, _, since) in &mut readers {
        while reader.read(&told, *since) {}
        let is_exact = world.flaps || reader.folded.says_the_same(&hub.view());
        assert!(is_exact, "seed {seed}: fold differs from the view at the end");
        world.compare(&hub.view(), &reader.folded);
        coalesced += reader.coalesced;
    }
    coalesced
}

#[test]
fn folding_the_events_gives_the_view_whatever_the_readers_speed() {
    let coalesced: usize = (0..150).map(run).sum();
    assert!(coalesced > 3_000, "the slow readers were never behind: {coalesced}");
}

fn drain(events: &mut Events) -> Vec<Notice> {
    std::iter::from_fn(|| events.try_next()).collect()
}

#[test]
fn one_that_reads_only_at_the_end_gets_exactly_the_present() {
    let hub = Arc::new(Hub::new(View::empty(NodeId::from_u128(0)), RING));
    let old = member(1, 1, 0, &[]);
    hub.publish([Event::Up(member(0, 1, 0, &[])), Event::Up(old.clone())]);
    let mut late = Events::new(Arc::clone(&hub));
    let new = member(1, 2, 0, &[]);
    hub.publish([dead(&old, DeadReason::Restarted), Event::Up(new.clone())]);
    for id in 0..100 {
        hub.publish([Event::Up(member(100 + id % 3, 1, 0, &[])), Event::Left(member(100 + id % 3, 1, 0, &[]))]);
    }
    hub.publish([Event::Up(member(5, 1, 0, &[])), suspect(&member(5, 1, 0, &[]), 2)]);
    hub.publish([Event::Up(member(6, 1, 0, &[])), dead(&member(6, 1, 0, &[]), DeadReason::Silent)]);
    let notices = drain(&mut late);
    let (first, then): (Vec<_>, Vec<_>) = notices.into_iter().partition(|notice| !notice.coalesced);
    let events = |notices: Vec<Notice>| notices.into_iter().map(|notice| notice.event).collect::<Vec<_>>();
    assert_eq!(events(first), [Event::Up(member(0, 1, 0, &[])), Event::Up(old.clone())]);
    let expected = [
        dead(&old, DeadReason::Restarted),
        Event::Up(new),
        Event::Up(member(5, 1, 0, &[])),
        suspect(&member(5, 1, 0, &[]), 2),
        dead(&member(6, 1, 0, &[]), DeadReason::Silent),
    ];
    assert_eq!(events(then), expected);
}

#[test]
fn a_reader_that_caught_up_keeps_no_pages_of_its_own() {
    let hub = Arc::new(Hub::new(View::empty(NodeId::from_u128(0)), RING));
    hub.publish((0..200).map(|id| Event::Up(member(id, 1, 0, &[]))));
    let mut events = Events::new(Arc::clone(&hub));
    drain(&mut events);
    hub.publish([suspect(&member(3, 1, 0, &[]), 1), Event::Refuted(member(3, 1, 1, &[]))]);
    drain(&mut events);
    assert!(Arc::ptr_eq(&events.seen, &hub.view()));
}

#[test]
fn a_turn_that_is_held_back_shows_in_the_view_wakes_its_readers_and_is_told_to_none() {
    let hub = Arc::new(Hub::new(View::empty(NodeId::from_u128(0)), RING));
    hub.publish((0..3).map(|id| Event::Up(member(id, 1, 0, &[]))));
    let mut events = Events::new(Arc::clone(&hub));
    drain(&mut events);
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    assert!(events.poll_next(&mut Context::from_waker(&waker)).is_pending());
    hub.publish([Change::Held(suspect(&member(1, 1, 0, &[]), 2))]);
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(events.poll_next(&mut Context::from_waker(&waker)).is_pending());
    let state = || hub.view().get(NodeId::from_u128(1)).map(Member::state);
    assert_eq!(state(), Some(State::Suspect));
    let kinds = |notices: Vec<Notice>| notices.iter().map(|notice| notice.event.kind()).collect::<Vec<_>>();
    assert_eq!(
        kinds(drain(&mut Events::new(Arc::clone(&hub)))),
        ["up"; 3],
        "a new reader is told what the others were"
    );
    hub.publish([Event::Up(member(9, 1, 0, &[]))]);
    drain(&mut events);
    assert!(!Arc::ptr_eq(&events.seen, &hub.view()), "what is shared was not told");
    hub.publish([Change::Held(Event::Refuted(member(1, 1, 1, &[])))]);
    assert_eq!((state(), drain(&mut events)), (Some(State::Alive), vec![]));
    hub.publish([Event::Left(member(9, 1, 0, &[]))]);
    assert_eq!(kinds(drain(&mut events)), ["left"]);
    assert!(Arc::ptr_eq(&events.seen, &hub.view()), "the sum of the events is the view again");
}

#[test]
fn the_version_moves_on_visible_change_only() {
    let hub = Hub::new(View::empty(NodeId::from_u128(0)), RING);
    hub.publish([Event::Up(member(1, 1, 0, &[]))]);
    let version = hub.view().version();
    hub.publish([Event::SelfStalled { gap: std::time::Duration::from_secs(1) }, Event::Full { members_max: 2 }]);
    hub.publish([Event::Up(member(1, 1, 0, &[])), Event::Left(member(9, 1, 0, &[])), Event::Reconnected]);
    assert_eq!(hub.view().version(), version);
    hub.publish([Event::Updated(member(1, 1, 1, &[7]))]);
    assert_eq!(hub.view().version(), version + 1);
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_waiting_reader_is_woken_by_news_and_by_the_end() {
    let hub = Arc::new(Hub::new(View::empty(NodeId::from_u128(0)), RING));
    let mut events = Events::new(Arc::clone(&hub));
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let mut cx = Context::from_waker(&waker);
    assert!(events.poll_next(&mut cx).is_pending() && events.poll_next(&mut cx).is_pending());
    hub.publish([Event::Up(member(1, 1, 0, &[]))]);
    assert_eq!(count.0.load(Ordering::SeqCst), 1, "one wake for one reader, however often it polled");
    assert!(matches!(events.poll_next(&mut cx), Poll::Ready(Some(notice)) if notice.event.kind() == "up"));
    assert!(events.poll_next(&mut cx).is_pending());
    let mut gone = events.clone();
    assert!(gone.poll_next(&mut cx).is_pending());
    drop(gone);
    hub.close(Stopped::Dropped, NodeMetrics::default());
    assert_eq!(count.0.load(Ordering::SeqCst), 2, "a reader that is gone is not woken");
    assert_eq!(events.poll_next(&mut cx), Poll::Ready(None));
}
