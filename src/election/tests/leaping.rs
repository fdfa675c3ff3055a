//! Terms that lie further ahead than clocks explain.

use std::time::Duration;

use super::super::*;
use super::net::{Net, at};
use crate::leader::{Term, Trigger};
use crate::rejected::Rejected;

const DAY_MS: u64 = 86_400_000;

#[test]
fn a_message_in_a_term_that_leaps_changes_nothing_by_itself() {
    let mut net = Net::new(3);
    net.run_until(at(2_000));
    let before = net.leader();
    let (leader, far) = (net.id(0), Term(before.1.0 + 1_000_000));
    let context = net.rules().context();
    let (trigger, turn) = (Trigger::NoLeader, Duration::from_millis(31));
    let voters = net.rules().electorate().at(crate::voters::Version { term: far, number: 9 });
    let messages = [
        Message::Heartbeat { term: far, round: Round(1), trigger, turn },
        Message::PreVote { term: far, round: Round(1) },
        Message::Vote { term: far, round: Round(1), hand_over: None },
        Message::LeaderCheck { term: far, round: Round(1) },
        Message::HandOver { term: far },
        Message::AskHandOver { term: far, priority: None },
        Message::Voters { term: far, voters: voters.into() },
        Message::Resign { term: far },
        Message::Holds { term: far, is_durable: true },
        // Answers to questions that were not asked.
        Message::Granted { asked: Question::PreVote, term: far, round: Round(1) },
        Message::Refused { asked: Question::LeaderCheck, term: far, round: Round(1), wait: Duration::ZERO },
        Message::Refused { asked: Question::Heartbeat, term: far, round: Round(1), wait: Duration::ZERO },
    ];
    // Each in the name of each voter that it can come from, to each other.
    for message in messages {
        for (from, to) in [(2, 0), (1, 0), (0, 1), (2, 1), (0, 2), (1, 2)] {
            let from = net.id(from);
            net.call(to, |election, now| {
                let _ = election.handle_message(now, (from, context), message.clone());
            });
            net.run(100);
            assert_eq!(net.leader(), before, "{message:?}");
        }
    }
    for node in 0..3 {
        net.call(node, |election, now| election.hear_say(now, leader, far, Trigger::NoLeader));
        let election = net.nodes[node].as_ref().unwrap();
        assert_eq!(election.term(), Some(before.1));
        assert_eq!(election.leader().map(|(id, term, _)| (id, term)), Some((leader, before.1)), "it is not even shown");
    }
    assert_eq!(net.changes.iter().filter(|(when, ..)| *when > at(2_000)).count(), 0);
}

#[test]
fn a_voter_whose_terms_are_far_ahead_is_asked_and_then_believed() {
    for is_leader in [false, true] {
        let mut net = Net::new(3);
        net.run_until(at(2_000));
        let (leader, term) = net.leader();
        // A voter that comes back has been in a term that no clock explains.
        let back = if is_leader { leader } else { 2 };
        net.crash(back);
        net.disks[back].as_mut().unwrap().term = Term(term.0 + DAY_MS);
        net.run(2_000);
        net.start(back);
        net.run(3_000);
        let (_, later) = net.leader();
        assert!(later.0 > term.0 + DAY_MS, "all three take part: {later}");
        let known: Vec<_> = net.nodes.iter().flatten().map(|node| node.leader().map(|(_, term, _)| term)).collect();
        assert_eq!(known, [Some(later); 3]);
        net.crash(net.leader().0);
        net.run(600);
        assert_eq!(net.leaders().len(), 1, "and a fail-over takes no longer than any");
    }
}

