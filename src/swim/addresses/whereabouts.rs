//! Where this node is, as the others see it: when to ask them, and which address to tell (`protocol.md 7.7`).
//!
//! A process cannot see its own address from the outside: behind a wildcard bind it knows none, and the one that it
//! knows may change while it runs. What others see is their word, and behind a gateway that rewrites the sender it is
//! not where they reach us. So a report alone moves nothing. It makes us ask several members at once; each says where
//! it sees us, and pings us where it has us recorded. Only when most name one other address and no member reaches us at
//! the recorded one is that other one told from then on. An address that was given to us to advertise never moves. If
//! the members do reach us at the recorded address, the one that most name is our way out: it is told as that, so that
//! no member has to find it out by itself, and is never taken for our address.

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
/// An address at which no member reaches us for so many times as long as a member waits for a ping is given up again.
const TRIAL_LATELYS: u32 = 4;
/// The shortest pause after a survey that found where we are seen and that we are reached.
const FOUND_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause while no address is known, or no member reaches us at ours.
const URGENT_PAUSE_MAX: Duration = Duration::from_secs(2);
/// So many of those asked must name one address, at least, and most of those that answered: one part in three, so that
/// half of a small cluster may move at once.
const ASKED_PER_VOICE: usize = 3;

/// So many members that each see us elsewhere are no chance, or all of them if they are fewer.
const APART_VOICES: usize = 3;

/// What is to be done now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ruling {
    /// Nothing.
    Rest,
    /// Ask several members where they see us.
    Ask,
    /// Tell this address from now on.
    Adopt(SocketAddr),
    /// Tell that our datagrams come from this address, or from where we receive.
    TellWayOut(Option<SocketAddr>),
}

#[derive(Clone, Debug)]
pub(crate) struct Whereabouts {
    advertise: Advertise,
    /// How long an answer may take.
    wait: Duration,
    /// For how long after a ping a node counts as reached where it is recorded: a member is
    /// pinged about once an interval.
    lately: Duration,
    /// The way out that we tell.
    way_out: Option<SocketAddr>,
    /// Where each member sees us by its latest word, the latest last.
    sightings: Vec<(Digest, SocketAddr)>,
    /// When a ping last reached us, wherever it was sent.
    reached: Instant,
    /// When a ping last reached us that says that it was sent where we are recorded.
    proved: Instant,
    /// Whether the last survey found that no member reaches us where we are recorded.
    is_lost_here: bool,
    /// When the members were last asked.
    asked: Instant,
    is_asking: bool,
    pause: Duration,
    next: Instant,
    /// Since when we tell another address than before, and the address before, until a ping has
    /// reached us at the new one.
    on_trial: Option<(Instant, SocketAddr)>,
}

impl Whereabouts {
    pub(crate) fn new(advertise: Advertise, wait: Duration, interval: Duration) -> Self {
        Whereabouts {
            advertise,
            wait,
            lately: interval + interval / 2,
            way_out: None,
            sightings: Vec::new(),
            reached: Instant::ORIGIN,
            proved: Instant::ORIGIN,
            is_lost_here: false,
            asked: Instant::ORIGIN,
            is_asking: false,
            pause: wait,
            next: Instant::NEVER,
            on_trial: None,
        }
    }

    /// Whether answers to a question are under way.
    pub(crate) fn is_asking(&self) -> bool {
        self.is_asking
    }

    /// When [`Whereabouts::rule`] is next worth asking.
    pub(crate) fn next_at(&self) -> Instant {
        self.next.min(self.on_trial.map_or(Instant::NEVER, |(since, _)| since + self.lately * TRIAL_LATELYS))
    }

    /// No address is known, and there is another member to ask.
    pub(crate) fn wonder(&mut self, now: Instant) {
        if self.next == Instant::NEVER && !sabotage::is_off("asks_for_address") {
            self.next = now.max(self.asked + self.pause);
        }
    }

    /// A ping has reached us that does not say where it was sent: where we are recorded, as far as can be told.
    pub(crate) fn reached(&mut self, now: Instant) {
        self.reached = now;
        self.on_trial = None;
    }

    /// A ping has reached us that says that it was sent where we are recorded.
    pub(crate) fn proved(&mut self, now: Instant) {
        self.proved = now;
        self.is_lost_here = false;
        self.reached(now);
    }

