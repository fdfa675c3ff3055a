//! One state of an explored election, and everything that can happen in it next.

use std::fmt;
use std::hash::{Hash, Hasher};

use tidings::election::{Ballot, Election, Letter, Liveness, Question, Rules, Save, SaveOutcome, Standing};
use tidings::{Instant, NodeId, Term};

use super::promises::{Broken, History};
use super::{Bounds, Disks};

/// What every voter's wall clock says, and goes on saying: a voter that forgot its votes is not helped by it.
const BEGAN_MS: u64 = 1;

/// A letter on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Flight {
    to: usize,
    from: usize,
    letter: Letter,
}

/// One state: the voters, their disks, the letters under way, and what is left to go wrong.
#[derive(Clone, Debug)]
pub(super) struct State {
    now: Instant,
    steps: u32,
    voters: Vec<Election>,
    disks: Vec<Option<Ballot>>,
    saves: Vec<Option<Save>>,
    /// Sorted, so that the order in which they were sent makes no other state.
    flights: Vec<Flight>,
    history: History,
    crashes: u32,
    doubles: u32,
    stalls: u32,
    late: u32,
    /// Pre-votes begun by processes that are gone.
    campaigns_past: u64,
    broken: Option<(&'static str, String)>,
    /// How it came to this; no part of the state.
    path: Option<std::rc::Rc<Path>>,
}

/// The steps that led to a state, last first.
#[derive(Debug)]
struct Path {
    step: Step,
    before: Option<std::rc::Rc<Path>>,
}

/// What happened between two states.
#[derive(Clone, Copy, Debug)]
enum Step {
    Letter(Flight),
    Timers(usize),
    Saved(usize, Ballot),
    Crash(usize, Option<Ballot>),
    Time(Instant),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Letter(flight) => write!(f, "{} to {}: {:?}", flight.from, flight.to, flight.letter),
            Step::Timers(voter) => write!(f, "voter {voter} runs its timers"),
            Step::Saved(voter, ballot) => write!(f, "voter {voter} has saved {ballot:?}"),
            Step::Crash(voter, disk) => write!(f, "voter {voter} crashes and starts with {disk:?}"),
            Step::Time(now) => write!(f, "time goes on to {now}"),
        }
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.now, self.steps, &self.voters, &self.disks, &self.saves).hash(hasher);
        (&self.flights, &self.history, self.crashes, self.doubles, self.stalls, self.late).hash(hasher);
        self.campaigns().hash(hasher);
    }
}

impl State {
    /// All voters have started and may vote as of now.
    pub(super) fn begin(rules: &Rules, bounds: &Bounds) -> Self {
        let count = rules.voters().len();
        let held = Ballot { term: Term(1), vote: None, promise: rules.promise() };
        let voters = rules.voters().iter().map(|(id, _)| start(rules, *id, Instant::ORIGIN, Some(held)));
        let mut state = State {
            now: Instant::ORIGIN,
            steps: 0,
            voters: voters.collect(),
            disks: vec![Some(held); count],
            saves: vec![None; count],
            flights: Vec::new(),
            history: History::default(),
            crashes: bounds.crashes,
            doubles: bounds.doubles,
            stalls: bounds.stalls,
            late: bounds.late,
            campaigns_past: 0,
            broken: None,
            path: None,
        };
        state.now += rules.promise();
        state
    }

    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    pub(super) fn is_led(&self) -> bool {
        self.voters.iter().any(|voter| voter.lease(self.now).is_some())
    }

    /// How often somebody stood for office.
    pub(super) fn campaigns(&self) -> u64 {
        self.campaigns_past + self.voters.iter().map(|voter| voter.counts().campaigns).sum::<u64>()
    }

    pub(super) fn terms_led(&self) -> usize {
        self.history.terms_led()
    }

    pub(super) fn broken(&self) -> Option<Broken> {
        let (check, text) = self.broken.clone()?;
        let mut steps = Vec::new();
        let mut path = self.path.as_ref();
        while let Some(here) = path {
            steps.push(here.step.to_string());
            path = here.before.as_ref();
        }
        steps.reverse();
        Some(Broken { check, text, steps })
    }

    /// Everything that can happen next.
    pub(super) fn successors(&self, bounds: &Bounds) -> Vec<State> {
        let mut next = Vec::new();
        for place in 0..self.flights.len() {
            // Equal letters are one choice.
            if place > 0 && self.flights[place] == self.flights[place - 1] {
                continue;
            }
            next.push(self.deliver(place, Copies::Last));
            if self.doubles > 0 {
                next.push(self.deliver(place, Copies::More));
            }
        }
        for voter in 0..self.voters.len() {
            if self.saves[voter].is_some() {
                next.push(self.end_save(voter));
            }
            if self.voters[voter].poll_timeout().is_some_and(|due| due <= self.now) {
                next.push(self.after(Step::Timers(voter), voter, |voter, now| {
                    voter.handle_timeout(now);
                }));
            }
            if self.crashes > 0 {
                self.crash(voter, bounds, &mut next);
            }
        }
        self.tick(bounds, &mut next);
        next
    }

