//! The rounds under way: pings, retries and relays, until an answer or failure (SWIM 3.1; `protocol.md 4.3`).
//!
//! A round pings its target, again at every retry timeout, and at the first one also asks relays. It fails after six
//! retry timeouts, or when the interval or a third of P is over. Many quick tries instead of one long one: with a round
//! of 3 timeouts, 31,888 suspicions at 30 % loss; with 6, 4,797 (modelled).

use std::time::Duration;

use crate::member::Accusers;
use crate::swim::members::sample::Sample;
use crate::swim::slot::Slot;
use crate::time::Instant;
use crate::wire::Digest;

/// A round fails after so many retry timeouts. Chosen: see above; 10 would be quieter still but too slow for P.
const TIMEOUTS_PER_ROUND: u32 = 6;
/// The tries of a round that another asked for; it asks no relays (`protocol.md 5.9`).
const SOLICITED_TRIES: u32 = 3;
/// Rounds at once: the scheduled one, its extras, and those that others gave cause for.
const ROUNDS_MAX: usize = 16;

/// Why a round was begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Occasion {
    /// The ring's turn.
    Scheduled,
    /// Another target at once, after a failed round.
    Extra(u8),
    /// Another's word gave cause to look.
    Look,
    /// An accuser asked for a second opinion.
    Solicited,
}

#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) serial: u32,
    pub(crate) target: Slot,
    pub(crate) digest: Digest,
    pub(crate) occasion: Occasion,
    pub(crate) began: Instant,
    pub(crate) pings: u32,
    pub(crate) nackers: Accusers,
    pub(crate) relays: Sample,
    relays_asked: bool,
    rto: Duration,
    next: Instant,
    fails_at: Instant,
}

/// What a round wants done.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack; a box would allocate")]
pub(crate) enum Wanted {
    /// Another ping to the target; with relays too if they are due.
    Ping { serial: u32, relays_due: bool },
    /// It has failed and is over.
    Failed(Round),
}

#[derive(Debug, Default)]
pub(crate) struct Rounds {
    running: Vec<Round>,
    serial: u32,
}

impl Rounds {
    /// Begins a round whose first ping is due at once; none if its target is being probed or too many run.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        (target, digest): (Slot, Digest),
        occasion: Occasion,
        rto: Duration,
        longest: Duration,
    ) -> Option<u32> {
        if self.running.len() >= ROUNDS_MAX || self.running.iter().any(|round| round.target == target) {
            return None;
        }

        let timeouts = if occasion == Occasion::Solicited { SOLICITED_TRIES } else { TIMEOUTS_PER_ROUND };
        self.serial = self.serial.wrapping_add(1);

        self.running.push(Round {
            serial: self.serial,
            target,
            digest,
            occasion,
            began: now,
            pings: 0,
            nackers: Accusers::default(),
            relays: Sample::default(),
            relays_asked: occasion == Occasion::Solicited,
            rto,
            next: now,
            fails_at: now + (rto * timeouts).min(longest),
        });

        Some(self.serial)
    }

    /// What is due at `now`; ask until there is nothing.
    pub(crate) fn next_wanted(&mut self, now: Instant) -> Option<Wanted> {
        if let Some(place) = self.running.iter().position(|round| round.fails_at <= now) {
            return Some(Wanted::Failed(self.running.remove(place)));
        }

        let round = self.running.iter_mut().find(|round| round.next <= now)?;
        round.next = now + round.rto;
        round.pings += 1;
        let relays_due = round.pings == 2 && !round.relays_asked;
        round.relays_asked |= relays_due;
        Some(Wanted::Ping { serial: round.serial, relays_due })
    }

    /// When `next_wanted` is next worth asking.
    pub(crate) fn next_at(&self) -> Instant {
        self.running.iter().map(|round| round.next.min(round.fails_at)).min().unwrap_or(Instant::NEVER)
    }

    pub(crate) fn get_mut(&mut self, serial: u32) -> Option<&mut Round> {
        self.running.iter_mut().find(|round| round.serial == serial)
    }

    /// The round about a member, if one runs.
    pub(crate) fn get_for(&self, target: Slot) -> Option<&Round> {
        self.running.iter().find(|round| round.target == target)
    }

    /// Ends the rounds about a member that answered, or is no longer probed; true if there was one.
    pub(crate) fn end_for(&mut self, target: Slot) -> bool {
        let before = self.running.len();
        self.running.retain(|round| round.target != target);
        self.running.len() < before
    }

    /// Voids every round because this node did not run; each starts again with the same target.
    pub(crate) fn restart_all(&mut self, now: Instant) -> usize {
        for round in &mut self.running {
            let length = round.fails_at.since(round.began);
            round.began = now;
            round.next = now;
            round.fails_at = now + length;
            round.pings = 0;
            round.nackers = Accusers::default();
            round.relays = Sample::default();
            round.relays_asked = round.occasion == Occasion::Solicited;
            self.serial = self.serial.wrapping_add(1);
            round.serial = self.serial;
        }
        self.running.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn at(ms: u64) -> Instant {
        Instant::ORIGIN + MS(ms)
    }

    /// Runs one unanswered round and lists what it wanted, when.
    fn transcript(occasion: Occasion, longest: Duration) -> Vec<String> {
        let mut rounds = Rounds::default();
        rounds.begin(at(0), (Slot(1), Digest(1)), occasion, MS(100), longest);
        let mut lines = Vec::new();
        while rounds.next_at() != Instant::NEVER {
            let now = rounds.next_at();
            match rounds.next_wanted(now).unwrap() {
                Wanted::Ping { relays_due, .. } => lines.push(format!(
                    "{} ping{}",
                    now.as_nanos() / 1_000_000,
                    if relays_due { "+relays" } else { "" }
                )),
                Wanted::Failed(round) => {
                    lines.push(format!("{} failed after {}", now.as_nanos() / 1_000_000, round.pings));
                }
            }
        }
        lines
    }

    #[test]
    fn a_round_retries_asks_relays_and_fails() {
        assert_eq!(
            transcript(Occasion::Scheduled, MS(1_000)),
            ["0 ping", "100 ping+relays", "200 ping", "300 ping", "400 ping", "500 ping", "600 failed after 6"]
        );
        assert_eq!(transcript(Occasion::Scheduled, MS(150)), ["0 ping", "100 ping+relays", "150 failed after 2"]);
        assert_eq!(
            transcript(Occasion::Solicited, MS(1_000)),
            ["0 ping", "100 ping", "200 ping", "300 failed after 3"]
        );
    }

    #[test]
    fn an_answer_ends_it_and_a_stall_restarts_it() {
        let mut rounds = Rounds::default();
        let serial = rounds.begin(at(0), (Slot(1), Digest(1)), Occasion::Scheduled, MS(100), MS(1_000)).unwrap();
        assert_eq!(rounds.begin(at(0), (Slot(1), Digest(1)), Occasion::Look, MS(100), MS(1_000)), None);
        assert!(rounds.next_wanted(at(0)).is_some());
        assert_eq!(rounds.restart_all(at(5_000)), 1);
        assert!(rounds.get_mut(serial).is_none(), "answers to the void round's relays no longer count");
        assert_eq!(rounds.next_at(), at(5_000));
        assert!(rounds.end_for(Slot(1)));
        assert!(!rounds.end_for(Slot(1)));
    }
}
