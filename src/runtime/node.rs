//! The handle: everything an application asks of a running node.
//!
//! A handle holds no lock while it waits and needs no particular executor; a request travels to the node's task through
//! a bounded channel, a view is read where it was published.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, future};

use tokio::sync::{mpsc, oneshot};

use crate::leader::Holder;
use crate::member::NodeId;
use crate::runtime::clock::Clock;
use crate::runtime::error::{RequestError, Stopped};
use crate::runtime::events::Events;
use crate::runtime::hub::{Hub, Listener};
use crate::runtime::joiners::JoinError;
use crate::runtime::node_metrics::NodeMetrics;
use crate::runtime::request::{Command, MemberRef};
use crate::runtime::shared_election::SharedElections;
use crate::runtime::view::View;
use crate::time::Instant;
use crate::why::Why;

/// A running node. Clones are handles on the same node; when the last is dropped the node falls silent and stops, which
/// the others take for a crash: call [`Node::leave`] first.
#[derive(Clone)]
pub struct Node {
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::Sender<Command>,
}

pub(crate) struct Shared {
    pub(crate) id: NodeId,
    pub(crate) name: String,
    pub(crate) local: SocketAddr,
    pub(crate) clock: Clock,
    pub(crate) hub: Arc<Hub>,
    pub(crate) elections: SharedElections,
    /// Tells this process apart from all others, should it lead.
    pub(crate) holder: Holder,
}

/// How a leave went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Members that confirmed they heard it.
    pub confirmed: usize,
    /// Members that were asked to confirm.
    pub asked: usize,
}

impl Node {
    pub(crate) fn new(shared: Arc<Shared>, commands: mpsc::Sender<Command>) -> Self {
        Node { shared, commands }
    }

    /// This node's id, the same over all its restarts.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.shared.id
    }

    /// This node's name, unique in the cluster.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Where its socket is bound; the port is the real one even if 0 was asked for.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.shared.local
    }

    /// Where others are told to reach it. After a wildcard bind the address is unspecified until a first contact has
    /// told this node how it is seen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.view().me().map_or(self.shared.local, |me| me.address())
    }

    /// The present moment on the timeline that this node's events and reasons are dated by.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shared.clock.now()
    }

    /// The members as they are now known; of a stopped node, as they were last known.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.shared.hub.view()
    }

    /// Subscribes: first the present members, then every change. Does not keep the node running.
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(Arc::clone(&self.shared.hub))
    }

    /// Waits until the view is as `wanted`; it is asked about the present view, then about later ones, perhaps not
    /// each.
    ///
    /// # Errors
    /// When the node has stopped and its last view is not as wanted.
    pub async fn wait_until(&self, mut wanted: impl FnMut(&View) -> bool) -> Result<Arc<View>, Stopped> {
        let listener = Listener::new(Arc::clone(&self.shared.hub));
        let mut asked_about = None;
        loop {
            let (view, stopped) = future::poll_fn(|cx| {
                listener.poll(cx, |board| {
                    let news = asked_about != Some(board.view().version()) || board.stopped.is_some();
                    news.then(|| (Arc::clone(board.view()), board.stopped))
                })
            })
            .await;
            asked_about = Some(view.version());
            if wanted(&view) {
                return Ok(view);
            }
            if let Some(stopped) = stopped {
                return Err(stopped);
            }
        }
    }

    /// Waits for the first other member: until one is live here, at once if one is, for `timeout` at most. Runs on any
    /// executor.
    ///
    /// # Errors
    /// When there is none in that time, with what was tried (the node runs on, and so does its joining), or when the
    /// node has stopped.
    pub async fn joined(&self, timeout: Duration) -> Result<(), JoinError> {
        let joined = self.ask(|answer| Command::Joined(timeout, answer)).await;
        joined.map_err(JoinError::Stopped)?
    }

    /// Why a member is Suspect or Dead: probes, relays, accusers and deadlines, in order. None if nothing is held
    /// against it, if it is not known, or if this node has stopped.
    pub async fn why(&self, who: impl Into<MemberRef>) -> Option<Why> {
        let who = who.into();
        self.ask(|answer| Command::Why(who, answer)).await.ok().flatten()
    }

    /// Changes this node's metadata, which the others then see as `Updated`.
    ///
    /// At once, unless the members change theirs so often that all together would exceed
    /// [`Config::metadata_bytes_per_second`](crate::config::Config::metadata_bytes_per_second): then each is heard at
    /// intervals at which all fit, and changes between two are coalesced to the newest. The view shows what was told.
    ///
    /// # Errors
    /// When it is longer than 512 bytes, or the node has stopped; nothing is changed.
    pub async fn set_metadata(&self, metadata: impl Into<Vec<u8>>) -> Result<(), RequestError> {
        let metadata = metadata.into();
        let done = self.ask(|answer| Command::SetMetadata(metadata, answer)).await;
        done.map_err(RequestError::Stopped)?.map_err(RequestError::Metadata)
    }

    /// Drops a dead member from this node's view (told as `Left`) and stops dialling it. Other nodes keep their own
    /// opinion.
    ///
    /// # Errors
    /// When it is not known or not dead, or this node has stopped; nothing is changed.
    pub async fn forget(&self, who: impl Into<MemberRef>) -> Result<(), RequestError> {
        let who = who.into();
        let done = self.ask(|answer| Command::Forget(who, answer)).await;
        done.map_err(RequestError::Stopped)?.map_err(RequestError::Forget)
    }

    /// Tells the others that this node leaves, and waits until enough have confirmed it or `leave_timeout` is over;
    /// then the node stops. Once begun it goes on, even if the future or every handle is dropped.
    ///
    /// # Errors
    /// When the node had stopped for another reason.
    pub async fn leave(&self) -> Result<Departure, Stopped> {
        // A closed channel means that it has stopped already, which the next line tells.
        let _ = self.commands.send(Command::Leave).await;
        match self.stopped().await {
            Stopped::Left { confirmed, asked } => Ok(Departure { confirmed, asked }),
            other => Err(other),
        }
    }

    /// Waits until the node has stopped, its port free again, and says why. The future does not keep the node running.
    pub fn stopped(&self) -> impl Future<Output = Stopped> + Send + use<> {
        let listener = Listener::new(Arc::clone(&self.shared.hub));
        future::poll_fn(move |cx| listener.poll(cx, |board| board.stopped))
    }

    /// The node's counters and gauges; of a stopped node, as they last stood.
    pub async fn metrics(&self) -> NodeMetrics {
        match self.ask(Command::Metrics).await {
            Ok(metrics) => metrics,
            Err(_stopped) => self.shared.hub.last_metrics(),
        }
    }

    pub(super) async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        if self.commands.send(command(answer)).await.is_ok() {
            if let Ok(answer) = answered.await {
                return Ok(answer);
            }
        }
        Err(self.stopped().await)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("name", &self.name()).field("local_address", &self.local_address()).finish()
    }
}
