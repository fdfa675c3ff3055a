//! Where this node is, as the others see it: when to ask them, and which address to tell.
//!
//! A process cannot see its own address from the outside: behind a wildcard bind it knows none, and the one that it
//! knows may change while it runs. What others see is their word, and behind a gateway that rewrites the sender it is
//! not where they reach us. So a report alone moves nothing. It makes us ask several members at once; each says where
//! it sees us, and pings us where it has us recorded. Only when most name one other address and nobody reaches us at the
//! recorded one is that one told from then on. An address that was given to us to advertise never moves.

use std::net::SocketAddr;
use std::time::Duration;

use crate::member::Advertise;
use crate::sabotage;
use crate::time::Instant;
use crate::wire::Digest;

/// Members asked at once, and the latest reports kept, one of each member.
pub(crate) const ASKED_MAX: usize = 8;
/// The longest pause between two surveys that changed nothing.
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// An address at which nobody reaches us for so many times as long as a member waits for a ping is given up again.
const TRIAL_LATELYS: u32 = 4;
/// The longest pause while no address is known.
const UNKNOWN_PAUSE_MAX: Duration = Duration::from_secs(2);

/// What is to be done now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ruling {
    /// Nothing.
    Rest,
    /// Ask several members where they see us.
    Ask,
    /// Tell this address from now on.
    Adopt(SocketAddr),
}

#[derive(Clone, Debug)]
pub(crate) struct Whereabouts {
    advertise: Advertise,
    /// How long an answer may take.
    wait: Duration,
    /// Whoever was reached so lately is no stranger where it is recorded: a member is pinged about once an interval.
    lately: Duration,
    /// Who sees us where, the latest word of each, the latest last.
    sightings: Vec<(Digest, SocketAddr)>,
    /// When somebody last reached us where we are recorded.
    reached: Instant,
    /// When the members were last asked.
    asked: Instant,
    is_asking: bool,
    pause: Duration,
    next: Instant,
    /// Since when we tell another address than before, and that one, until somebody has reached us at the new one.
    on_trial: Option<(Instant, SocketAddr)>,
}

impl Whereabouts {
    pub(crate) fn new(advertise: Advertise, wait: Duration, interval: Duration) -> Self {
        Whereabouts {
            advertise,
            wait,
            lately: interval + interval / 2,
            sightings: Vec::new(),
            reached: Instant::ORIGIN,
            asked: Instant::ORIGIN,
            is_asking: false,
            pause: wait,
            next: Instant::NEVER,
            on_trial: None,
        }
    }

    /// When [`Whereabouts::rule`] is next worth asking.
    pub(crate) fn next_at(&self) -> Instant {
        self.next.min(self.on_trial.map_or(Instant::NEVER, |(since, _)| since + self.lately * TRIAL_LATELYS))
    }

    /// No address is known, and there is somebody to ask.
    pub(crate) fn wonder(&mut self, now: Instant) {
        if self.next == Instant::NEVER && !sabotage::is_off("asks_for_address") {
            self.next = now.max(self.asked + self.pause);
        }
    }

    /// A ping has reached us where we are recorded.
    pub(crate) fn reached(&mut self, now: Instant) {
        self.reached = now;
        self.on_trial = None;
    }

    /// A member says where it sees us. If that is not `own`, most are asked, unless that was done lately without need.
    pub(crate) fn note(&mut self, now: Instant, by: Digest, at: SocketAddr, own: SocketAddr) {
        self.sightings.retain(|(known, _)| *known != by);
        if self.sightings.len() >= ASKED_MAX {
            self.sightings.remove(0);
        }
        self.sightings.push((by, at));
        if at != own && self.next == Instant::NEVER {
            // Whoever was not reached for so long as well has reason to doubt sooner.
            let is_unreached = now.since(self.reached) >= self.wait * 16;
            self.next = if is_unreached { now } else { now.max(self.asked + self.pause) };
        }
    }

