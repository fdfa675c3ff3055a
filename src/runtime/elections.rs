//! What an application asks of its node's elections: the leader, and to hand leadership over.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::leader::{self, Leader, Term};
use crate::member::NodeId;
use crate::runtime::error::{ElectionError, Stopped};
use crate::runtime::hub::Listener;
use crate::runtime::node::Node;
use crate::runtime::request::{Command, MemberRef, Resignation};
use crate::runtime::shared_election::SharedElection;
use crate::voters::Version;

/// One election as this node sees it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ElectionStatus {
    /// The election's name.
    #[serde(serialize_with = "leader::text")]
    pub name: Arc<str>,
    /// The names of the voters, ascending.
    #[serde(serialize_with = "texts")]
    pub voters: Vec<Arc<str>>,
    /// The names of those that are to follow, while the voters change.
    #[serde(serialize_with = "perhaps_texts")]
    pub next_voters: Option<Vec<Arc<str>>>,
    /// Where the configuration of voters stands in the order of all.
    pub version: Version,
    /// How many of them must agree.
    pub quorum: usize,
    /// The names of the voters that stand, in the order of their ids, as far as this node knows: those of others come
    /// with their records.
    #[serde(serialize_with = "texts")]
    pub candidates: Vec<Arc<str>>,
    /// The leader that this node knows.
    pub leader: Option<Leader>,
    /// Whether this node is a voter of it.
    pub is_voter: bool,
    /// This node's priority, if it is a candidate now: it has a future of `lead` or a candidate (or stands always), is
    /// eligible, and does not rest from work that ended.
    pub candidacy: Option<u8>,
    /// The highest term that this node voted in or knows a leader of; 0 before any.
    pub term: Term,
    /// How long this node may act as leader from now on if its lease is not renewed; none if it may not.
    pub lease: Option<Duration>,
    /// The voters that promised this node something it still counts on as leader, itself included; 0 if it does not
    /// lead.
    pub supporters: usize,
}

fn perhaps_texts<S: Serializer>(texts: &Option<Vec<Arc<str>>>, serializer: S) -> Result<S::Ok, S::Error> {
    let plain: Option<Vec<&str>> = texts.as_ref().map(|texts| texts.iter().map(|text| &**text).collect());
    plain.serialize(serializer)
}

fn texts<S: Serializer>(texts: &[Arc<str>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.iter().map(|text| &**text))
}

impl Node {
    /// The elections that this node votes in or watches, in the order of the configuration.
    #[must_use]
    pub fn elections(&self) -> Vec<ElectionStatus> {
        self.shared.elections.iter().map(|entry| self.status(entry)).collect()
    }

    /// One of [`Node::elections`], by its name.
    #[must_use]
    pub fn election(&self, name: &str) -> Option<ElectionStatus> {
        self.shared.elections.find(name).map(|entry| self.status(entry))
    }

    fn status(&self, entry: &SharedElection) -> ElectionStatus {
        let (rules, seats, is_voter) = (&entry.rules, entry.seats(), entry.is_voter());
        let left = entry.grant().map(|grant| grant.left(&self.shared.clock));
        ElectionStatus {
            name: Arc::clone(rules.name()),
            voters: seats.voters.present().cloned().collect(),
            next_voters: seats.voters.next().map(|next| next.cloned().collect()),
            version: seats.voters.version(),
            quorum: seats.voters.quorum(),
            candidates: seats.candidates().cloned().collect(),
            leader: self.view().leader(rules.name()).cloned(),
            is_voter,
            candidacy: entry.candidacy().at(self.shared.clock.now()).filter(|_| is_voter),
            term: entry.term(),
            lease: left.filter(|left| !left.is_zero()),
            supporters: entry.supporters(),
        }
    }

