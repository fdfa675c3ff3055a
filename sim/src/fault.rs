//! Everything that can go wrong, as plain data that a scenario file names.
//!
//! A fault says what goes wrong and at which hosts or links; [`Planned`] says when. Nothing here does anything: the
//! network carries out what concerns datagrams, the world what concerns processes and clocks.

mod aim;
mod plan;
mod sense;
mod text;
mod words;

pub use aim::{Direction, Hosts, Links};
pub use plan::{Flap, Planned, Repeat};
pub use words::{Back, Gateway, Inbox, Lie, MovesTo, Place, Towards, WallClock};

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::delay::Delay;
use crate::span;

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// Datagrams are lost at random and independently.
    Loss {
        /// On which links.
        #[serde(default)]
        links: Links,
        /// How many of a thousand.
        permille: u32,
    },
    /// Datagrams are lost in bursts: each link wanders between a good and a bad state (Gilbert-Elliott).
    BurstLoss {
        /// On which links.
        #[serde(default)]
        links: Links,
        /// Loss in the good state, of a thousand.
        good_permille: u32,
        /// Loss in the bad state, of a thousand.
        bad_permille: u32,
        /// The chance with each datagram that a good link turns bad, of a thousand.
        worsens_permille: u32,
        /// The chance with each datagram that a bad link turns good, of a thousand.
        mends_permille: u32,
    },
    /// Datagrams take longer, on top of the network's own delay.
    Latency {
        /// On which links.
        #[serde(default)]
        links: Links,
        /// How much longer.
        delay: Delay,
    },
    /// Some datagrams take so much longer that later ones overtake them.
    Reorder {
        /// On which links.
        #[serde(default)]
        links: Links,
        /// How many of a thousand.
        permille: u32,
        /// By how much at most.
        #[serde(with = "span")]
        by: Duration,
    },
    /// Some datagrams arrive twice.
    Duplicate {
        /// On which links.
        #[serde(default)]
        links: Links,
        /// How many of a thousand.
        permille: u32,
    },
    /// Some datagrams arrive damaged: a bit flipped, or cut short.
    Corrupt {
        /// On which links.
        #[serde(default)]
        links: Links,
        /// How many of a thousand.
        permille: u32,
    },
    /// Datagrams that are longer than this vanish.
    Mtu {
        /// On which links.
        #[serde(default)]
        links: Links,
        /// The longest payload that passes.
        bytes: usize,
    },
    /// Each link carries only so much; what comes faster queues, and what the queue cannot hold is lost.
    Bandwidth {
        /// On which links.
        #[serde(default)]
        links: Links,
        /// Payload bytes a second on each link.
        bytes_per_s: u64,
        /// How long the queue before a link may grow.
        #[serde(with = "span")]
        queue: Duration,
    },
    /// Datagrams wait in the network until the fault is over, then all arrive.
    Clog {
        /// On which links.
        #[serde(default)]
        links: Links,
    },
    /// Nothing passes on these links: a one-way or a partial partition, a deaf or a mute host.
    Cut {
        /// On which links.
        links: Links,
    },
    /// Nothing passes between the groups.
    Partition {
        /// The sides. Hosts named in none belong to the last; a single side stands against all others.
        groups: Vec<Vec<u32>>,
        /// Hosts that reach all sides.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        bridges: Vec<u32>,
    },
    /// Each host reaches only so many neighbours to either side, in the order of their numbers.
    Ring {
        /// How many neighbours to either side.
        reach: u32,
    },
    /// Processes end without a word. With a span they start again at its end, under the same name.
    Crash {
        /// The hosts whose processes end.
        hosts: Hosts,
        /// What the wall clock says at the new start.
        #[serde(default)]
        clock: WallClock,
        /// Where the new process receives.
        #[serde(default)]
        address: Place,
    },
    /// Processes leave by their own word and end. With a span they start again at its end.
    Leave {
        /// The hosts that leave.
        hosts: Hosts,
    },
    /// Processes do not run (SIGSTOP); their clocks go on.
    Pause {
        /// The hosts that are stopped.
        hosts: Hosts,
        /// What becomes of datagrams that arrive meanwhile.
        #[serde(default)]
        inbox: Inbox,
    },
    /// Processes run, but whatever they send waits, and whatever arrives waits (Lifeguard's anomaly).
    Block {
        /// The hosts that are blocked.
        hosts: Hosts,
    },
    /// Whole machines sleep: processes do not run. Their clocks count that time, unless the scenario's stand still.
    Suspend {
        /// The hosts that sleep.
        hosts: Hosts,
        /// What becomes of datagrams that arrive meanwhile.
        #[serde(default, skip_serializing_if = "Inbox::is_kept")]
        inbox: Inbox,
    },
    /// Each datagram costs this much processor time to handle.
    Slow {
        /// The hosts that are slow.
        hosts: Hosts,
        /// Processor time for each datagram.
        #[serde(with = "span")]
        service: Duration,
    },
    /// Clocks run fast or slow.
    Drift {
        /// The hosts whose clocks drift.
        hosts: Hosts,
        /// Parts in a million; negative is slow.
        ppm: i64,
    },
    /// Clocks jump.
    Step {
        /// The hosts whose clocks jump.
        hosts: Hosts,
        /// By how much.
        #[serde(with = "span")]
        by: Duration,
        /// Which way.
        #[serde(default)]
        towards: Towards,
    },
    /// New hosts start, all at once or spread over the span.
    Join {
        /// How many hosts.
        count: u32,
        /// What their wall clocks say.
        #[serde(default, skip_serializing_if = "WallClock::is_right")]
        clock: WallClock,
    },
    /// A second process starts under the name of another. With a span it is killed at its end.
    Twin {
        /// The host whose name it takes, by number.
        of: u32,
    },
    /// Hosts forge news about others, once a span of `every`.
    Lie {
        /// The hosts that lie.
        hosts: Hosts,
        /// The members that they lie about.
        about: Hosts,
        /// What they say.
        what: Lie,
        /// How long from one lie to the next.
        #[serde(with = "span")]
        every: Duration,
    },
    /// Hosts change their metadata to so many bytes.
    Metadata {
        /// The hosts whose metadata change.
        hosts: Hosts,
        /// How many bytes, 512 at most.
        bytes: usize,
    },
    /// Hosts change their metadata again and again, one after the other; the bytes are others each time.
    Writers {
        /// The hosts that change theirs.
        hosts: Hosts,
        /// How many bytes, 512 at most.
        bytes: usize,
        /// How often each of them does.
        #[serde(with = "span")]
        every: Duration,
    },
    /// Datagrams of these hosts arrive from another source address than they advertise. The advertised address reaches
    /// them as before.
    Nat {
        /// The hosts whose addresses are translated.
        hosts: Hosts,
        /// Whether each has an address of its own, or all share that of one gateway, each with its own port.
        #[serde(default)]
        gateway: Gateway,
        /// What becomes of datagrams that are sent to that address.
        #[serde(default)]
        back: Back,
    },
    /// Hosts receive at another address from now on, and no longer at their old one; their processes go on.
    Move {
        /// The hosts that move.
        hosts: Hosts,
        /// Where to.
        #[serde(default)]
        to: MovesTo,
    },
    /// Hosts forget a dead member.
    Forget {
        /// The hosts that forget.
        hosts: Hosts,
        /// The members that they forget.
        whom: Hosts,
    },
    /// A host of these that leads an election hands it over.
    Resign {
        /// The hosts that hand over what they lead.
        hosts: Hosts,
        /// The voter that it is handed to, by number; without it one that the protocol chooses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<u32>,
    },
    /// There is no work for a leader at these hosts, so that they stand in no election.
    Idle {
        /// The hosts without work.
        hosts: Hosts,
    },
    /// These hosts have this priority in elections from now on.
    Prefer {
        /// The hosts with that priority.
        hosts: Hosts,
        /// The higher, the sooner they stand.
        priority: u8,
    },
    /// These hosts ask for other voters of every election.
    ChangeVoters {
        /// The hosts that ask.
        hosts: Hosts,
        /// Which hosts are to vote, by number.
        voters: Vec<u32>,
    },
    /// The wall clocks of these hosts are set right.
    SetClock {
        /// The hosts whose clocks are set right.
        hosts: Hosts,
    },
    /// Saving a ballot takes longer.
    DiskSlow {
        /// The hosts whose disks are slow.
        hosts: Hosts,
        /// How much longer.
        #[serde(with = "span")]
        latency: Duration,
    },
    /// Ballots cannot be saved; what was saved before stays.
    DiskFull {
        /// The hosts whose disks are full.
        hosts: Hosts,
    },
    /// A crash while a ballot is being saved leaves a record that cannot be read. Its operator starts the voter anew.
    DiskTorn {
        /// The hosts whose disks tear records.
        hosts: Hosts,
    },
    /// A process that starts finds nothing of what was saved.
    DiskLost {
        /// The hosts whose disks are lost.
        hosts: Hosts,
    },
}

