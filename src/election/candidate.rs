//! A candidate's side: what it asks the other voters, and what they have answered so far.
//!
//! First it asks whether they would vote (which costs no term and disturbs no leader), then for their votes. It asks
//! again, ever less often, until a quorum agrees or its time is over.

use std::cmp::Reverse;
use std::time::Duration;

use crate::election::message::{Question, Round};
use crate::election::rounds::Rounds;
use crate::election::rules::Rules;
use crate::leader::{Term, Trigger};
use crate::member::NodeId;
use crate::sabotage;
use crate::time::Instant;

/// Attempts after which the pauses in them and between them grow no more.
pub(super) const FAILURES_MAX: u32 = 5;

/// How far a candidate has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// It asks whether the leader is missed by others too.
    LeaderCheck,
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

impl Answer {
    /// Whether it is a yes that counts.
    fn is_yes(self, now: Instant, rules: &Rules) -> bool {
        matches!(self, Answer::Granted(asked) if asked + rules.lease() > now)
    }
}

/// How a voter says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is bound for so long, or says no for another reason if that is zero.
    For(Duration),
    /// It is in that term already, and voted for another or not at all.
    InThisTerm,
}

/// One voter's attempt to be elected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Candidate {
    pub(super) stage: Stage,
    pub(super) term: Term,
    /// The term of the leader that hands over.
    pub(super) hand_over: Option<Term>,
    /// That leader, unless it is the candidate itself. Kept here, because by the end of the attempt it may not be
    /// followed any more.
    pub(super) predecessor: Option<NodeId>,
    pub(super) trigger: Trigger,
    /// A voter that refused it because it votes under later voters.
    pub(super) knows_better: Option<NodeId>,
    /// When the attempt began, at its first stage.
    pub(super) began: Instant,
    /// When it gives up.
    pub(super) until: Instant,
    /// When it asks again.
    pub(super) ask_at: Instant,
    rounds: Rounds,
    answers: Vec<Answer>,
    /// Whether each voter has written anything since it began, by place.
    heard: Vec<bool>,
    /// How long a turn is.
    turn: Duration,
    pause: Duration,
    /// When it asked last.
    asked_at: Instant,
    /// When its present stage began.
    entered: Instant,
}

impl Candidate {
    /// An attempt that begins now, after so many that came to nothing.
    pub(super) fn new(
        now: Instant,
        (rules, turn, failures): (&Rules, Duration, u32),
        stage: Stage,
        (term, trigger): (Term, Trigger),
        first: Round,
    ) -> Self {
        Candidate {
            stage,
            term,
            hand_over: None,
            predecessor: None,
            trigger,
            knows_better: None,
            began: now,
            until: now + rules.lease(),
            ask_at: now,
            rounds: Rounds::starting_at(first),
            answers: vec![Answer::None; rules.voters().len()],
            heard: vec![false; rules.voters().len()],
            turn,
            // A candidate that no voter answers asks seldom.
            pause: (turn * (1 << failures.min(FAILURES_MAX))).min(rules.lease() / 2),
            asked_at: Instant::ORIGIN,
            entered: now,
        }
    }

    /// The leader that hands over to this candidate, and its term.
    pub(super) fn relieves(&self) -> Option<(NodeId, Term)> {
        self.predecessor.zip(self.hand_over)
    }

    /// The question of its present stage.
    pub(super) fn question(&self) -> Question {
        match self.stage {
            Stage::LeaderCheck => Question::LeaderCheck,
            Stage::PreVote => Question::PreVote,
            Stage::Saving | Stage::Vote => Question::Vote,
        }
    }

    /// Goes on to the next stage, in which no voter has answered yet.
    pub(super) fn enter(&mut self, now: Instant, rules: &Rules, stage: Stage) {
        self.stage = stage;
        // Twice the lease, so that disks which take longer than one still elect a leader.
        self.until = now + rules.lease() * 2;
        self.ask_at = now;
        self.entered = now;
        self.pause = self.turn;
        self.answers.fill(Answer::None);
    }

