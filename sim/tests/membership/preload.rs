//! Members that all know each other from the beginning: nothing happens, and without a storm.

use tidings::event::Event;
use tidings::time::Instant;
use tidings_sim::scenario::Start;

use crate::support::{Cluster, begin, lan, secs};

#[test]
fn members_that_all_know_each_other_begin_as_quietly_as_they_go_on() {
    const NODES: u32 = 200;
    let mut net = begin(&lan(), 1, NODES, Start::Preloaded);
    while net.up().len() < NODES as usize {
        assert!(net.step(Instant::ORIGIN));
    }

    for n in 0..NODES {
        let sent = net.sent_by(n);
        assert!(sent <= lan().forward_fanout as u64, "{n}: {sent} datagrams at once");
    }
    assert!(net.all_agree());

    for second in 1..=30 {
        let before = net.trace().datagrams();
        net.run(secs(1));
        let each = (net.trace().datagrams() - before) as f64 / f64::from(NODES);
        // A ping and an ack an interval; at first a node also tells the few it meets that it has started.
        assert!(each < if second < 20 { 16.0 } else { 2.5 }, "{each} datagrams from each in second {second}");
    }

    let news: Vec<_> = net.told().iter().filter(|(_, _, event)| !matches!(event, Event::Up(_))).collect();
    assert!(news.is_empty(), "{:?}", news.first());
    assert!(net.all_agree());
}
