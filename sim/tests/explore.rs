//! A small election explored whole, larger ones by chance, and mistakes that must be found.

use std::time::Duration;

use tidings_sim::explore::{Bounds, Disks, explore, walk};

#[test]
fn a_small_election_is_gone_through_whole() {
    let bounds = Bounds { steps: 1, crashes: 1, campaigns: 1, late: 1, stalls: 1, ..Bounds::default() };
    let found = explore(&bounds);
    assert_eq!(found.broken, None);
    assert!(found.is_complete && found.states > 10_000 && found.led > 1_000, "{found:?}");
}

/// More than can be gone through whole: crashes, stalls, letters that are late or come twice, leaders that hand over.
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
    let bounds = Bounds { disks: Disks::Forgotten, step, campaigns: 3, late: 0, ..Bounds::default() };
    let broken = walk(&bounds, 200_000, 1).broken.map(|broken| broken.check);
    assert_eq!(broken, Some("one-vote"));
}

/// Each mistake in the election itself, and the promise that it breaks.
#[cfg(tidings_sabotage)]
#[test]
fn planted_mistakes_are_found() {
    let walks = "explore --campaigns 4 --steps 8 --crashes 1 --resigns 1 --stalls 1 --late 1 --walks 100000";
    for (fault, check) in [
        ("one_vote", "one-vote"),
        ("durable_vote", "one-vote"),
        ("quorum", "one-leader-per-term"),
        ("own_term", "one-leader-per-term"),
        ("promise", "lease-exclusive"),
        ("gate", "lease-exclusive"),
        ("predecessor", "lease-exclusive"),
        ("check_quorum", "lease-exclusive"),
        ("vote_ends_candidacy", "lease-exclusive"),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidings-sim"));
        let output = command.args(walks.split(' ')).env("TIDINGS_SABOTAGE", fault).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{fault}: {text}");
        assert!(text.contains(&format!("BROKEN {check}")), "{fault}: {text}");
    }
}
