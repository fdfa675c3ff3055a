//! Always, of votes: one for each voter and term, over all its processes, and a quorum of them behind every lease.
//!
//! A vote is what left its voter as a message, or what stands on its disk: the one may be counted, the other may be
//! told by the next process. It is for the member that the message names, not for the host that receives at the address
//! it was sent to: a candidate may have moved, and another host have taken its address.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidings::election::{Ballot, Rules};
use tidings::voters::Voters;
use tidings::{Generation, Instant, Member, NodeId, Term};

use crate::checks::Sometimes;
use crate::forge::{ASKED_VOTE, GRANTED, MessageRead, REFUSED, VOTE, Who};
use crate::scenario::Scenario;
use crate::violation::Violation;
use crate::watch::{Disk, Passage};

#[derive(Debug)]
pub(super) struct Votes {
    elections: Vec<Rules>,
    /// The id of each host.
    ids: Vec<Option<NodeId>>,
    /// How often each host's process has started.
    starts: Vec<u32>,
    /// The generation of each host's process when it was last looked at.
    generations: Vec<Generation>,
    /// The member that each digest names, over all starts.
    digests: BTreeMap<u64, NodeId>,
    /// By election, term and voter: the candidate that it voted for.
    cast: BTreeMap<(usize, Term, NodeId), NodeId>,
    /// By election, term and host: the voters whose votes reached it.
    heard: BTreeMap<(usize, Term, u32), BTreeSet<NodeId>>,
    /// The voters that each host's store holds; none if it holds those of its configuration.
    voters: BTreeMap<(usize, u32), Voters>,
    /// By election: the candidate that asked for votes last, and in which term.
    stood: Vec<(Term, u32)>,
    is_promised: bool,
}