    /// What the reports come to. `others` is how many members there are besides us.
    pub(crate) fn rule(&mut self, now: Instant, own: SocketAddr, others: usize) -> Ruling {
        if let Some(at) = self.is_better(own) {
            return self.adopt(now, at, own);
        }
        if let Some((since, before)) = self.on_trial {
            if now >= since + self.lately * TRIAL_LATELYS && !sabotage::is_off("address_on_trial") {
                // What most saw us at leads nowhere, so the fault lay elsewhere.
                let ruling = self.adopt(now, before, own);
                self.on_trial = None;
                return ruling;
            }
        }
        if now < self.next {
            return Ruling::Rest;
        }
        if !self.is_asking {
            (self.asked, self.is_asking, self.next) = (now, true, now + self.wait);
            return Ruling::Ask;
        }

        self.is_asking = false;
        let is_known = !own.ip().is_unspecified();
        let is_reached = is_known && (self.reached >= self.asked || now.since(self.reached) < self.lately);
        match self.elsewhere(own, others).filter(|_| !is_reached && self.advertise == Advertise::AsSeen) {
            Some(at) => self.adopt(now, at, own),
            None if is_known && self.reached < self.asked && self.elsewhere(own, others).is_some() => {
                // Most see us elsewhere, and it is too soon to say that nobody reaches us here.
                (self.is_asking, self.next) = (true, now.max(self.reached + self.lately));
                Ruling::Rest
            }
            None => {
                let longest = if own.ip().is_unspecified() { UNKNOWN_PAUSE_MAX } else { PAUSE_MAX };
                self.pause = (self.pause * 2).min(longest);
                self.next = Instant::NEVER;
                Ruling::Rest
            }
        }
    }

    /// The address that most report, when it is not `own` and nobody has reached us there since we last asked.
    pub(crate) fn unreached(&self, own: SocketAddr, others: usize) -> Option<SocketAddr> {
        self.elsewhere(own, others).filter(|_| self.reached < self.asked && !self.is_asking)
    }

    /// The address that most of those kept report, when it is not `own` and they are more than half of the others.
    fn elsewhere(&self, own: SocketAddr, others: usize) -> Option<SocketAddr> {
        let needed = others.min(ASKED_MAX) / 2 + 1;
        let voices = |at: SocketAddr| self.sightings.iter().filter(|(_, seen)| *seen == at).count();
        let mut candidates = self.sightings.iter().map(|(_, at)| *at).filter(|at| *at != own);
        candidates.find(|at| voices(*at) >= needed && (own.ip().is_loopback() || !at.ip().is_loopback()))
    }

    /// Of an address that nobody gave us, a first report is better than none, and one from the network better than the
    /// machine's own loopback, where no other machine reaches us.
    fn is_better(&self, own: SocketAddr) -> Option<SocketAddr> {
        if self.advertise == Advertise::AsGiven {
            return None;
        }
        let seen = self.sightings.iter().rev().map(|(_, at)| *at);
        let mut from_outside = seen.clone().filter(|at| !at.ip().is_loopback());
        if own.ip().is_unspecified() {
            from_outside.next().or(seen.clone().next())
        } else if own.ip().is_loopback() {
            from_outside.next()
        } else {
            None
        }
    }

