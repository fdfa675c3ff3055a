//! Restarts, twins, leaving, forgetting, stalls and small clusters in virtual time.

mod virtual_net;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidings::config::Config;
use tidings::event::{DeadReason, Event};
use tidings::member::{Generation, State};
use virtual_net::{Net, id, ms, name, secs};

#[test]
fn a_restart_is_dead_then_up_at_once_and_once() {
    for new_address in [false, true] {
        let mut net = Net::cluster(Config::lan("c"), 5, 6);
        net.crash(3);
        let since = net.now;
        net.run(ms(50));
        let port = if new_address { 300 } else { 3 };
        let reborn = net.add_as(&name(3), Generation(2_000), port);
        assert!(net.run_until(secs(2), Net::all_agree), "new address {new_address}");
        net.run(secs(10));
        for n in [0, 1, 2, 4, 5] {
            let events = net.events_about(n, reborn, since);
            let told: Vec<_> = events.iter().filter(|e| matches!(e, Event::Dead { .. } | Event::Up(_))).collect();
            assert!(
                matches!(
                    told[..],
                    [Event::Dead { member: old, reason: DeadReason::Restarted, .. }, Event::Up(new)]
                        if old.generation() == Generation(1_000) && new.generation() == Generation(2_000)
                ),
                "{n}: {told:?}"
            );
        }
    }
}

#[test]
fn a_restart_with_the_clock_behind_outranks_its_past() {
    for new_address in [false, true] {
        let mut net = Net::cluster(Config::lan("c"), 6, 5);
        net.crash(2);
        net.run(secs(12));
        assert_eq!(net.state(0, 2), Some(State::Dead));
        let reborn = net.add_as(&name(2), Generation(10), if new_address { 300 } else { 2 });
        assert!(net.run_until(secs(10), Net::all_agree), "new address {new_address}");
        assert_eq!(net.hosts[reborn].protocol.me().generation(), Generation(1_001));
    }
}

#[test]
fn of_two_live_processes_of_one_name_the_later_stays() {
    for later_generation in [2_000, 10] {
        let mut net = Net::cluster(Config::lan("c"), 8, 5);
        let twin = net.add_as(&name(2), Generation(later_generation), 300);
        let settled = net.run_until(secs(30), |net| {
            (net.hosts[2].protocol.is_stopped() || net.hosts[twin].protocol.is_stopped()) && net.all_agree()
        });
        assert!(settled, "{later_generation}");
        let (loser, winner) = if later_generation == 2_000 { (2, twin) } else { (twin, 2) };
        assert!(net.hosts[loser].protocol.is_stopped() && !net.hosts[winner].protocol.is_stopped());
        let by = net.hosts[winner].address;
        assert!(net.hosts[loser].events.iter().any(|(_, e)| *e == Event::Superseded { by }));
        net.run(secs(20));
        assert!(net.all_agree());
    }
}

#[test]
fn leaving_is_seen_as_left_by_all_but_one_in_a_hundred_at_heavy_loss() {
    let (mut left, mut seen) = (0, 0);
    for seed in 0..30 {
        let mut net = Net::cluster(Config::lan("c"), seed, 16);
        net.rule = Box::new(|_, _, random| rand::Rng::next_u64(random) % 100 < 30);
        let since = net.now;
        net.call(5, |protocol, now| protocol.leave(now));
        net.run(secs(25));
        for n in (0..16).filter(|n| *n != 5) {
            let events = net.events_about(n, 5, since);
            seen += 1;
            left += usize::from(
                events.iter().any(|e| matches!(e, Event::Left(_)))
                    && !events.iter().any(|e| matches!(e, Event::Dead { .. })),
            );
        }
        let progress = net.hosts[5].protocol.leave_progress().unwrap();
        assert!(progress.done && progress.asked == 15 && progress.confirmed >= 14, "{progress:?}");
    }
    assert!(left * 100 >= seen * 99, "{left} of {seen}");
}

#[test]
fn left_is_not_followed_by_dead_and_its_restart_is_up_alone() {
    let mut net = Net::cluster(Config::lan("c"), 9, 4);
    let since = net.now;
    net.call(3, |protocol, now| protocol.leave(now));
    net.run(secs(3));
    assert!(net.hosts[3].protocol.is_stopped());
    net.crash(3);
    net.run(secs(20));
    let reborn = net.add_as(&name(3), Generation(5_000), 3);
    assert!(net.run_until(secs(5), Net::all_agree));
    for n in 0..3 {
        let kinds: Vec<_> = net.events_about(n, reborn, since).iter().map(|e| e.kind()).collect();
        assert_eq!(kinds, ["left", "up"]);
    }
}

#[test]
fn forgetting_is_for_the_dead_and_holds() {
    let mut net = Net::cluster(Config::lan("c"), 10, 4);
    assert!(net.call(0, |protocol, now| protocol.forget(now, id(3))).is_err());
    net.crash(3);
    net.run(secs(15));
    assert_eq!(net.call(0, |protocol, now| protocol.forget(now, id(3))), Ok(()));
    assert_eq!(net.state(0, 3), None);
    net.run(secs(60));
    assert_eq!((net.state(0, 3), net.state(1, 3)), (None, Some(State::Dead)));
}

