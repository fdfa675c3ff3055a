//! Every order of events that a small election can meet, and the promises that hold in each.
//!
//! What is explored is [`Election`](tidings::election::Election) itself, the code that runs in production, and no model
//! of it. A state is all voters with what is on their disks, the messages under way and what was promised so far. From
//! each state everything that can happen next is tried: any message arrives (in any order, some twice, or never), any
//! save ends, a voter runs its timers now or too late, hands over, has no work for a leader any more, crashes, starts
//! again, is cut off, or time goes on for all. How much goes wrong in one history is bounded, each kind by itself.
//! States that were met before are not gone through again, so that all of them are, once.

mod promises;
mod state;

pub use promises::Broken;

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tidings::config::ElectionConfig;
use tidings::election::Rules;
use twox_hash::XxHash3_64;

use crate::random::Random;
use state::State;

/// How large a world is explored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Voters, 1 to 5.
    pub voters: usize,
    /// Steps of time in one history.
    pub steps: u32,
    /// How long a step is.
    pub step: Duration,
    /// Crashes; a voter that crashed starts again in any later moment, or never.
    pub crashes: u32,
    /// Times that a voter is cut off from the others, for a step or more.
    pub cuts: u32,
    /// Messages that are lost, beside those from and to a voter that is down or cut off.
    pub losses: u32,
    /// Times that a leader hands over.
    pub resigns: u32,
    /// Messages that may arrive twice.
    pub doubles: u32,
    /// Times that a voter may let a step pass though its timers are due: it was stopped.
    pub stalls: u32,
    /// Times that a voter may stand for election, over all voters and restarts.
    pub campaigns: u64,
    /// Messages that may arrive in a later step than they were sent in.
    pub late: u32,
    /// The voters that the leader is asked for, once, in any moment: by their places, those of the first voters before
    /// those of newcomers. If this is empty, the leader is not asked.
    pub next: Vec<usize>,
    /// Times that the work at a voter ends; it begins again in any later moment, or never. The others are not told.
    pub idles: u32,
    /// Whether messages of one step arrive in the order in which they were sent, on each link by itself. A change of
    /// voters takes so many that all their orders are too many.
    pub is_ordered: bool,
    /// What a restart finds on disk.
    pub disks: Disks,
    /// Where the search begins.
    pub begins: Begins,
    /// Ends the search, unfinished, at so many states.
    pub states_max: u64,
}

/// What a voter finds after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disks {
    /// What it saved last, or what it was saving.
    Kept,
    /// Nothing, and its wall clock goes on.
    Memory,
    /// Nothing, though its clock stands still too: what no election can bear, so that the search is seen to find it.
    Forgotten,
}

/// Where a search begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Begins {
    /// All voters have started and may vote.
    Unled,
    /// One leads and all follow it, so that what is explored is a succession.
    #[default]
    Led,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            voters: 3,
            steps: 3,
            step: Duration::from_millis(60),
            crashes: 1,
            cuts: 1,
            losses: 1,
            resigns: 1,
            doubles: 0,
            stalls: 1,
            campaigns: 1,
            late: 1,
            next: Vec::new(),
            idles: 0,
            is_ordered: false,
            disks: Disks::Kept,
            begins: Begins::default(),
            states_max: 20_000_000,
        }
    }
}

const NAMES: [&str; NODES_MAX] = ["a", "b", "c", "d", "e"];
/// Most nodes of a world, voters or not.
pub const NODES_MAX: usize = 5;

impl Bounds {
    fn voters(&self) -> usize {
        self.voters.clamp(1, NODES_MAX)
    }

    /// The names of the newcomers, which are no voters at first.
    fn newcomers(&self) -> impl Iterator<Item = &'static str> {
        let all = self.next.iter().map(|place| place + 1).max().unwrap_or_default().clamp(self.voters(), NODES_MAX);
        NAMES[self.voters()..all].iter().copied()
    }

    /// The names of the voters that the leader is asked for.
    fn next_names(&self) -> Vec<Arc<str>> {
        let first = rules(self);
        let names = first.voters().iter().map(|(_, name)| Arc::clone(name)).chain(self.newcomers().map(Arc::from));
        let names: Vec<Arc<str>> = names.collect();
        self.next.iter().filter_map(|place| names.get(*place).cloned()).collect()
    }
}

