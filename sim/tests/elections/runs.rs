//! What a run of an election is held to, and that the checks would see it broken: where a premise is missing, they do.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tidings::config::ElectionConfig;
use tidings::{Instant, Term};
use tidings_sim::fault::{Fault, Hosts, Links, Place, Planned, Repeat, Towards, WallClock};
use tidings_sim::forge::{self, MessageRead};
use tidings_sim::network::Fate;
use tidings_sim::scenario::{Disks, Scenario, Sleep, Start};
use tidings_sim::swarm::swarm_election;
use tidings_sim::watch::Watch;
use tidings_sim::world::World;
use tidings_sim::{Experiment, Outcome};

const SECOND: Duration = Duration::from_secs(1);

/// Three voters, of which the leader is cut off again and again.
fn cut_off(name: &str) -> Scenario {
    let links = Links { from: Hosts::Leader, ..Links::default() };
    let again = Some(Repeat { every: SECOND * 4, times: 6 });
    let cut = Planned { again, ..Planned::at(SECOND * 3, Fault::Cut { links }).lasting(SECOND * 2) };
    let mut scenario = Scenario::new(name, 3, SECOND * 30).with(cut);
    scenario.brief = true;
    scenario.start = Start::Preloaded;
    scenario.electing(ElectionConfig::lan("default", ["n0", "n1", "n2"]))
}

/// What twenty seeds of a scenario came to.
fn runs(scenario: &Scenario) -> Vec<Outcome> {
    let experiment = Experiment::new(scenario.clone());
    (0..20).map(|seed| experiment.run(seed).unwrap()).collect()
}

/// In how many of them something was seen; none of them breaks a promise.
fn seen(scenario: &Scenario, what: &str) -> usize {
    let outcomes = runs(scenario);
    outcomes.iter().for_each(|outcome| assert_eq!(outcome.violations, [], "{} {}", scenario.name, outcome.seed));
    outcomes.iter().filter(|outcome| outcome.sometimes.count(what) > 0).count()
}

#[test]
fn leases_overlap_only_where_clocks_do_what_they_must_not() {
    let overlap = "leases overlap, as they may";
    let drift = |hosts: &[u32], ppm| {
        let hosts = Hosts::These(hosts.to_vec());
        Planned::at(Duration::ZERO, Fault::Drift { hosts, ppm })
    };
    let apart = |ppm: i64| cut_off("drift").with(drift(&[0], -ppm)).with(drift(&[1, 2], ppm));
    let within = apart(5_000);
    assert!(within.promises_exclusive_leases());
    assert_eq!(seen(&within, overlap), 0);
    let beyond = apart(150_000);
    assert!(!beyond.promises_exclusive_leases());
    assert!(seen(&beyond, overlap) > 0, "clocks are 30 % apart");

    let again = Some(Repeat { every: SECOND * 5, times: 5 });
    let sleep = Planned {
        again,
        ..Planned::at(SECOND * 3, Fault::Suspend { hosts: Hosts::Leader, inbox: Default::default() })
    };
    let mut asleep = cut_off("sleep");
    asleep.faults = vec![sleep.lasting(SECOND * 3)];
    assert_eq!(seen(&asleep, overlap), 0);
    asleep.clock = Sleep::Stands;
    assert!(seen(&asleep, overlap) > 0, "clocks stand still");

    let back = Fault::Step { hosts: Hosts::Leader, by: SECOND, towards: Towards::Past };
    let again = Some(Repeat { every: SECOND * 4, times: 6 });
    let steps = cut_off("steps").with(Planned { again, ..Planned::at(SECOND * 3 - SECOND / 50, back) });
    assert!(seen(&steps, overlap) > 0, "clocks step back");
}

#[test]
fn terms_fall_only_where_votes_are_forgotten_and_wall_clocks_go_back() {
    let fall = "terms fall, as they may";
    let restart = |clock| {
        let crash = Fault::Crash { hosts: Hosts::All, clock, address: Place::Same };
        let mut scenario = cut_off("restart").with(Planned::at(SECOND * 5, crash).lasting(SECOND));
        scenario.disks = Disks::Memory;
        scenario
    };
    assert_eq!(seen(&restart(WallClock::Right), fall), 0);
    assert!(seen(&restart(WallClock::Behind), fall) > 0);
    let kept = Scenario { disks: Disks::File, ..restart(WallClock::Behind) };
    assert!(kept.promises_one_leader());
    assert_eq!(seen(&kept, fall), 0, "files need no such clause");
}

/// The terms that hosts are in.
fn terms(world: &World) -> Vec<Term> {
    let elections = world.hosts().iter().filter_map(|host| host.protocol()?.elections().next());
    elections.filter_map(|election| election.term()).collect()
}

#[test]
fn a_deaf_voter_raises_no_term() {
    let scenario = Scenario::named("election-deaf").unwrap();
    for seed in 0..5 {
        let mut world: World = World::new(&scenario, seed, |_| (), ()).unwrap();
        world.run_until(Instant::ORIGIN + SECOND * 4);
        let before = terms(&world);
        world.run_until(Instant::ORIGIN + SECOND * 64);
        assert_eq!((before.len(), terms(&world)), (5, before), "seed {seed}");
    }
}

/// Reads every election message in two ways.
#[derive(Default)]
struct Reader(u64);

impl Watch for Reader {
    fn sent(&mut self, _: Instant, _: u32, _: Option<u32>, datagram: &[u8], _: &Fate) {
        if datagram[1] == forge::ELECTION {
            let read = forge::read(datagram).unwrap();
            assert!(read.message.is_some() && read.message == MessageRead::of(datagram));
            self.0 += 1;
        }
    }
}

#[test]
fn every_message_can_be_read() {
    let mut messages = 0;
    for seed in 0..50 {
        let scenario = swarm_election(seed);
        let mut world: World<(), Reader> = World::new(&scenario, seed, |_| (), Reader::default()).unwrap();
        world.run(scenario.lasts);
        messages += world.watch().0;
    }
    assert!(messages > 5_000, "{messages}");
}

#[test]
fn voters_are_hosts() {
    let refused = |voter: &str| {
        let text = format!("name = \"t\"\nhosts = 3\nfor = \"9s\"\n[[elections]]\nvoters = [\"n0\", \"{voter}\"]");
        Scenario::from_toml(&text).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(refused("n2"), Ok(()));
    assert!(refused("n3").unwrap_err().contains("there is no host \"n3\""));
    assert!(refused("n02").unwrap_err().contains("there is no host"));
    assert!(refused("n0").unwrap_err().contains("there twice"));
}
