//! Draws the faults of one scenario: which kinds it may use, which of them happen, which hosts they hit and when.
//!
//! Values are kept where they hurt without deciding the outcome alone: a link that loses everything is a cut, and
//! a cut is a kind of its own.

use std::time::Duration;

use crate::delay::Delay;
use crate::fault::{Fault, Hosts, Inbox, Lie, Place, Planned, Towards, WallClock};
use crate::random::Random;

pub(super) const MS: Duration = Duration::from_millis(1);

/// The kinds of fault; liars are decided apart, because most checks do not hold with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Loss,
    BurstLoss,
    Latency,
    Reorder,
    Duplicate,
    Corrupt,
    Mtu,
    Bandwidth,
    Clog,
    Cut,
    Partition,
    Ring,
    Crash,
    Leave,
    Pause,
    Block,
    Suspend,
    Slow,
    Drift,
    Step,
    Join,
    Twin,
    Metadata,
    Forget,
}

const KINDS: [Kind; 24] = [
    Kind::Loss,
    Kind::BurstLoss,
    Kind::Latency,
    Kind::Reorder,
    Kind::Duplicate,
    Kind::Corrupt,
    Kind::Mtu,
    Kind::Bandwidth,
    Kind::Clog,
    Kind::Cut,
    Kind::Partition,
    Kind::Ring,
    Kind::Crash,
    Kind::Leave,
    Kind::Pause,
    Kind::Block,
    Kind::Suspend,
    Kind::Slow,
    Kind::Drift,
    Kind::Step,
    Kind::Join,
    Kind::Twin,
    Kind::Metadata,
    Kind::Forget,
];

/// Draws the faults of one scenario.
#[derive(Debug)]
pub(super) struct Draw<'a> {
    pub(super) hosts: u32,
    /// P.
    pub(super) stall_tolerance: Duration,
    /// When the last fault is over.
    pub(super) until: Duration,
    /// Hosts that may still go for good.
    may_go: u32,
    pub(super) random: &'a mut Random,
}

impl<'a> Draw<'a> {
    pub(super) fn new(hosts: u32, stall_tolerance: Duration, until: Duration, random: &'a mut Random) -> Self {
        Draw { hosts, stall_tolerance, until, may_go: hosts / 2, random }
    }

    /// One to eight faults.
    pub(super) fn faults(mut self) -> Vec<Planned> {
        let share = self.random.between(200, 700) as u32;
        let mut kinds: Vec<Kind> = KINDS.into_iter().filter(|_| self.random.permille(share)).collect();
        if kinds.is_empty() {
            kinds.extend(self.random.pick(&KINDS));
        }
        let mut faults = Vec::new();
        for _ in 0..self.random.between(1, 8) {
            if let Some(kind) = self.random.pick(&kinds).copied() {
                faults.push(self.planned(kind));
            }
        }
        if self.random.permille(50) {
            faults.pop();
            faults.push(self.liars());
        }
        faults.sort_by_key(|planned| planned.at);
        faults
    }

    fn planned(&mut self, kind: Kind) -> Planned {
        match kind {
            Kind::Crash => self.crash(),
            Kind::Leave => self.leave(),
            Kind::Step => self.step(),
            Kind::Join => {
                let count = self.random.between(1, 4) as u32;
                let spread = self.span(MS, Duration::from_secs(3));
                self.at_some_time(Fault::Join { count, clock: WallClock::Right }, spread)
            }
            Kind::Twin => {
                let of = self.host();
                let lasts = self.span(self.stall_tolerance / 2, self.stall_tolerance * 4);
                let twin = self.at_some_time(Fault::Twin { of }, lasts);
                // A twin that stays takes the place of the first; one that goes leaves a name without a process.
                if self.random.permille(500) { Planned { lasts: None, ..twin } } else { twin }
            }
            Kind::Metadata => {
                let (hosts, bytes) = (self.some_hosts(), self.random.between(0, 512) as usize);
                let change = self.at_some_time(Fault::Metadata { hosts, bytes }, Duration::ZERO);
                self.perhaps_again(Planned { lasts: None, ..change })
            }
            Kind::Forget => {
                let forget = Fault::Forget { hosts: self.some_hosts(), whom: Hosts::All };
                // Late, when a member may be dead.
                let at = self.span(self.until / 2, self.until);
                self.perhaps_again(Planned::at(at, forget))
            }
            Kind::Pause | Kind::Block | Kind::Suspend => self.stall(kind),
            _ => self.condition(kind),
        }
    }

