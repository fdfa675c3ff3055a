//! Always, of leaders: one to a term, terms that rise, and leases that never overlap in true time.
//!
//! The host that holds a lease believes in it until its own clock says that it is over, whether or not its process runs
//! meanwhile: an application that looks at its clock and writes does no better. So each is kept as a span of true time,
//! counted anew whenever its host is looked at or its clock changes.

use std::collections::BTreeMap;
use std::fmt::Display;

use tidings::election::{Election, Rules};
use tidings::leader::Trigger;
use tidings::{Event, Instant, NodeId, Protocol, Term};

use crate::checks::{Sometimes, span};
use crate::scenario::Scenario;
use crate::violation::Violation;
use crate::watch::{Life, Moment};

/// Which hosts held a lease in which term, in the order in which the leases began.
#[derive(Debug, Default)]
pub(super) struct Leases {
    each: Vec<Of>,
    hosts: Vec<Host>,
    one_leader: bool,
    exclusive: bool,
}

/// The leaders and leases of one election.
#[derive(Debug, Default)]
struct Of {
    /// Every leader that there ever was.
    leaders: BTreeMap<Term, NodeId>,
    highest: Term,
    /// The latest lease of each host that ever held one.
    held: Vec<Held>,
    /// Since when each host is no candidate, by its own clock.
    idle: BTreeMap<u32, Instant>,
}

/// A lease, or what is left of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) host: u32,
    pub(super) term: Term,
    /// In true time.
    pub(super) since: Instant,
    pub(super) until: Instant,
    /// Whether its host was handing leadership over when last looked at.
    hands_over: bool,
}

#[derive(Debug, Default)]
struct Host {
    /// The highest term that this process told of, in each election.
    told: Vec<Term>,
    /// The latest that its clock said: if that is set back, a node's own time stands still meanwhile.
    latest: Instant,
}

impl Leases {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let each = scenario.elections.iter().map(|_| Of::default()).collect();
        let (one_leader, exclusive) = (scenario.promises_one_leader(), scenario.promises_exclusive_leases());
        Leases { each, hosts: Vec::new(), one_leader, exclusive }
    }

    /// The leases that are held now, by their holders' own clocks, each with the place of its election.
    pub(super) fn holders(&self, now: Instant) -> impl Iterator<Item = (usize, Held)> + '_ {
        let current = move |held: &&Held| held.since <= now && held.until > now;
        let each = self.each.iter().enumerate();
        each.flat_map(move |(place, of)| of.held.iter().filter(current).map(move |held| (place, *held)))
    }

    /// A host has been looked at: its lease begins, goes on or is over. Names the elections in which a lease began.
    pub(super) fn turned(
        &mut self,
        moment: Moment,
        host: u32,
        protocol: &Protocol,
        sometimes: &mut Sometimes,
    ) -> (Vec<(usize, Term)>, Option<Violation>) {
        let (now, mut began, mut found) = (moment.now, Vec::new(), None);
        let latest = self.host(host).latest.max(moment.local());
        self.host(host).latest = latest;

        for (place, election) in protocol.elections().enumerate() {
            let Some(of) = self.each.get_mut(place) else { break };
            let lease = if protocol.is_stopped() { None } else { election.lease(moment.local()) };

            // A voter is a candidate while there is work for it; `without_work` asks since when there is none.
            if election.candidacy().is_some() {
                of.idle.remove(&host);
            } else {
                of.idle.entry(host).or_insert(latest);
            }

            let mut held = of.held.iter_mut().find(|held| held.host == host);
            let hands_over = election.is_handing_over();
            let handed_over = held.as_mut().is_some_and(|held| std::mem::replace(&mut held.hands_over, hands_over));

            // The host has no lease now: one that would still run was given up, or is doubted after a stall.
            let Some(lease) = lease else {
                if let Some(held) = held.filter(|held| held.until > now) {
                    held.until = now;
                    if election.leadership().is_some() {
                        sometimes.note("lease doubted");
                    }
                }
                continue;
            };

            let until = moment.truly(lease.until);
            let name = election.rules().name();
            match held {
                Some(held) if held.term == lease.term && held.until >= now => held.until = until,
                Some(held) => {
                    let is_again = held.term == lease.term;
                    *held = Held { host, term: lease.term, since: now, until, hands_over };
                    if !is_again {
                        began.push((place, lease.term));
                    }
                }
                None => {
                    of.held.push(Held { host, term: lease.term, since: now, until, hands_over });
                    began.push((place, lease.term));
                }
            }

            let begins = began.last() == Some(&(place, lease.term));
            found = found.or(of.without_work((moment.now, latest), host, begins, election.rules()));
            if begins {
                let broken = of.begin(now, host, protocol.me().id(), lease.term, name);
                // A leader whose clock was set back may come to act when its lease is long over, in its own lower term.
                let falls = broken.as_ref().is_some_and(|broken| broken.check == "terms-rise");
                let is_promised = self.one_leader && (self.exclusive || !falls);
                found = found.or(asked(broken, is_promised, "terms fall, as they may", sometimes));
                found = found.or(kept_leadership(now, host, election).filter(|_| handed_over));
            }

            let overlap = of.overlap(now, host, name);
            found = found.or(asked(overlap, self.exclusive, "leases overlap, as they may", sometimes));
        }
        (began, found)
    }

    pub(super) fn told(&mut self, now: Instant, host: u32, protocol: &Protocol, event: &Event) -> Option<Violation> {
        let leader = event.leader()?;
        let place = protocol.elections().position(|election| *election.rules().name() == leader.election)?;
        let told = &mut self.host(host).told;
        if told.len() <= place {
            told.resize(place + 1, Term(0));
        }
        let before = told[place];
        told[place] = before.max(leader.term);
        (leader.term < before).then(|| Violation {
            check: "terms-rise",
            at: now,
            text: format!("n{host} was told of {} in term {} after one in {before}", leader.name, leader.term),
            hosts: vec![host],
        })
    }

    pub(super) fn lives(&mut self, host: u32, life: Life) {
        match life {
            Life::Started => {
                *self.host(host) = Host::default();
                self.each.iter_mut().for_each(|of| _ = of.idle.remove(&host));
            }
            Life::Crashed | Life::Left | Life::Superseded => {
                self.each.iter_mut().for_each(|of| of.held.retain(|held| held.host != host));
            }
            Life::Stopped | Life::Resumed => {}
        }
    }

    /// The latest that a host's clock has said to its process.
    pub(super) fn latest(&self, host: u32) -> Instant {
        self.hosts.get(host as usize).map_or(Instant::ORIGIN, |host| host.latest)
    }

    fn host(&mut self, host: u32) -> &mut Host {
        let place = host as usize;
        if self.hosts.len() <= place {
            self.hosts.resize_with(place + 1, Host::default);
        }
        &mut self.hosts[place]
    }
}

