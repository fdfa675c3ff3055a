//! News reach members whose addresses are not proved yet: what may not ride goes out after the proof.
#![allow(clippy::unwrap_used)]

use tidings::config::Config;
use tidings_sim::scenario::Start;

use crate::support::{Cluster, Net, begin, id, lan, secs};

/// Rumours alone, almost without forwarding: piggyback must do it, in a cluster so young that most pairs have not met.
#[test]
fn piggyback_reaches_members_that_have_not_met() {
    let hour = secs(3_600);
    let config =
        Config { forward_fanout: 1, forward_rate: 1, forward_burst: 1, sync_quiet: hour, sync_patience: hour, ..lan() };

    for seed in 0..10 {
        // Known from a saved view, and not proved by an answer: without comparisons a join need not reach everyone.
        let mut net = begin(&config, seed, 40, Start::Preloaded);
        net.run(secs(5));
        net.on(7, |protocol, now| protocol.set_metadata(now, b"new")).unwrap();
        let knows = |net: &Net, n: u32| net.protocol(n).member(id(7)).is_some_and(|m| m.metadata() == b"new");
        // 1.2 to 2.4 s; 9.4 s while a ping or ack between strangers carried nothing and nothing came after it.
        let all_know = net.until(secs(5), |net| (0..40).all(|n| knows(net, n)));
        let missing: Vec<u32> = (0..40).filter(|n| !knows(&net, *n)).collect();
        assert!(all_know, "seed {seed}: {missing:?} have not heard");
    }
}
