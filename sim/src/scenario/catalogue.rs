//! The scenarios that come with the simulator: one file each under `scenarios/`, built in.
//!
//! Built in, so that they can be run by name from anywhere. `scenarios/found/` is not in here: what stands there are
//! regressions, and a test runs them.

use std::sync::LazyLock;

use crate::scenario::Scenario;

/// Every file, in the order of their names.
const FILES: &[&str] = &[
    include_str!("../../scenarios/block.toml"),
    include_str!("../../scenarios/busy-metadata-100.toml"),
    include_str!("../../scenarios/busy-metadata-40.toml"),
    include_str!("../../scenarios/churn.toml"),
    include_str!("../../scenarios/clock-chaos.toml"),
    include_str!("../../scenarios/clog-all.toml"),
    include_str!("../../scenarios/clog-then-burst.toml"),
    include_str!("../../scenarios/corruption.toml"),
    include_str!("../../scenarios/crash-local.toml"),
    include_str!("../../scenarios/crash-many.toml"),
    include_str!("../../scenarios/crash-of-three.toml"),
    include_str!("../../scenarios/crash-three-of-five.toml"),
    include_str!("../../scenarios/crash-wan.toml"),
    include_str!("../../scenarios/crash.toml"),
    include_str!("../../scenarios/day-of-writing.toml"),
    include_str!("../../scenarios/deaf.toml"),
    include_str!("../../scenarios/duplicate-reorder.toml"),
    include_str!("../../scenarios/election-chained.toml"),
    include_str!("../../scenarios/election-change.toml"),
    include_str!("../../scenarios/election-change-missed.toml"),
    include_str!("../../scenarios/election-clock-ahead.toml"),
    include_str!("../../scenarios/election-constrained.toml"),
    include_str!("../../scenarios/election-crash.toml"),
    include_str!("../../scenarios/election-deaf.toml"),
    include_str!("../../scenarios/election-disk-full.toml"),
    include_str!("../../scenarios/election-disk-lost.toml"),
    include_str!("../../scenarios/election-disk-slow.toml"),
    include_str!("../../scenarios/election-disk-torn.toml"),
    include_str!("../../scenarios/election-drift.toml"),
    include_str!("../../scenarios/election-epoch.toml"),
    include_str!("../../scenarios/election-flapping.toml"),
    include_str!("../../scenarios/election-hand-over.toml"),
    include_str!("../../scenarios/election-idle.toml"),
    include_str!("../../scenarios/election-minority.toml"),
    include_str!("../../scenarios/election-one-way.toml"),
    include_str!("../../scenarios/election-power-loss.toml"),
    include_str!("../../scenarios/election-preferred.toml"),
    include_str!("../../scenarios/election-quorum-loss.toml"),
    include_str!("../../scenarios/election-restart-all-file.toml"),
    include_str!("../../scenarios/election-restart-all-memory.toml"),
    include_str!("../../scenarios/election-rolling-restart.toml"),
    include_str!("../../scenarios/election-suspended.toml"),
    include_str!("../../scenarios/families-accuser-restarts.toml"),
    include_str!("../../scenarios/families-alone.toml"),
    include_str!("../../scenarios/families-apart.toml"),
    include_str!("../../scenarios/families-both-last.toml"),
    include_str!("../../scenarios/families-crash.toml"),
    include_str!("../../scenarios/families-few.toml"),
    include_str!("../../scenarios/families-join-1970.toml"),
    include_str!("../../scenarios/families-moved.toml"),
    include_str!("../../scenarios/families-unknown.toml"),
    include_str!("../../scenarios/flapping-dies.toml"),
    include_str!("../../scenarios/flapping-few-reach.toml"),
    include_str!("../../scenarios/flapping-host.toml"),
    include_str!("../../scenarios/flapping-link.toml"),
    include_str!("../../scenarios/flapping-told-seldom.toml"),
    include_str!("../../scenarios/full-table.toml"),
    include_str!("../../scenarios/ghost-rate-10.toml"),
    include_str!("../../scenarios/ghost-rate-100.toml"),
    include_str!("../../scenarios/idle-some-dead.toml"),
    include_str!("../../scenarios/inbox-small.toml"),
    include_str!("../../scenarios/ingress-loss-99.toml"),
    include_str!("../../scenarios/isolated-forgets.toml"),
    include_str!("../../scenarios/isolated-rate-1000.toml"),
    include_str!("../../scenarios/isolated-rate-5.toml"),
    include_str!("../../scenarios/isolated-rate-64.toml"),
    include_str!("../../scenarios/isolated-under-loss-250.toml"),
    include_str!("../../scenarios/isolated-under-loss-4.toml"),
    include_str!("../../scenarios/join-1970-300.toml"),
    include_str!("../../scenarios/join-1970.toml"),
    include_str!("../../scenarios/join-storm-1000.toml"),
    include_str!("../../scenarios/join-storm.toml"),
    include_str!("../../scenarios/last-one-standing.toml"),
    include_str!("../../scenarios/latency-spikes.toml"),
    include_str!("../../scenarios/leave-after-crash.toml"),
    include_str!("../../scenarios/leave-among-suspects.toml"),
    include_str!("../../scenarios/leave-rejoin.toml"),
    include_str!("../../scenarios/lie-dead.toml"),
    include_str!("../../scenarios/lie-generation.toml"),
    include_str!("../../scenarios/lie-incarnation.toml"),
    include_str!("../../scenarios/lie-left.toml"),
    include_str!("../../scenarios/lie-phantom.toml"),
    include_str!("../../scenarios/lie-suspect.toml"),
    include_str!("../../scenarios/lifeguard-interval.toml"),
    include_str!("../../scenarios/long-records.toml"),
    include_str!("../../scenarios/lossy-30.toml"),
    include_str!("../../scenarios/lossy-burst.toml"),
    include_str!("../../scenarios/lost-inbox-16ms.toml"),
    include_str!("../../scenarios/lost-inboxes-26.toml"),
    include_str!("../../scenarios/lost-inbox-unproved.toml"),
    include_str!("../../scenarios/mass-restart.toml"),
    include_str!("../../scenarios/metadata-forget.toml"),
    include_str!("../../scenarios/mixed-limits.toml"),
    include_str!("../../scenarios/moved-around.toml"),
    include_str!("../../scenarios/moved-half.toml"),
    include_str!("../../scenarios/moved-quarter.toml"),
    include_str!("../../scenarios/moved-under-way.toml"),
    include_str!("../../scenarios/moved-while-joining.toml"),
    include_str!("../../scenarios/mtu-black-hole.toml"),
    include_str!("../../scenarios/mute.toml"),
    include_str!("../../scenarios/names-moved.toml"),
    include_str!("../../scenarios/narrow-links.toml"),
    include_str!("../../scenarios/nat-each-10.toml"),
    include_str!("../../scenarios/nat-each-100.toml"),
    include_str!("../../scenarios/nat-each-answers-10.toml"),
    include_str!("../../scenarios/nat-each-answers-100.toml"),
    include_str!("../../scenarios/nat-formed-apart.toml"),
    include_str!("../../scenarios/nat-joining.toml"),
    include_str!("../../scenarios/nat-link-cut.toml"),
    include_str!("../../scenarios/nat-one-10.toml"),
    include_str!("../../scenarios/nat-one-100.toml"),
    include_str!("../../scenarios/over-the-cap.toml"),
    include_str!("../../scenarios/overloaded-node.toml"),
    include_str!("../../scenarios/pair-cut.toml"),
    include_str!("../../scenarios/partition-bridge.toml"),
    include_str!("../../scenarios/partition-heal.toml"),
    include_str!("../../scenarios/partition-hour-5.toml"),
    include_str!("../../scenarios/partition-hour-64.toml"),
    include_str!("../../scenarios/partition-minority.toml"),
    include_str!("../../scenarios/partition-one-way.toml"),
    include_str!("../../scenarios/partition-partial-groups.toml"),
    include_str!("../../scenarios/partition-partial.toml"),
    include_str!("../../scenarios/partition-three.toml"),
    include_str!("../../scenarios/pause-long.toml"),
    include_str!("../../scenarios/pause-often.toml"),
    include_str!("../../scenarios/pause-short.toml"),
    include_str!("../../scenarios/rapid-egress-80-small.toml"),
    include_str!("../../scenarios/rapid-egress-80.toml"),
    include_str!("../../scenarios/rapid-ingress-loss.toml"),
    include_str!("../../scenarios/restart-clock-ahead.toml"),
    include_str!("../../scenarios/restart-clock-behind.toml"),
    include_str!("../../scenarios/restart-clock-stuck.toml"),
    include_str!("../../scenarios/restart-late.toml"),
    include_str!("../../scenarios/restart-new-address.toml"),
    include_str!("../../scenarios/restart-same-name.toml"),
    include_str!("../../scenarios/ring-chained.toml"),
    include_str!("../../scenarios/rolling-restart.toml"),
    include_str!("../../scenarios/slow-node.toml"),
    include_str!("../../scenarios/steady.toml"),
    include_str!("../../scenarios/suspend.toml"),
    include_str!("../../scenarios/suspended-past-tombstones.toml"),
    include_str!("../../scenarios/twin-cut-off.toml"),
    include_str!("../../scenarios/twin.toml"),
    include_str!("../../scenarios/wildcard-all.toml"),
    include_str!("../../scenarios/wildcard-election.toml"),
    include_str!("../../scenarios/wildcard-first.toml"),
    include_str!("../../scenarios/wildcard-two-families.toml"),
];

