//! A candidate's side: what it asks the other voters, and what they have answered so far.
//!
//! First it asks whether they would vote (which costs no term and disturbs nobody), then for their votes. It asks again,
//! ever less often, until a quorum agrees or its time is over.

use std::time::Duration;

use crate::election::rounds::Rounds;
use crate::election::rules::Rules;
use crate::leader::{Term, Trigger};
use crate::member::NodeId;
use crate::time::Instant;
use crate::wire::{Question, Round};

/// How far a candidate has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// It asks whether the leader is missed by others too.
    Sounding,
    /// It asks whether it would be voted for.
    PreVote,
    /// Its vote for itself is being saved.
    Saving,
    /// It asks for votes.
    Vote,
}

/// A voter's latest answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Answer {
    None,
    /// Yes, to a question sent then.
    Granted(Instant),
    /// No, and not before then.
    Refused(Instant),
    /// No, whatever comes.
    Against,
}

/// How a voter says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is bound for so long, or says no for another reason if that is zero.
    For(Duration),
    /// It is in that term already, and voted for somebody else or not at all.
    InThisTerm,
}

/// One voter's attempt to be elected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Campaign {
    pub(super) stage: Stage,
    pub(super) term: Term,
    /// The term of the leader that hands over.
    pub(super) hand_over: Option<Term>,
    /// That leader, unless it is the candidate itself. Kept here, because by the end of the campaign it may not be
    /// followed any more.
    pub(super) predecessor: Option<NodeId>,
    pub(super) trigger: Trigger,
    /// When it gives up.
    pub(super) until: Instant,
    /// When it asks again.
    pub(super) ask_at: Instant,
    rounds: Rounds,
    answers: Vec<Answer>,
    pause: Duration,
}

impl Campaign {
    /// An attempt that begins now.
    pub(super) fn new(now: Instant, rules: &Rules, stage: Stage, term: Term, trigger: Trigger, first: Round) -> Self {
        Campaign {
            stage,
            term,
            hand_over: None,
            predecessor: None,
            trigger,
            until: now + rules.lease(),
            ask_at: now,
            rounds: Rounds::starting_at(first),
            answers: vec![Answer::None; rules.voters().len()],
            pause: rules.turn(),
        }
    }

    /// The question of its present stage.
    pub(super) fn question(&self) -> Question {
        match self.stage {
            Stage::Sounding => Question::Sounding,
            Stage::PreVote => Question::PreVote,
            Stage::Saving | Stage::Vote => Question::Vote,
        }
    }

    /// Goes on to the next stage, with nobody having answered yet.
    pub(super) fn enter(&mut self, now: Instant, rules: &Rules, stage: Stage) {
        self.stage = stage;
        // Twice the lease, so that disks which take longer than one still elect somebody.
        self.until = now + rules.lease() * 2;
        self.ask_at = now;
        self.pause = rules.turn();
        self.answers.fill(Answer::None);
    }

    /// A new round of questions; after it the next is due later, and each time later still.
    pub(super) fn ask(&mut self, now: Instant, rules: &Rules) -> Round {
        self.ask_at = now + self.pause;
        self.pause = (self.pause * 2).min(rules.lease() / 2);
        self.rounds.begin(now, now - rules.lease())
    }

    /// Whether a voter has yet to say yes.
    pub(super) fn wants(&self, place: usize) -> bool {
        !matches!(self.answers.get(place), Some(Answer::Granted(_) | Answer::Against))
    }

    /// A voter says yes to a round; false if nobody waits for that.
    pub(super) fn granted(&mut self, place: usize, round: Round) -> bool {
        let Some(sent) = self.rounds.sent(round) else { return false };
        let Some(answer) = self.answers.get_mut(place) else { return false };
        *answer = match *answer {
            Answer::Granted(before) => Answer::Granted(before.max(sent)),
            Answer::None | Answer::Refused(_) | Answer::Against => Answer::Granted(sent),
        };
        true
    }

    /// A voter says no to a round; false if nobody waits for that.
    pub(super) fn refused(&mut self, now: Instant, place: usize, round: Round, refusal: Refusal) -> bool {
        if self.rounds.sent(round).is_none() {
            return false;
        }
        match self.answers.get_mut(place) {
            Some(answer @ (Answer::None | Answer::Refused(_))) => {
                *answer = match refusal {
                    Refusal::For(Duration::ZERO) => Answer::None,
                    Refusal::For(wait) => Answer::Refused(now + wait),
                    Refusal::InThisTerm => Answer::Against,
                };
                true
            }
            Some(Answer::Granted(_) | Answer::Against) | None => false,
        }
    }

