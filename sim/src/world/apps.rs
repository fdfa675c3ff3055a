//! The applications on the hosts: how they are called, and how what they ask for is carried out.

use tidings::Instant;

use crate::app::{App, Context, Wish};
use crate::trace::{Kind, What as Happened};
use crate::watch::Watch;
use crate::world::World;
use crate::world::host::address;
use crate::world::mail::Content;
use crate::world::queue::What;

/// A timer that an application set; it ends with the process that set it.
#[derive(Clone, Copy, Debug)]
struct AppTimer {
    host: u32,
    start: u32,
    timer: u64,
}

/// The timers that run, in places that are used again.
#[derive(Debug, Default)]
pub(super) struct Timers {
    set: Vec<AppTimer>,
    free: Vec<u32>,
    /// Those that went off while their host was stopped.
    late: Vec<u32>,
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
}

impl<A: App, W: Watch> World<A, W> {
    /// Calls a host's application, if its process runs, and carries out what it asks for.
    pub(super) fn with_app(&mut self, host: u32, call: impl FnOnce(&mut A, &mut Context<'_>)) {
        let now = self.now;
        let one = &mut self.hosts[host as usize];
        let (Some(app), Some(protocol)) = (one.app.as_mut(), one.protocol.as_ref()) else { return };
        let mut context = Context::new(host, one.clock.read(now), protocol);
        call(app, &mut context);
        for wish in std::mem::take(&mut context.wishes) {
            self.grant(host, wish);
        }
    }

    fn grant(&mut self, host: u32, wish: Wish) {
        let now = self.now;
        match wish {
            Wish::Send { to, message } => {
                let place = self.hosts.get(to as usize).map(|other| other.place);
                if let Some(place) = place.filter(|_| to != host) {
                    self.send(host, address(place), &message, Content::Message);
                }
            }
            Wish::Timer { after, timer } => {
                let one = &self.hosts[host as usize];
                let at: Instant = one.clock.when(one.clock.read(now) + after).max(now);
                let place = self.timers.set(AppTimer { host, start: one.starts, timer });
                self.queue.push(at, What::Timer(place));
            }
            Wish::Metadata(metadata) => {
                let mut refused = None;
                let set = |protocol: &mut tidings::Protocol, now| refused = protocol.set_metadata(now, &metadata).err();
                self.command(host, &metadata, set);
                if let Some(error) = refused {
                    self.trace.line(now, host, || Happened::Note(error.to_string()));
                }
            }
            Wish::Note(text) => self.trace.line(now, host, || Happened::Note(text)),
        }
    }

    /// An application's timer goes off, if the process that set it still runs; a stopped one hears of it when it runs.
    pub(super) fn app_timer(&mut self, place: u32) {
        let AppTimer { host, start, timer } = self.timers.set[place as usize];
        let one = &self.hosts[host as usize];
        if one.starts == start && one.is_up() && one.is_stopped() {
            self.timers.late.push(place);
            return;
        }
        self.timers.free.push(place);
        if one.starts != start || !one.is_up() {
            return;
        }
        self.trace.happening(self.now, host, Kind::AppTimer, &timer.to_le_bytes());
        self.with_app(host, |app, context| app.on_timer(context, timer));
    }

    /// Timers that went off while some host was stopped are looked at again.
    pub(super) fn retry_timers(&mut self) {
        for place in std::mem::take(&mut self.timers.late) {
            self.queue.push(self.now, What::Timer(place));
        }
    }
}
