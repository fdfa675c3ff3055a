//! Elections among real nodes on loopback, asked through nothing but their public handle.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use support::{block_on, drain, node, read_until, start, state, until, within};
use tidings::config::ElectionConfig;
use tidings::election::{Ballot, FileStore, MemoryStore, TermStore};
use tidings::event::Event;
use tidings::leader::{Leader, Term, Trigger};
use tidings::member::State;
use tidings::runtime::{Builder, ElectionError, Events, Faults, Lease, Node, StartError, Stopped};

const PATIENCE: Duration = Duration::from_secs(30);
const NAMES: [&str; 3] = ["n1", "n2", "n3"];

fn voters(names: &[&str]) -> ElectionConfig {
    ElectionConfig::lan("default", names.iter().copied())
}

fn voter(name: &str) -> Builder {
    node(name).election(voters(&NAMES)).term_store(MemoryStore)
}

/// A node per builder, all joined through the first.
fn joined(builders: impl IntoIterator<Item = Builder>) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for builder in builders {
        let contacts: Vec<_> = nodes.iter().map(Node::local_address).take(1).collect();
        nodes.push(start(builder.contacts(contacts)));
    }
    for node in &nodes {
        until(node, |view| view.alive().count() == nodes.len());
    }
    nodes
}

/// Waits until all these nodes know the same leader, of a term above `term`.
#[track_caller]
fn agree(nodes: &[Node], term: Term) -> Leader {
    let mut above = term;
    loop {
        let leaders = nodes.iter().map(|node| {
            let view = until(node, |view| view.leader("default").is_some_and(|leader| leader.term > above));
            view.leader("default").unwrap().clone()
        });
        let leaders: Vec<Leader> = leaders.collect();
        let last = leaders.iter().max_by_key(|leader| leader.term).unwrap();
        if leaders.iter().all(|leader| same(leader, last)) {
            return last.clone();
        }
        above = Term(last.term.0 - 1);
    }
}

fn same(one: &Leader, other: &Leader) -> bool {
    (one.id, one.term) == (other.id, other.term)
}

/// Lets others run, on any executor.
async fn let_others_run() {
    let mut was_polled = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut was_polled, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::thread::yield_now();
        std::task::Poll::Pending
    })
    .await;
}

/// Splits the leader off the others.
fn split(nodes: Vec<Node>, leader: &Leader) -> (Node, Vec<Node>) {
    let (mut led, others): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|node| node.id() == leader.id);
    (led.remove(0), others)
}

/// Reads until a leader of a term above `term`.
#[track_caller]
fn read_leader(events: &mut Events, above: Term) -> (Leader, Trigger) {
    loop {
        let read = read_until(events, "leader", "");
        if let Event::Leader { leader, trigger } = &read.last().unwrap().event {
            if leader.term > above {
                return (leader.clone(), *trigger);
            }
        }
    }
}

/// What a thread that runs `lead` tells.
#[derive(Debug)]
enum Word {
    Began(Lease),
    Dropped(Term),
}

struct Guard(Sender<Word>, Term);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(Word::Dropped(self.1));
    }
}

/// Leads for ever, in a thread, until the node stops.
fn lead_in_thread(node: Node) -> Receiver<Word> {
    let (send, words) = mpsc::channel();
    std::thread::spawn(move || {
        let forever = node.lead("default", |lease| {
            let guard = Guard(send.clone(), lease.term());
            let _ = send.send(Word::Began(lease));
            async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            }
        });
        let _ = within(PATIENCE * 4, forever);
    });
    words
}

#[track_caller]
fn began(words: &Receiver<Word>) -> Lease {
    match words.recv_timeout(PATIENCE).unwrap() {
        Word::Began(lease) => lease,
        Word::Dropped(term) => panic!("dropped in term {term}"),
    }
}

#[test]
fn three_nodes_elect_one_leader() {
    let nodes = joined(NAMES.map(voter).into_iter().chain([node("n4").election(voters(&NAMES))]));
    let leader = agree(&nodes, Term(0));
    assert!(NAMES.contains(&&*leader.name) && *leader.election == *"default");
    for node in &nodes {
        let status = node.election("default").unwrap();
        assert_eq!((status.voters.len(), status.quorum, status.is_voter), (3, 2, node.name() != "n4"));
        assert_eq!(node.elections().len(), 1);
        assert!(node.election("other").is_none());
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!((&json["name"], &json["quorum"]), (&"default".into(), &2.into()));
        // Exact, in one order with the members: the leader is there before it leads.
        let read = drain(&mut node.events());
        let led = read.iter().position(|notice| notice.event.kind() == "leader").unwrap();
        let up = read.iter().filter(|notice| notice.event.kind() == "up");
        assert!(led >= up.count(), "{read:?}");
        let smallest = node.view().iter().map(|member| member.id()).min();
        assert_eq!(node.view().coordinator().map(|member| member.id()), smallest);
    }
    let json = serde_json::to_value(&*nodes[0].view()).unwrap();
    assert_eq!(json["leaders"][0]["election"], "default");
}

