//! An application of one's own inside the simulator, on every host.
//!
//! It hears the membership events of its host, sends messages over the same faulty network, sets timers, and dies with
//! its host's process. [`crate::Experiment`] runs it by the thousand seeds.

use std::time::Duration;

use tidings::{Event, Instant, Member, Protocol};

/// What runs on a host beside the protocol.
pub trait App {
    /// The host's protocol told of a change.
    fn on_event(&mut self, context: &mut Context<'_>, event: &Event);

    /// A message arrived. Messages are lost, delayed, doubled and reordered as datagrams are, never damaged.
    fn on_message(&mut self, context: &mut Context<'_>, from: u32, message: &[u8]);

    /// A timer went off.
    fn on_timer(&mut self, context: &mut Context<'_>, timer: u64);
}

/// No application.
impl App for () {
    fn on_event(&mut self, _: &mut Context<'_>, _: &Event) {}
    fn on_message(&mut self, _: &mut Context<'_>, _: u32, _: &[u8]) {}
    fn on_timer(&mut self, _: &mut Context<'_>, _: u64) {}
}

/// What an application can see and do while it is called.
#[derive(Debug)]
pub struct Context<'a> {
    host: u32,
    now: Instant,
    protocol: &'a Protocol,
    pub(crate) wishes: Vec<Wish>,
}

/// What an application asked for.
#[derive(Debug)]
pub(crate) enum Wish {
    Send { to: u32, message: Vec<u8> },
    Timer { after: Duration, timer: u64 },
    Metadata(Vec<u8>),
    Note(String),
}

impl<'a> Context<'a> {
    pub(crate) fn new(host: u32, now: Instant, protocol: &'a Protocol) -> Self {
        Context { host, now, protocol, wishes: Vec::new() }
    }

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

    /// The members that this host knows.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.protocol.members()
    }

    /// Sends a message to a host, this one excepted, by number.
    pub fn send(&mut self, to: u32, message: impl Into<Vec<u8>>) {
        self.wishes.push(Wish::Send { to, message: message.into() });
    }

    /// Calls [`App::on_timer`] after so long by this host's clock; timers end with the process.
    pub fn set_timer(&mut self, after: Duration, timer: u64) {
        self.wishes.push(Wish::Timer { after, timer });
    }

    /// Changes this host's metadata; more than 512 bytes are refused, with a note in the trace.
    pub fn set_metadata(&mut self, metadata: impl Into<Vec<u8>>) {
        self.wishes.push(Wish::Metadata(metadata.into()));
    }

    /// Writes a line into the trace.
    pub fn note(&mut self, text: impl Into<String>) {
        self.wishes.push(Wish::Note(text.into()));
    }
}

/// The number of the host that a member's name stands for: the simulator names its hosts `n0`, `n1`, ...
#[must_use]
pub fn host_of(member: &Member) -> Option<u32> {
    member.name().strip_prefix('n')?.parse().ok()
}
