//! The one task of a node: it owns the socket and the protocol, and nothing else runs on it.
//!
//! A turn reads the socket dry, then does what the handles ask, then fires timers, and publishes. The order matters: a
//! node that did not run for a while finds the answers to its own questions in its socket, and has to read them before
//! it judges those that did not answer. What a turn does, it does at the moment it began, so that lateness is that of
//! the wake and not that of the work; only a datagram is handled at the moment it was read, and the wait for the next
//! turn counted from this one's end.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Sleep;

#[cfg(feature = "files")]
use crate::election::Counted;
use crate::election::SaveOutcome;
use crate::event::{Change, Event};
use crate::leader::Term;
use crate::protocol::{ForgetError, ResignError};
use crate::recording::Recorder;
use crate::runtime::ballots::{Ballots, Saved};
use crate::runtime::clock::{Clock, WallOrigin, unix_ms};
use crate::runtime::contacts::{Lookup, addresses_of};
use crate::runtime::error::Stopped;
use crate::runtime::faults::Faults;
use crate::runtime::hub::Hub;
use crate::runtime::joiners::Joiners;
use crate::runtime::mistakes::Facts;
use crate::runtime::node_metrics::NodeMetrics;
use crate::runtime::reporter::Reporter;
use crate::runtime::request::{Command, Resignation};
use crate::runtime::shared_election::SharedElections;
use crate::runtime::snapshot::Snapshot;
use crate::runtime::socket::NodeSocket;
use crate::runtime::tape::Tape;
use crate::runtime::unanswered::Contacts;
use crate::runtime::voters::{ChangesAsked, VotersAsked};
use crate::time::Instant;
use crate::why::Why;
use crate::wire::Rejected;

/// Datagrams read in one turn at most, so that timers and requests have their turn in a flood.
const DATAGRAMS_MAX: usize = 1_024;
/// Requests done in one turn at most.
const COMMANDS_MAX: usize = 64;
/// Events published together at most.
const EVENTS_MAX: usize = 256;
/// Any UDP payload fits.
const RECEIVE_BYTES: usize = 65_535;
/// How long a socket that only gives errors is left alone.
const ERROR_REST: Duration = Duration::from_millis(10);

/// Everything the task owns.
pub(crate) struct Driver {
    /// Lent out for reading only: whatever changes it is recorded, if a recording is on.
    protocol: Recorder<Tape>,
    recordings_ended: u64,
    socket: NodeSocket,
    clock: Clock,
    wall: WallOrigin,
    /// When the node's timeline began, in Unix milliseconds, as the protocol knows it.
    wall_told: Option<u64>,
    hub: Arc<Hub>,
    commands: mpsc::Receiver<Command>,
    /// A request that ended the last wait.
    command: Option<Command>,
    /// Whether every handle is gone.
    abandoned: bool,
    /// Where the socket is bound.
    local: SocketAddr,
    names: Option<Names>,
    contacts: Contacts,
    /// Look-ups that ended the last wait.
    found: Option<Vec<Lookup>>,
    joiners: Joiners,
    changes_asked: ChangesAsked,
    faults: Option<Faults>,
    /// The thread of the term store, if this node may vote.
    ballots: Option<Ballots>,
    /// The outcome of a save that ended the last wait.
    saved: Option<Saved>,
    saves: u64,
    save_max: Duration,
    snapshot: Option<Snapshot>,
    elections: SharedElections,
    /// Whether callers that wait for the elections are to be woken, to look again.
    is_news: bool,
    reporter: Reporter,
    received: Vec<u8>,
    sent: Vec<u8>,
    fresh: Vec<Change>,
    superseded_by: Option<SocketAddr>,
    /// When the last turn ended.
    rests_since: Instant,
    #[cfg(feature = "files")]
    _votes: Option<Counted>,
    /// Last, so that a panic closes the socket before it tells.
    _alarm: Alarm,
}

/// Tells all that wait if the task ends without a reason; otherwise it comes too late to matter.
struct Alarm(Arc<Hub>, SharedElections);

