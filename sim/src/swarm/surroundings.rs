//! Draws what the world around a cluster is like: translated addresses, hosts that do not know theirs, busy metadata,
//! small socket buffers, clocks at 1970, islands of address families, hosts with a configuration of their own.
//!
//! Each feature has a stream of draws of its own, so that a new one moves nothing that other features draw. What the
//! protocol cannot bear yet stands in [`NOT_YET`] and is not drawn.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::fault::{Back, Fault, Gateway, Hosts, Inbox, MovesTo, Planned, WallClock};
use crate::random::Random;
use crate::scenario::{Differs, Families, Family, Scenario, Start};
use crate::span;
use crate::swarm::fault::MS;
use crate::swarm::{COUNTS, round};

/// Features that are not drawn, each with what it waits for. To draw one, take it from here: nothing else changes, and
/// no other draw moves.
pub const NOT_YET: &[(&str, &str)] = &[];

type DrawsInto = fn(&mut Scenario, &mut Random, Duration);

/// Each feature, in how many of a thousand seeds it is drawn, and how.
const FEATURES: [(&str, u32, DrawsInto); 8] = [
    ("wildcard", 60, wildcard),
    ("nat", 50, nat),
    ("move", 40, relocate),
    ("writers", 60, writers),
    ("inbox", 400, inboxes),
    ("epoch", 30, epoch),
    ("families", 30, families),
    ("differs", 60, differs),
];

/// Whether a feature, or the fault of this name, is drawn at all.
pub(crate) fn is_drawn(feature: &str) -> bool {
    NOT_YET.iter().all(|(waits, _)| *waits != feature)
}

/// How many hosts a scenario of the swarm has: in one of a hundred many more than the others.
pub(super) fn hosts(seed: u64, few: u32) -> u32 {
    let mut random = Random::new(seed, "swarm-crowd");
    if is_drawn("crowd") && random.permille(10) { random.between(20, 100) as u32 } else { few }
}

/// Draws each feature by its share; faults are over by `until`.
pub(super) fn surround(scenario: &mut Scenario, seed: u64, until: Duration) {
    for (feature, permille, draw) in FEATURES {
        let mut random = Random::new(seed, &format!("swarm-{feature}"));
        if is_drawn(feature) && random.permille(permille) {
            draw(scenario, &mut random, until);
        }
    }
    scenario.faults.sort_by_key(|planned| planned.at);
}

/// All hosts are bound to the unspecified address, or some, the first among them as often as not.
fn wildcard(scenario: &mut Scenario, random: &mut Random, _: Duration) {
    if !is_drawn("wildcard-preloaded") {
        scenario.start = Start::Joining;
    }
    scenario.wildcard = if random.permille(500) { Hosts::All } else { Hosts::These(some(scenario, random)) };
}

/// Some hosts are behind a translation, for good or for a while.
fn nat(scenario: &mut Scenario, random: &mut Random, until: Duration) {
    let gateway = if random.permille(500) { Gateway::Each } else { Gateway::One };
    // A host that learns its address behind a translation needs one that leads back.
    let knows = scenario.wildcard == Hosts::These(Vec::new());
    // And a host that has no space for a member cannot know where that member receives. Nor does it send to it, so that
    // behind a translation that lets answers alone back it never hears that member's pings.
    let has_space = !is_capped(scenario);

    let ways = match (knows && has_space, is_drawn("nat-lost")) {
        (true, true) => &[Back::Lost, Back::Answers, Back::All][..],
        (true, false) => &[Back::Answers, Back::All],
        (false, _) => &[Back::All],
    };

    let back = random.pick(ways).copied().unwrap_or_default();
    let hosts = if random.permille(300) { Hosts::All } else { Hosts::These(some(scenario, random)) };
    if back != Back::All {
        // As its operator must, for answers that come back are no sign that anything else does: after a restart among
        // other faults such a host took the gateway's address once in 8,000 seeds. The scenarios of `nat` do without.
        scenario.given = hosts.clone();
    }

    let behind = hosts.numbers(scenario.hosts).len() as u32;
    let planned = Planned::at(Duration::ZERO, Fault::Nat { hosts: hosts.clone(), gateway, back });
    let for_a_while = knows && random.permille(300);
    if for_a_while && behind > movable(scenario.hosts) {
        // Cut off from each other they may take the gateway's addresses, and when it goes they have moved at once.
        scenario.given = hosts;
    }

    let (at, lasts) = spell(random, until);
    scenario.faults.push(if for_a_while { Planned { at, lasts: Some(lasts), ..planned } } else { planned });
}

