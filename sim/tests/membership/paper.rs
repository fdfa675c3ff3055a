//! What the papers say, clause by clause, seen on the tap; and where we deviate, what stands in the clause's place.
//!
//! SWIM is Das, Gupta and Motivala (2002), Lifeguard is Dadgar, Phillips and Currey (2018). Each test tells the clause
//! in our own words.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidings::config::Config;
use tidings::event::Event;
use tidings::member::{Incarnation, State};
use tidings_sim::forge::{ACK, ALIVE, DEAD, Item, NACK, NEWS, PING, PING_REQ, RELAYED, SUSPECT, Who};

use crate::support::{Cluster, Net, Tapped, apart, cluster, deaf, id, lan, ms, read, secs};

/// The least retry timeout, to which these fast links bring it.
const RTO: Duration = Duration::from_millis(100);

fn of_kind(tap: &[Tapped], kind: u8) -> impl Iterator<Item = &Tapped> {
    tap.iter().filter(move |sent| sent.kind() == kind)
}

/// Hands a forged datagram of News in host `teller`'s name to host `n`.
fn tell(net: &mut Net, teller: u32, n: u32, items: &[Vec<u8>]) {
    net.hand(n, teller, net.who(teller).says("c", NEWS, &[], items));
}

/// SWIM 3.1: each protocol period a member pings one other, which answers with an ack; while all is well nothing else
/// is sent.
#[test]
fn swim_3_1_a_ping_a_period_and_an_ack_for_each() {
    let mut net = cluster(&lan(), 1, 6);
    net.run(secs(5));
    net.listen();
    net.run(secs(60));
    let tap = net.heard();
    for n in 0..6 {
        let pings = of_kind(&tap, PING).filter(|sent| sent.from == n).count();
        assert!((59..=61).contains(&pings), "{n} sent {pings} pings in 60 periods");
    }
    let asked: BTreeSet<u64> = of_kind(&tap, PING).map(|sent| sent.read().words[1]).collect();
    let acked: BTreeSet<u64> = of_kind(&tap, ACK).map(|sent| sent.read().words[0]).collect();
    assert!(asked.len() >= 6 * 59 && asked.difference(&acked).count() <= 1, "the last ping may still be on its way");
    assert!(tap.iter().all(|sent| matches!(sent.kind(), PING | ACK)));
}

/// SWIM 3.1: when no ack comes in time, k members chosen at random are asked to ping the target; its answer comes back
/// through them, and the target is not suspected.
#[test]
fn swim_3_1_silence_makes_k_others_ping_and_their_answer_counts() {
    for k in [1, 3] {
        let mut net = cluster(&Config { indirect_checks: k, ..lan() }, 2, 10);
        let since = net.now();
        net.listen();
        net.fail(apart(0, 9));
        let via = |net: &Net| net.protocol(0).metrics().probes_acked_by_relay;
        assert!(net.until(secs(60), |net| via(net) > 0));

        let tap = net.heard();
        let target = net.who(9).digest();
        let is_first = |sent: &&Tapped| sent.from == 0 && sent.read().words[0] == target;
        let first = of_kind(&tap, PING).find(is_first).unwrap().at;

        let asked: Vec<_> = of_kind(&tap, PING_REQ).filter(|sent| sent.from == 0).collect();
        let relays: BTreeSet<_> = asked.iter().map(|sent| sent.to).collect();
        assert_eq!((asked.len(), relays.len()), (k, k), "k different members are asked, once each");

        for order in &asked {
            assert_eq!(order.at.since(first), RTO, "at the first timeout");
            let nonce = order.read().words[0];
            let pinged = of_kind(&tap, PING).any(|s| Some(s.from) == order.to && s.read().words == [target, nonce]);
            let echoed = of_kind(&tap, ACK).any(|s| s.from == 9 && s.read().words == [nonce]);
            assert!(pinged && echoed, "the relay passes on the prober's own nonce, and the target echoes it");
        }

        assert!(of_kind(&tap, RELAYED).count() > 0);
        assert!((0..9).all(|n| net.kinds(n, 9, since).is_empty()), "a target that answers a relay is no suspect");
    }
}

