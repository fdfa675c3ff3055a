//! The thread that waits for a voter's store, so that the node's task never waits for a disk.
//!
//! A vote may take as long as the disk does, and nothing else may: probes are answered and events told meanwhile, and
//! the other voters elect another. One save of each election is under way at most, which bounds what waits here.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::config::ELECTIONS_MAX;
use crate::election::{Ballot, Rules, TermStore, VoterState};
use crate::member::NodeId;
use crate::protocol::BallotSave;
use crate::runtime::clock::{Clock, unix_ms};
use crate::runtime::error::StartError;

/// How long a node that has stopped waits for its store to be closed, so that the next start may open it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A store that waits for its node; clones of a builder have one between them, and the first that starts takes it.
#[derive(Clone)]
pub(crate) struct StoreSlot(Arc<Mutex<Option<Box<dyn TermStore>>>>);

impl StoreSlot {
    pub(crate) fn new(store: impl TermStore + 'static) -> Self {
        StoreSlot(Arc::new(Mutex::new(Some(Box::new(store)))))
    }

    pub(crate) fn take(&self) -> Option<Box<dyn TermStore>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for StoreSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreSlot")
    }
}

/// What came of a save.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) election: Arc<str>,
    pub(crate) number: u64,
    pub(crate) result: io::Result<()>,
    pub(crate) took: Duration,
}

/// The node's end: what is to be saved goes in, what came of it comes out.
#[derive(Debug)]
pub(crate) struct Ballots {
    jobs: SyncSender<BallotSave>,
    outcomes: mpsc::Receiver<Saved>,
    /// Handed over and not answered yet.
    waiting: Vec<(Arc<str>, u64)>,
    /// Known to have failed without an answer.
    failed: VecDeque<Saved>,
}

/// What a voter starts from, for each election.
pub(crate) type VoterStates = Vec<(Arc<str>, VoterState)>;

impl Ballots {
    /// Starts the thread, which first reads what the store holds. That may take as long as the disk does.
    ///
    /// # Errors
    /// When there can be no thread, or the store cannot be read.
    pub(crate) async fn open(
        store: Box<dyn TermStore>,
        me: NodeId,
        elections: Vec<Rules>,
    ) -> Result<(Self, VoterStates), StartError> {
        let (jobs, to_do) = sync_channel(ELECTIONS_MAX);
        let (done, outcomes) = mpsc::channel(ELECTIONS_MAX);
        let (ready, read) = oneshot::channel();
        let first = elections.first().map_or_else(|| "".into(), |rules| Arc::clone(rules.name()));
        let thread = std::thread::Builder::new().name("tidings-ballots".to_owned());
        thread.spawn(move || keep(store, me, &elections, ready, &to_do, done)).map_err(StartError::Thread)?;
        let voter_states = read.await.unwrap_or_else(|_| Err((first, has_ended())));
        let voter_states =
            voter_states.map_err(|(election, error)| StartError::TermStore(election.to_string(), error))?;
        Ok((Ballots { jobs, outcomes, waiting: Vec::new(), failed: VecDeque::new() }, voter_states))
    }

    /// Hands a ballot to the store.
    pub(crate) fn save(&mut self, save: BallotSave) {
        let (election, number) = (Arc::clone(&save.election), save.save.number);
        if self.jobs.try_send(save).is_ok() {
            self.waiting.push((election, number));
        } else {
            self.failed.push_back(Saved { election, number, result: Err(has_ended()), took: Duration::ZERO });
        }
    }

    /// The next outcome. A store that panicked has failed in everything that it was asked.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Saved> {
        if let Some(saved) = self.failed.pop_front() {
            return Poll::Ready(saved);
        }
        match self.outcomes.poll_recv(cx) {
            Poll::Ready(Some(saved)) => {
                self.waiting.retain(|(election, number)| (election, *number) != (&saved.election, saved.number));
                Poll::Ready(saved)
            }
            Poll::Ready(None) => match self.waiting.pop() {
                Some((election, number)) => {
                    Poll::Ready(Saved { election, number, result: Err(has_ended()), took: Duration::ZERO })
                }
                None => Poll::Pending,
            },
            Poll::Pending => Poll::Pending,
        }
    }

    /// Lets the thread end, and waits until the store is closed, or for a second.
    pub(crate) async fn close(self) {
        let Ballots { jobs, mut outcomes, .. } = self;
        drop(jobs);
        let _ = timeout(CLOSE_TIMEOUT, async { while outcomes.recv().await.is_some() {} }).await;
    }
}

fn has_ended() -> io::Error {
    io::Error::other("the term store panicked, or takes no more")
}

type Ready = oneshot::Sender<Result<VoterStates, (Arc<str>, io::Error)>>;

/// The thread: reads, then saves until the node is gone.
fn keep(
    mut store: Box<dyn TermStore>,
    me: NodeId,
    elections: &[Rules],
    ready: Ready,
    to_do: &Receiver<BallotSave>,
    done: mpsc::Sender<Saved>,
) {
    let voter_states = elections.iter().map(|rules| {
        let name = Arc::clone(rules.name());
        match load(store.as_mut(), rules, me) {
            Ok(voter_state) => Ok((name, voter_state)),
            Err(error) => Err((name, error)),
        }
    });

    let voter_states = voter_states.collect();
    let is_read = Result::is_ok(&voter_states);
    if !is_read {
        // Before it is told, so that a caller that hears of it may open the store again.
        drop(store);
        let _ = ready.send(voter_states);
        return;
    }

    if ready.send(voter_states).is_ok() {
        save_all(store.as_mut(), to_do, &done);
    }
    drop(store);
    drop(done);
}

/// What one voter starts from, which its store holds before it promises anything.
fn load(store: &mut dyn TermStore, rules: &Rules, me: NodeId) -> io::Result<VoterState> {
    let held = store.load(rules.name())?;
    if let Some(owner) = held.as_ref().filter(|held| !held.is_of(me)).and_then(|held| held.owner) {
        let text = format!(
            "it is another voter's, of id {owner}, and this node's id is {me}: whose own votes are forgotten may vote twice; \
             give each voter the store that was always its own, and a new voter an empty one"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let unix_ms = unix_ms();
    let opening = Ballot::opening(held.clone(), me, unix_ms, rules.promise());
    if held.as_ref() != Some(&opening) {
        store.save(rules.name(), &opening)?;
    }
    Ok(VoterState { ballot: Some(opening), is_durable: store.is_durable(), unix_ms })
}

fn save_all(store: &mut dyn TermStore, to_do: &Receiver<BallotSave>, done: &mpsc::Sender<Saved>) {
    let clock = Clock::start();
    while let Ok(BallotSave { election, save }) = to_do.recv() {
        let began = clock.now();
        let result = store.save(&election, &save.ballot);
        let took = clock.now().since(began);
        if done.blocking_send(Saved { election, number: save.number, result, took }).is_err() {
            return;
        }
    }
}
