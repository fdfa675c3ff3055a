//! The sans-IO public face: datagrams and moments in, datagrams and events out.
//!
//! The same code runs over UDP, in a simulator and under a user's own loop, because it reads no clock, opens no socket
//! and draws no entropy: the driver names the time, carries the bytes and gives one seed. What it decides is in
//! `docs/protocol.md`, rule by rule; `docs/architecture.md` follows a ping and a verdict through the code.

mod elections;

use std::fmt;
use std::net::SocketAddr;

use crate::config::{Config, ConfigError, Rules};
use crate::election::{ChangeError, Election, HeldLease, SaveOutcome, VoterState};
use crate::event::{Change, Event};
use crate::member::{Advertise, Fingerprint, Identity, IdentityError, Incarnation, Member, NodeId, Record, State};
use crate::metrics::{ElectionMetrics, Metrics};
use crate::swim::Machine;
use crate::time::Instant;
use crate::why::Why;
use crate::wire::{Rejected, own_fields};

pub use crate::swim::{ForgetError, LeaveProgress, Reach};
pub use elections::{BallotSave, ChangeVotersError, WordError};

use elections::Elections;

/// A datagram to send; its bytes are in the buffer that was given to [`Protocol::poll_transmit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Transmit {
    /// The receiver's address.
    pub to: SocketAddr,
}

/// One node's membership protocol, without socket, clock or entropy.
///
/// **After every call that changes it, drain [`poll_transmit`], then [`poll_event`], then [`poll_save`] if it votes in
/// an election, then wait for [`poll_timeout`] or a datagram.** Calls that come too early or too often do nothing and
/// are safe.
///
/// [`poll_transmit`]: Protocol::poll_transmit
/// [`poll_event`]: Protocol::poll_event
/// [`poll_save`]: Protocol::poll_save
/// [`poll_timeout`]: Protocol::poll_timeout
#[derive(Debug)]
pub struct Protocol {
    swim: Machine,
    elections: Elections,
    /// Whether the node leaves as soon as it has handed over all that it leads.
    is_leaving: bool,
}

impl Protocol {
    /// A node that knows only itself.
    ///
    /// `seed` decides every random draw: the same seed and the same inputs give the same outputs on every machine. Over
    /// a real network it must be unpredictable, because nonces come from it.
    ///
    /// # Errors
    /// The first part of the configuration or identity that is out of range, with what to do about it.
    pub fn new(config: Config, identity: Identity, seed: u64, now: Instant) -> Result<Self, ConfigError> {
        let rules = config.into_rules()?;
        let record = Record::new(&identity, Incarnation(0), &own_fields(&rules))
            .map_err(|error| ConfigError::new("identity", error.to_string()))?;
        if record.address().port() == 0 {
            return Err(ConfigError::new("identity", "the address needs the port that is bound, not 0".to_owned()));
        }
        check_voter(&rules, &identity)?;

        let elections = Elections::new(&rules, identity.id, seed, now);
        // Without an address there is none to be told as it stands.
        let advertise = if record.address().ip().is_unspecified() { Advertise::AsSeen } else { identity.advertise };
        Ok(Protocol { swim: Machine::new(rules, record, advertise, seed, now), elections, is_leaving: false })
    }

    /// Dials these addresses until a member answers, and now and then for ever after, so that partitions heal.
    pub fn join(&mut self, now: Instant, contacts: &[SocketAddr]) {
        self.swim.join(now, contacts);
        self.settle(now);
    }

    /// Says which families of addresses the driver's socket can send to; both, until this is called.
    ///
    /// Members of another family are listed and passed on like the others. They are not probed and not accused by this
    /// node, and no datagram is addressed to them. What is shown of them is what they and the others say: Suspect for
    /// as long as others accuse them and they have not refuted it, and Dead three times P after their silence began, if
    /// another has called them dead.
    pub fn set_reach(&mut self, now: Instant, reach: Reach) {
        self.swim.set_reach(now, reach);
        self.settle(now);
    }

    /// The members about which urgent news wait to be told: refutations, departures, deaths and suspicions, which go
    /// before all other news.
    pub fn urgent_news(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.swim.urgent_news()
    }

    /// Takes in a saved view for a warm restart: its members are pinged without proof of address and are no news. One
    /// that has died and been forgotten meanwhile is raised until it is found dead once more: a view older than some
    /// minutes is better used for contacts.
    pub fn preload(&mut self, now: Instant, records: &[Record]) {
        self.swim.preload(now, records);
        self.settle(now);
    }