/// Hosts that have to learn their address get another one under way.
fn relocate(scenario: &mut Scenario, random: &mut Random, until: Duration) {
    // A member that does not list another cannot tell it that it moved.
    if is_capped(scenario) {
        return;
    }

    let hosts = some_of(movable(scenario.hosts), scenario, random);
    let to = if random.permille(700) { MovesTo::New } else { MovesTo::Next };

    // Where a gateway rewrites what two send that have exchanged their addresses, no member sees that either has moved.
    let is_behind = scenario.faults.iter().any(|planned| matches!(planned.what, Fault::Nat { .. }));
    let to = if is_behind { MovesTo::New } else { to };
    let at = round(random.span(MS * 500, until), MS);

    // Of those that move while they are stopped, each learns of the others' addresses later than its verdict on them
    // may fall: once in 500 seeds of 20 hosts and more. And one that is stopped before the others have learnt where it
    // is was asked in vain since before it was stopped.
    let (interval, tolerance) = pace(scenario);
    let stops = |what: &Fault| matches!(what, Fault::Pause { .. } | Fault::Suspend { .. } | Fault::Block { .. });
    let all = scenario.host_limit();
    let runs_on = |planned: &Planned| planned.lasts.is_some_and(|lasts| planned.begins_last(all) + lasts < at);
    let is_stopped = |planned: &Planned| stops(&planned.what) && planned.at <= at + tolerance && !runs_on(planned);
    if scenario.faults.iter().any(is_stopped) {
        return;
    }

    // Behind a gateway its datagrams come from where they came from before, so that it asks only when it has not been
    // pinged for nine quarters of an interval, and twice: a P below the profile's may be over by then.
    if is_behind && tolerance < interval * 11 / 4 + MS * 200 {
        return;
    }

    // In a preloaded view stands an address that they have not learnt yet.
    scenario.start = Start::Joining;
    if let Hosts::These(wildcard) = &mut scenario.wildcard {
        wildcard.extend(&hosts);
        wildcard.sort_unstable();
        wildcard.dedup();
    }

    for planned in &mut scenario.faults {
        // As with a wildcard: where nothing leads to a host but its answers, no member can tell it where it is.
        if let Fault::Nat { back, .. } = &mut planned.what {
            (*back, planned.lasts) = (Back::All, None);
        }
    }

    scenario.given = Hosts::These(Vec::new());
    scenario.faults.push(Planned::at(at, Fault::Move { hosts: Hosts::These(hosts), to }));
}

/// Some hosts write, now and then so much that the queue of news is full all the time.
fn writers(scenario: &mut Scenario, random: &mut Random, until: Duration) {
    let hosts = if random.permille(500) { Hosts::All } else { Hosts::These(some(scenario, random)) };
    let (bytes, every) = (random.between(0, 512) as usize, round(random.span(MS * 100, MS * 5_000), MS));
    if random.permille(300) {
        scenario.config.insert("news_max".to_owned(), 16.into());
    }
    let (at, lasts) = spell(random, until);
    scenario.faults.push(Planned::at(at, Fault::Writers { hosts, bytes, every }).lasting(lasts));
}

/// What stops a host leaves its socket a few datagrams, or none.
fn inboxes(scenario: &mut Scenario, random: &mut Random, _: Duration) {
    for planned in &mut scenario.faults {
        if let Fault::Pause { inbox, .. } | Fault::Suspend { inbox, .. } = &mut planned.what {
            let small =
                if random.permille(200) { Inbox::Dropped } else { Inbox::Bytes(random.between(100, 4_000) as usize) };
            *inbox = if random.permille(500) { small } else { *inbox };
        }
    }
}