#[test]
fn when_the_leader_is_killed_the_next_has_a_higher_term() {
    let nodes = joined(NAMES.map(voter));
    let first = agree(&nodes, Term(0));
    let (killed, others) = split(nodes, &first);
    let mut events = others[0].events();
    let mut watch = others[0].leader("default").unwrap();
    drop(killed);
    let second = agree(&others, first.term);
    assert_ne!(second.id, first.id);
    let (told, trigger) = read_leader(&mut events, first.term);
    // Whether the lease, the detector or a second attempt brought it about is a matter of timing.
    let said_so = matches!(trigger, Trigger::HandedOver | Trigger::Resigned | Trigger::Left);
    assert!(told.term > first.term && !said_so, "{trigger:?}");
    let changed = async { while watch.changed().await.unwrap().is_none_or(|leader| leader.term <= first.term) {} };
    assert!(within(PATIENCE, changed).is_some());
    assert!(watch.current().unwrap().term > first.term);
}

#[test]
fn a_leader_that_is_cut_off_drops_its_work_and_leads_again_in_a_later_term() {
    let faults: Vec<Faults> = (0..3).map(Faults::new).collect();
    let nodes = joined(NAMES.iter().zip(&faults).map(|(name, faults)| voter(name).faults(faults.clone())));
    let words: Vec<_> = nodes.iter().cloned().map(lead_in_thread).collect();
    let first = agree(&nodes, Term(0));
    let place = nodes.iter().position(|node| node.id() == first.id).unwrap();
    let lease = began(&words[place]);
    assert_eq!((lease.term(), lease.election()), (first.term, "default"));
    let others: Vec<_> = nodes.iter().filter(|node| node.id() != first.id).cloned().collect();
    faults[place].cut(others.iter().map(Node::local_address));
    assert!(matches!(words[place].recv_timeout(PATIENCE).unwrap(), Word::Dropped(term) if term == first.term));
    assert!(!lease.is_valid() && lease.valid_for().is_zero());
    block_on(lease.ended());
    assert_eq!(block_on(lease.resign()), Err(ElectionError::NotLeading));
    let second = agree(&others, first.term);
    faults[place].cut([]);
    assert!(same(&agree(&nodes, first.term), &second) || agree(&nodes, first.term).term > second.term);
    let back = within(PATIENCE, async {
        loop {
            let leader = agree(&nodes, first.term);
            if leader.id == first.id {
                return;
            }
            let led = nodes.iter().find(|node| node.id() == leader.id).unwrap();
            let _ = led.resign_to("default", first.id).await;
        }
    });
    assert!(back.is_some());
    assert!(began(&words[place]).term() > second.term, "called again in its next term");
}

#[test]
fn an_office_is_handed_to_whom_one_names() {
    let nodes = joined(NAMES.map(voter));
    let first = agree(&nodes, Term(0));
    let (leader, others) = split(nodes.clone(), &first);
    let successor = others[1].name().to_owned();
    assert_eq!(block_on(leader.resign_to("default", "n9")), Err(ElectionError::NoSuchVoter));
    assert_eq!(block_on(leader.resign_to("default", leader.id())), Err(ElectionError::NoSuchVoter));
    assert_eq!(block_on(leader.resign_to("other", &*successor)), Err(ElectionError::Unknown("other".to_owned())));
    assert_eq!(block_on(others[0].resign("default")), Err(ElectionError::NotLeading));
    let mut events = others[0].events();
    block_on(leader.resign_to("default", &*successor)).unwrap();
    assert!(leader.election("default").unwrap().lease.is_none(), "it leads no more when the answer comes");
    let second = agree(&nodes, first.term);
    let (told, trigger) = read_leader(&mut events, first.term);
    assert_eq!((&*told.name, trigger), (&*successor, Trigger::HandedOver));
    assert!(second.term >= told.term);
}

