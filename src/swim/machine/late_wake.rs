//! This node did not run for a while: it doubts itself before it judges others (`protocol.md 6.1`).

use crate::event::Event;
use crate::member::State;
use crate::sabotage;
use crate::swim::detector::late_wake::LateWake;
use crate::swim::detector::pings::PingPurpose;
use crate::swim::dissemination::outbox::First;
use crate::swim::machine::Machine;
use crate::swim::machine::answers::SELF_TEST_PINGS;
use crate::swim::slot::Slot;

impl Machine {
    /// Starts all rounds again, moves the deadlines by the lateness, and asks others whether this node is heard.
    pub(super) fn wake_late(&mut self, wake: LateWake) {
        self.metrics.probes_void += self.rounds.restart_all(self.now) as u64;
        self.relays.postpone(wake.growth);
        self.ghosts.postpone(wake.growth);
        self.sweep.void();

        let suspects: Vec<Slot> = self.suspicions.slots().collect();
        for slot in suspects {
            let now = self.now;
            if let Some(suspicion) = self.suspicions.get_mut(slot) {
                suspicion.stalled(now, wake.growth);
            }
            self.plan(slot);
        }

        self.wake_among_strangers();
        if wake.is_new && self.members.counts().present() > 1 {
            self.events.push(Event::SelfStalled { gap: wake.growth });
            self.self_test_after_stall();
        }
    }

    /// Tells our own record with the self-test: a member to which our address is not proved answers with no more bytes
    /// than the ping has, and must be able to say that it suspects us before we stop again.
    fn self_test_after_stall(&mut self) {
        for slot in self.pick_others(SELF_TEST_PINGS, None).iter() {
            let is_alive = self.members.member(slot).state() == State::Alive;
            let first = if is_alive && !sabotage::is_off("tells_itself") { First::Me } else { First::Nothing };
            self.ping(slot, PingPurpose::Look, first);
        }
    }
}
