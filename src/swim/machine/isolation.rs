//! Isolation: too few answer us, so what we think of the others is provisional, and we ask them one after the
//! other (`protocol.md 6.3`).
//!
//! A node that no member hears would find out for hours, one round of the ring after another, that it hears none of the
//! others: each with retries, relays and self-tests that are as futile as the ping itself. Instead each member that has
//! not answered since is pinged once, a batch an interval; one that stays silent is Suspect here and, at 3 P,
//! provisionally dead. Nothing of that is ever published, for it says something about us and not about them. Counted in
//! a batch a second, 20,000 members take 200 s.

use std::time::Duration;

use crate::event::{Event, SuspectReason};
use crate::member::State;
use crate::sabotage;
use crate::swim::detector::pings::PingPurpose;
use crate::swim::detector::suspicion::{Publicity, Suspicion, add_accusers, answers_needed};
use crate::swim::dissemination::outbox::First;
use crate::swim::machine::Machine;
use crate::swim::slot::Slot;
use crate::time::Instant;
use crate::why::Cause;

/// Members asked in a second. Chosen: 20,000 are asked in 200 s, and less is sent than the first suspicions cost.
const ASKED_PER_SECOND: u64 = 100;
/// Others asked an interval at first, beside the ring's turn,
const ASKED_AGAIN: usize = 7;
/// half as many after each such time.
const ASKED_AGAIN_HALVES: Duration = Duration::from_secs(60);

/// Which members were asked, and from which row on the next are sought.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// Asked at the last tick.
    asked: Vec<Slot>,
    /// The next row to look at.
    next: usize,
    /// The next pass over the table begins no sooner.
    not_before: Instant,
}

impl Sweep {
    /// A new isolation: no member is asked until so long after it began, for it may be over soon.
    fn begin(not_before: Instant) -> Self {
        Sweep { asked: Vec::new(), next: 0, not_before }
    }

    /// The members that were asked a tick ago and are to be judged now.
    fn take_asked(&mut self) -> Vec<Slot> {
        std::mem::take(&mut self.asked)
    }

    /// Picks at most so many of the silent rows after the last one picked; a pass that finds no more begins again after
    /// a pause.
    fn pick(&mut self, now: Instant, most: usize, silent: impl Iterator<Item = Slot>, pause: Duration) -> &[Slot] {
        if now < self.not_before {
            return &[];
        }
        self.asked = silent.filter(|slot| slot.0 as usize >= self.next).take(most).collect();
        match self.asked.last() {
            Some(last) if self.asked.len() == most => self.next = last.0 as usize + 1,
            _ => (self.next, self.not_before) = (0, now + pause),
        }
        &self.asked
    }

    /// This node did not run: the answers may be lost, so those are asked again in the next pass.
    pub(super) fn void(&mut self) {
        self.asked.clear();
    }
}

impl Machine {
    /// Begins an isolation, and tells the application how many members answered in the last P.
    pub(super) fn isolate(&mut self) {
        if self.isolated.is_some() {
            return;
        }
        self.isolated = Some(self.now);
        self.sweep = Sweep::begin(self.now + self.rules.stall_tolerance);

        let since = self.now - self.rules.stall_tolerance;
        let reachable = self.reachability.since(since, |_| true);
        let known = self.members.counts().present().saturating_sub(1);
        self.events.push(Event::Isolated { reachable, known });
    }

    /// Enough answer again: every waiting verdict starts again from its last ping.
    pub(super) fn reconnect(&mut self) {
        self.isolated = None;
        self.events.push(Event::Reconnected);

        // protocol.md 6.3: suspicions of isolation are dropped, its provisional deaths are judged anew after P, all
        // others from their last ping.
        let (now, me) = (self.now, self.me().id());
        let suspects: Vec<Slot> = self.suspicions.slots().collect();
        for slot in suspects {
            let is_provisional = self.members.row(slot).is_provisional();
            let Some(suspicion) = self.suspicions.get_mut(slot) else { continue };
            if suspicion.publicity == Publicity::Never && !is_provisional {
                // It was our own fault.
                self.revive(slot);
                continue;
            }
            if suspicion.publicity == Publicity::Never {
                // It was asked once. Most are back when views have been compared, which takes less than P.
                suspicion.renew(now);
            } else {
                suspicion.begin_again(now);
            }

            if suspicion.accusers.contains(me) {
                suspicion.keep_asking(now);
            }
            self.plan(slot);
        }
    }

    /// Answers that end an isolation: those that a verdict needs. A member that is suspected here alone counts as well,
    /// or each new suspect would lower the number until one answer ends the isolation, and with it the suspicions.
    pub(super) fn answers_to_reconnect(&self) -> usize {
        let counts = |slot: &Slot| self.is_unheard(*slot) && !sabotage::is_off("unheard_count");
        let unheard = self.suspicions.slots().filter(counts).count();
        answers_needed(self.present_in_reach(), self.others_alive() + unheard).max(1)
    }

