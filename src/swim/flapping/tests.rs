//! A row for each sentence of the rule, and a model that runs at random.

use super::*;

const SLOT: Slot = Slot(7);

fn at(secs: u64) -> Instant {
    Instant::ORIGIN + Duration::from_secs(1_000 + secs)
}

/// What happens to a member at which second, in letters: `S` suspected, `F` suspected by flapping members alone, `A`
/// accused by another too, `R` refuted, `D` dead or gone. What is told of it: the letter if it is told then, `-` if it
/// is held back, `s` for a suspicion told late and `c` for calm.
fn told(happenings: &[(u64, char)]) -> String {
    let mut flapping = Flapping::default();
    let mut told = String::new();
    let last = happenings.last().map_or(0, |(secs, _)| *secs);

    for secs in 0..=last + 100 {
        while let Some((slot, due)) = flapping.next_due(at(secs)) {
            assert_eq!(slot, SLOT);
            told += &format!("{}{secs} ", if due == Due::Suspicion { 's' } else { 'c' });
        }
        assert!(flapping.next_at() > at(secs));

        for (_, what) in happenings.iter().filter(|(when, _)| *when == secs) {
            let is_told = match what {
                'S' => flapping.suspected(at(secs), SLOT, Accused::BySteady) == Telling::Told,
                'F' => flapping.suspected(at(secs), SLOT, Accused::ByFlapping) == Telling::Told,
                'A' => flapping.confirmed(at(secs), SLOT),
                'R' => flapping.refuted(at(secs), SLOT) == Telling::Told,
                _ => flapping.forget(SLOT) != Some(Telling::Held),
            };
            told += &if is_told { format!("{what}{secs} ") } else { "- ".to_owned() };
        }
    }

    let is_over = happenings.last().is_some_and(|(_, what)| matches!(what, 'R' | 'D'));
    assert_eq!(flapping.by_slot.is_empty(), is_over, "nothing is kept of the calm");
    assert_eq!((flapping.count(), flapping.next_at()), (0, Instant::NEVER));
    told.trim_end().to_owned()
}

/// What happens in words such as `S0 R1`.
fn read(text: &str) -> Vec<(u64, char)> {
    text.split(' ').map(|word| (word[1..].parse().unwrap(), word.chars().next().unwrap())).collect()
}

#[test]
fn each_sentence_of_the_rule() {
    // Three pairs within a minute, after which it flaps.
    let first = "S0 R1 S2 R3 S4 R5";
    for (sentence, happens, expected) in [
        ("three in more than a minute do not make it flap", "S0 R1 S30 R31 S61 R62", "S0 R1 S30 R31 S61 R62"),
        ("three within a minute do", "S0 R1 S30 R31 S60 R61", "S0 R1 S30 R31 S60 R61 c121"),
    ] {
        assert_eq!(told(&read(happens)), expected, "{sentence}");
    }

    for (sentence, happens, expected) in [
        ("then a pair is held back", "S6 R7", "- - c67"),
        ("until 10 s after the last told one began", "S13 R13 S14 R15", "- - S14 R15 c75"),
        ("and for 10 s more", "S14 R15 S23 R23 S24 R25", "S14 R15 - - S24 R25 c85"),
        ("one that still runs is told late, and its end", "S6 R16 S18 R19", "- s14 R16 - - c79"),
        ("a minute without a refutation ends it", "S65 R66 S67 R68", "c65 S65 R66 S67 R68"),
        ("and less does not", "S60 R61 S62 R63", "S60 R61 - - c123"),
        ("it ends while it is suspected, too", "S50 D70", "S50 c65 D70"),
        ("who is gone begins anew", "S6 D7 S8 R9", "- - S8 R9"),
        ("a second accuser tells nothing of one that is held back for its own sake", "S6 A7 R8", "- - - c68"),
        ("what flapping members alone say of it waits 10 s from then", "F13 R22 F30 R41", "- - - s40 R41 c65"),
    ] {
        let happens = format!("{first} {happens}");
        assert_eq!(told(&read(&happens)), format!("{first} {expected}"), "{sentence}");
    }

    for (sentence, happens, expected) in [
        ("what flapping members alone say is held back", "F0 R1", "- -"),
        ("however often, and does not count", "F0 R1 F2 R3 F4 R5 S6 R7", "- - - - - - S6 R7"),
        ("until another accuses too, once", "F0 A1 A2 R3", "- A1 - R3"),
        ("which counts", "F0 A1 R1 F2 A3 R3 F4 A5 R5 S6 R7", "- A1 R1 - A3 R3 - A5 R5 - - c67"),
        ("or for 10 s", "F0 R11", "- s10 R11"),
        ("after which another says nothing new", "F0 A11 R12", "- s10 - R12"),
        ("but that it counts", "F0 A11 R12 S13 R14 S15 R16", "- s10 - R12 S13 R14 S15 R16 c76"),
        ("a verdict finds it held back", "F0 D3", "- -"),
    ] {
        assert_eq!(told(&read(happens)), expected, "{sentence}");
    }
}

#[test]
fn each_member_has_turns_of_its_own() {
    let mut flapping = Flapping::default();
    let (some, other) = (Slot(1), Slot(2));
    for secs in 0..3 {
        for slot in [some, other] {
            assert_eq!(flapping.suspected(at(secs), slot, Accused::BySteady), Telling::Told);
            assert!(!flapping.is_flapping(slot));
            assert_eq!(flapping.refuted(at(secs), slot), Telling::Told);
        }
    }
    assert_eq!((flapping.count(), flapping.is_flapping(some)), (2, true));
    assert_eq!(flapping.suspected(at(3), some, Accused::BySteady), Telling::Held);
    assert_eq!((flapping.is_held(some), flapping.is_held(other)), (true, false));
    assert_eq!((flapping.forget(some), flapping.forget(some)), (Some(Telling::Held), None));
    assert_eq!((flapping.count(), flapping.is_flapping(some), flapping.is_flapping(other)), (1, false, true));
    assert_eq!(flapping.next_at(), at(62), "the other is calm a minute after its last refutation");
}

#[test]
fn however_it_flaps_what_is_told_is_whole_and_seldom() {
    for step in 1..40_u64 {
        let mut flapping = Flapping::default();
        let (mut runs, mut last) = (None, None);
        for turn in 0..2_000_u64 {
            let draw = turn.wrapping_mul(step.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 33;
            let now = Instant::ORIGIN + Duration::from_millis(turn * 4_001 + draw % 4_000);
            while let Some((_, due)) = flapping.next_due(now) {
                if due == Due::Suspicion {
                    assert_eq!(runs.replace(Telling::Told), Some(Telling::Held));
                    last = Some(now);
                }
            }

            let was_flapping = flapping.is_flapping(SLOT);
            let is_soon = was_flapping && last.is_some_and(|last| now.since(last) < APART);
            let told = match turn % 3 {
                0 => {
                    let accused = if draw % 5 == 0 { Accused::ByFlapping } else { Accused::BySteady };
                    runs = Some(flapping.suspected(now, SLOT, accused));
                    runs == Some(Telling::Told)
                }
                1 => flapping.confirmed(now, SLOT),
                _ => {
                    assert_eq!(Some(flapping.refuted(now, SLOT)), runs.take());
                    false
                }
            };

            assert!(!(told && is_soon));
            if told {
                (runs, last) = (Some(Telling::Told), Some(now));
            }
            assert!(flapping.by_slot.len() <= 1 && flapping.due.len() <= 1);
        }
    }
}
