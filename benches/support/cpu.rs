//! Processor time of this process and of the whole machine, from `/proc`, which needs no unsafe code.
//!
//! `utime + stime` of `/proc/self/stat` is what getrusage(RUSAGE_SELF) says, threads that have ended included, in steps
//! of 10 ms; over a minute of 128 nodes that is 0.08 ms a node.

#![allow(dead_code)] // each bench reads what it needs

use std::fs;
use std::time::{Duration, Instant};

use crate::Outcome;

/// A clock tick of `/proc`: USER_HZ is 100 on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Processor time so far.
pub struct Reading {
    at: Instant,
    user: Duration,
    system: Duration,
    machine: Duration,
    processors: u32,
}

/// Processor time between two readings.
pub struct Spent {
    pub elapsed: Duration,
    pub user: Duration,
    pub system: Duration,
    /// Percent of the machine's processors that went to others; coarse below a second.
    pub others: f64,
}

impl Reading {
    pub fn now() -> Outcome<Self> {
        let own = fs::read_to_string("/proc/self/stat")?;
        // The name of the process may hold spaces; the third field follows its closing bracket.
        let fields = own.rsplit_once(')').map_or("", |(_, fields)| fields);
        let own: Vec<&str> = fields.split_whitespace().collect();
        let all = fs::read_to_string("/proc/stat")?;
        let total: Vec<&str> = all.lines().next().unwrap_or("").split_whitespace().collect();
        // user, nice, system, irq, softirq and steal; between them lie idle and iowait.
        let busy = [1, 2, 3, 6, 7, 8].into_iter().map(|place| ticks(&total, place)).sum::<Outcome<Duration>>()?;
        let processors = all.lines().skip(1).take_while(|line| line.starts_with("cpu")).count();
        Ok(Reading {
            at: Instant::now(),
            user: ticks(&own, 11)?,
            system: ticks(&own, 12)?,
            machine: busy,
            processors: u32::try_from(processors.max(1))?,
        })
    }

    /// What was spent since an earlier reading.
    pub fn since(&self, before: &Reading) -> Spent {
        let elapsed = self.at - before.at;
        let (user, system) = (self.user - before.user, self.system - before.system);
        let others = self.machine.saturating_sub(before.machine).saturating_sub(user + system);
        let others = 100.0 * others.as_secs_f64() / (elapsed * self.processors).as_secs_f64().max(f64::MIN_POSITIVE);
        Spent { elapsed, user, system, others }
    }
}

fn ticks(fields: &[&str], place: usize) -> Outcome<Duration> {
    let field = fields.get(place).ok_or("/proc says less than expected")?;
    Ok(TICK * field.parse::<u32>()?)
}
