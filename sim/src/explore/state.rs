//! One state of an explored election, and everything that can happen in it next.

use std::fmt;
use std::hash::{Hash, Hasher};

use tidings::election::{Ballot, Election, Rules, Save, SaveOutcome, VoterState};
use tidings::explore::{Change, Context, Liveness, Message, Question};
use tidings::leader::{LossReason, Trigger};
use tidings::{Instant, NodeId, Term};

use super::promises::{Broken, History};
use super::{Begins, Bounds, Disks};

/// What every voter's wall clock says at the beginning. It stands still, so that a voter that forgot its votes is not
/// helped by it, but where nothing is kept.
const BEGAN_MS: u64 = 1;

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Flight {
    to: usize,
    from: usize,
    context: Context,
    message: Message,
}

impl Flight {
    fn link(&self) -> (usize, usize) {
        (self.to, self.from)
    }

    fn is_of(&self, voter: usize) -> bool {
        self.to == voter || self.from == voter
    }
}

/// One state: the voters, their disks, the messages under way, and what is left to go wrong.
#[derive(Clone, Debug)]
pub(super) struct State {
    now: Instant,
    steps: u32,
    /// The voters of the beginning, in the order of their ids, and then those that may come.
    voters: Vec<Election>,
    disks: Vec<Option<Ballot>>,
    saves: Vec<Option<Save>>,
    /// Sorted, so that the order in which they were sent makes no other state: by link alone, where they keep that
    /// order.
    flights: Vec<Flight>,
    is_ordered: bool,
    history: History,
    /// Whether each voter's process runs.
    runs: Vec<bool>,
    /// The voter that is cut off from the others.
    cut: Option<usize>,
    crashes: u32,
    cuts: u32,
    losses: u32,
    resigns: u32,
    doubles: u32,
    stalls: u32,
    late: u32,
    changes: u32,
    idles: u32,
    /// Since when each voter has no work for a leader, and in which term it led then.
    idle: Vec<Option<(Instant, Option<Term>)>>,
    /// Pre-votes begun by processes that are gone, less those before the search.
    campaigns_past: u64,
    /// Pre-votes begun before the search.
    campaigns_before: u64,
    broken: Option<(&'static str, String)>,
    /// Whether a lease ran out with the last step; no part of the state.
    ran_out: bool,
    /// How it came to this; no part of the state.
    path: Option<std::rc::Rc<Path>>,
}

/// The steps that led to a state, last first.
#[derive(Debug)]
struct Path {
    step: Step,
    before: Option<std::rc::Rc<Path>>,
}

/// Something that can happen; messages by their place among those under way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Choice {
    Arrive(usize),
    ArriveAndStay(usize),
    EndSave(usize),
    RunTimers(usize),
    Resign(usize),
    /// The leader is asked for other voters.
    Ask(usize),
    /// The work at a voter ends, or begins again.
    Idle(usize),
    Work(usize),
    /// Before what is being saved was saved.
    CrashBefore(usize),
    /// After it was saved, and before that was told.
    CrashAfter(usize),
    Start(usize),
    /// Time goes on, perhaps with a message that is late.
    Tick(Option<usize>),
    /// Time goes on, with this voter cut off or with all together again.
    TickCut(Option<usize>),
}

