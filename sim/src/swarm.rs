//! Scenarios drawn whole from a seed, with random features of the fault set turned off in each (swarm testing).
//!
//! Faults hide each other: where everything is always possible, some fault that masks the bug is nearly always there.
//! So each seed first decides which kinds of fault it may use at all (Groce and others, Swarm Testing, 2012: on average
//! about half), and then draws from those alone. Chaos comes first and quiet after it, so that what must hold in the
//! end can be asked for. What comes out is a plain scenario that names its seed: printed, it replays.

mod aim;
mod election;
mod fault;
mod surroundings;

use std::time::Duration;

use serde_json::Value;

use crate::delay::Delay;
use crate::fault::{Fault, Place, Planned};
use crate::random::{Random, nanos};
use crate::scenario::{Profile, Scenario, Start};
use crate::span;
use fault::Draw;

pub use election::swarm_election;
pub use surroundings::NOT_YET;
pub(crate) use surroundings::is_drawn;

/// How long each runs: what must hold in the end may take three times P and a few dials.
const LASTS: Duration = Duration::from_secs(120);
/// When the last fault is over, crashes and departures that last apart.
const CHAOS_UNTIL: Duration = Duration::from_secs(65);
/// The same under the wide-area profile, whose timers are nearly three times as long.
const CHAOS_UNTIL_WAN: Duration = Duration::from_secs(40);

/// A scenario of 3 to 9 hosts that the seed decides, or 20 to 100 with one seed of a hundred.
///
/// Of a thousand seeds about 800 use the profile `lan`, 100 `local` and 100 `wan`; half begin preloaded and half by
/// joining; 50 have a liar, and 20 a table too small for all. Each has one to eight faults. Half hold an election of
/// one to nine voters, with up to nine faults more that are aimed at them. Some have translated addresses, hosts that
/// do not know theirs or get another, members that write all the time, small socket buffers, two families of addresses,
/// hosts of another configuration. Every kind of fault is absent in at least 30 % of the seeds and occurs in at least
/// 2 %, but for those in [`NOT_YET`].
#[must_use]
pub fn swarm(seed: u64) -> Scenario {
    let mut random = Random::new(seed, "swarm");
    let hosts = surroundings::hosts(seed, random.between(3, 9) as u32);
    drawn(seed, "swarm", hosts, random)
}

/// The same with 10 to 24 hosts, and 64 with one seed of ten.
#[must_use]
pub fn swarm_large(seed: u64) -> Scenario {
    let mut random = Random::new(seed, "swarm-large");
    let hosts = if random.permille(100) { 64 } else { random.between(10, 24) as u32 };
    drawn(seed, "swarm-large", hosts, random)
}

fn drawn(seed: u64, name: &str, hosts: u32, mut random: Random) -> Scenario {
    let mut scenario = Scenario::new(&format!("{name}-{seed}"), hosts, LASTS);
    scenario.about = format!("Drawn from seed {seed}.");
    scenario.seed = Some(seed);

    scenario.profile = match random.below(10) {
        0 => Profile::Local,
        1 => Profile::Wan,
        _ => Profile::Lan,
    };

    scenario.start = if random.permille(500) { Start::Preloaded } else { Start::Joining };
    scenario.latency = latency(scenario.profile, &mut random);

    if random.permille(250) {
        // Long records fill pages, so that what is repaired comes in several.
        scenario.metadata_bytes = random.between(1, 512) as usize;
    }

    knobs(&mut scenario, &mut random);
    let chaos_until = if scenario.profile == Profile::Wan { CHAOS_UNTIL_WAN } else { CHAOS_UNTIL };
    let stall_tolerance = scenario.config().map_or(Duration::from_secs(3), |config| config.stall_tolerance);
    scenario.faults = Draw::new(hosts, stall_tolerance, chaos_until, &mut random).faults();
    election::perhaps_elect(&mut scenario, seed, chaos_until);

    if scenario.faults.iter().any(|planned| matches!(planned.what, Fault::Forget { .. })) {
        // Two sides that forgot each other find back by their contacts alone, and a preloaded host has none.
        scenario.start = Start::Joining;
    }

    let all_at_new = |planned: &Planned| match &planned.what {
        Fault::Crash { hosts: whom, address: Place::New, .. } => whom.numbers(hosts).len() == hosts as usize,
        _ => false,
    };
    if scenario.faults.iter().any(all_at_new) {
        // No contact is where a twin was told to look, and none of the others was told of the twin.
        scenario.faults.retain(|planned| !matches!(planned.what, Fault::Twin { .. }));
    }

    if random.permille(20) {
        let cap = random.between(2, u64::from(scenario.host_limit()).saturating_sub(1).max(2));
        scenario.config.insert("members_max".to_owned(), cap.into());
    }

    surroundings::surround(&mut scenario, seed, chaos_until);
    scenario
}

/// A sound network's delay, within what the profile is made for.
fn latency(profile: Profile, random: &mut Random) -> Delay {
    let most = Duration::from_millis(match profile {
        Profile::Local => 5,
        Profile::Lan => 20,
        Profile::Wan => 120,
    });
    let some = |random: &mut Random| round(random.span(Duration::from_micros(50), most), Duration::from_micros(1));
    match random.below(8) {
        0 => Delay::Constant { is: some(random) },
        1 => {
            let (one, other) = (some(random), some(random));
            Delay::Uniform { from: one.min(other), to: one.max(other) }
        }
        2 => Delay::LogNormal { median: some(random) / 2, sigma_permille: random.between(100, 800) as u32 },
        3 => Delay::Spikes { permille: random.between(1, 100) as u32, of: some(random) * 2 },
        _ => Delay::default(),
    }
}

