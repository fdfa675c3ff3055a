//! The work of a leader: this node is a candidate while there is some, and leads while it is done.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Stands;
use crate::runtime::candidacy::Candidacy;
use crate::runtime::error::ElectionError;
use crate::runtime::hub::Listener;
use crate::runtime::lease::Lease;
use crate::runtime::node::Node;
use crate::runtime::reporter;
use crate::runtime::request::Command;
use crate::runtime::shared_election::Grant;
use crate::time::Instant;

impl Node {
    /// Runs a future while this node leads, and only then; this node stands for as long as `lead` runs.
    ///
    /// It waits until this node may act as leader, calls `work` with the lease, and polls the future it returns only
    /// while the lease is valid by the clock.
    ///
    /// | the work | leadership | `lead` |
    /// |---|---|---|
    /// | returns `()` or `Ok` | is handed over at once | returns that, once this node leads no more |
    /// | returns `Err` | is handed over at once | logs a WARN, rests, and calls `work` again when this node is elected again |
    /// | panics | is handed over at once | unwinds |
    /// | returns when its lease is over | is another's | calls `work` again when this node is elected again |
    /// | is dropped with `lead`, by `select!`, a timeout or an abort | is handed over at once | |
    /// | loses its lease | is another's | drops the future, and calls `work` again when this node is elected again |
    /// | calls [`Lease::resign`] | is handed over at once | drops the future then, and goes on as above |
    /// | blocks its thread | stays, as long as this node's own task runs | cannot drop it |
    ///
    /// Work that ended leaves leadership to others for two leases, in which this node does not stand. The rest after
    /// work that failed or panicked within ten leases is twice as long each time in a row, at most 30 s. With
    /// `panic = "abort"` a panic ends the process, and the lease runs out. Two calls at once run side by side under one
    /// lease; leadership is given up when the last ends, or when one fails. Under
    /// [`Stands::Always`](crate::config::Stands) only a failure gives it up.
    ///
    /// What is promised: the future is never begun or continued without a valid lease, as far as the drift of clocks
    /// stays within [`clock_drift_max_ppm`](crate::config::ElectionConfig::clock_drift_max_ppm). What is not: a lease
    /// may end while the future is being polled, and what it has sent may arrive later still. Check [`Lease::is_valid`]
    /// after the work, too, and send [`Lease::token`] with each write to a resource that refuses lower ones. A future
    /// that blocks its thread cannot be dropped; and what it spawned goes on, unless that watches [`Lease::ended`].
    ///
    /// ```no_run
    /// # async fn write(_: tidings::leader::Token) -> std::io::Result<()> { Ok(()) }
    /// # async fn run(node: tidings::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// node.lead("default", |lease| async move {
    ///     while lease.is_valid() {
    ///         write(lease.token()).await?; // refused where a higher one was seen
    ///     }
    ///     std::io::Result::Ok(()) // `lead` goes on: the lease is over
    /// })
    /// .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Runs on any executor. It keeps the node running, as the handle does that it is called on.
    ///
    /// # Errors
    /// When no such election is configured, this node is no voter of it or votes only, or the node has stopped.
    pub async fn lead<F>(
        &self,
        election: &str,
        mut work: impl FnMut(Lease) -> F,
    ) -> Result<<F::Output as Outcome>::Value, ElectionError>
    where
        F: Future<Output: Outcome>,
    {
        let mut candidate = self.candidate(election)?;

        loop {
            let lease = candidate.elected().await?;
            let Some(outcome) = lease.hold(work(lease.clone())).await else { continue };

            let is_lost = !lease.is_valid() && !lease.grant.was_resigned();
            match outcome.into_result() {
                // It ended because its lease did, or could not know that it had.
                _ if is_lost => {}
                Ok(value) => {
                    drop(candidate);
                    self.given_up(&lease).await?;
                    return Ok(value);
                }
                Err(error) => candidate.failed(&error),
            }
        }
    }

