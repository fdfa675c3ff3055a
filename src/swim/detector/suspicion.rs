//! When Suspect becomes Dead: the start, the accusers, the last ping and the deadlines of one suspicion
//! (`protocol.md 5.1` to `5.8`, `5.11`).
//!
//! Everything here is one observer's own clock and own evidence. The silence counts from the first ping of the failed
//! round; the verdict is due P after it, needs enough accusers, and comes only after this node's own last ping went
//! unanswered. Without enough accusers it waits for three times P. An answer moves the deadlines to the moment the
//! answered ping was sent. Nothing here knows how pings are sent or what the others hold.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::unconfirmed;
use crate::event::SuspectReason;
use crate::member::{Accusers, NodeId};
use crate::sabotage;
use crate::swim::detector::reachability::Heard;
use crate::swim::slot::Slot;
use crate::time::Instant;
use crate::why::{Cause, STEPS_MAX, Step, Waiting};

/// No observer convicts sooner than this after it heard of the suspicion, or than three retry timeouts.
const HEARD_MIN: Duration = Duration::from_millis(300);
/// Tries of the last ping.
const LAST_PINGS: u8 = 3;
/// Pings that a suspect which speaks gets before its verdict, from all others together. Chosen: of the suspicions of a
/// member among ten that hears one datagram in a hundred, less than one in a thousand ends in a wrong death.
const INSISTENT_PINGS: u32 = 1_200;
/// Others that hear a suspect speak in P, at most: its turns, its retries and its relays. Measured: of 80 runs of 100 s
/// in which one of 64 loses 99 of 100 datagrams, 7 had a death when all 63 counted, 2 with 16, none with 8.
const HEAR_IT: u32 = 8;

/// The quantities that a suspicion's deadlines follow from, as they were when it was heard of: a moment that was told
/// once must not come sooner because the retry timeout has shrunk since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pace {
    /// P.
    pub(crate) tolerance: Duration,
    /// The suspect's retry timeout.
    pub(crate) rto: Duration,
}

/// Whether others have been told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Publicity {
    Published,
    /// No other member answers us, so it may be our own fault.
    Private,
    /// We are isolated, and this is one of all the others: it says nothing about that member.
    Never,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The last ping is planned.
    Waiting,
    /// So many tries of it were sent.
    Asking(u8),
    /// Everything was asked; the verdict falls at `due` or when what it lacks arrives.
    Asked,
}

/// What a suspicion wants done at its moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// The accuser's standing ping, or another one to a suspect that speaks.
    AskAgain,
    /// This try (1 to 3) of the last ping, with self-tests.
    LastPing(u8),
    /// Judge.
    Verdict,
}

#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    pub(crate) reason: SuspectReason,
    pub(crate) accusers: Accusers,
    pub(crate) publicity: Publicity,
    /// When the silence began, as first heard; of a private suspicion that was told later, when it was told.
    pub(crate) start: Instant,
    /// When this node first heard of it, or began to judge anew.
    pub(crate) heard: Instant,
    /// Whether the verdict can only be provisional, because this node stalled for 3 P in all, or suspects the
    /// member in isolation alone.
    pub(crate) provisional_only: bool,
    /// Verdicts that fell through for want of answers.
    pub(crate) unanswered_verdicts: u8,
    /// Whether another has called it dead; what that counts for is for the machine to say.
    pub(crate) called_dead: bool,
    /// Whether the next member that pings us and can send to the suspect is told of it, so that it looks.
    pub(crate) told_to_next: bool,
    /// What held the verdict back when it was last due.
    pub(crate) lacks: Option<Waiting>,
    /// When the last ping was last begun.
    pub(crate) asked_at: Instant,
    /// How much this node had asked and heard when the last ping was first begun.
    pub(crate) heard_by_then: Option<Heard>,
    pub(crate) steps: Vec<Step>,
    pub(crate) steps_omitted: u32,
    /// The start, or the sending of the latest answered ping.
    base: Instant,
    pace: Pace,
    /// The time between the tries of the last ping.
    spacing: Duration,
    shift: Duration,
    standing: Option<Instant>,
    /// The next ping to a suspect that speaks, and how far they are apart.
    insisting: Option<(Instant, Duration)>,
    /// Until when, less the shift, a suspect that speaks is pinged before it may be convicted.
    insists_until: Option<Instant>,
    pinged_back: Option<Instant>,
    stage: Stage,
    next: Instant,
    due: Instant,
}

