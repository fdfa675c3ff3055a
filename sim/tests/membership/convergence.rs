//! Clusters in virtual time: they form, notice the dead, do not convict the stalled, and agree.

use tidings::event::Event;
use tidings::member::State;

use crate::support::{Cluster, cluster, lan, ms, secs};

#[test]
fn clusters_of_many_sizes_form_and_stay_quiet() {
    for n in [1, 2, 3, 5, 8, 16, 33] {
        let mut net = cluster(&lan(), n.into(), n);
        let since = net.now();
        net.run(secs(30));
        assert!(net.all_agree(), "{n}");
        for host in 0..n {
            let later: Vec<_> = net.told_to(host, since).collect();
            assert!(later.is_empty(), "{n}: {later:?}");
        }
    }
}

#[test]
fn a_crash_is_found_by_everyone_within_p_and_a_bit() {
    for n in [2, 3, 8, 24] {
        let mut net = cluster(&lan(), 7, n);
        let since = net.now();
        net.crash(n - 1);
        let found = net.until(secs(20), |net| (0..n - 1).all(|m| net.state(m, n - 1) == Some(State::Dead)));
        let took = net.now().since(since);
        assert!(found && took >= secs(3), "{n}: {took:?}");
        assert!(took < ms(7_000), "{n}: {took:?}");
        for m in 0..n - 1 {
            assert_eq!(net.kinds(m, n - 1, since), ["suspect", "dead"], "{n}/{m}");
        }
        assert_eq!(net.false_dead(since), 0);
    }
}

#[test]
fn a_stall_below_p_is_suspected_and_refuted() {
    let mut net = cluster(&lan(), 3, 8);
    let since = net.now();
    net.pause(5, ms(2_700));
    net.run(secs(12));
    assert_eq!(net.false_dead(since), 0);
    assert!(net.all_agree());
    let suspects =
        (0..8).flat_map(|n| net.events_about(n, 5, since)).filter(|e| matches!(e, Event::Suspect { .. })).count();
    assert!(suspects > 0, "the stall was long enough to be noticed");
}
