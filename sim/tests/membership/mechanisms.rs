//! One test for each mechanism that protects the living or finds the dead, arranged so that the mechanism decides.
//!
//! `tests/sabotage/mechanisms_off.rs` switches the mechanisms off one at a time and sees these fail.
#![allow(clippy::unwrap_used)]

use tidings::config::Config;
use tidings::event::Event;
use tidings::member::State;
use tidings::time::Instant;
use tidings::why::Cause;
use tidings_sim::forge::{self, NEWS, PING, Who};

use crate::support::{Cluster, Net, Tapped, alone, apart, cluster, deaf, halves, id, lan, ms, read, secs};

/// Whether a datagram carries anything about a host, or the echo of its answer to a relay.
fn mentions(datagram: &[u8], host: u32) -> bool {
    let read = read(datagram);
    read.kind == forge::RELAYED || read.items.iter().any(|item| item.about == Some(id(host)))
}

/// Events of one kind about `m` at all hosts but itself since a moment.
fn count(net: &Net, kind: &str, m: u32, since: Instant) -> usize {
    let others = (0..net.hosts().len() as u32).filter(|n| *n != m);
    others.map(|n| net.kinds(n, m, since).into_iter().filter(|seen| *seen == kind).count()).sum()
}

/// How often host `n` was told this of any member since a moment.
fn told(net: &Net, n: u32, kind: &str, since: Instant) -> usize {
    net.told_to(n, since).filter(|(_, event)| event.kind() == kind).count()
}

fn last_pings(net: &Net, n: u32, m: u32) -> usize {
    let why = net.why(n, id(m));
    why.map_or(0, |why| why.steps.iter().filter(|step| matches!(step.what, Cause::LastPing { .. })).count())
}

/// Late wake: a driver that stops between its last ping and the verdict, while the suspect comes back, and that loses
/// what arrived meanwhile, blames itself and not the suspect.
#[test]
fn late_wake_a_driver_that_stops_for_ten_seconds_declares_nobody_dead() {
    for seed in 0..8 {
        let mut net = cluster(&lan(), seed, 21);
        let since = net.now();
        net.fail(alone(20));
        let asked = net.until(secs(5), |net| (0..20).any(|n| last_pings(net, n, 20) == 3));
        let stopped = (0..20).find(|n| last_pings(&net, *n, 20) == 3).unwrap();
        assert!(asked);
        net.fail(deaf(stopped));
        net.pause(stopped, secs(10));
        net.run(ms(9_990));
        net.heal();
        net.run(secs(20));
        let dead: usize = (0..21).filter(|m| *m != stopped).map(|m| count(&net, "dead", m, since)).sum();
        assert_eq!(dead, 0, "seed {seed}: the suspect was back before its P was over");
        assert!(told(&net, stopped, "self_stalled", since) > 0, "seed {seed}: it noticed that it had stopped");
        assert!(net.all_agree(), "seed {seed}");
    }
}

/// P: a member that stalls for less is never declared dead, however often, and though others stall across it.
#[test]
fn stall_tolerance_a_stall_below_p_is_never_a_death() {
    for seed in 0..6 {
        let mut net = cluster(&lan(), seed, 12);
        let since = net.now();
        for step in 0..10_u32 {
            // Two stalls that cross: the second begins in the middle of the first.
            net.pause(step % 12, ms(2_800));
            net.run(ms(1_300));
            net.pause((step + 5) % 12, ms(2_800));
            net.run(ms(3_700));
        }
        net.run(secs(10));
        assert_eq!(net.false_dead(since), 0, "seed {seed}");
        assert!((0..12).any(|m| count(&net, "suspect", m, since) > 0), "the stalls were long enough to be noticed");
        assert!(net.all_agree(), "seed {seed}");
    }
}