    /// A new round of questions; after it the next is due later, and each time later still.
    pub(super) fn ask(&mut self, now: Instant, rules: &Rules) -> Round {
        self.ask_at = now + self.pause;
        self.asked_at = now;
        self.pause = (self.pause * 2).min(rules.lease() / 2);
        self.rounds.begin(now, now - rules.lease())
    }

    /// Whether a voter has yet to say yes.
    pub(super) fn wants(&self, now: Instant, rules: &Rules, place: usize) -> bool {
        let answer = self.answers.get(place);
        !answer.is_some_and(|answer| *answer == Answer::Against || answer.is_yes(now, rules))
    }

    /// A voter has written, whatever it says.
    pub(super) fn hear(&mut self, place: usize) {
        if let Some(heard) = self.heard.get_mut(place) {
            *heard = true;
        }
    }

    /// A voter says yes to a round; false if this candidate does not remember the round or has no such voter.
    pub(super) fn granted(&mut self, place: usize, round: Round) -> bool {
        let Some(sent) = self.rounds.sent(round) else { return false };
        let Some(answer) = self.answers.get_mut(place) else { return false };
        *answer = match *answer {
            Answer::Granted(before) => Answer::Granted(before.max(sent)),
            Answer::None | Answer::Refused(_) | Answer::Against => Answer::Granted(sent),
        };
        true
    }

    /// A voter says no to a round; false if the round is not remembered, or this voter's answer is settled already.
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

    /// Whether it cannot win any more: at least one voter is against it, and the others leave no quorum. After a turn
    /// of this stage those that have written nothing at all since the attempt began are not counted either: they are as
    /// silent as the leader whose place is vacant. A voter that answered the pre-vote is counted, for it may be saving
    /// its vote.
    pub(super) fn is_lost(&self, now: Instant, rules: &Rules, me: usize) -> bool {
        let is_time = now >= self.entered + self.turn && !sabotage::is_off("counts_the_silent");
        let is_out = |place: usize, answer: &Answer| match answer {
            Answer::Against => true,
            Answer::None => is_time && !self.has_heard(place),
            Answer::Granted(_) | Answer::Refused(_) => false,
        };
        let is_in = |place: usize| place == me || !self.answers.get(place).is_some_and(|answer| is_out(place, answer));
        self.answers.contains(&Answer::Against) && !rules.electorate().agree(is_in)
    }

    /// Whether a quorum says yes; `me` always does, at its place. A yes of longer than a lease ago is none: the voter
    /// that gave it may have started again since, and forgotten it.
    pub(super) fn is_won(&self, now: Instant, rules: &Rules, me: usize) -> bool {
        let is_yes = |place: usize| self.answers.get(place).is_some_and(|answer| answer.is_yes(now, rules));
        rules.electorate().agree(|place| place == me || is_yes(place))
    }

    /// Asks again when a quorum of those that have answered may be free to say yes; `own` is how long the candidate
    /// itself is bound. It is not known when a silent voter will be free, so it is not counted.
    pub(super) fn wait_for_quorum(&mut self, now: Instant, rules: &Rules, me: usize, own: Duration) {
        let silent = if sabotage::is_off("asks_when_free") { Instant::ORIGIN } else { Instant::NEVER };
        let own = if own > Duration::ZERO { now + own } else { Instant::ORIGIN };
        let free_at = |place: usize| match self.answers.get(place) {
            _ if place == me => own,
            Some(Answer::Refused(until)) => *until,
            Some(Answer::Granted(_)) => Instant::ORIGIN,
            Some(Answer::None) | None => silent,
            Some(Answer::Against) => Instant::NEVER,
        };
        let quorum = rules.electorate().most(|place| Reverse(free_at(place)));
        let due = quorum.map_or(Instant::NEVER, |Reverse(free)| free).max(own);
        // What was asked since then is still on its way.
        if due > self.asked_at && due != Instant::NEVER {
            self.ask_at = due.max(now);
            self.until = self.until.max(self.ask_at + rules.lease());
            self.pause = self.turn;
        }
    }

