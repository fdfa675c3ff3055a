//! An application of one's own inside the simulator, on every host.
//!
//! It hears the membership events of its host, sends messages over the same faulty network, sets timers by its
//! host's clock, and dies with its host's process. What it kept in memory dies with it: [`Context::persist`] is the
//! disk that a new process finds, [`Context::record`] the history that promises judge. [`crate::Experiment`] runs it
//! by the thousand seeds.

use std::fmt::Debug;
use std::time::Duration;

use tidings::{Event, Instant, Member, Protocol};

use crate::random::Random;

/// What runs on a host beside the protocol; what is not written is not heard.
///
/// Whatever it decides must follow from what it is told and from [`Context::random`]: an application that reads a
/// clock, the entropy of its machine or the order of a hash map runs differently at every replay.
pub trait App: Sized {
    /// What it puts on record for promises to judge; `()` if nothing.
    type Fact: Debug;

    /// Its process has started and joins the others; a host that restarts has a new application, which knows nothing
    /// but what its predecessor had [persisted](Context::persist).
    fn on_start(&mut self, context: &mut Context<'_, Self>) {
        let _ = context;
    }

    /// The host's protocol told of a change.
    fn on_event(&mut self, context: &mut Context<'_, Self>, event: &Event) {
        let _ = (context, event);
    }

    /// A message arrived. Messages are lost, delayed, doubled and reordered as datagrams are, never damaged.
    fn on_message(&mut self, context: &mut Context<'_, Self>, from: u32, message: &[u8]) {
        let _ = (context, from, message);
    }

    /// A timer went off.
    fn on_timer(&mut self, context: &mut Context<'_, Self>, timer: u64) {
        let _ = (context, timer);
    }
}

/// No application.
impl App for () {
    type Fact = ();
}

/// Something that an application put on record; it outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded<F> {
    /// When, in true time.
    pub at: Instant,
    /// By which host.
    pub host: u32,
    /// The fact itself.
    pub fact: F,
}

/// What an application can see and do while it is called.
///
/// Hosts are numbers here, from 0, and `n0`, `n1`, ... in the membership list; [`host_of`] leads from a member to its
/// number.
#[derive(Debug)]
pub struct Context<'a, A: App> {
    pub(crate) host: u32,
    pub(crate) now: Instant,
    pub(crate) protocol: &'a Protocol,
    pub(crate) disk: &'a [u8],
    pub(crate) random: &'a mut Random,
    pub(crate) wishes: Vec<Wish<A::Fact>>,
}

/// What an application asked for.
#[derive(Debug)]
pub(crate) enum Wish<F> {
    Send { to: u32, message: Vec<u8> },
    Timer { after: Duration, timer: u64 },
    Metadata(Vec<u8>),
    Persist(Vec<u8>),
    Record(F),
    Note(String),
}

impl<A: App> Context<'_, A> {
    /// The number of this host; its name is [`Context::me`]'s.
    #[must_use]
    pub fn host(&self) -> u32 {
        self.host
    }

    /// What this host's clock says, which faults may have set wrong.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// This host's own membership row.
    #[must_use]
    pub fn me(&self) -> &Member {
        self.protocol.me()
    }

    /// The members that this host knows, itself included.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.protocol.members()
    }

    /// The numbers of the hosts that this one believes Alive or Suspect, itself included, ascending.
    #[must_use]
    pub fn live_hosts(&self) -> Vec<u32> {
        let live = self.members().filter(|member| member.state().is_live());
        let mut hosts: Vec<u32> = live.filter_map(host_of).collect();
        hosts.sort_unstable();
        hosts
    }

    /// A number drawn from the seed.
    pub fn random(&mut self) -> u64 {
        self.random.draw()
    }

    /// Sends a message to a host by number. To oneself it arrives always, a microsecond later.
    pub fn send(&mut self, to: u32, message: impl Into<Vec<u8>>) {
        self.wishes.push(Wish::Send { to, message: message.into() });
    }

    /// Calls [`App::on_timer`] after so long by this host's clock, or later, when the host runs again, if it is stopped
    /// then. Timers end with the process.
    pub fn set_timer(&mut self, after: Duration, timer: u64) {
        self.wishes.push(Wish::Timer { after, timer });
    }

    /// Changes this host's metadata; more than 512 bytes are refused, with a note in the trace.
    pub fn set_metadata(&mut self, metadata: impl Into<Vec<u8>>) {
        self.wishes.push(Wish::Metadata(metadata.into()));
    }

    /// Replaces what is on this host's disk, safely written when the call that asked for it returns. The disk never
    /// fails and outlives every process.
    pub fn persist(&mut self, bytes: impl Into<Vec<u8>>) {
        self.wishes.push(Wish::Persist(bytes.into()));
    }

    /// What was on this host's disk when this call began; empty if nothing was ever persisted.
    #[must_use]
    pub fn persisted(&self) -> &[u8] {
        self.disk
    }

    /// Puts a fact on record, for promises to judge by [`World::facts`](crate::world::World::facts), and in the trace.
    pub fn record(&mut self, fact: A::Fact) {
        self.wishes.push(Wish::Record(fact));
    }

    /// Writes a line into the trace.
    pub fn note(&mut self, text: impl Into<String>) {
        self.wishes.push(Wish::Note(text.into()));
    }
}

/// The number of the host that a member's name stands for: the simulator names its hosts `n0`, `n1`, ...
#[must_use]
pub fn host_of(member: &Member) -> Option<u32> {
    number(member.name())
}

/// The number that a host's name has.
pub(crate) fn number(name: &str) -> Option<u32> {
    name.strip_prefix('n')?.parse().ok()
}
