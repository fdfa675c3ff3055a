//! One voter, message by message: rules that many runs keep by other rules, too, so that none of them shows when one is
//! gone.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use tidings::config::ElectionConfig;
use tidings::election::{Ballot, Election, Rules, Save, SaveOutcome, VoterState};
use tidings::explore::{Context, Message, Question, Round};
use tidings::leader::Trigger;
use tidings::voters::Voters;
use tidings::{Instant, NodeId, Term};

const CLOCK_MS: u64 = 1_000_000;
const ALL: &[&str] = &["a", "b", "c", "d", "e"];

fn at(ms: u64) -> Instant {
    Instant::ORIGIN + Duration::from_millis(ms)
}

fn id(name: &str) -> NodeId {
    NodeId::from_name(name)
}

fn rules(voters: &[&str]) -> Rules {
    Rules::new(&ElectionConfig::lan("default", voters.iter().copied()).stands_always())
}

fn heartbeat(term: Term, round: u32) -> Message {
    Message::Heartbeat { term, round: Round(round), trigger: Trigger::NoLeader, turn: Duration::from_millis(31) }
}

/// The voter `a`, and what the others answer.
struct One {
    election: Election,
    /// Under which the others write.
    context: Context,
    /// The voters that say yes to everything.
    agree: Vec<&'static str>,
    /// In which term they say what they have saved; the leader's, if none is named.
    holds_in: Option<Term>,
    /// Which saves take their time, and those that are not over.
    are_slow: fn(&Save) -> bool,
    saves: Vec<Save>,
    /// What was sent, and to which voter, but for what was answered.
    sent: Vec<(NodeId, Message)>,
}

