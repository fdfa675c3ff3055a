//! The fields of an entry as bytes, and bytes as fields again.
//!
//! All numbers are of fixed width, least significant byte first; what has a length is written after it. Reading is
//! total: none where the bytes are not those of a field, and never more memory than the bytes given.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use crate::election::{Ballot, VoterState};
use crate::event::Event;
use crate::leader::{Leader, Term};
use crate::member::{Advertise, Generation, Identity, Incarnation, Member, NodeId, Record};
use crate::recording::Told;
use crate::time::Instant;
use crate::voters::Voters;

/// Moments from here on (146 years after the origin) are refused: no clock reaches them, and arithmetic near the end of
/// time would make deadlines that are due for ever.
const INSTANT_END: u64 = 1 << 62;

pub(super) fn put_u32(to: &mut Vec<u8>, number: u32) {
    to.extend_from_slice(&number.to_le_bytes());
}

pub(super) fn put_u64(to: &mut Vec<u8>, number: u64) {
    to.extend_from_slice(&number.to_le_bytes());
}

pub(super) fn put_instant(to: &mut Vec<u8>, instant: Instant) {
    put_u64(to, instant.as_nanos());
}

pub(super) fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(to, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    to.extend_from_slice(bytes);
}

pub(super) fn put_id(to: &mut Vec<u8>, id: NodeId) {
    to.extend_from_slice(&id.to_bytes());
}

pub(super) fn put_address(to: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(v4) => {
            to.push(4);
            to.extend_from_slice(&v4.ip().octets());
        }
        SocketAddr::V6(v6) => {
            to.push(6);
            to.extend_from_slice(&v6.ip().octets());
            put_u32(to, v6.flowinfo());
            put_u32(to, v6.scope_id());
        }
    }
    to.extend_from_slice(&address.port().to_le_bytes());
}

pub(super) fn put_identity(to: &mut Vec<u8>, identity: &Identity) {
    put_bytes(to, identity.name.as_bytes());
    put_id(to, identity.id);
    put_u64(to, identity.generation.0);
    put_address(to, identity.address);
    put_bytes(to, &identity.metadata);
}

pub(super) fn put_record(to: &mut Vec<u8>, record: &Record) {
    put_bytes(to, record.name().as_bytes());
    put_id(to, record.id());
    put_u64(to, record.generation().0);
    put_address(to, record.address());
    put_bytes(to, record.metadata());
    put_u32(to, record.incarnation().0);
    put_bytes(to, record.extra());
}

fn put_member(to: &mut Vec<u8>, member: &Member) {
    put_record(to, &member.record);
    put_u32(to, member.incarnation.0);
    to.push(member.state as u8);
    to.push(u8::from(member.flaps));
}

/// All of an event, to be hashed; nothing reads it back.
pub(super) fn put_event(to: &mut Vec<u8>, event: &Event) {
    put_bytes(to, event.kind().as_bytes());
    if let Some(member) = event.member() {
        put_member(to, member);
    }

    match event {
        Event::Up(_) | Event::Refuted(_) | Event::Left(_) | Event::Updated(_) | Event::Reconnected => {}
        Event::Suspect { by, reason, dead_after, dead_by, .. } => {
            by.iter().for_each(|id| put_id(to, id));
            to.push(*reason as u8);
            put_instant(to, *dead_after);
            put_instant(to, *dead_by);
        }
        Event::Dead { by, reason, provisional, .. } => {
            by.iter().for_each(|id| put_id(to, id));
            to.push(*reason as u8);
            to.push(u8::from(*provisional));
        }
        Event::SelfStalled { gap } => put_u64(to, nanos(*gap)),
        Event::Isolated { reachable, known } => {
            put_u64(to, *reachable as u64);
            put_u64(to, *known as u64);
        }
        Event::Superseded { by } => put_address(to, *by),
        Event::Leader { leader, trigger } => {
            put_leader(to, leader);
            to.push(trigger.code());
        }
        Event::LeaderUpdated { leader } => {
            put_leader(to, leader);
            put_bytes(to, &leader.word);
        }
        Event::LeaderLost { leader, reason } => {
            put_leader(to, leader);
            to.push(*reason as u8);
        }
        Event::VotersDiffer { election, members } => {
            put_bytes(to, election.as_bytes());
            members.iter().for_each(|id| put_id(to, *id));
        }
        Event::VotersChanged { election, voters, next } => {
            put_bytes(to, election.as_bytes());
            for list in std::iter::once(voters).chain(next) {
                put_u64(to, list.len() as u64);
                list.iter().for_each(|name| put_bytes(to, name.as_bytes()));
            }
        }
        Event::Full { members_max } => put_u64(to, *members_max as u64),
    }
}

