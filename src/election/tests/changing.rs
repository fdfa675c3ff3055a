//! Changes of voters, among voters in memory.

use super::super::*;
use super::net::Net;
use crate::leader::Trigger;
use crate::time::Instant;

fn changed(net: &mut Net, asker: usize, list: &[usize], is_forced: bool) {
    let names = net.names(list);
    net.call(asker, |election, now| election.ask_change(now, &names, is_forced).unwrap());
}

fn outcome(net: &mut Net, node: usize) -> Option<Result<(), ChangeError>> {
    net.nodes[node].as_mut().unwrap().change_outcome()
}

/// The voters, as a node knows them: the nodes of the list that is agreed, and of the one that is to follow.
fn electorate(net: &Net, node: usize) -> (Vec<usize>, Option<Vec<usize>>) {
    let voters = net.nodes[node].as_ref().unwrap().rules().electorate();
    let all = net.rules();
    let places = |names: Vec<&std::sync::Arc<str>>| -> Vec<usize> {
        (0..all.voters().len()).filter(|place| names.contains(&&all.voters()[*place].1)).collect()
    };
    (places(voters.present().collect()), voters.next().map(|next| places(next.collect())))
}

#[test]
fn any_list_follows_any_other_and_nobody_loses_leadership_but_who_has_no_seat() {
    // The voters before, the voters after, and the node that asks.
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
        // A node without a vote hears of the leader from its record.
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
        // And these alone are a quorum from then on, after restarts of all, too.
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
    // The voter that was away learns it.
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
