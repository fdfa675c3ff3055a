//! What a voter does with its store: it votes only what is saved, and remembers it over a restart.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidings::election::{Ballot, FileStore};
use tidings::leader::Term;
use tidings::member::State;
use tidings::runtime::{Node, StartError, Stopped};

use crate::shelf::{Shelf, Unblock, alone, kept};
use crate::support::{block_on, node, start, state, until, within};
use crate::{PATIENCE, agree, hand_to, joined, lease_of, let_others_run, voter, voters};

#[test]
fn a_disk_that_stands_still_holds_up_nothing_but_its_own_vote() {
    let slow = Shelf::voted();
    slow.set(|state| state.is_blocked = true);
    let _unblock = Unblock(slow.clone());
    let nodes = joined([kept("n1", &slow), voter("n2"), voter("n3")]);
    slow.wait_until_blocked();
    let leader = agree(&nodes, Term(0));
    assert_ne!(&*leader.name, "n1", "it has not voted for itself");
    block_on(nodes[0].set_metadata("alive")).unwrap();
    until(&nodes[1], |view| view.by_name("n1").is_some_and(|n1| n1.metadata() == b"alive"));
    assert_eq!(state(&nodes[1].view(), "n1"), Some(State::Alive));
    assert_eq!(block_on(nodes[0].metrics()).saves, 0);
    slow.set(|state| state.is_blocked = false);
    metrics_until(&nodes[0], |saves, _, failed| saves > 0 && failed == 0);
}

#[test]
fn a_disk_that_is_full_means_no_vote_until_there_is_room() {
    let full = Shelf::voted();
    full.set(|state| state.is_full = true);
    let nodes = joined([kept("n1", &full), voter("n2"), voter("n3")]);
    let leader = agree(&nodes, Term(0));
    assert_ne!(&*leader.name, "n1");
    metrics_until(&nodes[0], |_, _, failed| failed > 0);
    assert_eq!(full.0.0.lock().unwrap().ballots["default"].vote, None);
    full.set(|state| state.is_full = false);
    hand_to(&nodes[0], &nodes, Term(0));
    assert!(full.0.0.lock().unwrap().ballots["default"].vote.is_some());
}

#[test]
fn a_store_that_panics_means_no_vote_either() {
    let broken = Shelf::voted();
    broken.set(|state| state.panics = true);
    let nodes = joined([kept("n1", &broken), voter("n2"), voter("n3")]);
    assert_ne!(&*agree(&nodes, Term(0)).name, "n1");
    metrics_until(&nodes[0], |_, _, failed| failed > 0);
    block_on(nodes[0].leave()).unwrap();
}

#[test]
fn terms_rise_over_a_restart() {
    let shelf = Shelf::default();
    let mut last = Term(0);
    for _ in 0..3 {
        let node = start(alone(&shelf));
        let term = lease_of(&node).term();
        assert!(term > last, "{term} after {last}");
        last = term;
        block_on(node.leave()).unwrap();
        assert!(shelf.0.0.lock().unwrap().ballots["default"].term >= term);
        assert_eq!(Arc::strong_count(&shelf.0), 1, "a node that has stopped has closed its store");
    }
}

#[test]
fn terms_rise_over_a_restart_with_files() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("terms-{}", std::process::id()));
    let start_again = || start(node("n1").election(voters(&["n1"])).term_store(FileStore::open(&folder).unwrap()));
    let mut last = Term(0);
    for _ in 0..3 {
        let node = start_again();
        assert!(FileStore::open(&folder).is_err(), "it is the node's");
        let term = lease_of(&node).term();
        assert!(term > last, "{term} after {last}");
        last = term;
        let stopped = node.stopped();
        drop(node);
        assert_eq!(block_on(stopped), Stopped::Dropped);
    }

    std::fs::write(folder.join("default.term"), "torn").unwrap();
    let store = FileStore::open(&folder).unwrap();
    let torn = block_on(node("n1").election(voters(&["n1"])).term_store(store).start()).unwrap_err();
    assert!(matches!(torn, StartError::TermStore(..)) && torn.to_string().contains("start_over"), "{torn}");
    assert!(FileStore::open(&folder).is_ok(), "a start that failed has closed it");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_longer_promise_is_kept_before_it_is_made() {
    let shelf = Shelf::default();
    let promise = Duration::from_millis(1);
    let ballot = Ballot { term: Term(7), vote: None, promise, voters: None, owner: None };
    shelf.set(|state| {
        state.ballots.insert("default".to_owned(), ballot.clone());
    });
    let _node = start(alone(&shelf));
    assert!(shelf.0.0.lock().unwrap().ballots["default"].promise >= voters(&["n1"]).promise());
    shelf.set(|state| {
        state.ballots.insert("default".to_owned(), ballot.clone());
        state.is_full = true;
    });
    let refused = block_on(node("n1").election(voters(&["n1"])).term_store(shelf.clone()).start()).unwrap_err();
    assert!(refused.to_string().contains("ballot of election \"default\""), "{refused}");
}

#[test]
fn a_store_of_another_voter_is_refused_and_stays_as_it_is() {
    let shelf = Shelf::default();
    block_on(start(alone(&shelf)).leave()).unwrap();
    let before = shelf.0.0.lock().unwrap().ballots["default"].clone();
    let other = node("n2").election(voters(&["n2"])).term_store(shelf.clone());
    let refused = block_on(other.start()).unwrap_err().to_string();
    assert!(refused.contains("another voter's") && refused.contains("election \"default\""), "{refused}");
    assert_eq!(shelf.0.0.lock().unwrap().ballots["default"], before);
    block_on(start(alone(&shelf)).leave()).unwrap();
}

/// Asks for the saves, the longest and the failed until they are as wanted.
#[track_caller]
fn metrics_until(node: &Node, wanted: impl Fn(u64, u64, u64) -> bool) {
    let counted = async {
        loop {
            let metrics = node.metrics().await;
            if wanted(metrics.saves, metrics.save_us_max, metrics.protocol.elections.saves_failed) {
                return;
            }
            let_others_run().await;
        }
    };
    assert!(within(PATIENCE, counted).is_some(), "{:?}", block_on(node.metrics()));
}
