//! What voters in memory come to: which is elected when, and how leadership ends.

mod changing;
mod leaping;
mod net;

use std::time::Duration;

use super::*;
use crate::leader::{Term, Trigger};
use crate::random::{Purpose, Random};
use crate::time::Instant;
use net::{DELAY, Net, at};

#[test]
fn the_first_in_rank_is_elected_as_soon_as_all_may_vote() {
    for voters in 1..=5 {
        let mut net = Net::new(voters);
        net.run_until(at(509));
        assert!(net.leaders().is_empty());
        net.run_until(at(530));
        let (leader, term) = net.leader();
        assert_eq!((leader, net.led(0)), (0, Some(Trigger::NoLeader)), "{voters} voters");
        net.run(10);
        for election in net.nodes.iter().flatten() {
            let (id, known, _) = election.leader().unwrap();
            assert_eq!((id, known), (net.id(0), term));
        }
        net.run(20_000);
        assert_eq!(net.leader(), (leader, term), "nothing happens by itself");
    }
}

#[test]
fn disks_slower_than_a_turn_delay_an_election_by_little_more_than_themselves() {
    for seed in 0..500 {
        let mut net = Net::new(5);
        net.run_until(at(2_000));
        let (leader, _) = net.leader();
        // So that candidates ask again while votes for them are being saved, and give up before they are.
        net.stalls = Some((Random::fork(seed, Purpose::Election), Duration::from_millis(80)));
        net.crash(leader);
        net.run(600);
        assert_eq!(net.leaders().len(), 1, "seed {seed}");
    }
}

#[test]
fn a_vote_that_is_saved_after_its_candidate_gave_up_binds_nobody() {
    let rules = Net::new(3).rules();
    let [me, first, second] = [0, 1, 2].map(|place| rules.voters()[place].0);
    let context = rules.context();
    let mut voter = Election::new(rules, me, 1, at(0));
    voter.start_voting(at(0), VoterState { ballot: None, is_durable: true, unix_ms: 1_000 });
    let now = at(600);
    let vote = Message::Vote { term: Term(1_001), round: Round(1), hand_over: None };
    voter.handle_message(now, (first, context), vote).unwrap();
    let save = voter.poll_save().unwrap();
    voter.handle_message(now, (first, context), Message::Resign { term: Term(1_001) }).unwrap();
    voter.handle_saved(now, save.number, SaveOutcome::Done);
    let confirmed = Message::Granted { asked: Question::Resigned, term: Term(1_001), round: Round(0) };
    assert_eq!(
        (voter.poll_message(), voter.poll_message()),
        (Some((first, confirmed)), None),
        "nobody wants that vote"
    );
    voter.handle_message(now, (second, context), Message::PreVote { term: Term(1_002), round: Round(1) }).unwrap();
    let answer = voter.poll_message();
    assert!(matches!(answer, Some((to, Message::Granted { .. })) if to == second), "{answer:?}");
}

#[test]
fn when_the_leader_dies_the_next_leads_a_lease_later() {
    let mut net = Net::new(5);
    net.run_until(at(2_000));
    let (leader, term) = net.leader();
    net.crash(leader);
    net.run(520);
    let (next, later) = net.leader();
    assert!(next == 1 && later > term);
    assert_eq!(net.led(next), Some(Trigger::LeaseRanOut));
    net.start(leader);
    net.run(5_000);
    assert_eq!(net.leader(), (next, later), "who comes back follows");
    net.crash(next);
    net.crash(2);
    net.run(600);
    let (third, _) = net.leader();
    net.crash(third);
    net.run(20_000);
    assert!(net.leaders().is_empty(), "two of five are no quorum");
    net.start(third);
    net.run(700);
    assert_eq!(net.leaders().len(), 1);
}

#[test]
fn a_leader_in_a_minority_stops_before_another_begins() {
    let mut net = Net::new(5);
    net.run_until(at(2_000));
    let (leader, term) = net.leader();
    (2..5).for_each(|other| {
        net.cut(0, other);
        net.cut(1, other);
    });
    net.run(650);
    let (next, later) = net.leader();
    assert!(next >= 2 && later > term && leader == 0);
    let mut told = net.changes.iter().filter(|(when, ..)| *when > at(2_000));
    assert!(told.any(|(_, node, change)| *node == 0 && matches!(change, Change::Lost { id, .. } if *id == net.id(0))));
    net.cut.clear();
    net.run(2_000);
    assert_eq!(net.leader(), (next, later), "who was cut off follows, and disturbs nobody");
}

#[test]
fn handing_over_takes_no_more_than_a_message() {
    let mut net = Net::new(3);
    net.run_until(at(2_000));
    let to = net.id(2);
    net.call(0, |election, now| assert!(election.resign(now, Some(to))));
    let mut idle = Duration::ZERO;
    for _ in 0..400 {
        net.run_until(net.now + Duration::from_micros(50));
        if net.leaders().is_empty() {
            idle += Duration::from_micros(50);
        }
    }
    assert_eq!(net.leader().0, 2);
    assert_eq!(net.led(2), Some(Trigger::HandedOver));
    assert!(idle <= DELAY + Duration::from_micros(100), "{idle:?} without a leader");
    net.run(3_000);
    assert_eq!(net.leader().0, 2);
    net.call(2, |election, now| election.leave(now));
    net.run(20);
    assert_ne!(net.leader().0, 2);
    assert!(net.nodes[2].as_ref().unwrap().may_go());
}