#[test]
fn a_leader_that_leaves_hands_over() {
    let nodes = joined(NAMES.map(voter));
    let first = agree(&nodes, Term(0));
    let (leaver, others) = split(nodes, &first);
    let mut events = others[0].events();
    block_on(leaver.leave()).unwrap();
    let (told, trigger) = read_leader(&mut events, first.term);
    let waited = matches!(trigger, Trigger::LeaseRanOut | Trigger::Dead);
    assert!(told.id != first.id && !waited, "{trigger:?}");
    assert_eq!(block_on(leaver.lead("default", |_| async {})).unwrap_err().to_string(), {
        let stopped = block_on(leaver.stopped());
        stopped.to_string()
    });
}

#[test]
fn no_election_across_another_list_of_voters() {
    let other = |name: &str| node(name).election(voters(&["n2", "n3", "n4"])).term_store(MemoryStore);
    let n2 = start(other("n2"));
    // Told once, so whoever wants to hear it has to listen by then.
    let mut events = n2.events();
    let contact = [n2.local_address()];
    let nodes = [start(voter("n1").contacts(contact)), start(other("n3").contacts(contact)), n2];
    let differ = read_until(&mut events, "voters_differ", "");
    let Event::VotersDiffer { election, members } = &differ.last().unwrap().event else { panic!("{differ:?}") };
    assert_eq!((&**election, &members[..]), ("default", &[nodes[0].id()][..]));
    assert_ne!(&*agree(&nodes[1..], Term(0)).name, "n1", "those that agree elect one of their own");
    assert!(nodes[0].view().leader("default").is_none(), "it cannot have elected one, nor heard of one of its own");
    assert!(nodes[0].election("default").unwrap().leader.is_none());
}

#[test]
fn what_is_asked_wrongly_is_answered_in_words() {
    let observer = start(node("n9").election(voters(&NAMES)));
    let unknown = observer.leader("other").unwrap_err();
    assert_eq!(unknown, ElectionError::Unknown("other".to_owned()));
    assert!(["\"other\"", ".election("].iter().all(|hint| unknown.to_string().contains(hint)), "{unknown}");
    assert_eq!(block_on(observer.lead("other", |_| async {})).unwrap_err(), unknown);
    let refused = block_on(observer.lead("default", |_| async {})).unwrap_err();
    assert!(
        matches!(&refused, ElectionError::NotAVoter { election, voters } if election == "default" && voters.len() == 3)
    );
    assert_eq!(block_on(observer.resign("default")).unwrap_err(), ElectionError::NotLeading);
    let mut watch = observer.leader("default").unwrap();
    assert_eq!(watch.current(), None);
    block_on(observer.leave()).unwrap();
    assert!(matches!(block_on(watch.changed()), Err(Stopped::Left { .. })));
    assert!(matches!(block_on(observer.resign("default")), Err(ElectionError::Stopped(_))));
    let refused = |builder: Builder| block_on(builder.start()).unwrap_err().to_string();
    let no_store = refused(node("n1").election(voters(&NAMES)));
    for hint in ["\"default\"", ".term_store(FileStore::open(", ".term_store(MemoryStore)"] {
        assert!(no_store.contains(hint), "{no_store}");
    }
    let torn = refused(node("n1").election(voters(&NAMES)).term_store(Shelf::default().torn()));
    assert!(torn.contains("\"default\"") && torn.contains("the ballot is torn"), "{torn}");
    let twice = refused(voter("n1").election(voters(&NAMES)));
    assert!(twice.contains("elections.name"), "{twice}");
}

/// A store in memory that outlives its node, and can be told to block or to fail.
#[derive(Clone, Default)]
struct Shelf(Arc<(Mutex<ShelfState>, Condvar)>);

#[derive(Default)]
struct ShelfState {
    ballots: BTreeMap<String, Ballot>,
    is_blocked: bool,
    blocked: usize,
    is_full: bool,
    is_torn: bool,
    panics: bool,
}

impl Shelf {
    fn set(&self, change: impl FnOnce(&mut ShelfState)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    /// A store that was read and written before: its voter need save nothing to start.
    fn voted() -> Self {
        let promise = voters(&NAMES).promise();
        let shelf = Shelf::default();
        let ballot = Ballot { term: Term(1), vote: None, promise };
        shelf.set(|state| {
            state.ballots.insert("default".to_owned(), ballot);
        });
        shelf
    }

    fn torn(self) -> Self {
        self.set(|state| state.is_torn = true);
        self
    }

    /// Waits until a save is being held up.
    #[track_caller]
    fn wait_until_blocked(&self) {
        let state = self.0.0.lock().unwrap();
        let (state, _) = self.0.1.wait_timeout_while(state, PATIENCE, |state| state.blocked == 0).unwrap();
        assert!(state.blocked > 0, "nothing was saved");
    }
}

impl TermStore for Shelf {
    fn load(&mut self, election: &str) -> io::Result<Option<Ballot>> {
        let state = self.0.0.lock().unwrap();
        if state.is_torn {
            Err(io::Error::other("the ballot is torn"))
        } else {
            Ok(state.ballots.get(election).copied())
        }
    }

