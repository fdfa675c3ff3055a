//! What becomes of each datagram on its way: a small machine of rules, asked once for each.
//!
//! Each fault of the network is one [`Rule`], aimed at links; a rule gives a [`Verdict`], and the network folds the
//! verdicts of all rules that a datagram meets. It holds no datagram and knows no time but the one it is told.

mod rule;

pub use rule::Rule;

use std::time::Duration;

use tidings::Instant;

use crate::delay::Delay;
use crate::fault::{Fault, Flap};
use crate::random::Random;

/// A datagram as the network sees it.
#[derive(Clone, Copy, Debug)]
pub struct Parcel {
    /// The sending host.
    pub from: u32,
    /// The receiving host.
    pub to: u32,
    /// How long its payload is.
    pub bytes: usize,
}

/// What one rule does to one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as it is.
    Pass,
    /// It is lost.
    Drop(Loss),
    /// It takes so much longer.
    Later(Duration),
    /// A second copy arrives so much after the first.
    Twice(Duration),
    /// It arrives damaged.
    Damage(Damage),
}

/// Why a datagram was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// By chance.
    Chance,
    /// The link is cut.
    Cut,
    /// It is longer than the link carries.
    Mtu,
    /// The queue before the link is full.
    Queue,
    /// Its sender does not speak the family of its address.
    Family,
    /// No host receives at its address.
    Nobody,
}

impl Loss {
    /// The word that traces use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Loss::Chance => "loss",
            Loss::Cut => "cut",
            Loss::Mtu => "mtu",
            Loss::Queue => "queue",
            Loss::Family => "no route",
            Loss::Nobody => "nobody there",
        }
    }
}

/// How a datagram was damaged; places are taken modulo its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// One bit is flipped.
    Flip {
        /// Its number, from the first bit of the datagram on.
        bit: u64,
    },
    /// The end is missing.
    Truncate {
        /// What is left, in bytes.
        left: u64,
    },
}

impl Damage {
    /// Damages a datagram.
    pub fn apply(self, bytes: &mut Vec<u8>) {
        let length = bytes.len() as u64;
        if length == 0 {
            return;
        }
        match self {
            Damage::Flip { bit } => bytes[(bit / 8 % length) as usize] ^= 1 << (bit % 8),
            Damage::Truncate { left } => bytes.truncate((left % length) as usize),
        }
    }
}

impl Fate {
    /// What a host sends to itself meets no network. It takes a moment, so that time passes even for a host that never
    /// stops talking to itself.
    pub(crate) const HOME: Fate = Fate::Arrives { delay: Duration::from_micros(1), again: None, damage: None };
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It never arrives.
    Lost(Loss),
    /// It arrives after `delay`.
    Arrives {
        /// How long it takes.
        delay: Duration,
        /// How long a second copy takes, if there is one.
        again: Option<Duration>,
        /// What is wrong with it, if something is.
        damage: Option<Damage>,
    },
}

#[derive(Debug)]
struct Installed {
    id: u32,
    since: Instant,
    flap: Option<Flap>,
    rule: Rule,
}

impl Installed {
    /// Whether it is in force: what flaps begins with its time on.
    fn is_on(&self, now: Instant) -> bool {
        self.flap.is_none_or(|flap| {
            let cycle = crate::random::nanos(flap.on.saturating_add(flap.off)).max(1);
            crate::random::nanos(now.since(self.since)) % cycle < crate::random::nanos(flap.on)
        })
    }
}

/// The network between all hosts.
#[derive(Debug)]
pub struct Network {
    delay: Delay,
    random: Random,
    rules: Vec<Installed>,
}

impl Network {
    /// A network in which nothing is wrong.
    #[must_use]
    pub fn new(delay: Delay, seed: u64) -> Self {
        Network { delay, random: Random::new(seed, "network"), rules: Vec::new() }
    }

    /// Puts a fault in force from now on; does nothing with one that is not of the network. `ends` is when it will be
    /// over, if it will.
    pub fn install(&mut self, id: u32, fault: &Fault, flap: Option<Flap>, now: Instant, ends: Option<Instant>) {
        if let Some(rule) = Rule::of(fault, ends) {
            self.rules.push(Installed { id, since: now, flap, rule });
        }
    }

    /// Puts a fault out of force.
    pub fn remove(&mut self, id: u32) {
        self.rules.retain(|installed| installed.id != id);
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.rules.is_empty()
    }

    /// Decides what becomes of a datagram.
    pub fn carry(&mut self, now: Instant, parcel: Parcel) -> Fate {
        let mut delay = self.delay.draw(&mut self.random);
        let (mut again, mut damage) = (None, None);
        for installed in &mut self.rules {
            if !installed.is_on(now) {
                continue;
            }
            match installed.rule.judge(now, parcel, &mut self.random) {
                Verdict::Pass => {}
                Verdict::Drop(loss) => return Fate::Lost(loss),
                Verdict::Later(more) => delay = delay.saturating_add(more),
                Verdict::Twice(after) => again = Some(after),
                Verdict::Damage(done) => damage = Some(done),
            }
        }
        Fate::Arrives { delay, again: again.map(|after| delay.saturating_add(after)), damage }
    }
}