/// Knobs that count, and from where to where they are drawn.
const COUNTS: [(&str, u64, u64); 6] = [
    ("indirect_checks", 0, 6),
    ("confirmations", 0, 3),
    ("retransmit_mult", 1, 4),
    ("forward_fanout", 1, 8),
    ("forward_rate", 1, 50),
    ("news_max", 16, 64),
];

/// Knobs that differ from the preset, each within what keeps the promises.
fn knobs(scenario: &mut Scenario, random: &mut Random) {
    let mut set = |knob: &str, value: Value| scenario.config.insert(knob.to_owned(), value);
    if random.permille(200) {
        let preset = match scenario.profile {
            Profile::Local => 1_000,
            Profile::Lan => 3_000,
            Profile::Wan => 8_000,
        };
        let tolerance = Duration::from_millis(random.between(preset * 2 / 3, preset * 3 / 2));
        set("stall_tolerance", span::text(tolerance).into());
    }
    for (knob, low, high) in COUNTS.into_iter().chain([("datagram_bytes_max", 1_200, 1_400)]) {
        if random.permille(60) {
            set(knob, random.between(low, high).into());
        }
    }
}

/// A span in whole units, so that printed scenarios read well.
fn round(span: Duration, unit: Duration) -> Duration {
    Duration::from_nanos(nanos(span) / nanos(unit).max(1) * nanos(unit))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::fault::Fault;

    #[test]
    fn every_kind_of_fault_occurs_and_is_absent_often_enough() {
        let (mut with, mut liars, mut crowded) = (BTreeMap::new(), 0, 0);
        for seed in 0..2_000 {
            let scenario = swarm(seed);
            let kinds: BTreeSet<&str> = scenario.faults.iter().map(|planned| planned.what.name()).collect();
            kinds.into_iter().for_each(|kind| *with.entry(kind).or_insert(0) += 1);
            liars += u32::from(scenario.has_liar());
            crowded += u32::from(scenario.is_crowded());
        }
        let drawn: Vec<&str> = Fault::NAMES.iter().copied().filter(|kind| is_drawn(kind)).collect();
        for kind in &drawn {
            let count = with.get(kind).copied().unwrap_or(0);
            assert!((40..=1_400).contains(&count), "{kind} in {count} of 2,000: {with:?}");
        }
        assert_eq!(with.len(), drawn.len(), "{with:?}");
        assert!((60..=140).contains(&liars) && (10..=80).contains(&crowded), "{liars} {crowded}");
    }

    #[test]
    fn every_drawn_scenario_is_sound_prints_and_ends_in_time() {
        for seed in 0..2_000 {
            for scenario in [swarm(seed), swarm_large(seed)] {
                scenario.check().unwrap_or_else(|error| panic!("{seed}: {error}\n{}", scenario.to_toml()));
                assert_eq!(Scenario::from_toml(&scenario.to_toml()).as_ref(), Ok(&scenario), "{seed}");
                assert!((1..=45).contains(&scenario.faults.len()), "{seed}");
                assert!(scenario.hosts >= 3, "{seed}");

                let until = if scenario.profile == Profile::Wan { CHAOS_UNTIL_WAN } else { CHAOS_UNTIL };
                let resolved = scenario.resolve(seed);
                let end = resolved.faults_end();
                assert!(end.is_some_and(|end| end <= until), "{seed}: {end:?}\n{}", scenario.to_toml());

                for planned in &resolved.faults {
                    let may_last = matches!(
                        planned.what,
                        Fault::Crash { .. }
                            | Fault::Leave { .. }
                            | Fault::Step { .. }
                            | Fault::Twin { .. }
                            | Fault::Metadata { .. }
                            | Fault::Nat { .. }
                            | Fault::Move { .. }
                            | Fault::Forget { .. }
                            | Fault::Resign { .. }
                            | Fault::Prefer { .. }
                            | Fault::ChangeVoters { .. }
                            | Fault::SetClock { .. }
                    );
                    assert!(may_last || planned.lasts.is_some(), "{seed}: {planned:?}");
                }
            }
        }
    }

    #[test]
    fn at_least_half_of_the_hosts_outlast_every_crash_and_departure() {
        for seed in 0..2_000 {
            let scenario = swarm(seed).resolve(seed);
            let mut gone = BTreeSet::new();
            for planned in scenario.faults.iter().filter(|planned| planned.lasts.is_none()) {
                if let Fault::Crash { hosts, .. } | Fault::Leave { hosts } = &planned.what {
                    gone.extend(hosts.numbers(scenario.hosts));
                }
            }
            assert!(gone.len() as u32 * 2 <= scenario.hosts, "{seed}: {gone:?} of {}", scenario.hosts);
        }
    }

    #[test]
    fn a_seed_repeats() {
        assert_eq!(swarm(7), swarm(7));
        assert_ne!(swarm(7).faults, swarm(8).faults);
    }
}