    /// A member says where it sees us. If that is not `own`, most are asked, unless that was done lately without need.
    pub(crate) fn note(&mut self, now: Instant, by: Digest, at: SocketAddr, own: SocketAddr) {
        self.sightings.retain(|(known, _)| *known != by);
        if self.sightings.len() >= ASKED_MAX {
            self.sightings.remove(0);
        }
        self.sightings.push((by, at));
        if at != own && Some(at) != self.way_out {
            self.doubt(now);
        }
    }

    /// A member sees us where it does not expect us. Most are asked, unless that was done lately: a doubt with a reason
    /// comes again.
    pub(crate) fn doubt(&mut self, now: Instant) {
        // A node that missed its turn in two rounds as well has reason to doubt sooner.
        let is_unreached = now.since(self.reached) >= self.lately * 3 / 2;
        let pause = if is_unreached { self.pause.min(self.wait * 4) } else { self.pause };
        if self.next == Instant::NEVER && now >= self.asked + pause {
            self.next = now;
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
            return self.ask(now);
        }

        self.is_asking = false;
        let is_proved = self.proved >= self.asked;
        let was_reached_lately = now.since(self.reached) < self.lately;

        // protocol.md 7.7: this node moves only to an address that most name, and only if no ping says
        // that it reached the old one.
        match self.elsewhere(own, others) {
            Some(at) if !is_proved && self.may_move(own, at) => {
                // What contradicts what we took for true must be found twice: pings that came lately,
                // or what was our way out.
                let is_odd = was_reached_lately || Some(at) == self.way_out;
                if !is_odd || self.is_lost_here {
                    return self.adopt(now, at, own);
                }
                self.is_lost_here = true;
                return self.ask(now);
            }
            Some(_) | None => {}
        }

        self.is_lost_here = false;
        // A node that is reached has time. One that is not and may move asks on: too few have answered.
        let is_reached = is_proved || (was_reached_lately && !own.ip().is_unspecified());
        let is_urgent = !is_reached && self.advertise == Advertise::AsSeen;
        let longest = if is_urgent { URGENT_PAUSE_MAX } else { PAUSE_MAX };

        // Where no address has a majority, what we tell is as good as any.
        let is_found = is_proved && self.seen_by_most(others).is_some();
        // What is told now is news to some for a while.
        let shortest = if is_found { FOUND_PAUSE } else { Duration::ZERO };
        self.pause = (self.pause * 2).clamp(shortest, longest);
        self.next = Instant::NEVER;

        let way_out = self.elsewhere(own, others);
        if is_found && way_out != self.way_out && !sabotage::is_off("way_out") {
            self.way_out = way_out;
            return Ruling::TellWayOut(way_out);
        }
        Ruling::Rest
    }

    fn ask(&mut self, now: Instant) -> Ruling {
        (self.asked, self.is_asking, self.next) = (now, true, now + self.wait);
        self.sightings.clear();
        Ruling::Ask
    }

    /// An address that is given to us never moves, and no other machine reaches us at a loopback address.
    fn may_move(&self, own: SocketAddr, at: SocketAddr) -> bool {
        self.advertise == Advertise::AsSeen && (own.ip().is_loopback() || !at.ip().is_loopback())
    }

    /// The address that most report, when it is not `own` and no ping has reached us since we last asked.
    pub(crate) fn unreached(&self, own: SocketAddr, others: usize) -> Option<SocketAddr> {
        self.elsewhere(own, others).filter(|_| self.reached < self.asked && !self.is_asking)
    }

    /// Two addresses that members see us at, when no two of enough members report the same: the gateway that rewrites
    /// our source gives each destination another, so that what one of them sees leads back to that one alone.
    pub(crate) fn apart(&self, others: usize) -> Option<(SocketAddr, SocketAddr)> {
        let enough = others.clamp(2, APART_VOICES);
        if self.advertise != Advertise::AsSeen || self.is_asking || self.sightings.len() < enough {
            return None;
        }
        let is_apart = |at: &SocketAddr| self.sightings.iter().filter(|(_, seen)| seen == at).count() == 1;
        let [(_, first), .., (_, last)] = self.sightings.as_slice() else { return None };
        self.sightings.iter().all(|(_, at)| is_apart(at)).then_some((*first, *last))
    }