/// SWIM 4.1: membership news ride on pings and acks, each λ·⌈log2(n+1)⌉ times from each member.
#[test]
fn swim_4_1_each_news_rides_lambda_log_n_times() {
    for (n, sends) in [(4, 2 * 2), (8, 2 * 3), (16, 2 * 4)] {
        let mut net = cluster(&lan(), 3, n);
        net.listen();
        net.crash(n - 1);
        net.run(secs(90));
        let tap = net.heard();
        for sender in 0..n - 1 {
            let is_it = |item: &&Item<'_>| item.kind == DEAD && item.about == Some(id(n - 1));
            // A dial of the dead itself carries no news.
            let rides = |sent: &Tapped| sent.read().items.iter().filter(is_it).count();
            let told: usize = tap.iter().filter(|sent| sent.from == sender).map(rides).sum();
            assert_eq!(told, sends, "{sender} of {n}");
        }
    }
}

/// SWIM 4.1: what was sent least goes first. A record that all are seen to hold stops riding before its last send: a
/// deviation.
#[test]
fn swim_4_1_the_least_sent_goes_first() {
    for (n, sends) in [(3, 2 * 2), (7, 2 * 3), (12, 2 * 4)] {
        // With almost no forwarding at once, so that what is seen is the riding.
        let riding = Config { forward_fanout: 1, forward_rate: 1, forward_burst: 1, ..lan() };
        let mut net = cluster(&riding, 3, n);
        net.run(secs(20));
        net.listen();
        // Two such records fill a datagram, so that there is a choice to make.
        for m in 0..n {
            net.on(m, |protocol, now| protocol.set_metadata(now, &[m as u8; 512])).unwrap();
        }
        let heard = |net: &Net| (0..n).all(|m| net.protocol(m).members().all(|m| !m.metadata().is_empty()));
        assert!(net.until(secs(20), heard));
        net.run(secs(60));
        let tap = net.heard();
        let choices: usize = (0..n).map(|sender| check_sends(&tap, (sender, n), sends)).sum();
        assert!(n == 3 || choices > n as usize, "only {choices} datagrams of {n} members had a choice to make");
    }
}

/// Holds what one sender told against the clause; how many of its datagrams had more to tell than space.
fn check_sends(tap: &[Tapped], (sender, n): (u32, u32), sends: usize) -> usize {
    let mut choices = 0;
    let mut sent: BTreeMap<_, usize> = (0..n).map(|m| (id(m), 0)).collect();

    for datagram in tap.iter().filter(|sent| sent.from == sender && sent.kind() <= NEWS) {
        let items = datagram.read().items;
        let told: BTreeSet<_> = items.iter().filter(|item| item.kind == ALIVE).filter_map(|item| item.about).collect();
        if told.len() == 2 {
            let most = told.iter().map(|id| sent[id]).max().unwrap();
            // What it has sent already it knows for certain.
            let is_left = |count: usize| (1..sends).contains(&count);
            let mut left = sent.iter().filter(|(id, count)| !told.contains(*id) && is_left(**count)).peekable();
            choices += usize::from(left.peek().is_some());
            assert!(left.all(|(_, count)| *count >= most), "{sender} at {}: {told:?} of {sent:?}", datagram.at);
        }
        for id in told {
            *sent.entry(id).or_insert(0) += 1;
        }
    }

    assert!(sent.values().all(|count| (1..=sends).contains(count)), "{sender} sent each {sent:?} times, of {sends}");
    choices
}

/// SWIM 4.2: a member that does not answer is Suspect before it is Dead, and has that time to refute.
#[test]
fn swim_4_2_suspect_comes_before_dead_and_can_be_refuted() {
    let mut net = cluster(&lan(), 4, 6);
    let since = net.now();
    net.pause(5, ms(2_500));
    net.run(secs(10));
    for n in 0..5 {
        assert_eq!(net.kinds(n, 5, since), ["suspect", "refuted"], "{n}");
    }
    let since = net.now();
    net.crash(5);
    net.run(secs(10));
    for n in 0..5 {
        assert_eq!(net.kinds(n, 5, since), ["suspect", "dead"], "{n}");
    }
}