impl Drop for Alarm {
    fn drop(&mut self) {
        self.1.close();
        self.0.close(Stopped::Failed, NodeMetrics::default());
    }
}

/// The channels to the task that looks contacts up.
pub(crate) struct Names {
    pub(crate) alone: watch::Sender<bool>,
    pub(crate) found: mpsc::Receiver<Vec<Lookup>>,
}

/// What a driver is made of besides its protocol.
pub(crate) struct Parts {
    pub(crate) socket: NodeSocket,
    pub(crate) clock: Clock,
    pub(crate) hub: Arc<Hub>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) local: SocketAddr,
    pub(crate) names: Option<Names>,
    pub(crate) lookups: Vec<Lookup>,
    pub(crate) faults: Option<Faults>,
    pub(crate) ballots: Option<Ballots>,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) elections: SharedElections,
    pub(crate) reporter: Reporter,
}

impl Driver {
    pub(crate) fn new(protocol: Recorder<Tape>, parts: Parts) -> Self {
        let Parts {
            socket,
            clock,
            hub,
            commands,
            local,
            names,
            lookups,
            faults,
            ballots,
            snapshot,
            elections,
            reporter,
        } = parts;

        let alarm = Alarm(Arc::clone(&hub), elections.clone());
        #[cfg(feature = "files")]
        let is_voter = ballots.is_some();

        let mut driver = Driver {
            protocol,
            recordings_ended: 0,
            socket,
            clock,
            wall: WallOrigin::default(),
            wall_told: None,
            hub,
            commands,
            command: None,
            abandoned: false,
            local,
            names,
            contacts: Contacts::new(lookups),
            found: None,
            joiners: Joiners::default(),
            changes_asked: ChangesAsked::default(),
            faults,
            ballots,
            saved: None,
            saves: 0,
            save_max: Duration::ZERO,
            snapshot,
            elections,
            is_news: false,
            reporter,
            received: vec![0; RECEIVE_BYTES],
            sent: Vec::new(),
            fresh: Vec::new(),
            superseded_by: None,
            rests_since: clock.now(),
            #[cfg(feature = "files")]
            _votes: is_voter.then(Counted::voter),
            _alarm: alarm,
        };

        let now = driver.clock.now();
        driver.flush(now);
        driver.publish(now);
        driver
    }

    /// Runs until the node stops, and says why it did.
    pub(crate) async fn run(mut self) {
        let mut armed_for = self.deadline();
        let first = self.clock.timer(armed_for, self.clock.now());
        let mut timer = Box::pin(tokio::time::sleep_until(first));

        loop {
            if let Some(faults) = &self.faults {
                faults.thawed().await;
            }

            let now = self.clock.now();
            self.reporter.woke_after(now.since(self.rests_since));
            // What came while this node did not run is read before a timer judges the members that sent it.
            self.read_socket(now);
            self.take_saved(now);
            self.take_commands(now);
            self.stand(now);
            self.fire_timers(now);
            self.publish(now);
            self.look_after(now);
            self.keep_recording();

            if let Some(reason) = self.end() {
                return self.stop(reason).await;
            }
            if self.socket.take_exhausted() {
                tokio::time::sleep(ERROR_REST).await;
            }

            let deadline = self.deadline();
            if deadline != armed_for || timer.is_elapsed() {
                // A reset to a later moment would leave the old one in tokio's wheel, to wake this task for nothing:
                // each round's retry, once the ack has put it off. One that has fired for the same deadline was cut
                // short at its furthest.
                armed_for = deadline;
                timer.set(tokio::time::sleep_until(self.clock.timer(deadline, self.clock.now())));
            }

            self.rests_since = self.clock.now();
            self.rest(timer.as_mut()).await;
        }
    }

