//! Judges a scenario's expectations while its world runs, from what each host told its application.
//!
//! It keeps of each host what an application would: the last thing told of each member. An expectation is broken once
//! at most, with the first host that broke it and how many others did.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidings::{Event, Instant, Protocol};

use crate::app::{host_of, number};
use crate::expect::rates::Counts;
use crate::expect::{Expectation, Flow, Group, Opinion, Whom, Word};
use crate::network::Fate;
use crate::scenario::Scenario;
use crate::violation::Violation;
use crate::watch::{Life, Moment, Watch};

/// The expectations of one scenario, and what its hosts have told so far.
#[derive(Debug)]
pub struct Expect {
    scenario: String,
    pending: Vec<Pending>,
    hosts: Vec<Observer>,
    /// The names of the elections, in the order of the scenario.
    elections: Vec<Arc<str>>,
    /// The soonest moment after which something is to be judged.
    due: Instant,
    violations: Vec<Violation>,
}

/// An expectation and what has come of it.
#[derive(Debug)]
struct Pending {
    /// Its place in the scenario file, from 1.
    number: usize,
    what: Expectation,
    from: Instant,
    end: Instant,
    /// How often each host was told of each member, or of itself.
    told: BTreeMap<(u32, Option<u32>), u32>,
    /// What was sent, for an expectation of rates.
    counts: Counts,
    is_over: bool,
}

/// A host as its application knows the world.
#[derive(Debug, Default)]
struct Observer {
    /// The number that its name has; none before it first started.
    name: Option<u32>,
    is_up: bool,
    is_stopped: bool,
    opinions: Vec<Opinion>,
    /// The host that leads the scenario's first election, as this one was told.
    leader: Option<u32>,
}

/// A host that did not see what was expected, and the member that it was expected of.
#[derive(Clone, Copy, Debug)]
struct Miss {
    observer: Option<u32>,
    about: Option<u32>,
}

