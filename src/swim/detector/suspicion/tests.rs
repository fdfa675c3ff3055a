//! One suspicion by itself: its moments, its pings, its deadlines, and the chain that is kept of it.

use super::*;

const PACE: Pace = Pace { tolerance: Duration::from_secs(3), rto: Duration::from_millis(100) };

fn at(ms: u64) -> Instant {
    Instant::ORIGIN + Duration::from_millis(ms)
}

fn heard(now: u64, start: u64) -> Suspicion {
    Suspicion::new(at(now), at(start), SuspectReason::Accused, Publicity::Published, PACE)
}

fn transcript(mut suspicion: Suspicion, until: u64) -> Vec<String> {
    let mut lines = Vec::new();
    while suspicion.next_at() <= at(until) {
        let now = suspicion.next_at();
        if let Some(wanted) = suspicion.next_wanted(now) {
            lines.push(format!("{} {wanted:?}", now.as_nanos() / 1_000_000));
        }
    }
    lines
}

#[test]
fn three_last_pings_come_before_the_verdict() {
    let mut suspicion = heard(1_600, 1_000);
    let soft = suspicion.soft_deadline();
    assert_eq!(soft, at(4_000));
    suspicion.plan(at(1_600), soft, PACE.rto, Duration::from_millis(40));
    assert_eq!(
        transcript(suspicion, 60_000),
        ["3740 LastPing(1)", "3840 LastPing(2)", "3940 LastPing(3)", "4000 Verdict"]
    );
}

#[test]
fn heard_late_it_still_gets_its_last_ping() {
    let mut suspicion = heard(9_000, 1_000);
    let soft = suspicion.soft_deadline();
    assert_eq!(soft, at(9_300));
    suspicion.plan(at(9_000), soft, PACE.rto, Duration::ZERO);
    assert_eq!(
        transcript(suspicion, 60_000),
        ["9000 LastPing(1)", "9100 LastPing(2)", "9200 LastPing(3)", "9300 Verdict"]
    );
}

#[test]
fn a_retry_timeout_that_shrinks_later_brings_no_told_moment_forward() {
    let slow = Pace { rto: Duration::from_millis(500), ..PACE };
    let mut suspicion = Suspicion::new(at(9_000), at(1_000), SuspectReason::Accused, Publicity::Published, slow);
    let told = suspicion.soft_deadline();
    assert_eq!(told, at(10_500));
    suspicion.plan(at(9_100), told, Duration::from_millis(100), Duration::ZERO);
    assert_eq!(suspicion.soft_deadline(), told);
    assert_eq!(transcript(suspicion, 60_000).last().map(String::as_str), Some("10500 Verdict"));
}

#[test]
fn an_accuser_pings_every_eighth_of_p() {
    let mut suspicion = heard(1_000, 1_000);
    suspicion.keep_asking(at(1_000));
    suspicion.plan(at(1_000), at(4_000), PACE.rto, Duration::ZERO);
    assert_eq!(transcript(suspicion, 2_200), ["1375 AskAgain", "1750 AskAgain", "2125 AskAgain"]);
}

#[test]
fn who_speaks_and_has_refuted_lately_is_asked_for_p_before_the_verdict_and_no_longer_than_three_p() {
    // The silence began at 1 s. First word, refuted lately, for how long it is asked, soft deadline, hard deadline.
    for (word, has_refuted, left, soft, hard) in [
        (1_000, true, 3_000, 4_000, 10_000),
        (2_500, true, 3_000, 5_500, 10_000),
        (2_500, false, 1_500, 4_000, 10_000),
        (9_000, true, 3_000, 10_000, 10_000),
        (9_000, false, 0, 9_000, 10_000),
    ] {
        let mut suspicion = heard(1_000, 1_000);
        let asked = suspicion.left_to_insist(at(word), has_refuted);
        assert_eq!(asked, Duration::from_millis(left), "word at {word}");
        suspicion.insist(at(word), Duration::from_millis(20), at(word) + asked);
        assert_eq!((suspicion.soft_deadline(), suspicion.hard_deadline()), (at(soft), at(hard)), "word at {word}");

        suspicion.insist(at(word + 500), Duration::from_millis(20), at(word + 3_500));
        assert_eq!(suspicion.soft_deadline(), at(soft), "a later word is not the first");
    }

    let mut suspicion = heard(1_000, 1_000);
    suspicion.insist(at(2_500), Duration::from_millis(20), at(5_500));
    assert!(suspicion.answered(at(3_100), at(3_000)));
    assert_eq!(suspicion.soft_deadline(), at(6_000), "it has been asked for longer than the new silence lasts");
}

#[test]
fn those_that_hear_a_suspect_share_its_pings() {
    // Milliseconds left, others, the least microseconds apart, microseconds apart.
    for (left, others, least, apart) in [
        (3_000, 0, 0, 2_500),
        (3_000, 1, 0, 2_500),
        (3_000, 1, 10_000, 10_000),
        (3_000, 4, 0, 10_000),
        (3_000, 8, 0, 20_000),
        (3_000, 63, 0, 20_000),
        (1_500, usize::MAX, 0, 10_000),
    ] {
        let every = insist_every(Duration::from_millis(left), others, Duration::from_micros(least));
        assert_eq!(every, Duration::from_micros(apart), "{left} ms, {others} others");
    }
}

#[test]
fn answers_and_stalls_move_the_deadlines() {
    let mut suspicion = heard(1_000, 1_000);
    assert!(!suspicion.answered(at(1_100), at(900)), "a ping from before the silence proves nothing");
    assert!(suspicion.answered(at(2_100), at(2_000)));
    assert_eq!((suspicion.soft_deadline(), suspicion.hard_deadline()), (at(5_000), at(11_000)));
    suspicion.stalled(at(3_000), Duration::from_secs(1));
    assert_eq!(suspicion.soft_deadline(), at(6_000));
    assert!(!suspicion.provisional_only);
    suspicion.stalled(at(30_000), Duration::from_secs(20));
    assert_eq!(suspicion.soft_deadline(), at(14_000));
    assert!(suspicion.provisional_only);
}

#[test]
fn who_must_agree_and_answer() {
    let accusers: Vec<usize> = (2..7).map(|n| accusers_needed(2, n)).collect();
    assert_eq!(accusers, [1, 2, 3, 3, 3]);
    let answers: Vec<usize> = (0..4).map(|alive| answers_needed(5, alive)).collect();
    assert_eq!(answers, [1, 1, 2, 2]);
    assert_eq!(answers_needed(2, 1), 0);
}

#[test]
fn the_chain_is_bounded_and_keeps_its_end() {
    let mut suspicion = heard(0, 0);
    for attempt in 0..100 {
        suspicion.log(at(attempt), Cause::LastPing { attempt: 1 });
    }
    assert_eq!(suspicion.steps.len(), STEPS_MAX);
    assert_eq!(suspicion.steps[STEPS_MAX - 1].at, at(99));
    assert_eq!(suspicion.steps_omitted, 37);
}