#[test]
fn a_driver_that_stops_for_long_declares_nobody_dead() {
    for seed in 0..6 {
        let mut net = Net::cluster(Config::lan("c"), seed, 20);
        net.crash(19);
        net.run(ms(2_500)); // so that a suspicion is pending when it stops
        let since = net.now;
        net.pause(4, secs(10));
        net.run(secs(40));
        let dead: Vec<_> = net.hosts[4]
            .events
            .iter()
            .filter(|(at, e)| *at >= since && matches!(e, Event::Dead { member, .. } if member.name() != "n19"))
            .collect();
        assert!(dead.is_empty(), "seed {seed}: {dead:?}");
        assert!(net.hosts[4].events.iter().any(|(_, e)| matches!(e, Event::SelfStalled { .. })));
        assert_eq!(net.state(4, 19), Some(State::Dead), "seed {seed}");
        assert!(net.all_agree(), "seed {seed}");
    }
}

#[test]
fn two_with_one_stalled_and_the_other_dead_still_end_in_a_verdict() {
    let mut net = Net::cluster(Config::lan("c"), 12, 2);
    net.crash(1);
    net.pause(0, secs(10));
    assert!(net.run_until(secs(40), |net| net.state(0, 1) == Some(State::Dead)));
}

#[test]
fn three_need_each_other_and_two_do_not() {
    // n = 3: the third must agree; with two of three gone the survivor waits for 3 P, provisionally.
    let mut net = Net::cluster(Config::lan("c"), 13, 3);
    net.crash(1);
    net.crash(2);
    let since = net.now;
    assert!(net.run_until(secs(30), |net| (1..3).all(|m| net.state(0, m) == Some(State::Dead))));
    assert!(net.now.since(since) >= secs(9));
    // n = 2: a cut convicts on both sides at P.
    let mut net = Net::cluster(Config::lan("c"), 14, 2);
    net.rule = Box::new(|_, _, _| true);
    let since = net.now;
    assert!(
        net.run_until(secs(10), |net| net.state(0, 1) == Some(State::Dead) && net.state(1, 0) == Some(State::Dead))
    );
    assert!(net.now.since(since) >= secs(3) && net.now.since(since) < secs(6));
    net.rule = Box::new(|_, _, _| false);
    assert!(net.run_until(secs(60), Net::all_agree));
}

#[test]
fn metadata_changes_reach_everyone() {
    let mut net = Net::cluster(Config::lan("c"), 15, 12);
    let big = vec![7; 512];
    net.call(3, |protocol, now| protocol.set_metadata(now, &big)).unwrap();
    assert!(
        net.run_until(secs(1), |net| (0..12).all(|n| net.hosts[n].protocol.member(id(3)).unwrap().metadata() == big))
    );
    assert!(net.call(3, |protocol, now| protocol.set_metadata(now, &[0; 513])).is_err());
}

#[test]
fn alone_there_is_nothing_to_do_and_nothing_to_say() {
    let mut net = Net::new(Config::lan("c"), 16);
    net.add();
    net.run(secs(60));
    assert_eq!(net.hosts[0].sent.0, 0);
    let kinds: Vec<_> = net.hosts[0].events.iter().map(|(_, event)| event.kind()).collect();
    assert_eq!(kinds, ["up"], "itself, and nobody else");
    net.call(0, |protocol, now| protocol.leave(now));
    let progress = net.hosts[0].protocol.leave_progress().unwrap();
    assert!(progress.done && progress.asked == 0, "{progress:?}");
}

#[test]
fn a_suspended_machine_wakes_to_one_period() {
    let mut net = Net::cluster(Config::lan("c"), 17, 8);
    net.run(secs(30));
    net.pause(4, secs(3_600));
    net.run(secs(3_600));
    let sent = net.hosts[4].sent.0;
    net.run(ms(900));
    let burst = net.hosts[4].sent.0 - sent;
    assert!(burst < 60, "{burst} datagrams in the first period after an hour");
    assert!(net.run_until(secs(60), Net::all_agree));
}

#[test]
fn time_never_goes_back() {
    let mut net = Net::cluster(Config::lan("c"), 18, 3);
    let before = net.hosts[1].protocol.metrics();
    net.call(1, |protocol, now| {
        let due = protocol.poll_timeout();
        protocol.handle_timeout(now - secs(60));
        assert_eq!(protocol.poll_timeout(), due, "an early call does nothing");
    });
    assert_eq!(net.hosts[1].protocol.metrics().round, before.round);
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
    tracing::subscriber::with_default(warnings.clone(), || {
        let mut net = Net::cluster(Config::lan("c"), 19, 5);
        assert_eq!(warnings.0.load(Ordering::Relaxed), 0);
        net.add_as(&name(2), Generation(2_000), 300);
        net.run(secs(30));
        assert!(net.hosts[2].protocol.is_stopped());
        assert_eq!(warnings.0.load(Ordering::Relaxed), 1, "once, by the later process");
    });
}
