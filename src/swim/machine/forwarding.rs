//! News that do not wait for a probe to ride on: to a few random members at once, as far as the budget allows
//! (`protocol.md 7.1`, `7.4`).

use crate::sabotage;
use crate::swim::detector::pings::PingPurpose;
use crate::swim::dissemination::gossip::Urgency;
use crate::swim::dissemination::outbox::First;
use crate::swim::machine::Machine;
use crate::swim::members::sample::Sample;
use crate::swim::slot::Slot;
use crate::swim::timers::Timer;
use crate::time::Instant;

impl Machine {
    /// There is something new to tell of a member: it is forwarded at once, and rides.
    pub(super) fn gossip(&mut self, slot: Slot, urgency: Urgency) {
        self.gossip.spread(slot, urgency, self.rules.forward_fanout);
    }

    /// Forwards what is new to a few random members, as far as the bucket allows.
    pub(super) fn forward(&mut self) {
        if sabotage::is_off("forwarding") {
            return;
        }

        while self.gossip.carriers_due() > 0 {
            if self.is_alone() {
                return;
            }
            let targets = self.pick_for_news(self.gossip.carriers_due());
            if targets.len() == 0 {
                return;
            }

            for target in targets.iter() {
                if !self.bucket.take(self.now) {
                    self.timers.set(Timer::Forward, self.bucket.next_at().max(self.now));
                    return;
                }
                self.gossip.carried(1);
                self.carry_news(target);
            }
        }

        // protocol.md 7.4: changes have a budget of their own, and go after what is urgent.
        self.timers.set(Timer::Forward, Instant::NEVER);
        self.forward_changes();
    }

    /// The same for changes alone: no more datagrams than their bytes a second would fill, so that nothing more urgent
    /// waits for them.
    fn forward_changes(&mut self) {
        while self.gossip.change_carriers_due() > 0 {
            let targets = self.pick_for_news(self.gossip.change_carriers_due());
            for target in targets.iter() {
                if !self.change_meter.has_any(self.now) || !self.change_bucket.take(self.now) {
                    let next = self.change_bucket.next_at().max(self.change_meter.next_at()).max(self.now);
                    self.timers.set(Timer::Forward, next);
                    return;
                }
                self.gossip.carried(1);
                self.carry_news(target);
            }

            if self.is_alone() || targets.len() == 0 {
                return;
            }
        }
    }

    fn pick_for_news(&mut self, wanted: usize) -> Sample {
        let (members, reach) = (&self.members, self.reach);
        let in_reach = |slot: Slot| reach.covers(members.member(slot).address());
        let fits = |slot: Slot| slot != members.me() && members.row(slot).is_live() && in_reach(slot);
        let count = members.ring_len();
        Sample::choose(&mut self.random.gossip, wanted, count, |place| members.ring_at(place), fits)
    }

    /// One datagram of news; an unproved address first gets a ping, and the news with its answer.
    fn carry_news(&mut self, target: Slot) {
        if self.members.row(target).is_proved() {
            self.send_news(self.members.member(target).address(), First::Nothing);
        } else {
            self.ping(target, PingPurpose::Introduction, First::Nothing);
        }
    }
}
