//! Partitions in virtual time: what each side sees, and that they heal by themselves with one Up per member that
//! returned.

use tidings::event::Event;
use tidings::member::State;
use tidings_sim::fault::{Fault, Links};

use crate::support::{Cluster, Net, alone, apart, cluster, halves, lan, secs};

#[test]
fn both_sides_convict_each_other_and_one_up_each_heals() {
    for (n, left, seed) in [(5, 2, 1), (5, 1, 2), (16, 8, 3), (16, 1, 4), (33, 11, 5)] {
        let mut net = cluster(&lan(), seed, n);
        net.fail(halves(left));
        net.run(secs(90));
        for a in 0..n {
            for b in 0..n {
                let expected = if (a < left) == (b < left) { State::Alive } else { State::Dead };
                assert_eq!(net.state(a, b), Some(expected), "{n}/{left}: {a} of {b}");
            }
        }

        net.heal();
        let healed_at = net.now();
        assert!(net.until(secs(60), Net::all_agree), "{n}/{left} did not heal");
        println!("{n}/{left} healed in {:?}", net.now().since(healed_at));
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
    let mut net = cluster(&lan(), 11, 9);
    net.fail(halves(4));
    net.run(secs(600));
    net.heal();
    assert!(net.until(secs(60), Net::all_agree));
}

#[test]
fn one_cut_off_is_isolated_and_its_verdicts_are_provisional() {
    let mut net = cluster(&lan(), 12, 16);
    net.fail(alone(0));
    let since = net.now();
    net.run(secs(60));
    let told: Vec<_> = net.told_to(0, since).collect();
    assert!(told.iter().any(|(_, e)| matches!(e, Event::Isolated { .. })), "{told:?}");
    assert!(told.iter().all(|(_, e)| !matches!(e, Event::Dead { provisional: false, .. })));
    net.heal();
    let healed_at = net.now();
    assert!(net.until(secs(30), Net::all_agree));
    net.run(secs(5));
    assert!(net.told_to(0, since).any(|(_, e)| matches!(e, Event::Reconnected)));
    let refutations: u64 = (0..16).map(|n| net.protocol(n).metrics().refutations).sum();
    assert!(refutations <= 3, "{refutations} refutations at the heal");
    assert_eq!(net.false_dead(healed_at), 0);
}

#[test]
fn one_way_and_partial_cuts_kill_nobody() {
    for seed in 0..4 {
        for (how, fault) in [("both ways", apart(0, 1)), ("one way", Fault::Cut { links: Links::from_to(&[0], &[1]) })]
        {
            let mut net = cluster(&lan(), seed, 5);
            let since = net.now();
            net.fail(fault);
            net.run(secs(60));
            assert_eq!(net.false_dead(since), 0, "seed {seed} {how}");
        }
    }
}
