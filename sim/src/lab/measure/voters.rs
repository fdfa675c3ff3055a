//! A few voters around the production [`Election`]: messages that take a while and may be lost, disks that take longer,
//! timers that fire a little late, and leaders that are killed.
//!
//! There is no membership here: a kill takes a few hundred steps, so that ten thousand of them show the tail. What the
//! detector would say is told at the moments at which it does by default.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tidings::config::ElectionConfig;
use tidings::election::{Ballot, Election, Rules, Save, SaveOutcome, VoterState};
use tidings::explore::{Context, Liveness, Message};
use tidings::{Instant, NodeId};

use crate::random::Random;

const MS: Duration = Duration::from_millis(1);
/// When the detector suspects the voter that was killed, and when it declares it dead: the medians at P = 3 s.
const SUSPECTED_AFTER: Duration = Duration::from_millis(1_100);
const DEAD_AFTER: Duration = Duration::from_millis(3_500);
/// Timers fire late by up to as much: what a quiet machine needs to wake a task. A busy one spreads candidates further
/// apart, and so has fewer split votes.
const LATE_MAX: Duration = Duration::from_micros(100);
/// What wall clocks say at the beginning, in Unix milliseconds.
const BEGAN_MS: u64 = 1_700_000_000_000;
/// An election that has no leader after so many leases never will have.
const GIVE_UP_LEASES: u32 = 200;

/// What is around the voters.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) config: ElectionConfig,
    /// Whether what was saved is there after a restart.
    pub(crate) is_durable: bool,
    /// How long a save takes.
    pub(crate) save: (Duration, Duration),
    /// How long a message takes.
    pub(crate) way: (Duration, Duration),
    /// How many of a thousand messages are lost.
    pub(crate) loss_permille: u32,
}

