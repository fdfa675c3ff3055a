//! Five real voters over loopback UDP, and an application on each that only tells when its lease begins.
//!
//! A leader is usable when its own application holds a valid lease, so that is what is timed: on each node a task waits
//! in `Node::lead`, as an application would.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, Instant};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use tidings::Node;
use tidings::config::{Config, ElectionConfig};
use tidings::election::{FileStore, MemoryStore};
use tidings::runtime::{Faults, Lease, Stopped};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::ELECTION;
use crate::Outcome;
use crate::ending::Ending;

pub const NAMES: [&str; 5] = ["n0", "n1", "n2", "n3", "n4"];

/// No cluster takes longer than this to agree, on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often agreement is looked for; nothing that is timed waits for this.
const LOOK: Duration = Duration::from_millis(5);

/// Where ballots are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    InFiles,
    InMemory,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kept::InFiles => "file",
            Kept::InMemory => "memory",
        })
    }
}

/// A lease that began.
#[derive(Clone)]
pub struct Begun {
    pub name: String,
    /// When its application had it in hand.
    pub at: Instant,
    /// No later than it began: the moment of asking that it is counted from.
    pub not_before: Instant,
    /// Whether it was valid when the application had it in hand.
    pub was_valid: bool,
    pub lease: Lease,
}

pub struct Seat {
    pub node: Node,
    pub faults: Faults,
    /// The application, which holds a handle of its own on the node.
    application: JoinHandle<()>,
}

/// A leader that everyone follows: where it sits, and its lease.
pub struct Led {
    pub place: usize,
    pub lease: Lease,
}

/// A voter whose handles are gone.
pub struct Killed {
    pub name: String,
    pub at: Instant,
    pub stopped: Pin<Box<dyn Future<Output = Stopped> + Send>>,
}

pub struct Voters {
    pub seats: Vec<Seat>,
    pub config: ElectionConfig,
    pub random: Xoshiro256PlusPlus,
    kept: Kept,
    folder: PathBuf,
    /// The last lease of each voter.
    leases: BTreeMap<String, Begun>,
    begun: UnboundedReceiver<Begun>,
    teller: UnboundedSender<Begun>,
    saves_max: Duration,
}

