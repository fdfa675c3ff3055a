//! What the nodes' subscribers received, and what follows from it: views, outcomes, figures, false deaths.
//!
//! Each observer's events are folded into a view of its own, the way an application would; what is measured is measured
//! on these. A node's opinion of itself counts for nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings::event::Event;
use tidings::member::{Accusers, Generation, NodeId, State};
use tidings::runtime::View;

use crate::cluster::Present;
use crate::commands::Number;
use crate::feed::Told;
use crate::leaderships::{ELECTION, Leadership};
use crate::names;
use crate::options::NODES_MAX;
use crate::outcome::{Outcome, given_up, reached};
use crate::silences::Silences;
use crate::watch::{Cause, Goal, Watch, is_verdict};

/// One event as a subscriber received it, beside what that subscriber knew before.
pub struct Seen {
    pub at: Duration,
    pub observer: Number,
    /// The member that it is about, if it is about one.
    pub member: Option<Number>,
    pub event: Event,
    pub coalesced: bool,
    /// How the observer had the member listed.
    pub was: Option<(Generation, State)>,
    /// The accusers of the member.
    pub by: Vec<Number>,
}

/// A summary of everything so far.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// In the words of `outcome::FIGURES`; the latest of each.
    pub times: BTreeMap<&'static str, Duration>,
    /// Verdicts that the referee does not excuse.
    pub false_dead: u64,
    /// Leases that began while another was held.
    pub two_leaders: u64,
    /// Expectations that were met.
    pub met: u64,
    /// What was not as it should have been.
    pub failed: Vec<String>,
}

impl Figures {
    /// Whether everything was as expected.
    pub fn passed(&self) -> bool {
        self.failed.is_empty() && self.false_dead == 0 && self.two_leaders == 0
    }
}

pub struct Observations {
    pub silences: Silences,
    pub figures: Figures,
    views: BTreeMap<Number, (u32, View)>,
    watches: Vec<Watch>,
    numbers: BTreeMap<NodeId, Number>,
}

impl Observations {
    pub fn new(silences: Silences) -> Self {
        let numbers = (1..=NODES_MAX).map(|number| (NodeId::from_name(&names::name(number)), number));
        let numbers = numbers.collect();
        Observations { silences, figures: Figures::default(), views: BTreeMap::new(), watches: Vec::new(), numbers }
    }

    /// A process starts with an empty view; what comes from the node's earlier ones is not listened to.
    pub fn starts(&mut self, node: Number, start: u32) {
        self.views.insert(node, (start, View::empty(NodeId::from_name(&names::name(node)))));
    }

    /// A process is gone: it sees nothing any more, and nothing is expected of it.
    pub fn stops(&mut self, node: Number) {
        self.views.remove(&node);
        self.watches.iter_mut().for_each(|watch| watch.without(node));
    }

    pub fn watch(&mut self, command: String, began: Duration, goal: Goal) {
        let watch = Watch::new(command, began, goal);
        self.watches.push(watch);
    }

    /// A new command makes it pointless to wait for what an earlier one should have done to this node.
    pub fn forget_node(&mut self, node: Number) {
        self.watches.retain(|watch| watch.node() != Some(node));
    }

    /// The same for cutting and healing.
    pub fn forget_cuts(&mut self) {
        self.watches.retain(|watch| !match &watch.goal {
            Goal::Led(succession) => succession.cause != Cause::Cut,
            goal => !matches!(goal, Goal::Cut { .. } | Goal::Healed(_)),
        });
    }

    pub fn thawed(&mut self, node: Number, at: Duration) {
        self.watches.iter_mut().for_each(|watch| watch.thawed(node, at));
    }

    pub fn began(&mut self, at: Duration, leadership: Leadership, beside: Option<Leadership>) {
        self.figures.two_leaders += u64::from(beside.is_some());
        self.watches.iter_mut().for_each(|watch| watch.leads(leadership, at));
    }

    pub fn ended(&mut self, at: Duration, leadership: Leadership) {
        self.watches.iter_mut().for_each(|watch| watch.leads_no_more(leadership, at));
    }

