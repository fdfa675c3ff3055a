//! The applications on the hosts: how they are called, and how what they ask for is carried out.

use std::time::Duration;

use tidings::Instant;

use crate::app::{App, Context, Recorded, Wish};
use crate::random::Random;
use crate::trace::{Kind, What as Happened};
use crate::watch::Watch;
use crate::world::mail::Content;
use crate::world::queue::What;
use crate::world::{Host, World};

/// What the world keeps for all applications, whichever of their processes run.
#[derive(Debug)]
pub(super) struct Apps<F> {
    timers: Timers,
    facts: Vec<Recorded<F>>,
    random: Random,
}

impl<F> Apps<F> {
    pub(super) fn new(seed: u64) -> Self {
        Apps { timers: Timers::default(), facts: Vec::new(), random: Random::new(seed, "apps") }
    }
}

/// A timer that an application set.
#[derive(Clone, Copy, Debug)]
struct AppTimer {
    host: u32,
    timer: u64,
    /// When it goes off by the host's clock.
    deadline: Instant,
    /// When that is in true time, as the clock went when last looked at; a turn at another moment is out of date.
    /// [`Instant::NEVER`] in a place that is free.
    due: Instant,
}

/// The timers that run, in places that are used again.
#[derive(Debug, Default)]
struct Timers {
    set: Vec<AppTimer>,
    free: Vec<u32>,
}

impl Timers {
    fn set(&mut self, timer: AppTimer) -> u32 {
        if let Some(place) = self.free.pop() {
            self.set[place as usize] = timer;
            return place;
        }
        self.set.push(timer);
        self.set.len() as u32 - 1
    }

    /// Those of a host, with their places.
    fn of(&mut self, host: u32) -> impl Iterator<Item = (u32, &mut AppTimer)> {
        (0..).zip(&mut self.set).filter(move |(_, timer)| timer.host == host && timer.due != Instant::NEVER)
    }

    fn clear(&mut self, place: u32) {
        self.set[place as usize].due = Instant::NEVER;
        self.free.push(place);
    }
}

impl<A: App, W: Watch> World<A, W> {
    /// What applications put on record, in order.
    #[must_use]
    pub fn facts(&self) -> &[Recorded<A::Fact>] {
        &self.apps.facts
    }

    /// Gives a process that runs its application, if it has none yet: one that starts stopped begins when it resumes.
    pub(super) fn start_app(&mut self, host: u32) {
        let one = &mut self.hosts[host as usize];
        if one.runs() && one.app.is_none() {
            one.app = Some((self.new_app)(host));
            self.with_app(host, A::on_start);
        }
    }

    /// Calls a host's application, if its process runs, and carries out what it asks for.
    pub(super) fn with_app(&mut self, host: u32, call: impl FnOnce(&mut A, &mut Context<'_, A>)) {
        let now = self.now;
        let one = &mut self.hosts[host as usize];
        let (Some(app), Some(protocol)) = (one.app.as_mut(), one.protocol.as_ref()) else { return };
        let mut context = Context {
            host,
            now: one.clock.read(now),
            protocol,
            disk: &one.disk,
            random: &mut self.apps.random,
            wishes: Vec::new(),
        };
        call(app, &mut context);
        for wish in std::mem::take(&mut context.wishes) {
            self.grant(host, wish);
        }
    }

    fn grant(&mut self, host: u32, wish: Wish<A::Fact>) {
        let now = self.now;

        match wish {
            Wish::Send { to, message } => {
                if let Some(to) = self.hosts.get(to as usize).map(Host::address) {
                    self.post(host, to, &message, Content::Message);
                }
            }
            Wish::Timer { after, timer } => self.set_timer(host, after, timer),
            Wish::Metadata(metadata) => {
                let mut refused = None;
                let set = |protocol: &mut tidings::Protocol, now| refused = protocol.set_metadata(now, &metadata).err();
                self.command(host, &metadata, set);
                if let Some(error) = refused {
                    self.trace.line(now, host, || Happened::Note(error.to_string()));
                }
            }
            Wish::Persist(bytes) => {
                self.trace.take_in(now, host, Kind::App, &bytes);
                self.hosts[host as usize].disk = bytes;
            }
            Wish::Record(fact) => {
                self.note_of(host, format!("{fact:?}"));
                self.apps.facts.push(Recorded { at: now, host, fact });
            }
            Wish::Note(text) => self.note_of(host, text),
        }
    }

    /// An application's line; in the hash too, so that one which does not repeat itself is found out.
    fn note_of(&mut self, host: u32, text: String) {
        self.trace.take_in(self.now, host, Kind::App, text.as_bytes());
        self.trace.line(self.now, host, || Happened::Note(text));
    }

    fn set_timer(&mut self, host: u32, after: Duration, timer: u64) {
        let one = &self.hosts[host as usize];
        let deadline = one.clock.read(self.now) + after;
        let due = one.clock.when(deadline).max(self.now);
        let place = self.apps.timers.set(AppTimer { host, timer, deadline, due });
        self.queue.push(due, What::Timer(place));
    }

    /// An application's timer goes off; on a stopped host when it resumes, on a busy one when its processor is free.
    pub(super) fn app_timer(&mut self, place: u32) {
        let AppTimer { host, timer, deadline, due } = self.apps.timers.set[place as usize];
        let one = &self.hosts[host as usize];
        if due != self.now || one.is_stopped() {
            return;
        }
        if one.busy_until > self.now {
            self.apps.timers.set[place as usize].due = one.busy_until;
            return self.queue.push(one.busy_until, What::Timer(place));
        }
        debug_assert!(one.clock.read(self.now) >= deadline, "a timer goes off early by its host's clock");
        self.apps.timers.clear(place);
        self.trace.happening(self.now, host, Kind::AppTimer, &timer.to_le_bytes());
        self.with_app(host, |app, context| app.on_timer(context, timer));
    }

    /// A host runs again or its clock was set: its timers are due at other moments.
    pub(super) fn aim_timers(&mut self, host: u32) {
        let one = &self.hosts[host as usize];
        for (place, timer) in self.apps.timers.of(host) {
            timer.due = one.clock.when(timer.deadline).max(self.now);
            self.queue.push(timer.due, What::Timer(place));
        }
    }

    /// A host's process has ended, and its application and timers with it.
    pub(super) fn end_app(&mut self, host: u32) {
        self.hosts[host as usize].app = None;
        let places: Vec<u32> = self.apps.timers.of(host).map(|(place, _)| place).collect();
        places.into_iter().for_each(|place| self.apps.timers.clear(place));
    }
}
