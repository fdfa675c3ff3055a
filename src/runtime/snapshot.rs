//! What a node keeps of its view on a disk, so that a warm restart needs no contact.
//!
//! The node's task never touches the file: it leaves its newest view with a thread, which writes at most every few
//! seconds, each time the whole file anew. A snapshot is only what contacts would tell as well, so whatever is wrong with
//! it is told and is no reason not to run. A file that is whole but none of this cluster's is left as it is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::durable::{Kind, Place, RecordError, open};
use crate::member::{NodeId, Record};
use crate::runtime::view::View;

/// Between two saves at least.
const SAVE_EVERY: Duration = Duration::from_secs(3);
/// How long a node that has stopped waits for its last save.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Members read of a file at most: as many as a table may hold.
const MEMBERS_MAX: usize = 65_536;
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

/// What a file held.
#[derive(Debug)]
enum Found {
    Nothing,
    Records(Vec<Record>),
    /// It cannot be used, but what is there is of no use to anybody, and is replaced.
    Damaged(String),
    /// It cannot be used, and is not ours to replace.
    Foreign(String),
}

impl Source {
    /// The members of the last view that was saved, and where views are saved from now on; nowhere if something else is
    /// there. May take as long as the disk does.
    ///
    /// # Errors
    /// When there can be no thread to save with.
    pub(crate) fn start(self) -> io::Result<(Vec<Record>, Option<Snapshot>)> {
        let (node, path) = (self.node.as_str(), self.path.display());
        let records = match self.read() {
            Found::Nothing => Vec::new(),
            Found::Records(records) => records,
            Found::Damaged(why) => {
                warn!(target: "tidings::node", node, "the snapshot {path} is not used: {why}; it is replaced, and the contacts are asked instead");
                Vec::new()
            }
            Found::Foreign(why) => {
                warn!(target: "tidings::node", node, "the snapshot {path} is not used and none is saved: {why}; give .snapshot(..) a file of this node's own");
                return Ok((Vec::new(), None));
            }
        };
        Ok((records, Some(Snapshot::start(self)?)))
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
            Err(error @ (RecordError::Length | RecordError::Checksum)) => return Found::Damaged(error.to_string()),
            Err(error) => return Found::Foreign(error.to_string()),
        };
        match records_of(body) {
            None => Found::Damaged(RecordError::Body.to_string()),
            Some((cluster, _)) if cluster != self.cluster => {
                Found::Foreign(format!("it is of the cluster {cluster:?}, and this node is of {:?}", self.cluster))
            }
            Some((_, records)) => Found::Records(records),
        }
    }

    /// Saves a view, unless it names nobody else: the last one that did may still be of use.
    fn save(&self, view: &View) -> io::Result<()> {
        let others: Vec<&Record> =
            view.live().filter(|member| member.id() != self.id).map(|member| member.record()).collect();
        if others.is_empty() {
            return Ok(());
        }
        Place::new(self.path.clone(), Kind::Snapshot, WAY_OUT).replace(&body_of(&self.cluster, &others))
    }
}

/// The cluster's name (its length in 1 byte), how many records (4 bytes, least significant first), and each with its
/// length (2 bytes) before it.
fn body_of(cluster: &str, records: &[&Record]) -> Vec<u8> {
    let mut body = vec![cluster.len() as u8];
    body.extend_from_slice(cluster.as_bytes());
    let records = records.get(..MEMBERS_MAX).unwrap_or(records);
    body.extend_from_slice(&(records.len() as u32).to_le_bytes());
    for record in records {
        let bytes = record.to_bytes();
        body.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        body.extend_from_slice(&bytes);
    }
    body
}

/// Whose records, and they; none if this is no body. A record that a later release wrote otherwise is passed over.
fn records_of(body: &[u8]) -> Option<(&str, Vec<Record>)> {
    let (&length, rest) = body.split_first()?;
    let (cluster, rest) = rest.split_at_checked(usize::from(length))?;
    let (&count, mut rest) = rest.split_first_chunk()?;
    let mut records = Vec::new();
    for _ in 0..usize::try_from(u32::from_le_bytes(count)).ok()?.min(MEMBERS_MAX) {
        let (&length, behind) = rest.split_first_chunk()?;
        let (bytes, behind) = behind.split_at_checked(usize::from(u16::from_le_bytes(length)))?;
        records.extend(Record::from_bytes(bytes));
        rest = behind;
    }
    Some((std::str::from_utf8(cluster).ok()?, records))
}

/// The saved members and those given besides, each once: of two records of one member the later.
pub(crate) fn merge(given: Vec<Record>, saved: Vec<Record>, me: NodeId) -> Vec<Record> {
    let mut merged: Vec<Record> = Vec::new();
    let mut places = BTreeMap::new();
    for record in given.into_iter().chain(saved).filter(|record| record.id() != me) {
        let age = |record: &Record| (record.generation(), record.incarnation());
        match places.get(&record.id()).and_then(|place: &usize| merged.get_mut(*place)) {
            Some(known) if age(known) < age(&record) => *known = record,
            Some(_) => {}
            None => {
                places.insert(record.id(), merged.len());
                merged.push(record);
            }
        }
    }
    merged
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
    /// The thread: saves the newest view, then lets some seconds pass, until the node's end is closed.
    fn save_all(&self, source: &Source) {
        let mut is_failing = false;
        loop {
            let is_idle = |state: &mut State| state.waiting.is_none() && !state.is_closed;
            let mut state = self.changed.wait_while(self.state(), is_idle).unwrap_or_else(PoisonError::into_inner);
            let Some(view) = state.waiting.take() else { return };
            drop(state);
            is_failing = report(source, is_failing, source.save(&view));
            drop(view);
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
        let Found::Records(mut records) = source.read() else { panic!("{:?}", source.read()) };
        records.sort_by_key(Record::generation);
        assert_eq!(records, [record(2, 3), record(3, 0)]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_not_a_snapshot_of_this_cluster_is_told_apart() {
        let folder = folder();
        let path = folder.join("view");
        let source = source(&path, "c");
        let whole = crate::durable::seal(Kind::Snapshot, &body_of("c", &[&record(2, 0)]));
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
            crate::durable::seal(Kind::Snapshot, &body_of("other", &[])),
        ];
        for bytes in foreign {
            std::fs::write(&path, &bytes).unwrap();
            assert!(matches!(source.read(), Found::Foreign(_)), "{bytes:?}");
            let (records, snapshot) = source.clone().start().unwrap();
            assert!(records.is_empty() && snapshot.is_none(), "it would be overwritten");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn of_two_records_of_one_member_the_later_is_taken() {
        let merged =
            merge(vec![record(2, 1), record(3, 5)], vec![record(1, 9), record(2, 2), record(3, 4)], record(1, 0).id());
        assert_eq!(merged, [record(2, 2), record(3, 5)]);
    }
}