    /// Promises to a leader or candidate are void: the voters that refused for one are asked again at once.
    pub(super) fn ask_the_freed(&mut self, now: Instant) {
        let mut is_any = false;
        for answer in &mut self.answers {
            if matches!(answer, Answer::Refused(_)) {
                *answer = Answer::None;
                is_any = true;
            }
        }
        if is_any && self.stage == Stage::PreVote {
            self.ask_at = now;
        }
    }

    /// A voter is heard of again: it is asked at once.
    pub(super) fn ask_the_returned(&mut self, now: Instant, place: usize) {
        if self.stage == Stage::PreVote && self.answers.get(place) == Some(&Answer::None) && self.asked_at < now {
            self.ask_at = now;
        }
    }

    /// When each voter that said yes was asked.
    pub(super) fn granted_at(&self, rules: &Rules) -> Vec<(NodeId, Instant)> {
        let at = |(answer, (id, _)): (&Answer, &(NodeId, _))| match answer {
            Answer::Granted(sent) => Some((*id, *sent)),
            Answer::None | Answer::Refused(_) | Answer::Against => None,
        };
        self.answers.iter().zip(rules.voters()).filter_map(at).collect()
    }

    /// Whether this voter has written anything since it began.
    pub(super) fn has_heard(&self, place: usize) -> bool {
        self.heard.get(place) == Some(&true)
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

    fn rules(voters: usize) -> Rules {
        Rules::new(&ElectionConfig::lan("default", ["a", "b", "c", "d", "e"][..voters].iter().copied()))
    }

    fn candidate(now: Instant, rules: &Rules, failures: u32) -> Candidate {
        let turn = Duration::from_millis(30);
        Candidate::new(now, (rules, turn, failures), Stage::PreVote, (Term(3), Trigger::LeaseRanOut), Round(5))
    }

    const fn wait(ms: u64) -> Refusal {
        Refusal::For(Duration::from_millis(ms))
    }

    #[test]
    fn a_quorum_of_configured_voters_wins_and_a_late_answer_counts_from_its_question() {
        let rules = rules(5);
        let mut candidate = candidate(at(0), &rules, 0);
        let first = candidate.ask(at(0), &rules);
        assert!(candidate.ask_at > at(0) && first == Round(5));
        let second = candidate.ask(at(40), &rules);
        assert!(candidate.granted(1, first) && candidate.granted(1, second) && candidate.granted(1, first));
        assert!(!candidate.is_won(at(50), &rules, 0));
        assert!(!candidate.granted(2, Round(99)));
        assert!(candidate.granted(2, first));
        assert!(candidate.is_won(at(50), &rules, 0));
        let [_, first, second, ..] = rules.voters() else { unreachable!() };
        assert_eq!(candidate.granted_at(&rules), [(first.0, at(40)), (second.0, at(0))]);
        assert!(!candidate.wants(at(50), &rules, 1) && candidate.wants(at(50), &rules, 3));
        assert!(!candidate.is_won(at(500), &rules, 0), "a yes of a lease ago is none any more");
        assert!(candidate.wants(at(500), &rules, 2) && !candidate.wants(at(500), &rules, 1));
        candidate.enter(at(50), &rules, Stage::Vote);
        assert!(!candidate.is_won(at(50), &rules, 0) && candidate.question() == Question::Vote);
    }

    #[test]
    fn it_asks_again_when_those_that_answered_are_a_quorum_that_is_free() {
        // Voters, what others answered (place and wait in ms), how long it is bound itself, when it asks again.
        type Row<'a> = (usize, &'a [(usize, u64)], u64, u64);
        let rows: [Row<'_>; 6] = [
            (3, &[(1, 5)], 0, 15),
            (3, &[(1, 5)], 100, 110),
            (3, &[], 0, 30),
            (5, &[(1, 200), (2, 300), (3, 100)], 0, 210),
            (5, &[(1, 200), (2, 300), (3, 100)], 400, 410),
            // One of the two others that it needs has not answered: it asks on as before.
            (5, &[(1, 200)], 0, 30),
        ];
        for (voters, answers, own, expected) in rows {
            let rules = rules(voters);
            let mut candidate = candidate(at(0), &rules, 0);
            let round = candidate.ask(at(0), &rules);
            for (place, ms) in answers {
                assert!(candidate.refused(at(10), *place, round, wait(*ms)));
            }
            candidate.wait_for_quorum(at(10), &rules, 0, Duration::from_millis(own));
            assert_eq!(candidate.ask_at, at(expected), "{voters} voters, {answers:?}, bound for {own}");
            // Once it has asked, an answer that says no more changes nothing.
            if expected != 30 {
                candidate.ask(candidate.ask_at, &rules);
                let next = candidate.ask_at;
                candidate.wait_for_quorum(at(expected + 1), &rules, 0, Duration::ZERO);
                assert_eq!(candidate.ask_at, next, "{voters} voters, {answers:?}, bound for {own}");
            }
        }
    }

