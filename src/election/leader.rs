//! A leader's side: the rounds it renews its lease by, and until when it may act.
//!
//! The lease runs from the moment the leader *asked* the round that a quorum answered, so whatever the network did to
//! the answers, each of that quorum has promised for longer. A leader that did not run counts answers to older rounds
//! no more before it acts, and one that was handed leadership acts only once its predecessor has said that it stopped.

use std::time::Duration;

use crate::election::message::Round;
use crate::election::rounds::Rounds;
use crate::election::rules::Rules;
use crate::election::transition::Transition;
use crate::leader::{Term, Trigger};
use crate::member::NodeId;
use crate::sabotage;
use crate::time::Instant;

/// What a successor waits for before it acts: its predecessor's word that it stopped, or the moment `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Gate {
    pub(super) predecessor: NodeId,
    pub(super) term: Term,
    pub(super) until: Instant,
}

/// The voter that a leader hands over to, and how long it tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct HandingOver {
    pub(super) to: NodeId,
    pub(super) until: Instant,
    /// When another is asked instead; never, if this one was named.
    pub(super) retry_at: Instant,
    /// The places of those that were asked, a bit each.
    pub(super) asked: u32,
}

impl HandingOver {
    /// Whether the one that is asked may be asked again then: it was named, and there is time.
    pub(super) fn may_wait(&self, until: Instant) -> bool {
        self.retry_at == Instant::NEVER && until < self.until
    }
}

/// One voter's time as leader of one term.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leader {
    pub(super) term: Term,
    pub(super) trigger: Trigger,
    pub(super) gate: Option<Gate>,
    pub(super) handing_over: Option<HandingOver>,
    /// When it renews next.
    pub(super) beat_at: Instant,
    /// Whether its application was told that it leads.
    pub(super) is_told: bool,
    /// A voter that was seen in a higher term, and since when.
    pub(super) outrun: Option<(NodeId, Instant)>,
    /// The voters, as it sees to them.
    pub(super) transition: Transition,
    /// Answers to rounds sent before this do not let it act.
    fresh_since: Instant,
    rounds: Rounds,
    /// When each voter was sent the question that it last promised in answer to, ascending by id.
    promised: Vec<(NodeId, Instant)>,
    lease_until: Instant,
}

impl Leader {
    /// A term that begins with the promises that came with the votes.
    pub(super) fn new(
        now: Instant,
        term: Term,
        trigger: Trigger,
        promised: Vec<(NodeId, Instant)>,
        first: Round,
    ) -> Self {
        Leader {
            term,
            trigger,
            gate: None,
            handing_over: None,
            beat_at: now,
            is_told: false,
            outrun: None,
            transition: Transition::default(),
            fresh_since: Instant::ORIGIN,
            rounds: Rounds::starting_at(first),
            promised,
            lease_until: Instant::ORIGIN,
        }
    }

    /// A new round of renewal.
    pub(super) fn beat(&mut self, now: Instant, rules: &Rules) -> Round {
        self.beat_at = now + rules.heartbeat();
        self.rounds.begin(now, now - rules.lease())
    }

    /// Whether an answer to a round still counts.
    pub(super) fn has_sent(&self, round: Round) -> bool {
        self.rounds.sent(round).is_some()
    }

    /// A voter promised in answer to a round; false if the round does not count any more.
    pub(super) fn granted(&mut self, now: Instant, from: NodeId, round: Round) -> bool {
        let Some(sent) = self.rounds.sent(round) else { return false };
        let sent = if sabotage::is_off("lease_from_asking") { now } else { sent };
        match self.promised.binary_search_by_key(&from, |(id, _)| *id) {
            Ok(place) => self.promised[place].1 = self.promised[place].1.max(sent),
            Err(place) => self.promised.insert(place, (from, sent)),
        }
        true
    }

    /// Counts anew how long it may act, which never becomes shorter by that; if it became longer, how long a quorum
    /// took to answer.
    pub(super) fn renew(&mut self, now: Instant, rules: &Rules, me: NodeId) -> Option<Duration> {
        let since = self.quorum_since(now, rules, me)?;
        let until = since + rules.lease();
        if until <= self.lease_until {
            return None;
        }
        self.lease_until = until;
        Some(now.since(since))
    }

    /// Other voters are in effect: it may act for no longer than a quorum of these has promised.
    pub(super) fn recount(&mut self, now: Instant, rules: &Rules, me: NodeId) {
        let until = self.quorum_since(now, rules, me).map_or(Instant::ORIGIN, |since| since + rules.lease());
        if !sabotage::is_off("lease_recounted") {
            self.lease_until = self.lease_until.min(until);
        }
    }

    /// Until when it holds leadership: it steps down then.
    pub(super) fn lease_until(&self) -> Instant {
        // A successor that hears nothing waits as long as this after it was asked: by then the lease must be over, even
        // if voters still follow.
        self.handing_over.map_or(self.lease_until, |over| self.lease_until.min(over.until))
    }

    /// Until when it may act; none if it may not act now.
    pub(super) fn acts_until(&self, now: Instant, rules: &Rules, me: NodeId) -> Option<Instant> {
        let is_gated = self.gate.is_some_and(|gate| gate.until > now) && !sabotage::is_off("gate");
        let is_fresh = self.quorum_since(now, rules, me).is_some_and(|since| since >= self.fresh_since);
        (!is_gated && is_fresh && self.lease_until() > now).then_some(self.lease_until())
    }

