//! A store of terms that a test can look into and disturb, and voters that save to it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex};

use tidings::NodeId;
use tidings::election::{Ballot, TermStore};
use tidings::leader::Term;
use tidings::runtime::Builder;

use crate::support::node;
use crate::{NAMES, PATIENCE, voters};

/// A store in memory that outlives its node, and can be told to block or to fail.
#[derive(Clone, Default)]
pub struct Shelf(pub Arc<(Mutex<ShelfState>, Condvar)>);

#[derive(Default)]
pub struct ShelfState {
    pub ballots: BTreeMap<String, Ballot>,
    pub is_blocked: bool,
    pub blocked: usize,
    pub is_full: bool,
    pub is_torn: bool,
    pub panics: bool,
}

impl Shelf {
    pub fn set(&self, change: impl FnOnce(&mut ShelfState)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    /// A store that was read and written before: its voter need save nothing to start.
    pub fn voted() -> Self {
        let promise = voters(&NAMES).promise();
        let shelf = Shelf::default();
        let ballot = Ballot { term: Term(1), vote: None, promise, voters: None, owner: Some(NodeId::from_name("n1")) };
        shelf.set(|state| {
            state.ballots.insert("default".to_owned(), ballot);
        });
        shelf
    }

    pub fn torn(self) -> Self {
        self.set(|state| state.is_torn = true);
        self
    }

    /// Waits until a save is being held up.
    #[track_caller]
    pub fn wait_until_blocked(&self) {
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
            Ok(state.ballots.get(election).cloned())
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
        let before = state.ballots.insert(election.to_owned(), ballot.clone());
        assert!(before.as_ref().is_none_or(|before| before.term <= ballot.term), "{before:?} then {ballot:?}");
        Ok(())
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// Lets the shelf go on when the test ends, however it does.
pub struct Unblock(pub Shelf);

impl Drop for Unblock {
    fn drop(&mut self) {
        self.0.set(|state| state.is_blocked = false);
    }
}

pub fn kept(name: &str, shelf: &Shelf) -> Builder {
    node(name).election(voters(&NAMES)).term_store(shelf.clone())
}

pub fn alone(shelf: &Shelf) -> Builder {
    node("n1").election(voters(&["n1"])).term_store(shelf.clone())
}