impl Voters {
    /// No voter yet; `folder` is emptied, for the ballots kept in files.
    pub fn new(config: ElectionConfig, kept: Kept, folder: &Path, seed: u64) -> Outcome<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let (teller, begun) = unbounded_channel();
        Ok(Voters {
            seats: Vec::new(),
            // A voter that is killed here ends its work first, and must not hand over for that.
            config: config.stands_always(),
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            kept,
            folder: folder.to_owned(),
            leases: BTreeMap::new(),
            begun,
            teller,
            saves_max: Duration::ZERO,
        })
    }

    /// All of them, led by one that all follow.
    pub async fn start(config: ElectionConfig, kept: Kept, folder: &Path, seed: u64) -> Outcome<Self> {
        let mut voters = Voters::new(config, kept, folder, seed)?;
        for name in voters.config.voters.clone() {
            voters.seat(&name).await?;
        }
        voters.led().await?;
        Ok(voters)
    }

    /// Starts a voter, with what its store holds, and joins it to the others.
    pub async fn seat(&mut self, name: &str) -> Outcome<()> {
        let faults = Faults::new(1);
        let contacts = self.seats.iter().map(|seat| seat.node.local_address());
        let builder = Node::builder(name).config(Config::lan("bench")).bind("127.0.0.1:0").faults(faults.clone());
        let builder = builder.election(self.config.clone()).contacts(contacts);
        let builder = match self.kept {
            Kept::InFiles => builder.term_store(FileStore::open(self.folder.join(name))?),
            Kept::InMemory => builder.term_store(MemoryStore),
        };
        let node = builder.start().await?;
        let application = tokio::spawn(lead(node.clone(), self.config.lease, self.teller.clone()));
        self.seats.push(Seat { node, faults, application });
        Ok(())
    }

    /// Waits until all of them run, hold each other Alive, and have promised themselves to one leader.
    pub async fn led(&mut self) -> Outcome<Led> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Ok(begun) = self.begun.try_recv() {
                self.leases.insert(begun.name.clone(), begun);
            }
            if let Some(led) = self.find_leader() {
                return Ok(led);
            }
            if Instant::now() > deadline {
                return Err(format!("the voters do not agree after {PATIENCE:?}").into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn find_leader(&self) -> Option<Led> {
        let count = self.config.voters.len();
        let is_whole = |seat: &Seat| seat.node.view().alive().count() == count;
        if self.seats.len() != count || !self.seats.iter().all(is_whole) {
            return None;
        }
        let leads = |seat: &Seat| {
            let status = seat.node.election(ELECTION);
            status.is_some_and(|status| status.lease.is_some() && status.supporters == count)
        };
        let place = self.seats.iter().position(leads)?;
        let node = &self.seats.get(place)?.node;
        let lease = &self.leases.get(node.name()).filter(|begun| begun.lease.is_valid())?.lease;
        let leader = (node.id(), lease.term());
        let knows = |seat: &Seat| seat.node.view().leader(ELECTION).map(|known| (known.id, known.term)) == Some(leader);
        self.seats.iter().all(knows).then(|| Led { place, lease: lease.clone() })
    }

    /// Lets some time pass that is spread evenly over one heartbeat, `least` at the least, and finds the leader again.
    pub async fn rest(&mut self, least: Duration) -> Outcome<Led> {
        self.led().await?;
        let phase = self.random.next_u64() % self.config.heartbeat.as_nanos() as u64;
        tokio::time::sleep(least + Duration::from_nanos(phase)).await;
        match self.find_leader() {
            Some(led) => Ok(led),
            // It changed by itself meanwhile.
            None => self.led().await,
        }
    }

    /// Watches this leader's lease, and whether others have one.
    pub fn watch(&self, led: &Led) -> Outcome<Ending> {
        let others = self.seats.iter().enumerate().filter(|(place, _)| *place != led.place);
        Ending::of(led.lease.clone(), others.map(|(_, seat)| seat.node.clone()).collect())
    }

    /// The next lease to begin; none if it does not come.
    pub async fn next(&mut self) -> Option<Begun> {
        let begun = tokio::time::timeout(PATIENCE, self.begun.recv()).await.ok()??;
        self.leases.insert(begun.name.clone(), begun.clone());
        Some(begun)
    }

    /// The first lease of a term above this one; none if it does not come.
    pub async fn next_after(&mut self, lease: &Lease) -> Option<Begun> {
        loop {
            let begun = self.next().await?;
            if begun.lease.term() > lease.term() {
                return Some(begun);
            }
        }
    }

    /// Ends a voter's task without a word: its last handle is dropped.
    pub async fn kill(&mut self, place: usize) -> Killed {
        let Seat { node, application, .. } = self.seats.swap_remove(place);
        let (name, stopped) = (node.name().to_owned(), Box::pin(node.stopped()));
        let at = Instant::now();
        application.abort();
        let _ = application.await;
        drop(node);
        Killed { name, at, stopped }
    }

    /// The longest that any store took for one ballot, as far as it was asked while its node ran.
    pub async fn saves_max(&mut self) -> Duration {
        for seat in &self.seats {
            let longest = Duration::from_micros(seat.node.metrics().await.save_us_max);
            self.saves_max = self.saves_max.max(longest);
        }
        self.saves_max
    }

    /// Ends all of them.
    pub async fn stop(mut self) {
        while !self.seats.is_empty() {
            self.kill(0).await.stopped.await;
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Leads whenever it may, and tells each time.
async fn lead(node: Node, lasts: Duration, teller: UnboundedSender<Begun>) {
    let name = node.name().to_owned();
    let forever = node.lead(ELECTION, |lease| {
        let before = Instant::now();
        let left = lease.valid_for();
        let at = Instant::now();
        let not_before = (before + left).checked_sub(lasts).map_or(at, |asked| asked.min(at));
        let _ = teller.send(Begun { name: name.clone(), at, not_before, was_valid: !left.is_zero(), lease });
        std::future::pending::<()>()
    });
    // It ends with its node.
    let _ = forever.await;
}