/// SWIM 4.2: only a member itself raises its incarnation, and it does so when it hears itself suspected.
#[test]
fn swim_4_2_only_the_owner_raises_its_incarnation() {
    let mut net = cluster(&lan(), 5, 5);
    let all = |net: &Net| {
        let up = net.up().into_iter();
        up.map(|n| net.protocol(n).member(id(4)).unwrap().incarnation()).collect::<Vec<_>>()
    };
    let before = all(&net)[0];
    net.crash(4);
    let suspected = |net: &Net| (0..4).all(|n| net.state(n, 4) == Some(State::Suspect));
    assert!(net.until(secs(10), suspected));
    assert_eq!(all(&net), [before; 4], "whoever suspects it leaves its incarnation alone");
    let mut net = cluster(&lan(), 5, 5);
    let item = net.who(4).accused(SUSPECT, 700, &[id(0), id(1)]);
    tell(&mut net, 0, 4, &[item]);
    assert_eq!(net.protocol(4).me().incarnation(), before.next(), "the suspect answers at once");
    net.run(secs(2));
    assert_eq!(all(&net), [before.next(); 5]);
}

/// SWIM 4.2: of two reports the higher incarnation wins; at equal ones Suspect beats Alive; a lower one is old and
/// ignored.
#[test]
fn swim_4_2_precedence_of_reports() {
    let mut net = cluster(&lan(), 6, 4);
    net.run(secs(5));
    let (address, now) = (net.address(3), net.who(3));

    // The owner is off, so that it answers none of these while they are told.
    net.crash(3);
    let at = |incarnation| Who { incarnation, ..now };
    let accused = |incarnation| at(incarnation).accused(SUSPECT, 100, &[id(1)]);
    let alive = |incarnation| at(incarnation).alive(address, "n3", &[]);

    let script = [
        (alive(5), State::Alive, 5),
        (accused(4), State::Alive, 5),
        (accused(5), State::Suspect, 5),
        (alive(5), State::Suspect, 5),
        (alive(4), State::Suspect, 5),
        (alive(6), State::Alive, 6),
        (accused(5), State::Alive, 6),
        (accused(7), State::Suspect, 7),
        (alive(6), State::Suspect, 7),
        (alive(8), State::Alive, 8),
        (at(8).left(), State::Left, 8),
    ];

    for (step, (item, state, incarnation)) in script.into_iter().enumerate() {
        tell(&mut net, 1, 0, &[item]);
        let member = net.protocol(0).member(id(3)).map(|member| (member.state(), member.incarnation()));
        let expected = (state != State::Left).then_some((state, Incarnation(incarnation)));
        assert_eq!(member, expected, "step {step}");
    }
}

/// Lifeguard IV-A: the local health multiplier rises with failed probes and with each refutation, and falls with
/// successes. A deviation: it is reported and stretches no timer.
#[test]
fn lifeguard_lhm_is_a_gauge_that_stretches_nothing() {
    let mut net = cluster(&lan(), 7, 6);
    let level = |net: &Net| net.protocol(0).metrics().awareness;
    assert_eq!(level(&net), 0);

    net.fail(deaf(0));
    net.listen();
    net.run(secs(12));
    assert_eq!(level(&net), 8, "it saturates");

    let tap = net.heard();
    let target = net.who(3).digest();
    let failed: Vec<_> =
        of_kind(&tap, PING_REQ).filter(|s| s.from == 0 && s.read().words[1] == target).map(|s| s.at).collect();
    let pings: Vec<_> =
        of_kind(&tap, PING).filter(|s| s.from == 0 && s.read().words[0] == target).map(|s| s.at).collect();
    assert!(!failed.is_empty());

    for asked in failed {
        assert!(
            pings.iter().any(|at| *at + RTO == asked),
            "the relays are asked one unstretched timeout after the ping"
        );
    }

    net.heal();
    net.run(secs(60));
    assert_eq!(level(&net), 0, "and falls back when answers return");

    let item = net.who(0).accused(SUSPECT, 10, &[id(1)]);
    tell(&mut net, 1, 0, &[item]);
    assert_eq!(level(&net), 1, "a refutation of one's own raises it");
}

