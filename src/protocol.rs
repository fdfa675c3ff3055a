//! The sans-IO public face: datagrams and moments in, datagrams and events out.
//!
//! The same code runs over UDP, in a simulator and under a user's own loop, because it reads no clock, opens no socket
//! and draws no entropy: the driver names the time, carries the bytes and gives one seed.

use std::net::SocketAddr;

use crate::config::{Config, ConfigError};
use crate::event::Event;
use crate::member::{Identity, IdentityError, Incarnation, Member, NodeId, Record};
use crate::metrics::Metrics;
use crate::swim::Machine;
use crate::time::Instant;
use crate::why::Why;
use crate::wire::Rejected;

pub use crate::swim::{ForgetError, LeaveProgress};

/// A datagram to send; its bytes are in the buffer that was given to [`Protocol::poll_transmit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
}

/// One node's membership protocol, without socket, clock or entropy.
///
/// **After every call that changes it, drain [`poll_transmit`], then [`poll_event`], then wait for [`poll_timeout`] or a
/// datagram.** Calls that come too early or too often do nothing and are safe.
///
/// [`poll_transmit`]: Protocol::poll_transmit
/// [`poll_event`]: Protocol::poll_event
/// [`poll_timeout`]: Protocol::poll_timeout
#[derive(Debug)]
pub struct Protocol {
    swim: Machine,
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
        let rules = config.check()?;
        let record = Record::new(&identity, Incarnation(0), &[])
            .map_err(|error| ConfigError::new("identity", error.to_string()))?;
        if record.address().port() == 0 {
            return Err(ConfigError::new("identity", "the address needs the port that is bound, not 0".to_owned()));
        }
        Ok(Protocol { swim: Machine::new(rules, record, seed, now) })
    }

    /// Dials these addresses until a member answers, and now and then for ever after, so that partitions heal.
    pub fn join(&mut self, now: Instant, contacts: &[SocketAddr]) {
        self.swim.join(now, contacts);
    }

    /// Takes in a saved view for a warm restart: its members are pinged without proof of address and are no news.
    pub fn preload(&mut self, now: Instant, records: &[Record]) {
        self.swim.preload(now, records);
    }

    /// Changes this node's metadata, at most 512 bytes; the others hear of it as [`Event::Updated`].
    ///
    /// # Errors
    /// When it is too long; nothing changes.
    pub fn set_metadata(&mut self, now: Instant, metadata: &[u8]) -> Result<(), IdentityError> {
        self.swim.set_metadata(now, metadata)
    }

    /// Drops a dead member here, told as [`Event::Left`]; a tombstone keeps old rumours from raising it, and nobody
    /// else is told.
    ///
    /// # Errors
    /// When no such member is known or it is not dead; nothing changes.
    pub fn forget(&mut self, now: Instant, id: NodeId) -> Result<(), ForgetError> {
        self.swim.forget(now, id)
    }

    /// Tells the others that this node leaves, until they confirm or `leave_timeout` is over; see
    /// [`Protocol::leave_progress`].
    pub fn leave(&mut self, now: Instant) {
        self.swim.leave(now);
    }

    /// Takes a datagram in.
    ///
    /// Before timers are fired, all datagrams that have arrived should be handed in: an answer that waits in a buffer
    /// is no silence.
    ///
    /// # Errors
    /// Why it was rejected. The state is unchanged but for lateness and the counters.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) -> Result<(), Rejected> {
        self.swim.handle_datagram(now, from, datagram)
    }

    /// Fires every deadline that has come; does nothing when called early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.swim.handle_timeout(now);
    }

    /// Makes the next datagram to send in `buf`, which is cleared first; never longer than `datagram_bytes_max`.
    pub fn poll_transmit(&mut self, buf: &mut Vec<u8>) -> Option<Transmit> {
        self.swim.poll_transmit(buf).map(|to| Transmit { to })
    }

    /// The next event for the application. Events that are not drained are folded into the latest of each member.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.swim.poll_event()
    }

    /// When [`Protocol::handle_timeout`] is next wanted; it changes with every other call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.swim.poll_timeout()
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

    /// Whose rows changed since [`Protocol::revision`] was `revision`, the earliest change first, so that
    /// [`Protocol::member`] need be asked for no others; a row that changed twice is named twice.
    ///
    /// None when more than the last 32 changes are asked for: then look at all. Revisions of another protocol, such as
    /// the one before a restart, mean nothing here.
    pub fn changed_since(&self, revision: u64) -> Option<impl Iterator<Item = NodeId> + '_> {
        self.swim.changed_since(revision)
    }

    /// This node itself.
    #[must_use]
    pub fn me(&self) -> &Member {
        self.swim.me()
    }

    /// Why a member is Suspect or Dead here; none when this node never judged its present incarnation.
    #[must_use]
    pub fn why(&self, id: NodeId) -> Option<Why> {
        self.swim.why(id)
    }

    /// Counters and gauges.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.swim.metrics()
    }

    /// How far a leave has come; none until [`Protocol::leave`] was called.
    #[must_use]
    pub fn leave_progress(&self) -> Option<LeaveProgress> {
        self.swim.leave_progress()
    }

    /// Whether the protocol has stopped, because it left or was superseded; drain what is queued and drop it.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.swim.is_stopped()
    }

    /// Whether no other member is present; contacts are dialled until one answers.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.swim.is_alone()
    }

    /// The address that most others report seeing this node at, when it is not the one in its own record.
    #[must_use]
    pub fn seen_elsewhere(&self) -> Option<SocketAddr> {
        self.swim.seen_elsewhere()
    }
}