    fn adopt(&mut self, now: Instant, at: SocketAddr, own: SocketAddr) -> Ruling {
        self.on_trial = (!own.ip().is_unspecified()).then_some((now, own));
        self.sightings.clear();
        (self.is_asking, self.pause, self.next) = (false, self.wait, Instant::NEVER);
        Ruling::Adopt(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(300);

    fn at(ms: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(ms)
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn told(advertise: Advertise, own: SocketAddr, by: u64, seen: &str) -> Whereabouts {
        let mut whereabouts = Whereabouts::new(advertise, WAIT, WAIT * 3);
        for member in 0..by {
            whereabouts.note(at(10_000), Digest(member), address(seen), own);
        }
        whereabouts
    }

    #[test]
    fn most_must_see_us_elsewhere_and_nobody_reach_us_here() {
        let (own, seen) = (address("10.0.0.1:7"), "10.0.0.9:7");
        // (how many say so, others, reached at the old address, given to advertise): adopted
        let rows = [
            (3, 5, false, Advertise::AsSeen, true),
            (2, 5, false, Advertise::AsSeen, false),
            (3, 5, true, Advertise::AsSeen, false),
            (3, 5, false, Advertise::AsGiven, false),
            (1, 1, false, Advertise::AsSeen, true),
            (5, 900, false, Advertise::AsSeen, true),
            (4, 900, false, Advertise::AsSeen, false),
        ];
        for (by, others, is_reached, advertise, adopted) in rows {
            let mut whereabouts = told(advertise, own, by, seen);
            assert_eq!(whereabouts.rule(at(10_000), own, others), Ruling::Ask);
            if is_reached {
                whereabouts.reached(at(10_100));
            }
            assert_eq!(whereabouts.rule(at(10_299), own, others), Ruling::Rest, "answers are still under way");
            let expected = if adopted { Ruling::Adopt(address(seen)) } else { Ruling::Rest };
            assert_eq!(whereabouts.rule(at(10_300), own, others), expected, "{by} of {others}");
        }
    }

    #[test]
    fn whoever_is_reached_asks_ever_more_seldom() {
        let own = address("10.0.0.1:7");
        let mut whereabouts = Whereabouts::new(Advertise::AsSeen, WAIT, WAIT * 3);
        let mut asked = Vec::new();
        for second in 0..3_600 {
            let now = at(second * 1_000);
            whereabouts.reached(now);
            whereabouts.note(now, Digest(1), address("10.0.0.9:7"), own);
            if whereabouts.rule(now, own, 4) == Ruling::Ask {
                asked.push(second);
            }
        }
        assert!(asked.len() <= 16 && asked.len() >= 10, "{asked:?}");
    }

    #[test]
    fn an_address_at_which_nobody_reaches_us_is_given_up_again() {
        let (own, seen) = (address("10.0.0.1:7"), address("10.0.0.9:7"));
        let taken = || {
            let mut whereabouts = told(Advertise::AsSeen, own, 3, "10.0.0.9:7");
            assert_eq!(whereabouts.rule(at(10_000), own, 5), Ruling::Ask);
            assert_eq!(whereabouts.rule(at(10_300), own, 5), Ruling::Adopt(seen));
            whereabouts
        };
        let over = 10_300 + 4 * 1_350;
        let mut lost = taken();
        assert_eq!((lost.next_at(), lost.rule(at(over - 1), seen, 5)), (at(over), Ruling::Rest));
        assert_eq!(lost.rule(at(over), seen, 5), Ruling::Adopt(own));
        assert_eq!((lost.rule(at(over * 9), own, 5), lost.next_at()), (Ruling::Rest, Instant::NEVER));
        let mut reached = taken();
        reached.reached(at(11_000));
        assert_eq!((reached.rule(at(over), seen, 5), reached.next_at()), (Ruling::Rest, Instant::NEVER));
    }

    #[test]
    fn an_unknown_address_is_asked_for_until_it_is_known() {
        let own = address("0.0.0.0:7");
        let mut whereabouts = Whereabouts::new(Advertise::AsSeen, WAIT, WAIT * 3);
        let mut asked = 0;
        for step in 0..600 {
            whereabouts.wonder(at(step * 100));
            asked += u32::from(whereabouts.rule(at(step * 100), own, 2) == Ruling::Ask);
        }
        assert!((25..=40).contains(&asked), "asked {asked} times in a minute");
        whereabouts.note(at(60_000), Digest(1), address("10.0.0.9:4711"), own);
        assert_eq!(whereabouts.rule(at(60_000), own, 2), Ruling::Adopt(address("10.0.0.9:4711")), "with its port");
    }

    #[test]
    fn an_address_from_outside_goes_before_loopback_and_never_back() {
        let (unknown, own) = (address("0.0.0.0:7"), address("127.0.0.1:7"));
        let mut whereabouts = told(Advertise::AsSeen, unknown, 1, "127.0.0.1:7");
        assert_eq!(whereabouts.rule(at(10_000), unknown, 1), Ruling::Adopt(own));
        whereabouts.note(at(10_001), Digest(2), address("10.0.0.9:7"), own);
        assert_eq!(whereabouts.rule(at(10_001), own, 2), Ruling::Adopt(address("10.0.0.9:7")));
        let outside = address("10.0.0.9:7");
        let mut whereabouts = told(Advertise::AsSeen, outside, 3, "127.0.0.1:7");
        assert_eq!(whereabouts.rule(at(10_000), outside, 3), Ruling::Ask);
        assert_eq!(whereabouts.rule(at(10_300), outside, 3), Ruling::Rest);
    }
}