    /// Changes this node's metadata, at most 512 bytes; the others hear of it as [`Event::Updated`].
    ///
    /// They hear of it at once, unless the members change theirs so often that all together would exceed
    /// [`Config::metadata_bytes_per_second`]: then each is heard at intervals at which all fit, and changes between two
    /// are coalesced, so that only the newest is told. Until then [`Protocol::me`] shows what was told last.
    ///
    /// # Errors
    /// When it is too long; nothing changes.
    pub fn set_metadata(&mut self, now: Instant, metadata: &[u8]) -> Result<(), IdentityError> {
        let done = self.swim.set_metadata(now, metadata);
        self.settle(now);
        done
    }

    /// Drops a dead member here, told as [`Event::Left`]; a tombstone keeps old rumours from raising it, and no other
    /// node is told.
    ///
    /// # Errors
    /// When no such member is known or it is not dead; nothing changes.
    pub fn forget(&mut self, now: Instant, id: NodeId) -> Result<(), ForgetError> {
        let done = self.swim.forget(now, id);
        self.settle(now);
        done
    }

    /// Hands over what this node leads, which takes a lease at most, then tells the others that it leaves, until they
    /// confirm or `leave_timeout` is over; see [`Protocol::leave_progress`].
    pub fn leave(&mut self, now: Instant) {
        self.is_leaving = true;
        self.elections.leave(now);
        self.settle(now);
    }

    /// Begins to vote in an election, from what this voter's store held. Does nothing where this node is no voter, or
    /// with the ballot of another: ask [`Ballot::is_of`](crate::election::Ballot::is_of) first.
    ///
    /// # Errors
    /// When no such election is configured; nothing changes.
    pub fn start_voting(
        &mut self,
        now: Instant,
        election: &str,
        voter_state: VoterState,
    ) -> Result<(), UnknownElection> {
        let is_known = self.elections.start_voting(now, election, voter_state);
        self.settle(now);
        if is_known { Ok(()) } else { Err(UnknownElection) }
    }

    /// Says whether this voter is a candidate of an election from now on, and with which priority: the higher, the
    /// sooner it stands, and a leader of a lower one hands over to it. One that is no candidate votes and follows, and
    /// hands over what it leads. Until this is called, only one whose election says
    /// [`Stands::Always`](crate::config::Stands) is one.
    ///
    /// # Errors
    /// When no such election is configured; nothing changes.
    pub fn set_candidacy(
        &mut self,
        now: Instant,
        election: &str,
        candidacy: Option<u8>,
    ) -> Result<(), UnknownElection> {
        let is_known = self.elections.set_candidacy(now, election, candidacy);
        self.settle(now);
        if is_known { Ok(()) } else { Err(UnknownElection) }
    }

    /// Says that the wall clock was set, and what it says now, in Unix milliseconds: a driver that reads it calls this
    /// when it is not where time has brought it since it was told last. A voter whose clock was wrong when it [started
    /// to vote](Protocol::start_voting) takes part in elections once it is right.
    pub fn set_wall_clock(&mut self, now: Instant, unix_ms: u64) {
        self.elections.set_wall_clock(now, unix_ms);
        self.settle(now);
    }

    /// Sets what this node says, as leader of an election, to the nodes that look for it:
    /// [`Leader::word`](crate::Leader::word).
    ///
    /// # Errors
    /// When no such election is configured, or the word is too long; nothing changes.
    pub fn set_word(&mut self, now: Instant, election: &str, word: &[u8]) -> Result<(), WordError> {
        let done = self.elections.set_word(election, word);
        self.settle(now);
        done
    }

    /// The next ballot to save. Until [`Protocol::handle_saved`] says that it is durable, nothing is told that depends
    /// on it; there is at most one for each election.
    pub fn poll_save(&mut self) -> Option<BallotSave> {
        self.elections.poll_save()
    }

    /// The store has answered to a [`BallotSave`]; an answer to no question is of no effect.
    pub fn handle_saved(&mut self, now: Instant, election: &str, number: u64, outcome: SaveOutcome) {
        self.elections.handle_saved(now, election, number, outcome);
        self.settle(now);
    }

    /// Hands this node's leadership over: to `to`, or to the likeliest candidate if none is named. It leads on until
    /// the successor is elected, mostly for a few milliseconds. If no candidate can take it, it is given up at once.
    ///
    /// # Errors
    /// When this node does not lead, or `to` is no other voter or, as far as its record says, no candidate; nothing
    /// changes.
    pub fn resign(&mut self, now: Instant, election: &str, to: Option<NodeId>) -> Result<(), ResignError> {
        let found = self.elections.find_mut(election).ok_or(ResignError::Unknown)?;
        let is_other_voter = |to: NodeId| to != found.me() && found.rules().place_of(to).is_some();
        if to.is_some_and(|to| !is_other_voter(to)) {
            return Err(ResignError::NoVoter);
        }
        if found.leadership().is_some() && to.is_some_and(|to| !found.is_candidate(to)) {
            return Err(ResignError::NoCandidate);
        }

        let done = found.resign(now, to);
        self.settle(now);
        if done { Ok(()) } else { Err(ResignError::NotLeading) }
    }

