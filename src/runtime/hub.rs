//! Where the node's task publishes and all others read: the present view and a ring of recent events.
//!
//! One lock is held for the time it takes to move a pointer, by the publisher and by each reader; user code
//! (predicates, wakers, destructors of what the user holds) runs after it is released. It needs no runtime: readers
//! bring a waker of any.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::event::{Change, Event};
use crate::runtime::error::Stopped;
use crate::runtime::node_metrics::NodeMetrics;
use crate::runtime::present::Present;
use crate::runtime::view::View;

/// Shared by the node's task and every handle and subscriber; keeps nothing running.
#[derive(Debug)]
pub(crate) struct Hub {
    board: Mutex<Board>,
}

/// What can be read; what is present is the sum of all changes up to `next`.
#[derive(Debug)]
pub(crate) struct Board {
    present: Present,
    pub(crate) stopped: Option<Stopped>,
    /// The counters as they stood when the node stopped.
    pub(crate) last_metrics: NodeMetrics,
    ring: VecDeque<Arc<Event>>,
    ring_max: usize,
    next: u64,
    wakers: BTreeMap<u64, Waker>,
    listeners: u64,
}

impl Hub {
    pub(crate) fn new(view: View, ring_max: usize) -> Self {
        let board = Board {
            present: Present::new(view),
            stopped: None,
            last_metrics: NodeMetrics::default(),
            ring: VecDeque::new(),
            ring_max,
            next: 0,
            wakers: BTreeMap::new(),
            listeners: 0,
        };
        Hub { board: Mutex::new(board) }
    }

    /// Applies changes to the view, in order, and makes it and the events visible at once. Only the node's task calls
    /// it.
    pub(crate) fn publish(&self, changes: impl IntoIterator<Item = impl Into<Change>>) {
        let mut present = self.board().present.clone();
        let mut fresh = VecDeque::new();
        let mut changed = false;
        for change in changes {
            let change = change.into();
            changed |= present.take(&change);
            fresh.extend(change.told().map(Arc::new));
        }

        if fresh.is_empty() && !changed {
            return;
        }

        let (wakers, old) = {
            let mut board = self.board();
            board.push(fresh);
            (mem::take(&mut board.wakers), mem::replace(&mut board.present, present))
        };

        drop(old);
        wakers.into_values().for_each(Waker::wake);
    }

    /// Says that the node has stopped; the first reason stands.
    pub(crate) fn close(&self, reason: Stopped, metrics: NodeMetrics) {
        let wakers = {
            let mut board = self.board();
            if board.stopped.is_none() {
                board.stopped = Some(reason);
                board.last_metrics = metrics;
            }
            mem::take(&mut board.wakers)
        };
        wakers.into_values().for_each(Waker::wake);
    }

    /// Wakes all readers that wait, because something beside the board has changed.
    pub(crate) fn nudge(&self) {
        let wakers = mem::take(&mut self.board().wakers);
        wakers.into_values().for_each(Waker::wake);
    }

    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(self.board().view())
    }

    pub(crate) fn last_metrics(&self) -> NodeMetrics {
        self.board().last_metrics.clone()
    }

    /// What is present and the number of the next event after it, taken together.
    pub(crate) fn position(&self) -> (Present, u64) {
        let board = self.board();
        (board.present.clone(), board.next)
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    pub(crate) fn view(&self) -> &Arc<View> {
        self.present.view()
    }

    pub(crate) fn present(&self) -> &Present {
        &self.present
    }

    /// The number of the next event to come.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The event of this number, if it has happened and is still in the ring.
    pub(crate) fn event(&self, number: u64) -> Option<Arc<Event>> {
        let oldest = self.next - self.ring.len() as u64;
        let place = usize::try_from(number.checked_sub(oldest)?).ok()?;
        self.ring.get(place).cloned()
    }

    fn push(&mut self, fresh: VecDeque<Arc<Event>>) {
        self.next += fresh.len() as u64;
        self.ring.extend(fresh);
        let excess = self.ring.len().saturating_sub(self.ring_max);
        self.ring.drain(..excess);
    }
}

/// One reader's place in the list of those to be woken.
#[derive(Debug)]
pub(crate) struct Listener {
    hub: Arc<Hub>,
    number: u64,
}

impl Listener {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        let number = {
            let mut board = hub.board();
            board.listeners += 1;
            board.listeners
        };
        Listener { hub, number }
    }

    /// A second reader of the same board.
    pub(crate) fn another(&self) -> Self {
        Listener::new(Arc::clone(&self.hub))
    }

    /// Looks at the board; while `look` finds nothing there, the caller is woken at the next change.
    ///
    /// `look` runs under the lock, so it is never the user's.
    pub(crate) fn poll<T>(&self, cx: &Context<'_>, look: impl FnOnce(&Board) -> Option<T>) -> Poll<T> {
        let waker = cx.waker().clone();
        let mut board = self.hub.board();
        match look(&board) {
            Some(found) => {
                drop(board);
                Poll::Ready(found)
            }
            None => {
                let old = board.wakers.insert(self.number, waker);
                drop(board);
                drop(old);
                Poll::Pending
            }
        }
    }

    /// Looks at the board without waiting.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Board) -> T) -> T {
        look(&self.hub.board())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let waker = self.hub.board().wakers.remove(&self.number);
        drop(waker);
    }
}