/// Lifeguard IV-A: a relay that has no answer says so (nack), after 0.8 of the timeout, so that a silent relay can be
/// told from a silent target.
#[test]
fn lifeguard_a_relay_nacks_at_four_fifths_of_its_timeout() {
    let mut net = cluster(&lan(), 8, 8);
    net.listen();
    net.crash(7);
    assert!(net.until(secs(10), |net| of_kind(net.tapped(), NACK).count() >= 3));
    let tap = net.heard();
    for nack in of_kind(&tap, NACK) {
        let nonce = nack.read().words[0];
        let pings: Vec<_> = of_kind(&tap, PING).filter(|s| s.from == nack.from && s.read().words[1] == nonce).collect();
        assert_eq!(pings.len(), 1, "a relay pings once");
        assert_eq!(nack.at.since(pings[0].at), RTO * 4 / 5, "the relay pings at once and nacks later");
    }
}

/// Lifeguard IV-B: independent suspicions shorten the wait. Ours is two-valued: with min(c, n-2)+1 accusers the verdict
/// falls at P, with fewer at 3 P.
#[test]
fn lifeguard_enough_accusers_convict_at_p_and_too_few_at_three_p() {
    let mut net = cluster(&lan(), 9, 8);
    let since = net.now();
    net.crash(7);
    assert!(net.until(secs(6), |net| net.state(0, 7) == Some(State::Dead)), "all could see it: P");
    let Some(Event::Dead { by, .. }) = net.events_about(0, 7, since).last().copied() else { panic!("no Dead") };
    assert!(by.len() >= 3, "{by:?}");
    // Here all the others are told to keep it Alive: the observer's own evidence is all there is.
    let mut net = cluster(&Config { indirect_checks: 0, ..lan() }, 9, 8);
    net.fail(apart(0, 7));
    net.stop(|_, to, bytes| to == 0 && read(bytes).items.iter().any(|item| item.about == Some(id(7))));
    assert!(net.until(secs(20), |net| net.state(0, 7) == Some(State::Suspect)));
    let start = net.why(0, id(7)).unwrap().start;
    assert!(net.until(secs(20), |net| net.state(0, 7) == Some(State::Dead)));
    let took = net.now().since(start);
    assert!(took >= secs(9) && took < secs(10), "{took:?}");
}

/// Lifeguard IV-C (Buddy System): a ping to a suspect says that it is suspected, so that it can refute before others
/// tell it.
#[test]
fn lifeguard_a_ping_to_a_suspect_carries_the_suspicion() {
    let mut net = cluster(&lan(), 10, 6);
    let since = net.now();
    net.listen();
    net.crash(5);
    assert!(net.until(secs(10), |net| (0..5).all(|n| net.state(n, 5) == Some(State::Suspect))));
    let begun = net.now();
    net.until(secs(10), |net| (0..5).any(|n| net.kinds(n, 5, since).contains(&"dead")));
    let tap = net.heard();
    let pings: Vec<_> = of_kind(&tap, PING).filter(|s| s.at > begun && s.to == Some(5)).collect();
    assert!(pings.len() > 10);
    for ping in pings {
        let first = ping.read().items.first().map(|item| (item.kind, item.about));
        assert!(matches!(first, Some((SUSPECT | DEAD, Some(about))) if about == id(5)), "{ping:?}: {first:?}");
    }
}

