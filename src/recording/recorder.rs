//! A protocol whose every input is written down before it takes it.
//!
//! It stands in the protocol's place and lends it out for reading only, so that a call that changes it and is not
//! recorded does not compile. Without a writer it costs a branch a call.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;

use crate::config::ConfigError;
use crate::election::{ChangeError, SaveOutcome, VoterState};
use crate::event::{Change, Event};
use crate::member::{IdentityError, NodeId, Record};
use crate::protocol::{
    BallotSave, ChangeVotersError, ForgetError, Protocol, Reach, ResignError, Transmit, UnknownElection, WordError,
};
use crate::recording::outputs::Outputs;
use crate::recording::{Header, Input, RecordError, What, Writer};
use crate::time::Instant;
use crate::wire::Rejected;

/// A protocol with a recording of it, if one is wanted.
///
/// **It must be driven as [`Protocol`] asks: after each call drain [`Recorder::poll_transmit`], then
/// [`Recorder::poll_event`], then [`Recorder::poll_save`], each until there is none.** A replay drains so, and parts
/// from a driver that does not.
#[derive(Debug)]
pub struct Recorder<W: io::Write> {
    protocol: Protocol,
    writer: Option<Writer<W>>,
    outputs: Outputs,
    /// Taken from the protocol with the last drain, and not polled yet.
    saves: VecDeque<BallotSave>,
    /// Whether something was written since the last drain.
    is_open: bool,
    bytes: u64,
    failure: Option<RecordError>,
}

impl<W: io::Write> Recorder<W> {
    /// Makes the protocol and, with a writer, begins its recording. That the recording cannot be begun is no error
    /// here: see [`Recorder::take_failure`].
    ///
    /// # Errors
    /// As for [`Protocol::new`]; nothing is written.
    pub fn start(header: Header, writer: Option<Writer<W>>) -> Result<Self, ConfigError> {
        let (config, identity) = (header.config.clone(), header.identity.clone());
        let protocol = Protocol::new(config, identity, header.seed, header.now)?;
        let (outputs, saves) = (Outputs::default(), VecDeque::new());
        let mut recorder = Recorder { protocol, writer, outputs, saves, is_open: true, bytes: 0, failure: None };
        recorder.write(|writer| writer.start(&header));
        Ok(recorder)
    }