/// Kills the leader so many times, each time when the last kill's victim is back; how long there was no lease.
///
/// Every draw follows from the seed.
pub(crate) fn kill_leaders(surroundings: &Surroundings, seed: u64, kills: usize) -> Vec<Duration> {
    let mut net = Net::new(surroundings, seed);
    (0..kills).map(|_| net.kill_leader()).collect()
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum What {
    /// To which voter, at which of its starts, from which voter, in which context, and what.
    Message(usize, u32, usize, Context, Message),
    Saved(usize, u32, u64),
    Timer(usize, u32),
    Hint(usize, usize, Hinted),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Hinted {
    Suspect,
    Dead,
}

#[derive(Debug)]
struct Seat {
    election: Option<Election>,
    start: u32,
    disk: Option<Ballot>,
    saving: Option<Save>,
    /// The earliest timer that is set.
    wakes: Instant,
}

#[derive(Debug)]
struct Net<'a> {
    around: &'a Surroundings,
    rules: Rules,
    now: Instant,
    random: Random,
    seats: Vec<Seat>,
    queue: BinaryHeap<Reverse<(Instant, u64, What)>>,
    count: u64,
}

impl<'a> Net<'a> {
    fn new(around: &'a Surroundings, seed: u64) -> Self {
        let rules = Rules::new(&around.config);
        let seat = || Seat { election: None, start: 0, disk: None, saving: None, wakes: Instant::NEVER };
        let seats: Vec<Seat> = rules.voters().iter().map(|_| seat()).collect();
        let random = Random::new(seed, "kills");
        let mut net = Net { around, rules, now: Instant::ORIGIN, random, seats, queue: BinaryHeap::new(), count: 0 };
        for place in 0..net.seats.len() {
            net.start(place);
            net.run(MS);
        }
        net
    }

    /// One kill; the time from it until a voter may act again.
    fn kill_leader(&mut self) -> Duration {
        let rest = self.rules.promise() * 2;
        // Until one leads that all follow, and then to a random phase of its heartbeats.
        let end = self.now + self.rules.lease() * GIVE_UP_LEASES;
        while !self.is_settled() && self.now < end {
            self.run(self.rules.heartbeat());
        }
        let phase = self.random.span(Duration::ZERO, self.rules.heartbeat());
        self.run(rest + phase);
        let Some(leader) = self.leader() else { return Duration::MAX };

        let killed = self.now;
        self.kill(leader);

        // The other of two is no quorum: it is the killed one that has to come back, and does at once.
        let is_awaited = (self.seats.len() - 1) < self.rules.quorum();
        if is_awaited {
            self.start(leader);
        }

        let end = self.now + self.rules.lease() * GIVE_UP_LEASES;
        while self.leader().is_none() && self.now < end {
            self.step(end);
        }

        let gap = self.now.since(killed);
        self.run(MS * 1_000);
        if !is_awaited {
            self.start(leader);
        }
        gap
    }

    fn id(&self, place: usize) -> NodeId {
        self.rules.voters()[place].0
    }

    fn start(&mut self, place: usize) {
        let mut election = Election::new(self.rules.clone(), self.id(place), self.random.below(u64::MAX), self.now);
        let unix_ms = BEGAN_MS + self.now.as_nanos() / 1_000_000;
        let held = self.seats[place].disk.clone().filter(|_| self.around.is_durable);
        let ballot = Ballot::opening(held, self.id(place), unix_ms, self.rules.promise());

        for other in 0..self.seats.len() {
            let runs = other == place || self.seats[other].election.is_some();
            let id = self.id(other);
            election.hint(self.now, id, if runs { Liveness::Alive } else { Liveness::Unknown });
            election.hint_candidacy(self.now, id, Some(0));
            if let Some(other) = &mut self.seats[other].election {
                other.hint(self.now, self.rules.voters()[place].0, Liveness::Alive);
            }
        }

        election.start_voting(
            self.now,
            VoterState { ballot: Some(ballot.clone()), is_durable: self.around.is_durable, unix_ms },
        );

        let seat = &mut self.seats[place];
        (seat.disk, seat.saving, seat.election) = (Some(ballot), None, Some(election));
        (0..self.seats.len()).for_each(|place| self.drain(place));
    }

    fn kill(&mut self, place: usize) {
        let seat = &mut self.seats[place];
        (seat.election, seat.saving, seat.wakes) = (None, None, Instant::NEVER);
        seat.start += 1;
        for observer in (0..self.seats.len()).filter(|observer| *observer != place) {
            self.push(SUSPECTED_AFTER, What::Hint(observer, place, Hinted::Suspect));
            self.push(DEAD_AFTER, What::Hint(observer, place, Hinted::Dead));
        }
    }

    fn leader(&self) -> Option<usize> {
        let leads = |seat: &Seat| seat.election.as_ref().is_some_and(|election| election.lease(self.now).is_some());
        self.seats.iter().position(leads)
    }

    fn is_settled(&self) -> bool {
        let Some(leader) = self.leader().map(|place| self.id(place)) else { return false };
        let follows =
            |seat: &Seat| seat.election.as_ref().and_then(Election::leader).is_some_and(|(known, ..)| known == leader);
        self.seats.iter().all(follows)
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.step(end) {}
        self.now = end;
    }

    /// The next thing that happens, if it does by then.
    fn step(&mut self, end: Instant) -> bool {
        if self.queue.peek().is_none_or(|Reverse((at, ..))| *at > end) {
            self.now = end;
            return false;
        }

        let Some(Reverse((at, _, what))) = self.queue.pop() else { return false };
        self.now = self.now.max(at);

        match what {
            // What was under way to an earlier start of a voter is lost with it.
            What::Message(to, start, from, context, message) if self.seats[to].start == start => {
                let from = self.id(from);
                self.call(to, |election, now| {
                    let _ = election.handle_message(now, (from, context), message);
                });
            }
            What::Saved(place, start, number) if self.seats[place].start == start => {
                let Some(save) = self.seats[place].saving.take_if(|save| save.number == number) else { return true };
                self.seats[place].disk = Some(save.ballot);
                self.call(place, |election, now| election.handle_saved(now, number, SaveOutcome::Done));
            }
            What::Timer(place, start) if self.seats[place].start == start => {
                self.seats[place].wakes = Instant::NEVER;
                self.call(place, Election::handle_timeout);
            }
            What::Hint(observer, place, hinted) if self.seats[place].election.is_none() => {
                let (id, liveness) = (self.id(place), [Liveness::Suspect, Liveness::Dead][hinted as usize]);
                self.call(observer, |election, now| election.hint(now, id, liveness));
            }
            What::Message(..) | What::Saved(..) | What::Timer(..) | What::Hint(..) => {}
        }

        true
    }

    fn call(&mut self, place: usize, call: impl FnOnce(&mut Election, Instant)) {
        let now = self.now;
        if let Some(election) = &mut self.seats[place].election {
            call(election, now);
        }
        self.drain(place);
    }

    fn drain(&mut self, place: usize) {
        let Some(mut election) = self.seats[place].election.take() else { return };
        let start = self.seats[place].start;
        while let Some((to, message)) = election.poll_message() {
            let Some(to) = self.rules.place_of(to) else { continue };
            if !self.random.permille(self.around.loss_permille) {
                let way = self.random.span(self.around.way.0, self.around.way.1);
                self.push(way, What::Message(to, self.seats[to].start, place, election.rules().context(), message));
            }
        }

        while let Some(save) = election.poll_save() {
            let took = self.random.span(self.around.save.0, self.around.save.1);
            self.push(took, What::Saved(place, start, save.number));
            self.seats[place].saving = Some(save);
        }

        while election.poll_change().is_some() {}
        if let Some(due) = election.poll_timeout().filter(|due| *due < self.seats[place].wakes) {
            self.seats[place].wakes = due;
            let late = self.random.span(Duration::ZERO, LATE_MAX);
            let after = due.since(self.now) + late;
            self.push(after, What::Timer(place, start));
        }

        self.seats[place].election = Some(election);
    }

    fn push(&mut self, after: Duration, what: What) {
        self.count += 1;
        self.queue.push(Reverse((self.now + after, self.count, what)));
    }
}
