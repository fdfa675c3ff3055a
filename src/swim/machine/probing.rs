//! Ticks of the ring, rounds of pings, and requests for others' rounds (`protocol.md 4.1` to `4.5`, `5.1`).

use std::time::Duration;

use crate::event::SuspectReason;
use crate::member::{Accusers, Incarnation, State};
use crate::sabotage;
use crate::swim::detector::pings::PingPurpose;
use crate::swim::detector::probe::{Occasion, Round, Wanted};
use crate::swim::detector::relays::{Budget, Relay};
use crate::swim::detector::suspicion::{Publicity, Suspicion, add_accusers};
use crate::swim::dissemination::outbox::{First, Intent, Piggyback};
use crate::swim::machine::Machine;
use crate::swim::machine::origin::{Origin, Path};
use crate::swim::members::Members;
use crate::swim::members::ring;
use crate::swim::members::rtt::retry_timeout;
use crate::swim::members::sample::Sample;
use crate::swim::slot::Slot;
use crate::swim::timers::Timer;
use crate::why::Cause;
use crate::wire::{Digest, Message, Nonce, Rejected};

/// Other targets at once after failed rounds, in one interval.
const EXTRAS_MAX: u8 = 3;
/// A round trip older than this says little about the member now.
const RTT_RECENT: Duration = Duration::from_secs(600);

impl Machine {
    /// The ring's turn: one probe an interval.
    pub(super) fn tick(&mut self) {
        self.timers.set(Timer::Tick, self.now + self.rules.probe_interval);
        if self.leaving.is_some() {
            return;
        }

        let round = self.round_number.advance();
        self.sweep();
        self.challenge_again();
        self.dial_somebody();
        self.meet_pinger();
        self.ask_stranger();
        self.dial_when_alone();
        self.ask_about_hearsay();

        if let Some(turn) = self.members.ring_after_me(ring::offset(round, self.members.ring_len())) {
            let target = self.in_reach_or_another(turn);
            self.begin_round(target, Occasion::Scheduled);
        }
    }

    /// The member whose turn it is; another is probed in place of one beyond reach. Else a node among many members of
    /// the other family would probe none for longer than P, and neither find a crash nor hear that it has moved.
    fn in_reach_or_another(&mut self, turn: Slot) -> Slot {
        if self.can_reach(turn) || sabotage::is_off("turn_in_reach") {
            return turn;
        }
        self.pick_others(1, None).iter().next().unwrap_or(turn)
    }

    /// The retry timeout for one member.
    pub(super) fn rto(&self, slot: Slot) -> Duration {
        let row = self.members.row(slot);
        let is_recent = row.is_proved() && self.now.since(row.alive_at) < RTT_RECENT;
        let own = row.rtt.timeout().filter(|_| is_recent);
        retry_timeout(own, self.pooled.timeout(), self.rules.rto_min(), self.rules.probe_timeout)
    }

    /// Begins a round about a member that is present; its first ping goes out at once.
    pub(super) fn begin_round(&mut self, slot: Slot, occasion: Occasion) -> Option<u32> {
        if !self.members.row(slot).is_present() || slot == self.members.me() || self.leaving.is_some() {
            return None;
        }

        if !self.can_reach(slot) {
            // protocol.md 6.4: its silence would be our socket's.
            return None;
        }

        if self.is_beyond_reach(slot) {
            // protocol.md 6.3: a round of retries and relays would find out what is known, that too few hear us. One
            // ping in an interval finds out when that is over.
            if occasion == Occasion::Scheduled {
                self.ping(slot, PingPurpose::Look, First::Nothing);
            }
            return None;
        }

        let rto = self.rto(slot);
        let longest = self.rules.probe_interval.min(self.rules.stall_tolerance / 3);
        let digest = self.members.row(slot).digest();
        let serial = self.rounds.begin(self.now, (slot, digest), occasion, rto, longest)?;
        tracing::debug!(target = self.members.member(slot).name(), ?occasion, ?rto, "probe");
        self.run_rounds();
        Some(serial)
    }

