//! The right to act as leader, in the application's hands.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::leader::{Holder, Term, Token, Trigger};
use crate::runtime::clock::Clock;
use crate::runtime::error::{ElectionError, Stopped};
use crate::runtime::hub::{Hub, Listener};
use crate::runtime::request::{Command, Resignation};
use crate::runtime::shared_election::Grant;

/// The right to act as leader in one term: made by [`Node::lead`](crate::runtime::Node::lead), and renewed by the node
/// for as long as a quorum of the voters agrees. A clone is a handle on the same lease, and none keeps the node
/// running.
///
/// While it is valid no other node holds a valid lease of the election, as long as no two clocks run apart by more than
/// [`clock_drift_max_ppm`](crate::config::ElectionConfig::clock_drift_max_ppm). That is all it can promise: between a
/// look at the clock and the effect of a write the process may stand still for any time. **So check it after the work
/// as well as before it, and let the resource check the [`token`](Lease::token)**: a write that carries a term lower
/// than the highest that the resource has seen must be refused there. Only that makes it safe; the lease makes it rare.
#[derive(Clone)]
pub struct Lease {
    pub(crate) election: Arc<str>,
    pub(crate) grant: Arc<Grant>,
    pub(crate) holder: Holder,
    pub(crate) clock: Clock,
    pub(crate) hub: Arc<Hub>,
    pub(crate) commands: mpsc::WeakSender<Command>,
}

impl Lease {
    /// The election's name.
    #[must_use]
    pub fn election(&self) -> &str {
        &self.election
    }

    /// The term that this node leads in.
    #[must_use]
    pub fn term(&self) -> Term {
        self.grant.term
    }

    /// The fencing token that every write should carry, for a [`FenceGate`](crate::election::FenceGate) where it
    /// arrives: the term, and this process.
    #[must_use]
    pub fn token(&self) -> Token {
        Token { term: self.term(), sequence: 0, holder: self.holder }
    }

    /// How this node came to lead.
    #[must_use]
    pub fn trigger(&self) -> Trigger {
        self.grant.trigger
    }

    /// How long it is valid from now on if it is not renewed; zero when it is not. Reads the clock, and waits for
    /// nothing: it runs out on time even while the node's own thread stands still.
    ///
    /// It may be zero for a moment and then again be more, in the same term: a node that did not run for a while asks a
    /// quorum before it goes on.
    #[must_use]
    pub fn valid_for(&self) -> Duration {
        self.grant.left(&self.clock)
    }