/// Accusers: one observer that is cut off from a member, and loses every datagram that mentions it, so that neither
/// another's opinion nor the refutation reaches it, is alone with its evidence and waits for 3 P.
#[test]
fn accusers_one_observer_alone_waits_for_three_p() {
    for seed in 0..4 {
        let mut net = cluster(&Config { indirect_checks: 0, ..lan() }, seed, 8);
        let since = net.now();
        net.fail(apart(0, 7));
        net.stop(|_, to, datagram| to == 0 && mentions(datagram, 7));
        let suspected = net.until(secs(20), |net| net.state(0, 7) == Some(State::Suspect));
        assert!(suspected, "seed {seed}");
        net.run(secs(6));
        assert_eq!(net.state(0, 7), Some(State::Suspect), "seed {seed}: no death at P or soon after");
        net.heal();
        net.run(secs(10));
        assert_eq!(net.false_dead(since), 0, "seed {seed}");
        assert!(net.all_agree(), "seed {seed}");
    }
}

/// The last ping: a node that only heard of a suspicion asks for itself before it convicts, so a lost refutation kills
/// no member.
#[test]
fn last_ping_a_lost_refutation_kills_nobody() {
    for seed in 0..4 {
        let mut net = cluster(&lan(), seed, 24);
        let since = net.now();
        net.fail(alone(23));
        assert!(net.until(secs(5), |net| net.state(0, 23) == Some(State::Suspect)));
        net.run(secs(1));

        let why = |net: &Net, n: u32| net.why(n, id(23)).unwrap();
        let asked_itself =
            |net: &Net, n: u32| why(net, n).steps.iter().any(|step| matches!(step.what, Cause::Unanswered { .. }));
        let bystander = (0..23).find(|n| net.state(*n, 23) == Some(State::Suspect) && !asked_itself(&net, *n)).unwrap();

        net.heal();
        // The member is back, but the bystander hears of it only by an answer to a ping of its own.
        net.stop(move |from, to, datagram| match (to == bystander, from == 23) {
            (false, _) => false,
            (true, true) => datagram[1] != forge::ACK,
            (true, false) => mentions(datagram, 23),
        });
        net.run(secs(4));
        net.heal();
        net.run(secs(10));

        assert_eq!(net.false_dead(since), 0, "seed {seed}");
        assert!(net.all_agree(), "seed {seed}");
    }
}

/// The last question: a node that alone has missed a refutation asks others with its last ping, and is told, though the
/// suspect itself does not get through to it.
#[test]
fn last_question_who_alone_missed_a_refutation_is_told_before_its_verdict() {
    for seed in 0..4 {
        let mut net = cluster(&lan(), seed, 24);
        let since = net.now();
        net.fail(alone(23));
        assert!(net.until(secs(5), |net| net.state(0, 23) == Some(State::Suspect)));
        net.run(secs(1));
        let bystander = (0..23).find(|n| net.state(*n, 23) == Some(State::Suspect)).unwrap();

        net.heal();
        // The member is back and its refutation spreads, but nothing of it gets to the bystander,
        net.stop(move |from, to, datagram| to == bystander && (from == 23 || mentions(datagram, 23)));
        assert!(net.until(secs(5), |net| last_pings(net, bystander, 23) > 0), "seed {seed}");
        // nor any news that nothing asked for, until its verdict is due.
        net.stop(move |from, to, datagram| {
            to == bystander && (from == 23 || (datagram[1] != forge::ACK && mentions(datagram, 23)))
        });
        net.run(secs(1));

        assert_eq!(net.false_dead(since), 0, "seed {seed}");
        assert_eq!(net.state(bystander, 23), Some(State::Alive), "seed {seed}");

        net.heal();
        net.run(secs(10));
        assert!(net.all_agree(), "seed {seed}");
    }
}

