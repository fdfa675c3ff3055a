//! The same work for many numbers over several threads, with the answers in the order of the numbers.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Does `work` for 0 up to `count`; how many threads do it changes nothing about the answers.
pub(crate) fn each<T: Send>(jobs: NonZeroUsize, count: u64, work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let (next, done) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let pull = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < count);
    let help = || {
        while let Some(number) = pull() {
            let answer = work(number);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((number, answer));
        }
    };
    thread::scope(|scope| {
        for _ in 1..jobs.get() {
            scope.spawn(help);
        }
        help();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, answer)| answer).collect()
}