fn put_leader(to: &mut Vec<u8>, leader: &Leader) {
    put_bytes(to, leader.election.as_bytes());
    put_id(to, leader.id);
    put_u64(to, leader.term.0);
    put_instant(to, leader.since);
}

pub(super) fn put_ballot(to: &mut Vec<u8>, ballot: &Ballot) {
    put_u64(to, ballot.term.0);
    put_choice(to, ballot.vote);
    put_u64(to, nanos(ballot.promise));
    put_bytes(to, &ballot.voters.as_ref().map_or_else(Vec::new, Voters::to_bytes));
    put_choice(to, ballot.owner);
}

pub(super) fn put_voter_state(to: &mut Vec<u8>, voter_state: &VoterState) {
    to.push(u8::from(voter_state.ballot.is_some()));
    if let Some(ballot) = &voter_state.ballot {
        put_ballot(to, ballot);
    }
    to.push(u8::from(voter_state.is_durable));
    put_u64(to, voter_state.unix_ms);
}

/// A member's id, or none.
pub(super) fn put_choice(to: &mut Vec<u8>, id: Option<NodeId>) {
    to.push(u8::from(id.is_some()));
    if let Some(id) = id {
        put_id(to, id);
    }
}

pub(super) fn put_told(to: &mut Vec<u8>, told: &Told) {
    put_bytes(to, told.kind.as_bytes());
    to.push(u8::from(told.member.is_some()));
    if let Some((id, generation, incarnation)) = told.member {
        put_id(to, id);
        put_u64(to, generation.0);
        put_u32(to, incarnation.0);
    }
}

/// Nanoseconds, at most as many as a number holds.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What is left to read of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn instant(&mut self) -> Option<Instant> {
        self.u64().filter(|nanos| *nanos < INSTANT_END).map(Instant::from_nanos)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(usize::try_from(length).ok()?)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub(super) fn id(&mut self) -> Option<NodeId> {
        self.array().map(NodeId::from_bytes)
    }

    pub(super) fn address(&mut self) -> Option<SocketAddr> {
        match self.u8()? {
            4 => {
                let ip = self.array::<4>()?;
                Some(SocketAddr::new(IpAddr::from(ip), self.port()?))
            }
            6 => {
                let ip = self.array::<16>()?;
                let (flowinfo, scope_id) = (self.u32()?, self.u32()?);
                Some(SocketAddrV6::new(ip.into(), self.port()?, flowinfo, scope_id).into())
            }
            _ => None,
        }
    }

    fn port(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn identity(&mut self) -> Option<Identity> {
        Some(Identity {
            name: self.text()?.to_owned(),
            id: self.id()?,
            generation: Generation(self.u64()?),
            address: self.address()?,
            advertise: Advertise::default(),
            metadata: self.bytes()?.to_owned(),
        })
    }

    /// The recording node's own identity, which says what becomes of its address.
    pub(super) fn header_identity(&mut self) -> Option<Identity> {
        let identity = self.identity()?;
        let advertise = match self.u8()? {
            0 => Advertise::AsSeen,
            1 => Advertise::AsGiven,
            _ => return None,
        };
        Some(Identity { advertise, ..identity })
    }

    pub(super) fn record(&mut self) -> Option<Record> {
        let identity = self.identity()?;
        let incarnation = Incarnation(self.u32()?);
        Record::new(&identity, incarnation, self.bytes()?).ok()
    }

    pub(super) fn told(&mut self) -> Option<Told> {
        let kind = self.text()?.to_owned().into();
        let member = match self.u8()? {
            0 => None,
            1 => Some((self.id()?, Generation(self.u64()?), Incarnation(self.u32()?))),
            _ => return None,
        };
        Some(Told { kind, member })
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn choice(&mut self) -> Option<Option<NodeId>> {
        if self.flag()? { Some(Some(self.id()?)) } else { Some(None) }
    }

    fn ballot(&mut self) -> Option<Ballot> {
        let (term, vote, promise) = (Term(self.u64()?), self.choice()?, Duration::from_nanos(self.u64()?));
        let voters = self.bytes()?;
        let voters = if voters.is_empty() { None } else { Some(Voters::from_bytes(voters)?) };
        Some(Ballot { term, vote, promise, voters, owner: self.choice()? })
    }

    pub(super) fn voter_state(&mut self) -> Option<VoterState> {
        let ballot = if self.flag()? { Some(self.ballot()?) } else { None };
        Some(VoterState { ballot, is_durable: self.flag()?, unix_ms: self.u64()? })
    }

    /// As many items as the number before them says; each takes at least a byte.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.u32()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(items)
    }
}
