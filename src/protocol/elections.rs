//! Where membership and elections meet: hints go one way, letters the other, and neither knows of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Rules;
use crate::election::{Change, Election, Lease, Liveness, Save, SaveOutcome, Standing};
use crate::event::Event;
use crate::leader::{Leader, Term};
use crate::member::{NodeId, State};
use crate::metrics::ElectionMetrics;
use crate::swim::{Machine, Received};
use crate::time::Instant;
use crate::wire::{Lead, Letter, Rejected};

/// Members with another configuration that are named in one event.
const DIFFERING_MAX: usize = 16;

/// A ballot to be saved, of which election; answer it with [`Protocol::handle_saved`](super::Protocol::handle_saved).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BallotSave {
    /// Which election.
    pub election: Arc<str>,
    /// What to save, and its number.
    pub save: Save,
}

/// All elections of one node, and what each has heard of the members.
#[derive(Debug)]
pub(super) struct Elections {
    each: Vec<Entry>,
    /// The revision of the table that was last looked at.
    revision: u64,
    /// When an unproved voter was last pinged.
    asked: BTreeMap<NodeId, Instant>,
    /// Until a pause like this is over it is not pinged again.
    patience: Duration,
    is_stopped: bool,
}

#[derive(Debug)]
struct Entry {
    election: Election,
    /// What each voter was last said to be, in the order of the voters.
    hints: Vec<(Liveness, Option<Term>)>,
    differing: BTreeSet<NodeId>,
    /// Letters to voters whose addresses are being proved, the latest to each, and since when they wait.
    held: Vec<(NodeId, Letter, Instant)>,
}