    /// Watches the leader of an election. What it shows is what this node knows, a moment late at best: to send the
    /// leader a request, not to write in its name.
    ///
    /// # Errors
    /// When no such election is configured here.
    pub fn leader(&self, election: &str) -> Result<LeaderWatch, ElectionError> {
        let entry = self.entry(election)?;
        let listener = Listener::new(Arc::clone(&self.shared.hub));
        let mut watch = LeaderWatch { listener, election: Arc::clone(entry.rules.name()), seen: None };
        watch.seen = watch.current();
        Ok(watch)
    }

    /// Hands this node's leadership over to the candidate of the highest priority, of equals to the one that answered
    /// last, and waits until this node leads no more: for a few milliseconds mostly, and for a lease at most. If no
    /// candidate can take it, it is given up at once.
    ///
    /// # Errors
    /// When this node does not lead, no such election is configured, or the node has stopped.
    pub async fn resign(&self, election: &str) -> Result<(), ElectionError> {
        self.hand_over(election, None).await
    }

    /// As [`Node::resign`], to a voter of one's choice: by its name, or its id. If it does not come in time, leadership
    /// is open to the candidate that stands first.
    ///
    /// # Errors
    /// As [`Node::resign`], and when it is no other voter or, as far as its record says, no candidate; nothing changes
    /// then.
    pub async fn resign_to(&self, election: &str, successor: impl Into<MemberRef>) -> Result<(), ElectionError> {
        let to = match successor.into() {
            MemberRef::Id(id) => id,
            MemberRef::Name(name) => NodeId::from_name(&name),
        };
        self.hand_over(election, Some(to)).await
    }

    async fn hand_over(&self, election: &str, to: Option<NodeId>) -> Result<(), ElectionError> {
        let entry = self.entry(election)?;
        let what = Resignation { election: Arc::clone(entry.rules.name()), term: None, to };
        let done = self.ask(|answer| Command::Resign(what, answer)).await;
        let given_up = done.map_err(ElectionError::Stopped)?;
        if let Some(term) = given_up.map_err(|error| ElectionError::refused(error, election))? {
            let listener = Listener::new(Arc::clone(&self.shared.hub));
            let is_over = || entry.grant().is_none_or(|grant| grant.term != term);
            poll_fn(|cx| listener.poll(cx, |board| (board.stopped.is_some() || is_over()).then_some(()))).await;
        }
        Ok(())
    }

    pub(super) fn entry(&self, election: &str) -> Result<&SharedElection, ElectionError> {
        self.shared.elections.find(election).ok_or_else(|| ElectionError::Unknown(election.to_owned()))
    }
}

/// The leader of an election, now and after each change; made by [`Node::leader`]. It does not keep the node running.
#[derive(Debug)]
pub struct LeaderWatch {
    listener: Listener,
    election: Arc<str>,
    /// What was told last.
    seen: Option<Leader>,
}

impl LeaderWatch {
    /// The leader as this node knows it now; of a stopped node, as it last knew it.
    #[must_use]
    pub fn current(&self) -> Option<Leader> {
        self.listener.look(|board| board.view().leader(&self.election).cloned())
    }

    /// Waits until the leader is another than when this was last asked, or was made, and gives it: none while no leader
    /// is known. What came and went in between is not told; [`Node::events`] tells each. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// When the node has stopped and all was told.
    pub async fn changed(&mut self) -> Result<Option<Leader>, Stopped> {
        let (election, seen) = (&self.election, &self.seen);
        let found = poll_fn(|cx| {
            self.listener.poll(cx, |board| {
                let leader = board.view().leader(election);
                if leader != seen.as_ref() { Some(Ok(leader.cloned())) } else { board.stopped.map(Err) }
            })
        });
        let leader = found.await?;
        self.seen.clone_from(&leader);
        Ok(leader)
    }
}

impl Clone for LeaderWatch {
    fn clone(&self) -> Self {
        LeaderWatch { listener: self.listener.another(), election: Arc::clone(&self.election), seen: self.seen.clone() }
    }
}