/// A few hosts start whose wall clock was never set.
fn epoch(scenario: &mut Scenario, random: &mut Random, until: Duration) {
    let join = Fault::Join { count: random.between(1, 3) as u32, clock: WallClock::Epoch };
    let at = round(random.span(MS * 500, until - MS * 100), MS);
    scenario.faults.push(Planned::at(at, join).lasting(MS * 100));
}

/// Some hosts speak v6 alone, and some both.
fn families(scenario: &mut Scenario, random: &mut Random, _: Duration) {
    // A twin speaks v4: it and a member of its name that does not could never be told apart, for they cannot meet.
    let has_twin = |planned: &Planned| matches!(planned.what, Fault::Twin { .. });
    // And a gateway has addresses of one family.
    let has_gateway = |planned: &Planned| matches!(planned.what, Fault::Nat { .. });
    // Where all that a host can reach are at 1970, a start of today that it cannot ask itself is no start to it.
    let is_in_1970 = |planned: &Planned| matches!(planned.what, Fault::Crash { clock: WallClock::Epoch, .. });
    let mixes_badly = |planned: &Planned| has_twin(planned) || has_gateway(planned) || is_in_1970(planned);
    if scenario.faults.iter().any(mixes_badly) {
        return;
    }

    let mut order = random.choose(scenario.hosts as usize, scenario.hosts);
    random.shuffle(&mut order);
    let both = order.split_off(order.len() - 1);
    order.truncate(random.between(1, u64::from(scenario.hosts / 2)) as usize);
    let drawn = Families { v6: order, both };

    // Only members of its own family see where a host has moved to, and most of them must have stayed where they were,
    // as most of a cluster of one family must: a host that is alone in its family would find no member to tell it. A
    // host that has gone for a while tells nothing either.
    let is_hit = |by: &dyn Fn(&Fault) -> bool| scenario.faults.iter().any(|planned| by(&planned.what));
    let moved = |host: u32| is_hit(&|what| matches!(what, Fault::Move { hosts, .. } if hosts.contain(host)));
    let goes = |host: u32| {
        is_hit(&|what| matches!(what, Fault::Crash { hosts, .. } | Fault::Leave { hosts } if hosts.contain(host)))
    };
    let asks = |host: u32| scenario.wildcard.contain(host) || moved(host);
    let is_told = |family: Family| {
        let members = || (0..scenario.hosts).filter(|host| drawn.advertised(*host) == family);
        let settled = |host: &u32| !moved(*host) && !goes(*host);
        let others = |one: u32| members().filter(move |host| *host != one).filter(settled).count();
        // And of the members that one pings in turn they must be so many that it comes to one of them within P.
        let finds = |one: u32| !moved(one) || others(one) * 2 >= scenario.hosts as usize - 1;
        members().filter(|host| asks(*host)).all(|one| others(one) > 0 && finds(one))
    };

    if is_told(Family::V4) && is_told(Family::V6) {
        scenario.families = drawn;
    }
}

/// Some hosts have a configuration of their own.
fn differs(scenario: &mut Scenario, random: &mut Random, _: Duration) {
    let hosts = Hosts::These(some(scenario, random));
    let others =
        [("datagram_bytes_max", 1_200, 8_192), ("metadata_bytes_per_second", 4_096, 65_536), ("ghosts_max", 1, 16)];

    let mut config: BTreeMap<String, Value> = BTreeMap::new();
    for (knob, low, high) in COUNTS.into_iter().chain(others) {
        if random.permille(250) {
            config.insert(knob.to_owned(), random.between(low, high).into());
        }
    }

    if random.permille(250) {
        let usual = scenario.config().map_or(Duration::from_secs(1), |config| config.probe_interval);
        let other = if random.permille(500) { usual * 2 } else { usual / 2 };
        config.insert("probe_interval".to_owned(), span::text(round(other, MS)).into());
    }

    if is_drawn("differs-p") && random.permille(250) {
        let usual = scenario.config().map_or(Duration::from_secs(3), |config| config.stall_tolerance);
        config.insert(
            "stall_tolerance".to_owned(),
            span::text(round(usual * random.between(2, 4) as u32 / 2, MS)).into(),
        );
    }

    if !config.is_empty() {
        scenario.differs.push(Differs { hosts, config });
    }
}

