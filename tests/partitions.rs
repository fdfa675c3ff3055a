//! Partitions in virtual time: what each side sees, and that they heal by themselves with one Up per member that
//! returned.

mod virtual_net;

use tidings::config::Config;
use tidings::event::Event;
use tidings::member::State;
use virtual_net::{Net, secs};

/// Cuts the first `left` hosts off from the others.
fn cut(net: &mut Net, left: usize) {
    net.rule = Box::new(move |from, to, _| (from < left) != (to < left));
}

fn heal(net: &mut Net) {
    net.rule = Box::new(|_, _, _| false);
}

#[test]
fn both_sides_convict_each_other_and_one_up_each_heals() {
    for (n, left, seed) in [(5, 2, 1), (5, 1, 2), (16, 8, 3), (16, 1, 4), (33, 11, 5)] {
        let mut net = Net::cluster(Config::lan("c"), seed, n);
        cut(&mut net, left);
        net.run(secs(90));
        for a in 0..n {
            for b in 0..n {
                let expected = if (a < left) == (b < left) { State::Alive } else { State::Dead };
                assert_eq!(net.state(a, b), Some(expected), "{n}/{left}: {a} of {b}");
            }
        }
        heal(&mut net);
        let healed_at = net.now;
        assert!(net.run_until(secs(60), Net::all_agree), "{n}/{left} did not heal");
        println!("{n}/{left} healed in {:?}", net.now.since(healed_at));
        net.run(secs(20));
        assert!(net.all_agree());
        for a in 0..n {
            for b in (0..n).filter(|b| (a < left) != (*b < left)) {
                let events = net.events_about(a, b, healed_at);
                let ups = events.iter().filter(|event| matches!(event, Event::Up(_))).count();
                assert_eq!(ups, 1, "{n}/{left}: {a} of {b}: {events:?}");
            }
        }
        assert_eq!(net.false_dead(healed_at), 0, "{n}/{left}");
    }
}

#[test]
fn a_ten_minute_partition_heals() {
    let mut net = Net::cluster(Config::lan("c"), 11, 9);
    cut(&mut net, 4);
    net.run(secs(600));
    heal(&mut net);
    assert!(net.run_until(secs(60), Net::all_agree));
}

#[test]
fn one_cut_off_is_isolated_and_its_verdicts_are_provisional() {
    let mut net = Net::cluster(Config::lan("c"), 12, 16);
    cut(&mut net, 1);
    let since = net.now;
    net.run(secs(60));
    let alone = &net.hosts[0].events;
    assert!(alone.iter().any(|(at, e)| *at >= since && matches!(e, Event::Isolated { .. })), "{alone:?}");
    assert!(alone.iter().all(|(at, e)| *at < since || !matches!(e, Event::Dead { isolated: false, .. })));
    heal(&mut net);
    let healed_at = net.now;
    assert!(net.run_until(secs(30), Net::all_agree));
    net.run(secs(5));
    assert!(net.hosts[0].events.iter().any(|(_, e)| matches!(e, Event::Reconnected)));
    let refutations: u64 = net.hosts.iter().map(|host| host.protocol.metrics().refutations).sum();
    assert!(refutations <= 3, "{refutations} refutations at the heal");
    assert_eq!(net.false_dead(healed_at), 0);
}

#[test]
fn one_way_and_partial_cuts_kill_nobody() {
    for seed in 0..4 {
        for one_way in [false, true] {
            let mut net = Net::cluster(Config::lan("c"), seed, 5);
            let since = net.now;
            net.rule = Box::new(move |from, to, _| (from, to) == (0, 1) || (!one_way && (from, to) == (1, 0)));
            net.run(secs(60));
            assert_eq!(net.false_dead(since), 0, "seed {seed} one way {one_way}");
        }
    }
}
