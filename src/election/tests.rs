//! A few voters in memory with a message delay, a disk that takes a while, and links that can be cut.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::config::ElectionConfig;
use crate::leader::{Term, Trigger};
use crate::member::NodeId;
use crate::random::{Purpose, Random};
use crate::time::Instant;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const DELAY: Duration = Duration::from_micros(500);
const DISK: Duration = Duration::from_millis(3);

fn at(ms: u64) -> Instant {
    Instant::ORIGIN + Duration::from_millis(ms)
}

enum What {
    Letter(usize, usize, Council, Letter),
    Saved(usize, Save),
}

struct Net {
    now: Instant,
    /// The nodes in the list that each is configured with.
    lists: Vec<Vec<usize>>,
    nodes: Vec<Option<Election>>,
    disks: Vec<Option<Ballot>>,
    queue: Vec<(Instant, u64, What)>,
    count: u64,
    cut: BTreeSet<(usize, usize)>,
    /// Nobody hears this one ask for votes.
    unheard: Option<usize>,
    /// Disks take a time drawn from here, up to the duration, where there is one.
    stalls: Option<(Random, Duration)>,
    /// When, who, what.
    changes: Vec<(Instant, usize, Change)>,
}

impl Net {
    fn new(voters: usize) -> Self {
        Net::with(vec![(0..voters).collect(); voters])
    }

    /// Nodes with a list each.
    fn with(lists: Vec<Vec<usize>>) -> Self {
        let voters = lists.len();
        let mut net = Net {
            now: Instant::ORIGIN,
            lists,
            nodes: vec![None; voters],
            disks: vec![None; voters],
            queue: Vec::new(),
            count: 0,
            cut: BTreeSet::new(),
            unheard: None,
            stalls: None,
            changes: Vec::new(),
        };
        (0..voters).for_each(|node| net.start(node));
        net
    }

    fn rules(&self) -> Rules {
        Rules::new(&ElectionConfig::lan("default", NAMES[..self.nodes.len()].iter().copied()).stands_always())
    }

    fn names(&self, nodes: &[usize]) -> Vec<std::sync::Arc<str>> {
        let all = self.rules();
        nodes.iter().map(|node| all.voters()[*node].1.clone()).collect()
    }

    /// The node at a place in the order of ids, which is the order of ranks.
    fn id(&self, node: usize) -> NodeId {
        self.rules().voters()[node].0
    }

    fn start(&mut self, node: usize) {
        let list = self.names(&self.lists[node]);
        let config = ElectionConfig::lan("default", list.iter().map(|name| &**name)).stands_always();
        let mut election = Election::new(Rules::new(&config), self.id(node), node as u64, self.now);
        let ballot = self.disks[node].clone();
        let unix_ms = 1_000_000 + self.now.as_nanos() / 1_000_000;
        election.stand(self.now, Standing { ballot, is_durable: true, unix_ms });
        for other in 0..self.nodes.len() {
            election.hint(self.now, self.id(other), Liveness::Alive);
            election.hint_candidacy(self.now, self.id(other), Some(0));
        }
        self.nodes[node] = Some(election);
        self.drain(node);
    }

    fn crash(&mut self, node: usize) {
        self.nodes[node] = None;
        self.queue.retain(|(_, _, what)| !matches!(what, What::Saved(at, _) if *at == node));
    }

    fn call(&mut self, node: usize, call: impl FnOnce(&mut Election, Instant)) {
        let now = self.now;
        if let Some(election) = &mut self.nodes[node] {
            call(election, now);
        }
        self.drain(node);
    }