    /// What lasts for a while: what is wrong with the network, slow processors, drifting clocks.
    fn condition(&mut self, kind: Kind) -> Planned {
        let fault = match kind {
            Kind::Slow => {
                let service = self.span(Duration::from_micros(100), MS * 20);
                let service = if self.random.permille(200) { service * 10 } else { service };
                Fault::Slow { hosts: self.some_hosts(), service }
            }
            Kind::Drift => {
                let most = if self.random.permille(200) { 100_000 } else { 10_000 };
                let ppm = self.random.between(0, 2 * most) as i64 - most as i64;
                Fault::Drift { hosts: self.some_hosts(), ppm }
            }
            Kind::Partition => self.partition(),
            Kind::Ring => Fault::Ring { reach: self.random.between(1, 3) as u32 },
            _ => self.of_links(kind),
        };

        let longest = if kind == Kind::Clog { self.stall_tolerance * 2 } else { self.until / 2 };
        let lasts = self.span(self.stall_tolerance / 3, longest);
        let planned = self.at_some_time(fault, lasts);
        if kind == Kind::Clog { planned } else { self.perhaps_flapping(planned) }
    }

    fn of_links(&mut self, kind: Kind) -> Fault {
        let links = self.links();
        let permille = self.random.between(5, 400) as u32;

        match kind {
            Kind::Loss => Fault::Loss { links, permille },
            Kind::BurstLoss => Fault::BurstLoss {
                links,
                good_permille: self.random.between(0, 20) as u32,
                bad_permille: self.random.between(300, 1_000) as u32,
                worsens_permille: self.random.between(1, 100) as u32,
                mends_permille: self.random.between(50, 500) as u32,
            },
            Kind::Latency => Fault::Latency { links, delay: self.delay() },
            Kind::Reorder => Fault::Reorder { links, permille, by: self.span(MS, MS * 400) },
            Kind::Duplicate => Fault::Duplicate { links, permille },
            Kind::Corrupt => Fault::Corrupt { links, permille: permille / 2 },
            // Below about 46 bytes not even an idle ping passes.
            Kind::Mtu => Fault::Mtu { links, bytes: self.random.between(60, 1_300) as usize },
            Kind::Bandwidth => {
                let bytes_per_s = 1 << self.random.between(8, 15);
                Fault::Bandwidth { links, bytes_per_s, queue: self.span(MS * 5, MS * 500) }
            }
            Kind::Clog => Fault::Clog { links },
            _ => Fault::Cut { links: self.some_links() },
        }
    }

    fn delay(&mut self) -> Delay {
        match self.random.below(4) {
            0 => Delay::Constant { is: self.span(MS, MS * 300) },
            1 => Delay::Uniform { from: self.span(Duration::ZERO, MS * 50), to: self.span(MS * 50, MS * 400) },
            2 => Delay::LogNormal {
                median: self.span(MS, MS * 100),
                sigma_permille: self.random.between(200, 1_000) as u32,
            },
            _ => Delay::Spikes { permille: self.random.between(5, 200) as u32, of: self.span(MS * 50, MS * 800) },
        }
    }

    fn partition(&mut self) -> Fault {
        let mut order = self.random.choose(self.hosts as usize, self.hosts);
        self.random.shuffle(&mut order);
        let bridges = if self.random.permille(200) { order.split_off(order.len() - 1) } else { Vec::new() };
        let sides = if order.len() > 3 && self.random.permille(250) { 3 } else { 2 };
        let mut groups = Vec::new();
        for side in (1..sides).rev() {
            // One host at least stays for each side still to come.
            let most = order.len() as u64 - side;
            let mut group = order.split_off(order.len() - self.random.between(1, most) as usize);
            group.sort_unstable();
            groups.push(group);
        }
        order.sort_unstable();
        groups.push(order);
        Fault::Partition { groups, bridges }
    }