    /// Whether it is valid now.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.valid_for().is_zero()
    }

    /// Waits until the term is over for this node: it lost or gave up its leadership, or has stopped. The node's task
    /// tells it; when that does not run, [`Lease::is_valid`] knows sooner. The future does not keep the node running.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let (grant, listener) = (Arc::clone(&self.grant), Listener::new(Arc::clone(&self.hub)));
        poll_fn(move |cx| poll_over(&grant, &listener, cx))
    }

    /// Begins to hand leadership over to the likeliest candidate, and does not wait until that is done: a future
    /// that is run by [`Node::lead`](crate::runtime::Node::lead) would be dropped before it heard of it. The lease goes
    /// on until the successor is elected, mostly for a few milliseconds.
    ///
    /// # Errors
    /// When the term is over already, or the node has stopped.
    pub async fn resign(&self) -> Result<(), ElectionError> {
        let _resigning = self.grant.resign();
        let (answer, answered) = oneshot::channel();
        let what = Resignation { election: Arc::clone(&self.election), term: Some(self.term()), to: None };
        if let Some(commands) = self.commands.upgrade() {
            if commands.send(Command::Resign(what, answer)).await.is_ok() {
                drop(commands);
                if let Ok(done) = answered.await {
                    return done.map(|_| ()).map_err(|error| ElectionError::refused(error, &self.election));
                }
            }
        }
        let stopped = Listener::new(Arc::clone(&self.hub)).look(|board| board.stopped);
        Err(ElectionError::Stopped(stopped.unwrap_or(Stopped::Dropped)))
    }

    /// Runs a future for as long as the lease lasts, and drops it when that is over; but one that gives the lease up
    /// itself hears first how that went.
    pub(crate) async fn hold<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let listener = Listener::new(Arc::clone(&self.hub));
        let mut work = pin!(work);
        poll_fn(|cx| {
            let is_over = poll_over(&self.grant, &listener, cx).is_ready();
            if self.grant.is_resigning() {
                return work.as_mut().poll(cx).map(Some);
            }
            if is_over {
                return Poll::Ready(None);
            }
            if !self.grant.is_valid_or_missed(&self.clock) {
                return Poll::Pending;
            }
            work.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

fn poll_over(grant: &Grant, listener: &Listener, cx: &Context<'_>) -> Poll<()> {
    listener.poll(cx, |board| (grant.is_over() || board.stopped.is_some()).then_some(()))
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (election, term) = (&self.election, self.term());
        f.debug_struct("Lease")
            .field("election", election)
            .field("term", &term)
            .field("valid_for", &self.valid_for())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;
    use crate::member::NodeId;
    use crate::runtime::view::View;
    use crate::time::Instant;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    struct Dropped<'a>(&'a AtomicUsize);

    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn work_goes_on_only_while_the_lease_is_valid_and_is_dropped_when_it_is_over() {
        let hub = Arc::new(Hub::new(View::empty(NodeId::from_u128(0)), 16));
        let (commands, _requests) = mpsc::channel(1);
        let grant = Arc::new(Grant::new(Instant::ORIGIN, (Term(7), Trigger::NoLeader), Instant::NEVER));
        let (clock, commands) = (Clock::start(), commands.downgrade());
        let (holder, granted) = (Holder(1), Arc::clone(&grant));
        let lease = Lease { election: "e".into(), grant: granted, holder, clock, hub: Arc::clone(&hub), commands };
        let (polls, drops, wakes) = (AtomicUsize::new(0), AtomicUsize::new(0), Arc::new(Wakes::default()));
        let polled = || polls.load(Ordering::SeqCst);
        let woken = || wakes.0.load(Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&wakes));
        let mut cx = Context::from_waker(&waker);
        let work = poll_fn(|_| {
            polls.fetch_add(1, Ordering::SeqCst);
            Poll::<()>::Pending
        });
        let mut held = Box::pin(lease.hold(async {
            let _guard = Dropped(&drops);
            work.await;
        }));
        assert!(held.as_mut().poll(&mut cx).is_pending() && polled() == 1 && lease.is_valid());

        assert!(!grant.show(None), "nobody has missed it yet");
        assert!(!lease.is_valid() && held.as_mut().poll(&mut cx).is_pending());
        assert_eq!(polled(), 1, "not without a lease");
        assert!(!grant.show(Some(Instant::ORIGIN)) || !lease.is_valid());
        assert!(held.as_mut().poll(&mut cx).is_pending() && polled() == 1, "one that ran out is none");
        assert!(grant.show(Some(Instant::NEVER)), "its holder waits for it");
        hub.nudge();
        assert_eq!(woken(), 1);
        assert!(held.as_mut().poll(&mut cx).is_pending() && polled() == 2);
        assert!(!grant.show(Some(Instant::NEVER)));

        let mut ended = Box::pin(lease.ended());
        assert!(ended.as_mut().poll(&mut cx).is_pending());
        grant.end();
        hub.nudge();
        assert_eq!((woken(), lease.valid_for()), (3, Duration::ZERO));
        assert_eq!(held.as_mut().poll(&mut cx), Poll::Ready(None));
        assert_eq!((polled(), ended.as_mut().poll(&mut cx)), (2, Poll::Ready(())));
        assert_eq!(drops.load(Ordering::SeqCst), 1, "dropped, though whoever waited for it still holds on");
        drop(held);
    }
}
