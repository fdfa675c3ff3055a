//! Where membership and elections meet: hints go one way, messages the other, and neither knows of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Rules;
use crate::election::{
    Change, ChangeError, Context, Election, HeldLease, Liveness, Message, Save, SaveOutcome, VoterState,
};
use crate::event::Event;
use crate::leader::{Leader, LossReason, Term, Trigger, WORD_BYTES_MAX};
use crate::member::{EXTRA_BYTES_MAX, NodeId, State};
use crate::metrics::ElectionMetrics;
use crate::swim::{Machine, Received};
use crate::time::Instant;
use crate::voters::{ListFault, VOTERS_BYTES_MAX, check_list};
use crate::wire::{ROLE_BYTES_MAX, Rejected, Role};

/// Members with another configuration that are named in one event.
const DIFFERING_MAX: usize = 16;
/// What a node's other further fields take, with space to spare.
const OTHER_FIELDS_BYTES: usize = 68;

/// A ballot to be saved, of which election; answer it with [`Protocol::handle_saved`](super::Protocol::handle_saved).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BallotSave {
    /// The election's name.
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
    /// Whether this node's record may say something else of its elections than it should.
    is_role_new: bool,
    /// When an unproved voter was last pinged.
    asked: BTreeMap<NodeId, Instant>,
    /// Until a pause like this is over it is not pinged again.
    patience: Duration,
    is_stopped: bool,
}

#[derive(Debug)]
struct Entry {
    election: Election,
    /// What the election was last told of each voter, and of each other member that has a part in it.
    hints: BTreeMap<NodeId, Hint>,
    /// The leader as the application knows it.
    shown: Option<Leader>,
    /// What this node's application says to the nodes that look for the leader.
    word: Arc<[u8]>,
    differing: BTreeSet<NodeId>,
    /// Messages to voters whose addresses are being proved, the latest to each, and since when they wait.
    held: Vec<(NodeId, Context, Message, Instant)>,
    /// The voters that the hints were given under, and whether there are others now, of which the election was told
    /// nothing.
    hinted: u64,
    tells_anew: bool,
}

/// What the detector and its own record say of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hint {
    liveness: Liveness,
    leads: Option<Term>,
    candidacy: Option<u8>,
}

impl Hint {
    const NONE: Hint = Hint { liveness: Liveness::Unknown, leads: None, candidacy: None };
}

