//! Leadership is held only where there is work: which voters stand, and what each end of the work comes to.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use tidings::config::ElectionConfig;
use tidings::election::MemoryStore;
use tidings::leader::{Leader, Term, Trigger};
use tidings::protocol::WordError;
use tidings::runtime::{Builder, Candidate, ElectionError, Lease, Node};

use crate::support::{block_on, node, within};
use crate::{NAMES, PATIENCE, agree, joined, let_others_run, read_leader};

fn config() -> ElectionConfig {
    ElectionConfig::lan("default", NAMES)
}

fn voter(name: &str) -> Builder {
    node(name).election(config()).term_store(MemoryStore)
}

/// Stands for as long as it is kept, and takes up every lease.
fn stand_in(node: &Node) -> Works {
    let (keep, kept) = mpsc::channel::<Infallible>();
    let mut candidate = node.candidate("default").unwrap();
    let thread = std::thread::spawn(move || {
        while let Err(mpsc::TryRecvError::Empty) = kept.try_recv() {
            let elected = async {
                let lease = candidate.elected().await.unwrap();
                lease.ended().await;
            };
            let _ = within(Duration::from_millis(50), elected);
        }
    });
    Works { _keep: keep, thread: Some(thread) }
}

struct Works {
    _keep: mpsc::Sender<Infallible>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Works {
    fn end(self) {
        let Works { _keep, thread } = self;
        drop(_keep);
        thread.unwrap().join().unwrap();
    }
}

/// The first works alone until it leads, then the others stand as well.
fn led_by_first(nodes: &[Node]) -> (Candidate, Lease, Vec<Works>, Leader) {
    let mut candidate = nodes[0].candidate("default").unwrap();
    let lease = block_on(candidate.elected()).unwrap();
    let leader = agree(nodes, Term(0));
    assert_eq!((leader.id, leader.term), (nodes[0].id(), lease.term()));
    let others: Vec<Works> = nodes[1..].iter().map(stand_in).collect();
    for other in &nodes[1..] {
        stands(other, &nodes[0], true);
    }
    (candidate, lease, others, leader)
}

/// Waits until `observer` knows that `node` stands, or does not.
#[track_caller]
fn stands(node: &Node, observer: &Node, stands: bool) {
    let knows = || observer.election("default").unwrap().candidates.iter().any(|name| **name == *node.name());
    let seen = within(PATIENCE, async {
        while knows() != stands {
            let_others_run().await;
        }
    });
    assert!(seen.is_some(), "{} stands: {}", node.name(), !stands);
}

#[test]
fn nobody_leads_until_somebody_would_work() {
    let nodes = joined(NAMES.map(voter));
    assert!(nodes.iter().all(|node| node.election("default").unwrap().candidacy.is_none()));
    // They have elected none when the second offers to: it is at once its turn.
    let lease = block_on(nodes[1].candidate("default").unwrap().elected()).unwrap();
    assert_eq!((lease.election(), lease.trigger()), ("default", Trigger::NoLeader));
}

/// Begins work at the first node and lets it end: another leads at once, by a hand-over.
fn end_of(work: impl FnOnce(&Node, Receiver<()>) + Send + 'static) {
    let nodes = joined(NAMES.map(voter));
    let (tell, told) = mpsc::channel();
    let first = nodes[0].clone();
    let application = std::thread::spawn(move || work(&first, told));
    let before = agree(&nodes, Term(0));
    assert_eq!(before.id, nodes[0].id());
    let others: Vec<Works> = nodes[1..].iter().map(stand_in).collect();
    nodes[1..].iter().for_each(|other| stands(other, &nodes[0], true));
    let mut events = nodes[2].events();
    let _ = tell.send(());
    let (after, trigger) = read_leader(&mut events, before.term);
    assert_ne!(after.id, before.id);
    assert_eq!(trigger, Trigger::HandedOver, "at once, and not when the lease was over");
    others.into_iter().for_each(Works::end);
    application.join().unwrap();
}

#[test]
fn work_that_returns_resigns() {
    end_of(|node, told| {
        let done = block_on(node.lead("default", |_| {
            let _ = told.recv_timeout(PATIENCE);
            async { Ok::<_, Infallible>(7) }
        }));
        assert_eq!(done, Ok(7));
        assert!(node.election("default").unwrap().lease.is_none(), "it leads no more when the answer comes");
    });
}

#[test]
fn work_that_fails_resigns_and_is_begun_anew() {
    end_of(|node, told| {
        let mut terms = Vec::new();
        let done = block_on(node.lead("default", |lease| {
            terms.push(lease.term());
            let is_first = terms.len() == 1;
            let _ = is_first.then(|| told.recv_timeout(PATIENCE));
            async move { if is_first { Err("the disk is full") } else { Ok(()) } }
        }));
        assert!(done.is_ok() && terms.len() == 2 && terms[0] < terms[1], "{terms:?}");
    });
}

#[test]
fn work_that_panics_resigns() {
    end_of(|node, told| {
        let lead = || {
            block_on(node.lead("default", |_| {
                let _ = told.recv_timeout(PATIENCE);
                async { assert!(told.try_recv().is_ok(), "as planned") }
            }))
        };
        assert!(std::panic::catch_unwind(AssertUnwindSafe(lead)).is_err());
    });
}

#[test]
fn work_that_is_dropped_resigns() {
    end_of(|node, told| {
        let forever = node.lead("default", |_| std::future::pending::<()>());
        let dropped = block_on(async {
            let mut forever = std::pin::pin!(forever);
            std::future::poll_fn(|cx| {
                assert!(forever.as_mut().poll(cx).is_pending());
                cx.waker().wake_by_ref();
                if told.try_recv().is_ok() { std::task::Poll::Ready("dropped") } else { std::task::Poll::Pending }
            })
            .await
        });
        assert_eq!(dropped, "dropped");
    });
}

#[test]
fn who_may_not_lead_hands_over_and_takes_nothing() {
    let nodes = joined(NAMES.map(voter));
    let (_candidate, lease, others, before) = led_by_first(&nodes);
    nodes[0].set_eligible("default", false).unwrap();
    block_on(lease.ended());
    let after = agree(&nodes, before.term);
    assert_ne!(after.id, before.id);
    stands(&nodes[0], &nodes[1], false);
    let leader = nodes.iter().find(|node| node.id() == after.id).unwrap();
    let refused = block_on(leader.resign_to("default", nodes[0].name()));
    assert_eq!(refused, Err(ElectionError::NoCandidate));
    assert_eq!(nodes[0].set_eligible("other", true), Err(ElectionError::Unknown("other".to_owned())));
    others.into_iter().for_each(Works::end);
}

#[test]
fn a_preferred_candidate_takes_over() {
    let nodes = joined(NAMES.map(voter));
    let (_candidate, lease, others, before) = led_by_first(&nodes);
    nodes[2].set_priority("default", 9).unwrap();
    block_on(lease.ended());
    let after = agree(&nodes, before.term);
    assert_eq!((after.id, after.term > before.term), (nodes[2].id(), true));
    others.into_iter().for_each(Works::end);
}

#[test]
fn a_lease_that_nobody_takes_up_is_given_up() {
    let nodes = joined(NAMES.map(voter));
    let idle = nodes[0].candidate("default").unwrap();
    let before = agree(&nodes, Term(0));
    let works = stand_in(&nodes[1]);
    let after = agree(&nodes, before.term);
    assert_eq!((before.id, after.id), (nodes[0].id(), nodes[1].id()));
    works.end();
    drop(idle);
}

#[test]
fn a_witness_votes_and_never_leads() {
    let witness = node("n3").election(config().votes_only()).term_store(MemoryStore);
    let nodes = joined([voter("n1"), voter("n2"), witness]);
    let refused = block_on(nodes[2].lead("default", |_| async {})).unwrap_err();
    assert_eq!(refused, ElectionError::VotesOnly("default".to_owned()));
    let (candidate, _, others, before) = {
        let mut candidate = nodes[0].candidate("default").unwrap();
        let lease = block_on(candidate.elected()).unwrap();
        (candidate, lease, stand_in(&nodes[1]), agree(&nodes, Term(0)))
    };
    stands(&nodes[1], &nodes[0], true);
    assert_eq!(block_on(nodes[0].resign_to("default", "n3")), Err(ElectionError::NoCandidate));
    drop(candidate);
    let after = agree(&nodes, before.term);
    assert_eq!((before.id, after.id), (nodes[0].id(), nodes[1].id()));
    assert!(nodes[2].election("default").unwrap().is_voter);
    others.end();
}

#[test]
fn a_member_that_knows_the_name_alone_learns_the_leader_and_its_word() {
    let watcher = node("n9").election(ElectionConfig::watches("default"));
    let nodes = joined([voter("n1"), voter("n2"), voter("n3"), watcher]);
    let mut watch = nodes[3].leader("default").unwrap();
    assert_eq!((watch.current(), nodes[3].election("default").unwrap().voters.len()), (None, 0));

    block_on(nodes[1].set_word("default", "10.0.0.2:80")).unwrap();
    let mut candidate = nodes[1].candidate("default").unwrap();
    let lease = block_on(candidate.elected()).unwrap();

    let told = within(PATIENCE, async {
        loop {
            match watch.changed().await.unwrap() {
                Some(leader) if !leader.word.is_empty() => return leader,
                _ => {}
            }
        }
    });

    let leader = told.unwrap();
    assert_eq!((leader.id, &*leader.name, leader.term), (nodes[1].id(), "n2", lease.term()));
    assert_eq!(*leader.word, *b"10.0.0.2:80");

    block_on(nodes[1].set_word("default", "10.0.0.2:81")).unwrap();
    let changed = within(PATIENCE, watch.changed()).unwrap().unwrap().unwrap();
    assert_eq!((&*changed.word, changed.term, changed.since), (&b"10.0.0.2:81"[..], leader.term, leader.since));

    let too_long = block_on(nodes[1].set_word("default", [b'x'; 257]));
    assert_eq!(too_long, Err(ElectionError::Word(WordError::TooLong { length: 257, longest: 256 })));
    let refused = nodes[3].candidate("default").unwrap_err();
    assert!(refused.to_string().contains("watches"), "{refused}");

    drop(candidate);
    assert_eq!(within(PATIENCE, watch.changed()).unwrap(), Ok(None), "nobody else would work");
}
