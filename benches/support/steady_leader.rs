//! One voter of five in the core alone, whose messages the others always answer with yes.
//!
//! It shows what a leader and a follower do all day, a heartbeat and its answer, without a node around it.

#![allow(dead_code)]

use std::time::Duration;

use tidings::config::ElectionConfig;
use tidings::election::{Election, Rules, SaveOutcome, VoterState};
use tidings::explore::{Message, Question, Round};
use tidings::leader::{Term, Trigger};
use tidings::member::NodeId;
use tidings::time::Instant;

const NAMES: [&str; 5] = ["n0", "n1", "n2", "n3", "n4"];
/// What the wall clock of each voter said when it started: the term they start from.
const STARTED_MS: u64 = 1_000;

/// A voter that leads, or follows, and where time stands for it.
pub struct SteadyLeader {
    pub voter: Election,
    pub now: Instant,
    heartbeat: Duration,
    round: Round,
    answers: Vec<(NodeId, Message)>,
}

impl SteadyLeader {
    fn new() -> Self {
        let rules = Rules::new(&ElectionConfig::lan("default", NAMES).stands_always());
        let (now, heartbeat) = (Instant::ORIGIN, rules.heartbeat());
        let mut voter = Election::new(rules, NodeId::from_name(NAMES[0]), 1, now);
        voter.start_voting(now, VoterState { ballot: None, is_durable: false, unix_ms: STARTED_MS });
        SteadyLeader { voter, now, heartbeat, round: Round(1), answers: Vec::new() }
    }

    /// One that follows its first heartbeat.
    pub fn following() -> Self {
        let mut steady_leader = SteadyLeader::new();
        assert!(steady_leader.hear(), "the first heartbeat is answered");
        steady_leader
    }

    /// One that was elected by all others.
    pub fn leading() -> Self {
        let mut steady_leader = SteadyLeader::new();
        for _ in 0..20 {
            steady_leader.now = steady_leader.voter.poll_timeout().unwrap_or(steady_leader.now);
            steady_leader.voter.handle_timeout(steady_leader.now);
            while steady_leader.take_messages() > 0 || steady_leader.save() {
                steady_leader.answer();
            }
            if steady_leader.voter.lease(steady_leader.now).is_some() {
                return steady_leader;
            }
        }
        unreachable!("all others vote for it")
    }

    /// The next heartbeat of another, a heartbeat later; whether it was promised what it asks.
    pub fn hear(&mut self) -> bool {
        self.now += self.heartbeat;
        self.round = self.round.next();
        let (term, trigger, turn) = (Term(STARTED_MS + 1), Trigger::NoLeader, Duration::ZERO);
        let message = Message::Heartbeat { term, round: self.round, trigger, turn };
        let from = (NodeId::from_name(NAMES[1]), self.voter.rules().context());
        let done = self.voter.handle_message(self.now, from, message);
        while self.voter.poll_change().is_some() {}
        let answer = self.voter.poll_message();
        done.is_ok() && matches!(answer, Some((_, Message::Granted { asked: Question::Heartbeat, .. })))
    }

    /// The own next round: how many heartbeats it sent, whose answers wait.
    pub fn beat(&mut self) -> usize {
        self.now += self.heartbeat;
        self.voter.handle_timeout(self.now);
        self.take_messages()
    }

    /// Hands in the answers that wait; how many were accepted.
    pub fn answer(&mut self) -> usize {
        let SteadyLeader { voter, now, answers, .. } = self;
        let context = voter.rules().context();
        let hears = |(from, message)| voter.handle_message(*now, (from, context), message).is_ok();
        answers.drain(..).map(hears).filter(|is_taken| *is_taken).count()
    }

    fn take_messages(&mut self) -> usize {
        while let Some((to, message)) = self.voter.poll_message() {
            let (asked, term, round) = match message {
                Message::PreVote { term, round } => (Question::PreVote, term, round),
                Message::Vote { term, round, .. } => (Question::Vote, term, round),
                Message::Heartbeat { term, round, .. } => (Question::Heartbeat, term, round),
                _ => continue,
            };
            self.answers.push((to, Message::Granted { asked, term, round }));
        }
        while self.voter.poll_change().is_some() {}
        self.answers.len()
    }

    fn save(&mut self) -> bool {
        let Some(save) = self.voter.poll_save() else { return false };
        self.voter.handle_saved(self.now, save.number, SaveOutcome::Done);
        true
    }
}