    fn read_socket(&mut self, now: Instant) {
        let due = self.protocol.poll_timeout().is_some_and(|deadline| deadline <= now);
        for _ in 0..DATAGRAMS_MAX {
            let Some((length, from)) = self.socket.receive(&mut self.received, due) else { return };
            if self.faults.as_ref().is_some_and(|faults| !faults.lets_in(from)) {
                continue;
            }

            tracing::trace!(target: "tidings::datagram", %from, length, "in");
            let Some(datagram) = self.received.get_mut(..length) else { continue };

            // Read anew, and after the datagram was: a voter's promise runs from its receipt, and a process that is
            // stopped between its waking and here would promise for a time that is over.
            let now = self.clock.now();
            match self.protocol.handle_datagram(now, from, datagram) {
                Ok(()) if self.protocol.is_alone() => self.contacts.accepted(now, from),
                Ok(()) => {}
                Err(reason) => {
                    if reason == Rejected::FromSelf && self.protocol.is_alone() {
                        self.contacts.came_back(from);
                    }
                    self.reporter.rejected(now, from, reason);
                }
            }

            self.flush(now);
        }
    }

    fn take_saved(&mut self, now: Instant) {
        let Some(Saved { election, number, result, took }) = self.saved.take() else { return };
        self.saves += 1;
        self.save_max = self.save_max.max(took);
        let outcome = match result {
            Ok(()) => SaveOutcome::Done,
            Err(error) => {
                self.reporter.elections.save_failed(now, &election, &error);
                SaveOutcome::Failed
            }
        };
        self.protocol.handle_saved(now, &election, number, outcome);
        self.flush(now);
    }

    fn take_commands(&mut self, now: Instant) {
        for _ in 0..COMMANDS_MAX {
            let Some(command) = self.command.take().or_else(|| self.commands.try_recv().ok()) else { break };
            self.obey(now, command);
            self.flush(now);
        }
        if let Some(mut found) = self.found.take() {
            let own = [self.protocol.me().address(), self.local];
            found.iter_mut().for_each(|lookup| lookup.leave_out(&own));
            self.protocol.join(now, &addresses_of(&found));
            self.reporter.look_at_contacts(&found);
            self.contacts.replace(found);
            self.flush(now);
        }
    }

    /// An answer means that the view shows what was done. No caller waits for one whose receiver is gone, so a failed
    /// send is no error.
    fn obey(&mut self, now: Instant, command: Command) {
        match command {
            Command::Why(who, answer) => {
                let why = who.find(&self.hub.view()).and_then(|id| self.protocol.why(id));
                let wall_origin_ms = Some(self.wall.at(now, unix_ms()));
                let _ = answer.send(why.map(|why| Why { wall_origin_ms, ..why }));
            }
            Command::Joined(after, answer) => self.joiners.wait(now, after, answer),
            Command::SetMetadata(metadata, answer) => {
                let done = self.protocol.set_metadata(now, &metadata);
                self.flush(now);
                self.publish(now);
                let _ = answer.send(done);
            }
            Command::Forget(who, answer) => {
                let id = who.find(&self.hub.view()).ok_or(ForgetError::Unknown);
                let done = id.and_then(|id| self.protocol.forget(now, id));
                self.flush(now);
                self.publish(now);
                let _ = answer.send(done);
            }
            Command::Metrics(answer) => {
                let _ = answer.send(self.metrics());
            }
            Command::Resign(what, answer) => {
                let _ = answer.send(self.resign(now, &what));
            }
            Command::SetWord(election, word, answer) => {
                let done = self.protocol.set_word(now, &election, &word);
                self.flush(now);
                self.publish(now);
                let _ = answer.send(done);
            }
            Command::ChangeVoters(VotersAsked { election, list, is_forced }, answer) => {
                match self.protocol.change_voters(now, &election, &list, is_forced) {
                    Ok(()) => self.changes_asked.wait(election, answer),
                    Err(error) => drop(answer.send(Err(error))),
                }
                self.flush(now);
                self.publish(now);
            }
            Command::Leave => self.protocol.leave(now),
        }
    }

    /// The term that is given up; none if this node had not begun to act in it.
    fn resign(&mut self, now: Instant, what: &Resignation) -> Result<Option<Term>, ResignError> {
        let leadership = self.protocol.election(&what.election).and_then(|election| election.leadership());
        let term = leadership.map(|(term, _)| term);
        if what.term.is_some() && what.term != term {
            return Err(ResignError::NotLeading);
        }
        let done = self.protocol.resign(now, &what.election, what.to);
        self.flush(now);
        self.publish(now);
        done.map(|()| term)
    }

