//! What each command should make the other nodes see.
//!
//! A watch is fed every event that the other nodes' subscribers receive, and knows when all of them have seen what they
//! should. The interpreter starts one with each command; the tour waits for it, and the prompt tells when it is done.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidings::event::{DeadReason, Event};
use tidings::member::Generation;

use crate::commands::Number;
use crate::leaderships::Leadership;
use crate::names::name;
use crate::observations::Seen;

/// Observer and member.
pub type Pair = (Number, Number);

pub struct Watch {
    pub command: String,
    pub began: Duration,
    pub goal: Goal,
    /// The first suspicion, counted from the command.
    pub suspect: Option<Duration>,
    /// The first verdict, counted from the command.
    pub dead: Option<Duration>,
    /// The last event that counted, from the start of the demo.
    pub last: Duration,
    /// Events that should not have been.
    pub wrong: Vec<String>,
}

pub enum Goal {
    /// Every node lists those that run, and no others, as alive.
    Formed,
    /// The same, after a partition; how often which process of a member came up at each observer.
    Healed(BTreeMap<(Pair, Generation), u32>),
    /// These observers call it dead.
    Killed { node: Number, pending: BTreeSet<Number> },
    /// The first of each pair calls the second dead.
    Cut { pending: BTreeSet<Pair> },
    /// The others see the new process, and it sees them.
    Arrived { node: Number, generation: Generation, restarted: bool, pending: BTreeSet<Pair> },
    /// It is suspected if the freeze is long enough, and dead only if it is as long as P; afterwards all see it alive.
    Frozen { node: Number, limits: Limits, thawed: Option<Duration> },
    /// These hear that it left; it stops, and says how many of how many confirmed it.
    Left { node: Number, pending: BTreeSet<Number>, stopped: Option<Option<(usize, usize)>> },
    /// Another node than before may act as leader.
    Led(Succession),
}

/// Why another leader is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Start,
    Kill,
    Cut,
}

/// The change from one leader to the next, by their leases.
#[derive(Clone, Copy, Debug)]
pub struct Succession {
    pub cause: Cause,
    pub before: Option<Leadership>,
    /// When the lease of the one before was over.
    pub ended: Option<Duration>,
    /// The next, and when it began.
    pub next: Option<(Leadership, Duration)>,
}

impl Succession {
    pub fn of(cause: Cause, before: Option<Leadership>) -> Self {
        Succession { cause, before, ended: None, next: None }
    }
}

/// What a freeze of some length may bring about.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub suspect_expected: bool,
    pub dead_allowed: bool,
}

impl Watch {
    pub fn new(command: String, began: Duration, goal: Goal) -> Self {
        Watch { command, began, goal, suspect: None, dead: None, last: began, wrong: Vec::new() }
    }

    /// The node it is about, if it is about one.
    pub fn node(&self) -> Option<Number> {
        match &self.goal {
            Goal::Formed | Goal::Healed(_) | Goal::Cut { .. } | Goal::Led(_) => None,
            Goal::Killed { node, .. } | Goal::Arrived { node, .. } => Some(*node),
            Goal::Frozen { node, .. } | Goal::Left { node, .. } => Some(*node),
        }
    }

    /// A node stops: nothing more is expected of it.
    pub fn without(&mut self, gone: Number) {
        match &mut self.goal {
            Goal::Cut { pending } | Goal::Arrived { pending, .. } => {
                pending.retain(|(observer, member)| *observer != gone && *member != gone);
            }
            Goal::Killed { pending, .. } | Goal::Left { pending, .. } => {
                pending.remove(&gone);
            }
            Goal::Formed | Goal::Healed(_) | Goal::Frozen { .. } | Goal::Led(_) => {}
        }
    }

    pub fn thawed(&mut self, node: Number, at: Duration) {
        match &mut self.goal {
            Goal::Frozen { node: frozen, thawed, .. } if *frozen == node => {
                *thawed = Some(at);
                self.last = self.last.max(at);
            }
            _ => {}
        }
    }

    pub fn leads(&mut self, leadership: Leadership, at: Duration) {
        let Goal::Led(Succession { before, next, .. }) = &mut self.goal else { return };
        if next.is_none() && before.is_none_or(|before| before.term < leadership.term) {
            *next = Some((leadership, at));
            self.last = self.last.max(at);
        }
    }

    pub fn leads_no_more(&mut self, leadership: Leadership, at: Duration) {
        match &mut self.goal {
            Goal::Led(Succession { before, ended, .. }) if *before == Some(leadership) => *ended = Some(at),
            _ => {}
        }
    }