    fn crash(&mut self) -> Planned {
        let clock =
            self.one_of([WallClock::Right, WallClock::Right, WallClock::Behind, WallClock::Ahead, WallClock::Stuck]);
        let address = self.one_of([Place::Same, Place::Same, Place::New]);
        let lasts = self.span(MS * 50, self.stall_tolerance * 5);

        if self.random.permille(150) {
            // Everyone, at once or one after the other.
            let crash = Fault::Crash { hosts: Hosts::All, clock, address };
            if self.random.permille(500) {
                return self.at_some_time(crash, lasts);
            }
            let lasts = lasts.min(self.until / 4);
            let apart = self.span(MS * 10, self.until / (2 * self.hosts));
            let rolling = self.at_some_time(crash, lasts + apart * self.hosts);
            return Planned { lasts: Some(lasts), stagger: Some(apart), ..rolling };
        }

        let hosts = self.few_hosts();
        let count = hosts.len() as u32;
        let crash = self.at_some_time(Fault::Crash { hosts: Hosts::These(hosts), clock, address }, lasts);

        if self.random.permille(500) && self.may_go >= count {
            self.may_go -= count;
            return Planned { lasts: None, ..crash };
        }

        self.perhaps_again(crash)
    }

    fn leave(&mut self) -> Planned {
        let hosts = self.few_hosts();
        let count = hosts.len() as u32;
        // Long enough that most have told that they leave; the others are ended in the midst of it.
        let lasts = self.span(MS * 200, self.stall_tolerance * 3);
        let leave = self.at_some_time(Fault::Leave { hosts: Hosts::These(hosts) }, lasts);
        if self.random.permille(500) && self.may_go >= count {
            self.may_go -= count;
            return Planned { lasts: None, ..leave };
        }
        self.perhaps_again(leave)
    }

    fn stall(&mut self, kind: Kind) -> Planned {
        let hosts = self.some_hosts();
        let inbox = self.one_of([Inbox::Kept, Inbox::Kept, Inbox::Dropped]);
        let fault = match kind {
            Kind::Pause => Fault::Pause { hosts, inbox },
            Kind::Block => Fault::Block { hosts },
            _ => Fault::Suspend { hosts, inbox: Inbox::Kept },
        };
        // As often below P, where no member may be called dead for it, as above.
        let p = self.stall_tolerance;
        let lasts = if self.random.permille(500) { self.span(p * 3 / 10, p * 95 / 100) } else { self.span(p, p * 5) };
        let planned = self.at_some_time(fault, lasts);
        if self.random.permille(500) { self.perhaps_again(planned) } else { self.perhaps_flapping(planned) }
    }

    fn step(&mut self) -> Planned {
        let hosts = self.some_hosts();
        // Backwards only a little: a monotonic clock never should, and one that is minutes behind waits as long.
        let fault = if self.random.permille(250) {
            Fault::Step { hosts, by: self.span(MS, MS * 2_000), towards: Towards::Past }
        } else {
            let most = if self.random.permille(300) { Duration::from_secs(300) } else { self.stall_tolerance * 4 };
            Fault::Step { hosts, by: self.span(MS * 100, most), towards: Towards::Future }
        };
        let step = self.at_some_time(fault, Duration::ZERO);
        self.perhaps_again(Planned { lasts: None, ..step })
    }

    fn liars(&mut self) -> Planned {
        let what = self.one_of([Lie::Suspect, Lie::Dead, Lie::Left, Lie::Incarnation, Lie::Generation, Lie::Phantom]);
        let liar = self.host();
        let others = self.others(&[liar]);
        let every = self.span(MS * 200, MS * 5_000);
        let lie = Fault::Lie { hosts: Hosts::These(vec![liar]), about: Hosts::These(others), what, every };
        let lasts = self.span(MS * 500, self.until / 2);
        self.at_some_time(lie, lasts)
    }
}