/// Instead of SWIM 4.3's shuffled round robin: at equal views everyone is pinged exactly once a round, and by each of
/// sixteen others (those that stand before it on the ring) at least once in 36 consecutive rounds.
#[test]
fn instead_of_swim_4_3_everyone_is_pinged_once_a_round_and_by_sixteen_within_36() {
    const N: u32 = 40;
    let mut net = cluster(&lan(), 11, N);
    net.run(secs(40));
    net.listen();
    net.run(secs(400));
    let tap = net.heard();

    let mut rounds: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
    let mut turns: BTreeMap<(u64, u32), Vec<u16>> = BTreeMap::new();
    for ping in of_kind(&tap, PING) {
        let read = ping.read();
        rounds.entry(read.round).or_default().push(read.words[0]);
        turns.entry((read.words[0], ping.from)).or_default().push(read.round);
    }

    let whole: Vec<u16> =
        rounds.iter().filter(|(_, targets)| targets.len() == N as usize).map(|(round, _)| *round).collect();
    assert!(whole.len() > 390, "{} whole rounds", whole.len());
    for round in &whole {
        let targets: BTreeSet<_> = rounds[round].iter().collect();
        assert_eq!(targets.len(), N as usize, "round {round}: somebody was pinged twice");
    }

    let (first, last) = (whole[0], whole[whole.len() - 1]);
    for n in 0..N {
        let target = net.who(n).digest();
        let is_steady = |rounds: &[u16]| {
            let ends = [&[first - 1], rounds, &[last + 1]].concat();
            ends.windows(2).all(|pair| pair[1] - pair[0] <= 36)
        };
        let steady = (0..N).filter(|m| turns.get(&(target, *m)).is_some_and(|rounds| is_steady(rounds))).count();
        assert_eq!(steady, 16, "host {n}");
    }
}

/// Instead of a timeout in log n: the verdict comes P after the silence began, whatever the size of the cluster.
#[test]
fn instead_of_a_timeout_in_log_n_p_is_constant() {
    for n in [4, 16, 64] {
        for seed in 0..3 {
            let mut net = cluster(&lan(), seed, n);
            net.crash(n - 1);
            let all = |net: &Net| (0..n - 1).all(|m| net.state(m, n - 1) == Some(State::Dead));
            assert!(net.until(secs(20), all), "{n}, seed {seed}");
            for m in 0..n - 1 {
                let why = net.why(m, id(n - 1)).unwrap();
                let took = why.steps.last().unwrap().at.since(why.start);
                assert!(took >= secs(3) && took < ms(3_500), "{n}, seed {seed}, host {m}: {took:?}\n{why}");
            }
        }
    }
}

/// Instead of adopting a received Dead: it is an accusation, however many are named; a member that answers is never
/// declared dead on it.
#[test]
fn instead_of_adopting_a_dead_it_accuses() {
    let mut net = cluster(&lan(), 12, 8);
    let since = net.now();

    for n in 1..7 {
        let item = net.who(7).accused(DEAD, 60_000, &[id(1), id(2), id(3), id(4)]);
        tell(&mut net, 0, n, &[item]);
        assert_ne!(net.state(n, 7), Some(State::Dead), "{n}");
    }
    assert!((1..7).all(|n| net.state(n, 7) == Some(State::Suspect)), "it made them look");

    net.run(secs(15));
    for n in 1..7 {
        assert_eq!(net.kinds(n, 7, since), ["suspect", "refuted"], "{n}");
    }

    // Not even when every word of the accused to one observer but the echo of its pings is lost.
    let since = net.now();
    net.stop(|from, to, bytes| {
        to == 1 && (from != 7 || bytes[1] != ACK) && read(bytes).items.iter().any(|item| item.about == Some(id(7)))
    });
    let item = net.who(7).accused(DEAD, 60_000, &[id(2), id(3), id(4), id(5)]);
    tell(&mut net, 0, 1, &[item]);
    net.run(secs(30));
    assert_eq!(net.false_dead(since), 0);
}

/// A liar with a hundred Dead rumours, each with accusers enough, kills no member.
#[test]
fn a_liar_with_a_hundred_dead_rumours_kills_nobody() {
    for seed in 0..4 {
        let mut net = cluster(&lan(), seed, 11);
        let since = net.now();
        let mut told = 0;
        for round in 0..10_u64 {
            for m in 0..10_u32 {
                let item = net.who(m).accused(DEAD, 5_000, &[id((m + 1) % 10), id((m + 2) % 10), id((m + 3) % 10)]);
                (0..10).filter(|n| *n != m).for_each(|n| tell(&mut net, 10, n, std::slice::from_ref(&item)));
                told += 1;
            }
            net.run(ms(150 * round));
        }
        assert_eq!(told, 100);
        net.run(secs(20));
        assert_eq!(net.false_dead(since), 0, "seed {seed}");
        assert!(net.all_agree(), "seed {seed}");
        assert!((0..10).all(|n| net.protocol(n).metrics().refutations > 0), "seed {seed}: all had to answer");
    }
}