/// What happened between two states.
#[derive(Clone, Debug)]
enum Step {
    Message(Flight),
    Timers(usize),
    Saved(usize, Ballot),
    Resign(usize),
    Ask(usize),
    Idle(usize),
    Work(usize),
    Crash(usize, Option<Ballot>),
    Start(usize),
    Time(Instant, Option<usize>),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Message(flight) => write!(f, "{} to {}: {:?}", flight.from, flight.to, flight.message),
            Step::Timers(voter) => write!(f, "voter {voter} runs its timers"),
            Step::Resign(voter) => write!(f, "voter {voter} resigns"),
            Step::Ask(voter) => write!(f, "voter {voter} is asked for other voters"),
            Step::Idle(voter) => write!(f, "nobody works at voter {voter} any more"),
            Step::Work(voter) => write!(f, "somebody works at voter {voter} again"),
            Step::Saved(voter, ballot) => write!(f, "voter {voter} has saved {ballot:?}"),
            Step::Crash(voter, disk) => write!(f, "voter {voter} crashes and leaves {disk:?}"),
            Step::Start(voter) => write!(f, "voter {voter} starts"),
            Step::Time(now, None) => write!(f, "time goes on to {now}"),
            Step::Time(now, Some(voter)) => write!(f, "time goes on to {now}, with voter {voter} cut off"),
        }
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.now, self.steps, &self.voters, &self.disks, &self.saves).hash(hasher);
        (&self.flights, &self.history, &self.runs, self.cut, self.campaigns()).hash(hasher);
        (self.crashes, self.cuts, self.losses, self.resigns, self.doubles, self.stalls, self.late).hash(hasher);
        (self.changes, self.idles, &self.idle).hash(hasher);
    }
}

impl State {
    /// All voters have started and may vote as of now; then, if wanted, one of them is elected.
    pub(super) fn begin(rules: &Rules, bounds: &Bounds) -> Self {
        let mut state = State::unled(rules, bounds);
        if bounds.begins == Begins::Led {
            state.elect();
        }
        state
    }

    /// The first in rank stands and is elected, with nothing in its way, and all follow.
    fn elect(&mut self) {
        loop {
            if !self.flights.is_empty() {
                let flight = self.flights.remove(0);
                self.deliver(flight);
            } else if let Some(voter) = (0..self.voters.len()).find(|voter| self.saves[*voter].is_some()) {
                self.end_save(voter);
            } else if !self.is_led() {
                self.call(Step::Timers(0), 0, Election::handle_timeout);
            } else {
                break;
            }
        }
        self.campaigns_before = self.campaigns();
        self.path = None;
    }