    /// Passes on whether the application would lead, and gives leadership up under which no work runs:
    /// docs/elections.md, E10.
    fn stand(&mut self, now: Instant) {
        let elections = self.elections.clone();
        for entry in elections.iter() {
            let name = entry.rules.name();
            if entry.is_unattended(now) {
                self.reporter.elections.unattended(name, entry.rules.lease());
                entry.candidacy().failed(now, Duration::ZERO);
            }
            let wanted = entry.candidacy().at(now);
            if self.protocol.election(name).is_some_and(|election| election.candidacy() != wanted) {
                // A name that is found is known, and this node's elections do not change.
                let _ = self.protocol.set_candidacy(now, name, wanted);
                self.flush(now);
            }
        }
    }

    fn fire_timers(&mut self, now: Instant) {
        if self.protocol.poll_timeout().is_none_or(|deadline| deadline > now) {
            return;
        }
        self.protocol.handle_timeout(now);
        self.flush(now);
        self.reporter.seen_elsewhere(now, self.protocol.seen_elsewhere(), self.protocol.me().address());
        self.reporter.seen_apart(now, self.protocol.seen_apart(), self.protocol.me().address());
    }

    /// Tells the callers that wait for it whether there is another member, and the operator what looks like a mistake.
    fn look_after(&mut self, now: Instant) {
        let is_alone = self.protocol.is_alone();
        if let Some(names) = &self.names {
            names.alone.send_if_modified(|known| std::mem::replace(known, is_alone) != is_alone);
        }
        if !is_alone {
            self.contacts.met();
        }

        self.joiners.settle(now, is_alone, self.contacts.lookups());

        let unix_ms = unix_ms();
        let origin = self.wall.at(now, unix_ms);
        if self.wall_told.replace(origin).is_some_and(|told| told != origin) {
            self.protocol.set_wall_clock(now, unix_ms);
            self.flush(now);
        }

        let facts = Facts {
            has_contacts: self.contacts.lookups().iter().any(Lookup::is_of_use),
            is_own_contact: self.contacts.is_only_itself(),
            is_alone,
            knows_address: self.protocol.is_address_known(),
            unix_ms,
        };
        self.reporter.look(now, facts, &self.contacts, &self.protocol);
    }

    /// When the next turn is wanted, if nothing else happens.
    fn deadline(&self) -> Option<Instant> {
        let now = self.rests_since;
        let rests = self.elections.iter().filter_map(|entry| entry.candidacy().next_at(now)).min();
        let deadlines = [self.protocol.poll_timeout(), self.reporter.next_at(), self.joiners.next_at(), rests];
        deadlines.into_iter().flatten().min()
    }

    /// Sends what the protocol has to send, and gathers what it has to tell. A lease that is over is taken back first:
    /// with what is sent then, another node may begin to lead.
    fn flush(&mut self, now: Instant) {
        self.is_news |= self.elections.curb(now, &self.protocol);

        while let Some(transmit) = self.protocol.poll_transmit(&mut self.sent) {
            if self.faults.as_ref().is_none_or(|faults| faults.lets_out(transmit.to)) {
                tracing::trace!(target: "tidings::datagram", to = %transmit.to, length = self.sent.len(), "out");
                self.socket.send(transmit.to, &self.sent);
            }
        }

        while let Some(change) = self.protocol.poll_change() {
            if let Event::Superseded { by } = change.event() {
                self.superseded_by = Some(*by);
            }
            self.fresh.push(change);
            if self.fresh.len() >= EVENTS_MAX {
                self.publish_events(now);
            }
        }

        while let Some(save) = self.protocol.poll_save() {
            if let Some(ballots) = &mut self.ballots {
                ballots.save(save);
            }
        }
    }

