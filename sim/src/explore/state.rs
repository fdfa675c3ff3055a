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
    resigns: u32,
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

/// Something that can happen; letters by their place among those under way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Choice {
    Arrive(usize),
    ArriveAndStay(usize),
    EndSave(usize),
    RunTimers(usize),
    Resign(usize),
    /// Before what is being saved was saved.
    CrashBefore(usize),
    /// After it was saved, and before that was told.
    CrashAfter(usize),
    /// Time goes on, perhaps with a letter that is late.
    Tick(Option<usize>),
}

/// What happened between two states.
#[derive(Clone, Copy, Debug)]
enum Step {
    Letter(Flight),
    Timers(usize),
    Saved(usize, Ballot),
    Resign(usize),
    Crash(usize, Option<Ballot>),
    Time(Instant),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Letter(flight) => write!(f, "{} to {}: {:?}", flight.from, flight.to, flight.letter),
            Step::Timers(voter) => write!(f, "voter {voter} runs its timers"),
            Step::Resign(voter) => write!(f, "voter {voter} resigns"),
            Step::Saved(voter, ballot) => write!(f, "voter {voter} has saved {ballot:?}"),
            Step::Crash(voter, disk) => write!(f, "voter {voter} crashes and starts with {disk:?}"),
            Step::Time(now) => write!(f, "time goes on to {now}"),
        }
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.now, self.steps, &self.voters, &self.disks, &self.saves).hash(hasher);
        (&self.flights, &self.history, self.crashes, self.resigns, self.doubles, self.stalls, self.late).hash(hasher);
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
            resigns: bounds.resigns,
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
    pub(super) fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        for (place, flight) in self.flights.iter().enumerate() {
            // Equal letters are one choice.
            if place == 0 || self.flights[place - 1] != *flight {
                choices.push(Choice::Arrive(place));
                if self.doubles > 0 {
                    choices.push(Choice::ArriveAndStay(place));
                }
            }
        }
        for voter in 0..self.voters.len() {
            if self.saves[voter].is_some() {
                choices.push(Choice::EndSave(voter));
            }
            if self.is_due(voter) {
                choices.push(Choice::RunTimers(voter));
            }
            if self.resigns > 0 && self.voters[voter].lease(self.now).is_some() {
                choices.push(Choice::Resign(voter));
            }
            if self.crashes > 0 {
                choices.push(Choice::CrashBefore(voter));
                if self.saves[voter].is_some() {
                    choices.push(Choice::CrashAfter(voter));
                }
            }
        }
        if self.late > 0 {
            choices.extend((0..self.flights.len()).map(|place| Choice::Tick(Some(place))));
        }
        if self.stalled() <= self.stalls {
            choices.push(Choice::Tick(None));
        }
        choices
    }

    /// What a choice leads to.
    pub(super) fn after(&self, choice: Choice, bounds: &Bounds) -> State {
        let mut next = self.clone();
        match choice {
            Choice::Arrive(place) => {
                let flight = next.flights.remove(place);
                next.deliver(flight);
            }
            Choice::ArriveAndStay(place) => {
                next.doubles -= 1;
                next.deliver(self.flights[place]);
            }
            Choice::EndSave(voter) => next.end_save(voter),
            Choice::RunTimers(voter) => next.call(Step::Timers(voter), voter, |voter, now| voter.handle_timeout(now)),
            Choice::Resign(voter) => {
                next.resigns -= 1;
                next.call(Step::Resign(voter), voter, |voter, now| {
                    voter.resign(now, None);
                });
            }
            Choice::CrashBefore(voter) => next.crash(voter, self.disks[voter], bounds),
            Choice::CrashAfter(voter) => next.crash(voter, self.saves[voter].map(|save| save.ballot), bounds),
            Choice::Tick(kept) => next.tick(kept, bounds),
        }
        next
    }

    fn deliver(&mut self, flight: Flight) {
        let from = self.voters[flight.from].me();
        self.call(Step::Letter(flight), flight.to, |voter, now| {
            let _ = voter.handle_letter(now, from, flight.letter);
        });
    }

    fn end_save(&mut self, voter: usize) {
        let Some(save) = self.saves[voter].take() else { return };
        self.disks[voter] = Some(save.ballot);
        self.call(Step::Saved(voter, save.ballot), voter, |voter, now| {
            voter.handle_saved(now, save.number, SaveOutcome::Done);
        });
    }

    /// A voter crashes and starts again; what it was saving may have reached the disk or not.
    fn crash(&mut self, voter: usize, disk: Option<Ballot>, bounds: &Bounds) {
        let disk = disk.filter(|_| bounds.disks == Disks::Kept);
        let (rules, id) = (self.voters[voter].rules().clone(), self.voters[voter].me());
        // Letters are for one start of a voter.
        self.flights.retain(|flight| flight.to != voter);
        self.crashes -= 1;
        self.campaigns_past += self.voters[voter].counts().campaigns;
        (self.disks[voter], self.saves[voter]) = (disk, None);
        self.voters[voter] = start(&rules, id, self.now, disk);
        self.call(Step::Crash(voter, disk), voter, |_, _| {});
    }

    /// Time goes on. Letters that have not arrived are lost, but for one that is late; a voter whose timers are due and
    /// have not run was stopped.
    fn tick(&mut self, kept: Option<usize>, bounds: &Bounds) {
        self.stalls = self.stalls.saturating_sub(self.stalled());
        self.late -= u32::from(kept.is_some());
        self.flights = kept.map(|place| self.flights[place]).into_iter().collect();
        self.steps += 1;
        self.now += bounds.step;
        self.note(Step::Time(self.now));
        self.judge();
    }

    /// Voters whose timers are due.
    fn stalled(&self) -> u32 {
        (0..self.voters.len()).filter(|voter| self.is_due(*voter)).count() as u32
    }

    fn is_due(&self, voter: usize) -> bool {
        self.voters[voter].poll_timeout().is_some_and(|due| due <= self.now)
    }

    /// A call to a voter, with what comes of it.
    fn call(&mut self, step: Step, voter: usize, call: impl FnOnce(&mut Election, Instant)) {
        self.note(step);
        call(&mut self.voters[voter], self.now);
        self.drain(voter);
        self.judge();
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

fn start(rules: &Rules, id: NodeId, now: Instant, ballot: Option<Ballot>) -> Election {
    let mut election = Election::new(rules.clone(), id, 1, now);
    for (other, _) in rules.voters() {
        election.hint(now, *other, Liveness::Alive);
    }
    election.stand(now, Standing { ballot, is_durable: true, unix_ms: BEGAN_MS });
    election
}
