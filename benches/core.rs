//! The core's hot path: a ping in and the ack out, six known updates each way: `cargo bench --bench core`.
//!
//! Real datagrams of a small cluster, one of whose nodes also knows a thousand or ten thousand members that never
//! speak. Its peers' pings are recorded and handed in again; only answers that hold six updates count.

#![allow(missing_docs)] // criterion's macro makes a public function

mod support;

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use support::cluster::{Cluster, address, identity};
use support::report::quantile;
use tidings::config::{Config, ConfigError};
use tidings::member::{Incarnation, Record};

/// The members that have something to tell.
const TELLERS: std::ops::Range<usize> = 1..7;
/// Pings answered between two renewals of the news, each of which is sent 40 times or more.
const PINGS_PER_RENEWAL: u64 = 24;
/// The place of the count of items in a ping and in an ack, while the sender's incarnation takes one byte.
const COUNT_IN_PING: usize = 45;
const COUNT_IN_ACK: usize = 37;

/// A node that knows many, and a ping to it.
struct Bench {
    cluster: Cluster,
    /// The node measured; it tells nothing of itself.
    node: usize,
    ping: Vec<u8>,
    metadata: u8,
}

impl Bench {
    fn new(members: usize) -> Result<Self, ConfigError> {
        let hour = Duration::from_secs(3_600);
        // Nobody compares views: the others are not to learn of the members that never speak.
        // News ride longer than by default, so that they need not be renewed at every ping; what a datagram costs is
        // the same.
        let quiet = Config {
            sync_quiet: hour,
            sync_patience: hour,
            retransmit_mult: 10,
            forward_fanout: 2,
            forward_rate: 10_000,
            forward_burst: 10_000,
            ..Config::lan("bench")
        };
        // Nor is anybody to look whether those live.
        let idle = Config { probe_interval: hour, stall_tolerance: hour, retransmit_mult: 4, ..quiet.clone() };
        let mut cluster = Cluster::new(quiet, 1);
        for _ in 0..TELLERS.end {
            cluster.start()?;
        }
        let node = cluster.start_with(idle)?;
        cluster.run(Duration::from_secs(60));
        let present = cluster.hosts.len();
        let records: Vec<Record> =
            (present..members).filter_map(|n| Record::new(&identity(n, 0), Incarnation(0), &[]).ok()).collect();
        cluster.call(node, |protocol, now| protocol.preload(now, &records));
        assert_eq!(cluster.hosts[node].protocol.metrics().members_alive, members);
        // The node measured has proved the address of who pings it, or its acks would be cut to the ping's length.
        cluster.call(node, |protocol, now| protocol.join(now, &[address(0)]));
        let mut bench = Bench { cluster, node, ping: Vec::new(), metadata: 0 };
        bench.record();
        // Older news than the six ride no more.
        while bench.cluster.hosts[node].protocol.metrics().news > 0 {
            bench.ack();
        }
        Ok(bench)
    }

    /// Keeps a ping of the first node that carries six updates.
    fn record(&mut self) {
        let (node, heard) = (self.node, Rc::new(RefCell::new(Vec::new())));
        let tap = Rc::clone(&heard);
        self.cluster.tap = Some(Box::new(move |from, to, bytes| {
            let is_ping = from == 0 && to == node && bytes[1] == 1;
            if is_ping && bytes.get(COUNT_IN_PING) == Some(&6) {
                tap.replace(bytes.to_vec());
            }
        }));
        for _ in 0..6_000 {
            self.renew();
            if !heard.borrow().is_empty() {
                break;
            }
        }
        self.cluster.tap = None;
        self.ping = heard.take();
        assert!(!self.ping.is_empty(), "no ping with six updates was sent");
    }

    /// Six members say something new, and it spreads.
    fn renew(&mut self) {
        self.metadata = self.metadata.wrapping_add(1);
        for n in TELLERS {
            let metadata = [self.metadata];
            let done = self.cluster.call(n, |protocol, now| protocol.set_metadata(now, &metadata));
            assert!(done.is_ok());
        }
        self.cluster.run(Duration::from_millis(100));
        self.cluster.events.clear();
    }

    /// Renews the news until the node measured has heard all six.
    fn load(&mut self) {
        let is_laden = (0..100).any(|_| {
            self.renew();
            self.ack().get(COUNT_IN_ACK) == Some(&6)
        });
        assert!(is_laden, "the node has not heard six updates");
    }

    /// Hands the ping in once.
    fn ack(&mut self) -> Vec<u8> {
        let mut ack = Vec::new();
        let protocol = &mut self.cluster.hosts[self.node].protocol;
        let accepted = protocol.handle_datagram(self.cluster.now, address(0), &mut self.ping);
        assert!(accepted.is_ok() && protocol.poll_transmit(&mut ack).is_some());
        ack
    }

    /// Hands the ping in so often; how long that and making the acks took, if the last ack still held six updates.
    fn answer(&mut self, count: u64) -> Option<Duration> {
        let (mut ping, from, mut ack) = (self.ping.clone(), address(0), Vec::with_capacity(2_048));
        let now = self.cluster.now;
        let protocol = &mut self.cluster.hosts[self.node].protocol;
        let started = Instant::now();
        for _ in 0..count {
            let accepted = protocol.handle_datagram(now, black_box(from), black_box(&mut ping));
            let sent = protocol.poll_transmit(&mut ack);
            assert!(accepted.is_ok() && sent.is_some());
            black_box(&ack);
        }
        let took = started.elapsed();
        let is_laden = ack[1] == 2 && ack[COUNT_IN_ACK] == 6;
        assert!(protocol.poll_transmit(&mut ack).is_none());
        is_laden.then_some(took)
    }
}

fn ping_and_ack(criterion: &mut Criterion) {
    for members in [1_000, 10_000] {
        let Ok(mut bench) = Bench::new(members) else { return };
        let bytes = bench.ping.len();
        let mut batches = Vec::new();
        criterion.bench_function(
            &format!("ping ({bytes} B) in, ack out, 6 known updates each, {members} members"),
            |b| {
                b.iter_custom(|mut count| {
                    let mut took = Duration::ZERO;
                    while count > 0 {
                        bench.load();
                        let now = count.min(PINGS_PER_RENEWAL);
                        if let Some(span) = bench.answer(now) {
                            took += span;
                            batches.extend((now == PINGS_PER_RENEWAL).then_some(span));
                            count -= now;
                        }
                    }
                    took
                });
            },
        );
        tell_batches(members, &mut batches);
    }
}

/// Criterion's mean counts every preemption. Beside it, how the batches spread: the fastest is the best case, not the
/// typical one.
fn tell_batches(members: usize, batches: &mut [Duration]) {
    if batches.is_empty() {
        return;
    }
    batches.sort_unstable();
    let per_ping = |share| quantile(batches, share).as_nanos() as u64 / PINGS_PER_RENEWAL;
    let [fastest, quarter, median, p90] = [0.0, 0.25, 0.5, 0.9].map(per_ping);
    let count = batches.len();
    println!(
        "{members} members, ns in {count} batches of {PINGS_PER_RENEWAL}: min {fastest}, p25 {quarter}, median {median}, p90 {p90}\n"
    );
}

criterion_group! {
    name = benches;
    // Renewing the news takes far longer than what is measured.
    config = Criterion::default().measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300)).sample_size(30);
    targets = ping_and_ack
}
criterion_main!(benches);
