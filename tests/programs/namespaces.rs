//! Real processes on hosts of their own: network namespaces, with routers that translate addresses between them.
//!
//! Needs root, `ip` and `nft`. Where they are missing the tests say SKIPPED, and fail if `CI` is `true`.

#![cfg(target_os = "linux")]

mod lab;

use std::time::{Duration, Instant};

use lab::{Lab, Line, Process};
use serde_json::Value;

/// For any single wait; on a busy machine much more than it needs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long nothing may be suspected.
const QUIET: Duration = Duration::from_secs(20);

/// The README's program on three hosts, whose names their hosts files know.
#[test]
fn the_election_of_the_readme_elects_a_leader_and_survives_its_death() {
    let Some(mut lab) = Lab::open("the_election_of_the_readme") else { return };
    let names = ["db-1", "db-2", "db-3"];
    let hosts: String = (1..=3).map(|n| format!("10.77.0.{n} db-{n}.internal\n")).collect();
    let switch = lab.switch();
    let places = names.map(|_| lab.host());
    for (place, n) in places.iter().zip(1..) {
        lab.plug(place, "eth0", &switch, &format!("10.77.0.{n}/24"));
        lab.hosts_file(place, &hosts);
    }
    // Each host has its own disk under /var/lib.
    let start = |n: usize| lab.run(&places[n], names[n], "mount -t tmpfs tmpfs /var/lib", "lead", &[names[n]]);
    let mut voters: Vec<Process> = (0..3).map(start).collect();
    let (first, first_term) = leader(&mut voters);
    let killed = Instant::now();
    drop(voters.remove(first));
    let (_, second_term) = leader(&mut voters);
    println!("the next leader serves {:?} after the kill", killed.elapsed());
    assert!(second_term > first_term, "{second_term} after {first_term}");
}

/// Which of them begins to serve next, and in which term.
#[track_caller]
fn leader(voters: &mut [Process]) -> (usize, u64) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        for (place, voter) in voters.iter_mut().enumerate() {
            if let Some(Line(line)) = voter.next(Duration::from_millis(20)) {
                let term = line.strip_prefix("serves writes in term ").map(|term| term.parse().unwrap());
                return (place, term.unwrap_or_else(|| panic!("{} said {line}", voter.name())));
            }
        }
    }
    panic!("nobody leads");
}

/// One member's source address is another than it advertises, one to one; both lead to it.
#[test]
fn a_member_whose_source_address_is_translated_one_to_one_is_a_member_like_others() {
    let Some(mut lab) = Lab::open("one_to_one") else { return };
    let (inside, outside, router) = (lab.switch(), lab.switch(), lab.router());
    lab.plug(&router, "in", &inside, "10.77.1.1/24");
    lab.plug(&router, "out", &outside, "10.77.2.1/24");
    lab.also(&router, "out", "10.77.2.101/24");
    lab.nft(
        &router,
        "table ip one {\n chain pre {\n type filter hook prerouting priority -300;\n \
         ip daddr 10.77.2.101 ip daddr set 10.77.1.2\n }\n \
         chain post {\n type filter hook postrouting priority 300;\n \
         ip saddr 10.77.1.2 ip saddr set 10.77.2.101\n }\n}\n",
    );

    let mut members =
        vec![lab.member("n1", &inside, "10.77.1.2/24", Some("10.77.1.1"), "10.77.1.2:7340", "10.77.1.2:7340")];
    for n in 2..=5 {
        let own = format!("10.77.2.{n}");
        let name = format!("n{n}");
        members.push(lab.member(
            &name,
            &outside,
            &format!("{own}/24"),
            Some("10.77.2.1"),
            &format!("{own}:7340"),
            "10.77.1.2:7340",
        ));
    }

    live_in_quiet_and_find_a_crash(members);
}

/// Two members behind one gateway that rewrites source address and port of all they send; each has a port of the
/// gateway that leads to it, and advertises that.
#[test]
fn members_behind_one_gateway_that_rewrites_ports_are_members_like_others() {
    let Some(mut lab) = Lab::open("many_behind_one") else { return };
    let (inside, outside, gateway) = (lab.switch(), lab.switch(), lab.router());
    lab.plug(&gateway, "in", &inside, "10.77.1.1/24");
    lab.plug(&gateway, "out", &outside, "10.77.2.1/24");
    lab.nft(
        &gateway,
        "table ip many {\n chain pre {\n type nat hook prerouting priority -100;\n \
         ip daddr 10.77.2.1 udp dport 17342 dnat to 10.77.1.2:7340\n \
         ip daddr 10.77.2.1 udp dport 17343 dnat to 10.77.1.3:7340\n }\n \
         chain post {\n type nat hook postrouting priority 100;\n \
         ip saddr 10.77.1.0/24 udp sport 7340 masquerade to :20000-59999 random\n }\n}\n",
    );

    let contact = "10.77.2.4:7340";
    let mut members = Vec::new();
    for n in 4..=5 {
        let own = format!("10.77.2.{n}");
        members.push(lab.member(
            &format!("n{n}"),
            &outside,
            &format!("{own}/24"),
            None,
            &format!("{own}:7340"),
            contact,
        ));
    }

    for n in 2..=3 {
        let (own, told) = (format!("10.77.1.{n}/24"), format!("10.77.2.1:1734{n}"));
        members.push(lab.member(&format!("n{n}"), &inside, &own, Some("10.77.1.1"), &told, contact));
    }

    live_in_quiet_and_find_a_crash(members);
}

/// All see all, none is suspected for a while, and the last of them is found out when it is killed.
#[track_caller]
fn live_in_quiet_and_find_a_crash(mut members: Vec<Process>) {
    let names: Vec<String> = members.iter().map(|member| member.name().to_owned()).collect();
    for member in &mut members {
        let mut missing = names.clone();
        while !missing.is_empty() {
            let up =
                member.event(PATIENCE, &["up"]).unwrap_or_else(|| panic!("{} never saw {missing:?}", member.name()));
            missing.retain(|name| up["name"] != name.as_str());
        }
    }

    let end = Instant::now() + QUIET;
    for member in &mut members {
        let left = || end.saturating_duration_since(Instant::now());
        let told = member.event(left(), &["suspect", "dead", "isolated", "left"]);
        assert!(told.is_none(), "nothing was wrong, but {} told {told:?}", member.name());
    }

    let killed = members.pop().unwrap();
    let (name, began) = (killed.name().to_owned(), Instant::now());
    drop(killed);
    for member in &mut members {
        let is_of_it = |event: &Value| event["name"] == name.as_str();
        let dead = member.event(PATIENCE, &["dead"]);
        assert!(dead.as_ref().is_some_and(is_of_it), "{} said {dead:?} of {name}", member.name());
        println!("{} is dead to {} after {:?}", name, member.name(), began.elapsed());
    }
}
