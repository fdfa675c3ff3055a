//! What a recording costs the node's task: `cargo bench --bench recording`.
//!
//! Ten minutes of a cluster of eight is recorded in virtual time; then the first host's inputs are handed to a protocol
//! again, without a recording and with one. The file is not written: that is another thread's work.

#![allow(missing_docs)] // criterion's macro makes a public function

use std::collections::VecDeque;
use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidings::config::{Config, ConfigError};
use tidings::member::{Generation, Identity};
use tidings::recording::{Entry, Header, Input, Reader, Recorder, What, Writer};
use tidings::time::Instant;

const HOSTS: usize = 8;
const SPAN: Duration = Duration::from_secs(600);

fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n as u8], 7_340))
}

/// The first host's recording; the network takes no time and loses nothing.
fn recorded() -> Result<Vec<u8>, ConfigError> {
    let mut hosts = Vec::new();
    for n in 0..HOSTS {
        let identity = Identity::named(&format!("n{n}"), Generation(1), address(n));
        let header = Header::new(Config::lan("bench"), identity, n as u64, Instant::ORIGIN);
        let mut host = Recorder::start(header, Some(Writer::new(Vec::new(), u64::MAX)))?;
        host.join(Instant::ORIGIN, &[address(0)]);
        hosts.push(host);
    }

    let (mut now, mut buf, mut sent) = (Instant::ORIGIN, Vec::new(), VecDeque::new());
    loop {
        for (n, host) in hosts.iter_mut().enumerate() {
            drain(host, &mut buf, |to, bytes| sent.push_back((n, to, bytes.to_vec())));
        }
        while let Some((from, to, mut bytes)) = sent.pop_front() {
            let Some(n) = (0..HOSTS).find(|n| address(*n) == to) else { continue };
            let _ = hosts[n].handle_datagram(now, address(from), &mut bytes);
            drain(&mut hosts[n], &mut buf, |to, bytes| sent.push_back((n, to, bytes.to_vec())));
        }

        let due = hosts.iter().enumerate().filter_map(|(n, host)| Some((host.poll_timeout()?, n))).min();
        let Some((at, n)) = due.filter(|(at, _)| at.since(Instant::ORIGIN) < SPAN) else { break };
        now = now.max(at);
        hosts[n].handle_timeout(now);
    }

    Ok(hosts[0].finish().unwrap_or_default())
}

fn drain<W: io::Write>(host: &mut Recorder<W>, buf: &mut Vec<u8>, mut send: impl FnMut(SocketAddr, &[u8])) {
    while let Some(transmit) = host.poll_transmit(buf) {
        send(transmit.to, buf);
    }
    while host.poll_event().is_some() {}
}

/// Hands all inputs in; the recording goes to memory that is used again and again, as the node's does.
fn run(host: &mut Recorder<&mut Vec<u8>>, inputs: &[Input<'static>]) {
    let (mut buf, mut datagram) = (Vec::new(), Vec::new());
    for input in inputs {
        match &input.what {
            What::Datagram { from, bytes } => {
                datagram.clear();
                datagram.extend_from_slice(bytes);
                let _ = host.handle_datagram(input.at, *from, &mut datagram);
            }
            What::Timeout => host.handle_timeout(input.at),
            What::Join(contacts) => host.join(input.at, contacts),
            _ => {}
        }
        drain(host, &mut buf, |to, bytes| {
            black_box((to, bytes));
        });
    }
}

fn recording(c: &mut Criterion) {
    let bytes = recorded().unwrap_or_default();
    let Ok(mut reader) = Reader::new(&*bytes) else { return };
    let inputs: Vec<_> = reader
        .by_ref()
        .filter_map(|entry| match entry {
            Entry::Input(input) => Some(input),
            Entry::Drained(_) => None,
        })
        .collect();
    let header = reader.header().clone();
    let hourly = bytes.len() as f64 * 3_600.0 / SPAN.as_secs_f64();
    println!("{} inputs in {} bytes, {:.2} MB an hour", inputs.len(), bytes.len(), hourly / 1e6);

    let mut group = c.benchmark_group("inputs");
    group.throughput(Throughput::Elements(inputs.len() as u64));
    for (name, is_recorded) in [("unrecorded", false), ("recorded", true)] {
        let mut memory = Vec::with_capacity(bytes.len());
        group.bench_function(name, |b| {
            b.iter(|| {
                memory.clear();
                let writer = is_recorded.then(|| Writer::new(&mut memory, u64::MAX));
                if let Ok(mut host) = Recorder::start(header.clone(), writer) {
                    run(&mut host, &inputs);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, recording);
criterion_main!(benches);