#[test]
fn voters_that_are_to_come_believe_terms_that_are_far_ahead_too() {
    // They are configured with the list that is in force.
    let mut net = Net::with(vec![vec![0]; 3]);
    net.run_until(at(2_000));
    let (_, term) = net.leader();
    net.crash(0);
    net.disks[0].as_mut().unwrap().term = Term(term.0 + DAY_MS);
    net.start(0);
    net.run(2_000);
    assert!(net.leader().1.0 > term.0 + DAY_MS);
    let names = net.names(&[0, 1, 2]);
    net.call(0, |election, now| election.ask_change(now, &names, false).unwrap());
    net.run(3_000);
    assert_eq!(net.nodes[0].as_mut().unwrap().change_outcome(), Some(Ok(())));
    let voters = |node: &Option<Election>| node.as_ref().unwrap().rules().voters().len();
    assert_eq!(net.nodes.iter().map(voters).collect::<Vec<_>>(), [3; 3]);
}

#[test]
fn a_term_that_a_candidate_has_only_heard_of_is_believed_too() {
    let mut net = Net::new(3);
    net.run_until(at(2_000));
    let (_, term) = net.leader();
    net.call(1, |election, now| election.set_candidacy(now, None));
    // It comes back from a term far ahead for long enough to refuse a heartbeat.
    net.crash(2);
    net.disks[2].as_mut().unwrap().term = Term(term.0 + DAY_MS);
    net.start(2);
    net.run(250);
    net.crash(2);
    net.cut(0, 1);
    net.run(1_500);
    assert!(net.leaders().is_empty());
    net.cut.clear();
    net.run(3_000);
    let (leader, later) = net.leader();
    assert!(leader == 0 && later.0 > term.0 + DAY_MS, "it stands above all that it has heard of: {later}");
}

#[test]
fn only_the_member_that_is_asked_can_answer() {
    let rules = Net::new(3).rules();
    let [me, other, third] = [0, 1, 2].map(|place| rules.voters()[place].0);
    let context = rules.context();
    let mut voter = Election::new(rules.clone(), me, 1, at(0));
    voter.start_voting(at(0), VoterState { ballot: None, is_durable: true, unix_ms: 1_000_000 });
    let far = Term(1_000_000 + DAY_MS);
    let (trigger, turn) = (Trigger::NoLeader, Duration::from_millis(31));
    let beat = |round| Message::Heartbeat { term: far, round: Round(round), trigger, turn };
    let now = at(700);
    voter.handle_message(now, (other, context), beat(1)).unwrap();
    let Some((to, Message::LeaderCheck { term, round })) = voter.poll_message() else { panic!("it asks") };
    assert_eq!((to, term), (other, Term(1)), "in a term in which it is refused");
    voter.handle_message(now, (other, context), beat(2)).unwrap();
    assert_eq!(voter.poll_message(), None, "it asks once in the time of a heartbeat");
    let now = now + rules.heartbeat();
    voter.handle_message(now, (other, context), beat(2)).unwrap();
    assert_eq!(
        voter.poll_message(),
        Some((other, Message::LeaderCheck { term, round })),
        "and goes on with one number"
    );
    let answer = |round| Message::Refused { asked: Question::LeaderCheck, term: far, round, wait: Duration::ZERO };
    // (the node that answers, to which number)
    for (from, round) in [(third, round), (other, Round(round.0 ^ 1))] {
        assert_eq!(voter.handle_message(now, (from, context), answer(round)), Err(Rejected::Stale));
        voter.handle_message(now, (other, context), beat(3)).unwrap();
        assert_eq!(voter.term(), Some(Term(1_000_000)));
    }
    let low = Message::Refused { asked: Question::LeaderCheck, term: Term(1_000_000), round, wait: Duration::ZERO };
    let mut deceived = voter.clone();
    deceived.handle_message(now, (other, context), low).unwrap();
    deceived.handle_message(now, (other, context), beat(4)).unwrap();
    assert_eq!(
        (deceived.term(), deceived.poll_message()),
        (Some(Term(1_000_000)), None),
        "nor is one asked more who says no"
    );
    voter.handle_message(now, (other, context), answer(round)).unwrap();
    voter.handle_message(now, (other, context), beat(4)).unwrap();
    assert_eq!(voter.term(), Some(far));
    let granted = Message::Granted { asked: Question::Heartbeat, term: far, round: Round(4) };
    assert_eq!(voter.poll_message(), Some((other, granted)));
}
