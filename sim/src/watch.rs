//! What a run shows to its watchers: checks, measures, those of an embedder.
//!
//! A watcher sees everything in the order in which it happens and in true time, and changes nothing.

use std::net::SocketAddr;

use tidings::election::Ballot;
use tidings::{Event, Instant, NodeId, Protocol};

use crate::clock::Clock;
use crate::fault::Planned;
use crate::network::Fate;

/// Sees what happens in a world.
pub trait Watch {
    /// A datagram left `from` for the host at its address, if there is one; `fate` is what the network will do to it.
    fn sent(&mut self, now: Instant, from: u32, to: Option<u32>, datagram: &[u8], fate: &Fate) {
        let _ = (now, from, to, datagram, fate);
    }

    /// A host's protocol made a datagram for an address while these members' urgent news waited to be told.
    fn made(
        &mut self,
        now: Instant,
        from: u32,
        to: SocketAddr,
        datagram: &[u8],
        urgent: &[NodeId],
        protocol: &Protocol,
    ) {
        let _ = (now, from, to, datagram, urgent, protocol);
    }

    /// A datagram is about to be handled by a host.
    fn handled(&mut self, now: Instant, host: u32, passage: Passage, datagram: &[u8]) {
        let _ = (now, host, passage, datagram);
    }

    /// A datagram was lost where it should have been received: the process was down or stopped, its buffer full.
    fn missed(&mut self, now: Instant, from: u32, to: Option<u32>) {
        let _ = (now, from, to);
    }

    /// A host told its application something.
    fn told(&mut self, moment: Moment, host: u32, protocol: &Protocol, event: &Event) {
        let _ = (moment, host, protocol, event);
    }

    /// A host's protocol has handled an input, and what came of it has been seen.
    fn turned(&mut self, moment: Moment, host: u32, protocol: &Protocol) {
        let _ = (moment, host, protocol);
    }

    /// Something became of a voter's ballot in this election on a host's disk.
    fn disk(&mut self, now: Instant, host: u32, election: &str, disk: Disk) {
        let _ = (now, host, election, disk);
    }

    /// A host's process started, ended, stopped or went on.
    fn lives(&mut self, now: Instant, host: u32, life: Life, protocol: Option<&Protocol>) {
        let _ = (now, host, life, protocol);
    }

    /// A fault began or ended.
    fn fault(&mut self, now: Instant, id: u32, fault: &Planned, phase: Phase) {
        let _ = (now, id, fault, phase);
    }
}

/// A moment, and what a host's clock said then.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// True time.
    pub now: Instant,
    /// The host's clock.
    pub(crate) clock: Clock,
}

impl Moment {
    /// What the host's clock says.
    #[must_use]
    pub fn local(&self) -> Instant {
        self.clock.read(self.now)
    }

    /// The first true moment at which the host's clock will say `named`, if it goes on as it goes now.
    #[must_use]
    pub fn truly(&self, named: Instant) -> Instant {
        self.clock.when(named)
    }
}

/// What became of a voter's ballot on its disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    /// It was saved.
    Saved(Ballot),
    /// It was not; the one before is still there.
    Failed,
    /// A process that starts found this.
    Found(Option<Ballot>),
    /// A process that starts found what cannot be read, and was told to begin anew.
    Torn,
    /// A fault took what was there, or a part of it.
    Taken,
    /// The store refused it, though nothing is wrong with the disk.
    Refused(String),
}

/// Where a datagram that is handled came from.
#[derive(Clone, Copy, Debug)]
pub struct Passage {
    /// The host that sent it.
    pub from: u32,
    /// When it was sent.
    pub sent: Instant,
    /// When it arrived; it may have waited since.
    pub arrived: Instant,
    /// Which start of the sender's process sent it, counted from 1.
    pub start: u32,
    /// Whether it is as it was sent.
    pub is_whole: bool,
}

/// A change in the life of a host's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It started.
    Started,
    /// It ended without a word.
    Crashed,
    /// It left by its own word and ended.
    Left,
    /// It ended because a later start of its name is alive.
    Superseded,
    /// It does not run any more, but is not over.
    Stopped,
    /// It runs again.
    Resumed,
}

impl Life {
    /// The word that traces use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Life::Started => "up",
            Life::Crashed | Life::Superseded => "down",
            Life::Left => "left",
            Life::Stopped => "paused",
            Life::Resumed => "resumed",
        }
    }
}

/// The two ends of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// From now on.
    Begins,
    /// Not any more.
    Ends,
}

/// No watcher.
impl Watch for () {}

/// Two watchers, told one after the other.
impl<A: Watch, B: Watch> Watch for (A, B) {
    fn sent(&mut self, now: Instant, from: u32, to: Option<u32>, datagram: &[u8], fate: &Fate) {
        self.0.sent(now, from, to, datagram, fate);
        self.1.sent(now, from, to, datagram, fate);
    }

    fn made(
        &mut self,
        now: Instant,
        from: u32,
        to: SocketAddr,
        datagram: &[u8],
        urgent: &[NodeId],
        protocol: &Protocol,
    ) {
        self.0.made(now, from, to, datagram, urgent, protocol);
        self.1.made(now, from, to, datagram, urgent, protocol);
    }

    fn handled(&mut self, now: Instant, host: u32, passage: Passage, datagram: &[u8]) {
        self.0.handled(now, host, passage, datagram);
        self.1.handled(now, host, passage, datagram);
    }

    fn missed(&mut self, now: Instant, from: u32, to: Option<u32>) {
        self.0.missed(now, from, to);
        self.1.missed(now, from, to);
    }

    fn told(&mut self, moment: Moment, host: u32, protocol: &Protocol, event: &Event) {
        self.0.told(moment, host, protocol, event);
        self.1.told(moment, host, protocol, event);
    }

    fn turned(&mut self, moment: Moment, host: u32, protocol: &Protocol) {
        self.0.turned(moment, host, protocol);
        self.1.turned(moment, host, protocol);
    }

    fn disk(&mut self, now: Instant, host: u32, election: &str, disk: Disk) {
        self.0.disk(now, host, election, disk.clone());
        self.1.disk(now, host, election, disk);
    }

    fn lives(&mut self, now: Instant, host: u32, life: Life, protocol: Option<&Protocol>) {
        self.0.lives(now, host, life, protocol);
        self.1.lives(now, host, life, protocol);
    }

    fn fault(&mut self, now: Instant, id: u32, fault: &Planned, phase: Phase) {
        self.0.fault(now, id, fault, phase);
        self.1.fault(now, id, fault, phase);
    }
}