impl Suspicion {
    pub(crate) fn new(now: Instant, start: Instant, reason: SuspectReason, publicity: Publicity, pace: Pace) -> Self {
        let mut suspicion = Suspicion {
            reason,
            accusers: Accusers::default(),
            publicity,
            start,
            heard: now,
            provisional_only: false,
            unanswered_verdicts: 0,
            called_dead: false,
            told_to_next: false,
            lacks: None,
            asked_at: start,
            heard_by_then: None,
            steps: Vec::new(),
            steps_omitted: 0,
            base: start,
            pace,
            spacing: pace.rto,
            shift: Duration::ZERO,
            standing: None,
            insisting: None,
            insists_until: None,
            pinged_back: None,
            stage: Stage::Waiting,
            next: Instant::NEVER,
            due: Instant::NEVER,
        };

        suspicion.log(now, Cause::Suspected(reason));
        suspicion
    }

    pub(crate) fn log(&mut self, at: Instant, what: Cause) {
        if self.steps.len() < STEPS_MAX {
            self.steps.push(Step { at, what });
        } else {
            // The end of the chain decides: keep the newest step and count what it displaced.
            self.steps_omitted += 1;
            if let Some(last) = self.steps.last_mut() {
                *last = Step { at, what };
            }
        }
    }

    /// The moment from which the silence counts: the start or the latest answer's ping.
    pub(crate) fn base(&self) -> Instant {
        self.base
    }

    /// When the verdict may fall with enough accusers.
    pub(crate) fn soft_deadline(&self) -> Instant {
        let after_hearing = self.heard + HEARD_MIN.max(self.pace.rto * 3);
        let tolerance = if sabotage::is_off("stall_tolerance") { Duration::ZERO } else { self.pace.tolerance };
        (self.base + tolerance).max(after_hearing).max(self.insisted_until()) + self.shift
    }

    /// Until when a suspect that speaks is asked before it may be convicted, at most until 3 P after the silence began.
    fn insisted_until(&self) -> Instant {
        let latest = self.base + unconfirmed(self.pace.tolerance);
        let until = self.insists_until.filter(|_| !sabotage::is_off("insists_on"));
        until.map_or(self.base, |until| until.min(latest))
    }

    /// How long a suspect is pinged that speaks for the first time now: until its verdict, and for P at least if it
    /// has refuted others lately. One that hears a datagram now and then, and speaks once a second, may have a
    /// moment left of P, in which none of the pings that it is owed would reach it; a suspect that has not refuted
    /// lately is more likely deaf.
    pub(crate) fn left_to_insist(&self, now: Instant, has_refuted: bool) -> Duration {
        let least = if has_refuted { self.pace.tolerance } else { Duration::ZERO };
        self.soft_deadline().since(now).max(least)
    }

    /// When the verdict falls without enough accusers.
    pub(crate) fn hard_deadline(&self) -> Instant {
        (self.base + unconfirmed(self.pace.tolerance) + self.shift).max(self.soft_deadline())
    }

    /// Plans the last ping for a verdict at `due`, a random `jitter` after its earliest moment; its tries are the
    /// present retry timeout apart.
    pub(crate) fn plan(&mut self, now: Instant, due: Instant, rto: Duration, jitter: Duration) {
        if sabotage::is_off("last_ping") {
            self.wait_until(due);
            return;
        }

        let lead = (rto * u32::from(LAST_PINGS)).min(self.pace.tolerance / 2);
        let first = if due - lead > now { due - lead + jitter } else { now };
        let least = if due - lead > now { rto * 2 } else { lead };

        self.spacing = rto;
        self.stage = Stage::Waiting;
        self.next = first;
        self.due = due.max(first + least);
    }

    /// Nothing is missing that asking again would bring: judge at `due`.
    pub(crate) fn wait_until(&mut self, due: Instant) {
        self.stage = Stage::Asked;
        self.due = due;
        self.next = Instant::NEVER;
    }

    /// Begins the standing pings of an accuser, the next an eighth of P from now.
    pub(crate) fn keep_asking(&mut self, now: Instant) {
        if self.standing.is_none() {
            self.standing = Some(now + self.pace.tolerance / 8);
        }
    }

    /// This node is isolated and asks all members in turn: this one is not asked on its own any more.
    pub(crate) fn stop_asking(&mut self) {
        self.standing = None;
        self.insisting = None;
    }

