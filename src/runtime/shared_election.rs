//! One election as the handles see it: what never changes of it, and what the node's task says of it after each turn.
//!
//! The task shows a lease only as far as the protocol grants it, and takes it back before it sends whatever tells the
//! other voters that it is over. In between the holder reads the clock itself, so that a lease runs out on time for it
//! whether or not the task runs.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::election::{Election, Rules};
use crate::leader::{Term, Trigger};
use crate::member::NodeId;
use crate::protocol::Protocol;
use crate::runtime::candidacy::Candidacy;
use crate::runtime::clock::Clock;
use crate::time::Instant;
use crate::voters::Voters;

/// One term in which this node leads, shared by the node's task and every handle on the lease.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) term: Term,
    pub(crate) trigger: Trigger,
    /// Whether its term is being given up.
    is_ending: AtomicBool,
    /// How many futures of `lead` and candidates work under it.
    workers: AtomicUsize,
    /// Since when none does, in nanoseconds of the node's timeline.
    idle_since: AtomicU64,
    /// Until when it may act, in nanoseconds of the node's timeline; 0 while it may not.
    until: AtomicU64,
    is_over: AtomicBool,
    /// Whether a caller found it run out and is to be woken if it is renewed.
    is_missed: AtomicBool,
    /// How many are giving it up and have not heard how that went.
    resigning: AtomicUsize,
    was_resigned: AtomicBool,
}

/// A holder gives a lease up, and has not heard how that went until this is dropped.
#[derive(Debug)]
pub(crate) struct Resigning<'a>(&'a Grant);

impl Drop for Resigning<'_> {
    fn drop(&mut self) {
        self.0.resigning.fetch_sub(1, SeqCst);
    }
}

impl Grant {
    pub(crate) fn new(now: Instant, (term, trigger): (Term, Trigger), until: Instant) -> Self {
        let until = AtomicU64::new(until.as_nanos());
        Grant {
            term,
            trigger,
            is_ending: AtomicBool::new(false),
            workers: AtomicUsize::new(0),
            idle_since: AtomicU64::new(now.as_nanos()),
            until,
            is_over: AtomicBool::new(false),
            is_missed: AtomicBool::new(false),
            resigning: AtomicUsize::new(0),
            was_resigned: AtomicBool::new(false),
        }
    }

    /// How long it is still valid by the clock.
    pub(crate) fn left(&self, clock: &Clock) -> Duration {
        Instant::from_nanos(self.until.load(SeqCst)).since(clock.now())
    }

    /// Whether it is valid by the clock; if not, the caller is woken when it is again.
    pub(crate) fn is_valid_or_missed(&self, clock: &Clock) -> bool {
        if !self.left(clock).is_zero() {
            return true;
        }
        self.is_missed.store(true, SeqCst);
        // The task may have renewed it in between, and seen no caller that missed it.
        !self.left(clock).is_zero()
    }

    /// One more works under it from now on.
    pub(crate) fn take(&self) {
        self.workers.fetch_add(1, SeqCst);
    }

    /// One fewer works under it from now on.
    pub(crate) fn put_back(&self, now: Instant) {
        self.idle_since.store(now.as_nanos(), SeqCst);
        self.workers.fetch_sub(1, SeqCst);
    }

    /// For how long none has worked under it; zero while one does.
    fn idle_for(&self, now: Instant) -> Duration {
        let is_idle = self.workers.load(SeqCst) == 0;
        if is_idle { now.since(Instant::from_nanos(self.idle_since.load(SeqCst))) } else { Duration::ZERO }
    }