    fn deliver(&self, place: usize, copies: Copies) -> State {
        let flight = self.flights[place];
        let mut before = self.clone();
        match copies {
            Copies::Last => drop(before.flights.remove(place)),
            Copies::More => before.doubles -= 1,
        }
        let from = self.voters[flight.from].me();
        before.after(Step::Letter(flight), flight.to, |voter, now| {
            let _ = voter.handle_letter(now, from, flight.letter);
        })
    }

    fn end_save(&self, voter: usize) -> State {
        let mut before = self.clone();
        let Some(save) = before.saves[voter].take() else { return before };
        before.disks[voter] = Some(save.ballot);
        before.after(Step::Saved(voter, save.ballot), voter, |voter, now| {
            voter.handle_saved(now, save.number, SaveOutcome::Done);
        })
    }

    /// A voter crashes and starts again; what it was saving may have reached the disk or not.
    fn crash(&self, voter: usize, bounds: &Bounds, next: &mut Vec<State>) {
        let saved = [Some(self.disks[voter]), self.saves[voter].map(|save| Some(save.ballot))];
        for disk in saved.into_iter().flatten() {
            let mut state = self.clone();
            let disk = if bounds.disks == Disks::Forgotten { None } else { disk };
            let (rules, id) = (state.voters[voter].rules().clone(), state.voters[voter].me());
            // Letters are for one start of a voter, and so are those it sent before.
            state.flights.retain(|flight| flight.to != voter);
            state.crashes -= 1;
            state.campaigns_past += state.voters[voter].counts().campaigns;
            (state.disks[voter], state.saves[voter]) = (disk, None);
            state.voters[voter] = start(&rules, id, state.now, disk);
            next.push(state.after(Step::Crash(voter, disk), voter, |_, _| {}));
        }
    }

    /// Time goes on. Letters that have not arrived are lost, but for one at a time that is late, so many times; and a
    /// voter whose timers are due and have not run was stopped, which is allowed so many times.
    fn tick(&self, bounds: &Bounds, next: &mut Vec<State>) {
        let is_due = |voter: &&Election| voter.poll_timeout().is_some_and(|due| due <= self.now);
        let stalled = self.voters.iter().filter(is_due).count() as u32;
        let Some(stalls) = self.stalls.checked_sub(stalled) else { return };
        let late = self.flights.iter().filter(|_| self.late > 0).map(Some);
        for kept in late.chain([None]) {
            let mut state = self.clone();
            state.flights = kept.copied().into_iter().collect();
            state.late -= u32::from(kept.is_some());
            state.stalls = stalls;
            state.steps += 1;
            state.now += bounds.step;
            let now = state.now;
            state.note(Step::Time(now));
            state.judge();
            next.push(state);
        }
    }

    /// The state after a call to a voter, with what came of it.
    fn after(&self, step: Step, voter: usize, call: impl FnOnce(&mut Election, Instant)) -> State {
        let mut next = self.clone();
        next.note(step);
        call(&mut next.voters[voter], self.now);
        next.drain(voter);
        next.judge();
        next
    }

    fn drain(&mut self, voter: usize) {
        while let Some((to, letter)) = self.voters[voter].poll_letter() {
            let Some(to) = self.voters[voter].rules().place_of(to) else { continue };
            self.weigh(voter, to, letter);
            self.flights.push(Flight { to, from: voter, letter });
        }
        self.flights.sort_unstable();
        if let Some(save) = self.voters[voter].poll_save() {
            self.saves[voter] = Some(save);
        }
        while self.voters[voter].poll_change().is_some() {}
    }

    /// What a letter says, held against what was said before.
    fn weigh(&mut self, from: usize, to: usize, letter: Letter) {
        let said = match letter {
            Letter::Heartbeat { term, .. } => self.history.leads(from, term),
            Letter::Granted { asked: Question::Vote, term, .. } => self.history.votes(from, term, to),
            Letter::Vote { term, .. } => self.history.votes(from, term, from),
            _ => Ok(()),
        };
        self.broken = self.broken.take().or(said.err());
    }

    fn judge(&mut self) {
        let acting = (0..).zip(&self.voters).filter_map(|(place, voter)| Some((place, voter.lease(self.now)?.term)));
        let acting: Vec<(usize, Term)> = acting.collect();
        let said = self.history.act(&acting);
        self.broken = self.broken.take().or(said.err());
    }

    fn note(&mut self, step: Step) {
        let before = self.path.take();
        self.path = Some(std::rc::Rc::new(Path { step, before }));
    }
}

/// Whether a letter that arrives may arrive again.
#[derive(Clone, Copy)]
enum Copies {
    Last,
    More,
}

fn start(rules: &Rules, id: NodeId, now: Instant, ballot: Option<Ballot>) -> Election {
    let mut election = Election::new(rules.clone(), id, 1, now);
    for (other, _) in rules.voters() {
        election.hint(now, *other, Liveness::Alive);
    }
    election.stand(now, Standing { ballot, is_durable: true, unix_ms: BEGAN_MS });
    election
}