    /// The suspect has spoken: it is pinged from `first` on, so far apart, until it is acquitted or convicted, which is
    /// not before `until`.
    pub(crate) fn insist(&mut self, first: Instant, every: Duration, until: Instant) {
        self.insisting = Some((first, every));
        self.insists_until.get_or_insert(until - self.shift);
    }

    pub(crate) fn insists(&self) -> bool {
        self.insisting.is_some()
    }

    /// The suspect has spoken: whether it is to be pinged at once, which is true once in `apart` at most.
    pub(crate) fn may_ping_back(&mut self, now: Instant, apart: Duration) -> bool {
        let may = self.pinged_back.is_none_or(|at| now.since(at) >= apart);
        self.pinged_back = if may { Some(now) } else { self.pinged_back };
        may
    }

    /// The suspect answered a ping sent at `sent`; true if that moves the deadlines.
    pub(crate) fn answered(&mut self, now: Instant, sent: Instant) -> bool {
        if sent < self.base {
            return false;
        }
        self.base = sent;
        // Whatever held a verdict back, that verdict is off.
        self.lacks = None;
        self.log(now, Cause::Answered { sent });
        true
    }

    /// This node did not run for `gap`: the deadlines move, by 3 P at most in all.
    pub(crate) fn stalled(&mut self, now: Instant, gap: Duration) {
        self.shift += gap;
        if self.shift >= unconfirmed(self.pace.tolerance) {
            self.shift = unconfirmed(self.pace.tolerance);
            self.provisional_only = true;
        }
        self.log(now, Cause::Stalled { gap });
    }

    /// Others answer us after all: the clock of a private suspicion starts again.
    pub(crate) fn publish(&mut self, now: Instant) {
        self.publicity = Publicity::Published;
        self.start = now;
        self.base = self.base.max(now);
        self.log(now, Cause::Published);
    }

    /// Judgement begins anew, because this node was isolated until now. How well it hears is still told by all that it
    /// asked since its first last ping: the few answers that ended the isolation say little.
    pub(crate) fn begin_again(&mut self, now: Instant) {
        self.heard = now;
        self.unanswered_verdicts = 0;
        if sabotage::is_off("heard_in_isolation") {
            self.heard_by_then = None;
        }
        self.lacks = None;
    }

    /// Judgement begins anew, as if the silence began now: our own stalls or isolation forbade a certain verdict, or a
    /// refutation may have been missed.
    pub(crate) fn renew(&mut self, now: Instant) {
        self.begin_again(now);
        self.heard_by_then = None;
        self.base = now;
        self.shift = Duration::ZERO;
        self.provisional_only = false;
    }

    /// What is due at `now`, once each; ask until there is nothing.
    pub(crate) fn next_wanted(&mut self, now: Instant) -> Option<Wanted> {
        // protocol.md 5.6, 5.7: the accuser, and a node that the suspect has answered, ask each P/8.
        if let Some(at) = self.standing.filter(|at| *at <= now) {
            self.standing = Some(at.max(now) + self.pace.tolerance / 8);
            return Some(Wanted::AskAgain);
        }

        if let Some((_, every)) = self.insisting.filter(|(at, _)| *at <= now) {
            self.insisting = Some((now + every, every));
            return Some(Wanted::AskAgain);
        }

        // protocol.md 5.4: the tries of the last ping are an RTO apart.
        if self.next <= now {
            let attempt = if let Stage::Asking(sent) = self.stage { sent + 1 } else { 1 };
            let last = attempt == LAST_PINGS;
            self.stage = if last { Stage::Asked } else { Stage::Asking(attempt) };
            self.next = if last { Instant::NEVER } else { now + self.spacing };
            return Some(Wanted::LastPing(attempt));
        }

        if self.stage == Stage::Asked && self.due <= now {
            self.due = Instant::NEVER;
            return Some(Wanted::Verdict);
        }
        None
    }

    /// When `next_wanted` is next worth asking.
    pub(crate) fn next_at(&self) -> Instant {
        let verdict = if self.stage == Stage::Asked { self.due } else { Instant::NEVER };
        let insisting = self.insisting.map_or(Instant::NEVER, |(at, _)| at);
        self.next.min(verdict).min(self.standing.unwrap_or(Instant::NEVER)).min(insisting)
    }
}

/// Accusers needed for a verdict at P: min(c, n-2)+1, and one's own evidence alone at n = 2.
pub(crate) fn accusers_needed(confirmations: usize, present: usize) -> usize {
    if sabotage::is_off("accusers") { 1 } else { confirmations.min(present.saturating_sub(2)) + 1 }
}

