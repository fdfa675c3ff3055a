//! News reach members whose addresses are not proved yet: what may not ride goes out after the proof.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Cluster, Net, cluster, id, lan, secs};
use tidings::config::Config;

/// Rumours alone, almost without forwarding: piggyback must do it, in a cluster so young that most pairs have not met.
#[test]
fn piggyback_reaches_members_that_have_not_met() {
    let hour = secs(3_600);
    let config =
        Config { forward_fanout: 1, forward_rate: 1, forward_burst: 1, sync_quiet: hour, sync_patience: hour, ..lan() };
    let mut formed = 0;
    for seed in 0..10 {
        // All at once: whoever joins later is no subject of a rumour that ran its course before.
        let mut net = cluster(&config, seed, 1);
        for _ in 1..40 {
            net.newcomer();
        }
        // Rumours end, and without comparisons a record may miss somebody: then there is nothing to ask of the seed.
        if !net.until(secs(60), Net::all_agree) {
            continue;
        }
        formed += 1;
        net.run(secs(5));
        net.on(7, |protocol, now| protocol.set_metadata(now, b"new")).unwrap();
        let knows = |net: &Net, n: u32| net.protocol(n).member(id(7)).is_some_and(|m| m.metadata() == b"new");
        // 1.2 to 2.4 s; 9.4 s while a ping or ack between strangers carried nothing and nothing came after it.
        let all_know = net.until(secs(5), |net| (0..40).all(|n| knows(net, n)));
        let missing: Vec<u32> = (0..40).filter(|n| !knows(&net, *n)).collect();
        assert!(all_know, "seed {seed}: {missing:?} have not heard");
    }
    assert!(formed >= 8, "only {formed} of 10 clusters formed");
}