impl One {
    fn new(voters: &[&str], ballot: Option<Ballot>, is_durable: bool) -> Self {
        let rules = rules(voters);
        let mut election = Election::new(rules.clone(), id("a"), 1, at(0));
        election.start_voting(at(0), VoterState { ballot, is_durable, unix_ms: CLOCK_MS });
        One {
            election,
            context: rules.context(),
            agree: Vec::new(),
            holds_in: None,
            are_slow: |_| false,
            saves: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// One that leads, with the votes of these.
    fn leading(voters: &[&str], agree: &[&'static str]) -> Self {
        let mut one = One::new(voters, None, true);
        one.agree = agree.to_vec();
        (0..20).for_each(|turn| one.turn(600 + turn));
        assert!(one.election.lease(at(620)).is_some());
        one.sent.clear();
        one
    }

    fn hear(&mut self, ms: u64, from: &str, message: Message) {
        // What is rejected shows in what it does not do.
        let _ = self.election.handle_message(at(ms), (id(from), self.context), message);
    }

    /// Timers run, saves end, and the voters that agree answer.
    fn turn(&mut self, ms: u64) {
        self.election.handle_timeout(at(ms));
        self.drain(ms);
    }

    fn drain(&mut self, ms: u64) {
        for _ in 0..100 {
            if let Some(save) = self.election.poll_save() {
                if (self.are_slow)(&save) {
                    self.saves.push(save);
                } else {
                    self.election.handle_saved(at(ms), save.number, SaveOutcome::Done);
                }
            }

            let Some((to, message)) = self.election.poll_message() else { return };
            let own = self.election.rules().context();
            let Some(who) = self.agree.iter().copied().find(|name| id(name) == to) else {
                self.sent.push((to, message));
                continue;
            };

            let (asked, term, round) = match message {
                Message::PreVote { term, round } => (Question::PreVote, term, round),
                Message::Vote { term, round, .. } => (Question::Vote, term, round),
                Message::Heartbeat { term, round, .. } => (Question::Heartbeat, term, round),
                Message::Voters { term, voters } => {
                    let context = self.election.rules().under(Voters::clone(&voters)).context();
                    let holds = Message::Holds { term: self.holds_in.unwrap_or(term), is_durable: true };
                    let _ = self.election.handle_message(at(ms), (to, context), holds);
                    continue;
                }
                message => {
                    self.sent.push((to, message));
                    continue;
                }
            };

            self.context = own;
            self.hear(ms, who, Message::Granted { asked, term, round });
        }
        panic!("it does not come to rest");
    }

    fn ask_change(&mut self, ms: u64, list: &[&str]) {
        let list: Vec<Arc<str>> = list.iter().map(|name| Arc::from(*name)).collect();
        self.election.ask_change(at(ms), &list, true).unwrap();
        self.drain(ms);
    }

    fn sent_to(&mut self, to: &str) -> Vec<Message> {
        let sent = std::mem::take(&mut self.sent);
        sent.into_iter().filter(|(who, _)| *who == id(to)).map(|(_, message)| message).collect()
    }
}

#[test]
fn a_voter_refuses_who_stands_under_voters_of_before() {
    let now = Voters::first(["a", "b", "c"]).numbered(2);
    let ballot =
        |voters| Ballot { term: Term(CLOCK_MS), vote: Some(id("a")), promise: Duration::ZERO, voters, owner: None };
    // (the candidate's list of voters, the number of that list, whether the candidate has the pre-vote)
    for (list, number, is_granted) in [(&ALL[..3], 2, true), (&ALL[..4], 1, false), (&ALL[..2], 1, false)] {
        let mut one = One::new(&ALL[..3], Some(ballot(Some(now.clone()))), true);
        one.context = rules(list).under(Voters::first(list).numbered(number)).context();
        one.hear(600, "b", Message::PreVote { term: Term(CLOCK_MS + 1), round: Round(7) });
        one.drain(600);
        let said = one.sent_to("b");
        let granted = said.iter().filter(|message| matches!(message, Message::Granted { .. })).count();
        assert_eq!(granted == 1, is_granted, "{list:?} {number}: {said:?}");
        let told = said.iter().any(|message| matches!(message, Message::Voters { voters, .. } if **voters == now));
        assert_eq!(told, !is_granted, "whoever is behind is told: {said:?}");
    }
}

#[test]
fn a_term_that_leaps_is_asked_for() {
    let mut one = One::new(&ALL[..3], None, true);
    let far = Term(CLOCK_MS + 1_000_000);
    one.hear(600, "b", heartbeat(far, 1));
    one.drain(600);
    let said = one.sent_to("b");
    let [Message::LeaderCheck { round, .. }] = said[..] else { panic!("{said:?}") };
    assert_eq!(one.election.term(), Some(Term(CLOCK_MS)));
    let answer = Message::Refused { asked: Question::LeaderCheck, term: far, round, wait: Duration::ZERO };
    one.hear(601, "b", answer);
    one.hear(602, "b", heartbeat(far, 2));
    one.drain(602);
    assert_eq!(one.sent_to("b"), [Message::Granted { asked: Question::Heartbeat, term: far, round: Round(2) }]);
}

#[test]
fn what_a_voter_of_a_later_term_has_saved_does_not_count() {
    let end = |holds_in: fn(Term) -> Term| {
        let mut one = One::leading(&ALL[..3], &["b", "c"]);
        one.holds_in = Some(holds_in(one.election.lease(at(620)).unwrap().term));
        one.ask_change(620, &ALL[..2]);
        (0..20).for_each(|turn| one.turn(700 + turn * 100));
        let voters = one.election.rules().electorate().clone();
        voters.all().len()
    };
    assert_eq!(end(|term| term), 2, "the change goes through");
    assert_eq!(end(|term| term.next()), 3, "they may have voted for a candidate under the list of before");
}

#[test]
fn a_lease_is_counted_anew_under_other_voters() {
    let mut one = One::leading(&ALL[..1], &[]);
    one.agree = vec!["b"];
    one.are_slow = |save| save.ballot.voters.as_ref().is_some_and(Voters::is_joint);
    one.ask_change(620, &ALL[..2]);

    let mut asked = 620;
    while one.saves.is_empty() {
        asked += 100;
        assert!(asked < 5_000, "no change comes of it");
        one.turn(asked);
    }

    // Before that is saved b is silent, and the leader leads on by its own word.
    one.agree.clear();
    (1..=3).for_each(|beat| one.turn(asked + beat * 100));
    let now = at(asked + 300);
    assert_eq!(one.election.lease(now).unwrap().until, at(asked + 800));

    let save = one.saves.pop().unwrap();
    one.election.handle_saved(now, save.number, SaveOutcome::Done);
    assert!(one.election.rules().electorate().is_joint());
    let both = one.election.lease(now).unwrap().until;
    assert!(both <= at(asked + 500), "b promised at {asked} ms at the latest, and it acts until {both}");
}

#[test]
fn voters_that_a_failed_save_may_have_kept_are_saved_before_earlier_ones() {
    let mut one = One::new(&ALL[..3], None, true);
    one.are_slow = |_| true;
    let told = |one: &mut One, ms: u64, list: &[&str], number: u32| {
        let voters = Voters::first(list.iter().copied()).numbered(number);
        one.context = rules(&ALL[..3]).under(voters.clone()).context();
        one.hear(ms, "b", Message::Voters { term: Term(CLOCK_MS), voters: voters.into() });
        one.drain(ms);
        one.saves.pop().expect("it saves them")
    };
    let failed = told(&mut one, 600, ALL, 3);
    one.election.handle_saved(at(601), failed.number, SaveOutcome::Failed);
    assert_eq!(one.election.rules().voters().len(), 3, "not in effect");
    // A message of before comes late: the store may hold what it takes nothing earlier after.
    let next = told(&mut one, 610, &ALL[..4], 2);
    assert_eq!(next.ballot.voters, failed.ballot.voters);
    one.election.handle_saved(at(611), next.number, SaveOutcome::Done);
    assert_eq!(one.election.rules().voters().len(), 5);
}

#[test]
fn a_hand_over_ends_an_attempt_to_be_elected_anew() {
    for resigns in [false, true] {
        let mut one = One::leading(ALL, &["b", "c"]);
        let term = one.election.lease(at(620)).unwrap().term;

        // Two voters are in a higher term, and follow no more.
        for ms in (700..1_600).step_by(100) {
            one.turn(ms);
            for (to, message) in std::mem::take(&mut one.sent) {
                let who = if to == id("d") { "d" } else { "e" };
                match message {
                    Message::Heartbeat { round, .. } => {
                        let (asked, wait) = (Question::Heartbeat, Duration::ZERO);
                        one.hear(ms, who, Message::Refused { asked, term: Term(term.0 + 5), round, wait });
                    }
                    _ => one.sent.push((to, message)),
                }
            }

            // No voter has answered its new candidacy yet.
            one.are_slow = |_| true;
            one.drain(ms);
            if !one.saves.is_empty() {
                break;
            }
        }

        let save = one.saves.pop().expect("it stands in a higher term");
        let now = 1_650;
        if resigns {
            assert!(one.election.resign(at(now), Some(id("b"))));
        }

        one.election.handle_saved(at(now), save.number, SaveOutcome::Done);
        one.drain(now);
        let leads_in = one.election.leadership().map(|(term, _)| term);
        assert_eq!(leads_in == Some(save.ballot.term), !resigns, "it has given up: {leads_in:?}");
    }
}

#[test]
fn a_voter_that_may_have_forgotten_waits_before_it_follows_a_lower_term() {
    let mut one = One::new(&ALL[..3], None, false);
    // (when, whether it says yes to a leader of a term that it may have voted beyond)
    for (ms, follows) in [(100, false), (500, false), (600, true)] {
        one.hear(ms, "b", heartbeat(Term(CLOCK_MS - 100), ms as u32));
        one.drain(ms);
        let said = one.sent_to("b");
        assert_eq!(
            said.iter().any(|message| matches!(message, Message::Granted { .. })),
            follows,
            "at {ms} ms: {said:?}"
        );
    }
}

#[test]
fn a_resignation_is_repeated_until_it_is_confirmed() {
    let mut one = One::leading(&ALL[..3], &["b", "c"]);
    let term = one.election.lease(at(620)).unwrap().term;
    one.election.set_candidacy(at(620), None);
    one.drain(620);
    let told = |one: &mut One, who: &str| {
        let sent = one.sent.clone();
        sent.iter().filter(|(to, message)| *to == id(who) && matches!(message, Message::Resign { .. })).count()
    };
    assert_eq!((told(&mut one, "b"), told(&mut one, "c")), (1, 1));
    one.hear(621, "b", Message::Granted { asked: Question::Resigned, term, round: Round(0) });
    (622..900).for_each(|ms| one.turn(ms));
    assert_eq!(told(&mut one, "b"), 1, "it has heard it");
    assert!(told(&mut one, "c") > 1);
}