impl Elections {
    pub(super) fn new(rules: &Rules, me: NodeId, seed: u64, now: Instant) -> Self {
        let each = rules.elections.iter().map(|config| {
            let rules = crate::election::Rules::new(config);
            let hints = vec![(Liveness::Unknown, None); rules.voters().len()];
            Entry { election: Election::new(rules, me, seed, now), hints, differing: BTreeSet::new(), held: Vec::new() }
        });
        Elections {
            each: each.collect(),
            revision: u64::MAX,
            asked: BTreeMap::new(),
            patience: rules.rto_floor(),
            is_stopped: false,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Election> {
        self.each.iter().map(|entry| &entry.election)
    }

    pub(super) fn find(&self, name: &str) -> Option<&Election> {
        self.iter().find(|election| &**election.rules().name() == name)
    }

    pub(super) fn find_mut(&mut self, name: &str) -> Option<&mut Election> {
        self.each.iter_mut().map(|entry| &mut entry.election).find(|election| &**election.rules().name() == name)
    }

    pub(super) fn stand(&mut self, now: Instant, name: &str, standing: Standing) -> bool {
        self.find_mut(name).map(|election| election.stand(now, standing)).is_some()
    }

    pub(super) fn handle_saved(&mut self, now: Instant, name: &str, number: u64, outcome: SaveOutcome) {
        if let Some(election) = self.find_mut(name) {
            election.handle_saved(now, number, outcome);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for entry in &mut self.each {
            if entry.election.poll_timeout().is_some_and(|due| due <= now) {
                entry.election.handle_timeout(now);
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.is_stopped { None } else { self.iter().filter_map(Election::poll_timeout).min() }
    }

    pub(super) fn poll_save(&mut self) -> Option<BallotSave> {
        self.each.iter_mut().find_map(|entry| {
            let save = entry.election.poll_save()?;
            Some(BallotSave { election: Arc::clone(entry.election.rules().name()), save })
        })
    }

    pub(super) fn lease(&self, now: Instant, name: &str) -> Option<Lease> {
        self.find(name).filter(|_| !self.is_stopped)?.lease(now)
    }

    /// The node leaves: offices are handed over first.
    pub(super) fn leave(&mut self, now: Instant) {
        self.each.iter_mut().for_each(|entry| entry.election.leave(now));
    }

    pub(super) fn may_go(&self) -> bool {
        self.is_stopped || self.iter().all(Election::may_go)
    }

    /// A letter goes to the election it is about, if that is held under the same charter here.
    pub(super) fn handle_letter(
        &mut self,
        now: Instant,
        received: Received,
        swim: &mut Machine,
    ) -> Result<(), Rejected> {
        let about = |entry: &&mut Entry| entry.election.rules().council().election == received.council.election;
        let entry = self.each.iter_mut().find(about).ok_or(Rejected::Election)?;
        if entry.election.rules().council() != received.council {
            entry.note_differing(received.from, swim);
            return Err(Rejected::Voters);
        }
        entry.election.handle_letter(now, received.from, received.letter)
    }

    /// Passes on what each side has for the other, after every call.
    pub(super) fn settle(&mut self, now: Instant, swim: &mut Machine) {
        if self.each.is_empty() || self.is_stopped {
            return;
        }
        if swim.is_stopped() {
            self.is_stopped = true;
            self.each.iter_mut().for_each(|entry| entry.election.abandon(now));
        }
        self.give_hints(now, swim);
        let mut is_led_otherwise = false;
        for entry in &mut self.each {
            let council = entry.election.rules().council();
            entry.send_held(now, swim);
            while let Some((to, letter)) = entry.election.poll_letter() {
                if !swim.send_letter(to, council, letter) {
                    entry.hold(now, to, letter);
                    let asked = self.asked.entry(to).or_insert(Instant::ORIGIN);
                    if *asked == Instant::ORIGIN || now.since(*asked) >= self.patience {
                        *asked = now;
                        swim.get_acquainted(now, to);
                    }
                }
            }
            while let Some(change) = entry.election.poll_change() {
                is_led_otherwise = true;
                swim.tell_of(entry.event(change, now));
            }
        }
        if is_led_otherwise {
            let leads: Vec<Lead> = self.each.iter().filter_map(Entry::lead).collect();
            swim.set_leads(now, &leads);
            self.give_hints(now, swim);
        }
    }

    /// Tells the elections how the detector sees their voters, where that has changed.
    fn give_hints(&mut self, now: Instant, swim: &Machine) {
        let revision = swim.revision();
        if std::mem::replace(&mut self.revision, revision) == revision {
            return;
        }
        for entry in &mut self.each {
            let council = entry.election.rules().council();
            for place in 0..entry.hints.len() {
                let Some((id, _)) = entry.election.rules().voters().get(place).cloned() else { continue };
                let state = swim.state_of(id);
                let liveness = match state {
                    None => Liveness::Unknown,
                    Some(State::Alive) => Liveness::Alive,
                    Some(State::Suspect) => Liveness::Suspect,
                    Some(State::Dead) => Liveness::Dead,
                    Some(State::Left) => Liveness::Left,
                };
                let lead =
                    swim.leads(id).find(|lead| lead.council == council).filter(|_| state.is_some_and(State::is_live));
                let (was, led) = std::mem::replace(&mut entry.hints[place], (liveness, lead.map(|lead| lead.term)));
                match lead {
                    Some(lead) if led != Some(lead.term) => {
                        entry.election.hear_say(now, id, lead.term, lead.trigger);
                    }
                    None if led.is_some() && liveness == Liveness::Alive => entry.election.hear_say_over(now, id),
                    Some(_) | None => {}
                }
                if liveness != was {
                    entry.election.hint(now, id, liveness);
                }
            }
        }
    }

    pub(super) fn metrics(&self) -> ElectionMetrics {
        let mut sum = ElectionMetrics::default();
        for (_, counts) in self.metrics_by_name() {
            sum.campaigns += counts.campaigns;
            sum.terms_won += counts.terms_won;
            sum.votes_given += counts.votes_given;
            sum.saves_failed += counts.saves_failed;
            sum.leases_lost += counts.leases_lost;
            sum.led += counts.led;
        }
        sum
    }

    pub(super) fn metrics_by_name(&self) -> impl Iterator<Item = (&str, ElectionMetrics)> {
        self.iter().map(|election| {
            let counts = election.counts();
            let metrics = ElectionMetrics {
                campaigns: counts.campaigns,
                terms_won: counts.terms_won,
                votes_given: counts.votes_given,
                saves_failed: counts.saves_failed,
                leases_lost: counts.leases_lost,
                led: u64::from(election.lease(Instant::ORIGIN).is_some()),
            };
            (&**election.rules().name(), metrics)
        })
    }
}

impl Entry {
    /// Keeps a letter until its receiver's address is proved; an earlier one to the same voter is of no use any more.
    fn hold(&mut self, now: Instant, to: NodeId, letter: Letter) {
        self.held.retain(|(held, ..)| *held != to);
        self.held.push((to, letter, now));
    }

    /// Sends what was kept to those whose addresses are proved by now. After a heartbeat's time a letter is old.
    fn send_held(&mut self, now: Instant, swim: &mut Machine) {
        if self.held.is_empty() {
            return;
        }
        let (council, fresh) = (self.election.rules().council(), self.election.rules().heartbeat());
        self.held.retain(|(to, letter, since)| now.since(*since) <= fresh && !swim.send_letter(*to, council, *letter));
    }

    fn event(&self, change: Change, now: Instant) -> Event {
        let leader = |id: NodeId, term: Term, since: Instant| {
            let rules = self.election.rules();
            let name = rules.place_of(id).and_then(|place| rules.voters().get(place));
            let name = name.map_or_else(|| "".into(), |(_, name)| Arc::clone(name));
            Leader { election: Arc::clone(rules.name()), id, name, term, since }
        };
        match change {
            Change::Led { id, term, trigger } => Event::Leader { leader: leader(id, term, now), trigger },
            Change::Lost { id, term, since, reason } => Event::LeaderLost { leader: leader(id, term, since), reason },
        }
    }

    /// What this node's own record says of the election, if it leads it.
    fn lead(&self) -> Option<Lead> {
        let (term, trigger) = self.election.office()?;
        Some(Lead { council: self.election.rules().council(), term, trigger })
    }

    /// Somebody takes part under another configuration: the application hears whom, once each.
    fn note_differing(&mut self, from: NodeId, swim: &mut Machine) {
        if self.differing.len() < DIFFERING_MAX && self.differing.insert(from) {
            let election = Arc::clone(self.election.rules().name());
            swim.tell_of(Event::VotersDiffer { election, members: self.differing.iter().copied().collect() });
        }
    }
}