/// The interval of probes and P.
fn pace(scenario: &Scenario) -> (Duration, Duration) {
    let config = scenario.config();
    config.map_or((Duration::from_secs(1), Duration::from_secs(3)), |config| {
        (config.probe_interval, config.stall_tolerance)
    })
}

/// Whether some hosts have no space for all.
fn is_capped(scenario: &Scenario) -> bool {
    let members_max = scenario.config.get("members_max").and_then(Value::as_i64);
    members_max.is_some_and(|most| most < i64::from(scenario.host_limit()))
}

/// One or more of the hosts, at most half.
fn some(scenario: &Scenario, random: &mut Random) -> Vec<u32> {
    some_of(scenario.hosts / 2, scenario, random)
}

/// One or more of the hosts, at most so many.
fn some_of(most: u32, scenario: &Scenario, random: &mut Random) -> Vec<u32> {
    let count = random.between(1, u64::from(most.max(1)));
    random.choose(count as usize, scenario.hosts)
}

/// How many of a cluster may move at once, as is promised: half of a few, a quarter of many.
fn movable(hosts: u32) -> u32 {
    if hosts <= 9 { hosts / 2 } else { hosts / 4 }
}

/// When something begins that is over by then, and how long it lasts.
fn spell(random: &mut Random, until: Duration) -> (Duration, Duration) {
    let at = round(random.span(MS * 500, until / 2), MS);
    (at, round(random.span(MS * 500, until - at), MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::swarm;

    #[test]
    fn every_feature_that_is_not_waited_for_is_drawn() {
        let drawn: Vec<Scenario> = (0..2_000).map(swarm).collect();
        let count = |is_so: &dyn Fn(&Scenario) -> bool| drawn.iter().filter(|one| is_so(one)).count();
        let has = |one: &Scenario, is_it: fn(&Fault) -> bool| one.faults.iter().any(|planned| is_it(&planned.what));

        let counts = [
            ("wildcard", count(&|one| one.wildcard != Hosts::These(Vec::new())), 40),
            (
                "wildcard-preloaded",
                count(&|one| one.wildcard != Hosts::These(Vec::new()) && one.start == Start::Preloaded),
                20,
            ),
            ("nat", count(&|one| has(one, |fault| matches!(fault, Fault::Nat { .. }))), 40),
            ("nat-lost", count(&|one| has(one, |fault| matches!(fault, Fault::Nat { back: Back::Lost, .. }))), 20),
            ("move", count(&|one| has(one, |fault| matches!(fault, Fault::Move { .. }))), 40),
            ("writers", count(&|one| has(one, |fault| matches!(fault, Fault::Writers { .. }))), 40),
            ("inbox", count(&|one| has(one, |fault| matches!(fault, Fault::Pause { inbox: Inbox::Bytes(_), .. }))), 40),
            ("epoch", count(&|one| has(one, |fault| matches!(fault, Fault::Join { clock: WallClock::Epoch, .. }))), 40),
            ("families", count(&|one| !one.families.is_v4()), 30),
            ("differs", count(&|one| !one.differs.is_empty()), 80),
            ("differs-p", count(&|one| one.differs.iter().any(|one| one.config.contains_key("stall_tolerance"))), 15),
            ("crowd", count(&|one| one.hosts >= 20), 8),
        ];

        for (feature, seen, least) in counts {
            // A host that moves has to learn its address.
            let is_seen = is_drawn(feature) || (feature == "wildcard" && is_drawn("move"));
            let is_seen = is_seen && (feature != "nat-lost" || is_drawn("nat"));
            let expected = if is_seen { least..=1_400 } else { 0..=0 };
            assert!(expected.contains(&seen), "{feature}: {seen} of 2,000");
        }

        for (feature, why) in NOT_YET {
            assert!(counts.iter().any(|(known, ..)| known == feature) && !why.is_empty(), "{feature}");
        }
    }
}