    /// The address that most report, if it is another than `own`.
    fn elsewhere(&self, own: SocketAddr, others: usize) -> Option<SocketAddr> {
        self.seen_by_most(others).filter(|at| *at != own)
    }

    /// The address that most of those kept report, if they are enough.
    fn seen_by_most(&self, others: usize) -> Option<SocketAddr> {
        let needed = (others.min(ASKED_MAX) / ASKED_PER_VOICE).max(self.sightings.len() / 2) + 1;
        let voices = |at: SocketAddr| self.sightings.iter().filter(|(_, seen)| *seen == at).count();
        self.sightings.iter().map(|(_, at)| *at).find(|at| voices(*at) >= needed)
    }

    /// Where no address was given to us, a first report is better than none, and one from the network better than the
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
        (self.way_out, self.is_lost_here) = (None, false);
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

    /// Asked at 10 s, after which so many members name an address each.
    fn told(advertise: Advertise, own: SocketAddr, others: usize, names: &[&str]) -> Whereabouts {
        let mut whereabouts = Whereabouts::new(advertise, WAIT, WAIT * 3);
        whereabouts.doubt(at(10_000));
        assert_eq!(whereabouts.rule(at(10_000), own, others), Ruling::Ask);
        for (member, seen) in (0..).zip(names) {
            whereabouts.note(at(10_001), Digest(member), address(seen), own);
        }
        whereabouts
    }

    #[test]
    fn most_must_see_us_elsewhere_and_no_member_reach_us_here() {
        let (own, new, odd) = ("10.0.0.1:7", "10.0.0.9:7", "10.0.0.8:7");
        let (given, seen) = (Advertise::AsGiven, Advertise::AsSeen);
        // (what members name, others, reached at the old address, given to advertise): adopted
        let rows: [(&[&str], usize, bool, Advertise, bool); 12] = [
            (&[new; 2], 5, false, seen, true),
            (&[new; 1], 5, false, seen, false),
            (&[new; 2], 5, true, seen, false),
            (&[new; 2], 5, false, given, false),
            (&[new, new, own], 5, false, seen, true),
            (&[new, new, own, own], 5, false, seen, false),
            (&[new, new, odd, own], 5, false, seen, false),
            (&[odd, new, new], 5, false, seen, true),
            (&[new; 1], 1, false, seen, true),
            (&[new; 1], 2, false, seen, true),
            (&[new; 3], 900, false, seen, true),
            (&[new; 2], 900, false, seen, false),
        ];

        for (names, others, is_reached, advertise, adopted) in rows {
            let own = address(own);
            let mut whereabouts = told(advertise, own, others, names);
            if is_reached {
                whereabouts.proved(at(10_100));
            }
            assert_eq!(whereabouts.rule(at(10_299), own, others), Ruling::Rest, "answers are still under way");
            let way_out = if is_reached { Ruling::TellWayOut(Some(address(new))) } else { Ruling::Rest };
            let expected = if adopted { Ruling::Adopt(address(new)) } else { way_out };
            assert_eq!(whereabouts.rule(at(10_300), own, others), expected, "{names:?} of {others}");
        }
    }