    fn unled(rules: &Rules, bounds: &Bounds) -> Self {
        // Agreed once before, so that no voter has to be told of them.
        let voters = Some(rules.electorate().numbered(1));
        let held = Ballot { term: Term(1), vote: None, promise: rules.promise(), voters, owner: None };

        let ids = rules.voters().iter().map(|(id, _)| *id).chain(bounds.newcomers().map(NodeId::from_name));
        let ids: Vec<NodeId> = ids.collect();
        let (count, first) = (ids.len(), rules.voters().len());
        let disk = |place: usize| (place < first).then(|| held.clone());

        let start = |(place, id): (usize, &NodeId)| {
            let mut election = start(rules, *id, Instant::ORIGIN, disk(place), bounds.disks);
            tell_of(&mut election, &ids, Instant::ORIGIN);
            election
        };

        let voters = ids.iter().enumerate().map(start).collect();
        let mut state = State {
            now: Instant::ORIGIN,
            steps: 0,
            voters,
            disks: (0..count).map(disk).collect(),
            saves: vec![None; count],
            flights: Vec::new(),
            is_ordered: bounds.is_ordered,
            history: History::default(),
            runs: vec![true; count],
            cut: None,
            crashes: bounds.crashes,
            cuts: bounds.cuts,
            losses: bounds.losses,
            resigns: bounds.resigns,
            doubles: bounds.doubles,
            stalls: bounds.stalls,
            late: bounds.late,
            changes: u32::from(!bounds.next.is_empty()),
            idles: bounds.idles,
            idle: vec![None; count],
            campaigns_past: 0,
            campaigns_before: 0,
            broken: None,
            ran_out: false,
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

    fn running(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.voters.len()).filter(|voter| self.runs[*voter])
    }

    /// How often a voter stood for election.
    pub(super) fn campaigns(&self) -> u64 {
        let present = self.voters.iter().map(|voter| voter.counts().campaigns).sum::<u64>();
        self.campaigns_past + present - self.campaigns_before
    }

    /// Whether a voter leads that was handed leadership.
    pub(super) fn is_handed_over(&self) -> bool {
        self.voters.iter().any(|voter| voter.leadership().is_some_and(|(_, trigger)| trigger == Trigger::HandedOver))
    }

    /// Whether a lease ran out with the last step.
    pub(super) fn has_run_out(&self) -> bool {
        self.ran_out
    }

    pub(super) fn terms_led(&self) -> usize {
        self.history.terms_led()
    }

    /// Whether a voter holds the list alone that was asked for.
    pub(super) fn is_changed(&self, bounds: &Bounds) -> bool {
        let is_it = |voter: &Election| {
            let voters = voter.rules().electorate();
            !voters.is_joint() && voters.version().number > 1 && voters.all().len() == bounds.next.len()
        };
        !bounds.next.is_empty() && self.voters.iter().any(is_it)
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
            // Equal messages are one choice.
            let is_behind =
                |before: &Flight| if self.is_ordered { before.link() == flight.link() } else { before == flight };
            if place == 0 || !is_behind(&self.flights[place - 1]) {
                choices.push(Choice::Arrive(place));
                if self.doubles > 0 {
                    choices.push(Choice::ArriveAndStay(place));
                }
            }
        }
        choices.extend((0..self.voters.len()).filter(|voter| !self.runs[*voter]).map(Choice::Start));

        for voter in self.running() {
            if self.saves[voter].is_some() {
                choices.push(Choice::EndSave(voter));
            }
            if self.is_due(voter) {
                choices.push(Choice::RunTimers(voter));
            }
            if self.resigns > 0 && self.voters[voter].lease(self.now).is_some() {
                choices.push(Choice::Resign(voter));
            }
            if self.changes > 0 && self.voters[voter].lease(self.now).is_some() {
                choices.push(Choice::Ask(voter));
            }
            match self.idle[voter] {
                Some(_) => choices.push(Choice::Work(voter)),
                None if self.idles > 0 => choices.push(Choice::Idle(voter)),
                None => {}
            }
            if self.crashes > 0 {
                choices.push(Choice::CrashBefore(voter));
                if self.saves[voter].is_some() {
                    choices.push(Choice::CrashAfter(voter));
                }
            }
        }

        // A voter whose timers are due when time goes on was stopped, which is bounded too.
        if self.stalled() <= self.stalls {
            self.ticks(&mut choices);
        }
        choices
    }

    /// How time may go on.
    fn ticks(&self, choices: &mut Vec<Choice>) {
        let under_way = self.flights.len() as u32;
        if self.late > 0 && under_way.saturating_sub(1) <= self.losses {
            choices.extend((0..self.flights.len()).map(|place| Choice::Tick(Some(place))));
        }
        if under_way <= self.losses {
            choices.push(Choice::Tick(None));
        }
        let are_lost = |voter: usize| self.flights.iter().filter(|flight| flight.is_of(voter)).count() as u32;
        match self.cut {
            Some(_) if under_way <= self.losses => choices.push(Choice::TickCut(None)),
            None if self.cuts > 0 => {
                // What it sent last, and what was sent to it, is lost with the cut.
                let may = |voter: &usize| under_way - are_lost(*voter) <= self.losses;
                choices.extend(self.running().filter(may).map(|voter| Choice::TickCut(Some(voter))));
            }
            Some(_) | None => {}
        }
    }

