//! News reach members whose addresses are not proved yet: what may not ride goes out after the proof.

mod virtual_net;

use tidings::config::Config;
use virtual_net::{Net, id, secs};

/// Rumours alone, almost without forwarding: piggyback must do it, in a cluster so young that most pairs have not met.
#[test]
fn piggyback_reaches_members_that_have_not_met() {
    let hour = secs(3_600);
    let config = Config {
        forward_fanout: 1,
        forward_rate: 1,
        forward_burst: 1,
        sync_quiet: hour,
        sync_patience: hour,
        ..Config::lan("c")
    };
    for seed in 0..10 {
        let mut net = Net::cluster(config.clone(), seed, 40);
        net.call(7, |protocol, now| protocol.set_metadata(now, b"new")).unwrap();
        let knows = |net: &Net, n: usize| net.hosts[n].protocol.member(id(7)).is_some_and(|m| m.metadata() == b"new");
        // 1.2 to 2.4 s; 9.4 s while a ping or ack between strangers carried nothing and nothing came after it.
        let all_know = net.run_until(secs(5), |net| (0..40).all(|n| knows(net, n)));
        let missing: Vec<usize> = (0..40).filter(|n| !knows(&net, *n)).collect();
        assert!(all_know, "seed {seed}: {missing:?} have not heard");
    }
}
