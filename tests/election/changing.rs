//! The change of voters among real nodes.

use tidings::config::ElectionConfig;
use tidings::event::Event;
use tidings::leader::Term;
use tidings::runtime::{Builder, ElectionError, Node};

use crate::shelf::Shelf;
use crate::support::{block_on, node, read_until, start, within};
use crate::{PATIENCE, agree, joined, let_others_run, split, voter};

const FIVE: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];

fn listed(names: &[&str]) -> ElectionConfig {
    ElectionConfig::lan("default", names.iter().copied()).stands_always()
}

/// A node that is configured with a list, and has a store that outlives it.
fn keeps(name: &str, list: &[&str], shelf: &Shelf) -> Builder {
    node(name).election(listed(list)).term_store(shelf.clone())
}

#[track_caller]
fn change(node: &Node, list: &[&str]) -> Result<(), ElectionError> {
    within(PATIENCE, node.change_voters("default", list.iter().copied())).expect("it ends")
}

/// Waits until a node knows these voters alone.
#[track_caller]
fn knows(node: &Node, list: &[&str]) {
    let of = || node.election("default").unwrap();
    let is_known = |names: &[std::sync::Arc<str>]| {
        names.len() == list.len() && list.iter().all(|name| names.iter().any(|known| **known == **name))
    };
    let known = within(PATIENCE, async {
        while of().next_voters.is_some() || !is_known(&of().voters) {
            let_others_run().await;
        }
    });
    assert!(known.is_some(), "{} knows {:?}", node.name(), of());
}

#[test]
fn three_voters_become_five_and_three_again() {
    let shelves = FIVE.map(|_| Shelf::default());
    let builder = |place: usize| keeps(FIVE[place], &FIVE[..3], &shelves[place]);
    let nodes = joined((0..5).map(builder));
    let first = agree(&nodes, Term(0));
    let mut events = nodes[4].events();
    assert!(!nodes[4].election("default").unwrap().is_voter);

    change(&nodes[4], &FIVE).unwrap();
    nodes.iter().for_each(|node| knows(node, &FIVE));
    let status = nodes[4].election("default").unwrap();
    assert_eq!((status.quorum, status.is_voter), (3, true));
    assert_eq!(agree(&nodes, Term(0)).term, first.term, "nobody lost leadership by it");

    let told = read_until(&mut events, "voters_changed", "");
    let Event::VotersChanged { election, next, .. } = &told.last().unwrap().event else { panic!("{told:?}") };
    assert!(&**election == "default" && next.as_ref().is_some_and(|next| next.len() == 5), "{told:?}");

    // The leader is none of those that stay: it hands over first.
    let stay: Vec<&str> = FIVE.iter().copied().filter(|name| *name != &*first.name).take(3).collect();
    let asker = nodes.iter().find(|node| node.id() == first.id).unwrap();
    change(asker, &stay).unwrap();
    nodes.iter().filter(|node| stay.contains(&node.name())).for_each(|node| knows(node, &stay));
    let second = agree(&nodes, first.term);
    assert!(stay.contains(&&*second.name), "{second:?} is none of {stay:?}");

    // What the files say counts, whatever the configuration says.
    let ports: Vec<_> = nodes.iter().map(Node::local_address).collect();
    drop(nodes);
    let again = (0..5).map(|place| keeps(FIVE[place], &FIVE, &shelves[place]).contacts(ports.clone()));
    let nodes = joined(again);
    let third = agree(&nodes, second.term);
    assert!(stay.contains(&&*third.name), "{third:?} is none of {stay:?}");
    nodes.iter().filter(|node| stay.contains(&node.name())).for_each(|node| knows(node, &stay));
}

#[test]
fn a_change_that_cannot_be_is_refused_in_words() {
    let shelves = FIVE.map(|_| Shelf::default());
    let nodes = joined((0..3).map(|place| keeps(FIVE[place], &FIVE[..3], &shelves[place])));
    agree(&nodes, Term(0));
    let refused = |list: &[&str]| change(&nodes[0], list).unwrap_err().to_string();
    assert!(refused(&[]).contains("one at least"));
    assert!(refused(&["n1", "n1"]).contains("twice"));
    assert!(refused(&["n1", "n4", "n5"]).contains("start them"));
    knows(&nodes[0], &FIVE[..3]);
    agree(&nodes, Term(0));
    assert!(matches!(change(&nodes[0], &FIVE[..2]), Ok(())));
    knows(&nodes[1], &FIVE[..2]);
}

#[test]
fn voters_that_forget_do_not_change() {
    let nodes = joined(["n1", "n2", "n3"].map(voter));
    agree(&nodes, Term(0));
    let refused = change(&nodes[0], &["n1", "n2"]).unwrap_err().to_string();
    assert!(refused.contains("FileStore"), "{refused}");
    let (led, others) = {
        let leader = agree(&nodes, Term(0));
        split(nodes, &leader)
    };
    drop(led);
    agree(&others, Term(0));
}

#[test]
fn a_list_that_was_never_agreed_elects_nobody() {
    // As a StatefulSet is scaled from three to five: two new ones with the new list, then each is started again with
    // it.
    let shelves = FIVE.map(|_| Shelf::default());
    let mut nodes = joined((0..3).map(|place| keeps(FIVE[place], &FIVE[..3], &shelves[place])));
    agree(&nodes, Term(0));

    let contacts: Vec<_> = nodes.iter().map(Node::local_address).collect();
    for place in [3, 4] {
        nodes.push(start(keeps(FIVE[place], &FIVE, &shelves[place]).contacts(contacts.clone())));
    }
    nodes[3..].iter().for_each(|node| knows(node, &FIVE[..3]));
    let contacts: Vec<_> = nodes[3..].iter().map(Node::local_address).collect();

    for place in (0..3).rev() {
        drop(nodes.remove(place));
        nodes.insert(place, start(keeps(FIVE[place], &FIVE, &shelves[place]).contacts(contacts.clone())));
        let now = agree(&nodes, Term(0));
        assert!(FIVE[..3].contains(&&*now.name), "{now:?}");
        knows(&nodes[place], &FIVE[..3]);
    }

    change(&nodes[0], &FIVE).unwrap();
    nodes.iter().for_each(|node| knows(node, &FIVE));
    block_on(nodes[0].leave()).unwrap();
}
