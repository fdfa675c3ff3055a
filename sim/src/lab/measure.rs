//! Measures over many seeds: how soon deaths are found, how often they are invented, and what it costs.
//!
//! A run is watched and not judged: whether promises hold is for a sweep to say. Every figure comes with the range
//! that holds the true one in 95 of 100 cases ([`sample`] and [`interval`] say how), because a zero from ten runs is
//! no zero.

pub mod interval;
pub mod observer;
mod parallel;
pub mod sample;
mod summary;
pub mod tables;
mod text;
pub(crate) mod voters;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::Duration;

use tidings::Instant;
use twox_hash::XxHash3_64;

use crate::scenario::{Scenario, ScenarioError};
use crate::world::World;
use observer::{FalseDeath, Observer};
use sample::Sample;

/// A world that is measured.
pub(crate) type Measured = World<(), Observer>;

/// What came of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// How many seeds.
    pub runs: u64,
    /// A hash over the runs' own, in the order of the seeds.
    pub trace_hash: u64,
    /// Virtual time, of all runs together.
    pub lasted: Duration,
    /// The time that processes ran, of all together.
    pub node_time: Duration,
    /// Inputs to protocols, and faults applied.
    pub happenings: u64,
    /// Datagrams sent.
    pub datagrams: u64,
    /// Bytes sent, of UDP payload.
    pub bytes: u64,
    /// Processes that ended without a word.
    pub crashes: u64,
    /// Crashes that some survivor had not found by the end.
    pub unfound: u64,
    /// From a crash to the first Suspect, in nanoseconds.
    pub first_suspect: Sample,
    /// From a crash to the first Dead, in nanoseconds.
    pub first_dead: Sample,
    /// From a crash to the last Dead of the survivors, in nanoseconds.
    pub last_dead: Sample,
    /// From the first Dead to the last, in nanoseconds.
    pub spread: Sample,
    /// Processes that started when others ran.
    pub joins: u64,
    /// From a start until all others know of it, in nanoseconds; of the starts that all came to know.
    pub joined: Sample,
    /// Deaths of processes that ran, one for each observer.
    pub false_deaths: Vec<FalseDeath>,
    /// The same without those that followed another of the same member within half a minute.
    pub incidents: u64,
    /// Suspicions told, one for each observer.
    pub suspects: u64,
    /// Refutations told, one for each observer.
    pub refuted: u64,
    /// Refutations by the suspects themselves, if they ran at the end.
    pub refutations: u64,
    /// Datagrams a second, in thousandths, one value for each host of each run.
    pub datagrams_rate: Sample,
    /// Bytes a second, one value for each host of each run.
    pub bytes_rate: Sample,
}

/// One run, before all are put together.
#[derive(Debug)]
struct Ran {
    observer: Observer,
    ended: Instant,
    trace_hash: u64,
    happenings: u64,
    datagrams: u64,
    bytes: u64,
    refutations: u64,
}

/// Runs a scenario with many seeds on so many threads and puts together what was seen; the number of threads changes
/// nothing about it.
///
/// # Errors
/// What is wrong with the scenario.
pub fn measure(
    scenario: impl Fn(u64) -> Scenario + Sync,
    seeds: Range<u64>,
    jobs: NonZeroUsize,
) -> Result<Measures, ScenarioError> {
    let count = seeds.end.saturating_sub(seeds.start);
    let ran = parallel::each(jobs, count, |number| run(&scenario(seeds.start + number), seeds.start + number));
    Ok(Measures::of(&ran.into_iter().collect::<Result<Vec<_>, _>>()?))
}

fn run(scenario: &Scenario, seed: u64) -> Result<Ran, ScenarioError> {
    let mut world = World::new(scenario, seed, |_| (), Observer::default())?;
    world.run_until(Instant::ORIGIN + scenario.lasts);
    let (ended, refutations) = (world.now(), refutations(&world));
    let (_, trace, observer) = world.into_parts();
    let (trace_hash, happenings) = (trace.hash(), trace.happenings());
    Ok(Ran { observer, ended, trace_hash, happenings, datagrams: trace.datagrams(), bytes: trace.bytes(), refutations })
}

/// How often the processes that run have refuted.
pub(crate) fn refutations(world: &Measured) -> u64 {
    let protocols = world.hosts().iter().filter_map(|host| host.protocol());
    protocols.map(|protocol| protocol.metrics().refutations).sum()
}

/// How often a member's death was invented: once for all observers that believed it within half a minute.
pub(crate) fn incidents(false_deaths: &[FalseDeath]) -> u64 {
    const ONE_FOR: Duration = Duration::from_secs(30);
    let mut last = std::collections::BTreeMap::new();
    let begins = |death: &&FalseDeath| {
        let before = last.insert(death.victim, death.verdict.at);
        before.is_none_or(|before| death.verdict.at.since(before) > ONE_FOR)
    };
    false_deaths.iter().filter(begins).count() as u64
}

impl Measures {
    fn of(runs: &[Ran]) -> Self {
        let mut all = Measures { runs: runs.len() as u64, ..Measures::default() };
        let mut hashes = Vec::new();
        let mut found: [Vec<(Duration, u32)>; 5] = Default::default();
        let (mut datagrams, mut bytes) = (Vec::new(), Vec::new());

        for (number, ran) in (0..).zip(runs) {
            hashes.extend_from_slice(&ran.trace_hash.to_le_bytes());
            all.lasted += ran.ended.since(Instant::ORIGIN);
            all.happenings += ran.happenings;
            all.datagrams += ran.datagrams;
            all.bytes += ran.bytes;
            all.refutations += ran.refutations;
            all.suspects += ran.observer.suspects();
            all.refuted += ran.observer.refuted();
            all.false_deaths.extend_from_slice(ran.observer.false_deaths());
            all.incidents += incidents(ran.observer.false_deaths());
            all.take_crashes(number, &ran.observer, &mut found);

            for joined in ran.observer.join_times() {
                all.joins += 1;
                found[4].extend(joined.map(|took| (took, number)));
            }

            for load in ran.observer.loads(ran.ended) {
                all.node_time += load.ran;
                let rate = |count: u64| (u128::from(count) * 1_000_000_000).checked_div(load.ran.as_nanos());
                datagrams.extend(rate(load.datagrams * 1_000).map(|rate| (Duration::from_nanos(rate as u64), number)));
                bytes.extend(rate(load.bytes).map(|rate| (Duration::from_nanos(rate as u64), number)));
            }
        }

        all.trace_hash = XxHash3_64::oneshot(&hashes);
        let [first_suspect, first_dead, last_dead, spread, joined] = found.map(Sample::of_spans);
        let (datagrams_rate, bytes_rate) = (Sample::of_spans(datagrams), Sample::of_spans(bytes));
        Measures { first_suspect, first_dead, last_dead, spread, joined, datagrams_rate, bytes_rate, ..all }
    }

    fn take_crashes(&mut self, run: u32, observer: &Observer, found: &mut [Vec<(Duration, u32)>; 5]) {
        for crash in observer.crashes() {
            self.crashes += 1;
            let first = crash.verdicts.first().map(|verdict| verdict.at);
            let last = observer.all_know(crash);
            self.unfound += u64::from(last.is_none());
            let moments = [crash.first_suspect, first, last].map(|at| at.map(|at| at.since(crash.at)));
            for (list, span) in found.iter_mut().zip(moments) {
                list.extend(span.map(|span| (span, run)));
            }
            found[3].extend(first.zip(last).map(|(first, last)| (last.since(first), run)));
        }
    }
}
