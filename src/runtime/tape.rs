//! The way from a node's task to the file of its recording: memory between them, and a thread that may wait for a disk.
//!
//! The node's task never touches the file. It puts whole turns into a bounded buffer and goes on; when the buffer is
//! full or the disk has failed, the recording ends, because a gap would make the rest worthless. The thread writes
//! twice a second, so that a killed process leaves all but its last moments behind. It does not ask the disk to sync:
//! what a crash of the whole machine takes is lost.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// Waits for the disk in memory at most, but for a turn that is larger by itself.
const BACKLOG_BYTES_MAX: usize = 4 << 20;
/// Written at once; less waits a while for more.
const CHUNK_BYTES: usize = 64 << 10;
/// How long it waits for more.
const GATHER: Duration = Duration::from_millis(500);
/// How long a node that has stopped waits for its recording to be whole.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Opens the file of a new recording, readable by its owner alone; one that is there is kept beside it as `.old`, as
/// the last start may have ended in what the recording is for.
///
/// # Errors
/// The operating system's own.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0) {
        let mut old = OsString::from(path);
        old.push(".old");
        fs::rename(path, old)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The node's end. What is written gathers here and is handed over by `flush`, once a turn.
#[derive(Debug)]
pub(crate) struct Tape {
    turn: Vec<u8>,
    backlog: Arc<Backlog>,
    done: oneshot::Receiver<()>,
}

#[derive(Debug, Default)]
struct Backlog {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    is_closed: bool,
    failure: Option<io::Error>,
}

impl Tape {
    /// Starts the thread that writes to this.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub(crate) fn start(to: impl Write + Send + 'static) -> io::Result<Self> {
        let backlog = Arc::new(Backlog::default());
        let (send, done) = oneshot::channel();
        let theirs = Arc::clone(&backlog);
        std::thread::Builder::new().name("tidings-record".to_owned()).spawn(move || {
            theirs.write_out(to);
            let _ = send.send(());
        })?;
        Ok(Tape { turn: Vec::new(), backlog, done })
    }

    /// Hands over what is left, and waits until it is written, or for a second.
    pub(crate) async fn close(mut self) {
        self.let_go();
        let _ = timeout(CLOSE_TIMEOUT, &mut self.done).await;
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let handed = self.backlog.take_in(&self.turn);
        self.turn.clear();
        handed
    }

    fn let_go(&mut self) {
        let _ = self.hand_over();
        self.backlog.state().is_closed = true;
        self.backlog.changed.notify_one();
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.turn.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hand_over()
    }
}

/// Also when the node's task panics: the call that it died of is then the last in the file.
impl Drop for Tape {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Backlog {
    /// Takes a turn in, whole or not at all.
    fn take_in(&self, turn: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        if let Some(failure) = state.failure.take() {
            state.is_closed = true;
            return Err(failure);
        }
        if state.is_closed || turn.is_empty() {
            return Ok(());
        }

        let waited = state.waiting.len();
        if waited > 0 && waited + turn.len() > BACKLOG_BYTES_MAX {
            state.is_closed = true;
            drop(state);
            self.changed.notify_one();
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "the disk is too slow"));
        }

        state.waiting.extend_from_slice(turn);
        let is_full = state.waiting.len() >= CHUNK_BYTES;
        drop(state);
        if waited == 0 || is_full {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// The thread: writes until the node's end is closed and all is written, or the file takes no more.
    fn write_out(&self, mut to: impl Write) {
        let mut taken = Vec::new();
        loop {
            let was_closed = self.take_out(&mut taken);
            if let Err(error) = to.write_all(&taken).and_then(|()| to.flush()) {
                let mut state = self.state();
                state.failure = Some(error);
                state.waiting = Vec::new();
                return;
            }
            taken.clear();
            if was_closed {
                return;
            }
        }
    }

    /// Waits for something to write, and a while for more of it; says whether it was the last.
    fn take_out(&self, taken: &mut Vec<u8>) -> bool {
        let is_idle = |state: &mut State| state.waiting.is_empty() && !state.is_closed;
        let state = self.changed.wait_while(self.state(), is_idle).unwrap_or_else(PoisonError::into_inner);
        let is_little = |state: &mut State| state.waiting.len() < CHUNK_BYTES && !state.is_closed;
        let waited = self.changed.wait_timeout_while(state, GATHER, is_little);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.waiting, taken);
        state.is_closed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A disk that takes a write only when told to, or refuses it.
    struct Disk {
        goes: mpsc::Receiver<io::Result<()>>,
        took: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.goes.recv().unwrap_or(Ok(()))?;
            let _ = self.took.send(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn tape() -> (Tape, mpsc::Sender<io::Result<()>>, mpsc::Receiver<Vec<u8>>) {
        let ((go, goes), (took, taken)) = (mpsc::channel(), mpsc::channel());
        (Tape::start(Disk { goes, took }).unwrap(), go, taken)
    }

    fn all(taken: &mpsc::Receiver<Vec<u8>>) -> Vec<u8> {
        std::iter::from_fn(|| taken.recv_timeout(PATIENCE).ok()).flatten().collect()
    }

    #[test]
    fn a_disk_that_stands_still_ends_the_recording_at_a_whole_turn() {
        let (mut tape, go, taken) = tape();
        let turn = vec![7; 1 << 20];
        let mut handed = 0;
        let refused = loop {
            tape.write_all(&turn).unwrap();
            match tape.flush() {
                Ok(()) => handed += 1,
                Err(error) => break error,
            }
            assert!(handed < 10, "the backlog has no bound");
        };
        assert_eq!(refused.to_string(), "the disk is too slow");
        tape.write_all(b"later").unwrap();
        tape.flush().unwrap();
        drop((tape, go));
        assert_eq!(all(&taken).len(), handed * turn.len(), "what was taken is written, and nothing after the gap");
    }

    #[test]
    fn a_little_is_written_without_being_pressed() {
        let (mut tape, go, taken) = tape();
        go.send(Ok(())).unwrap();
        tape.write_all(b"one").unwrap();
        tape.flush().unwrap();
        assert_eq!(taken.recv_timeout(PATIENCE).unwrap(), b"one");
        tape.write_all(b"two, never flushed").unwrap();
        drop((tape, go));
        assert_eq!(all(&taken), b"two, never flushed");
    }

    #[test]
    fn a_disk_that_fails_is_told_once() {
        let (mut tape, go, taken) = tape();
        go.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        tape.write_all(b"lost").unwrap();
        tape.flush().unwrap();
        assert!(all(&taken).is_empty(), "the thread has ended");
        assert_eq!(tape.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
        tape.write_all(b"later").unwrap();
        tape.flush().unwrap();
    }
}
