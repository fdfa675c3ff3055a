//! Restarts, twins, leaving, forgetting, stalls and small clusters in virtual time.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidings::event::{DeadReason, Event};
use tidings::member::{Generation, State};
use tidings::time::Instant;
use tidings_sim::fault::Fault;

use crate::support::{Cluster, Net, cluster, id, lan, ms, secs, silence};

/// Starts host `n` again where it was or elsewhere; its number then.
fn reborn(net: &mut Net, n: u32, generation: u64, elsewhere: bool) -> u32 {
    if elsewhere {
        return net.twin(n, generation);
    }
    net.restart(n, generation);
    n
}

#[test]
fn a_restart_is_dead_then_up_at_once_and_once() {
    for new_address in [false, true] {
        let mut net = cluster(&lan(), 5, 6);
        let old = net.who(3).generation;
        net.crash(3);

        let since = net.now();
        net.run(ms(50));
        let reborn = reborn(&mut net, 3, old + 1_000, new_address);
        assert!(net.until(secs(2), Net::all_agree), "new address {new_address}");
        net.run(secs(10));

        for n in [0, 1, 2, 4, 5] {
            let events = net.events_about(n, reborn, since);
            let told: Vec<_> = events.iter().filter(|e| matches!(e, Event::Dead { .. } | Event::Up(_))).collect();
            assert!(
                matches!(
                    told[..],
                    [Event::Dead { member: past, reason: DeadReason::Restarted, .. }, Event::Up(new)]
                        if past.generation() == Generation(old) && new.generation() == Generation(old + 1_000)
                ),
                "{n}: {told:?}"
            );
        }
    }
}

#[test]
fn a_restart_with_the_clock_behind_outranks_its_past() {
    for new_address in [false, true] {
        let mut net = cluster(&lan(), 6, 5);
        let old = net.who(2).generation;
        net.crash(2);
        net.run(secs(12));
        assert_eq!(net.state(0, 2), Some(State::Dead));
        let reborn = reborn(&mut net, 2, 10, new_address);
        assert!(net.until(secs(10), Net::all_agree), "new address {new_address}");
        assert_eq!(net.who(reborn).generation, old + 1);
    }
}

#[test]
fn of_two_live_processes_of_one_name_the_later_stays() {
    for is_later in [true, false] {
        let mut net = cluster(&lan(), 8, 5);
        let generation = if is_later { net.who(2).generation + 1_000 } else { 10 };
        let twin = net.twin(2, generation);
        let settled = net.until(secs(30), |net| net.up().len() == 5 && net.all_agree());
        assert!(settled, "{generation}");
        let (loser, winner) = if is_later { (2, twin) } else { (twin, 2) };
        assert!(!net.up().contains(&loser) && net.up().contains(&winner));
        let by = net.address(winner);
        assert!(net.told_to(loser, Instant::ORIGIN).any(|(_, e)| *e == Event::Superseded { by }));
        net.run(secs(20));
        assert!(net.all_agree());
    }
}

#[test]
fn leaving_is_seen_as_left_by_all_but_one_in_a_hundred_at_heavy_loss() {
    let (mut left, mut seen) = (0, 0);
    for seed in 0..30 {
        let mut net = cluster(&lan(), seed, 16);
        net.fail(Fault::loss(300));
        let since = net.now();
        net.leave(5);
        net.run(secs(25));
        for n in (0..16).filter(|n| *n != 5) {
            let kinds = net.kinds(n, 5, since);
            seen += 1;
            left += usize::from(kinds.contains(&"left") && !kinds.contains(&"dead"));
        }
        let (who, progress) = net.watch().leaves[0];
        assert!(progress.done && progress.asked == 15 && progress.confirmed >= 14, "{who}: {progress:?}");
    }
    assert!(left * 100 >= seen * 99, "{left} of {seen}");
}

#[test]
fn left_is_not_followed_by_dead_and_its_restart_is_up_alone() {
    let mut net = cluster(&lan(), 9, 4);
    let (since, old) = (net.now(), net.who(3).generation);
    net.leave(3);
    net.run(secs(3));
    assert!(!net.up().contains(&3));
    net.run(secs(20));
    net.restart(3, old + 5_000);
    assert!(net.until(secs(5), Net::all_agree));
    for n in 0..3 {
        assert_eq!(net.kinds(n, 3, since), ["left", "up"]);
    }
}

#[test]
fn forgetting_is_for_the_dead_and_holds() {
    let mut net = cluster(&lan(), 10, 4);
    assert!(net.on(0, |protocol, now| protocol.forget(now, id(3))).is_err());
    net.crash(3);
    net.run(secs(15));
    assert_eq!(net.on(0, |protocol, now| protocol.forget(now, id(3))), Ok(()));
    assert_eq!(net.state(0, 3), None);
    net.run(secs(60));
    assert_eq!((net.state(0, 3), net.state(1, 3)), (None, Some(State::Dead)));
}