    /// Stands in an election for as long as the answer exists, for applications that run the work of a leader by
    /// themselves: [`Candidate::elected`] gives the lease. When the last of a node's candidates is dropped, it hands
    /// over what it leads.
    ///
    /// # Errors
    /// When no such election is configured, this node is no voter of it and has no store to become one, or votes only.
    pub fn candidate(&self, election: &str) -> Result<Candidate, ElectionError> {
        let entry = self.entry(election)?;
        if !entry.may_vote() {
            let voters = entry.seats().voters.present().cloned().collect();
            return Err(ElectionError::NotAVoter { election: election.to_owned(), voters });
        }
        if entry.rules.stands() == Stands::Never {
            return Err(ElectionError::VotesOnly(election.to_owned()));
        }
        self.shared.elections.change_candidacy(entry, Candidacy::join);
        Ok(Candidate { node: self.clone(), election: Arc::clone(entry.rules.name()), works: None })
    }

    /// Says whether this node may lead from now on: one that may not does not stand, and hands over what it leads. It
    /// is for a node that lags behind its data or is about to be drained; it is not elected meanwhile, and no leader
    /// hands over to it.
    ///
    /// # Errors
    /// When no such election is configured.
    pub fn set_eligible(&self, election: &str, is_eligible: bool) -> Result<(), ElectionError> {
        let entry = self.entry(election)?;
        self.shared.elections.change_candidacy(entry, |candidacy| candidacy.is_eligible = is_eligible);
        Ok(())
    }

    /// Sets this node's [priority](crate::config::ElectionConfig::priority) from now on.
    ///
    /// # Errors
    /// When no such election is configured.
    pub fn set_priority(&self, election: &str, priority: u8) -> Result<(), ElectionError> {
        let entry = self.entry(election)?;
        self.shared.elections.change_candidacy(entry, |candidacy| candidacy.priority = priority);
        Ok(())
    }

    /// Sets what this node says, as leader, to the nodes that look for it: [`Leader::word`](crate::Leader::word), at
    /// most 256 bytes. The others have it while this node is a candidate, so that they know it when it is elected.
    ///
    /// # Errors
    /// When no such election is configured, the word is too long, or the node has stopped.
    pub async fn set_word(&self, election: &str, word: impl Into<Vec<u8>>) -> Result<(), ElectionError> {
        let name = Arc::clone(self.entry(election)?.rules.name());
        let done = self.ask(|answer| Command::SetWord(name, word.into(), answer)).await;
        done.map_err(ElectionError::Stopped)?.map_err(ElectionError::Word)
    }

    /// Waits until a term is over for this node, or is kept: another future of `lead` or candidate exists, or this node
    /// stands without work.
    async fn given_up(&self, lease: &Lease) -> Result<(), ElectionError> {
        let entry = self.entry(lease.election())?;
        let listener = Listener::new(Arc::clone(&self.shared.hub));
        let is_done = || lease.grant.is_over() || entry.candidacy().has_work() || !entry.candidacy().needs_work();
        poll_fn(|cx| listener.poll(cx, |board| (board.stopped.is_some() || is_done()).then_some(()))).await;
        Ok(())
    }
}

/// What a leader's work came to: made of what its future returns.
///
/// `()` and `Ok` are work that is done, `Err` is work that failed.
#[diagnostic::on_unimplemented(
    message = "the work of a leader returns nothing or a `Result`, and this returns `{Self}`",
    note = "`Ok::<_, std::convert::Infallible>(value)` is work that cannot fail and has a value"
)]
pub trait Outcome {
    /// What [`Node::lead`] returns.
    type Value;

    /// The value, or why the work failed.
    ///
    /// # Errors
    /// In words, if it failed.
    fn into_result(self) -> Result<Self::Value, String>;
}

impl Outcome for () {
    type Value = ();

    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

/// Work without an end, such as `loop { .. }`.
impl Outcome for Never {
    type Value = Infallible;

