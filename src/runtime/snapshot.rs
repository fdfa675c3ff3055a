//! What a node keeps of its view on a disk, so that a warm restart needs no contact.
//!
//! The node's task never touches the file: it leaves its newest view with a thread, which writes at most every few
//! seconds, each time the whole file anew. A snapshot is only what contacts would tell as well, so whatever is wrong
//! with it is told and is no reason not to run. A file that is whole but none of this cluster's is left as it is.
//!
//! A member that has died since is remembered by the others for ten minutes at least, so that what an older file says
//! of it would be news to them. Of a file that may be older only the addresses are used, as contacts.

use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::durable::{DurableError, Files, Kind, Place, open};
use crate::member::{NodeId, Record};
use crate::runtime::clock::unix_ms;
use crate::runtime::snapshot::body::Body;
use crate::runtime::view::View;

mod body;
pub(crate) use body::merge;

/// Between two saves at least.
const SAVE_EVERY: Duration = Duration::from_secs(3);
/// How long a node that has stopped waits for its last save.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// A view that does not change is saved again, so that the file tells that it is still so.
const SAVE_AGAIN: Duration = Duration::from_secs(60);
/// Why [`Place`] would not read a record; it is never asked to.
const WAY_OUT: &str = "remove the file";

/// Where a node's snapshot lies, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) cluster: String,
    pub(crate) node: String,
    pub(crate) id: NodeId,
}

/// What a start has from a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    /// Members that can be taken for present.
    pub(crate) members: Vec<Record>,
    /// Where members were, longer ago.
    pub(crate) contacts: Vec<SocketAddr>,
    /// Where views are saved from now on.
    pub(crate) snapshot: Option<Snapshot>,
}

/// What a file held.
#[derive(Debug)]
enum Found {
    Nothing,
    Body(Body),
    /// It cannot be used, but what is there is of no use to any node, and is replaced.
    Damaged(String),
    /// It cannot be used, and is not ours to replace.
    Foreign(String),
}

impl Source {
    /// What the last view that was saved is good for, and where views are saved from now on; nowhere if something else
    /// is there. May take as long as the disk does.
    ///
    /// # Errors
    /// When there can be no thread to save with.
    pub(crate) fn start(self) -> io::Result<Saved> {
        let (node, path) = (self.node.as_str(), self.path.display());
        let mut saved = Saved::default();
        match self.read() {
            Found::Nothing => {}
            Found::Body(body) if body.is_fresh(unix_ms()) => saved.members = body.records,
            Found::Body(body) => {
                saved.contacts = body.addresses();
                let contacts = saved.contacts.len();
                info!(target: "tidings::node", node, contacts, "the snapshot {path} may be old: its members are contacts, and listed as they answer");
            }
            Found::Damaged(why) => {
                warn!(target: "tidings::node", node, "the snapshot {path} is not used: {why}; it is replaced, and the contacts are asked instead");
            }
            Found::Foreign(why) => {
                warn!(target: "tidings::node", node, "the snapshot {path} is not used and none is saved: {why}; give .snapshot(..) a file of this node's own");
                return Ok(saved);
            }
        }

        saved.snapshot = Some(Snapshot::start(self)?);
        Ok(saved)
    }

    fn read(&self) -> Found {
        let mut bytes = Vec::new();
        let read =
            File::open(&self.path).and_then(|file| file.take(Kind::Snapshot.bytes_max()).read_to_end(&mut bytes));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
            Err(error) => return Found::Damaged(format!("it cannot be read: {error}")),
            Ok(_) => {}
        }

        let body = match open(Kind::Snapshot, &bytes) {
            Ok(body) => body,
            Err(error @ (DurableError::Length | DurableError::Checksum)) => return Found::Damaged(error.to_string()),
            Err(error) => return Found::Foreign(error.to_string()),
        };

        match Body::read(body) {
            None => Found::Damaged(DurableError::Body.to_string()),
            Some(Body { cluster, .. }) if cluster != self.cluster => {
                Found::Foreign(format!("it is of the cluster {cluster:?}, and this node is of {:?}", self.cluster))
            }
            Some(body) => Found::Body(body),
        }
    }

    /// Saves a view, unless it names no other member: the last one that did may still be of use.
    fn save(&self, view: &View) -> io::Result<()> {
        let others = view.live().filter(|member| member.id() != self.id);
        let records: Vec<Record> = others.map(|member| member.record().clone()).collect();
        if records.is_empty() {
            return Ok(());
        }
        let body = Body { cluster: self.cluster.clone(), records, saved_ms: unix_ms() };
        Place::new(self.path.clone(), Kind::Snapshot, WAY_OUT).replace(&mut Files, &body.to_bytes())
    }
}

/// The node's end: the newest view goes in, and takes the place of one that waits.
#[derive(Debug)]
pub(crate) struct Snapshot {
    desk: Arc<Desk>,
    done: oneshot::Receiver<()>,
}

#[derive(Debug, Default)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Option<Arc<View>>,
    is_closed: bool,
}

impl Snapshot {
    fn start(source: Source) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let (send, done) = oneshot::channel();
        let theirs = Arc::clone(&desk);
        std::thread::Builder::new().name("tidings-snapshot".to_owned()).spawn(move || {
            theirs.save_all(&source);
            let _ = send.send(());
        })?;
        Ok(Snapshot { desk, done })
    }

    /// The view has changed.
    pub(crate) fn offer(&self, view: Arc<View>) {
        let old = self.desk.state().waiting.replace(view);
        if old.is_none() {
            self.desk.changed.notify_one();
        }
    }

    /// Lets the thread end, and waits until the last view is saved, or for a second.
    pub(crate) async fn close(mut self) {
        self.let_go();
        let _ = timeout(CLOSE_TIMEOUT, &mut self.done).await;
    }

    fn let_go(&self) {
        self.desk.state().is_closed = true;
        self.desk.changed.notify_one();
    }
}