impl Expect {
    /// Judges the expectations of this scenario, whose world is about to begin.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let pending = (1..).zip(&scenario.expectations).map(|(number, what)| {
            let (from, end) = what.window();
            Pending {
                number,
                what: what.clone(),
                from: Instant::ORIGIN + from,
                end: end.map_or(Instant::NEVER, |end| Instant::ORIGIN + end),
                told: BTreeMap::new(),
                counts: Counts::default(),
                is_over: false,
            }
        });

        let mut expect = Expect {
            scenario: scenario.name.clone(),
            pending: pending.collect(),
            hosts: Vec::new(),
            elections: scenario.elections.iter().map(|election| election.name.as_str().into()).collect(),
            due: Instant::NEVER,
            violations: Vec::new(),
        };

        expect.reschedule();
        expect
    }

    /// Judges what is still open: the run is over.
    pub fn finish(&mut self, end: Instant) {
        self.judge_those(end, |_| true);
    }

    /// What was broken so far.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Time has come to `now`; what was due before is judged as things stood.
    fn advance(&mut self, now: Instant) {
        if now > self.due {
            self.judge_those(now, |pending| pending.end < now);
            self.reschedule();
        }
    }

    fn reschedule(&mut self) {
        let open = self.pending.iter().filter(|pending| !pending.is_over);
        self.due = open.map(|pending| pending.end).min().unwrap_or(Instant::NEVER);
    }

    fn judge_those(&mut self, now: Instant, is_due: impl Fn(&Pending) -> bool) {
        for place in 0..self.pending.len() {
            let pending = &self.pending[place];
            if pending.is_over || !is_due(pending) {
                continue;
            }
            self.judge_rate(place, now);
            let misses = self.misses(&self.pending[place]);
            if let Some(first) = misses.first() {
                let seen = self.seen(&self.pending[place], *first, misses.len() - 1);
                let hosts = first.observer.into_iter().chain(first.about).collect();
                self.violate(place, now.min(self.pending[place].end), &seen, hosts);
            }
            self.pending[place].is_over = true;
        }
    }

    /// The hosts that did not see what is expected; none if it is met.
    fn misses(&self, pending: &Pending) -> Vec<Miss> {
        let (about, seen_by) = match &pending.what {
            Expectation::Is { about, seen_by, .. } => (about, seen_by),
            Expectation::Told { word, about, seen_by, .. } if word.is_about_a_member() => (about, seen_by),
            Expectation::Told { seen_by, .. } => return self.misses_about(pending, None, seen_by),
            Expectation::Never { .. } | Expectation::Rate { .. } => return Vec::new(),
        };

        let is_one_enough = *about == Whom::Group(Group::Some);
        let mut misses = Vec::new();
        let members = self.members(about);
        for member in &members {
            let missed = self.misses_about(pending, Some(*member), seen_by);
            if missed.is_empty() && is_one_enough {
                return Vec::new();
            }
            misses.extend(missed);
        }

        if members.is_empty() {
            misses.push(Miss { observer: None, about: None });
        }
        misses
    }

    /// The hosts that did not see of a member what is expected of it; none if it is met.
    fn misses_about(&self, pending: &Pending, about: Option<u32>, seen_by: &Whom) -> Vec<Miss> {
        let sees_itself = match &pending.what {
            Expectation::Is { opinion, .. } => opinion.is_of_leading(),
            Expectation::Never { word, .. } | Expectation::Told { word, .. } => word.is_of_leading(),
            Expectation::Rate { .. } => false,
        };
        let may_see = |host: &u32| about.is_none() || sees_itself || self.name(*host) != about;
        let observers: Vec<u32> = self.whom(seen_by).filter(may_see).collect();
        let misses = observers.iter().copied().filter(|host| !self.holds(pending, *host, about));
        let misses: Vec<Miss> = misses.map(|host| Miss { observer: Some(host), about }).collect();
        let is_one_enough = *seen_by == Whom::Group(Group::Some);
        match (observers.len(), misses.len()) {
            (0, _) => vec![Miss { observer: None, about }],
            (all, missed) if is_one_enough && missed < all => Vec::new(),
            _ => misses,
        }
    }

    fn holds(&self, pending: &Pending, observer: u32, about: Option<u32>) -> bool {
        match &pending.what {
            Expectation::Is { opinion, .. } => {
                self.runs(observer)
                    && about.is_some_and(|about| self.opinion_like(*opinion, observer, about) == *opinion)
            }
            Expectation::Told { times, .. } => {
                let told = pending.told.get(&(observer, about)).copied().unwrap_or(0);
                times.map_or(told > 0, |times| told == times)
            }
            Expectation::Never { .. } | Expectation::Rate { .. } => true,
        }
    }

    /// The hosts meant, as observers.
    fn whom<'a>(&'a self, whom: &'a Whom) -> impl Iterator<Item = u32> + 'a {
        let started = (0..).zip(&self.hosts).filter(|(_, host)| host.name.is_some());
        let all: Vec<u32> = match whom {
            Whom::These(these) => these.clone(),
            Whom::Group(Group::All | Group::Some) => started.map(|(number, _)| number).collect(),
            Whom::Group(Group::Running) => started.map(|(n, _)| n).filter(|host| self.runs(*host)).collect(),
            Whom::Group(Group::Down) => started.filter(|(_, host)| !host.is_up).map(|(number, _)| number).collect(),
        };
        all.into_iter()
    }

    /// The members meant, by the number in their name; a twin is the member whose name it has.
    fn members(&self, whom: &Whom) -> Vec<u32> {
        if let Whom::These(these) = whom {
            return these.clone();
        }
        let mut members: Vec<u32> = self.whom(whom).filter_map(|host| self.name(host)).collect();
        members.sort_unstable();
        members.dedup();
        if *whom == Whom::Group(Group::Down) {
            let is_up = |member: u32| self.hosts.iter().any(|host| host.is_up && host.name == Some(member));
            members.retain(|member| !is_up(*member));
        }
        members
    }

    fn name(&self, host: u32) -> Option<u32> {
        self.hosts.get(host as usize).and_then(|host| host.name)
    }

    fn runs(&self, host: u32) -> bool {
        self.hosts.get(host as usize).is_some_and(|host| host.is_up && !host.is_stopped)
    }

    fn opinion(&self, observer: u32, about: u32) -> Opinion {
        let opinions = self.hosts.get(observer as usize).map(|host| &host.opinions);
        opinions.and_then(|opinions| opinions.get(about as usize)).copied().unwrap_or_default()
    }

    /// What a host believes of a member: of its life, or of its leadership if this is an opinion of that.
    fn opinion_like(&self, like: Opinion, observer: u32, about: u32) -> Opinion {
        if like == Opinion::Over && !self.hosts.get(about as usize).is_some_and(|host| host.is_up) {
            return Opinion::Over;
        }
        if !like.is_of_leading() {
            return self.opinion(observer, about);
        }
        let leader = self.hosts.get(observer as usize).and_then(|host| host.leader);
        if leader == Some(about) { Opinion::Leads } else { Opinion::LeadsNot }
    }

    /// What was seen instead, in words.
    fn seen(&self, pending: &Pending, miss: Miss, others: usize) -> String {
        let of = |about: Option<u32>| about.map_or(String::new(), |about| format!(" n{about}"));
        let first = match (&pending.what, miss.observer) {
            (_, None) => {
                format!("nobody was there to see it{}", miss.about.map_or(String::new(), |n| format!(" of n{n}")))
            }
            (Expectation::Is { .. }, Some(observer)) if !self.runs(observer) => format!("host {observer} does not run"),
            (Expectation::Is { opinion, .. }, Some(observer)) => {
                let opinion = miss.about.map_or(Opinion::Unknown, |about| self.opinion_like(*opinion, observer, about));
                format!("host {observer} has{} {}", of(miss.about), opinion.word())
            }
            (_, Some(observer)) => {
                let told = pending.told.get(&(observer, miss.about)).copied().unwrap_or(0);
                let of = miss.about.map_or(String::new(), |about| format!(" of n{about}"));
                format!("host {observer} was told{of} {told} times")
            }
        };
        if others == 0 { first } else { format!("{first}, and {others} more") }
    }

    fn violate(&mut self, place: usize, at: Instant, seen: &str, hosts: Vec<u32>) {
        let pending = &self.pending[place];
        let text = format!("{}, expectation {}: {}, but {seen}", self.scenario, pending.number, pending.what);
        self.violations.push(Violation { check: "expect", at, text, hosts });
    }

    /// The span of an expectation of rates is over.
    fn judge_rate(&mut self, place: usize, now: Instant) {
        let pending = &self.pending[place];
        let Expectation::Rate { about, ceiling, .. } = &pending.what else { return };
        let hosts: Vec<u32> = self.whom(about).collect();
        let (from, end) = (pending.from, pending.end.min(now));
        let seen = match pending.counts.excess(&hosts, from, end, *ceiling) {
            None if hosts.is_empty() => "nobody was there".to_owned(),
            None => return,
            Some(seen) => seen,
        };
        self.violate(place, end, &seen, hosts);
    }

    /// Something that must never be told may just have been.
    fn judge_never(&mut self, now: Instant, host: u32, word: Word, about: Option<u32>, event: &Event) {
        for place in 0..self.pending.len() {
            let pending = &self.pending[place];
            let Expectation::Never { word: never, about: of, seen_by, more_than, .. } = &pending.what else { continue };
            let more_than = *more_than;
            let is_meant = !word.is_about_a_member() || about.is_some_and(|about| self.includes(of, about));
            let is_now = pending.from <= now && now <= pending.end;
            if pending.is_over || *never != word || !is_now || !is_meant || !self.includes(seen_by, host) {
                continue;
            }
            let told = self.pending[place].told.entry((host, about)).or_default();
            *told += 1;
            if *told <= more_than {
                continue;
            }
            let hosts = [Some(host), about].into_iter().flatten().collect();
            self.violate(place, now, &format!("host {host} was told: {event:?}"), hosts);
            self.pending[place].is_over = true;
        }
    }

    fn includes(&self, whom: &Whom, host: u32) -> bool {
        let is_up = self.hosts.get(host as usize).is_some_and(|host| host.is_up);
        match whom {
            Whom::These(these) => these.contains(&host),
            Whom::Group(Group::All | Group::Some) => true,
            Whom::Group(Group::Running) => self.runs(host),
            Whom::Group(Group::Down) => !is_up,
        }
    }

    fn observer(&mut self, host: u32) -> &mut Observer {
        let place = host as usize;
        if self.hosts.len() <= place {
            self.hosts.resize_with(place + 1, Observer::default);
        }
        &mut self.hosts[place]
    }
}