    /// Whether it is worth to begin work under it: its term goes on.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_ending.load(SeqCst)
    }

    /// Notes that a holder resigns, until it has heard how that went.
    pub(crate) fn resign(&self) -> Resigning<'_> {
        self.was_resigned.store(true, SeqCst);
        self.resigning.fetch_add(1, SeqCst);
        Resigning(self)
    }

    /// Whether a holder has given it up, or tried to.
    pub(crate) fn was_resigned(&self) -> bool {
        self.was_resigned.load(SeqCst)
    }

    pub(crate) fn is_resigning(&self) -> bool {
        self.resigning.load(SeqCst) > 0
    }

    /// Whether its term is over for this node.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(SeqCst)
    }

    /// Shows until when it is valid; true if a caller waits for that.
    pub(crate) fn show(&self, until: Option<Instant>) -> bool {
        self.until.store(until.map_or(0, Instant::as_nanos), SeqCst);
        until.is_some() && self.is_missed.swap(false, SeqCst)
    }

    pub(crate) fn end(&self) {
        self.until.store(0, SeqCst);
        self.is_over.store(true, SeqCst);
    }
}

/// The voters, and which of them stand, as far as this node knows.
#[derive(Clone, Debug)]
pub(crate) struct Seats {
    pub(crate) voters: Voters,
    /// The places of those that stand, a bit each.
    standing: u32,
}

impl Seats {
    /// The names of those that stand.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Arc<str>> {
        let all = self.voters.all().iter().enumerate();
        all.filter(|(place, _)| self.standing & 1 << place != 0).map(|(_, (_, name))| name)
    }
}

/// One election of this node.
#[derive(Debug)]
pub(crate) struct SharedElection {
    /// As configured; its voters are the first ones.
    pub(crate) rules: Rules,
    me: NodeId,
    /// Whether it could keep a vote, if it were made a voter.
    has_store: bool,
    voters: Mutex<Seats>,
    term: AtomicU64,
    supporters: AtomicUsize,
    grant: Mutex<Option<Arc<Grant>>>,
    candidacy: Mutex<Candidacy>,
}

impl SharedElection {
    fn new(rules: Rules, me: NodeId, has_store: bool) -> Self {
        let voters = Mutex::new(Seats { voters: rules.electorate().clone(), standing: 0 });
        let (term, supporters) = (AtomicU64::new(0), AtomicUsize::new(0));
        let candidacy = Mutex::new(Candidacy::new(&rules));
        let grant = Mutex::new(None);
        SharedElection { rules, me, has_store, voters, term, supporters, grant, candidacy }
    }

    /// Whether this node is a candidate.
    pub(crate) fn candidacy(&self) -> MutexGuard<'_, Candidacy> {
        self.candidacy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this node has led for a whole lease without work, and does not give leadership up yet
    /// (docs/elections.md, E10).
    pub(crate) fn is_unattended(&self, now: Instant) -> bool {
        let is_idle = |grant: &Arc<Grant>| grant.idle_for(now) > self.rules.lease();
        let candidacy = self.candidacy();
        candidacy.needs_work() && candidacy.at(now).is_some() && self.held().as_ref().is_some_and(is_idle)
    }

    /// The highest term that this voter knows of; 0 before any.
    pub(crate) fn term(&self) -> Term {
        Term(self.term.load(SeqCst))
    }

    /// The voters that promised this leader something it still counts on.
    pub(crate) fn supporters(&self) -> usize {
        self.supporters.load(SeqCst)
    }

