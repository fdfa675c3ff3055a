//! What one message of a steady leader costs in the core: a heartbeat at a follower with its answer, an answer at the
//! leader.

use std::time::{Duration, Instant};

use crate::report::{Cell, Table, quantile};
use crate::steady_leader::SteadyLeader;
use crate::{Outcome, Plan};

/// Rounds timed together, and how many times.
const ROUNDS: u32 = 10_000;
const BATCHES: u64 = 50;

pub fn tables(plan: &Plan) -> Outcome<Vec<Table>> {
    let title = format!(
        "Nanoseconds for one handle_message of a steady leader, {ROUNDS} heartbeats a sample: {}",
        plan.command("messages")
    );
    let mut table = Table::new(&title, &["message", "samples", "min", "median", "p99", "max"]);

    let mut follower = SteadyLeader::following();
    table.row(row(plan, "a heartbeat, and its answer", || {
        let began = Instant::now();
        for _ in 0..ROUNDS {
            assert!(follower.hear());
        }
        began.elapsed() / ROUNDS
    }));

    let mut leader = SteadyLeader::leading();
    table.row(row(plan, "an answer to a heartbeat", || {
        let (mut spent, mut messages) = (Duration::ZERO, 0);
        for _ in 0..ROUNDS {
            let waiting = leader.beat();
            let began = Instant::now();
            assert_eq!(leader.answer(), waiting);
            spent += began.elapsed();
            messages += waiting as u32;
        }
        spent / messages.max(1)
    }));

    Ok(vec![table])
}

fn row(plan: &Plan, message: &str, mut sample: impl FnMut() -> Duration) -> Vec<Cell> {
    let mut samples: Vec<_> = (0..plan.times(BATCHES)).map(|_| sample()).collect();
    samples.sort_unstable();
    let mut row = vec![Cell::from(message), samples.len().into()];
    row.extend([0.0, 0.5, 0.99, 1.0].map(|share| Cell::from(quantile(&samples, share).as_nanos() as u64)));
    row
}
