//! Small elections explored whole, larger ones by chance.

use std::time::Duration;

use tidings_sim::explore::{Begins, Bounds, Disks, explore, walk, worlds};

/// One of the worlds, with what is changed of it.
fn world(name: &str, change: impl FnOnce(&mut Bounds)) -> Bounds {
    let (_, mut bounds) = worlds().into_iter().find(|(known, _)| *known == name).expect("there is this world");
    change(&mut bounds);
    bounds
}

#[test]
fn small_worlds_are_gone_through_whole() {
    let crash = explore(&world("crash", |bounds| (bounds.losses, bounds.steps) = (0, 3)));
    assert_eq!(crash.broken, None);
    assert!(crash.is_complete && crash.states > 10_000 && crash.terms >= 2, "{crash:?}");
    let idle = explore(&world("idle", |bounds| (bounds.cuts, bounds.steps) = (0, 1)));
    assert_eq!(idle.broken, None);
    assert!(idle.is_complete && idle.handed_over > 100 && idle.terms >= 2, "{idle:?}");
    let hand_over = explore(&world("hand-over", |bounds| (bounds.cuts, bounds.steps) = (0, 1)));
    assert_eq!(hand_over.broken, None);
    assert!(hand_over.is_complete && hand_over.handed_over > 1_000 && hand_over.terms >= 2, "{hand_over:?}");
}

#[test]
fn a_change_of_voters_is_gone_through_whole() {
    let replaced = explore(&world("replace", |_| {}));
    assert_eq!(replaced.broken, None);
    assert!(replaced.is_complete && replaced.changed > 10_000 && replaced.terms >= 3, "{replaced:?}");
}

/// More than can be gone through whole: crashes, stalls, messages that are late or come twice, leaders that hand over.
fn large(voters: usize) -> Bounds {
    Bounds {
        voters,
        steps: 8,
        crashes: 1,
        resigns: 1,
        campaigns: 4,
        doubles: 1,
        stalls: 2,
        late: 2,
        losses: 8,
        ..Bounds::default()
    }
}

#[test]
fn walks_through_larger_elections_break_no_promise() {
    for voters in [2, 3, 5] {
        let found = walk(&large(voters), 5_000, 7);
        assert_eq!(found.broken, None);
        assert!(found.led > 1_000 && found.terms >= 2, "{voters} voters: {found:?}");
    }
}

#[test]
fn a_voter_that_forgets_its_vote_is_found() {
    let step = Duration::from_millis(110);
    let (disks, begins) = (Disks::Forgotten, Begins::Unled);
    let bounds = Bounds { disks, begins, step, campaigns: 3, late: 0, losses: 8, resigns: 0, ..Bounds::default() };
    let broken = walk(&bounds, 200_000, 1).broken.map(|broken| broken.check);
    assert_eq!(broken, Some("one-vote"));
}
