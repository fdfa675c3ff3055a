//! What the cluster must not pay for: comparisons begun twice, and news that everybody has.

mod virtual_net;

use tidings::config::Config;
use tidings::member::{Generation, Identity, Incarnation, Record};
use virtual_net::{Net, ms, secs};

#[test]
fn one_difference_is_compared_once() {
    // Pings so rare that both are quiet when the first of them shows the difference.
    let config = Config { probe_interval: secs(8), stall_tolerance: secs(24), ..Config::lan("c") };
    let stranger = Identity::named("stranger", Generation(1), ([10, 9, 9, 9], 7_340).into());
    let record = Record::new(&stranger, Incarnation(0), &[]).unwrap();
    let syncs = |net: &Net| -> u64 { net.hosts.iter().map(|host| host.protocol.metrics().syncs).sum() };
    let agree = |net: &Net| net.hosts[0].protocol.metrics().view_hash == net.hosts[1].protocol.metrics().view_hash;
    for seed in 0..8 {
        let mut net = Net::cluster(config.clone(), seed, 2);
        net.call(0, |protocol, now| protocol.preload(now, std::slice::from_ref(&record)));
        let before = syncs(&net);
        assert!(net.run_until(secs(30), agree), "seed {seed}");
        net.run(ms(50));
        assert_eq!(syncs(&net) - before, 1, "seed {seed}: the pinger and the pinged both began");
    }
}

#[test]
fn news_that_everybody_has_stops_riding() {
    let mut net = Net::cluster(Config::lan("c"), 2, 200);
    // Without the rule, 200 joins ride for over a minute.
    let drained = net.run_until(secs(20), |net| net.hosts.iter().all(|host| host.protocol.metrics().news == 0));
    let left: usize = net.hosts.iter().map(|host| host.protocol.metrics().news).sum();
    assert!(drained, "{left} news still ride");
}
