//! What happened between two views, told as the fewest events that lead from the one to the other.
//!
//! A subscriber that read too slowly gets this instead of the events it missed, and a new one gets the difference from
//! nothing. It is made one member at a time while it is read, so that catching up with 10,000 members buffers three
//! events. Two rules keep it honest: a member that restarted meanwhile died first, and a dead member is never told as
//! up.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::{DeadReason, Event};
use crate::member::{Accusers, Member, State};
use crate::runtime::judgement::Judgement;
use crate::runtime::pages::{Pages, Row};
use crate::runtime::view::{View, in_state};

/// The events still to be told between two views.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    from: Arc<View>,
    to: Arc<View>,
    from_at: Place,
    to_at: Place,
    ready: VecDeque<Event>,
    members_done: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    page: usize,
    row: usize,
}

impl Difference {
    pub(crate) fn between(from: Arc<View>, to: Arc<View>) -> Self {
        let ready = VecDeque::with_capacity(4);
        Difference { from, to, from_at: Place::default(), to_at: Place::default(), ready, members_done: false }
    }

    /// The view that the last event leads to.
    pub(crate) fn into_target(self) -> Arc<View> {
        self.to
    }

    fn step(&mut self) {
        let (from, to) = (self.from.rows(), self.to.rows());
        self.from_at.settle(from);
        self.to_at.settle(to);
        if shared_page(from, self.from_at, to, self.to_at) {
            self.from_at.page += 1;
            self.to_at.page += 1;
            return;
        }

        let (old, new) = (self.from_at.row(from), self.to_at.row(to));
        let order = match (old, new) {
            (None, None) => {
                self.members_done = true;
                tell_condition(&self.from, &self.to, &mut self.ready);
                return;
            }
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.id().cmp(&new.id()),
        };

        let old = old.filter(|_| order.is_le());
        let new = new.filter(|_| order.is_ge());
        tell_member(old, new, self.to.id(), &mut self.ready);
        self.from_at.row += usize::from(old.is_some());
        self.to_at.row += usize::from(new.is_some());
    }
}

impl Iterator for Difference {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.members_done {
                return None;
            }
            self.step();
        }
    }
}

impl Place {
    /// Moves to the next page at the end of one.
    fn settle(&mut self, pages: &Pages) {
        if pages.page(self.page).is_some_and(|page| self.row >= page.len()) {
            *self = Place { page: self.page + 1, row: 0 };
        }
    }

    fn row(self, pages: &Pages) -> Option<&Row> {
        pages.page(self.page)?.get(self.row)
    }
}

/// Whether both stand at the beginning of one and the same page, which then holds no difference.
fn shared_page(from: &Pages, from_at: Place, to: &Pages, to_at: Place) -> bool {
    let both = (from.page(from_at.page), to.page(to_at.page));
    from_at.row == 0 && to_at.row == 0 && matches!(both, (Some(old), Some(new)) if Arc::ptr_eq(old, new))
}

/// Leaders, isolation and succession are states too, and come last.
fn tell_condition(from: &View, to: &View, out: &mut VecDeque<Event>) {
    out.extend(from.known_leaders().until(to.known_leaders()));
    if from.isolation() != to.isolation() {
        out.push_back(match to.isolation() {
            Some((reachable, known)) => Event::Isolated { reachable, known },
            None => Event::Reconnected,
        });
    }
    if let Some(by) = to.superseded_by().filter(|_| from.superseded_by() != to.superseded_by()) {
        out.push_back(Event::Superseded { by });
    }
}

fn tell_member(old: Option<&Row>, new: Option<&Row>, me: crate::member::NodeId, out: &mut VecDeque<Event>) {
    match (old, new) {
        (None, None) => {}
        (Some(old), None) => out.push_back(Event::Left(in_state(&old.member, State::Left))),
        (None, Some(new)) => arrives(new, out),
        (Some(old), Some(new)) if old == new => {}
        (Some(old), Some(new)) => {
            let restarted = old.member.generation() != new.member.generation() && new.id() != me;
            if restarted {
                restarts(&old.member, new, out);
            } else if old.member.state().is_live() && new.member.state().is_live() {
                lives_on(old, new, out);
            } else {
                arrives(new, out);
            }
        }
    }
}

/// The other process has to be seen to go before its successor comes.
fn restarts(old: &Member, new: &Row, out: &mut VecDeque<Event>) {
    if old.state().is_live() {
        let member = in_state(old, State::Dead);
        out.push_back(Event::Dead {
            member,
            by: Accusers::default(),
            reason: DeadReason::Restarted,
            provisional: false,
        });
    }
    arrives(new, out);
}

/// Tells of a member that was not there, or was dead: a dead one is never called up.
fn arrives(new: &Row, out: &mut VecDeque<Event>) {
    if new.member.state().is_live() {
        out.push_back(Event::Up(in_state(&new.member, State::Alive)));
    }
    judged(new, out);
}

/// Tells of a member that was Alive or Suspect all along.
fn lives_on(old: &Row, new: &Row, out: &mut VecDeque<Event>) {
    let suspected = |row: &Row| row.member.state() == State::Suspect;
    let same_words = old.member.address() == new.member.address() && old.member.metadata() == new.member.metadata();
    match (suspected(old), suspected(new)) {
        (true, false) => {
            out.push_back(Event::Refuted(new.member.clone()));
            if !same_words {
                out.push_back(Event::Updated(new.member.clone()));
            }
        }
        (false, false) => out.push_back(Event::Updated(new.member.clone())),
        (_, true) => {
            if !same_words {
                out.push_back(Event::Updated(in_state(&new.member, old.member.state())));
            }
            judged(new, out);
        }
    }
}

fn judged(row: &Row, out: &mut VecDeque<Event>) {
    let member = row.member.clone();
    match row.judgement.as_deref() {
        Some(&Judgement::Suspect { by, reason, dead_after, dead_by }) => {
            out.push_back(Event::Suspect { member, by, reason, dead_after, dead_by });
        }
        Some(&Judgement::Dead { by, reason, provisional }) => {
            out.push_back(Event::Dead { member, by, reason, provisional });
        }
        None => {}
    }
}