    /// Makes the gathered events visible, and then the leases that go with them.
    fn publish(&mut self, now: Instant) {
        self.publish_events(now);
        for election in self.changes_asked.tell(|election| self.protocol.change_outcome(election)) {
            self.protocol.stop_change(now, &election);
        }
        self.is_news |= self.elections.publish(now, &self.protocol);
        if std::mem::take(&mut self.is_news) {
            self.hub.nudge();
        }
    }

    fn publish_events(&mut self, now: Instant) {
        if self.fresh.is_empty() {
            return;
        }
        self.reporter.changes(now, &self.fresh, &self.hub.view(), &self.protocol);
        self.hub.publish(self.fresh.drain(..));
        if let Some(snapshot) = &self.snapshot {
            snapshot.offer(self.hub.view());
        }
    }

    /// Hands the turn's part of the recording over, and tells if it has ended.
    fn keep_recording(&mut self) {
        self.protocol.flush();
        if let Some(why) = self.protocol.take_failure() {
            self.recordings_ended += 1;
            self.reporter.recording_ended(&why, self.protocol.recorded_bytes());
        }
    }

    fn end(&self) -> Option<Stopped> {
        if let Some(by) = self.superseded_by {
            return Some(Stopped::Superseded { by });
        }
        match self.protocol.leave_progress() {
            Some(leave) if leave.done => Some(Stopped::Left { confirmed: leave.confirmed, asked: leave.asked }),
            Some(_) => None,
            None if self.protocol.is_stopped() => Some(Stopped::Failed),
            None => self.abandoned.then_some(Stopped::Dropped),
        }
    }

    /// The port is free again, the recording whole and the store closed, before a caller hears that the node has
    /// stopped.
    async fn stop(mut self, reason: Stopped) {
        self.elections.close();
        self.hub.nudge();
        self.reporter.stopped(&reason);

        let tape = self.protocol.finish();
        let metrics = self.metrics();
        let hub = Arc::clone(&self.hub);

        drop(self.socket);
        if let Some(tape) = tape {
            tape.close().await;
        }
        if let Some(ballots) = self.ballots {
            ballots.close().await;
        }
        if let Some(snapshot) = self.snapshot {
            snapshot.close().await;
        }

        hub.close(reason, metrics);
    }

    fn metrics(&self) -> NodeMetrics {
        NodeMetrics {
            protocol: self.protocol.metrics(),
            elections: self.protocol.election_metrics().map(|(name, counts)| (name.to_owned(), counts)).collect(),
            address_known: self.protocol.is_address_known(),
            view_version: self.hub.view().version(),
            receives_failed: self.socket.receives_failed(),
            sends_failed: self.socket.sends_failed(),
            recorded_bytes: self.protocol.recorded_bytes(),
            recordings_ended: self.recordings_ended,
            saves: self.saves,
            save_us_max: u64::try_from(self.save_max.as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// Waits for the socket, the timer or a request.
    async fn rest(&mut self, mut timer: Pin<&mut Sleep>) {
        let elections = self.elections.clone();
        let mut stirred = pin!(elections.stirred());
        poll_fn(|cx| {
            let mut ready = timer.as_mut().poll(cx).is_ready();
            if stirred.as_mut().poll(cx).is_ready() {
                // A caller that waits for leadership may have looked while it was not wanted.
                self.is_news = true;
                ready = true;
            }

            ready |= self.socket.poll_readable(cx).is_ready();
            if self.command.is_none() && !self.abandoned {
                match self.commands.poll_recv(cx) {
                    Poll::Ready(Some(command)) => self.command = Some(command),
                    Poll::Ready(None) => self.abandoned = true,
                    Poll::Pending => {}
                }
                ready |= self.command.is_some() || self.abandoned;
            }

            if let (Some(ballots), None) = (&mut self.ballots, &self.saved) {
                if let Poll::Ready(saved) = ballots.poll(cx) {
                    self.saved = Some(saved);
                }
            }
            ready |= self.saved.is_some();

            if let (Some(names), None) = (&mut self.names, &self.found) {
                if let Poll::Ready(found) = names.found.poll_recv(cx) {
                    self.found = found;
                    ready |= self.found.is_some();
                }
            }

            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