#[test]
fn a_voter_that_hears_nothing_changes_nothing() {
    let mut net = Net::new(3);
    net.run_until(at(2_000));
    let before = net.leader();
    net.cut.extend([(0, 2), (1, 2)]);
    net.run(20_000);
    net.cut.clear();
    net.run(2_000);
    assert_eq!(net.leader(), before);
    let count = net.changes.iter().filter(|(_, _, change)| matches!(change, Change::Led { .. })).count();
    assert_eq!(count, 3 + 1, "each of three heard of one leader, and the deaf one of it again");
}

#[test]
fn one_voter_connected_to_a_quorum_is_enough() {
    // Only the last can reach the others; the leader is at the edge.
    let mut net = Net::new(5);
    net.run_until(at(2_000));
    for one in 0..4 {
        for other in 0..4 {
            if one != other {
                net.cut(one, other);
            }
        }
    }
    net.run(2_000);
    assert_eq!(net.leader().0, 4);
}

#[test]
fn asking_a_second_successor_gives_the_leader_no_more_time() {
    let mut net = Net::new(3);
    net.run_until(at(2_000));
    assert_eq!(net.leader().0, 0);
    let successor = net.id(1);
    // The third gives no vote and follows the leader on; the successor is elected by the leader's own vote, and the
    // leader does not hear of that.
    net.cut(1, 2);
    net.call(0, |election, now| assert!(election.resign(now, Some(successor))));
    net.run(5);
    net.cut.insert((1, 0));
    net.run(400);
    assert_eq!(net.leader().0, 0);
    net.cut.retain(|link| *link == (1, 0));
    net.run(80);
    net.call(0, |election, now| {
        election.resign(now, Some(successor));
    });
    // Each moment is checked: no two may act.
    net.run(2_000);
    assert_eq!(net.leader().0, 1);
}

#[test]
fn a_resign_that_is_lost_is_said_again() {
    let mut net = Net::new(3);
    net.run_until(at(2_000));
    let to = net.id(1);
    net.call(0, |election, now| assert!(election.resign(now, Some(to))));
    net.run(5);
    // The successor is elected by the third, and does not hear that the leader before it has stopped.
    net.cut.insert((0, 1));
    net.run(10);
    assert!(net.leaders().is_empty());
    net.cut.clear();
    net.run(40);
    assert_eq!((net.leader().0, net.led(1)), (1, Some(Trigger::HandedOver)));
}

#[test]
fn another_successor_is_asked_within_the_lease() {
    let mut net = Net::new(3);
    net.run_until(at(2_000));
    net.crash(1);
    net.call(0, |election, now| assert!(election.resign(now, None)));
    net.run(300);
    assert_eq!((net.leader().0, net.led(2)), (2, Some(Trigger::HandedOver)));
}

#[test]
fn a_voter_that_forgot_everything_follows_the_leader_that_there_is() {
    let mut net = Net::new(3);
    net.run_until(at(2_000));
    let before = net.leader();
    for _ in 0..3 {
        net.crash(2);
        net.disks[2] = None;
        net.start(2);
        net.run(3_000);
        let known = net.nodes[2].as_ref().and_then(Election::leader).map(|(id, term, _)| (id, term));
        assert_eq!((net.leader(), known), (before, Some((net.id(0), before.1))));
    }
    // Its term is its clock's all the same: the next leader's is above it.
    net.crash(0);
    net.run(700);
    assert!(net.leader().1.0 > 1_000_000 + 5_000);
}

impl Net {
    /// A voter says that it stands with this priority, or does not; the others have its record at once.
    fn stands(&mut self, node: usize, candidacy: Option<u8>) {
        let id = self.id(node);
        self.call(node, |election, now| election.set_candidacy(now, candidacy));
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.call(other, |election, now| election.hint_candidacy(now, id, candidacy));
        }
    }

    /// The nodes that began to lead since then, once for each time.
    fn terms_led(&self, since: Instant) -> Vec<usize> {
        let led = |(at, node, change): &(Instant, usize, Change)| match change {
            Change::Led { id, .. } if *at >= since && *id == self.id(*node) => Some(*node),
            _ => None,
        };
        self.changes.iter().filter_map(led).collect()
    }
}

#[test]
fn who_stands_no_more_hands_over_to_one_that_does() {
    let mut net = Net::new(3);
    net.run(2_000);
    assert_eq!(net.leader().0, 0);
    net.stands(1, None);
    net.stands(0, None);
    net.run(50);
    assert_eq!((net.leader().0, net.led(2)), (2, Some(Trigger::HandedOver)));
    // As no candidate can take it, it is given up, and the first that stands has it.
    net.stands(2, None);
    net.run(5_000);
    assert_eq!(net.leaders(), []);
    net.stands(1, Some(0));
    net.run(50);
    assert_eq!((net.leader().0, net.led(1)), (1, Some(Trigger::Resigned)));
    net.check();
}