impl Fault {
    /// The names of all kinds, as scenario files write them.
    pub const NAMES: &[&str] = &[
        "loss",
        "burst-loss",
        "latency",
        "reorder",
        "duplicate",
        "corrupt",
        "mtu",
        "bandwidth",
        "clog",
        "cut",
        "partition",
        "ring",
        "crash",
        "leave",
        "pause",
        "block",
        "suspend",
        "slow",
        "drift",
        "step",
        "join",
        "twin",
        "lie",
        "metadata",
        "writers",
        "nat",
        "move",
        "forget",
        "resign",
        "idle",
        "prefer",
        "change-voters",
        "set-clock",
        "disk-slow",
        "disk-full",
        "disk-torn",
        "disk-lost",
    ];

    /// Processes end without a word; with a span they start again, in their old place and with their clock right.
    #[must_use]
    pub fn crash(hosts: &[u32]) -> Self {
        let hosts = Hosts::These(hosts.to_vec());
        Fault::Crash { hosts, clock: WallClock::default(), address: Place::default() }
    }

    /// Processes do not run; what arrives meanwhile waits.
    #[must_use]
    pub fn pause(hosts: &[u32]) -> Self {
        Fault::Pause { hosts: Hosts::These(hosts.to_vec()), inbox: Inbox::default() }
    }

