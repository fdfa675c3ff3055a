//! The core's hot path: a ping in and the ack out, six known updates each way: `cargo bench --bench core`.
//!
//! One node that knows a thousand or ten thousand members, of which only one ever speaks: its ping is forged as
//! `docs/wire.md` has it, with six updates, and handed in again and again. Only answers that hold six updates count.

#![allow(missing_docs)] // criterion's macro makes a public function

#[path = "../sim/src/forge.rs"]
#[allow(dead_code)]
mod forge;
#[path = "support/report.rs"]
mod report;

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use forge::{ACK, NEWS, PING, Who, fields};
use report::quantile;
use tidings::config::Config;
use tidings::member::{Generation, Identity, Incarnation, Record};
use tidings::protocol::Protocol;

/// The members that have something to tell; the one before them is the peer that pings.
const TELLERS: std::ops::Range<u32> = 2..8;
const PEER: u32 = 1;
/// Pings answered between two renewals of the news, each of which is sent 40 times or more.
const PINGS_PER_RENEWAL: u64 = 24;
/// The place of the count of items in an ack, while the sender's incarnation takes one byte.
const COUNT_IN_ACK: usize = 37;

fn address(n: u32) -> SocketAddr {
    let [_, a, b, c] = n.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 7_340))
}

/// The identity of member `n`; its name has 16 bytes.
fn identity(n: u32) -> Identity {
    Identity::named(&format!("node-{n:011}"), Generation(1_000), address(n))
}

fn who(n: u32) -> Who {
    Who { id: identity(n).id, generation: 1_000, incarnation: 0 }
}

/// A node that knows many, and a ping to it.
struct Bench {
    /// The node measured; it tells nothing of itself.
    node: Protocol,
    now: tidings::Instant,
    ping: Vec<u8>,
    /// How often the tellers had something new to say.
    renewals: u32,
}

impl Bench {
    fn new(members: u32) -> Option<Self> {
        let hour = Duration::from_secs(3_600);
        // The node compares no views, and does not probe the members that never speak. News ride for longer than by
        // default, so that they need not be renewed at every ping; what a datagram costs is the same.
        let idle = Config {
            probe_interval: hour,
            stall_tolerance: hour,
            sync_quiet: hour,
            sync_patience: hour,
            // And no budget holds the updates back.
            metadata_bytes_per_second: 1_000_000_000,
            retransmit_mult: 4,
            forward_fanout: 2,
            forward_rate: 10_000,
            forward_burst: 10_000,
            ..Config::lan("bench")
        };

        let now = tidings::Instant::from_nanos(1_000_000_000);
        let node = Protocol::new(idle, identity(0), 1, now).ok()?;
        let mut bench = Bench { node, now, ping: Vec::new(), renewals: 1 };

        let greeting = bench.greet();
        let records = (1..members).map(|n| Record::new(&identity(n), Incarnation(0), &[]).ok());
        bench.node.preload(now, &records.collect::<Option<Vec<_>>>()?);
        bench.drain();
        assert_eq!(bench.node.metrics().members_alive, members as usize);
        bench.prove(&greeting);

        bench.ping = who(PEER).says("bench", PING, &fields(&[who(0).digest(), 9]), &updates(bench.renewals));
        // Older news than the six ride no more.
        while bench.node.metrics().news > 0 {
            bench.ack();
        }
        Some(bench)
    }

    /// Dials the peer that will ping it, before that is a member: live members are not dialled.
    fn greet(&mut self) -> Vec<u8> {
        self.node.join(self.now, &[address(PEER)]);
        let mut greeting = Vec::new();
        let sent = self.node.poll_transmit(&mut greeting);
        assert!(sent.is_some_and(|transmit| transmit.to == address(PEER)));
        greeting
    }

    /// The node measured has proved the address of the peer that pings it, or its acks would be cut to the ping's
    /// length.
    fn prove(&mut self, greeting: &[u8]) {
        let nonce = forge::read(greeting).map_or(0, |read| read.words[1]);
        self.hear(who(PEER).says("bench", ACK, &fields(&[nonce]), &[]));
    }

    fn hear(&mut self, mut datagram: Vec<u8>) {
        let heard = self.node.handle_datagram(self.now, address(PEER), &mut datagram);
        assert!(heard.is_ok(), "{heard:?}");
        self.drain();
    }

    fn drain(&mut self) {
        let mut datagram = Vec::new();
        while self.node.poll_transmit(&mut datagram).is_some() {}
        while self.node.poll_event().is_some() {}
    }

    /// Six members say something new.
    fn renew(&mut self) {
        self.renewals += 1;
        self.now += Duration::from_millis(100);
        self.node.handle_timeout(self.now);
        self.hear(who(PEER).says("bench", NEWS, &[], &updates(self.renewals)));
    }

    /// Renews the news and sees that all six ride.
    fn load(&mut self) {
        self.renew();
        assert_eq!(self.ack().get(COUNT_IN_ACK), Some(&6), "the node has not heard six updates");
    }

    /// Hands the ping in once.
    fn ack(&mut self) -> Vec<u8> {
        let mut ack = Vec::new();
        let accepted = self.node.handle_datagram(self.now, address(PEER), &mut self.ping);
        assert!(accepted.is_ok() && self.node.poll_transmit(&mut ack).is_some());
        ack
    }

    /// Hands the ping in so often; how long that and making the acks took, if the last ack still held six updates.
    fn answer(&mut self, count: u64) -> Option<Duration> {
        let (from, mut ack) = (address(PEER), Vec::with_capacity(2_048));
        let started = Instant::now();
        for _ in 0..count {
            let accepted = self.node.handle_datagram(self.now, black_box(from), black_box(&mut self.ping));
            let sent = self.node.poll_transmit(&mut ack);
            assert!(accepted.is_ok() && sent.is_some());
            black_box(&ack);
        }
        let took = started.elapsed();
        let is_laden = ack[1] == 2 && ack[COUNT_IN_ACK] == 6;
        assert!(self.node.poll_transmit(&mut ack).is_none());
        is_laden.then_some(took)
    }
}

/// The six records as they stand after so many renewals.
fn updates(renewals: u32) -> Vec<Vec<u8>> {
    let metadata = [renewals as u8];
    let record = |n| Who { incarnation: renewals, ..who(n) }.alive(address(n), &identity(n).name, &metadata);
    TELLERS.map(record).collect()
}

fn ping_and_ack(criterion: &mut Criterion) {
    for members in [1_000, 10_000] {
        let Some(mut bench) = Bench::new(members) else { panic!("the bench does not set its node up") };
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
fn tell_batches(members: u32, batches: &mut [Duration]) {
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