    fn drain(&mut self, node: usize) {
        let Some(mut election) = self.nodes[node].take() else { return };
        while let Some((to, letter)) = election.poll_letter() {
            let to = self.rules().place_of(to).unwrap();
            let is_unheard = self.unheard == Some(node) && matches!(letter, Letter::Vote { .. });
            if !self.cut.contains(&(node, to)) && !is_unheard {
                self.push(DELAY, What::Letter(node, to, election.rules().council(), letter));
            }
        }
        while let Some(save) = election.poll_save() {
            let disk = self.stalls.as_mut().map_or(DISK, |(random, most)| random.fraction_of(*most));
            self.push(disk, What::Saved(node, save));
        }
        while let Some(change) = election.poll_change() {
            let is_of_voters = matches!(change, Change::Voters { .. });
            self.changes.push((self.now, node, change));
            if is_of_voters {
                for other in 0..self.nodes.len() {
                    election.hint(self.now, self.id(other), Liveness::Alive);
                    election.hint_candidacy(self.now, self.id(other), Some(0));
                }
            }
        }
        self.nodes[node] = Some(election);
    }

    fn push(&mut self, after: Duration, what: What) {
        self.count += 1;
        self.queue.push((self.now + after, self.count, what));
    }

    fn cut(&mut self, one: usize, other: usize) {
        self.cut.extend([(one, other), (other, one)]);
    }

    fn run_until(&mut self, end: Instant) {
        loop {
            let wake = |(node, election): (usize, &Option<Election>)| Some((election.as_ref()?.poll_timeout()?, node));
            let wake = self.nodes.iter().enumerate().filter_map(wake).min();
            let next = self.queue.iter().enumerate().min_by_key(|(_, (at, count, _))| (*at, *count));
            let next = next.map(|(place, (at, ..))| (*at, place));
            match (next, wake) {
                (Some((due, place)), wake) if due <= end && wake.is_none_or(|(other, _)| due <= other) => {
                    let (due, _, what) = self.queue.remove(place);
                    self.now = self.now.max(due);
                    match what {
                        What::Letter(from, to, council, letter) => {
                            let from = self.id(from);
                            self.call(to, |election, now| {
                                let _ = election.handle_letter(now, (from, council), letter);
                            });
                        }
                        What::Saved(node, save) => {
                            self.disks[node] = Some(save.ballot);
                            self.call(node, |election, now| {
                                election.handle_saved(now, save.number, SaveOutcome::Done);
                            });
                        }
                    }
                }
                (_, Some((due, node))) if due <= end => {
                    self.now = self.now.max(due);
                    self.call(node, |election, now| election.handle_timeout(now));
                }
                _ => break,
            }
            self.check();
        }
        self.now = end;
    }

    fn run(&mut self, ms: u64) {
        self.run_until(self.now + Duration::from_millis(ms));
    }

    fn check(&self) {
        assert!(self.leaders().len() <= 1, "two leaders at {}: {:?}", self.now, self.leaders());
    }

    fn leaders(&self) -> Vec<(usize, Term)> {
        let held =
            |(node, election): (usize, &Option<Election>)| Some((node, election.as_ref()?.lease(self.now)?.term));
        self.nodes.iter().enumerate().filter_map(held).collect()
    }

    fn leader(&self) -> (usize, Term) {
        assert_eq!(self.leaders().len(), 1, "{:?}", self.leaders());
        self.leaders()[0]
    }