    /// Asks for other voters of an election: this list is to be the only one, and the leader sees to it. What came of
    /// it is told by [`Protocol::change_outcome`]. Where too few of the list answer for four leases it is refused,
    /// unless it is forced, which waits for them.
    ///
    /// # Errors
    /// When no such election is configured, the names are no list, there is no leader, or this node asks for a change
    /// already; nothing changes.
    pub fn change_voters<N: AsRef<str>>(
        &mut self,
        now: Instant,
        election: &str,
        list: &[N],
        is_forced: bool,
    ) -> Result<(), ChangeVotersError> {
        let done = self.elections.change_voters(now, election, list, is_forced);
        self.settle(now);
        done
    }

    /// Asks for other voters no more; a change that has begun may go on or not.
    pub fn stop_change(&mut self, now: Instant, election: &str) {
        self.elections.stop_change(election);
        self.settle(now);
    }

    /// What came of the change of voters that this node asked for, once that is known.
    pub fn change_outcome(&mut self, election: &str) -> Option<Result<(), ChangeError>> {
        self.elections.change_outcome(election)
    }

    /// The elections that this node votes in or watches, in the order of the configuration.
    pub fn elections(&self) -> impl Iterator<Item = &Election> {
        self.elections.iter()
    }

    /// One of [`Protocol::elections`], by its name.
    #[must_use]
    pub fn election(&self, name: &str) -> Option<&Election> {
        self.elections.find(name)
    }

    /// The right to act as leader of an election, if this node has it now.
    #[must_use]
    pub fn lease(&self, now: Instant, election: &str) -> Option<HeldLease> {
        self.elections.lease(now, election)
    }