/// Worlds that can be gone through whole, in a minute each: what goes wrong in them, and how far they go. Each begins
/// with a leader, so that what is explored is how it loses its leadership and which voter leads next.
#[must_use]
pub fn worlds() -> [(&'static str, Bounds); 10] {
    let none = Bounds { crashes: 0, cuts: 0, losses: 0, resigns: 0, stalls: 0, late: 0, ..Bounds::default() };
    let change = Bounds { cuts: 1, steps: 2, is_ordered: true, ..none.clone() };
    let replace = Bounds { voters: 1, next: vec![1], steps: 3, campaigns: 2, ..change.clone() };
    [
        ("crash", Bounds { crashes: 1, losses: 1, steps: 4, ..none.clone() }),
        ("crash-late", Bounds { crashes: 1, stalls: 1, late: 1, ..none.clone() }),
        ("crash-memory", Bounds { crashes: 1, losses: 1, steps: 4, disks: Disks::Memory, ..none.clone() }),
        ("cut", Bounds { cuts: 1, stalls: 1, ..none.clone() }),
        ("hand-over", Bounds { resigns: 1, cuts: 1, ..none.clone() }),
        ("idle", Bounds { idles: 1, cuts: 1, steps: 2, ..none }),
        ("grow", Bounds { voters: 1, next: vec![0, 1, 2], ..change.clone() }),
        ("shrink", Bounds { next: vec![0], ..change.clone() }),
        ("replace", Bounds { resigns: 1, ..replace.clone() }),
        ("replace-crash", Bounds { crashes: 1, losses: 1, cuts: 0, resigns: 1, ..replace }),
    ]
}

/// What a search came to.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Explored {
    /// Distinct states.
    pub states: u64,
    /// Steps from one state to another, those to a state that was known already among them.
    pub transitions: u64,
    /// Whether nothing is left to explore within the bounds.
    pub is_complete: bool,
    /// States in which a voter led.
    pub led: u64,
    /// The highest number of terms with a leader in one history.
    pub terms: usize,
    /// States in which a voter leads that was handed leadership.
    pub handed_over: u64,
    /// States in which a leader that could act a moment ago cannot, because its lease ran out.
    pub ran_out: u64,
    /// States in which a voter holds the voters that were asked for, and no others.
    pub changed: u64,
    /// The first promise that was found broken, and how it came to that.
    pub broken: Option<Broken>,
}

/// Explores everything within bounds, or until a promise is broken.
#[must_use]
pub fn explore(bounds: &Bounds) -> Explored {
    let mut search = Search {
        bounds,
        // Asked for membership alone; its order decides nothing.
        seen: HashSet::new(),
        bytes: Bytes::default(),
        found: Explored::default(),
    };

    let mut stack = Vec::new();
    search.meet(State::begin(&rules(bounds), bounds), &mut stack);

    while let Some(state) = stack.pop() {
        if search.found.broken.is_some() || search.found.states >= bounds.states_max {
            return search.found;
        }
        for choice in state.choices() {
            search.found.transitions += 1;
            search.meet(state.after(choice, bounds), &mut stack);
        }
    }

    search.found.is_complete = search.found.broken.is_none();
    search.found
}

/// Walks so many times from the beginning to the end of the bounds, each time by chance, or until a promise is broken:
/// for worlds that are too large to be gone through whole. States that two walks meet are counted twice.
#[must_use]
pub fn walk(bounds: &Bounds, walks: u64, seed: u64) -> Explored {
    let mut random = Random::new(seed, "explore");
    let begin = State::begin(&rules(bounds), bounds);
    let mut found = Explored::default();

    for _ in 0..walks {
        let mut state = begin.clone();
        while state.steps() < bounds.steps && state.campaigns() <= bounds.campaigns {
            let choices = state.choices();
            if choices.is_empty() {
                break;
            }
            state = state.after(choices[random.below(choices.len() as u64) as usize], bounds);
            found.note(&state, bounds);
            if found.broken.is_some() {
                return found;
            }
        }
        found.transitions = found.states;
    }

    found
}

fn rules(bounds: &Bounds) -> Rules {
    let mut config = ElectionConfig::lan("explored", NAMES[..bounds.voters()].iter().copied()).stands_always();
    config.lease = Duration::from_millis(100);
    config.heartbeat = Duration::from_millis(33);
    config.clock_drift_max_ppm = 0;
    Rules::new(&config)
}

impl Explored {
    fn note(&mut self, state: &State, bounds: &Bounds) {
        self.states += 1;
        self.led += u64::from(state.is_led());
        self.terms = self.terms.max(state.terms_led());
        self.handed_over += u64::from(state.is_handed_over());
        self.ran_out += u64::from(state.has_run_out());
        self.changed += u64::from(state.is_changed(bounds));
        self.broken = state.broken();
    }
}

struct Search<'a> {
    bounds: &'a Bounds,
    seen: HashSet<u128>,
    bytes: Bytes,
    found: Explored,
}

impl Search<'_> {
    fn meet(&mut self, state: State, stack: &mut Vec<State>) {
        if !self.seen.insert(fingerprint(&state, &mut self.bytes)) {
            return;
        }
        self.found.note(&state, self.bounds);
        let is_within = state.steps() < self.bounds.steps && state.campaigns() <= self.bounds.campaigns;
        if is_within && self.found.broken.is_none() {
            stack.push(state);
        }
    }
}

/// 128 bits: among 20 million states two share one by chance once in 10^24 searches.
fn fingerprint(state: &State, bytes: &mut Bytes) -> u128 {
    bytes.0.clear();
    state.hash(bytes);
    let half = |seed| u128::from(XxHash3_64::oneshot_with_seed(seed, &bytes.0));
    half(1) << 64 | half(2)
}

/// What a state hashes, as it is.
#[derive(Debug, Default)]
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        XxHash3_64::oneshot(&self.0)
    }
}
