//! Uniform loss in virtual time: how many of the living are declared dead, and at what price.

mod virtual_net;

use tidings::config::Config;
use virtual_net::{Net, secs};

/// Runs `n` hosts for `span` seconds at `percent` loss; false deaths, suspicions, refutations.
fn run(config: Config, seed: u64, n: usize, percent: u64, span: u64) -> (usize, u64, u64) {
    let mut net = Net::cluster(config, seed, n);
    net.rule = Box::new(move |_, _, random| rand::Rng::next_u64(random) % 100 < percent);
    let since = net.now;
    let sent: u64 = net.hosts.iter().map(|h| h.sent.0).sum();
    net.run(secs(span));
    let total =
        |count: fn(&tidings::metrics::Metrics) -> u64| net.hosts.iter().map(|h| count(&h.protocol.metrics())).sum();
    let rate = (net.hosts.iter().map(|h| h.sent.0).sum::<u64>() - sent) / (n as u64 * span);
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
        assert_eq!(run(Config::lan("c"), seed, 32, percent, 60).0, 0, "{percent} %");
    }
}
