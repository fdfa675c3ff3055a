//! The subscription: exact events while the reader keeps up, an exact and shorter difference when it does not.
//!
//! The contract: **you may miss history, never state.** Folding what a subscriber reads ([`View::apply`]) gives the
//! node's view. A reader that is slow, or never comes, costs the protocol nothing and holds one old view at most; it
//! meets neither an error nor a gap. Channels that answer "you lagged" were measured to be a trap: their users take it
//! for the end, or ignore it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::event::Event;
use crate::runtime::difference::Difference;
use crate::runtime::hub::{Board, Hub, Listener};
use crate::runtime::present::Present;
use crate::runtime::view::View;

/// A subscriber's place among a node's events; it does not keep the node running.
///
/// The first items are the difference from nothing: `Up` for each member, `Suspect` after it for a suspect, unless that
/// is held back from all, `Dead` alone for a dead one; so one loop does the initial state too. `clone` gives a second
/// reader at the same place.
#[derive(Debug)]
pub struct Events {
    listener: Listener,
    /// What the reader has been told, once `telling` is through.
    seen: Arc<View>,
    /// The number of the event after `seen`.
    next: u64,
    telling: Option<Telling>,
}

/// A difference under way.
#[derive(Clone, Debug)]
struct Telling {
    difference: Difference,
    coalesced: bool,
}

/// An event and how it came to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// The change.
    pub event: Event,
    /// Whether the reader fell so far behind that this stands for several events that it missed. The state it leads to
    /// is exact; the way there is not.
    pub coalesced: bool,
    /// Counts the node's events; the same for all items of one difference, which lead to the state after that event.
    pub number: u64,
}

enum Found {
    Event(Arc<Event>, Option<Arc<View>>),
    Behind(Present, u64),
    End,
}

impl Events {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        let (present, next) = hub.position();
        let nothing = Arc::new(View::empty(present.view().id()));
        let difference = Difference::between(Arc::clone(&nothing), present.into_told());
        let telling = Some(Telling { difference, coalesced: false });
        Events { listener: Listener::new(hub), seen: nothing, next, telling }
    }

    /// Waits for the next event; none after the node stopped and all was read. Runs on any executor; dropping the
    /// future loses nothing.
    pub async fn next(&mut self) -> Option<Notice> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next event if there is one now.
    pub fn try_next(&mut self) -> Option<Notice> {
        loop {
            if let Some(notice) = self.tell() {
                return Some(notice);
            }
            let next = self.next;
            let found = self.listener.look(|board| find(board, next))?;
            if let Poll::Ready(notice) = self.take(found) {
                return notice;
            }
        }
    }

    /// Polls for the next event; what [`Events::next`] and the `Stream` of feature `stream` are made of.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        loop {
            if let Some(notice) = self.tell() {
                return Poll::Ready(Some(notice));
            }
            let next = self.next;
            let Poll::Ready(found) = self.listener.poll(cx, |board| find(board, next)) else { return Poll::Pending };
            if let Poll::Ready(notice) = self.take(found) {
                return Poll::Ready(notice);
            }
        }
    }

    /// The next item of a difference under way.
    fn tell(&mut self) -> Option<Notice> {
        let telling = self.telling.as_mut()?;
        if let Some(event) = telling.difference.next() {
            return Some(Notice { event, coalesced: telling.coalesced, number: self.next });
        }
        if let Some(told) = self.telling.take() {
            self.seen = told.difference.into_target();
        }
        None
    }

    /// Pending when the reader was behind and a difference has to be told first.
    fn take(&mut self, found: Found) -> Poll<Option<Notice>> {
        match found {
            Found::End => Poll::Ready(None),
            Found::Behind(present, next) => {
                let difference = Difference::between(Arc::clone(&self.seen), present.into_told());
                self.telling = Some(Telling { difference, coalesced: true });
                self.next = next;
                Poll::Pending
            }
            Found::Event(event, present) => {
                match present {
                    Some(present) => self.seen = present,
                    None => {
                        Arc::make_mut(&mut self.seen).apply(&event);
                    }
                }

                self.next += 1;
                let event = Arc::unwrap_or_clone(event);
                Poll::Ready(Some(Notice { event, coalesced: false, number: self.next }))
            }
        }
    }
}

/// What the board holds for a reader whose next event is this one; nothing if it has to wait.
///
/// With the last event comes the present view, so that a reader which has caught up shares the node's pages and keeps
/// none of its own; unless the view shows of a member that flaps what was not told.
fn find(board: &Board, next: u64) -> Option<Found> {
    if let Some(event) = board.event(next) {
        let is_present = next + 1 == board.next() && board.present().is_told();
        return Some(Found::Event(event, is_present.then(|| Arc::clone(board.view()))));
    }
    if next < board.next() {
        return Some(Found::Behind(board.present().clone(), board.next()));
    }
    board.stopped.map(|_| Found::End)
}

impl Clone for Events {
    fn clone(&self) -> Self {
        let listener = self.listener.another();
        Events { listener, seen: Arc::clone(&self.seen), next: self.next, telling: self.telling.clone() }
    }
}

#[cfg(feature = "stream")]
impl futures_core::Stream for Events {
    type Item = Notice;

    fn poll_next(self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        Events::poll_next(self.get_mut(), cx)
    }
}

#[cfg(test)]
mod tests;