    pub fn departed(&mut self, node: Number, confirmed: Option<(usize, usize)>) {
        match &mut self.goal {
            Goal::Left { node: leaver, stopped, .. } if *leaver == node => *stopped = Some(confirmed),
            _ => {}
        }
    }

    /// Takes in one event that another node's subscriber received.
    pub fn take(&mut self, seen: &Seen) {
        let Some(member) = seen.member.filter(|member| *member != seen.observer) else { return };
        if !self.is_about(seen.observer, member) {
            return;
        }
        let after = seen.at.saturating_sub(self.began);
        match &seen.event {
            Event::Suspect { .. } => drop(self.suspect.get_or_insert(after)),
            event if is_verdict(event) => drop(self.dead.get_or_insert(after)),
            _ => {}
        }
        if self.advance(seen, member) {
            self.last = self.last.max(seen.at);
        }
    }

    fn is_about(&self, observer: Number, member: Number) -> bool {
        match &self.goal {
            Goal::Cut { pending } | Goal::Arrived { pending, .. } => pending.contains(&(observer, member)),
            _ => self.node().is_none_or(|node| node == member),
        }
    }

    /// Whether the event was one of those that are waited for.
    fn advance(&mut self, seen: &Seen, member: Number) -> bool {
        let (observer, verdict) = (seen.observer, is_verdict(&seen.event));
        match (&mut self.goal, &seen.event) {
            (Goal::Formed, _) => true,
            (Goal::Healed(ups), Event::Up(up)) => {
                let ups = ups.entry(((observer, member), up.generation())).or_default();
                *ups += 1;
                if *ups == 2 {
                    self.wrong.push(format!("{} saw {} come up twice", name(observer), name(member)));
                }
                true
            }
            (Goal::Healed(_), _) => true,
            (Goal::Killed { pending, .. }, _) => verdict && pending.remove(&observer),
            (Goal::Cut { pending }, _) => verdict && pending.remove(&(observer, member)),
            (Goal::Arrived { node, pending, .. }, Event::Up(_)) if *node == observer => {
                // What it learns is waited for, but is not what is measured.
                pending.remove(&(observer, member));
                false
            }
            (Goal::Arrived { generation, pending, .. }, Event::Up(up)) if up.generation() >= *generation => {
                pending.remove(&(observer, member))
            }
            (Goal::Arrived { .. } | Goal::Led(_), _) => false,
            (Goal::Left { pending, .. }, Event::Left(_)) => pending.remove(&observer),
            (Goal::Frozen { limits: Limits { dead_allowed: true, .. }, .. }, _) => true,
            (Goal::Left { .. } | Goal::Frozen { .. }, _) => {
                if verdict {
                    self.wrong.push(format!("{} called it dead", name(observer)));
                }
                matches!(self.goal, Goal::Frozen { .. })
            }
        }
    }

    /// Whether it waits until every node sees all others.
    pub fn needs_agreement(&self) -> bool {
        match &self.goal {
            Goal::Formed | Goal::Healed(_) => true,
            Goal::Frozen { thawed, .. } => thawed.is_some(),
            Goal::Led(Succession { cause, next, .. }) => *cause == Cause::Start && next.is_some(),
            _ => false,
        }
    }

    /// Whether all have seen what they should; `agreed` says whether every node sees all others, and `known` which
    /// leader's term all know.
    pub fn is_done(&self, agreed: bool, known: u64) -> bool {
        match &self.goal {
            Goal::Formed | Goal::Healed(_) => agreed,
            Goal::Killed { pending, .. } => pending.is_empty(),
            Goal::Cut { pending } | Goal::Arrived { pending, .. } => pending.is_empty(),
            Goal::Frozen { thawed, .. } => thawed.is_some() && agreed,
            Goal::Led(Succession { cause, ended, next, .. }) => match cause {
                Cause::Start => next.is_some_and(|(leadership, _)| leadership.term <= known),
                Cause::Kill => next.is_some(),
                Cause::Cut => next.is_some() && ended.is_some(),
            },
            Goal::Left { pending, stopped, .. } => pending.is_empty() && stopped.is_some(),
        }
    }
}

/// A node's own verdict, not the end of a process that a later start replaced.
pub fn is_verdict(event: &Event) -> bool {
    matches!(event, Event::Dead { reason, .. } if *reason != DeadReason::Restarted)
}
