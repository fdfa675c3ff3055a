//! Always, of isolation: no host says `Isolated` while as many others as a verdict needs answer it.
//!
//! The world knows which echo answered which ping and when that was handled. What counts is a ping of the host's own
//! that it sent within the last P to where it held a member, and whose ack it has handled. The ack has to come from
//! that very member, at the start that the host holds Alive, and the host has to be able to send to its address. Of a
//! member with a twin nothing counts. Where a host's clock jumped, or it was slow, the world's P is not the host's, and
//! nothing is said.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tidings::{Event, Generation, Instant, Member, NodeId, Protocol, State};

use crate::checks::truth::Truth;
use crate::forge::{ACK, PING, PING_REQ, nonce_of};
use crate::scenario::{Configs, Families, Family};
use crate::violation::Violation;
use crate::watch::{Moment, Passage};

/// Pings of a host that are remembered until they are answered.
const PINGS_MAX: usize = 4_096;
/// Answers that a verdict needs at most (`docs/protocol.md`).
const ANSWERS_NEEDED: usize = 2;

#[derive(Debug)]
pub(super) struct Isolation {
    hosts: Vec<Asked>,
    /// P, less what clocks may drift.
    within: Duration,
    families: Families,
}

/// What a host asked, and which members have answered.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// When each open ping was sent and to which host, by its nonce, and which members the sender held to be there.
    pings: BTreeMap<u64, (u32, Instant, Vec<NodeId>)>,
    /// The members that it held to be where it sends a ping, by its nonce: another's answer from there proves nothing
    /// of them.
    held: BTreeMap<u64, Vec<NodeId>>,
    /// When the last ping that each other has answered was sent, and which start of its name answered.
    answered: BTreeMap<u32, (Instant, Generation)>,
    /// When it was last asked to be a relay: what it pings then it pings for another.
    relayed: Instant,
}

impl Isolation {
    pub(super) fn new(configs: &Configs, families: Families) -> Self {
        let tolerance = configs.least(|config| config.stall_tolerance);
        Isolation { hosts: Vec::new(), within: tolerance - tolerance / 50, families }
    }

    pub(super) fn started(&mut self, host: u32) {
        *self.host(host) = Asked::default();
    }

    pub(super) fn made(&mut self, from: u32, to: SocketAddr, datagram: &[u8], protocol: &Protocol) {
        let Some(nonce) = nonce_of(datagram).filter(|_| datagram.get(1) == Some(&PING)) else { return };
        let there: Vec<NodeId> = protocol.members().filter(|one| one.address() == to).map(Member::id).collect();
        if there.is_empty() {
            return;
        }
        let held = &mut self.host(from).held;
        if held.len() >= PINGS_MAX {
            held.pop_first();
        }
        held.insert(nonce, there);
    }

    pub(super) fn sent(&mut self, now: Instant, from: u32, to: Option<u32>, datagram: &[u8]) {
        let Some(to) = to.filter(|to| *to != from && datagram.get(1) == Some(&PING)) else { return };
        let Some(nonce) = nonce_of(datagram) else { return };
        let within = self.within;
        let one = self.host(from);
        let Some(held) = one.held.remove(&nonce).filter(|_| one.relayed != now) else { return };
        if one.pings.len() >= PINGS_MAX {
            one.pings.retain(|_, (_, sent, _)| now.since(*sent) < within);
        }
        one.pings.insert(nonce, (to, now, held));
    }

    pub(super) fn handled(&mut self, now: Instant, host: u32, passage: Passage, truth: &Truth, datagram: &[u8]) {
        if datagram.get(1) == Some(&PING_REQ) {
            self.host(host).relayed = now;
        }

        if datagram.get(1) != Some(&ACK) || !passage.is_whole {
            return;
        }

        let process = truth.processes().find(|(number, _)| *number == passage.from);
        let (Some(nonce), Some((_, process))) = (nonce_of(datagram), process) else { return };
        // Where two starts of a name have one generation, an answer proves neither.
        if process.is_again {
            return;
        }

        let one = self.host(host);
        let is_its = |(to, _, held): &&(u32, Instant, Vec<NodeId>)| *to == passage.from && held.contains(&process.id);
        if let Some((to, sent, _)) = one.pings.get(&nonce).filter(is_its).cloned() {
            one.pings.remove(&nonce);
            let answered = one.answered.entry(to).or_insert((sent, process.generation));
            *answered = (sent.max(answered.0), process.generation);
        }
    }

    pub(super) fn told(
        &mut self,
        moment: Moment,
        host: u32,
        protocol: &Protocol,
        truth: &Truth,
        event: &Event,
    ) -> Option<Violation> {
        if !matches!(event, Event::Isolated { .. }) {
            return None;
        }

        // A fault of the host's clock or speed makes its P another than the world's.
        let within = self.within;
        let impaired = truth.impaired(host);
        if impaired > Instant::ORIGIN && impaired + within >= moment.now {
            return None;
        }

        let families = self.families.clone();
        let in_reach = |member: &Member| families.speaks(host, Family::of(member.address()));
        let alive =
            |member: &Member| member.state() == State::Alive && member.id() != protocol.me().id() && in_reach(member);
        let others_alive = protocol.members().filter(|member| alive(member)).count();
        let needed = others_alive.clamp(1, ANSWERS_NEEDED);

        let one = self.host(host);
        let is_alive = |other: u32, generation: Generation| {
            let id = truth.processes().find(|(number, _)| *number == other).map(|(_, process)| process.id);
            // Of two hosts of one name, the world cannot tell whose answer the host takes for the member's.
            let is_twin = truth.processes().any(|(number, process)| number != other && Some(process.id) == id);
            let held = id.filter(|_| !is_twin).and_then(|id| protocol.member(id));
            held.is_some_and(|held| alive(held) && held.generation() == generation)
        };

        // Answers of other starts, and of members that it holds no more for alive, are none that a verdict counts.
        let recent = one.answered.iter().filter(|(_, (sent, _))| moment.now.since(*sent) <= within);
        let of_the_living = recent.filter(|(other, (_, generation))| is_alive(**other, *generation));
        let answering: Vec<u32> = of_the_living.map(|(other, _)| *other).collect();

        (answering.len() >= needed).then(|| Violation {
            check: "isolated-truly",
            at: moment.now,
            text: format!(
                "n{host} said that it is isolated though {} others answered pings of the last {}, and {needed} suffice",
                answering.len(),
                super::span(within),
            ),
            hosts: std::iter::once(host).chain(answering).collect(),
        })
    }

    fn host(&mut self, host: u32) -> &mut Asked {
        let place = host as usize;
        if self.hosts.len() <= place {
            self.hosts.resize(place + 1, Asked::default());
        }
        &mut self.hosts[place]
    }
}
