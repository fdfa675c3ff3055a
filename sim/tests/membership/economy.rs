//! What the cluster must not pay for: comparisons begun twice, and news that all have.
#![allow(clippy::unwrap_used)]

use tidings::config::Config;
use tidings::member::{Generation, Identity, Incarnation, Record};

use crate::support::{Cluster, Net, cluster, lan, ms, secs};

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

/// What came of members that give themselves 400 bytes of other metadata all the time.
struct Busy {
    /// Sent by each node and second in the mean.
    datagrams: u64,
    bytes: u64,
    /// How often the member that told most told of a change, in half a minute.
    told_most: u32,
    /// From a crash until the last of the others had it dead.
    dead: std::time::Duration,
}

/// 40 members change their metadata once a second each, for a minute; then one of them ends.
fn busy(metadata_bytes_per_second: u32) -> Busy {
    const MEMBERS: u32 = 40;
    let config = Config { metadata_bytes_per_second, ..lan() };
    let mut net = cluster(&config, 3, MEMBERS);
    let mut metadata = [7; 400];
    let mut write = |net: &mut Net, seconds: u64| {
        for turn in 0..seconds * u64::from(MEMBERS) {
            metadata[..8].copy_from_slice(&turn.to_le_bytes());
            // A node that has ended changes none.
            let _ = net.call((turn % u64::from(MEMBERS)) as u32, |node, now| node.set_metadata(now, &metadata));
            net.run(secs(1) / MEMBERS);
        }
    };
    let sums = |net: &Net| {
        let metrics = (0..MEMBERS).map(|n| net.protocol(n).metrics());
        metrics.fold((0, 0), |(datagrams, bytes), one| (datagrams + one.datagrams_out, bytes + one.bytes_out))
    };
    let told = |net: &Net| (0..MEMBERS).map(|n| net.protocol(n).me().incarnation().0).collect::<Vec<_>>();

    write(&mut net, 30);
    let (before, told_before) = (sums(&net), told(&net));
    write(&mut net, 30);
    let (after, told_after) = (sums(&net), told(&net));
    let of_each = |sum: u64| sum / 30 / u64::from(MEMBERS);
    let told_most = told_after.iter().zip(&told_before).map(|(after, before)| after - before).max().unwrap();

    let at = net.now();
    net.crash(5);
    write(&mut net, 12);
    let verdicts = (0..MEMBERS).filter(|n| *n != 5).map(|n| {
        let is_dead = |event: &&tidings::event::Event| matches!(event, tidings::event::Event::Dead { .. });
        let mut told = net.told_to(n, at);
        told.find(|(_, event)| is_dead(event)).map_or(secs(99), |(when, _)| when.since(at))
    });
    let dead = verdicts.max().unwrap();
    Busy { datagrams: of_each(after.0 - before.0), bytes: of_each(after.1 - before.1), told_most, dead }
}

#[test]
fn metadata_that_change_all_the_time_keep_to_their_budget_and_no_crash_waits_for_them() {
    // 40 records of about 445 bytes, each sent 12 times by each: at 16 KB/s once in 17 s, stretched to 9 s at least.
    let paced = busy(16_384);
    assert!(paced.datagrams <= 20, "{} datagrams", paced.datagrams);
    assert!(paced.bytes <= 16_384, "{} bytes", paced.bytes);
    assert!((1..=4).contains(&paced.told_most), "told {} times", paced.told_most);
    assert!(paced.dead <= secs(5), "dead after {:?}", paced.dead);

    // Without a budget that is worth the name all is told, and urgent news still go first.
    let unpaced = busy(1_000_000_000);
    assert!(unpaced.bytes > 40_000, "{} bytes", unpaced.bytes);
    assert!(unpaced.told_most >= 29, "told {} times", unpaced.told_most);
    assert!(unpaced.dead <= secs(5), "dead after {:?}", unpaced.dead);
}
