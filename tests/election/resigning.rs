//! How leadership is given up, and to which voter.

use tidings::leader::{Term, Trigger};
use tidings::runtime::ElectionError;

use crate::shelf::{Shelf, alone};
use crate::support::{block_on, start};
use crate::{NAMES, agree, joined, lease_of, read_leader, split, voter};

#[test]
fn leadership_is_handed_to_whom_one_names() {
    let nodes = joined(NAMES.map(voter));
    let first = agree(&nodes, Term(0));
    let (leader, others) = split(nodes.clone(), &first);
    let successor = others[1].name().to_owned();
    assert_eq!(block_on(leader.resign_to("default", "n9")), Err(ElectionError::NoSuchVoter));
    assert_eq!(block_on(leader.resign_to("default", leader.id())), Err(ElectionError::NoSuchVoter));
    assert_eq!(block_on(leader.resign_to("other", &*successor)), Err(ElectionError::Unknown("other".to_owned())));
    assert_eq!(block_on(others[0].resign("default")), Err(ElectionError::NotLeading));
    let mut events = others[0].events();
    block_on(leader.resign_to("default", &*successor)).unwrap();
    assert!(leader.election("default").unwrap().lease.is_none(), "it leads no more when the answer comes");
    let second = agree(&nodes, first.term);
    let (told, trigger) = read_leader(&mut events, first.term);
    assert_eq!((&*told.name, trigger), (&*successor, Trigger::HandedOver));
    assert!(second.term >= told.term);
}

#[test]
fn a_leader_that_leaves_hands_over() {
    let nodes = joined(NAMES.map(voter));
    let first = agree(&nodes, Term(0));
    let (leaver, others) = split(nodes, &first);
    let mut events = others[0].events();
    block_on(leaver.leave()).unwrap();
    let (told, trigger) = read_leader(&mut events, first.term);
    let waited = matches!(trigger, Trigger::LeaseRanOut | Trigger::Dead);
    assert!(told.id != first.id && !waited, "{trigger:?}");
    assert_eq!(block_on(leaver.lead("default", |_| async {})).unwrap_err().to_string(), {
        let stopped = block_on(leaver.stopped());
        stopped.to_string()
    });
}

#[test]
fn who_stands_always_leads_on_until_it_resigns() {
    let node = start(alone(&Shelf::default()));
    let first = lease_of(&node).term();
    let status = node.election("default").unwrap();
    assert!(status.lease.is_some() && status.supporters == 1 && status.term == first, "{status:?}");
    let lease = lease_of(&node);
    assert_eq!(lease.term(), first, "it led on");
    // The only voter has no other to hand over to, so it gives up and is elected again later.
    block_on(node.resign("default")).unwrap();
    assert!(!lease.is_valid());
    block_on(lease.ended());
    assert_eq!(block_on(lease.resign()), Err(ElectionError::NotLeading), "that term is over, whoever leads now");
    let second = block_on(node.lead("default", |lease| async move {
        lease.resign().await.unwrap();
        Ok::<_, ElectionError>(lease.term())
    }));
    assert!(second.is_ok_and(|second| second > first));
}