    fn into_result(self) -> Result<Infallible, String> {
        self
    }
}

/// The type `!`, which has no name in this edition but as what a function returns.
type Never = <fn() -> ! as never::Returns>::Output;

mod never {
    /// What a function returns.
    pub trait Returns {
        type Output;
    }

    impl<T> Returns for fn() -> T {
        type Output = T;
    }
}

impl<T, E: fmt::Display> Outcome for Result<T, E> {
    type Value = T;

    fn into_result(self) -> Result<T, String> {
        self.map_err(|error| error.to_string())
    }
}

/// This node stands in an election for as long as this exists; made by [`Node::candidate`]. It keeps the node running.
pub struct Candidate {
    node: Node,
    election: Arc<str>,
    /// The grant that it works under, and since when.
    works: Option<(Arc<Grant>, Instant)>,
}

impl Candidate {
    /// Waits until this node may act as leader. Asked again in the same term, it gives another handle on the same
    /// lease; [`Lease::ended`] says when to ask for the next.
    ///
    /// A node whose lease no caller has taken up for as long as it lasts hands over: the work has to be there when
    /// leadership is. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn elected(&mut self) -> Result<Lease, ElectionError> {
        let (shared, entry) = (&self.node.shared, self.node.entry(&self.election)?);
        let listener = Listener::new(Arc::clone(&shared.hub));

        // Leadership that is being given up is none to begin with.
        let is_open = |grant: &Arc<Grant>| {
            let is_wanted = entry.candidacy().at(shared.clock.now()).is_some();
            is_wanted && grant.is_open() && grant.is_valid_or_missed(&shared.clock)
        };

        let grant = poll_fn(|cx| {
            listener.poll(cx, |board| match (board.stopped, entry.grant()) {
                (Some(stopped), _) => Some(Err(ElectionError::Stopped(stopped))),
                (None, grant) => Ok(grant.filter(is_open)).transpose(),
            })
        });
        let grant = grant.await?;

        let (holder, clock, hub) = (shared.holder, shared.clock, Arc::clone(&shared.hub));
        self.take(&grant);
        Ok(Lease {
            election: Arc::clone(&self.election),
            grant,
            holder,
            clock,
            hub,
            commands: self.node.commands.downgrade(),
        })
    }

    /// The election's name.
    #[must_use]
    pub fn election(&self) -> &str {
        &self.election
    }

    /// It works under this lease from now on, unless it does already.
    fn take(&mut self, grant: &Arc<Grant>) {
        let is_same = self.works.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, grant));
        if !is_same {
            self.put_back();
            grant.take();
            self.works = Some((Arc::clone(grant), self.node.now()));
        }
    }

    /// It works no more: for how long it did, if its term is not over.
    fn put_back(&mut self) -> Option<Duration> {
        let (grant, since) = self.works.take()?;
        let now = self.node.now();
        grant.put_back(now);
        (!grant.is_over()).then(|| now.since(since))
    }

    /// The work failed: leadership is handed over, and this node rests.
    fn failed(&mut self, error: &str) {
        let worked = self.put_back().unwrap_or_default();
        reporter::span(self.node.name()).in_scope(|| {
            let election = &*self.election;
            tracing::warn!(target: "tidings::election", election, "the leader's work failed after {worked:?}: {error}");
        });
        self.change(|candidacy, now| candidacy.failed(now, worked));
    }

    fn change(&self, change: impl FnOnce(&mut Candidacy, Instant)) {
        let (shared, now) = (&self.node.shared, self.node.now());
        if let Some(entry) = shared.elections.find(&self.election) {
            shared.elections.change_candidacy(entry, |candidacy| change(candidacy, now));
        }
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        let worked = self.put_back();
        // A panic of the work unwinds through here.
        let has_failed = std::thread::panicking();
        self.change(|candidacy, now| {
            candidacy.part(now, worked.is_some());
            if let Some(worked) = worked.filter(|_| has_failed) {
                candidacy.failed(now, worked);
            }
        });
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate").field("election", &self.election).finish_non_exhaustive()
    }
}