    pub(super) fn run_rounds(&mut self) {
        while let Some(wanted) = self.rounds.next_wanted(self.now) {
            match wanted {
                Wanted::Ping { serial, relays_due } => {
                    let Some(target) = self.rounds.get_mut(serial).map(|round| round.target) else { continue };
                    self.ping(target, PingPurpose::Round(serial), First::Nothing);
                    if relays_due {
                        self.ask_relays(serial, target);
                    }
                }
                Wanted::Failed(round) => self.round_failed(round),
            }
        }
    }

    /// k random members are asked to ping the target too (SWIM 3.1).
    fn ask_relays(&mut self, serial: u32, target: Slot) {
        let relays = self.pick_relays(target);
        let digest = self.members.row(target).digest();
        for relay in relays.iter() {
            let purpose = PingPurpose::Relay { round: serial, relay };
            let (to, seen_at) = (self.members.member(relay).address(), self.seen_at(relay));
            let nonce = self.pings.start(self.now, &mut self.random.nonces, (digest, to), purpose);
            // Telling the relay where we see it makes the request as long as the longest report of it.
            self.send(to, Message::PingReq { nonce, target: digest }, First::Seen(seen_at), self.piggyback_to(relay));
        }
        if let Some(round) = self.rounds.get_mut(serial) {
            round.relays = relays;
        }
    }

    /// Relays to a target: a member with an address of its family can send to it.
    fn pick_relays(&mut self, target: Slot) -> Sample {
        let is_ipv4 = |members: &Members, slot: Slot| members.member(slot).address().is_ipv4();
        let family = is_ipv4(&self.members, target);
        self.pick(self.rules.indirect_checks, |members, slot| slot != target && is_ipv4(members, slot) == family)
    }

    /// Others to ask: at random, those that are Alive before those that are not.
    pub(super) fn pick_others(&mut self, wanted: usize, except: Option<Slot>) -> Sample {
        self.pick(wanted, |_, slot| Some(slot) != except)
    }

    /// Others that can say where this node is seen.
    pub(super) fn pick_of_family(&mut self, wanted: usize) -> Sample {
        let family = self.who_sees_us();
        self.pick(wanted, |members, slot| family.covers(members.member(slot).address()))
    }

    fn pick(&mut self, wanted: usize, fits: impl Fn(&Members, Slot) -> bool) -> Sample {
        let (members, reach) = (&self.members, self.reach);
        let is_other =
            |slot: Slot| slot != members.me() && fits(members, slot) && reach.covers(members.member(slot).address());
        let is_well = |slot: Slot| is_other(slot) && members.member(slot).state() == State::Alive;

        let count = members.ring_len();
        let well = Sample::choose(&mut self.random.probing, wanted, count, |place| members.ring_at(place), is_well);
        if well.len() > 0 {
            return well;
        }
        Sample::choose(&mut self.random.probing, wanted, count, |place| members.ring_at(place), is_other)
    }

    /// Others at random, whatever is believed of them.
    pub(super) fn pick_any(&mut self, wanted: usize) -> Sample {
        let (members, reach) = (&self.members, self.reach);
        let fits = |slot: Slot| slot != members.me() && reach.covers(members.member(slot).address());
        let count = members.ring_len();
        Sample::choose(&mut self.random.probing, wanted, count, |place| members.ring_at(place), fits)
    }

    /// Others to tell of a suspicion: at random, Alive, and at an address that is proved, for it is not about them.
    pub(super) fn pick_proved(&mut self, wanted: usize, except: Slot) -> Sample {
        let (members, reach) = (&self.members, self.reach);
        let fits = |slot: Slot| {
            let row = members.row(slot);
            reach.covers(row.member.address())
                && slot != members.me()
                && slot != except
                && row.member.state() == State::Alive
                && row.is_proved()
        };
        let count = members.ring_len();
        Sample::choose(&mut self.random.probing, wanted, count, |place| members.ring_at(place), fits)
    }