    /// Nothing passes between these hosts and all others.
    #[must_use]
    pub fn partition(side: &[u32]) -> Self {
        Fault::Partition { groups: vec![side.to_vec(), Vec::new()], bridges: Vec::new() }
    }

    /// So many of a thousand datagrams are lost on all links.
    #[must_use]
    pub fn loss(permille: u32) -> Self {
        Fault::Loss { links: Links::default(), permille }
    }

    /// Its name, as scenario files write it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Loss { .. } => "loss",
            Fault::BurstLoss { .. } => "burst-loss",
            Fault::Latency { .. } => "latency",
            Fault::Reorder { .. } => "reorder",
            Fault::Duplicate { .. } => "duplicate",
            Fault::Corrupt { .. } => "corrupt",
            Fault::Mtu { .. } => "mtu",
            Fault::Bandwidth { .. } => "bandwidth",
            Fault::Clog { .. } => "clog",
            Fault::Cut { .. } => "cut",
            Fault::Partition { .. } => "partition",
            Fault::Ring { .. } => "ring",
            Fault::Crash { .. } => "crash",
            Fault::Leave { .. } => "leave",
            Fault::Pause { .. } => "pause",
            Fault::Block { .. } => "block",
            Fault::Suspend { .. } => "suspend",
            Fault::Slow { .. } => "slow",
            Fault::Drift { .. } => "drift",
            Fault::Step { .. } => "step",
            Fault::Join { .. } => "join",
            Fault::Twin { .. } => "twin",
            Fault::Lie { .. } => "lie",
            Fault::Metadata { .. } => "metadata",
            Fault::Writers { .. } => "writers",
            Fault::Nat { .. } => "nat",
            Fault::Move { .. } => "move",
            Fault::Forget { .. } => "forget",
            Fault::Resign { .. } => "resign",
            Fault::Idle { .. } => "idle",
            Fault::Prefer { .. } => "prefer",
            Fault::ChangeVoters { .. } => "change-voters",
            Fault::SetClock { .. } => "set-clock",
            Fault::DiskSlow { .. } => "disk-slow",
            Fault::DiskFull { .. } => "disk-full",
            Fault::DiskTorn { .. } => "disk-torn",
            Fault::DiskLost { .. } => "disk-lost",
        }
    }

    /// Whether it concerns datagrams on their way, and not processes.
    #[must_use]
    pub fn is_of_the_network(&self) -> bool {
        matches!(
            self,
            Fault::Loss { .. }
                | Fault::BurstLoss { .. }
                | Fault::Latency { .. }
                | Fault::Reorder { .. }
                | Fault::Duplicate { .. }
                | Fault::Corrupt { .. }
                | Fault::Mtu { .. }
                | Fault::Bandwidth { .. }
                | Fault::Clog { .. }
                | Fault::Cut { .. }
                | Fault::Partition { .. }
                | Fault::Ring { .. }
        )
    }

    /// The hosts it names, if it names some.
    pub fn hosts_mut(&mut self) -> Option<&mut Hosts> {
        match self {
            Fault::Crash { hosts, .. }
            | Fault::Leave { hosts }
            | Fault::Pause { hosts, .. }
            | Fault::Block { hosts }
            | Fault::Suspend { hosts, .. }
            | Fault::Slow { hosts, .. }
            | Fault::Drift { hosts, .. }
            | Fault::Step { hosts, .. }
            | Fault::Lie { hosts, .. }
            | Fault::Metadata { hosts, .. }
            | Fault::Writers { hosts, .. }
            | Fault::Nat { hosts, .. }
            | Fault::Move { hosts, .. }
            | Fault::Forget { hosts, .. }
            | Fault::Resign { hosts, .. }
            | Fault::Idle { hosts }
            | Fault::Prefer { hosts, .. }
            | Fault::ChangeVoters { hosts, .. }
            | Fault::SetClock { hosts }
            | Fault::DiskSlow { hosts, .. }
            | Fault::DiskFull { hosts }
            | Fault::DiskTorn { hosts }
            | Fault::DiskLost { hosts } => Some(hosts),
            _ => None,
        }
    }

    /// The same fault where the present leader, if it is meant, has its number.
    pub(crate) fn lead(&mut self, leader: impl Fn() -> Option<u32>) {
        let hosts = self.hosts_mut().is_some_and(|hosts| *hosts == Hosts::Leader);
        let links = self.links_mut().is_some_and(|links| [&links.from, &links.to].contains(&&Hosts::Leader));
        if !hosts && !links {
            return;
        }
        let leader = leader();
        if let Some(hosts) = self.hosts_mut() {
            hosts.lead(leader);
        }
        if let Some(links) = self.links_mut() {
            links.from.lead(leader);
            links.to.lead(leader);
        }
    }

    /// The links it names, if it names some.
    pub fn links_mut(&mut self) -> Option<&mut Links> {
        match self {
            Fault::Loss { links, .. }
            | Fault::BurstLoss { links, .. }
            | Fault::Latency { links, .. }
            | Fault::Reorder { links, .. }
            | Fault::Duplicate { links, .. }
            | Fault::Corrupt { links, .. }
            | Fault::Mtu { links, .. }
            | Fault::Bandwidth { links, .. }
            | Fault::Clog { links }
            | Fault::Cut { links } => Some(links),
            _ => None,
        }
    }
}