    /// Whether so many are against it that a quorum cannot be had.
    pub(super) fn is_lost(&self, rules: &Rules, me: usize) -> bool {
        let against = (0..).zip(&self.answers).filter(|(place, answer)| *place != me && **answer == Answer::Against);
        against.count() + rules.quorum() > rules.voters().len()
    }

    /// Whether a quorum says yes; `me` always does, at its place.
    pub(super) fn is_won(&self, rules: &Rules, me: usize) -> bool {
        let others = (0..).zip(&self.answers).filter(|(place, _)| *place != me);
        let granted = others.filter(|(_, answer)| matches!(answer, Answer::Granted(_))).count();
        granted + 1 >= rules.quorum()
    }

    /// Puts the next round off to when a quorum may be free to say yes, if that is known to be later; `own` is how long
    /// the candidate itself is bound.
    pub(super) fn wait_for_quorum(&mut self, now: Instant, rules: &Rules, me: usize, own: Duration) {
        let free_at = |(place, answer): (usize, &Answer)| match answer {
            _ if place == me => now + own,
            Answer::Refused(until) => *until,
            Answer::None | Answer::Granted(_) => now,
            Answer::Against => Instant::NEVER,
        };
        let mut free: Vec<Instant> = (0..).zip(&self.answers).map(free_at).collect();
        free.sort_unstable();
        let quorum = free.get(rules.quorum() - 1).copied().unwrap_or(now);
        let due = quorum.max(now + own);
        if due > now && due != Instant::NEVER {
            self.ask_at = due;
            self.until = self.until.max(due + rules.lease());
            self.pause = rules.turn();
        }
    }

    /// When each voter that said yes was asked.
    pub(super) fn granted_at(&self) -> Vec<Option<Instant>> {
        let at = |answer: &Answer| if let Answer::Granted(sent) = answer { Some(*sent) } else { None };
        self.answers.iter().map(at).collect()
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

    #[test]
    fn a_quorum_of_configured_voters_wins_and_a_late_answer_counts_from_its_question() {
        let rules = Rules::new(&ElectionConfig::lan("default", ["a", "b", "c", "d", "e"]));
        let mut campaign = Campaign::new(at(0), &rules, Stage::PreVote, Term(3), Trigger::NoLeader, Round(5));
        let first = campaign.ask(at(0), &rules);
        assert!(campaign.ask_at > at(0) && first == Round(5));
        let second = campaign.ask(at(40), &rules);
        assert!(campaign.granted(1, first) && campaign.granted(1, second) && campaign.granted(1, first));
        assert!(!campaign.is_won(&rules, 0));
        assert!(!campaign.granted(2, Round(99)));
        assert!(campaign.granted(2, first));
        assert!(campaign.is_won(&rules, 0));
        assert_eq!(campaign.granted_at()[..3], [None, Some(at(40)), Some(at(0))]);
        assert!(!campaign.wants(1) && campaign.wants(3));
        campaign.enter(at(50), &rules, Stage::Vote);
        assert!(!campaign.is_won(&rules, 0) && campaign.question() == Question::Vote);
    }

    #[test]
    fn it_asks_again_when_a_quorum_is_free() {
        let rules = Rules::new(&ElectionConfig::lan("default", ["a", "b", "c", "d", "e"]));
        let mut campaign = Campaign::new(at(0), &rules, Stage::PreVote, Term(3), Trigger::Dead, Round(0));
        let round = campaign.ask(at(0), &rules);
        for (place, wait) in [(1, 200), (2, 300), (3, 100)] {
            assert!(campaign.refused(at(10), place, round, Refusal::For(Duration::from_millis(wait))));
        }
        campaign.wait_for_quorum(at(10), &rules, 0, Duration::ZERO);
        // Itself, the silent one at once, and the third after 100 ms.
        assert_eq!(campaign.ask_at, at(110));
        campaign.wait_for_quorum(at(10), &rules, 0, Duration::from_millis(400));
        assert_eq!(campaign.ask_at, at(410));
    }
}