    /// How long nobody could act, within the last so many milliseconds.
    fn led(&self, node: usize) -> Option<Trigger> {
        self.nodes[node].as_ref()?.office().map(|(_, trigger)| trigger)
    }
}

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
    let council = rules.council();
    let mut voter = Election::new(rules, me, 1, at(0));
    voter.stand(at(0), Standing { ballot: None, is_durable: true, unix_ms: 1_000 });
    let now = at(600);
    let vote = Letter::Vote { term: Term(1_001), round: Round(1), hand_over: None };
    voter.handle_letter(now, (first, council), vote).unwrap();
    let save = voter.poll_save().unwrap();
    voter.handle_letter(now, (first, council), Letter::Resign { term: Term(1_001) }).unwrap();
    voter.handle_saved(now, save.number, SaveOutcome::Done);
    let confirmed = Letter::Granted { asked: Question::Resigned, term: Term(1_001), round: Round(0) };
    assert_eq!((voter.poll_letter(), voter.poll_letter()), (Some((first, confirmed)), None), "nobody wants that vote");
    voter.handle_letter(now, (second, council), Letter::PreVote { term: Term(1_002), round: Round(1) }).unwrap();
    let answer = voter.poll_letter();
    assert!(matches!(answer, Some((to, Letter::Granted { .. })) if to == second), "{answer:?}");
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
    // The third votes for nobody and follows the leader on; the successor is elected by the leader's own vote, and the
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

    /// How often somebody began to lead since then.
    fn reigns(&self, since: Instant) -> Vec<usize> {
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
    // With nobody to take it, it is given up, and whoever stands first has it.
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
    // Nobody else stands: the office is given up at once, and its holder may have it again a lease later.
    net.stands(0, None);
    let (mut asked, since) = (net.id(0), net.now);
    net.call(2, |election, now| assert!(election.resign(now, Some(asked))));
    net.run(10);
    assert_eq!(net.leaders(), []);
    net.run(1_500);
    assert_eq!(net.reigns(since), [2]);
    // A withdrawal in the midst of the attempt is said, too.
    net.stands(0, Some(0));
    asked = net.id(0);
    let since = net.now;
    net.call(2, |election, now| assert!(election.resign(now, Some(asked))));
    net.run(2);
    net.stands(0, None);
    net.run(1_500);
    assert_eq!(net.reigns(since), [2]);
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
    assert_eq!(net.reigns(since), Vec::<usize>::new(), "not before two leases");
    net.run(300);
    assert_eq!((net.reigns(since), net.led(2)), (vec![2], Some(Trigger::HandedOver)));
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
    let reigns = net.reigns(since);
    // After 2, 4, 8, 16 and 32 leases, each time with the lease that the leader waited for it.
    assert!((4..=6).contains(&reigns.len()) && !reigns.contains(&4), "{reigns:?}");
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

fn changed(net: &mut Net, asker: usize, list: &[usize], is_forced: bool) {
    let names = net.names(list);
    net.call(asker, |election, now| election.ask_change(now, &names, is_forced).unwrap());
}

fn outcome(net: &mut Net, node: usize) -> Option<Result<(), ChangeError>> {
    net.nodes[node].as_mut().unwrap().change_outcome()
}

/// Who votes, as a node knows: the nodes of the list that is agreed, and of the one that is to follow.
fn electorate(net: &Net, node: usize) -> (Vec<usize>, Option<Vec<usize>>) {
    let voters = net.nodes[node].as_ref().unwrap().rules().electorate();
    let all = net.rules();
    let places = |names: Vec<&std::sync::Arc<str>>| -> Vec<usize> {
        (0..all.voters().len()).filter(|place| names.contains(&&all.voters()[*place].1)).collect()
    };
    (places(voters.present().collect()), voters.next().map(|next| places(next.collect())))
}

#[test]
fn any_list_follows_any_other_and_nobody_loses_the_office_but_who_has_no_seat() {
    // Who votes first, who then, and who asks.
    let rows: [(&[usize], &[usize], usize); 9] = [
        (&[0, 1, 2], &[0, 1, 2, 3, 4], 0),
        (&[0, 1, 2], &[0, 1, 2, 3, 4], 1),
        (&[0, 1, 2], &[0, 1, 2, 3, 4], 4),
        (&[0, 1, 2, 3, 4], &[0, 1, 2], 2),
        (&[0, 1, 2], &[0], 0),
        (&[0], &[0, 1, 2], 0),
        (&[0, 1, 2], &[1, 2, 3], 0),
        (&[0, 1], &[2, 3, 4], 0),
        (&[0, 1, 2], &[0, 1, 2], 1),
    ];
    for (before, after, asker) in rows {
        let what = format!("{before:?} to {after:?}, {asker} asks");
        let mut net = Net::with(vec![before.to_vec(); 5]);
        net.run(1_000);
        let (leader, term) = net.leader();
        // Who has no vote hears of the leader from its record.
        let id = net.id(leader);
        net.call(4, |election, now| election.hear_say(now, id, term, Trigger::NoLeader));
        changed(&mut net, asker, after, false);
        net.run(400);
        assert_eq!(outcome(&mut net, asker), Some(Ok(())), "{what}");
        for node in before.iter().chain(after) {
            assert_eq!(electorate(&net, *node), (after.to_vec(), None), "{what}: as {node} knows");
        }
        let (now_leads, _) = net.leader();
        assert!(after.contains(&now_leads) && (now_leads == leader || !after.contains(&leader)), "{what}: {now_leads}");
        // And these alone are a quorum from then on, after restarts of everybody, too.
        let gone: Vec<usize> = (0..5).filter(|node| !after.contains(node)).collect();
        gone.iter().for_each(|node| net.crash(*node));
        after.iter().for_each(|node| net.crash(*node));
        net.run(100);
        after.iter().for_each(|node| net.start(*node));
        net.run(2_000);
        assert!(after.contains(&net.leader().0), "{what}");
    }
}

#[test]
fn a_change_is_refused_and_says_why() {
    let mut net = Net::with(vec![vec![0, 1, 2]; 5]);
    let names = net.names(&[0, 1, 2, 3, 4]);
    let refused = net.nodes[0].as_mut().unwrap().ask_change(Instant::ORIGIN, &names, false);
    assert_eq!(refused, Err(ChangeError::NoLeader));
    net.run(1_000);
    // Of the new voters one answers: three of five do not.
    net.crash(3);
    net.crash(4);
    net.crash(2);
    changed(&mut net, 0, &[0, 1, 2, 3, 4], false);
    let names = net.names(&[0, 1]);
    let refused = net.nodes[0].as_mut().unwrap().ask_change(net.now, &names, false);
    assert_eq!(refused, Err(ChangeError::Asking));
    net.run(1_000);
    changed(&mut net, 1, &[0, 1], false);
    net.run(100);
    assert_eq!(outcome(&mut net, 1), Some(Err(ChangeError::Busy)));
    net.run(2_000);
    assert_eq!(outcome(&mut net, 0), Some(Err(ChangeError::TooFewLive)));
    assert_eq!(electorate(&net, 0), (vec![0, 1, 2], None));
    // Forced, it waits for them.
    changed(&mut net, 0, &[0, 1, 2, 3, 4], true);
    net.run(5_000);
    assert_eq!(outcome(&mut net, 0), None);
    assert_eq!(electorate(&net, 0).0, [0, 1, 2]);
    net.start(4);
    net.run(1_500);
    assert_eq!(outcome(&mut net, 0), Some(Ok(())));
    // Who was away learns it.
    net.start(2);
    net.start(3);
    net.run(1_000);
    for node in 0..5 {
        assert_eq!(electorate(&net, node).0, [0, 1, 2, 3, 4], "as {node} knows");
    }
}

#[test]
fn lists_that_were_never_agreed_elect_nobody() {
    // Three vote, and one of them is started again with a list of five, beside two that are new.
    for is_cut in [false, true] {
        let mut net = Net::with(vec![vec![0, 1, 2], vec![0, 1, 2], vec![0, 1, 2], vec![0, 1, 2], vec![0, 1, 2]]);
        net.crash(3);
        net.crash(4);
        net.disks[3] = None;
        net.disks[4] = None;
        net.run(1_000);
        let held = net.leader().0;
        net.crash(0);
        net.lists = vec![(0..5).collect(), vec![0, 1, 2], vec![0, 1, 2], (0..5).collect(), (0..5).collect()];
        if is_cut {
            [(0, 1), (0, 2), (3, 1), (3, 2), (4, 1), (4, 2)].into_iter().for_each(|(one, other)| net.cut(one, other));
        }
        net.start(0);
        net.start(3);
        net.start(4);
        net.run(10_000);
        let leader = net.leader().0;
        assert!([0, 1, 2].contains(&leader) && (!is_cut || [1, 2].contains(&leader)), "{leader}, {held} before");
        for node in 0..5 {
            let expected = if is_cut && node > 2 { vec![0, 1, 2, 3, 4] } else { vec![0, 1, 2] };
            let known = electorate(&net, node).0;
            assert!(known == expected || known == [0, 1, 2], "as {node} knows: {known:?}");
        }
    }
}