#[test]
fn a_successor_that_does_not_stand_says_so_and_the_next_is_asked() {
    let mut net = Net::new(3);
    net.run(2_000);
    // The leader has not heard that the first of the others stands no more.
    net.call(1, |election, now| election.set_candidacy(now, None));
    net.call(2, |election, now| election.set_candidacy(now, None));
    let id = net.id(2);
    net.call(0, |election, now| election.hint_candidacy(now, id, None));
    net.stands(2, Some(0));
    let asked = net.id(1);
    net.call(0, |election, now| assert!(election.resign(now, Some(asked))));
    net.run(50);
    assert_eq!((net.leader().0, net.led(2)), (2, Some(Trigger::HandedOver)));
    // No other stands: leadership is given up at once, and its holder may have it again a lease later.
    net.stands(0, None);
    let (mut asked, since) = (net.id(0), net.now);
    net.call(2, |election, now| assert!(election.resign(now, Some(asked))));
    net.run(10);
    assert_eq!(net.leaders(), []);
    net.run(1_500);
    assert_eq!(net.terms_led(since), [2]);
    // A withdrawal in the midst of the attempt is said, too.
    net.stands(0, Some(0));
    asked = net.id(0);
    let since = net.now;
    net.call(2, |election, now| assert!(election.resign(now, Some(asked))));
    net.run(2);
    net.stands(0, None);
    net.run(1_500);
    assert_eq!(net.terms_led(since), [2]);
    net.check();
}

#[test]
fn a_successor_that_has_just_started_is_waited_for_if_somebody_named_it() {
    let mut net = Net::new(3);
    net.run(2_000);
    for (to, expected) in [(Some(2), 2), (None, 1)] {
        let (leader, _) = net.leader();
        net.crash(2);
        net.start(2);
        net.run(300);
        let named = to.map(|to| net.id(to));
        net.call(leader, |election, now| assert!(election.resign(now, named)));
        net.run(20);
        let is_waited_for = net.nodes[leader].as_ref().is_some_and(Election::is_handing_over);
        assert_eq!(is_waited_for, to.is_some());
        net.run(280);
        assert_eq!((net.leader().0, net.led(expected)), (expected, Some(Trigger::HandedOver)));
        // So that another leads when the next is asked for.
        let first = net.id(0);
        let (leader, _) = net.leader();
        net.call(leader, |election, now| assert!(election.resign(now, Some(first))));
        net.run(1_000);
    }
    net.check();
}

#[test]
fn the_higher_priority_stands_first_and_takes_over_from_a_lower_one() {
    let mut net = Net::new(3);
    net.stands(2, Some(7));
    net.run(2_000);
    assert_eq!(net.leader().0, 2);
    net.crash(2);
    net.run(2_000);
    assert_eq!(net.leader().0, 0);
    net.start(2);
    net.stands(2, Some(7));
    let since = net.now;
    net.run(900);
    assert_eq!(net.terms_led(since), Vec::<usize>::new(), "not before two leases");
    net.run(300);
    assert_eq!((net.terms_led(since), net.led(2)), (vec![2], Some(Trigger::HandedOver)));
    net.check();
}

#[test]
fn a_preferred_candidate_that_cannot_be_elected_asks_ever_less_often() {
    let mut net = Net::new(5);
    net.run(2_000);
    net.unheard = Some(4);
    net.stands(4, Some(9));
    let since = net.now;
    net.run(60_000);
    let terms_led = net.terms_led(since);
    // After 2, 4, 8, 16 and 32 leases, each time with the lease that the leader waited for it.
    assert!((4..=6).contains(&terms_led.len()) && !terms_led.contains(&4), "{terms_led:?}");
    net.check();
}

#[test]
fn a_leader_that_neither_this_voter_nor_the_detector_hears_is_lost() {
    let mut net = Net::new(3);
    net.run(2_000);
    let (leader, id) = (net.leader(), net.id(0));
    net.call(1, |election, now| election.hear_say(now, id, leader.1, Trigger::NoLeader));
    net.crash(0);
    net.crash(2);
    net.run(2_000);
    let known = |net: &Net| net.nodes[1].as_ref().and_then(Election::leader).map(|(id, term, _)| (id, term));
    assert_eq!(known(&net), Some((id, leader.1)), "its record says so, and it may lead those that hear it");
    net.changes.clear();
    net.call(1, |election, now| election.hint(now, id, Liveness::Suspect));
    assert_eq!(known(&net), None);
    assert!(matches!(net.changes[..], [(_, 1, Change::Lost { reason: crate::leader::LossReason::LeaseRanOut, .. })]));
    net.call(1, |election, now| {
        election.hint(now, id, Liveness::Alive);
        election.hear_say(now, id, leader.1, Trigger::NoLeader);
    });
    assert_eq!(known(&net), Some((id, leader.1)));
}