    /// It did not run: a quorum must answer a round from now on before it acts again (docs/elections.md, E12).
    pub(super) fn doubt(&mut self, now: Instant) {
        self.fresh_since = now;
        self.beat_at = now;
    }

    /// When a voter was sent the question that it last promised in answer to.
    pub(super) fn promised(&self, who: NodeId) -> Option<Instant> {
        let place = self.promised.binary_search_by_key(&who, |(id, _)| *id).ok()?;
        self.promised.get(place).map(|(_, promised)| *promised)
    }

    /// The latest moment of asking that a quorum has answered; the leader itself always has.
    pub(super) fn quorum_since(&self, now: Instant, rules: &Rules, me: NodeId) -> Option<Instant> {
        if sabotage::is_off("check_quorum") {
            return Some(now);
        }
        let of = |id: NodeId| if id == me { Some(now) } else { self.promised(id) };
        rules.electorate().most(|place| of(rules.voters().get(place)?.0)).flatten()
    }

    /// The number of its next round.
    pub(super) fn next_round(&self) -> Round {
        self.rounds.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ElectionConfig;

    fn at(ms: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(ms)
    }

    fn leading(voters: usize) -> (Rules, Leader, [NodeId; 4]) {
        let names = ["a", "b", "c", "d", "e"];
        let rules = Rules::new(&ElectionConfig::lan("default", names[..voters].iter().copied()));
        let leading = Leader::new(at(0), Term(9), Trigger::NoLeader, Vec::new(), Round(0));
        let ids = [0, 1, 2, 3].map(|place| rules.voters().get(place).map_or(NodeId::from_u128(0), |(id, _)| *id));
        (rules, leading, ids)
    }

    #[test]
    fn a_lease_runs_from_when_the_quorum_was_asked() {
        let (rules, mut leading, ids) = leading(5);
        let first = leading.beat(at(0), &rules);
        let second = leading.beat(at(100), &rules);
        assert!(leading.granted(at(110), ids[1], second) && !leading.granted(at(110), ids[1], Round(77)));
        assert_eq!(leading.renew(at(150), &rules, ids[0]), None);
        assert_eq!(leading.acts_until(at(150), &rules, ids[0]), None, "two of five are no quorum");
        assert!(leading.granted(at(400), ids[2], first));
        assert_eq!(leading.renew(at(150), &rules, ids[0]), Some(Duration::from_millis(150)));
        assert_eq!(leading.acts_until(at(150), &rules, ids[0]), Some(at(500)));
        assert!(leading.granted(at(400), ids[2], second));
        leading.renew(at(150), &rules, ids[0]);
        assert_eq!(leading.lease_until(), at(600));
        assert!(leading.granted(at(400), ids[3], first), "an old answer takes nothing away");
        leading.renew(at(160), &rules, ids[0]);
        assert_eq!((leading.lease_until(), leading.acts_until(at(600), &rules, ids[0])), (at(600), None));
    }

    #[test]
    fn after_a_stall_it_acts_only_on_fresh_answers() {
        let (rules, mut leading, ids) = leading(3);
        let before = leading.beat(at(0), &rules);
        assert!(leading.granted(at(400), ids[1], before));
        leading.renew(at(10), &rules, ids[0]);
        leading.doubt(at(300));
        assert_eq!((leading.acts_until(at(300), &rules, ids[0]), leading.lease_until()), (None, at(500)));
        let after = leading.beat(at(300), &rules);
        assert!(leading.granted(at(400), ids[1], before));
        assert_eq!(leading.acts_until(at(310), &rules, ids[0]), None);
        assert!(leading.granted(at(400), ids[1], after));
        leading.renew(at(320), &rules, ids[0]);
        assert_eq!(leading.acts_until(at(320), &rules, ids[0]), Some(at(800)));
    }

    #[test]
    fn leadership_handed_over_opens_with_a_word_or_with_time() {
        let (rules, mut leading, ids) = leading(1);
        leading.renew(at(0), &rules, ids[0]);
        assert_eq!(leading.acts_until(at(0), &rules, ids[0]), Some(at(500)), "a voter alone is its own quorum");
        leading.gate = Some(Gate { predecessor: NodeId::from_name("b"), term: Term(8), until: at(400) });
        assert_eq!(leading.acts_until(at(399), &rules, ids[0]), None);
        assert_eq!(leading.acts_until(at(400), &rules, ids[0]), Some(at(500)));
    }

    #[test]
    fn who_hands_over_stops_in_time_even_if_nobody_runs_its_timers() {
        let (rules, mut leading, ids) = leading(1);
        leading.renew(at(0), &rules, ids[0]);
        let to = NodeId::from_name("b");
        leading.handing_over = Some(HandingOver { to, until: at(300), retry_at: Instant::NEVER, asked: 2 });
        assert_eq!(leading.acts_until(at(299), &rules, ids[0]), Some(at(300)));
        assert_eq!((leading.acts_until(at(300), &rules, ids[0]), leading.lease_until()), (None, at(300)));
    }
}