    #[test]
    fn who_was_refused_for_a_promise_that_was_freed_asks_at_once() {
        let rules = rules(3);
        let mut candidate = candidate(at(0), &rules, 0);
        let round = candidate.ask(at(0), &rules);
        candidate.ask_the_freed(at(5));
        assert_eq!(candidate.ask_at, at(30), "nobody has refused");
        assert!(candidate.refused(at(10), 1, round, wait(400)));
        candidate.wait_for_quorum(at(10), &rules, 0, Duration::ZERO);
        assert_eq!(candidate.ask_at, at(410));
        candidate.ask_the_freed(at(20));
        assert_eq!(candidate.ask_at, at(20));
        candidate.ask(at(20), &rules);
        candidate.ask_the_returned(at(20), 2);
        assert!(candidate.ask_at > at(20), "it was asked in this moment");
        candidate.ask_the_returned(at(25), 2);
        assert_eq!(candidate.ask_at, at(25));
    }

    #[test]
    fn when_it_is_lost() {
        use Refusal::InThisTerm as Against;
        // Voters, those that answered the pre-vote, those against it, milliseconds since it asked for votes, whether it
        // is lost.
        type Row<'a> = (usize, &'a [usize], &'a [usize], u64, bool);
        let rows: [Row<'_>; 8] = [
            (3, &[1], &[1], 0, false),
            (3, &[1], &[1], 30, true),
            (3, &[1, 2], &[1], 300, false),
            (3, &[1, 2], &[1, 2], 0, true),
            (4, &[1, 2], &[1], 30, true),
            (5, &[1, 2, 3], &[1], 30, false),
            (5, &[1, 2, 3], &[1, 2], 30, true),
            // No voter says that another stands: it goes on.
            (3, &[1], &[], 300, false),
        ];
        for (voters, answered, against, after, is_lost) in rows {
            let rules = rules(voters);
            let mut candidate = candidate(at(0), &rules, 0);
            candidate.ask(at(0), &rules);
            answered.iter().for_each(|place| candidate.hear(*place));
            candidate.enter(at(100), &rules, Stage::Vote);
            let round = candidate.ask(at(100), &rules);
            against.iter().for_each(|place| assert!(candidate.refused(at(100), *place, round, Against)));
            assert_eq!(
                candidate.is_lost(at(100 + after), &rules, 0),
                is_lost,
                "{voters} {answered:?} {against:?} {after}"
            );
        }
    }

    #[test]
    fn whom_nobody_answers_asks_ever_less_often() {
        let rules = rules(3);
        let asks = |failures| {
            let mut candidate = candidate(at(0), &rules, failures);
            let mut asked = 0;
            while candidate.ask_at < candidate.until {
                candidate.ask(candidate.ask_at, &rules);
                asked += 1;
            }
            asked
        };
        assert_eq!([0, 1, 2, 3, 4, 90].map(asks), [5, 4, 3, 3, 2, 2]);
    }
}
