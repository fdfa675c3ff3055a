//! What a test may do to a world: commands to protocols, faults at will, datagrams stopped by their bytes.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tidings::{Generation, Instant, NodeId, Protocol, Why};

use crate::app::App;
use crate::fault::{Fault, Planned};
use crate::trace::{Kind, Skew};
use crate::watch::Watch;
use crate::world::World;

/// Stops datagrams by sender, receiver and bytes.
pub struct Filter(Box<Stops>);

type Stops = dyn FnMut(u32, u32, &[u8]) -> bool;

impl Filter {
    /// A filter that stops what this says.
    pub fn new(stops: impl FnMut(u32, u32, &[u8]) -> bool + 'static) -> Self {
        Filter(Box::new(stops))
    }

    pub(super) fn stops(&mut self, from: u32, to: u32, datagram: &[u8]) -> bool {
        (self.0)(from, to, datagram)
    }
}

/// Lets hosts send other bytes than their protocols do, as those of another release would.
pub struct Rewrite(Box<Rewrites>);

type Rewrites = dyn FnMut(u32, &[u8]) -> Option<Vec<u8>>;

impl Rewrite {
    /// In place of a datagram of a host goes what this says; none leaves it as it is.
    pub fn new(rewrites: impl FnMut(u32, &[u8]) -> Option<Vec<u8>> + 'static) -> Self {
        Rewrite(Box::new(rewrites))
    }

    pub(super) fn apply(&mut self, from: u32, datagram: &[u8]) -> Option<Vec<u8>> {
        (self.0)(from, datagram)
    }
}

impl fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rewrite")
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter")
    }
}

impl<A: App, W: Watch> World<A, W> {
    /// Gives a host's protocol a command and carries out what comes of it; none if the host does not run.
    pub fn call<T>(&mut self, host: u32, call: impl FnOnce(&mut Protocol, Instant) -> T) -> Option<T> {
        let now = self.now;
        let (protocol, local) = self.hosts.get_mut(host as usize)?.running(now)?;
        self.trace.happening(now, host, Kind::Command, b"call");
        let answer = call(protocol, local);
        self.drain(host);
        Some(answer)
    }

    /// Why a host holds a member as it does, with every moment in true time; none if it does not run or does not know.
    #[must_use]
    pub fn why(&self, host: u32, member: NodeId) -> Option<Why> {
        let one = self.hosts.get(host as usize)?;
        let why = one.protocol()?.why(member)?;
        Some(Skew { read: one.clock.read(self.now), at: self.now }.why(why))
    }

    /// Lets a fault begin now, for a while or until it is lifted; its number.
    pub fn inject(&mut self, fault: Fault, lasts: Option<Duration>) -> u32 {
        let id = self.scenario.faults.len() as u32;
        self.scenario.faults.push(Planned { lasts, ..Planned::at(self.now.since(Instant::ORIGIN), fault) });
        self.begin_fault(id);
        id
    }

    /// Ends a fault now.
    pub fn lift(&mut self, fault: u32) {
        if (fault as usize) < self.scenario.faults.len() {
            self.end_fault(fault);
        }
    }

    /// Stops what the filter says, from now on; none stops nothing.
    pub fn set_filter(&mut self, filter: Option<Filter>) {
        self.filter = filter;
    }

    /// Rewrites what hosts send, from now on; none leaves it as it is.
    pub fn set_rewrite(&mut self, rewrite: Option<Rewrite>) {
        self.rewrite = rewrite;
    }

    /// Adds a host that has not started; [`World::start_host`] starts it.
    pub fn add(&mut self, name: &str) -> u32 {
        self.add_host(name.to_owned())
    }

    /// Starts a host that does not run, which joins through the first others that do.
    pub fn start_host(&mut self, host: u32) {
        if self.hosts.get(host as usize).is_some_and(|host| !host.is_up()) {
            self.start_again(host, Default::default(), Default::default());
        }
    }

    /// Starts a host that does not run as this start of its name, whatever the clock says; it dials these contacts,
    /// which are not resolved for it again. On a host added under another's name it starts a twin.
    pub fn start_host_as(&mut self, host: u32, generation: Generation, contacts: &[SocketAddr]) {
        if self.hosts.get(host as usize).is_some_and(|host| !host.is_up()) {
            if let Some(protocol) = self.new_protocol_at(host, generation.0) {
                self.launch(host, protocol, |protocol, now| protocol.join(now, contacts));
            }
        }
    }

    /// Runs until a condition holds, looking after each turn; false if the span is over first.
    pub fn run_while(&mut self, span: Duration, mut goes_on: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + span;
        while goes_on(self) {
            if !self.step(end) {
                return !goes_on(self);
            }
        }
        true
    }
}