/// Answers needed from members that are not suspects themselves: two, or all there are, at least one; none at n = 2.
pub(crate) fn answers_needed(present: usize, others_alive: usize) -> usize {
    if present <= 2 { 0 } else { others_alive.clamp(1, 2) }
}

/// How far apart one of `others` pings a suspect that speaks, so that those that hear it send it [`INSISTENT_PINGS`] in
/// the time that is left. A suspect speaks to few of many before that is over, so that no more than [`HEAR_IT`] count.
pub(crate) fn insist_every(left: Duration, others: usize, least: Duration) -> Duration {
    let others = u32::try_from(others).unwrap_or(u32::MAX).clamp(1, HEAR_IT);
    (left.saturating_mul(others) / INSISTENT_PINGS).max(least)
}

/// All suspicions by the suspect's slot.
#[derive(Debug, Default)]
pub(crate) struct Suspicions {
    by_slot: BTreeMap<Slot, Suspicion>,
    soonest: Option<Instant>,
}

impl Suspicions {
    pub(crate) fn get(&self, slot: Slot) -> Option<&Suspicion> {
        self.by_slot.get(&slot)
    }

    /// The suspicion of `slot`, to be changed.
    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Suspicion> {
        self.soonest = None;
        self.by_slot.get_mut(&slot)
    }

    pub(crate) fn insert(&mut self, slot: Slot, suspicion: Suspicion) {
        self.soonest = None;
        self.by_slot.insert(slot, suspicion);
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Suspicion> {
        self.soonest = None;
        self.by_slot.remove(&slot)
    }

    /// Judges a suspicion at `until`: nothing that asking again would bring is missing.
    pub(crate) fn hold_until(&mut self, slot: Slot, until: Instant) {
        if let Some(suspicion) = self.get_mut(slot) {
            suspicion.wait_until(until);
        }
    }

    /// Notes what holds a verdict back, and logs it if it is another reason than before.
    pub(crate) fn note_lack(&mut self, slot: Slot, now: Instant, lack: Waiting) {
        if let Some(suspicion) = self.get_mut(slot) {
            if suspicion.lacks != Some(lack) {
                suspicion.log(now, Cause::Waiting(lack));
            }
            suspicion.lacks = Some(lack);
        }
    }

    /// What these verdicts waited for is there: they are judged now.
    pub(crate) fn release(&mut self, now: Instant, lack: Waiting) {
        self.soonest = None;
        for suspicion in self.by_slot.values_mut().filter(|suspicion| suspicion.lacks == Some(lack)) {
            suspicion.wait_until(now);
        }
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.by_slot.keys().copied()
    }

    /// A suspect of which the next member that can send to it is to be told; it is taken to be told now.
    pub(crate) fn take_told_to_next(&mut self) -> Option<Slot> {
        let (slot, suspicion) = self.by_slot.iter_mut().find(|(_, suspicion)| suspicion.told_to_next)?;
        suspicion.told_to_next = false;
        Some(*slot)
    }

    /// The suspects for which something is due.
    pub(crate) fn due(&self, now: Instant) -> Vec<Slot> {
        self.by_slot.iter().filter(|(_, suspicion)| suspicion.next_at() <= now).map(|(slot, _)| *slot).collect()
    }

    /// The soonest moment at which something is due.
    pub(crate) fn next_at(&mut self) -> Instant {
        let soonest = || self.by_slot.values().map(Suspicion::next_at).min().unwrap_or(Instant::NEVER);
        *self.soonest.get_or_insert_with(soonest)
    }
}

/// The chain kept of a verdict, so that it can be told and explained.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) start: Instant,
    pub(crate) accusers: Accusers,
    pub(crate) steps: Vec<Step>,
    pub(crate) steps_omitted: u32,
}

impl From<Suspicion> for Verdict {
    fn from(suspicion: Suspicion) -> Self {
        Verdict {
            start: suspicion.start,
            accusers: suspicion.accusers,
            steps: suspicion.steps,
            steps_omitted: suspicion.steps_omitted,
        }
    }
}

/// Adds the accusers of a rumour; how many of them were new.
pub(crate) fn add_accusers(suspicion: &mut Suspicion, now: Instant, accusers: impl Iterator<Item = NodeId>) -> usize {
    let mut added = 0;
    for accuser in accusers {
        if suspicion.accusers.insert(accuser) {
            suspicion.log(now, Cause::Accused(accuser));
            added += 1;
        }
    }
    added
}
