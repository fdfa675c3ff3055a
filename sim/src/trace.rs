//! What happened: always as a rolling hash, and as lines when they are to be read.
//!
//! Two runs are the same exactly when their hashes are: the hash takes in time, host, kind and bytes of every
//! happening, and what came of it. Text is made from the kept lines, only when it is asked for.

mod json;
mod skew;
mod text;

pub use json::Header;
pub(crate) use skew::Skew;
pub use text::describe;

use std::collections::BTreeSet;
use std::time::Duration;

use tidings::{Event, Instant, Why};
use twox_hash::XxHash3_64;

use crate::forge::MessageRead;

/// An odd number whose bits look random (the golden ratio's).
const STIR: u64 = 0x9e37_79b9_7f4a_7c15;
/// What an application's messages are called, among the names of the protocol's.
pub(crate) const MESSAGE: &str = "message";

/// The rolling hash of a run, and its lines if they are kept.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    happenings: u64,
    datagrams: u64,
    bytes: u64,
    hashes: bool,
    lines: Option<Vec<Line>>,
}

/// How much of what happens is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// How much it was.
    Counts,
    /// And its hash.
    Hash,
    /// And every line.
    Lines,
}

/// One happening: when, at which host, and what.
#[derive(Clone, Debug)]
pub struct Line {
    /// When, in true time.
    pub at: Instant,
    /// To which host; none when to all or to the network.
    pub host: Option<u32>,
    /// What happened.
    pub what: What,
}

/// What happened, with what there is to say of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum What {
    /// A datagram left.
    Sent {
        /// The host that receives at its address, if one does.
        to: Option<u32>,
        /// Ties its lines together.
        id: u64,
        /// The message's name.
        message: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// A datagram was handled.
    Handled {
        /// The host that sent it.
        from: u32,
        /// Ties its lines together.
        id: u64,
    },
    /// A datagram was lost.
    Lost {
        /// The host that would have received it.
        to: Option<u32>,
        /// Ties its lines together.
        id: u64,
        /// Why, in a few words.
        why: &'static str,
    },
    /// The application was told; moments are in true time.
    Told(Event),
    /// Why what was just told is so; moments are in true time.
    Why(Why),
    /// A process began or ended to run.
    Life(&'static str),
    /// A fault began.
    Fault {
        /// Its place in the scenario.
        id: u32,
        /// Its name.
        name: &'static str,
        /// What it does.
        text: String,
        /// The hosts that it hits; none means all.
        hosts: Vec<u32>,
        /// When it ends.
        until: Instant,
    },
    /// Something worth a line.
    Note(String),
    /// A check was broken.
    Violation {
        /// Its name.
        check: &'static str,
        /// How it was broken.
        text: String,
        /// The host that broke it, and the one that it is about.
        hosts: Vec<u32>,
    },
}

/// What kind of happening the hash takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Datagram = 1,
    Wake,
    Command,
    Fault,
    Message,
    AppTimer,
    Lost,
    Told,
    Life,
    App,
    Disk,
}

impl Trace {
    /// An empty trace that keeps so much.
    #[must_use]
    pub(crate) fn new(keep: Keep) -> Self {
        let lines = (keep == Keep::Lines).then(Vec::new);
        Trace { hash: STIR, happenings: 0, datagrams: 0, bytes: 0, hashes: keep != Keep::Counts, lines }
    }

    /// The rolling hash so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Inputs given to protocols, and faults applied.
    #[must_use]
    pub fn happenings(&self) -> u64 {
        self.happenings
    }

    /// Datagrams sent by the protocol; the messages of applications are not among them.
    #[must_use]
    pub fn datagrams(&self) -> u64 {
        self.datagrams
    }