    /// Takes a datagram in.
    ///
    /// Before timers are fired, all datagrams that have arrived should be handed in: an answer that waits in a buffer
    /// is no silence. **`now` must not have been read from the clock before the datagram was from its socket**: the
    /// promise of a voter runs from then.
    ///
    /// # Errors
    /// Why it was rejected. The state is unchanged but for lateness and the counters.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) -> Result<(), Rejected> {
        let outcome = self.swim.handle_datagram(now, from, datagram).and_then(|message| {
            let Some(message) = message else { return Ok(()) };
            let taken = self.elections.handle_message(now, message, &mut self.swim);
            match taken {
                Ok(()) => self.swim.accept(datagram.len()),
                Err(reason) => self.swim.reject(reason),
            }
            taken
        });
        self.settle(now);
        outcome
    }

    /// Fires every deadline that has come; does nothing when called early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.swim.handle_timeout(now);
        self.elections.handle_timeout(now);
        self.settle(now);
    }

    /// Makes the next datagram to send in `buf`, which is cleared first; never longer than `datagram_bytes_max`.
    pub fn poll_transmit(&mut self, buf: &mut Vec<u8>) -> Option<Transmit> {
        self.swim.poll_transmit(buf).map(|to| Transmit { to })
    }

    /// The next event for the application. Events that are not drained are folded into the latest of each member.
    pub fn poll_event(&mut self) -> Option<Event> {
        std::iter::from_fn(|| self.poll_change()).find_map(Change::told)
    }

    /// As [`Protocol::poll_event`], and the turns that are held back from the application too, each in its place.
    pub(crate) fn poll_change(&mut self) -> Option<Change> {
        self.swim.poll_change()
    }

    /// When [`Protocol::handle_timeout`] is next wanted; it changes with every other call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.swim.poll_timeout(), self.elections.poll_timeout()].into_iter().flatten().min()
    }

    /// All members known here, this node included: Alive, Suspect and Dead. Those that left are not listed.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.swim.members()
    }

    /// One of [`Protocol::members`].
    #[must_use]
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.swim.member(id)
    }

    /// How often a row of the table has changed: a member came or went, or its state, record, generation or incarnation
    /// is another. While it stays the same, [`Protocol::members`] tells the same.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.swim.revision()
    }

    /// The members whose rows changed since [`Protocol::revision`] was `revision`, the earliest change first, so that
    /// [`Protocol::member`] need be asked for no others; a row that changed twice is named twice.
    ///
    /// None when more than the last 32 changes are asked for: then look at all. Revisions of another protocol, such as
    /// the one before a restart, mean nothing here.
    pub fn changed_since(&self, revision: u64) -> Option<impl Iterator<Item = NodeId> + '_> {
        self.swim.changed_since(revision)
    }

    /// Alive members whose fingerprint is another than this node's, each with what it says of itself.
    pub fn differing(&self) -> impl Iterator<Item = (&Member, Fingerprint)> {
        let ours = self.me().fingerprint();
        let alive = self.members().filter(|member| member.state() == State::Alive);
        alive.filter_map(move |member| {
            let theirs = member.fingerprint().filter(|theirs| Some(*theirs) != ours)?;
            Some((member, theirs))
        })
    }

    /// This node's own row, as it is told to the others.
    #[must_use]
    pub fn me(&self) -> &Member {
        self.swim.me()
    }

    /// Why a member is Suspect or Dead here; none when this node never judged its present incarnation.
    #[must_use]
    pub fn why(&self, id: NodeId) -> Option<Why> {
        self.swim.why(id)
    }

    /// Counters since the start, and gauges as they stand now.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics { elections: self.elections.metrics(), ..self.swim.metrics() }
    }

    /// What happened in each election, by its name, in the order of the configuration.
    pub fn election_metrics(&self) -> impl Iterator<Item = (&str, ElectionMetrics)> {
        self.elections.metrics_by_name()
    }

    /// How far a leave has come; none until [`Protocol::leave`] was called.
    #[must_use]
    pub fn leave_progress(&self) -> Option<LeaveProgress> {
        let waits = self.is_leaving.then_some(LeaveProgress { confirmed: 0, asked: 0, done: false });
        self.swim.leave_progress().or(waits)
    }

    /// Whether the protocol has stopped, because it left or was superseded; drain what is queued and drop it.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.swim.is_stopped()
    }

    /// Whether no other member is Alive or Suspect; contacts are dialled until one answers. A driver that was given
    /// host names resolves them again meanwhile.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.swim.is_alone()
    }

    /// Whether this node knows an address to tell the others. Behind a wildcard bind it asks them until it does, and
    /// until then no other can list it.
    #[must_use]
    pub fn is_address_known(&self) -> bool {
        self.swim.is_address_known()
    }

    /// The address that most others see this node at, when they do not reach it at the one in its own record. Only one
    /// that was given to be told as it stands stays so: any other gives way to what they see.
    #[must_use]
    pub fn seen_elsewhere(&self) -> Option<SocketAddr> {
        self.swim.seen_elsewhere()
    }

    /// Two of the addresses that others see this node at, when each of at least three (or all, of fewer) sees it at
    /// another: a gateway gives each of its destinations a port of its own. Then only the member that saw the address
    /// which this node tells reaches it there, and the operator has to give one that the gateway forwards.
    #[must_use]
    pub fn seen_apart(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.swim.seen_apart()
    }

    /// Every call that changed something ends here.
    fn settle(&mut self, now: Instant) {
        self.elections.settle(now, &mut self.swim);
        if self.is_leaving && self.elections.may_go() && self.swim.leave_progress().is_none() {
            self.swim.leave(now);
            self.elections.settle(now, &mut self.swim);
        }
    }
}

/// A voter is known by its name alone, so its id must come from that.
fn check_voter(rules: &Rules, identity: &Identity) -> Result<(), ConfigError> {
    let voters = || rules.elections.iter().flat_map(|election| &election.voters);
    if voters().any(|voter| *voter == identity.name) && identity.id != NodeId::from_name(&identity.name) {
        let why = format!("{:?} is a voter, so its id must be that of its name; set none", identity.name);
        return Err(ConfigError::new("identity.id", why));
    }
    match voters().find(|voter| **voter != identity.name && NodeId::from_name(voter) == identity.id) {
        Some(voter) => Err(ConfigError::new("identity.id", format!("that is the id of the voter {voter:?}; set none"))),
        None => Ok(()),
    }
}

/// No election of that name is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownElection;

impl fmt::Display for UnknownElection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no election of that name is configured here")
    }
}

impl std::error::Error for UnknownElection {}

/// Why leadership cannot be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResignError {
    /// No election of that name is configured.
    Unknown,
    /// The successor that was named is no other voter.
    NoVoter,
    /// The successor does not stand.
    NoCandidate,
    /// This node does not lead.
    NotLeading,
}

impl fmt::Display for ResignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResignError::Unknown => "no election of that name is configured here",
            ResignError::NoVoter => "the successor is no other voter of the election",
            ResignError::NoCandidate => "the successor does not stand in the election",
            ResignError::NotLeading => "this node does not lead the election",
        })
    }
}

impl std::error::Error for ResignError {}