    /// Whether there is a recording, and it has not ended.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.writer.is_some()
    }

    /// Bytes recorded so far; after the recording has ended, how many it came to.
    #[must_use]
    pub fn recorded_bytes(&self) -> u64 {
        self.bytes
    }

    /// Why the recording ended before the node did; told once.
    pub fn take_failure(&mut self) -> Option<RecordError> {
        self.failure.take()
    }

    /// Passes on what the writer holds back.
    pub fn flush(&mut self) {
        self.write(Writer::flush);
    }

    /// Ends the recording and gives back what it was written to.
    pub fn finish(&mut self) -> Option<W> {
        self.write(Writer::stopped);
        self.write(Writer::flush);
        self.writer.take().map(Writer::into_inner)
    }

    /// [`Protocol::join`].
    pub fn join(&mut self, now: Instant, contacts: &[SocketAddr]) {
        self.note(now, || What::Join(contacts.into()));
        self.protocol.join(now, contacts);
    }

    /// [`Protocol::set_reach`].
    pub fn set_reach(&mut self, now: Instant, reach: Reach) {
        self.note(now, || What::Reach(reach));
        self.protocol.set_reach(now, reach);
    }

    /// [`Protocol::preload`].
    pub fn preload(&mut self, now: Instant, records: &[Record]) {
        self.note(now, || What::Preload(records.into()));
        self.protocol.preload(now, records);
    }

    /// [`Protocol::set_metadata`].
    ///
    /// # Errors
    /// The protocol's own.
    pub fn set_metadata(&mut self, now: Instant, metadata: &[u8]) -> Result<(), IdentityError> {
        self.note(now, || What::SetMetadata(metadata.into()));
        let done = self.protocol.set_metadata(now, metadata);
        self.answered(u8::from(done.is_err()));
        done
    }

    /// [`Protocol::forget`].
    ///
    /// # Errors
    /// The protocol's own.
    pub fn forget(&mut self, now: Instant, id: NodeId) -> Result<(), ForgetError> {
        self.note(now, || What::Forget(id));
        let done = self.protocol.forget(now, id);
        self.answered(u8::from(done.is_err()));
        done
    }

    /// [`Protocol::leave`].
    pub fn leave(&mut self, now: Instant) {
        self.note(now, || What::Leave);
        self.protocol.leave(now);
    }

    /// [`Protocol::start_voting`].
    ///
    /// # Errors
    /// The protocol's own.
    pub fn start_voting(
        &mut self,
        now: Instant,
        election: &str,
        voter_state: VoterState,
    ) -> Result<(), UnknownElection> {
        self.note(now, || What::StartVoting { election: election.into(), voter_state: voter_state.clone() });
        let done = self.protocol.start_voting(now, election, voter_state);
        self.answered(u8::from(done.is_err()));
        done
    }

    /// [`Protocol::set_candidacy`].
    ///
    /// # Errors
    /// The protocol's own.
    pub fn set_candidacy(
        &mut self,
        now: Instant,
        election: &str,
        candidacy: Option<u8>,
    ) -> Result<(), UnknownElection> {
        self.note(now, || What::SetCandidacy { election: election.into(), candidacy });
        let done = self.protocol.set_candidacy(now, election, candidacy);
        self.answered(u8::from(done.is_err()));
        done
    }

    /// [`Protocol::set_wall_clock`].
    pub fn set_wall_clock(&mut self, now: Instant, unix_ms: u64) {
        self.note(now, || What::SetWallClock(unix_ms));
        self.protocol.set_wall_clock(now, unix_ms);
    }

    /// [`Protocol::set_word`].
    ///
    /// # Errors
    /// The protocol's own.
    pub fn set_word(&mut self, now: Instant, election: &str, word: &[u8]) -> Result<(), WordError> {
        self.note(now, || What::SetWord { election: election.into(), word: word.into() });
        let done = self.protocol.set_word(now, election, word);
        self.answered(u8::from(done.is_err()));
        done
    }

    /// [`Protocol::handle_saved`].
    pub fn handle_saved(&mut self, now: Instant, election: &str, number: u64, outcome: SaveOutcome) {
        self.note(now, || What::Saved { election: election.into(), number, outcome });
        self.protocol.handle_saved(now, election, number, outcome);
    }

    /// [`Protocol::resign`].
    ///
    /// # Errors
    /// The protocol's own.
    pub fn resign(&mut self, now: Instant, election: &str, to: Option<NodeId>) -> Result<(), ResignError> {
        self.note(now, || What::Resign { election: election.into(), to });
        let done = self.protocol.resign(now, election, to);
        self.answered(resign_code(done));
        done
    }

    /// [`Protocol::change_voters`].
    ///
    /// # Errors
    /// The protocol's own.
    pub fn change_voters(
        &mut self,
        now: Instant,
        election: &str,
        list: &[String],
        is_forced: bool,
    ) -> Result<(), ChangeVotersError> {
        let names = || list.iter().map(|name| name.as_str().into()).collect();
        self.note(now, || What::ChangeVoters { election: election.into(), list: names(), is_forced });
        let done = self.protocol.change_voters(now, election, list, is_forced);
        self.answered(u8::from(done.is_err()));
        done
    }

    /// [`Protocol::stop_change`].
    pub fn stop_change(&mut self, now: Instant, election: &str) {
        self.note(now, || What::StopChange(election.into()));
        self.protocol.stop_change(now, election);
    }

    /// [`Protocol::change_outcome`].
    pub fn change_outcome(&mut self, election: &str) -> Option<Result<(), ChangeError>> {
        self.protocol.change_outcome(election)
    }

    /// [`Protocol::handle_datagram`].
    ///
    /// # Errors
    /// The protocol's own.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) -> Result<(), Rejected> {
        self.note(now, || What::Datagram { from, bytes: (&*datagram).into() });
        let done = self.protocol.handle_datagram(now, from, datagram);
        self.answered(code(done));
        done
    }

    /// [`Protocol::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.note(now, || What::Timeout);
        self.protocol.handle_timeout(now);
    }

    /// [`Protocol::poll_transmit`].
    pub fn poll_transmit(&mut self, buf: &mut Vec<u8>) -> Option<Transmit> {
        let transmit = self.protocol.poll_transmit(buf)?;
        if self.writer.is_some() {
            self.outputs.transmit(transmit.to, buf);
        }
        Some(transmit)
    }

    /// [`Protocol::poll_event`]; with the last one of a drain, what came of the calls before it is written down.
    pub fn poll_event(&mut self) -> Option<Event> {
        std::iter::from_fn(|| self.poll_change()).find_map(Change::told)
    }

    /// [`Protocol::poll_change`]; what is held back is no output, so it is not recorded.
    pub(crate) fn poll_change(&mut self) -> Option<Change> {
        let change = self.protocol.poll_change();
        if self.writer.is_some() {
            match &change {
                Some(Change::Told(event)) => self.outputs.event(event),
                Some(Change::Held(_)) => {}
                None => self.drained(),
            }
        }
        change
    }

    /// [`Protocol::poll_save`].
    pub fn poll_save(&mut self) -> Option<BallotSave> {
        self.saves.pop_front().or_else(|| self.protocol.poll_save())
    }

    fn drained(&mut self) {
        if std::mem::take(&mut self.is_open) {
            while let Some(save) = self.protocol.poll_save() {
                self.outputs.save(&save);
                self.saves.push_back(save);
            }
            let drained = self.outputs.drained(self.protocol.poll_timeout());
            self.write(|writer| writer.drained(&drained));
        }
    }

    fn note<'a>(&mut self, at: Instant, what: impl FnOnce() -> What<'a>) {
        self.is_open = true;
        self.write(|writer| writer.input(&Input { at, what: what() }));
    }

    fn answered(&mut self, code: u8) {
        if self.writer.is_some() {
            self.outputs.answer(code);
        }
    }

    /// Writes something, or ends the recording: after a gap it would be worth nothing.
    fn write(&mut self, write: impl FnOnce(&mut Writer<W>) -> Result<(), RecordError>) {
        let Some(writer) = &mut self.writer else { return };
        let written = write(writer);
        self.bytes = writer.bytes();
        if let Err(error) = written {
            let last_word = if matches!(error, RecordError::BytesMax(_)) { writer.flush() } else { Ok(()) };
            self.failure = Some(last_word.err().unwrap_or(error));
            self.writer = None;
        }
    }
}

/// The protocol, to be asked and not to be changed.
impl<W: io::Write> Deref for Recorder<W> {
    type Target = Protocol;

    fn deref(&self) -> &Protocol {
        &self.protocol
    }
}

/// What the answer to a resignation is hashed as.
pub(super) fn resign_code(done: Result<(), ResignError>) -> u8 {
    done.map_or_else(|reason| 1 + reason as u8, |()| 0)
}

/// What a datagram's fate is hashed as.
pub(super) fn code(done: Result<(), Rejected>) -> u8 {
    done.map_or_else(|reason| 1 + reason as u8, |()| 0)
}