/// The self-tests: a node that hears no other takes it for its own fault and accuses none aloud.
#[test]
fn self_tests_a_deaf_node_accuses_nobody_aloud() {
    for seed in 0..4 {
        let mut net = cluster(&lan(), seed, 16);
        let since = net.now();
        net.fail(deaf(0));
        net.run(ms(2_500));
        assert!(told(&net, 0, "suspect", since) > 0, "seed {seed}: its own rounds failed");
        for m in 1..16 {
            let aloud = (1..16).filter(|n| *n != m);
            let heard: usize = aloud.map(|n| net.events_about(n, m, since).len()).sum();
            assert_eq!(heard, 0, "seed {seed}: {m} was accused by the node that was deaf");
        }
        net.heal();
        net.run(secs(12));
        assert_eq!(net.false_dead(since), 0, "seed {seed}");
        assert!(net.all_agree(), "seed {seed}");
    }
}

/// Isolated: one node of sixteen that is cut off comes to verdicts that are marked, kept to itself and undone at the
/// heal.
#[test]
fn isolated_verdicts_are_provisional_and_undone() {
    for seed in 0..3 {
        let mut net = cluster(&lan(), seed, 16);
        let since = net.now();
        net.fail(alone(0));
        net.run(secs(60));

        let own = |net: &Net, kind: &str| told(net, 0, kind, since);
        assert_eq!(own(&net, "isolated"), 1, "seed {seed}");
        let dead: Vec<_> = net.told_to(0, since).filter(|(_, event)| event.kind() == "dead").collect();
        let all_marked = dead.iter().all(|(_, event)| matches!(event, Event::Dead { provisional: true, .. }));
        assert!(!dead.is_empty() && all_marked, "seed {seed}: {} verdicts", dead.len());

        let (verdicts, healed) = (dead.len(), net.now());
        net.heal();
        let agreed = net.until(secs(60), Net::all_agree);
        assert!(agreed, "seed {seed}: {:?}", net.protocol(0).metrics());
        net.run(secs(10));

        assert_eq!(own(&net, "reconnected"), 1, "seed {seed}");
        assert_eq!(own(&net, "up"), verdicts, "seed {seed}: each provisional verdict is undone once");

        let refuted: u64 = (1..16).map(|n| net.protocol(n).metrics().refutations).sum();
        assert_eq!(refuted, 0, "seed {seed}: nobody had to answer for what the isolated node thought");
        let elsewhere: usize =
            (1..16).map(|m| (1..16).map(|n| net.events_about(n, m, since).len()).sum::<usize>()).sum();
        assert_eq!(elsewhere, 0, "seed {seed}: the others never heard of it");
        assert_eq!(count(&net, "dead", 0, healed), 0, "seed {seed}");
    }
}

/// Ghosts: the dead are dialled, so a partition of ten minutes heals, and each member that returns is Up exactly once.
#[test]
fn ghosts_a_ten_minute_partition_heals() {
    for seed in 0..3 {
        let mut net = cluster(&lan(), seed, 10);
        net.fail(halves(4));
        net.run(secs(600));

        for (n, m) in [(0, 9), (9, 0), (3, 4), (4, 3)] {
            assert_eq!(net.state(n, m), Some(State::Dead), "seed {seed}");
        }

        let healed = net.now();
        net.heal();
        // Contacts are greeted now and then as well, and that would do. Here no greeting arrives.
        net.stop(|_, _, datagram| datagram[1] == PING && datagram[18..26] == [0; 8]);
        assert!(net.until(secs(120), Net::all_agree), "seed {seed}");
        net.run(secs(30));
        assert!(net.all_agree(), "seed {seed}");

        for n in 0..10 {
            for m in (0..10).filter(|m| (*m < 4) != (n < 4)) {
                assert_eq!(net.kinds(n, m, healed), ["up"], "seed {seed}: {n} about {m}");
            }
        }
    }
}