    fn save(&mut self, election: &str, ballot: &Ballot) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        state.blocked += usize::from(state.is_blocked);
        self.0.1.notify_all();
        let mut state = self.0.1.wait_while(state, |state| state.is_blocked).unwrap();
        assert!(!state.panics, "asked to");
        if state.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let before = state.ballots.insert(election.to_owned(), *ballot);
        assert!(before.is_none_or(|before| before.term <= ballot.term), "{before:?} then {ballot:?}");
        Ok(())
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// Lets the shelf go on when the test ends, however it does.
struct Unblock(Shelf);

impl Drop for Unblock {
    fn drop(&mut self) {
        self.0.set(|state| state.is_blocked = false);
    }
}

fn kept(name: &str, shelf: &Shelf) -> Builder {
    node(name).election(voters(&NAMES)).term_store(shelf.clone())
}

#[test]
fn a_disk_that_stands_still_holds_up_nothing_but_its_own_vote() {
    let slow = Shelf::voted();
    slow.set(|state| state.is_blocked = true);
    let _unblock = Unblock(slow.clone());
    let nodes = joined([kept("n1", &slow), voter("n2"), voter("n3")]);
    slow.wait_until_blocked();
    let leader = agree(&nodes, Term(0));
    assert_ne!(&*leader.name, "n1", "it has not voted for itself");
    block_on(nodes[0].set_metadata("alive")).unwrap();
    until(&nodes[1], |view| view.by_name("n1").is_some_and(|n1| n1.metadata() == b"alive"));
    assert_eq!(state(&nodes[1].view(), "n1"), Some(State::Alive));
    assert_eq!(block_on(nodes[0].metrics()).saves, 0);
    slow.set(|state| state.is_blocked = false);
    metrics_until(&nodes[0], |saves, _, failed| saves > 0 && failed == 0);
}

/// Asks for the saves, the longest and the failed until they are as wanted.
#[track_caller]
fn metrics_until(node: &Node, wanted: impl Fn(u64, u64, u64) -> bool) {
    let counted = async {
        loop {
            let metrics = node.metrics().await;
            if wanted(metrics.saves, metrics.save_us_max, metrics.protocol.elections.saves_failed) {
                return;
            }
            let_others_run().await;
        }
    };
    assert!(within(PATIENCE, counted).is_some(), "{:?}", block_on(node.metrics()));
}

#[test]
fn a_disk_that_is_full_means_no_vote_until_there_is_room() {
    let full = Shelf::voted();
    full.set(|state| state.is_full = true);
    let nodes = joined([kept("n1", &full), voter("n2"), voter("n3")]);
    let leader = agree(&nodes, Term(0));
    assert_ne!(&*leader.name, "n1");
    metrics_until(&nodes[0], |_, _, failed| failed > 0);
    assert_eq!(full.0.0.lock().unwrap().ballots["default"].vote, None);
    full.set(|state| state.is_full = false);
    let taken = within(PATIENCE, async {
        loop {
            let leader = agree(&nodes, Term(0));
            if &*leader.name == "n1" {
                return;
            }
            let led = nodes.iter().find(|node| node.id() == leader.id).unwrap();
            let _ = led.resign_to("default", "n1").await;
        }
    });
    assert!(taken.is_some());
    assert!(full.0.0.lock().unwrap().ballots["default"].vote.is_some());
}

#[test]
fn a_store_that_panics_means_no_vote_either() {
    let broken = Shelf::voted();
    broken.set(|state| state.panics = true);
    let nodes = joined([kept("n1", &broken), voter("n2"), voter("n3")]);
    assert_ne!(&*agree(&nodes, Term(0)).name, "n1");
    metrics_until(&nodes[0], |_, _, failed| failed > 0);
    block_on(nodes[0].leave()).unwrap();
}

fn alone(shelf: &Shelf) -> Builder {
    node("n1").election(voters(&["n1"])).term_store(shelf.clone())
}

#[test]
fn terms_rise_over_a_restart() {
    let shelf = Shelf::default();
    let mut last = Term(0);
    for _ in 0..3 {
        let node = start(alone(&shelf));
        let term = block_on(node.lead("default", |lease| async move { lease.term() })).unwrap();
        assert!(term > last, "{term} after {last}");
        last = term;
        block_on(node.leave()).unwrap();
        assert!(shelf.0.0.lock().unwrap().ballots["default"].term >= term);
        assert_eq!(Arc::strong_count(&shelf.0), 1, "a node that has stopped has closed its store");
    }
}

#[test]
fn terms_rise_over_a_restart_with_files() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("terms-{}", std::process::id()));
    let start_again = || start(node("n1").election(voters(&["n1"])).term_store(FileStore::open(&folder).unwrap()));
    let mut last = Term(0);
    for _ in 0..3 {
        let node = start_again();
        assert!(FileStore::open(&folder).is_err(), "it is the node's");
        let term = block_on(node.lead("default", |lease| async move { lease.term() })).unwrap();
        assert!(term > last, "{term} after {last}");
        last = term;
        let stopped = node.stopped();
        drop(node);
        assert_eq!(block_on(stopped), Stopped::Dropped);
    }
    std::fs::write(folder.join("default.term"), "torn").unwrap();
    let store = FileStore::open(&folder).unwrap();
    let torn = block_on(node("n1").election(voters(&["n1"])).term_store(store).start()).unwrap_err();
    assert!(matches!(torn, StartError::TermStore(..)) && torn.to_string().contains("start_over"), "{torn}");
    assert!(FileStore::open(&folder).is_ok(), "a start that failed has closed it");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_longer_promise_is_kept_before_it_is_made() {
    let shelf = Shelf::default();
    let promise = Duration::from_millis(1);
    let ballot = Ballot { term: Term(7), vote: None, promise };
    shelf.set(|state| {
        state.ballots.insert("default".to_owned(), ballot);
    });
    let _node = start(alone(&shelf));
    assert!(shelf.0.0.lock().unwrap().ballots["default"].promise >= voters(&["n1"]).promise());
    shelf.set(|state| {
        state.ballots.insert("default".to_owned(), ballot);
        state.is_full = true;
    });
    let refused = block_on(node("n1").election(voters(&["n1"])).term_store(shelf.clone()).start()).unwrap_err();
    assert!(refused.to_string().contains("ballot of election \"default\""), "{refused}");
}

#[test]
fn returning_does_not_resign_and_resigning_does() {
    let node = start(alone(&Shelf::default()));
    let first = block_on(node.lead("default", |lease| async move { lease.term() })).unwrap();
    let status = node.election("default").unwrap();
    assert!(status.lease.is_some() && status.supporters == 1 && status.term == first, "{status:?}");
    let lease = block_on(node.lead("default", std::future::ready)).unwrap();
    assert_eq!(lease.term(), first, "it led on");
    // The only voter has nobody to hand over to, so it gives up and is elected again later.
    block_on(node.resign("default")).unwrap();
    assert!(!lease.is_valid());
    block_on(lease.ended());
    assert_eq!(block_on(lease.resign()), Err(ElectionError::NotLeading), "that term is over, whoever leads now");
    let second = block_on(node.lead("default", |lease| async move {
        lease.resign().await.unwrap();
        lease.term()
    }));
    assert!(second.is_ok_and(|second| second > first));
}

#[test]
fn who_leads_is_known_when_the_work_begins() {
    let node = start(alone(&Shelf::default()));
    let mut watch = node.leader("default").unwrap();
    assert_eq!(watch.current(), None);
    let seen = block_on(node.lead("default", |lease| {
        let led = node.view().leader("default").cloned();
        async move { (led.unwrap(), lease.term()) }
    }));
    let (leader, term) = seen.unwrap();
    assert_eq!((leader.id, leader.term), (node.id(), term));
    assert_eq!(block_on(watch.changed()), Ok(Some(leader)));
    block_on(node.resign("default")).unwrap();
    block_on(async { while watch.changed().await.unwrap().is_none_or(|leader| leader.term <= term) {} });
}

#[test]
fn leases_of_two_leaders_never_overlap_however_often_the_office_changes_hands() {
    let nodes = joined(NAMES.map(voter));
    let given = Arc::new(Mutex::new(Vec::<Lease>::new()));
    let (send, changes) = mpsc::channel();
    for node in nodes.clone() {
        let (given, send) = (Arc::clone(&given), send.clone());
        std::thread::spawn(move || {
            let forever = node.lead("default", |lease| {
                let mut given = given.lock().unwrap();
                let valid: Vec<Term> = given.iter().filter(|old| old.is_valid()).map(Lease::term).collect();
                let last = given.iter().map(Lease::term).max();
                given.push(lease.clone());
                let _ = send.send((lease, valid, last));
                std::future::pending::<()>()
            });
            let _ = within(PATIENCE * 4, forever);
        });
    }
    for _ in 0..30 {
        let (lease, valid, last) = changes.recv_timeout(PATIENCE).unwrap();
        assert_eq!(valid, [], "when the lease of term {} began", lease.term());
        assert!(last < Some(lease.term()));
        if block_on(lease.resign()).is_err() {
            assert!(!lease.is_valid(), "it could not resign, so its term is over");
        }
    }
    for node in &nodes {
        block_on(node.leave()).unwrap();
    }
}

#[test]
fn a_lease_is_worth_nothing_when_its_node_has_stopped() {
    let node = start(alone(&Shelf::default()));
    let lease = block_on(node.lead("default", std::future::ready)).unwrap();
    assert!(lease.is_valid() && lease.clone().valid_for() <= Duration::from_millis(500));
    let stopped = node.stopped();
    drop(node);
    assert_eq!(block_on(stopped), Stopped::Dropped, "a lease keeps no node running");
    assert!(lease.valid_for().is_zero());
    block_on(lease.ended());
    assert_eq!(block_on(lease.resign()), Err(ElectionError::Stopped(Stopped::Dropped)));
}

#[test]
fn a_lease_runs_out_on_time_while_its_node_stands_still() {
    let faults = Faults::new(1);
    let node = start(alone(&Shelf::default()).faults(faults.clone()));
    let lease = block_on(node.lead("default", std::future::ready)).unwrap();
    faults.freeze();
    // Nobody tells: the clock does.
    assert!(
        within(PATIENCE, async {
            while lease.is_valid() {
                let_others_run().await;
            }
        })
        .is_some()
    );
    faults.thaw();
    let next = block_on(node.lead("default", std::future::ready)).unwrap();
    assert!(next.term() >= lease.term() && next.is_valid());
}

#[test]
fn a_runtime_that_stands_still_does_not_keep_a_lease() {
    let faults: Vec<Faults> = (0..3).map(Faults::new).collect();
    let nodes = joined(NAMES.iter().zip(&faults).map(|(name, faults)| voter(name).faults(faults.clone())));
    let first = agree(&nodes, Term(0));
    let place = nodes.iter().position(|node| node.id() == first.id).unwrap();
    let (leader, others) = split(nodes, &first);
    let (tell, told) = mpsc::channel();
    let (go_on, gone_on) = mpsc::channel::<()>();
    let application = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut gone_on = Some(gone_on);
        runtime.block_on(leader.lead("default", |lease| {
            let (tell, gone_on) = (tell.clone(), gone_on.take());
            async move {
                let Some(gone_on) = gone_on else { return "led again" };
                let _ = tell.send(lease);
                let _ = gone_on.recv_timeout(PATIENCE);
                tokio::task::yield_now().await;
                "went on without a lease"
            }
        }))
    });
    let lease = told.recv_timeout(PATIENCE).unwrap();
    faults[place].cut(others.iter().map(Node::local_address));
    block_on(lease.ended());
    assert!(!lease.is_valid());
    let second = agree(&others, first.term);
    assert!(second.term > first.term);
    go_on.send(()).unwrap();
    faults[place].cut([]);
    let back = within(PATIENCE, async {
        while !application.is_finished() {
            let leader = agree(&others, first.term);
            let led = others.iter().find(|node| node.id() == leader.id);
            if let Some(led) = led {
                let _ = led.resign_to("default", first.id).await;
            }
            let_others_run().await;
        }
    });
    assert!(back.is_some());
    assert_eq!(application.join().unwrap(), Ok("led again"));
}

/// The futures can be spawned wherever the application's own can.
#[test]
fn leading_can_be_spawned() {
    fn is_send(_: &impl Send) {}
    fn is_shared(_: &(impl Send + Sync + Clone)) {}
    let node = start(alone(&Shelf::default()));
    let led = node.lead("default", |lease| async move {
        is_shared(&lease);
        is_send(&lease.resign());
    });
    is_send(&led);
    is_send(&node.resign("default"));
    is_send(&node.leader("default").unwrap().changed());
    block_on(led).unwrap();
}