    /// What a choice leads to.
    pub(super) fn after(&self, choice: Choice, bounds: &Bounds) -> State {
        let mut next = State { ran_out: false, ..self.clone() };

        match choice {
            Choice::Arrive(place) => {
                let flight = next.flights.remove(place);
                next.deliver(flight);
            }
            Choice::ArriveAndStay(place) => {
                next.doubles -= 1;
                next.deliver(self.flights[place].clone());
            }
            Choice::EndSave(voter) => next.end_save(voter),
            Choice::RunTimers(voter) => next.call(Step::Timers(voter), voter, |voter, now| voter.handle_timeout(now)),
            Choice::Resign(voter) => {
                next.resigns -= 1;
                next.call(Step::Resign(voter), voter, |voter, now| {
                    voter.resign(now, None);
                });
            }
            Choice::Ask(voter) => {
                next.changes -= 1;
                let list = bounds.next_names();
                next.call(Step::Ask(voter), voter, |voter, now| {
                    let _ = voter.ask_change(now, &list, false);
                });
            }
            Choice::Idle(voter) => {
                next.idles -= 1;
                let led = next.voters[voter].leadership().map(|(term, _)| term);
                next.idle[voter] = Some((next.now, led));
                next.call(Step::Idle(voter), voter, |voter, now| voter.set_candidacy(now, None));
            }
            Choice::Work(voter) => {
                next.idle[voter] = None;
                next.call(Step::Work(voter), voter, |voter, now| voter.set_candidacy(now, Some(0)));
            }
            Choice::CrashBefore(voter) => next.crash(voter, self.disks[voter].clone(), bounds),
            Choice::CrashAfter(voter) => {
                next.crash(voter, self.saves[voter].clone().map(|save| save.ballot), bounds);
            }
            Choice::Start(voter) => next.restart(voter, bounds),
            Choice::Tick(kept) => next.tick(kept, bounds),
            Choice::TickCut(cut) => next.tick_cut(cut, bounds),
        }

        next
    }

    fn deliver(&mut self, flight: Flight) {
        let from = self.voters[flight.from].me();
        let Flight { to, context, message, .. } = flight.clone();
        self.call(Step::Message(flight), to, |voter, now| {
            let _ = voter.handle_message(now, (from, context), message);
        });
    }

    fn end_save(&mut self, voter: usize) {
        let Some(save) = self.saves[voter].take() else { return };
        self.disks[voter] = Some(save.ballot.clone());
        self.call(Step::Saved(voter, save.ballot), voter, |voter, now| {
            voter.handle_saved(now, save.number, SaveOutcome::Done);
        });
    }

    /// A voter crashes; what it was saving may have reached the disk or not.
    fn crash(&mut self, voter: usize, disk: Option<Ballot>, bounds: &Bounds) {
        let disk = disk.filter(|_| bounds.disks == Disks::Kept);
        let (rules, id) = (self.voters[voter].rules().clone(), self.voters[voter].me());
        // Messages are for one start of a voter.
        self.flights.retain(|flight| flight.to != voter);
        self.crashes -= 1;
        self.campaigns_past += self.voters[voter].counts().campaigns;
        (self.disks[voter], self.saves[voter], self.runs[voter]) = (disk.clone(), None, false);
        self.idle[voter] = None;
        self.voters[voter] = Election::new(rules, id, 1, self.now);
        self.note(Step::Crash(voter, disk));
    }

    fn restart(&mut self, voter: usize, bounds: &Bounds) {
        let (rules, id) = (self.voters[voter].rules().clone(), self.voters[voter].me());
        self.runs[voter] = true;
        let ids = self.ids();
        self.voters[voter] = start(&rules, id, self.now, self.disks[voter].clone(), bounds.disks);
        tell_of(&mut self.voters[voter], &ids, self.now);
        self.call(Step::Start(voter), voter, |_, _| {});
    }

    /// Time goes on. Messages that have not arrived are lost, but for one that is late; a voter whose timers are due
    /// and have not run was stopped.
    fn tick(&mut self, kept: Option<usize>, bounds: &Bounds) {
        self.stalls -= self.stalled();
        self.late -= u32::from(kept.is_some());
        self.losses -= self.flights.len() as u32 - u32::from(kept.is_some());
        self.flights = kept.map(|place| self.flights[place].clone()).into_iter().collect();
        self.steps += 1;
        self.now += bounds.step;
        self.note(Step::Time(self.now, self.cut));
        self.judge();
    }

    fn tick_cut(&mut self, cut: Option<usize>, bounds: &Bounds) {
        if let Some(voter) = cut {
            self.cuts -= 1;
            self.flights.retain(|flight| !flight.is_of(voter));
        }
        self.cut = cut;
        self.tick(None, bounds);
    }

