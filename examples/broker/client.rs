//! The client: a writer for each partition, which sends numbered records until each is acknowledged.
//!
//! A writer that gets no answer cannot know whether its record was written, so it sends the same number again, to
//! whichever broker answers. It does not trust brokers to agree on an owner either: now and then it asks another one.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::PARTITIONS;

/// How long an answer may take before the record is sent again.
const ANSWER: Duration = Duration::from_millis(300);
/// From one record to the next, and from a refusal to the next attempt.
const PACE: Duration = Duration::from_millis(15);
/// Records until a writer asks any broker for the owner of its partition.
const ASK_AROUND: u64 = 20;

/// What the writers share with the show.
#[derive(Debug, Default)]
pub struct Writers {
    /// Where the brokers answer, by name.
    pub brokers: Mutex<BTreeMap<String, SocketAddr>>,
    /// The last acknowledged record of each partition.
    pub acknowledged: [AtomicU64; PARTITIONS],
    /// The longest time that a record had to wait for its acknowledgement, in milliseconds.
    pub longest_ms: AtomicU64,
    /// Records that were sent more than once.
    pub again: AtomicU64,
    /// Set when no new record is to be begun.
    pub finish: AtomicBool,
}

impl Writers {
    pub fn total(&self) -> u64 {
        self.acknowledged.iter().map(|last| last.load(SeqCst)).sum()
    }
}

/// Writes to one partition until it is told to finish, and its last record is acknowledged.
pub async fn write(shared: Arc<Writers>, partition: usize, seed: u64) {
    let random = Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(partition as u64));
    let mut writer = Writer { shared, partition, random, connection: None };
    for number in 1.. {
        if writer.shared.finish.load(SeqCst) {
            return;
        }

        let began = Instant::now();
        if number % ASK_AROUND == 0 {
            writer.connection = None;
        }
        let mut attempts = 0;
        while !writer.put(number).await {
            attempts += 1;
            sleep(PACE).await;
        }

        let shared = &writer.shared;
        shared.acknowledged[partition].store(number, SeqCst);
        shared.longest_ms.fetch_max(began.elapsed().as_millis() as u64, SeqCst);
        shared.again.fetch_add(u64::from(attempts > 0), SeqCst);
        sleep(PACE).await;
    }
}

struct Writer {
    shared: Arc<Writers>,
    partition: usize,
    random: Xoshiro256PlusPlus,
    connection: Option<BufReader<TcpStream>>,
}

impl Writer {
    /// Whether the record is known to be written now.
    async fn put(&mut self, number: u64) -> bool {
        let connection = self.connection.take();
        let address = if connection.is_none() { self.any() } else { None };
        match timeout(ANSWER, ask(connection, address, self.partition, number)).await {
            Ok(Ok((connection, answer))) => {
                self.connection = Some(connection);
                match answer.split_once(' ') {
                    Some(("ask", owner)) => self.connect(owner).await,
                    _ if answer == "ok" => return true,
                    _ => {}
                }
                false
            }
            // Lost, or late; if late, the broker may still do it: it has the record, and its number.
            Ok(Err(_)) | Err(_) => false,
        }
    }

    fn any(&mut self) -> Option<SocketAddr> {
        let brokers = self.shared.brokers.lock().unwrap_or_else(PoisonError::into_inner);
        let place = self.random.next_u64() % (brokers.len() as u64).max(1);
        brokers.values().nth(place as usize).copied()
    }

    async fn connect(&mut self, owner: &str) {
        let address = self.shared.brokers.lock().unwrap_or_else(PoisonError::into_inner).get(owner).copied();
        self.connection = None;
        if let Some(address) = address {
            let connected = timeout(ANSWER, TcpStream::connect(address)).await;
            self.connection = connected.ok().and_then(Result::ok).map(BufReader::new);
        }
    }
}

/// One question and its answer, over this connection, or a new one to this address.
async fn ask(
    connection: Option<BufReader<TcpStream>>,
    address: Option<SocketAddr>,
    partition: usize,
    number: u64,
) -> io::Result<(BufReader<TcpStream>, String)> {
    let mut connection = match (connection, address) {
        (Some(connection), _) => connection,
        (None, Some(address)) => BufReader::new(TcpStream::connect(address).await?),
        (None, None) => return Err(io::ErrorKind::NotConnected.into()),
    };
    connection.get_mut().write_all(format!("put {partition} {number}\n").as_bytes()).await?;
    let mut answer = String::new();
    if connection.read_line(&mut answer).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((connection, answer.trim_end().to_owned()))
}