    /// Whether a member is suspected here alone, because we are isolated.
    pub(super) fn is_unheard(&self, slot: Slot) -> bool {
        let is_private = self.suspicions.get(slot).is_some_and(|s| s.publicity == Publicity::Never);
        is_private && !self.members.row(slot).is_provisional()
    }

    /// Whether we are isolated and a member has not answered since: there is no use in more than a ping now and then.
    pub(super) fn is_beyond_reach(&self, slot: Slot) -> bool {
        let Some(since) = self.isolated.filter(|_| !sabotage::is_off("isolated_backoff")) else { return false };
        let row = self.members.row(slot);
        row.is_provisional() || (row.alive_at < since && !sabotage::is_off("isolated_sweep"))
    }

    /// Asks the next of the silent while isolated, and suspects those asked at the last tick that did not answer.
    pub(super) fn sweep(&mut self) {
        let Some(since) = self.isolated.filter(|_| !sabotage::is_off("isolated_sweep")) else { return };
        let me = self.members.me();
        let is_silent = |machine: &Machine, slot: Slot| {
            let row = machine.members.row(slot);
            let is_asked = slot != me && machine.can_reach(slot) && row.member.state() == State::Alive;
            is_asked && row.is_used() && row.alive_at < since
        };

        for slot in self.sweep.take_asked() {
            if is_silent(self, slot) {
                self.suspect_unheard(slot);
            }
        }
        if self.leaving.is_some() {
            return;
        }

        let most = (self.rules.probe_interval.as_millis() as u64 * ASKED_PER_SECOND / 1_000).max(1) as usize;
        let mut sweep = std::mem::take(&mut self.sweep);
        let silent = self.members.slots().filter(|slot| is_silent(self, *slot));
        let asked = sweep.pick(self.now, most, silent, self.rules.unconfirmed_tolerance()).to_vec();
        self.sweep = sweep;
        for slot in asked {
            self.ping(slot, PingPurpose::Look, First::Nothing);
        }

        for slot in self.pick_any(asked_again(self.now.since(since))).iter() {
            self.ping(slot, PingPurpose::Look, First::Nothing);
        }
    }

    /// One ping went unanswered like all others: the member is Suspect to our application and to no other node.
    fn suspect_unheard(&mut self, slot: Slot) {
        let start = self.now - self.rules.probe_interval;
        let (reason, pace, me) = (SuspectReason::ProbeFailed, self.pace(slot), self.me().id());
        let mut suspicion = Suspicion::new(self.now, start, reason, Publicity::Never, pace);

        suspicion.provisional_only = true;
        suspicion.log(self.now, Cause::Unanswered { pings: 1 });
        suspicion.log(self.now, Cause::Unpublished);
        add_accusers(&mut suspicion, self.now, std::iter::once(me));

        self.rounds.end_for(slot);
        self.suspect(slot, suspicion);
    }
}

/// How many others a node that is isolated for so long asks an interval, beside the ring's turn: few answers may get
/// through, and the others must hear that we live.
fn asked_again(isolated_for: Duration) -> usize {
    ASKED_AGAIN >> (isolated_for.as_secs() / ASKED_AGAIN_HALVES.as_secs()).min(ASKED_AGAIN as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_isolated_asks_ever_less() {
        let asked = [0, 59, 60, 120, 180, 86_400].map(|s| asked_again(Duration::from_secs(s)));
        assert_eq!(asked, [7, 7, 3, 1, 0, 0]);
    }

    #[test]
    fn each_silent_row_is_picked_once_in_a_pass_and_the_next_pass_waits() {
        let at = |s: u64| Instant::ORIGIN + Duration::from_secs(s);
        let pause = Duration::from_secs(9);
        let mut sweep = Sweep::begin(at(3));
        let mut pick = |s: u64, silent: &[u32]| -> Vec<u32> {
            let silent = silent.iter().copied().map(Slot);
            sweep.pick(at(s), 3, silent, pause).iter().map(|slot| slot.0).collect()
        };
        assert!(pick(2, &[1, 2, 3]).is_empty(), "it may be over soon");
        assert_eq!(pick(3, &[1, 2, 4, 5, 7]), [1, 2, 4]);
        assert_eq!(pick(4, &[1, 2, 5, 7]), [5, 7], "who has answered is not asked, nor who was asked before");
        assert!(pick(5, &[1, 9]).is_empty(), "the pass is over");
        assert_eq!(pick(13, &[1, 9]), [1, 9]);
    }
}