    #[test]
    fn a_way_out_is_told_once_and_moved_to_only_when_found_twice() {
        let (own, out, later) = (address("10.0.0.1:7"), "10.0.0.9:7", "10.0.0.9:8");
        let mut whereabouts = told(Advertise::AsSeen, own, 5, &[out; 3]);
        whereabouts.proved(at(10_100));
        assert_eq!(whereabouts.rule(at(10_300), own, 5), Ruling::TellWayOut(Some(address(out))));
        whereabouts.note(at(10_400), Digest(1), address(out), own);
        assert_eq!(whereabouts.next_at(), Instant::NEVER, "it is known to be seen there");

        let tell = |way_out: Option<&str>| Ruling::TellWayOut(way_out.map(address));
        let adopt = |seen| Ruling::Adopt(address(seen));
        // (where members see us, whether they reach us where we are recorded): what is told, at
        // once or if it is so again
        let rows = [
            (out, true, Ruling::Rest, Ruling::Rest),
            (later, true, tell(Some(later)), Ruling::Rest),
            ("10.0.0.1:7", true, tell(None), Ruling::Rest),
            (out, false, Ruling::Ask, adopt(out)),
            (later, false, adopt(later), Ruling::Rest),
            ("10.0.0.1:7", false, Ruling::Rest, Ruling::Rest),
        ];
        for (seen, is_reached, first, then) in rows {
            let mut whereabouts = whereabouts.clone();
            whereabouts.doubt(at(20_000));
            let mut own = own;
            for (asked, expected) in [(20_000, first), (20_300, then)] {
                let ruling = whereabouts.rule(at(asked), own, 5);
                assert!(ruling == Ruling::Ask || asked > 20_000, "{seen}");
                for member in 0..3 {
                    whereabouts.note(at(asked + 1), Digest(member), address(seen), own);
                }
                if is_reached {
                    whereabouts.proved(at(asked + 2));
                }
                let ruling = whereabouts.rule(at(asked + 300), own, 5);
                assert_eq!(ruling, expected, "{seen}, reached here: {is_reached}, asked at {asked} ms");
                if let Ruling::Adopt(address) = ruling {
                    own = address;
                }
                if ruling != Ruling::Ask {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_ping_that_does_not_say_where_it_was_sent_has_the_others_asked_again() {
        let (own, seen) = (address("10.0.0.1:7"), "10.0.0.9:7");
        let mut whereabouts = told(Advertise::AsSeen, own, 5, &[seen; 3]);
        whereabouts.reached(at(10_100));
        assert_eq!(whereabouts.rule(at(10_300), own, 5), Ruling::Ask);
        for member in 0..3 {
            whereabouts.note(at(10_301), Digest(member), address(seen), own);
        }
        assert_eq!(whereabouts.rule(at(10_600), own, 5), Ruling::Adopt(address(seen)));
    }

    #[test]
    fn too_few_answers_are_asked_for_again_soon() {
        let own = address("10.0.0.1:7");
        let mut whereabouts = Whereabouts::new(Advertise::AsSeen, WAIT, WAIT * 3);
        let ask = |whereabouts: &mut Whereabouts, step: u64| {
            whereabouts.doubt(at(step * 100));
            whereabouts.rule(at(step * 100), own, 5) == Ruling::Ask
        };
        let asked = (0..600).filter(|step| ask(&mut whereabouts, *step)).count();
        assert!((20..=100).contains(&asked), "asked {asked} times in a minute");
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
            let mut whereabouts = told(Advertise::AsSeen, own, 5, &["10.0.0.9:7"; 3]);
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
    fn members_that_each_see_us_elsewhere_are_told_from_a_few_that_err() {
        let (one, two, three) = ("10.0.0.9:1", "10.0.0.9:2", "10.0.0.9:3");
        let rows: [(&str, Advertise, usize, &[&str], bool); 7] = [
            ("each sees another port", Advertise::AsSeen, 5, &[one, two, three], true),
            ("all that there are do", Advertise::AsSeen, 2, &[one, two], true),
            ("two of five are too few to tell", Advertise::AsSeen, 5, &[one, two], false),
            ("two agree", Advertise::AsSeen, 5, &[one, two, two], false),
            ("one alone is no pair", Advertise::AsSeen, 1, &[one], false),
            ("nobody said anything", Advertise::AsSeen, 5, &[], false),
            ("an address was given", Advertise::AsGiven, 5, &[one, two, three], false),
        ];
        let own = address("10.0.0.1:7");
        for (what, advertise, others, seen, is_apart) in rows {
            let mut whereabouts = told(advertise, own, others, seen);
            assert_eq!(whereabouts.apart(others), None, "{what}: answers are under way");
            let _ = whereabouts.rule(at(10_300), own, others);
            assert_eq!(whereabouts.apart(others).is_some(), is_apart, "{what}");
        }
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
        let mut whereabouts = told(Advertise::AsSeen, unknown, 1, &["127.0.0.1:7"]);
        assert_eq!(whereabouts.rule(at(10_001), unknown, 1), Ruling::Adopt(own));
        whereabouts.note(at(10_002), Digest(2), address("10.0.0.9:7"), own);
        assert_eq!(whereabouts.rule(at(10_002), own, 2), Ruling::Adopt(address("10.0.0.9:7")));
        let outside = address("10.0.0.9:7");
        let mut whereabouts = told(Advertise::AsSeen, outside, 3, &["127.0.0.1:7"; 3]);
        assert_eq!(whereabouts.rule(at(10_300), outside, 3), Ruling::Rest);
    }
}