    /// The voters now, and which of them stand.
    pub(crate) fn seats(&self) -> Seats {
        self.voters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this node votes now, as far as it knows.
    pub(crate) fn is_voter(&self) -> bool {
        self.voters.lock().unwrap_or_else(PoisonError::into_inner).voters.place_of(self.me).is_some()
    }

    /// Whether this node votes now, or by its configuration, or may be made a voter.
    pub(crate) fn may_vote(&self) -> bool {
        let may_come = self.has_store && !self.rules.is_watched();
        may_come || self.is_voter() || self.rules.place_of(self.me).is_some()
    }

    /// The term that this node leads in now.
    pub(crate) fn grant(&self) -> Option<Arc<Grant>> {
        self.held().clone()
    }

    fn held(&self) -> MutexGuard<'_, Option<Arc<Grant>>> {
        self.grant.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what the protocol grants, but nothing that was not granted before; true if callers that wait must look
    /// again.
    fn curb(&self, now: Instant, protocol: &Protocol) -> bool {
        let mut held = self.held();
        let Some(grant) = held.as_ref() else { return false };
        let name = self.rules.name();
        let leadership = protocol.election(name).and_then(|election| election.leadership());
        if leadership.is_none_or(|(term, _)| term != grant.term) {
            grant.end();
            *held = None;
            return true;
        }
        let is_ending = protocol.leave_progress().is_some();
        let is_ending = is_ending || protocol.election(name).is_some_and(Election::is_handing_over);
        grant.is_ending.store(is_ending, SeqCst);
        let lease = protocol.lease(now, name).filter(|lease| lease.term == grant.term);
        grant.show(lease.map(|lease| lease.until))
    }

    /// Begins what the protocol has granted, and shows the rest; true if callers that wait must look again.
    fn publish(&self, now: Instant, protocol: &Protocol) -> bool {
        let was_changed = self.curb(now, protocol);
        let Some(election) = protocol.election(self.rules.name()) else { return was_changed };
        let known = election.leader().map(|(_, term, _)| term).max(election.term());
        self.term.store(known.unwrap_or_default().0, SeqCst);
        self.supporters.store(election.supporters(), SeqCst);

        let stands = |(id, _): &(NodeId, Arc<str>)| u32::from(election.is_candidate(*id));
        let voters = election.rules().electorate();
        let standing = voters.all().iter().rev().fold(0, |places, voter| places << 1 | stands(voter));
        {
            let mut seats = self.voters.lock().unwrap_or_else(PoisonError::into_inner);
            seats.standing = standing;
            if seats.voters != *voters {
                seats.voters = voters.clone();
            }
        }

        let lease = protocol.lease(now, self.rules.name());
        let mut held = self.held();
        match lease.zip(election.leadership()) {
            Some((lease, told)) if held.is_none() && told.0 == lease.term => {
                *held = Some(Arc::new(Grant::new(now, told, lease.until)));
                true
            }
            _ => was_changed,
        }
    }
}

/// All elections of this node, in the order of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct SharedElections {
    each: Arc<[SharedElection]>,
    /// Wakes the node's task when the application wants something else of one.
    stir: Arc<Notify>,
}

impl SharedElections {
    pub(crate) fn new(protocol: &Protocol, has_store: bool) -> Self {
        let me = protocol.me().id();
        let entry = |election: &Election| SharedElection::new(election.rules().clone(), me, has_store);
        let each = protocol.elections().map(entry).collect();
        SharedElections { each, stir: Arc::default() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SharedElection> {
        self.each.iter()
    }

    /// Changes whether this node is a candidate of one of them.
    pub(crate) fn change_candidacy(&self, entry: &SharedElection, change: impl FnOnce(&mut Candidacy)) {
        change(&mut entry.candidacy());
        self.stir.notify_one();
    }

    /// Completes when the application wants something else.
    pub(crate) fn stirred(&self) -> Notified<'_> {
        self.stir.notified()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&SharedElection> {
        self.iter().find(|entry| **entry.rules.name() == *name)
    }

    /// Takes back what is not granted any more: before anything is sent that another voter might go by.
    pub(crate) fn curb(&self, now: Instant, protocol: &Protocol) -> bool {
        self.iter().fold(false, |news, entry| entry.curb(now, protocol) | news)
    }

    /// Begins what is granted: after the events that tell of it are published.
    pub(crate) fn publish(&self, now: Instant, protocol: &Protocol) -> bool {
        self.iter().fold(false, |news, entry| entry.publish(now, protocol) | news)
    }

    /// The node has stopped: nothing is granted any more.
    pub(crate) fn close(&self) {
        for entry in self.iter() {
            if let Some(grant) = entry.held().take() {
                grant.end();
            }
            entry.supporters.store(0, SeqCst);
        }
    }
}
