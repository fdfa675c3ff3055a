//! What a handle asks of the node's task, and about which member.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::leader::Term;
use crate::member::{IdentityError, NodeId};
use crate::protocol::{ForgetError, ResignError, WordError};
use crate::runtime::joiners::Answer;
use crate::runtime::node_metrics::NodeMetrics;
use crate::runtime::view::View;
use crate::runtime::voters::{ChangeAnswer, VotersAsked};
use crate::why::Why;

/// A request to the node's task.
#[derive(Debug)]
pub(crate) enum Command {
    Why(MemberRef, oneshot::Sender<Option<Why>>),
    SetMetadata(Vec<u8>, oneshot::Sender<Result<(), IdentityError>>),
    Forget(MemberRef, oneshot::Sender<Result<(), ForgetError>>),
    Metrics(oneshot::Sender<NodeMetrics>),
    Resign(Resignation, oneshot::Sender<Result<Option<Term>, ResignError>>),
    SetWord(Arc<str>, Vec<u8>, oneshot::Sender<Result<(), WordError>>),
    ChangeVoters(VotersAsked, ChangeAnswer),
    Joined(Duration, Answer),
    Leave,
}

/// Leadership to be given up.
#[derive(Debug)]
pub(crate) struct Resignation {
    pub(crate) election: Arc<str>,
    /// In this term and no other, if one is named.
    pub(crate) term: Option<Term>,
    /// The successor that was named, if one was.
    pub(crate) to: Option<NodeId>,
}

/// A member, by id or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberRef {
    /// By its id.
    Id(NodeId),
    /// By its name.
    Name(String),
}

impl MemberRef {
    /// The id of the listed member meant. An id is taken at its word: a member that is not listed may still be known.
    pub(crate) fn find(&self, view: &View) -> Option<NodeId> {
        match self {
            MemberRef::Id(id) => Some(*id),
            MemberRef::Name(name) => view.by_name(name).map(|member| member.id()),
        }
    }
}

impl From<NodeId> for MemberRef {
    fn from(id: NodeId) -> Self {
        MemberRef::Id(id)
    }
}

impl From<&str> for MemberRef {
    fn from(name: &str) -> Self {
        MemberRef::Name(name.to_owned())
    }
}

impl From<String> for MemberRef {
    fn from(name: String) -> Self {
        MemberRef::Name(name)
    }
}