/// Each as a scenario; a test sees to it that none is missing.
static CATALOGUE: LazyLock<Vec<Scenario>> =
    LazyLock::new(|| FILES.iter().filter_map(|text| Scenario::from_toml(text).ok()).collect());

/// The name of every scenario that comes with the simulator, and what it shows.
pub fn catalogue() -> impl Iterator<Item = (&'static str, &'static str)> {
    CATALOGUE.iter().map(|scenario| (scenario.name.as_str(), scenario.about.as_str()))
}

impl Scenario {
    /// The scenario of this name that comes with the simulator.
    #[must_use]
    pub fn named(name: &str) -> Option<Scenario> {
        CATALOGUE.iter().find(|scenario| scenario.name == name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::fault::Fault;

    #[test]
    fn every_file_in_the_folder_is_here_reads_and_prints() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = std::fs::read_to_string(&path).unwrap();
                let scenario = Scenario::from_toml(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                assert_eq!(Some(scenario.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
                assert!(scenario.about.ends_with('.') && !scenario.expectations.is_empty(), "{}", scenario.name);
                assert_eq!(Scenario::from_toml(&scenario.to_toml()).as_ref(), Ok(&scenario), "{}", scenario.to_toml());
                assert_eq!(Scenario::named(&scenario.name), Some(scenario.clone()), "not in the catalogue");
                names.insert(scenario.name);
            }
        }
        let listed: BTreeSet<String> = catalogue().map(|(name, _)| name.to_owned()).collect();
        assert_eq!((names.len(), &names), (FILES.len(), &listed));
    }

    #[test]
    fn every_kind_of_fault_has_a_scenario() {
        let faults = CATALOGUE.iter().flat_map(|scenario| &scenario.faults);
        let kinds: BTreeSet<&str> = faults.map(|planned| planned.what.name()).collect();
        assert_eq!(kinds.len(), Fault::NAMES.len(), "{kinds:?}");
    }
}
