//! Mistakes in the election itself: `explore` finds each, by the promise that it breaks.
//!
//! ```text
//! RUSTFLAGS="--cfg tidings_sabotage" cargo test --release -p tidings-sim --target-dir target/sabotage --test sabotage planted
//! ```

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[test]
fn planted_mistakes_are_found() {
    let walks = "explore --campaigns 4 --steps 8 --crashes 1 --resigns 1 --stalls 1 --late 1 --losses 8 --walks 100000";
    let mistakes = [
        (walks, "one_vote", "one-vote"),
        (walks, "durable_vote", "one-vote"),
        (walks, "quorum", "one-leader-per-term"),
        (walks, "own_term", "one-leader-per-term"),
        (walks, "promise", "lease-exclusive"),
        (walks, "gate", "lease-exclusive"),
        (walks, "predecessor", "lease-exclusive"),
        (walks, "check_quorum", "lease-exclusive"),
        (walks, "vote_ends_candidacy", "lease-exclusive"),
        ("explore crash", "quorum", "lease-exclusive"),
        ("explore cut", "promise", "lease-exclusive"),
        ("explore crash-memory", "check_quorum", "lease-exclusive"),
        ("explore hand-over", "gate", "lease-exclusive"),
        ("explore hand-over", "predecessor", "lease-exclusive"),
        ("explore hand-over", "own_term", "one-leader-per-term"),
        ("explore replace", "both_lists", "lease-exclusive"),
        ("explore replace", "one_vote", "one-vote"),
        ("explore idle", "withdraws", "works"),
        ("explore idle", "first_successor_counts", "works"),
        ("explore idle --idles 2 --steps 1 --cuts 0", "declines", "works"),
        ("explore shrink --steps 4 --walks 100000", "configurations_in_order", "lease-exclusive"),
        ("explore crash", "waits_after_start", "lease-exclusive"),
        ("explore cut --late 1 --stalls 0 --steps 4", "lease_from_asking", "lease-exclusive"),
    ];

    let next = AtomicUsize::new(mistakes.len());
    let search = || {
        while let Ok(left) = next.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)) {
            finds(mistakes[left - 1]);
        }
    };

    // Those that take longest are the last.
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(search))));
}

fn finds((how, fault, check): (&str, &str, &str)) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidings-sim"));
    let output = command.args(how.split(' ')).env("TIDINGS_SABOTAGE", fault).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{fault}: {text}");
    assert!(text.contains(&format!("BROKEN {check}")), "{fault}: {text}");
}
