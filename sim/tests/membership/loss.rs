//! Uniform loss in virtual time: how many of the living are declared dead, and at what price.

use tidings::config::Config;
use tidings::metrics::Metrics;
use tidings_sim::fault::Fault;

use crate::support::{Cluster, cluster, lan, secs};

/// Runs `n` hosts for `span` seconds at `percent` loss; false deaths, suspicions, refutations.
fn run(config: &Config, seed: u64, n: u32, percent: u32, span: u64) -> (usize, u64, u64) {
    let mut net = cluster(config, seed, n);
    net.fail(Fault::loss(percent * 10));
    let (since, sent) = (net.now(), net.trace().datagrams());
    net.run(secs(span));
    let total = |count: fn(&Metrics) -> u64| (0..n).map(|host| count(&net.protocol(host).metrics())).sum();
    let rate = (net.trace().datagrams() - sent) / (u64::from(n) * span);
    let (suspicions, refutations) = (total(|m| m.suspicions), total(|m| m.refutations));
    println!(
        "n={n} loss={percent} seed={seed}: dead {}, suspicions {suspicions}, refutations {refutations}, datagrams {rate}/s",
        net.false_dead(since)
    );
    (net.false_dead(since), suspicions, refutations)
}

#[test]
fn heavy_loss_kills_nobody() {
    for (percent, seed) in [(10, 1), (20, 2), (30, 3)] {
        let (dead, suspicions, _) = run(&lan(), seed, 32, percent, 60);
        assert_eq!(dead, 0, "{percent} %");
        assert!(suspicions > 0 || percent < 30, "{percent} % was heavy enough to be noticed");
    }
}