/// Also when the node's task panics: the thread must not outlive it.
impl Drop for Snapshot {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Desk {
    /// The thread: saves the newest view, or once more the last, then lets some seconds pass, until the node's end is
    /// closed.
    fn save_all(&self, source: &Source) {
        let (mut is_failing, mut last) = (false, None);
        loop {
            let is_idle = |state: &mut State| state.waiting.is_none() && !state.is_closed;
            let waited = self.changed.wait_timeout_while(self.state(), SAVE_AGAIN, is_idle);
            let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            let newest = state.waiting.take();
            if newest.is_none() && state.is_closed {
                return;
            }
            drop(state);
            last = newest.or(last);
            if let Some(view) = &last {
                is_failing = report(source, is_failing, source.save(view));
            }
            let rest = self.changed.wait_timeout_while(self.state(), SAVE_EVERY, |state| !state.is_closed);
            drop(rest);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the first of some failures, and the end of them; whether the last save failed.
fn report(source: &Source, was_failing: bool, saved: io::Result<()>) -> bool {
    let (node, path) = (source.node.as_str(), source.path.display());
    match &saved {
        Err(error) if !was_failing => {
            warn!(target: "tidings::node", node, "the snapshot {path} cannot be saved: {error}; the node runs on, and a restart may need its contacts");
        }
        Ok(()) if was_failing => info!(target: "tidings::node", node, "the snapshot {path} is saved again"),
        _ => {}
    }
    saved.is_err()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::event::Event;
    use crate::member::{Generation, Identity, Incarnation, Member, State as Belief};

    fn record(n: u64, incarnation: u32) -> Record {
        let identity = Identity::named(&format!("n{n}"), Generation(n), "127.0.0.1:7".parse().unwrap());
        Record::new(&identity, Incarnation(incarnation), &[]).unwrap()
    }

    fn source(path: &Path, cluster: &str) -> Source {
        Source { path: path.to_owned(), cluster: cluster.to_owned(), node: "n1".to_owned(), id: record(1, 0).id() }
    }

    fn view(records: &[Record]) -> View {
        let mut view = View::empty(record(1, 0).id());
        for record in records {
            let incarnation = record.incarnation();
            view.apply(&Event::Up(Member { record: record.clone(), incarnation, state: Belief::Alive, flaps: false }));
        }
        view
    }

    fn body(cluster: &str, records: Vec<Record>, saved_ms: u64) -> Vec<u8> {
        Body { cluster: cluster.to_owned(), records, saved_ms }.to_bytes()
    }

    fn folder() -> PathBuf {
        let name = format!("tidings-snapshot-{}-{:?}", std::process::id(), std::thread::current().id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_view_is_saved_and_read_and_one_of_nobody_else_replaces_none() {
        let folder = folder();
        let source = source(&folder.join("view"), "c");
        assert!(matches!(source.read(), Found::Nothing));
        source.save(&view(&[record(1, 0), record(2, 3), record(3, 0)])).unwrap();
        source.save(&view(&[record(1, 0)])).unwrap();
        let Found::Body(mut body) = source.read() else { panic!("{:?}", source.read()) };
        body.records.sort_by_key(Record::generation);
        assert_eq!(body.records, [record(2, 3), record(3, 0)]);
        assert!(body.is_fresh(unix_ms()));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_not_a_snapshot_of_this_cluster_is_told_apart() {
        let folder = folder();
        let path = folder.join("view");
        let source = source(&path, "c");
        let whole = crate::durable::seal(Kind::Snapshot, &body("c", vec![record(2, 0)], 0));
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(source.read(), Found::Damaged(_)), "{length}: {:?}", source.read());
        }
        for body in [&b""[..], b"\x02c", b"\x01c\x01\0\0\0", b"\x01c\x01\0\0\0\x09\0x"] {
            std::fs::write(&path, crate::durable::seal(Kind::Snapshot, body)).unwrap();
            assert!(matches!(source.read(), Found::Damaged(_)), "{body:?}");
        }
        let foreign = [
            b"my shopping list".to_vec(),
            crate::durable::seal(Kind::Ballot, b"x"),
            crate::durable::seal(Kind::Snapshot, &body("other", Vec::new(), 0)),
        ];
        for bytes in foreign {
            std::fs::write(&path, &bytes).unwrap();
            assert!(matches!(source.read(), Found::Foreign(_)), "{bytes:?}");
            let saved = source.clone().start().unwrap();
            assert!(saved.members.is_empty() && saved.snapshot.is_none(), "it would be overwritten");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_may_be_old_gives_contacts_and_no_members() {
        let folder = folder();
        let path = folder.join("view");
        for (ago, members, contacts) in [(0, 1, 0), (240_000, 1, 0), (360_000, 0, 1), (u64::MAX, 0, 1)] {
            let bytes = body("c", vec![record(2, 0)], unix_ms().saturating_sub(ago));
            std::fs::write(&path, crate::durable::seal(Kind::Snapshot, &bytes)).unwrap();
            let saved = source(&path, "c").start().unwrap();
            assert_eq!((saved.members.len(), saved.contacts.len()), (members, contacts), "{ago} ms ago");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