/// Tombstones: what was forgotten is not raised by an old rumour.
#[test]
fn tombstones_an_old_rumour_does_not_raise_the_forgotten() {
    let mut net = cluster(&lan(), 5, 5);
    let old = net.who(4);
    let address = net.address(4);
    net.crash(4);
    assert!(net.until(secs(20), |net| (0..4).all(|n| net.state(n, 4) == Some(State::Dead))));
    net.run(secs(30));
    for n in 0..4 {
        net.on(n, |protocol, now| protocol.forget(now, old.id)).unwrap();
    }

    net.run(ms(1));
    let since = net.now();
    let teller = net.who(1);
    for item in [old.alive(address, "n4", &[]), old.accused(forge::SUSPECT, 10, &[id(2)]), old.left()] {
        net.hand(0, 1, teller.says("c", NEWS, &[], &[item]));
        net.run(secs(5));
    }

    assert!((0..4).all(|n| net.events_about(n, 4, since).is_empty()), "an old rumour raised the dead");
    assert!(net.all_agree());

    // A later word of its own is another matter.
    let later = Who { incarnation: old.incarnation + 1, ..old };
    net.hand(0, 1, teller.says("c", NEWS, &[], &[later.alive(address, "n4", &[])]));
    assert_eq!(net.state(0, 4), Some(State::Alive));
}

/// Buddy: every ping to a suspect carries the suspicion, so that it hears it whatever else is lost.
#[test]
fn buddy_a_ping_to_a_suspect_carries_the_suspicion() {
    let mut net = cluster(&lan(), 2, 8);
    let since = net.now();
    net.listen();
    net.fail(alone(7));

    // Long enough that the gossip of the suspicion has been sent as often as it ever is.
    net.run(ms(2_600));
    let back = net.now();

    // Then one direction and one sender return: all that member 7 hears is pings of one accuser.
    let accuser = (0..7)
        .find(|n| {
            let why = net.why(*n, id(7)).unwrap();
            why.steps.iter().any(|step| matches!(step.what, Cause::Unanswered { .. }))
        })
        .unwrap();
    net.heal();
    net.stop(move |from, to, datagram| to == 7 && (from != accuser || datagram[1] != PING));
    assert!(net.until(secs(5), |net| net.state(accuser, 7) == Some(State::Alive)));

    let refuted = net.now();
    net.heal();
    net.run(secs(5));

    let begun: Vec<_> = (0..7)
        .map(|n| net.told_to(n, since).find(|(_, e)| e.kind() == "suspect").map_or(Instant::NEVER, |(at, _)| at))
        .collect();
    let is_to_the_suspect = |ping: &&Tapped| {
        let begun = begun.get(ping.from as usize).copied().unwrap_or(Instant::NEVER);
        ping.to == Some(7) && ping.kind() == PING && ping.at >= begun && ping.at < refuted
    };

    let mut seen = 0;
    for ping in net.heard().iter().filter(is_to_the_suspect) {
        let told = ping.read().items.iter().any(|item| item.kind == forge::SUSPECT && item.about == Some(id(7)));
        // A refutation travels for a moment while the others still hold the suspicion.
        assert!(told || ping.at >= back, "{} pinged the suspect at {} and did not say so", ping.from, ping.at);
        seen += u32::from(told);
    }

    assert!(seen > 10, "only {seen} pings told it");
    assert_eq!(net.false_dead(since), 0);
}

/// Forwarding: news of a suspicion does not wait for the next ping; within 100 ms all but three of 31 at most have it,
/// and in the mean all but one.
#[test]
fn forwarding_spreads_a_suspicion_within_100_ms() {
    let mut spread = Vec::new();
    for seed in 0..24 {
        let mut net = cluster(&lan(), seed, 32);
        net.crash(31);
        let suspects = |net: &Net| (0..31).filter(|n| net.state(*n, 31) == Some(State::Suspect)).count();
        assert!(net.until(secs(10), |net| suspects(net) > 0));
        net.run(ms(100));
        spread.push(suspects(&net));
        assert!(net.until(ms(900), |net| suspects(net) == 31), "seed {seed}: riding reaches whom forwarding missed");
    }
    eprintln!("suspecting 100 ms after the first, of 31: {spread:?}");
    let in_all: usize = spread.iter().sum();
    assert!(spread.iter().all(|suspects| *suspects >= 28) && in_all >= 30 * spread.len(), "{spread:?}");
}