    /// Voters whose timers are due.
    fn stalled(&self) -> u32 {
        self.running().filter(|voter| self.is_due(*voter)).count() as u32
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

    fn ids(&self) -> Vec<NodeId> {
        self.voters.iter().map(Election::me).collect()
    }

    fn drain(&mut self, voter: usize) {
        let ids = self.ids();
        while let Some((to, message)) = self.voters[voter].poll_message() {
            let Some(to) = ids.iter().position(|id| *id == to) else { continue };
            self.weigh(voter, to, &message);
            let context = self.voters[voter].rules().context();
            let is_cut = self.cut.is_some_and(|cut| cut == voter || cut == to);
            if self.runs[to] && !is_cut {
                self.flights.push(Flight { to, from: voter, context, message });
            }
        }

        if self.is_ordered {
            self.flights.sort_by_key(Flight::link);
        } else {
            self.flights.sort_unstable();
        }

        if let Some(save) = self.voters[voter].poll_save() {
            self.saves[voter] = Some(save);
        }

        let me = self.voters[voter].me();
        while let Some(change) = self.voters[voter].poll_change() {
            self.ran_out |= matches!(change, Change::Lost { id, reason: LossReason::LeaseRanOut, .. } if id == me);
            if matches!(change, Change::Voters { .. }) {
                tell_of(&mut self.voters[voter], &ids, self.now);
            }
        }
    }

    /// What a message says, held against what was said before.
    fn weigh(&mut self, from: usize, to: usize, message: &Message) {
        let said = match *message {
            Message::Heartbeat { term, .. } => self.history.leads(from, term),
            Message::Granted { asked: Question::Vote, term, .. } => self.history.votes(from, term, to),
            Message::Vote { term, .. } => self.history.votes(from, term, from),
            _ => Ok(()),
        };
        self.broken = self.broken.take().or(said.err());
    }

    fn judge(&mut self) {
        // As its application believes: until its own clock says that it is over, whether or not the voter runs
        // meanwhile.
        let believed = |voter: &Election| voter.lease(Instant::ORIGIN).filter(|lease| lease.until > self.now);
        let acting = (0..).zip(&self.voters).filter_map(|(place, voter)| Some((place, believed(voter)?.term)));
        let acting: Vec<(usize, Term)> = acting.collect();
        let said = self.history.act(&acting);
        let works = acting.iter().find_map(|(voter, term)| self.without_work(*voter, *term));
        self.broken = self.broken.take().or(said.err()).or(works);
    }

    /// A voter leads and has no work: in a term that began since, or for longer than a lease.
    fn without_work(&self, voter: usize, term: Term) -> Option<(&'static str, String)> {
        let (since, led) = self.idle[voter]?;
        let is_broken = led != Some(term) || self.now.since(since) > self.voters[voter].rules().lease();
        is_broken
            .then(|| ("works", format!("voter {voter} acts in term {term}, and nobody has worked there since {since}")))
    }

    fn note(&mut self, step: Step) {
        let before = self.path.take();
        self.path = Some(std::rc::Rc::new(Path { step, before }));
    }
}

fn start(rules: &Rules, id: NodeId, now: Instant, ballot: Option<Ballot>, disks: Disks) -> Election {
    let mut election = Election::new(rules.clone(), id, 1, now);
    let keeps = disks != Disks::Memory;
    let unix_ms = if keeps { BEGAN_MS } else { BEGAN_MS + now.as_nanos() / 1_000_000 };
    election.start_voting(now, VoterState { ballot: ballot.filter(|_| keeps), is_durable: keeps, unix_ms });
    election
}

/// All are known to live and to stand.
fn tell_of(election: &mut Election, all: &[NodeId], now: Instant) {
    for id in all {
        election.hint(now, *id, Liveness::Alive);
        election.hint_candidacy(now, *id, Some(0));
    }
}
