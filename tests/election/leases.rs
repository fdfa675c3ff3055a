//! How long a lease is valid, and that two never are at once.

use std::convert::Infallible;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidings::leader::Term;
use tidings::runtime::{ElectionError, Faults, Lease, Node, Stopped};

use crate::shelf::{Shelf, alone};
use crate::support::{block_on, start, within};
use crate::{NAMES, PATIENCE, agree, hand_to, joined, lease_of, let_others_run, same, split, voter};

/// What a thread that runs `lead` tells.
#[derive(Debug)]
enum Word {
    Began(Lease),
    Dropped(Term),
}

struct Guard(Sender<Word>, Term);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(Word::Dropped(self.1));
    }
}

/// Leads for ever, in a thread, until the node stops.
fn lead_in_thread(node: Node) -> Receiver<Word> {
    let (send, words) = mpsc::channel();
    std::thread::spawn(move || {
        let forever = node.lead("default", |lease| {
            let guard = Guard(send.clone(), lease.term());
            let _ = send.send(Word::Began(lease));
            async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            }
        });
        let _ = within(PATIENCE * 4, forever);
    });
    words
}

#[track_caller]
fn began(words: &Receiver<Word>) -> Lease {
    match words.recv_timeout(PATIENCE).unwrap() {
        Word::Began(lease) => lease,
        Word::Dropped(term) => panic!("dropped in term {term}"),
    }
}

#[test]
fn a_leader_that_is_cut_off_drops_its_work_and_leads_again_in_a_later_term() {
    let faults: Vec<Faults> = (0..3).map(Faults::new).collect();
    let nodes = joined(NAMES.iter().zip(&faults).map(|(name, faults)| voter(name).faults(faults.clone())));
    let words: Vec<_> = nodes.iter().cloned().map(lead_in_thread).collect();
    let first = agree(&nodes, Term(0));
    let place = nodes.iter().position(|node| node.id() == first.id).unwrap();
    let lease = began(&words[place]);
    assert_eq!((lease.term(), lease.election()), (first.term, "default"));
    let others: Vec<_> = nodes.iter().filter(|node| node.id() != first.id).cloned().collect();
    faults[place].cut(others.iter().map(Node::local_address));
    assert!(matches!(words[place].recv_timeout(PATIENCE).unwrap(), Word::Dropped(term) if term == first.term));
    assert!(!lease.is_valid() && lease.valid_for().is_zero());
    block_on(lease.ended());
    assert_eq!(block_on(lease.resign()), Err(ElectionError::NotLeading));
    let second = agree(&others, first.term);
    faults[place].cut([]);
    assert!(same(&agree(&nodes, first.term), &second) || agree(&nodes, first.term).term > second.term);
    hand_to(&nodes[place], &nodes, first.term);
    assert!(began(&words[place]).term() > second.term, "called again in its next term");
}

#[test]
fn leases_of_two_leaders_never_overlap_however_often_leadership_changes_hands() {
    let nodes = joined(NAMES.map(voter));
    let given = Arc::new(Mutex::new(Vec::<Lease>::new()));
    let (send, changes) = mpsc::channel();

    for node in nodes.clone() {
        let (given, send) = (Arc::clone(&given), send.clone());
        std::thread::spawn(move || {
            let forever = node.lead("default", |lease| {
                let mut given = given.lock().unwrap();
                let valid: Vec<Term> = given.iter().filter(|old| old.is_valid()).map(Lease::term).collect();
                let last = given.iter().map(Lease::term).max();
                given.push(lease.clone());
                let _ = send.send((lease, valid, last));
                std::future::pending::<()>()
            });
            let _ = within(PATIENCE * 4, forever);
        });
    }

    for _ in 0..30 {
        let (lease, valid, last) = changes.recv_timeout(PATIENCE).unwrap();
        assert_eq!(valid, [], "when the lease of term {} began", lease.term());
        assert!(last < Some(lease.term()));
        if block_on(lease.resign()).is_err() {
            assert!(!lease.is_valid(), "it could not resign, so its term is over");
        }
    }

    for node in &nodes {
        block_on(node.leave()).unwrap();
    }
}

#[test]
fn a_lease_is_worth_nothing_when_its_node_has_stopped() {
    let node = start(alone(&Shelf::default()));
    let lease = lease_of(&node);
    assert!(lease.is_valid() && lease.clone().valid_for() <= Duration::from_millis(500));
    let stopped = node.stopped();
    drop(node);
    assert_eq!(block_on(stopped), Stopped::Dropped, "a lease keeps no node running");
    assert!(lease.valid_for().is_zero());
    block_on(lease.ended());
    assert_eq!(block_on(lease.resign()), Err(ElectionError::Stopped(Stopped::Dropped)));
}

#[test]
fn a_lease_runs_out_on_time_while_its_node_stands_still() {
    let faults = Faults::new(1);
    let node = start(alone(&Shelf::default()).faults(faults.clone()));
    let lease = lease_of(&node);
    faults.freeze();
    // No message tells it: the clock does.
    assert!(
        within(PATIENCE, async {
            while lease.is_valid() {
                let_others_run().await;
            }
        })
        .is_some()
    );
    faults.thaw();
    let next = lease_of(&node);
    assert!(next.term() >= lease.term() && next.is_valid());
}

#[test]
fn a_runtime_that_stands_still_does_not_keep_a_lease() {
    let faults: Vec<Faults> = (0..3).map(Faults::new).collect();
    let nodes = joined(NAMES.iter().zip(&faults).map(|(name, faults)| voter(name).faults(faults.clone())));
    let first = agree(&nodes, Term(0));
    let place = nodes.iter().position(|node| node.id() == first.id).unwrap();
    let (leader, others) = split(nodes, &first);

    let (tell, told) = mpsc::channel();
    let (go_on, gone_on) = mpsc::channel::<()>();
    let application = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut gone_on = Some(gone_on);
        runtime.block_on(leader.lead("default", |lease| {
            let (tell, gone_on) = (tell.clone(), gone_on.take());
            async move {
                let Some(gone_on) = gone_on else { return Ok::<_, Infallible>("led again") };
                let _ = tell.send(lease);
                let _ = gone_on.recv_timeout(PATIENCE);
                tokio::task::yield_now().await;
                Ok("went on without a lease")
            }
        }))
    });

    let lease = told.recv_timeout(PATIENCE).unwrap();
    faults[place].cut(others.iter().map(Node::local_address));
    block_on(lease.ended());
    assert!(!lease.is_valid());

    let second = agree(&others, first.term);
    assert!(second.term > first.term);

    go_on.send(()).unwrap();
    faults[place].cut([]);
    let back = within(PATIENCE, async {
        while !application.is_finished() {
            let leader = agree(&others, first.term);
            let led = others.iter().find(|node| node.id() == leader.id);
            if let Some(led) = led {
                let _ = led.resign_to("default", first.id).await;
            }
            let_others_run().await;
        }
    });

    assert!(back.is_some());
    assert_eq!(application.join().unwrap(), Ok("led again"));
}

/// The futures can be spawned wherever the application's own can.
#[test]
fn leading_can_be_spawned() {
    fn is_send(_: &impl Send) {}
    fn is_shared(_: &(impl Send + Sync + Clone)) {}
    let node = start(alone(&Shelf::default()));
    let led = node.lead("default", |lease| async move {
        is_shared(&lease);
        is_send(&lease.resign());
    });
    is_send(&led);
    is_send(&node.resign("default"));
    is_send(&node.leader("default").unwrap().changed());
    block_on(led).unwrap();
}