#[test]
fn a_driver_that_stops_for_long_declares_nobody_dead() {
    for seed in 0..6 {
        let mut net = cluster(&lan(), seed, 20);
        net.crash(19);
        net.run(ms(2_500)); // so that a suspicion is pending when it stops
        let since = net.now();
        net.pause(4, secs(10));
        net.run(secs(40));
        let is_wrong = |e: &Event| matches!(e, Event::Dead { member, .. } if member.name() != "n19");
        let dead: Vec<_> = net.told_to(4, since).filter(|(_, e)| is_wrong(e)).collect();
        assert!(dead.is_empty(), "seed {seed}: {dead:?}");
        assert!(net.told_to(4, since).any(|(_, e)| matches!(e, Event::SelfStalled { .. })));
        assert_eq!(net.state(4, 19), Some(State::Dead), "seed {seed}");
        assert!(net.all_agree(), "seed {seed}");
    }
}

#[test]
fn two_with_one_stalled_and_the_other_dead_still_end_in_a_verdict() {
    let mut net = cluster(&lan(), 12, 2);
    net.crash(1);
    net.pause(0, secs(10));
    assert!(net.until(secs(40), |net| net.state(0, 1) == Some(State::Dead)));
}

#[test]
fn three_need_each_other_and_two_do_not() {
    // n = 3: the third must agree; with two of three gone the survivor waits for 3 P, provisionally.
    let mut net = cluster(&lan(), 13, 3);
    net.crash(1);
    net.crash(2);
    let since = net.now();
    assert!(net.until(secs(30), |net| (1..3).all(|m| net.state(0, m) == Some(State::Dead))));
    assert!(net.now().since(since) >= secs(9));
    // n = 2: a cut convicts on both sides at P.
    let mut net = cluster(&lan(), 14, 2);
    net.fail(silence());
    let since = net.now();
    assert!(net.until(secs(10), |net| net.state(0, 1) == Some(State::Dead) && net.state(1, 0) == Some(State::Dead)));
    assert!(net.now().since(since) >= secs(3) && net.now().since(since) < secs(6));
    net.heal();
    assert!(net.until(secs(60), Net::all_agree));
}

#[test]
fn metadata_changes_reach_everyone() {
    let mut net = cluster(&lan(), 15, 12);
    let big = vec![7; 512];
    net.on(3, |protocol, now| protocol.set_metadata(now, &big)).unwrap();
    assert!(net.until(secs(1), |net| (0..12).all(|n| net.protocol(n).member(id(3)).unwrap().metadata() == big)));
    assert!(net.on(3, |protocol, now| protocol.set_metadata(now, &[0; 513])).is_err());
}

#[test]
fn alone_there_is_nothing_to_do_and_nothing_to_say() {
    let mut net = cluster(&lan(), 16, 1);
    net.run(secs(60));
    assert_eq!(net.sent_by(0), 0);
    let kinds: Vec<_> = net.told_to(0, Instant::ORIGIN).map(|(_, event)| event.kind()).collect();
    assert_eq!(kinds, ["up"], "itself, and nobody else");
    net.leave(0);
    let (_, progress) = net.watch().leaves[0];
    assert!(progress.done && progress.asked == 0, "{progress:?}");
}

#[test]
fn a_suspended_machine_wakes_to_one_period() {
    let mut net = cluster(&lan(), 17, 8);
    net.run(secs(30));
    net.pause(4, secs(3_600));
    net.run(secs(3_600));
    let sent = net.sent_by(4);
    net.run(ms(900));
    let burst = net.sent_by(4) - sent;
    assert!(burst < 60, "{burst} datagrams in the first period after an hour");
    assert!(net.until(secs(60), Net::all_agree));
}

#[test]
fn time_never_goes_back() {
    let mut net = cluster(&lan(), 18, 3);
    let before = net.protocol(1).metrics();
    net.on(1, |protocol, now| {
        let due = protocol.poll_timeout();
        protocol.handle_timeout(now - secs(60));
        assert_eq!(protocol.poll_timeout(), due, "an early call does nothing");
    });
    assert_eq!(net.protocol(1).metrics().round, before.round);
    net.run(secs(10));
    assert!(net.all_agree());
}

/// Counts the warnings of the library.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicUsize>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN && metadata.target().starts_with("tidings")
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn the_later_of_two_processes_logs_whom_it_replaced() {
    let warnings = Warnings::default();
    // While one subscriber alone is registered, the thread that first comes to a line says for all whether it is wanted.
    let _second = tracing::Dispatch::new(Warnings::default());
    tracing::subscriber::with_default(warnings.clone(), || {
        let mut net = cluster(&lan(), 19, 5);
        assert_eq!(warnings.0.load(Ordering::Relaxed), 0);
        net.twin(2, net.who(2).generation + 1_000);
        net.run(secs(30));
        assert!(!net.up().contains(&2));
        assert_eq!(warnings.0.load(Ordering::Relaxed), 1, "once, by the later process");
    });
}
