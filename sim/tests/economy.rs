//! What the cluster must not pay for: comparisons begun twice, and news that everybody has.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Cluster, Net, cluster, lan, ms, secs};
use tidings::config::Config;
use tidings::member::{Generation, Identity, Incarnation, Record};

#[test]
fn one_difference_is_compared_once() {
    // Pings so rare that both are quiet when the first of them shows the difference.
    let config = Config { probe_interval: secs(8), stall_tolerance: secs(24), ..lan() };
    let stranger = Identity::named("stranger", Generation(1), ([10, 9, 9, 9], 7_340).into());
    let record = Record::new(&stranger, Incarnation(0), &[]).unwrap();
    let syncs = |net: &Net| -> u64 { (0..2).map(|n| net.protocol(n).metrics().syncs).sum() };
    let agree = |net: &Net| net.protocol(0).metrics().view_hash == net.protocol(1).metrics().view_hash;
    for seed in 0..8 {
        let mut net = cluster(&config, seed, 2);
        net.on(0, |protocol, now| protocol.preload(now, std::slice::from_ref(&record)));
        let before = syncs(&net);
        assert!(net.until(secs(30), agree), "seed {seed}");
        net.run(ms(50));
        assert_eq!(syncs(&net) - before, 1, "seed {seed}: the pinger and the pinged both began");
    }
}

#[test]
fn news_that_everybody_has_stops_riding() {
    let mut net = cluster(&lan(), 2, 200);
    let news = |net: &Net| -> usize { (0..200).map(|n| net.protocol(n).metrics().news).sum() };
    // Without the rule, 200 joins ride for over a minute.
    let drained = net.until(secs(20), |net| (0..200).all(|n| net.protocol(n).metrics().news == 0));
    assert!(drained, "{} news still ride", news(&net));
}
