//! Seeds over several threads, handed on in the order of the seeds.
//!
//! Each thread pulls the next seed when it is done with one, so that all are busy to the end. A run that is over before
//! an earlier one waits for it; threads that are too far ahead wait too, so that what waits stays little.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Sender};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tidings::Instant;
use tidings_sim::checks::Sometimes;
use tidings_sim::violation::Violation;
use tidings_sim::{Experiment, Outcome};

use crate::cli::interrupt;
use crate::cli::sweep::seeds::Seeds;

/// How many seeds may be under way or wait to be handed on.
const WINDOW: u64 = 1_024;

/// What a sweep keeps of a run.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Ran {
    pub(in crate::cli) seed: u64,
    pub(in crate::cli) trace_hash: u64,
    pub(in crate::cli) lasted: Duration,
    pub(in crate::cli) happenings: u64,
    pub(in crate::cli) datagrams: u64,
    pub(in crate::cli) bytes: u64,
    pub(in crate::cli) sometimes: Sometimes,
    /// The first promise that was broken.
    pub(in crate::cli) violation: Option<Violation>,
}

/// What the threads share.
#[derive(Debug)]
struct Plan {
    /// The next seed that no thread has taken.
    next: u64,
    end: u64,
    /// Every seed before this one has been handed on.
    done: u64,
}

struct Shared {
    plan: Mutex<Plan>,
    moved: Condvar,
}

impl Shared {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next seed to run; none when all are taken or Ctrl-C was pressed.
    fn pull(&self) -> Option<u64> {
        let is_far_ahead = |plan: &mut Plan| plan.next < plan.end && plan.next - plan.done >= WINDOW;
        let plan = self.plan();
        let mut plan = self.moved.wait_while(plan, is_far_ahead).unwrap_or_else(PoisonError::into_inner);
        if plan.next >= plan.end || interrupt::is_asked() {
            return None;
        }
        plan.next += 1;
        Some(plan.next - 1)
    }

    fn hand_on(&self, seed: u64) {
        self.plan().done = seed + 1;
        self.moved.notify_all();
    }

    /// No thread takes a seed from now on.
    fn stop(&self) {
        self.plan().end = 0;
        self.moved.notify_all();
    }
}

/// Runs seeds until all have run, `each` breaks off, or Ctrl-C; `each` sees them in order and without a gap.
pub(in crate::cli) fn run(
    experiment: &Experiment,
    seeds: Seeds,
    jobs: NonZeroUsize,
    mut each: impl FnMut(Ran) -> ControlFlow<()>,
) {
    let plan = Plan { next: seeds.first(), end: seeds.end(), done: seeds.first() };
    let shared = Shared { plan: Mutex::new(plan), moved: Condvar::new() };

    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..jobs.get() {
            let (sender, shared) = (sender.clone(), &shared);
            scope.spawn(move || work(experiment, shared, &sender));
        }
        drop(sender);

        // Runs end in any order and are handed on in that of their seeds.
        let (mut waiting, mut next, mut is_over) = (BTreeMap::new(), seeds.first(), false);
        for ran in receiver {
            waiting.insert(ran.seed, ran);
            while let Some(ran) = waiting.remove(&next).filter(|_| !is_over) {
                shared.hand_on(next);
                next += 1;
                if each(ran).is_break() {
                    is_over = true;
                    shared.stop();
                }
            }
        }
    });
}

fn work(experiment: &Experiment, shared: &Shared, sender: &Sender<Ran>) {
    while let Some(seed) = shared.pull() {
        if sender.send(run_one(experiment, seed)).is_err() {
            return;
        }
    }
}

fn run_one(experiment: &Experiment, seed: u64) -> Ran {
    // The run itself catches what panics in it; what is left is a world that could not begin.
    let failed = match catch_unwind(AssertUnwindSafe(|| experiment.run(seed))) {
        Ok(Ok(outcome)) => return Ran::of(outcome),
        Ok(Err(error)) => ("drawn", format!("the scenario drawn makes no sense: {error}")),
        Err(_) => ("panics", "something panicked before the world began".to_owned()),
    };
    let (check, text) = failed;
    Ran {
        seed,
        trace_hash: 0,
        lasted: Duration::ZERO,
        happenings: 0,
        datagrams: 0,
        bytes: 0,
        sometimes: Sometimes::default(),
        violation: Some(Violation { check, at: Instant::ORIGIN, text, hosts: Vec::new() }),
    }
}

impl Ran {
    fn of(outcome: Outcome) -> Self {
        Ran {
            seed: outcome.seed,
            trace_hash: outcome.trace_hash,
            lasted: outcome.lasted,
            happenings: outcome.happenings,
            datagrams: outcome.datagrams,
            bytes: outcome.bytes,
            sometimes: outcome.sometimes,
            violation: outcome.violations.into_iter().next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_sim::Scenario;

    use super::*;

    fn order(seeds: Seeds, jobs: usize, stop_at: u64) -> Vec<(u64, u64)> {
        // Later seeds are over sooner.
        let experiment = Experiment::drawn(|seed| Scenario::new("t", 3, Duration::from_secs(20 - seed % 20)));
        let mut order = Vec::new();
        run(&experiment, seeds, NonZeroUsize::new(jobs).unwrap(), |ran| {
            order.push((ran.seed, ran.trace_hash));
            if ran.seed == stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        order
    }

    #[test]
    fn seeds_come_in_order_whoever_is_first() {
        let seeds = Seeds::new(5, 45).unwrap();
        let one = order(seeds, 1, u64::MAX);
        assert_eq!(one.iter().map(|(seed, _)| *seed).collect::<Vec<_>>(), (5..45).collect::<Vec<_>>());
        assert_eq!(order(seeds, 4, u64::MAX), one);
    }

    #[test]
    fn a_seed_that_panics_or_draws_nonsense_fails_and_the_others_run() {
        let experiment = Experiment::drawn(|seed| {
            assert!(seed != 2, "drawn badly");
            Scenario::new("t", if seed == 3 { 0 } else { 2 }, Duration::from_secs(5))
        });
        let mut failed = Vec::new();
        run(&experiment, Seeds::new(0, 6).unwrap(), NonZeroUsize::new(2).unwrap(), |ran| {
            failed.push(ran.violation.map(|broken| broken.check));
            ControlFlow::Continue(())
        });
        assert_eq!(failed, [None, None, Some("panics"), Some("drawn"), None, None]);
    }

    #[test]
    fn breaking_off_ends_there() {
        let stopped = order(Seeds::new(0, 1_000_000).unwrap(), 3, 7);
        assert_eq!(stopped.last().map(|(seed, _)| *seed), Some(7));
        assert_eq!(stopped.len(), 8);
    }
}