impl Watch for Expect {
    fn sent(&mut self, now: Instant, from: u32, to: Option<u32>, datagram: &[u8], _: &Fate) {
        for pending in &mut self.pending {
            let Expectation::Rate { flow, .. } = &pending.what else { continue };
            let host = if *flow == Flow::Sent { Some(from) } else { to };
            if let Some(host) = host.filter(|_| pending.from <= now && now <= pending.end) {
                pending.counts.count(host, datagram.len());
            }
        }
    }

    fn told(&mut self, moment: Moment, host: u32, _: &Protocol, event: &Event) {
        let now = moment.now;
        self.advance(now);
        let Some(word) = Word::of(event) else { return };
        let about = event.member().and_then(host_of).or_else(|| event.leader().and_then(|leader| number(&leader.name)));
        if word.is_about_a_member() && about.is_none() {
            return;
        }

        for pending in &mut self.pending {
            let is_now = pending.from <= now && now <= pending.end;
            match &pending.what {
                Expectation::Told { word: told, .. } if *told == word && is_now => {
                    *pending.told.entry((host, about)).or_default() += 1;
                }
                _ => {}
            }
        }
        self.judge_never(now, host, word, about, event);

        if event.leader().is_some_and(|leader| self.elections.first() == Some(&leader.election)) {
            self.observer(host).leader = about.filter(|_| word == Word::Leads);
        }
        if let (Some(about), Some(opinion)) = (about, Opinion::after(event)) {
            let opinions = &mut self.observer(host).opinions;
            let place = about as usize;
            if opinions.len() <= place {
                opinions.resize(place + 1, Opinion::Unknown);
            }
            opinions[place] = opinion;
        }
    }

    fn lives(&mut self, now: Instant, host: u32, life: Life, protocol: Option<&Protocol>) {
        self.advance(now);
        let one = self.observer(host);
        match life {
            Life::Started => {
                let name = protocol.and_then(|protocol| host_of(protocol.me()));
                *one = Observer { name, is_up: true, ..Observer::default() };
            }
            Life::Crashed | Life::Left | Life::Superseded => one.is_up = false,
            Life::Stopped => one.is_stopped = true,
            Life::Resumed => one.is_stopped = false,
        }
    }
}