/// A host leads a new term by an attempt of a leader's to be elected anew: not when it was handing over.
fn kept_leadership(now: Instant, host: u32, election: &Election) -> Option<Violation> {
    let (term, _) = election.leadership().filter(|(_, trigger)| *trigger == Trigger::Outrun)?;
    let name = election.rules().name();
    Some(Violation {
        check: "hands-over",
        at: now,
        text: format!("n{host} was handing {name} over and had itself elected anew, in term {term}"),
        hosts: vec![host],
    })
}

/// What is broken, if that was promised; otherwise it is worth knowing that the check sees it.
fn asked(
    broken: Option<Violation>,
    is_promised: bool,
    what: &'static str,
    sometimes: &mut Sometimes,
) -> Option<Violation> {
    if broken.is_some() && !is_promised {
        sometimes.note(what);
    }
    broken.filter(|_| is_promised)
}

impl Of {
    /// A lease begins in a term that this host did not lead in a moment ago.
    fn begin(&mut self, now: Instant, host: u32, id: NodeId, term: Term, name: &dyn Display) -> Option<Violation> {
        let broken = |check, text| Some(Violation { check, at: now, text, hosts: vec![host] });
        let leader = *self.leaders.entry(term).or_insert(id);
        if leader != id {
            return broken("one-leader", format!("n{host} leads {name} in term {term}, in which another led"));
        }
        let highest = self.highest;
        self.highest = highest.max(term);
        if term <= highest {
            return broken("terms-rise", format!("n{host} leads {name} in term {term} after one in {highest}"));
        }
        None
    }

    /// A host holds a lease: there must be work for it, or it is handing over.
    fn without_work(
        &self,
        (now, latest): (Instant, Instant),
        host: u32,
        begins: bool,
        rules: &Rules,
    ) -> Option<Violation> {
        let idle = latest.since(*self.idle.get(&host)?);
        (begins || idle > rules.lease()).then(|| Violation {
            check: "works",
            at: now,
            text: format!("n{host} leads {}, and nobody has worked there for {}", rules.name(), span(idle)),
            hosts: vec![host],
        })
    }

    /// A host holds a lease: no other may.
    fn overlap(&self, now: Instant, host: u32, name: &dyn Display) -> Option<Violation> {
        let mine = self.held.iter().find(|held| held.host == host)?;
        let other = self.held.iter().find(|held| held.host != host && held.since <= now && held.until > now)?;
        Some(Violation {
            check: "lease-exclusive",
            at: now,
            text: format!(
                "n{host} has the lease of {name} in term {}, and n{} in term {} still has its own for {}",
                mine.term,
                other.host,
                other.term,
                span(other.until.since(now))
            ),
            hosts: vec![host, other.host],
        })
    }
}