    pub fn departed(&mut self, node: Number, confirmed: Option<(usize, usize)>) {
        self.watches.iter_mut().for_each(|watch| watch.departed(node, confirmed));
    }

    /// Takes in what a subscriber received; nothing comes of it if that process is gone.
    pub fn take(&mut self, told: Told) -> Option<Seen> {
        let Told { at, observer, start, notice } = told;
        let (_, view) = self.views.get_mut(&observer).filter(|(known, _)| *known == start)?;
        let (event, coalesced) = (notice.event, notice.coalesced);
        let member = event.member().and_then(|member| names::number(member.name()));
        let known = event.member().and_then(|member| view.get(member.id()));
        let was = known.map(|known| (known.generation(), known.state()));
        view.apply(&event);
        let by = self.accusers(&event);
        let seen = Seen { at, observer, member, event, coalesced, was, by };
        if let Some(member) = member.filter(|member| is_verdict(&seen.event) && *member != observer) {
            self.figures.false_dead += u64::from(!self.silences.excuses(observer, member, at));
        }
        self.watches.iter_mut().for_each(|watch| watch.take(&seen));
        Some(seen)
    }

    fn accusers(&self, event: &Event) -> Vec<Number> {
        let by = match event {
            Event::Suspect { by, .. } | Event::Dead { by, .. } => *by,
            _ => Accusers::default(),
        };
        by.iter().filter_map(|id| self.numbers.get(&id).copied()).collect()
    }

    /// The outcomes of what is done by now.
    pub fn outcomes(&mut self, present: impl FnOnce() -> Vec<Present>) -> Vec<Outcome> {
        let present = if self.watches.iter().any(Watch::needs_agreement) { present() } else { Vec::new() };
        let (agreed, known) = (!present.is_empty() && self.agreed(&present), self.known_term(&present));
        let (done, open): (Vec<_>, Vec<_>) = self.watches.drain(..).partition(|watch| watch.is_done(agreed, known));
        self.watches = open;
        let outcomes: Vec<_> = done.iter().map(reached).collect();
        outcomes.iter().for_each(|outcome| self.book(outcome));
        outcomes
    }

    /// Ends all waiting; the outcomes of what was not reached.
    pub fn give_up(&mut self, waited: Duration) -> Vec<Outcome> {
        let outcomes: Vec<_> = self.watches.drain(..).map(|watch| given_up(&watch, waited)).collect();
        outcomes.iter().for_each(|outcome| self.book(outcome));
        outcomes
    }

    fn book(&mut self, outcome: &Outcome) {
        self.figures.times.extend(outcome.figures.iter().copied());
        if outcome.met {
            self.figures.met += 1;
        } else {
            self.figures.failed.push(outcome.text.clone());
        }
    }

    pub fn is_waiting(&self) -> bool {
        !self.watches.is_empty()
    }

    /// Whether every node that runs lists exactly those that run, alive and at their present generation.
    fn agreed(&self, present: &[Present]) -> bool {
        present.iter().all(|observer| {
            let Some((_, view)) = self.views.get(&observer.node) else { return false };
            let lists = |member: &Present| {
                let row = view.get(member.id).map(|row| (row.state(), row.generation()));
                row == Some((State::Alive, member.generation))
            };
            view.live().count() == present.len() && present.iter().all(lists)
        })
    }

    /// The highest term such that every node knows its leader, or a later one; 0 if a node knows none.
    fn known_term(&self, present: &[Present]) -> u64 {
        let term = |observer: &Present| {
            let (_, view) = self.views.get(&observer.node)?;
            view.leader(ELECTION).map(|leader| leader.term.0)
        };
        present.iter().map(|observer| term(observer).unwrap_or(0)).min().unwrap_or(0)
    }

    /// How an observer has a member listed.
    pub fn state(&self, observer: Number, member: Number) -> Option<State> {
        let (_, view) = self.views.get(&observer)?;
        view.get(NodeId::from_name(&names::name(member))).map(|row| row.state())
    }
}