impl Votes {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let elections: Vec<Rules> = scenario.elections.iter().map(Rules::new).collect();
        Votes {
            stood: vec![(Term(0), 0); elections.len()],
            elections,
            ids: Vec::new(),
            starts: Vec::new(),
            generations: Vec::new(),
            digests: BTreeMap::new(),
            cast: BTreeMap::new(),
            heard: BTreeMap::new(),
            voters: BTreeMap::new(),
            is_promised: scenario.promises_one_leader(),
        }
    }

    pub(super) fn started(&mut self, host: u32, me: &Member) {
        let place = host as usize;
        if self.ids.len() <= place {
            self.ids.resize(place + 1, None);
            self.starts.resize(place + 1, 0);
            self.generations.resize(place + 1, Generation(0));
        }
        self.ids[place] = Some(me.id());
        self.starts[place] += 1;
        self.name(host, me);
    }

    /// A host's process is looked at, which may have taken a later generation, and another digest with it.
    pub(super) fn turned(&mut self, host: u32, me: &Member) {
        if self.generations.get(host as usize) != Some(&me.generation()) {
            self.name(host, me);
        }
    }

    fn name(&mut self, host: u32, me: &Member) {
        if let Some(generation) = self.generations.get_mut(host as usize) {
            *generation = me.generation();
            self.digests.insert(Who::is(me).digest(), me.id());
        }
    }

    /// How often a host's process has started.
    pub(super) fn starts(&self, host: u32) -> u32 {
        self.starts.get(host as usize).copied().unwrap_or(0)
    }

    fn id(&self, host: u32) -> Option<NodeId> {
        self.ids.get(host as usize).copied().flatten()
    }

    fn place_of(&self, message: &MessageRead) -> Option<usize> {
        self.elections.iter().position(|rules| rules.context().election == message.election)
    }

    pub(super) fn sent(
        &mut self,
        now: Instant,
        from: u32,
        datagram: &[u8],
        sometimes: &mut Sometimes,
    ) -> Option<Violation> {
        let message = MessageRead::of(datagram)?;
        let place = self.place_of(&message)?;
        let term = Term(message.term);

        if message.kind == VOTE {
            let stood = std::mem::replace(&mut self.stood[place], (term, from));
            if stood.0 == term && stood.1 != from {
                sometimes.note("two candidates in one term");
            }
        }

        if (REFUSED..=REFUSED + ASKED_VOTE).contains(&message.kind) && message.detail > 0 {
            sometimes.note("refused by promise");
        }

        if message.kind != GRANTED + ASKED_VOTE {
            return None;
        }

        let (voter, candidate) = (self.id(from)?, *self.digests.get(&message.to)?);
        self.cast(now, from, (place, term, voter), candidate)
    }

    pub(super) fn disk(&mut self, now: Instant, host: u32, election: &str, disk: Disk) -> Option<Violation> {
        let place = self.elections.iter().position(|rules| &**rules.name() == election)?;
        match &disk {
            Disk::Saved(Ballot { voters: Some(voters), .. })
            | Disk::Found(Some(Ballot { voters: Some(voters), .. })) => {
                self.voters.insert((place, host), voters.clone());
            }
            Disk::Saved(_) | Disk::Found(_) | Disk::Torn | Disk::Taken => drop(self.voters.remove(&(place, host))),
            Disk::Failed | Disk::Refused(_) => {}
        }
        let (Disk::Saved(ballot) | Disk::Found(Some(ballot))) = disk else { return None };
        let Ballot { term, vote: Some(candidate), .. } = ballot else { return None };
        self.cast(now, host, (place, term, self.id(host)?), candidate)
    }

    fn cast(
        &mut self,
        now: Instant,
        host: u32,
        (place, term, voter): (usize, Term, NodeId),
        candidate: NodeId,
    ) -> Option<Violation> {
        let before = *self.cast.entry((place, term, voter)).or_insert(candidate);
        (before != candidate && self.is_promised).then(|| Violation {
            check: "one-vote",
            at: now,
            text: format!("n{host} votes twice in term {term} of {}", self.elections[place].name()),
            hosts: vec![host],
        })
    }

    pub(super) fn handled(&mut self, host: u32, passage: Passage, datagram: &[u8]) {
        if let Some((place, voter, term)) = self.granted(host, passage, datagram, ASKED_VOTE) {
            self.heard.entry((place, term, host)).or_default().insert(voter);
        }
    }

    /// The voter that says yes to a question of this kind, with its election and term.
    pub(super) fn granted(
        &self,
        host: u32,
        passage: Passage,
        datagram: &[u8],
        asked: u8,
    ) -> Option<(usize, NodeId, Term)> {
        let message = MessageRead::of(datagram).filter(|_| passage.is_whole)?;
        let is_it = message.kind == GRANTED + asked && self.digests.get(&message.to).copied() == self.id(host);
        is_it.then_some((self.place_of(&message)?, self.id(passage.from)?, Term(message.term)))
    }

    /// A lease begins: more than half of the voters that the leader knows, itself among them, must have voted for it;
    /// of both lists while they change.
    pub(super) fn lease_begins(&self, now: Instant, host: u32, place: usize, term: Term) -> Option<Violation> {
        let voters = self.voters.get(&(place, host)).unwrap_or(self.elections.get(place)?.electorate());
        let own = self.id(host)?;
        let heard = self.heard.get(&(place, term, host));
        let voted = |id: NodeId| id == own || heard.is_some_and(|heard| heard.contains(&id));
        (!is_quorum(voters, voted) && self.is_promised).then(|| Violation {
            check: "quorum",
            at: now,
            text: format!(
                "n{host} leads in term {term} with the votes of {heard:?}, which are no quorum of {voters:?}"
            ),
            hosts: vec![host],
        })
    }
}

/// Whether more than half of each list of voters are among these.
pub(super) fn is_quorum(voters: &Voters, is_among: impl Fn(NodeId) -> bool) -> bool {
    let is_more_than_half = |list: Vec<&Arc<str>>| {
        let counted = list.iter().filter(|name| is_among(NodeId::from_name(name))).count();
        counted * 2 > list.len()
    };
    is_more_than_half(voters.present().collect()) && voters.next().is_none_or(|next| is_more_than_half(next.collect()))
}