    /// A round went unanswered: that is first of all evidence about ourselves, unless another member answers us.
    fn round_failed(&mut self, round: Round) {
        self.metrics.probes_failed += 1;
        let silent_relays = round.relays.len().saturating_sub(round.nackers.len());
        self.awareness.probe_failed(silent_relays.min(1) as u8);

        let slot = round.target;
        let row = self.members.row(slot);
        let may_accuse = self.leaving.is_none() && !sabotage::is_off("accusation");
        if row.is_present() && row.digest() == round.digest && may_accuse {
            tracing::debug!(
                target = row.member.name(),
                pings = round.pings,
                nacks = round.nackers.len(),
                "probe failed"
            );
            self.accuse_by_round(slot, &round);
        }

        self.probe_another(round.occasion);
    }

    fn accuse_by_round(&mut self, slot: Slot, round: &Round) {
        let me = self.me().id();

        // protocol.md 6.2: if neither a relay nor another member was heard, this node doubts itself and tells no other.
        let answered = self.reachability.since(round.began, |answerer| answerer != slot) > 0;
        let is_private =
            self.present_in_reach() > 2 && round.nackers.is_empty() && !answered && !sabotage::is_off("self_tests");

        let accusers: Accusers = std::iter::once(me).chain(round.nackers.iter()).collect();
        let is_new = self.suspicions.get(slot).is_none();
        if is_new {
            let publicity = if is_private { Publicity::Private } else { Publicity::Published };
            let (reason, pace) = (SuspectReason::ProbeFailed, self.pace(slot));
            let mut suspicion = Suspicion::new(self.now, round.began, reason, publicity, pace);
            self.log_round(&mut suspicion, round);
            add_accusers(&mut suspicion, self.now, accusers.iter());
            self.suspect(slot, suspicion);
        } else if !is_private {
            self.add_accusers(slot, accusers);
        }

        // protocol.md 5.7: an accuser goes on asking, unless this node is isolated and asks all members in turn.
        let (now, stands) = (self.now, !self.is_beyond_reach(slot));
        if let Some(suspicion) = self.suspicions.get_mut(slot).filter(|_| stands) {
            suspicion.keep_asking(now);
        }

        if is_private {
            if let Some(suspicion) = self.suspicions.get_mut(slot).filter(|_| is_new) {
                suspicion.log(now, Cause::Unpublished);
            }
            self.self_test(Some(slot));
        } else if is_new || round.occasion == Occasion::Solicited {
            self.announce_suspicion(slot, if is_new { round.nackers.len() } else { usize::MAX });
        }
    }

    fn log_round(&self, suspicion: &mut Suspicion, round: &Round) {
        suspicion.log(self.now, Cause::Unanswered { pings: round.pings });
        for relay in round.relays.iter() {
            let id = self.members.member(relay).id();
            let cause = if round.nackers.contains(id) { Cause::RelayNack(id) } else { Cause::RelaySilent(id) };
            suspicion.log(self.now, cause);
        }
    }

    /// A failed round is followed at once by another target, so that many crashes are found
    /// quickly (`protocol.md 4.5`).
    fn probe_another(&mut self, occasion: Occasion) {
        let extra = match occasion {
            Occasion::Scheduled => 1,
            Occasion::Extra(before) if before < EXTRAS_MAX => before + 1,
            Occasion::Extra(_) | Occasion::Look | Occasion::Solicited => return,
        };
        let offset = ring::extra_offset(self.round_number.round(), extra, self.members.ring_len());
        if let Some(target) = self.members.ring_after_me(offset) {
            self.begin_round(target, Occasion::Extra(extra));
        }
    }