impl Elections {
    pub(super) fn new(rules: &Rules, me: NodeId, seed: u64, now: Instant) -> Self {
        let each = rules.elections.iter().map(|config| Entry {
            election: Election::new(crate::election::Rules::new(config), me, seed, now),
            hints: BTreeMap::new(),
            shown: None,
            word: Arc::default(),
            differing: BTreeSet::new(),
            held: Vec::new(),
            hinted: 0,
            tells_anew: false,
        });
        Elections {
            each: each.collect(),
            revision: u64::MAX,
            is_role_new: true,
            asked: BTreeMap::new(),
            patience: rules.rto_min(),
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

    pub(super) fn start_voting(&mut self, now: Instant, name: &str, voter_state: VoterState) -> bool {
        self.find_mut(name).map(|election| election.start_voting(now, voter_state)).is_some()
    }

    pub(super) fn set_candidacy(&mut self, now: Instant, name: &str, candidacy: Option<u8>) -> bool {
        self.is_role_new = true;
        self.find_mut(name).map(|election| election.set_candidacy(now, candidacy)).is_some()
    }

    pub(super) fn set_wall_clock(&mut self, now: Instant, unix_ms: u64) {
        self.each.iter_mut().for_each(|entry| entry.election.set_wall_clock(now, unix_ms));
    }

    pub(super) fn set_word(&mut self, name: &str, word: &[u8]) -> Result<(), WordError> {
        let about = |entry: &Entry| &**entry.election.rules().name() == name;
        let others: usize = self.each.iter().filter(|entry| !about(entry)).map(|entry| entry.word.len()).sum();
        let longest = longest_word(self.each.len(), others);
        let entry = self.each.iter_mut().find(|entry| about(entry)).ok_or(WordError::Unknown)?;
        if word.len() > longest {
            return Err(WordError::TooLong { length: word.len(), longest });
        }
        entry.word = word.into();
        self.is_role_new = true;
        Ok(())
    }

    pub(super) fn change_voters<N: AsRef<str>>(
        &mut self,
        now: Instant,
        name: &str,
        list: &[N],
        is_forced: bool,
    ) -> Result<(), ChangeVotersError> {
        let election = self.find_mut(name).ok_or(ChangeVotersError::Unknown)?;
        check_list(list).map_err(ChangeVotersError::List)?;
        let list: Vec<Arc<str>> = list.iter().map(|name| name.as_ref().into()).collect();

        let voters = election.rules().electorate();
        let bytes = voters.joint(voters.version(), &list).name_bytes();
        if bytes > VOTERS_BYTES_MAX {
            return Err(ChangeVotersError::TooLong { bytes });
        }
        election.ask_change(now, &list, is_forced).map_err(ChangeVotersError::Refused)
    }

    pub(super) fn stop_change(&mut self, name: &str) {
        self.find_mut(name).into_iter().for_each(Election::stop_asking);
    }

    pub(super) fn change_outcome(&mut self, name: &str) -> Option<Result<(), ChangeError>> {
        self.find_mut(name)?.change_outcome()
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

    pub(super) fn lease(&self, now: Instant, name: &str) -> Option<HeldLease> {
        self.find(name).filter(|_| !self.is_stopped)?.lease(now)
    }

    /// The node leaves: what it leads is handed over first.
    pub(super) fn leave(&mut self, now: Instant) {
        self.is_role_new = true;
        self.each.iter_mut().for_each(|entry| entry.election.leave(now));
    }

    pub(super) fn may_go(&self) -> bool {
        self.is_stopped || self.iter().all(Election::may_go)
    }

    /// A message goes to the election it is about, if that is held under the same rules here.
    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        received: Received,
        swim: &mut Machine,
    ) -> Result<(), Rejected> {
        let about = |entry: &&mut Entry| entry.election.rules().context().election == received.context.election;
        let entry = self.each.iter_mut().find(about).ok_or(Rejected::Election)?;
        let Received { from, context, message } = received;
        let verdict = entry.election.handle_message(now, (from, context), message);
        if verdict == Err(Rejected::Voters) {
            entry.note_differing(from, swim);
        }
        verdict
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

        for entry in &mut self.each {
            entry.send_held(now, swim);
            let context = entry.election.rules().context();
            while let Some((to, message)) = entry.election.poll_message() {
                if !swim.send_election_message(to, context, message.clone()) {
                    entry.hold(now, to, (context, message));
                    let asked = self.asked.entry(to).or_insert(Instant::ORIGIN);
                    if *asked == Instant::ORIGIN || now.since(*asked) >= self.patience {
                        *asked = now;
                        swim.get_acquainted(now, to);
                    }
                }
            }

            while let Some(change) = entry.election.poll_change() {
                self.is_role_new = true;
                let event = entry.event(change, now, swim);
                swim.tell_of(event);
                if matches!(change, Change::Voters { replace_own: true }) {
                    entry.note_differing(entry.election.me(), swim);
                }
            }
        }

        if std::mem::take(&mut self.is_role_new) {
            swim.set_roles(now, self.each.iter().filter_map(Entry::role));
            self.give_hints(now, swim);
        }
    }

    /// Tells the elections what the detector and their own records say of members, where that has changed.
    fn give_hints(&mut self, now: Instant, swim: &mut Machine) {
        let mut seen = std::mem::replace(&mut self.revision, swim.revision());
        for entry in &mut self.each {
            let voters = entry.election.rules().context().voters;
            if std::mem::replace(&mut entry.hinted, voters) != voters {
                entry.tells_anew = true;
                seen = u64::MAX;
            }
        }

        if seen == self.revision {
            return;
        }

        let changed: Option<Vec<NodeId>> = swim.changed_since(seen).map(Iterator::collect);
        for entry in &mut self.each {
            let all = || swim.ids().chain(entry.hints.keys().copied()).collect();
            let ids: Vec<NodeId> = changed.clone().unwrap_or_else(all);
            ids.into_iter().for_each(|id| entry.give_hint(now, id, swim));
            entry.tells_anew = false;
            if let Some(event) = entry.word_event(swim) {
                swim.tell_of(event);
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
    /// Keeps a message until its receiver's address is proved; an earlier one to the same voter is of no use any more.
    fn hold(&mut self, now: Instant, to: NodeId, (context, message): (Context, Message)) {
        self.held.retain(|(held, ..)| *held != to);
        self.held.push((to, context, message, now));
    }

    /// Sends what was kept to those whose addresses are proved by now. After a heartbeat's time a message is old.
    fn send_held(&mut self, now: Instant, swim: &mut Machine) {
        if self.held.is_empty() {
            return;
        }
        let fresh = self.election.rules().heartbeat();
        self.held.retain(|(to, context, message, since)| {
            now.since(*since) <= fresh && !swim.send_election_message(*to, *context, message.clone())
        });
    }

    /// Tells the election what is new of one member.
    fn give_hint(&mut self, now: Instant, id: NodeId, swim: &mut Machine) {
        let context = self.election.rules().context();
        let (is_voter, state) = (self.election.rules().place_of(id).is_some(), swim.state_of(id));
        let role = swim.role(id, context.election);
        // Under another number its voters may well be others.
        let is_one_of_ours =
            role.is_some_and(|role| role.number != context.version.number || role.rules == context.digest());

        let is_live = state.is_some_and(State::is_live);
        // A node without a vote may know less than the voters do, and believes any member that says that it leads.
        let tells =
            role.filter(|_| is_live && (is_one_of_ours || self.election.rules().place_of(swim.me().id()).is_none()));

        let hint = Hint {
            liveness: liveness(state),
            leads: tells.and_then(|role| role.leads.ok()).map(|(term, _)| term),
            candidacy: tells.and_then(|role| role.candidacy),
        };
        let trigger = tells.and_then(|role| role.leads.ok()).map_or(Trigger::NoLeader, |(_, trigger)| trigger);
        // A voter that stands no more says nothing of it: its work ended, and it gave leadership up.
        let ended = tells.and_then(|role| role.leads.err()).unwrap_or(LossReason::Resigned);
        let differs = role.is_some() && is_live && !is_one_of_ours && !self.election.rules().is_watched();

        let was = self.hints.get(&id).copied().unwrap_or(Hint::NONE);
        if is_voter || role.is_some() {
            self.hints.insert(id, hint);
        } else if self.hints.remove(&id).is_none() {
            return;
        }

        let number = role.filter(|role| is_live && role.rules != context.digest()).map(|role| role.number);
        if let Some(number) = number.filter(|number| *number > context.version.number && id != swim.me().id()) {
            self.election.hint_number(now, id, number);
        }
        if differs && id != swim.me().id() {
            self.note_differing(id, swim);
        }

        match hint.leads {
            // Of a suspect it may have been forgotten.
            Some(term) if was.leads != Some(term) || was.liveness != hint.liveness || self.tells_anew => {
                self.election.hear_say(now, id, term, trigger);
            }
            None if was.leads.is_some() && hint.liveness == Liveness::Alive => {
                self.election.hear_say_over(now, id, ended)
            }
            Some(_) | None => {}
        }

        if hint.candidacy != was.candidacy || self.tells_anew {
            self.election.hint_candidacy(now, id, hint.candidacy);
        }
        if hint.liveness != was.liveness || self.tells_anew {
            self.election.hint(now, id, hint.liveness);
        }
    }

    fn event(&mut self, change: Change, now: Instant, swim: &Machine) -> Event {
        match change {
            Change::Voters { .. } => self.voters_event(),
            Change::Led { id, term, trigger } => {
                let leader = self.leader((id, term, now), swim);
                self.shown = Some(leader.clone());
                Event::Leader { leader, trigger }
            }
            Change::Lost { id, term, since, reason } => {
                let shown = self.shown.take().filter(|shown| (shown.id, shown.term) == (id, term));
                let leader = shown.unwrap_or_else(|| self.leader((id, term, since), swim));
                Event::LeaderLost { leader, reason }
            }
        }
    }

    fn voters_event(&self) -> Event {
        let (rules, voters) = (self.election.rules(), self.election.rules().electorate());
        Event::VotersChanged {
            election: Arc::clone(rules.name()),
            voters: voters.present().cloned().collect(),
            next: voters.next().map(|next| next.cloned().collect()),
        }
    }

    fn leader(&self, (id, term, since): (NodeId, Term, Instant), swim: &Machine) -> Leader {
        let rules = self.election.rules();
        let voter = rules.place_of(id).and_then(|place| rules.voters().get(place)).map(|(_, name)| Arc::clone(name));
        let name = voter.unwrap_or_else(|| swim.member(id).map_or_else(|| "".into(), |member| member.name().into()));
        Leader { election: Arc::clone(rules.name()), id, name, term, since, word: self.word_of(id, swim) }
    }

    fn word_of(&self, id: NodeId, swim: &Machine) -> Arc<[u8]> {
        if id == self.election.me() {
            return Arc::clone(&self.word);
        }
        swim.role(id, self.election.rules().context().election).map_or_else(Arc::default, |role| role.word.into())
    }

    /// Tells that the leader says something else than it did.
    fn word_event(&mut self, swim: &Machine) -> Option<Event> {
        let leader = self.shown.as_ref()?;
        // Its record may say nothing of the election yet; what was known stands.
        let says = swim.role(leader.id, self.election.rules().context().election)?.word;
        if *says == *leader.word {
            return None;
        }
        let leader = Leader { word: says.into(), ..leader.clone() };
        self.shown = Some(leader.clone());
        Some(Event::LeaderUpdated { leader })
    }

    /// What this node's own record says of the election: that it leads it, or is a candidate.
    fn role(&self) -> Option<Role<'_>> {
        let stands = self.election.is_candidate(self.election.me());
        let (leads, candidacy) = (self.election.leadership(), self.election.candidacy().filter(|_| stands));
        let context = self.election.rules().context();
        let is_any = leads.is_some() || candidacy.is_some();
        let leads = leads.ok_or(self.election.ended());
        let (election, rules, number) = (context.election, context.digest(), context.version.number);
        is_any.then_some(Role { election, rules, number, leads, candidacy, word: &self.word })
    }

    /// A member takes part under another configuration: the application is told once of each such member.
    fn note_differing(&mut self, from: NodeId, swim: &mut Machine) {
        if self.differing.len() < DIFFERING_MAX && self.differing.insert(from) {
            let election = Arc::clone(self.election.rules().name());
            swim.tell_of(Event::VotersDiffer { election, members: self.differing.iter().copied().collect() });
        }
    }
}

const fn liveness(state: Option<State>) -> Liveness {
    match state {
        None => Liveness::Unknown,
        Some(State::Alive) => Liveness::Alive,
        Some(State::Suspect) => Liveness::Suspect,
        Some(State::Dead) => Liveness::Dead,
        Some(State::Left) => Liveness::Left,
    }
}

/// How long a word may be at a node with so many elections, where those of the others take so many bytes together.
fn longest_word(elections: usize, others: usize) -> usize {
    let space = EXTRA_BYTES_MAX.saturating_sub(OTHER_FIELDS_BYTES + elections * ROLE_BYTES_MAX + others);
    space.min(WORD_BYTES_MAX)
}

/// Why other voters were not asked for, or are not there.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ChangeVotersError {
    /// No such election is configured.
    Unknown,
    /// The names are no list of voters.
    List(ListFault),
    /// The names of the voters of before and after together take so many bytes, and one for each: they do not fit into
    /// a datagram.
    TooLong {
        /// How many; [`VOTERS_BYTES_MAX`] at most.
        bytes: usize,
    },
    /// Why there is no change, or none is known.
    Refused(ChangeError),
}

impl fmt::Display for ChangeVotersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeVotersError::Unknown => f.write_str("no such election is configured"),
            ChangeVotersError::List(fault) => fault.fmt(f),
            ChangeVotersError::TooLong { bytes } => {
                write!(
                    f,
                    "the names of the voters of before and after take {bytes} bytes, and {VOTERS_BYTES_MAX} fit: \
                    change them in two steps, or take shorter names"
                )
            }
            ChangeVotersError::Refused(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ChangeVotersError {}

/// Why a leader's word was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WordError {
    /// No such election is configured.
    Unknown,
    /// It does not fit into this node's record.
    TooLong {
        /// How long it is, in bytes.
        length: usize,
        /// How long it may be beside the words of this node's other elections; 256 at most.
        longest: usize,
    },
}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WordError::Unknown => f.write_str("no such election is configured"),
            WordError::TooLong { length, longest } => {
                write!(f, "a word of {length} bytes; {longest} fit into this node's record")
            }
        }
    }
}

impl std::error::Error for WordError {}