    /// Bytes sent, of UDP payload.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The lines kept; none when they are not.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        self.lines.as_deref().unwrap_or_default()
    }

    /// The lines a person wants to read first: all but the coming and going of datagrams. Of an application's messages
    /// those that were lost are told.
    pub fn story(&self) -> impl Iterator<Item = &Line> {
        let messages = self.lines().iter().filter_map(|line| match line.what {
            What::Sent { id, message: MESSAGE, .. } => Some(id),
            _ => None,
        });
        let messages: BTreeSet<u64> = messages.collect();
        self.lines().iter().filter(move |line| match &line.what {
            What::Sent { .. } | What::Handled { .. } => false,
            What::Lost { id, .. } => messages.contains(id),
            _ => true,
        })
    }

    /// Counts an input or a fault, and takes it into the hash.
    pub(crate) fn happening(&mut self, at: Instant, host: u32, kind: Kind, bytes: &[u8]) {
        self.happenings += 1;
        self.take_in(at, host, kind, bytes);
    }

    /// Takes something that came of a happening into the hash.
    pub(crate) fn take_in(&mut self, at: Instant, host: u32, kind: Kind, bytes: &[u8]) {
        if !self.hashes {
            return;
        }
        let place = u64::from(host) << 8 | kind as u64;
        let seed = (self.hash.rotate_left(23) ^ at.as_nanos()).wrapping_mul(STIR) ^ place;
        self.hash = XxHash3_64::oneshot_with_seed(seed, bytes);
    }

    /// Counts a datagram that was sent.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.datagrams += 1;
        self.bytes += bytes as u64;
    }

    /// Takes a datagram's departure into the hash: whither, how long it takes. Its bytes are taken in where it ends.
    pub(crate) fn sent(&mut self, host: u32, to: u32, takes: Duration, bytes: usize) {
        if !self.hashes {
            return;
        }
        for word in [crate::random::nanos(takes), u64::from(to) << 32 | u64::from(host), bytes as u64] {
            self.hash = (self.hash.rotate_left(23) ^ word).wrapping_mul(STIR);
        }
    }

    /// Takes what an application was told into the hash, with all that its text would say.
    pub(crate) fn told(&mut self, at: Instant, host: u32, event: &Event) {
        if !self.hashes {
            return;
        }

        let mut fields = [0; 48];
        if let Some(member) = event.member() {
            fields[..16].copy_from_slice(&member.id().to_bytes());
            fields[16..24].copy_from_slice(&member.generation().0.to_le_bytes());
            fields[24..28].copy_from_slice(&member.incarnation().0.to_le_bytes());
            fields[31] = u8::from(member.is_flapping());
        }
        if let Some(leader) = event.leader() {
            fields[..16].copy_from_slice(&leader.id.to_bytes());
        }

        let (few, many) = match event {
            Event::Suspect { by, reason, dead_after, .. } => {
                ([*reason as u8, by.len() as u8, 0], dead_after.as_nanos())
            }
            Event::Dead { by, reason, provisional, .. } => ([*reason as u8, by.len() as u8, u8::from(*provisional)], 0),
            Event::SelfStalled { gap } => ([0; 3], crate::random::nanos(*gap)),
            Event::Leader { leader, trigger } => ([trigger.code(), 0, 0], leader.term.0),
            Event::LeaderLost { leader, reason } => ([*reason as u8, 0, 0], leader.term.0),
            Event::Isolated { reachable, known } => ([0; 3], (*reachable as u64) << 32 | *known as u64),
            _ => ([0; 3], 0),
        };

        fields[28..31].copy_from_slice(&few);
        fields[32..40].copy_from_slice(&many.to_le_bytes());
        let kind = event.kind().as_bytes();
        let length = kind.len().min(8);
        fields[40..40 + length].copy_from_slice(&kind[..length]);

        self.take_in(at, host, Kind::Told, &fields);
    }

    /// Keeps a line, if lines are kept; makes it only then.
    pub(crate) fn line(&mut self, at: Instant, host: impl Into<Option<u32>>, what: impl FnOnce() -> What) {
        if let Some(lines) = &mut self.lines {
            lines.push(Line { at, host: host.into(), what: what() });
        }
    }

    /// Whether lines are kept.
    pub(crate) fn keeps_lines(&self) -> bool {
        self.lines.is_some()
    }
}

/// The name of a message by its kind byte, as `docs/wire.md` has them.
#[must_use]
pub fn message_name(datagram: &[u8]) -> &'static str {
    const NAMES: [&str; 9] =
        ["other", "ping", "ack", "ping-req", "nack", "relayed", "news", "sync-request", "sync-reply"];
    let message = MessageRead::of(datagram).map(|message| message.name());
    let name = datagram.get(1).and_then(|kind| NAMES.get(usize::from(*kind))).copied();
    message.or(name).unwrap_or("other")
}