    /// A member asks us to ping another for it (`protocol.md 4.4`). Only members are served, and only about members.
    pub(super) fn receive_ping_req(&mut self, origin: Origin, nonce: Nonce, target: Digest) {
        let Some(asker) = origin.slot.filter(|slot| self.members.row(*slot).is_used()) else { return };
        if origin.path == Path::Unknown && !sabotage::is_off("asker_elsewhere") {
            self.notice_stranger(origin, asker);
        }
        let is_third = |slot: &Slot| *slot != self.members.me() && *slot != asker && self.can_reach(*slot);
        let Some(slot) = self.members.find_digest(target).filter(is_third) else { return };

        let rto = self.rto(slot);
        let (nack_at, drop_at) = (self.now + rto * 4 / 5, self.now + self.rules.stall_tolerance);
        let prober = origin.address;
        let budget = if origin.is_proved { Budget::Free } else { Budget::Once(origin.bytes) };
        self.relays.start((nonce, prober, budget), target, nack_at, drop_at);
        let to = self.members.member(slot).address();
        let first = self.accusation_of(slot);
        self.send(to, Message::Ping { to: target, nonce }, first, Piggyback::Nothing);
    }

    pub(super) fn run_relays(&mut self) {
        while let Some(relay) = self.relays.next_nack(self.now) {
            self.report(&relay, Message::Nack { nonce: relay.nonce });
        }
    }

    /// Tells a prober what came of its request.
    fn report(&mut self, relay: &Relay, message: Message) {
        let (bytes_max, piggyback) = match relay.budget {
            Budget::Free => (self.rules.datagram_bytes_max, Piggyback::News),
            Budget::Once(bytes) => (bytes, Piggyback::Nothing),
        };
        self.outbox.push(Intent { to: relay.prober, message, first: First::Nothing, bytes_max, piggyback });
    }

    /// An echo of a nonce that is not ours: if we pinged for a prober, it is passed on to it.
    pub(super) fn forward_relayed(
        &mut self,
        origin: Origin,
        nonce: Nonce,
        incarnation: Incarnation,
    ) -> Result<(), Rejected> {
        let relay = self.relays.fulfil(nonce, origin.digest).ok_or(Rejected::UnknownNonce)?;
        let message = Message::Relayed { nonce, target: relay.target, incarnation };
        self.report(&relay, message);
        // Not the row it was when we were asked: that may be another member's by now, or a later start's.
        if let Some(slot) = origin.slot {
            self.hear_incarnation(slot, incarnation);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::machine::fixture;
    use crate::swim::reach::Reach;

    type Other = (&'static str, State);

    #[test]
    fn a_turn_beyond_reach_goes_to_another_in_reach() {
        let (v4, v6) = ("10.0.0.2:7", "[2001:db8::2]:7");
        let suspect = ("10.0.0.3:7", State::Suspect);
        // (the others beside it, the member whose turn it is): the member that is probed
        let rows: [(&str, Reach, &[Other], &str, &str); 6] = [
            ("one in reach is probed itself", Reach::V4, &[suspect], v4, v4),
            ("even as a suspect, with others alive", Reach::V4, &[(v4, State::Alive)], suspect.0, suspect.0),
            ("for one beyond reach another is", Reach::V4, &[(v4, State::Alive), suspect], v6, v4),
            ("a suspect if none else is in reach", Reach::V4, &[suspect], v6, suspect.0),
            ("without any in reach it keeps its turn", Reach::V4, &[("[2001:db8::3]:7", State::Alive)], v6, v6),
            ("a socket for both families reaches it", Reach::Both, &[(v4, State::Alive)], v6, v6),
        ];

        for (what, reach, others, turn, probed) in rows {
            let mut machine = fixture::machine("10.0.0.1:7");
            machine.reach = reach;
            for (address, state) in others {
                fixture::add(&mut machine, address, *state);
            }

            let state = if turn == suspect.0 { suspect.1 } else { State::Alive };
            let turn = fixture::add(&mut machine, turn, state);
            for _ in 0..16 {
                let target = machine.in_reach_or_another(turn);
                assert_eq!(machine.members.member(target).name(), probed, "{what}");
            }
        }
    }
}
