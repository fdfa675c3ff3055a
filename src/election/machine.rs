//! One node's part in one election: routes messages, moments and hints to the voter, the candidate and the leader in
//! it.
//!
//! Each file below is one role. A node without a vote knows the leader by hearsay alone; a voter takes part once its
//! store has been read.

mod candidacy;
mod changing;
mod configuring;
mod knowing;
mod leading;
mod leaping;
mod resigning;
mod standing;
mod voting;

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::Stands;
use crate::election::exchange::{Change, ElectionCounts, HeldLease, Liveness, Save, SaveOutcome};
use crate::election::message::{Context, Message, Round};
use crate::election::role::Role;
use crate::election::rules::Rules;
use crate::election::timing::Timing;
use crate::election::voter::{Voter, VoterState};
use crate::leader::{LossReason, Term, Trigger};
use crate::member::NodeId;
use crate::random::{self, Random};
use crate::rejected::Rejected;
use crate::sabotage;
use crate::time::Instant;

pub use changing::ChangeError;

use changing::ChangeRequest;
use configuring::Ahead;
use knowing::{Heard, Hearsay, Known};
use leaping::Leaping;
use resigning::Resignation;
use standing::Turn;

/// What the save under way is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    /// This voter's vote for itself.
    Own,
    /// A vote for a candidate that asked in this round.
    Vote(NodeId, Round),
    /// Another configuration of voters, and the node that told of it; none if this leader made it.
    Voters(Option<NodeId>),
}

/// One node's part in one election, sans-IO.
///
/// **After every call drain [`poll_message`], [`poll_save`] and [`poll_change`], then wait for [`poll_timeout`], a
/// message or the outcome of a save.** Calls that come too early or too often do nothing and are safe.
///
/// [`poll_message`]: Election::poll_message
/// [`poll_save`]: Election::poll_save
/// [`poll_change`]: Election::poll_change
/// [`poll_timeout`]: Election::poll_timeout
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Election {
    rules: Rules,
    me: NodeId,
    /// This node's place among the voters.
    place: Option<usize>,
    now: Instant,
    /// Its ballot and promises, once its store was read.
    voter: Option<Voter>,
    role: Role,
    /// Its priority, while it is a candidate.
    candidacy: Option<u8>,
    /// When this candidate's turn to stand comes.
    turn: Option<Turn>,
    /// When it asks a leader of a lower priority for leadership, and how often it has asked any.
    claim_at: Option<Instant>,
    claims: u32,
    /// Why leadership is vacant, or was last.
    vacancy: Trigger,
    /// How its own last term as leader ended.
    ended: LossReason,
    /// Attempts in a row that came to nothing.
    failures: u32,
    timing: Timing,
    resignations: Vec<Resignation>,
    heard: Option<Heard>,
    hearsay: Option<Hearsay>,
    known: Option<Known>,
    /// The highest term of a leader that the application was told of.
    told: Term,
    /// The last leader that this voter followed, or was itself.
    last: Option<NodeId>,
    /// When to ask whether others miss a suspected leader, too.
    leader_check_at: Option<Instant>,
    /// The highest term heard of.
    seen: Term,
    /// The two terms that each voter resigned from last. Neither says anything of another term: a leader that stood for
    /// a higher one in vain still leads in its own.
    resigned: Vec<[Term; 2]>,
    liveness: Vec<Liveness>,
    /// The last message's term that lay beyond this voter's clock, and when it came.
    beyond: Option<(Term, Instant)>,
    leaping: Leaping,
    /// The priority of each voter that says it is a candidate. A hint, as liveness is.
    candidates: Vec<Option<u8>>,
    /// What the save under way is for.
    purpose: Option<Purpose>,
    /// When other voters took effect last.
    changed_at: Instant,
    /// A node that knows of a later configuration of voters.
    ahead: Option<Ahead>,
    /// The change of voters that this node asks for, and what came of the last.
    request: Option<ChangeRequest>,
    requests: Round,
    outcome: Option<Result<(), ChangeError>>,
    /// Until when it leaves leadership to others, having resigned.
    sits_out_until: Instant,
    is_leaving: bool,
    next_round: Round,
    random: Random,
    messages: VecDeque<(NodeId, Message)>,
    save: Option<Save>,
    changes: VecDeque<Change>,
    counts: ElectionCounts,
}

impl Election {
    /// A node that knows of no leader and does not vote yet; `seed` decides its jitter.
    #[must_use]
    pub fn new(rules: Rules, me: NodeId, seed: u64, now: Instant) -> Self {
        let voters = rules.voters().len();
        let random = Random::fork(seed ^ rules.context().election, random::Purpose::Election);
        let place = rules.place_of(me);
        let stands = rules.stands() == Stands::Always;

        Election {
            place,
            me,
            now,
            voter: None,
            role: Role::Follower,
            candidacy: stands.then_some(rules.priority()),
            turn: None,
            claim_at: None,
            claims: 0,
            vacancy: Trigger::NoLeader,
            ended: LossReason::Resigned,
            failures: 0,
            timing: Timing::default(),
            resignations: Vec::new(),
            heard: None,
            hearsay: None,
            known: None,
            told: Term(0),
            last: None,
            leader_check_at: None,
            seen: Term(0),
            resigned: vec![[Term(0); 2]; voters],
            liveness: vec![Liveness::Unknown; voters],
            beyond: None,
            leaping: Leaping::default(),
            candidates: vec![None; voters],
            purpose: None,
            changed_at: Instant::ORIGIN,
            ahead: None,
            request: None,
            requests: Round(0),
            outcome: None,
            sits_out_until: Instant::ORIGIN,
            is_leaving: false,
            next_round: Round(random.clone().draw() as u32 >> 1),
            random,
            messages: VecDeque::new(),
            save: None,
            changes: VecDeque::new(),
            counts: ElectionCounts::default(),
            rules,
        }
    }

    /// Begins to take part, from what its store held: as a voter, or as one that may become one. Does nothing at a node
    /// that only watches, twice, or with another voter's ballot: a voter that has forgotten its own votes may vote
    /// twice.
    pub fn start_voting(&mut self, now: Instant, voter_state: VoterState) {
        self.enter(now);
        let is_own = voter_state.ballot.as_ref().is_none_or(|ballot| ballot.is_of(self.me));
        if self.rules.is_watched() || self.voter.is_some() || !is_own {
            return;
        }

        self.voter = Some(Voter::new(self.me, self.now, voter_state, &self.rules));
        self.bring_into_effect();
        self.await_turn(self.vacancy);
    }

    /// Takes a message in from a member, whose name its datagram proved as far as datagrams are, written under these
    /// voters. `now` is no earlier than its receipt, because a promise runs from then.
    ///
    /// # Errors
    /// Why it was rejected; nothing changed but what time alone changes.
    pub fn handle_message(
        &mut self,
        now: Instant,
        (from, context): (NodeId, Context),
        message: Message,
    ) -> Result<(), Rejected> {
        self.enter(now);
        if let Message::Change { round, progress, .. } = message {
            return self.note_change(round, progress, context.version.number);
        }

        if self.voter.is_none() || from == self.me {
            return Err(Rejected::NoVoter);
        }
        if self.hears_which_term(from, &message) {
            return Ok(());
        }

        let Some(place) = self.check_context(from, &context, &message)? else { return Ok(()) };
        if let Some(candidate) = self.role.candidate_mut() {
            candidate.hear(place);
        }
        if self.leaps(from, &message) {
            return Ok(());
        }
        if self.voter.as_ref().is_some_and(|voter| !voter.believes(self.now, message.term())) {
            self.beyond = Some((message.term(), self.now));
        }

        match message {
            Message::LeaderCheck { term, round } => self.answer_leader_check(from, term, round),
            Message::PreVote { term, round } => self.answer_pre_vote(from, term, round),
            Message::Vote { term, round, hand_over } => self.answer_vote((place, from), (term, round), hand_over),
            Message::Heartbeat { term, round, trigger, turn } => {
                self.follow((place, from), (term, round), (trigger, turn))
            }
            Message::Granted { asked, term, round } => self.note_granted((place, from), asked, (term, round)),
            Message::Refused { asked, term, round, wait } => {
                self.note_refused((place, from), asked, (term, round), wait)
            }
            Message::Resign { term } => self.note_resigned((place, from), term),
            Message::HandOver { term } => self.take_over(from, term),
            Message::AskHandOver { term, priority } => self.hear_request(from, term, priority),
            Message::Voters { .. } | Message::Holds { .. } | Message::AskChange { .. } | Message::Change { .. } => {
                Ok(())
            }
        }
    }

    /// Fires every deadline that has come; does nothing when called early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.enter(now);
        self.run_heard();
        self.run_leader_check();
        self.run_leading();
        self.run_turn();
        self.run_claim();
        self.run_candidacy();
        self.repeat_resignations();
        self.run_request();
        self.run_ahead();
    }

    /// This node's wall clock was set, and says this now, in Unix milliseconds. A voter whose clock was wrong when it
    /// started takes part once it is right.
    pub fn set_wall_clock(&mut self, now: Instant, unix_ms: u64) {
        self.enter(now);
        if let Some(voter) = &mut self.voter {
            voter.set_clock(now, unix_ms);
        }
    }

    /// By how much the terms of the others lie beyond this voter's wall clock, if it takes no part in them for that: it
    /// heard of one within two leases.
    #[must_use]
    pub fn beyond_clock(&self) -> Option<Duration> {
        let lately = self.rules.lease() * 2;
        let (term, _) = self.beyond.filter(|(_, heard)| self.now.since(*heard) <= lately)?;
        let voter = self.voter.as_ref().filter(|voter| !voter.believes(self.now, term))?;
        Some(voter.ahead(self.now, term))
    }

    /// The store has answered.
    pub fn handle_saved(&mut self, now: Instant, number: u64, outcome: SaveOutcome) {
        self.enter(now);
        let Some(voter) = &mut self.voter else { return };
        let Some(took) = voter.end_save(self.now, number, outcome == SaveOutcome::Done) else { return };
        self.timing.saved(took);
        if outcome == SaveOutcome::Failed {
            self.counts.saves_failed += 1;
        }

        self.bring_into_effect();
        match self.purpose.take() {
            Some(Purpose::Vote(candidate, round)) => self.grant_vote(candidate, round),
            Some(Purpose::Own) => self.go_to_the_voters(),
            Some(Purpose::Voters(teller)) => teller.into_iter().for_each(|teller| self.say_what_is_held(teller)),
            None => {}
        }

        // After a failure the next beat tries again.
        if outcome == SaveOutcome::Done {
            self.run_transition();
        }
    }

    /// What the detector thinks of a member has changed.
    pub fn hint(&mut self, now: Instant, id: NodeId, liveness: Liveness) {
        self.enter(now);
        if let Some(known) = self.rules.place_of(id).and_then(|place| self.liveness.get_mut(place)) {
            *known = liveness;
        }
        self.weigh_hint(id, liveness);
    }

    /// Gives leadership up: to `to` if it is another voter, to the likeliest successor if none is named. The lease goes
    /// on until the successor is elected, or until the next best moment.
    ///
    /// False, with nothing changed, if this node does not lead or `to` cannot.
    pub fn resign(&mut self, now: Instant, to: Option<NodeId>) -> bool {
        self.enter(now);
        self.hand_over(to)
    }

    /// The node leaves: it hands over if it leads, and stands no more.
    pub fn leave(&mut self, now: Instant) {
        self.enter(now);
        self.is_leaving = true;
        self.withdraw();
    }

    /// Whether this node may stop: it holds no leadership that it has yet to give up.
    #[must_use]
    pub fn may_go(&self) -> bool {
        self.role.leader().is_none()
    }

    /// The next message to send, and to which voter.
    pub fn poll_message(&mut self) -> Option<(NodeId, Message)> {
        self.messages.pop_front()
    }

    /// The ballot to save next. One is asked for at a time; answer it with [`Election::handle_saved`].
    pub fn poll_save(&mut self) -> Option<Save> {
        self.save.take()
    }

    /// What this node has learned of the leadership, in order.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// When [`Election::handle_timeout`] is next wanted.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let leading = self.role.leader().map(|leading| self.leading_deadline(leading));
        let candidate = self.role.candidate().map(|candidate| self.candidacy_deadline(candidate));
        let turn = self.turn.map(|turn| turn.at);
        let heard = self.heard.map(|heard| heard.until);
        let resignation = self.resignation_deadline();
        let ahead = self.ahead.map(|ahead| ahead.ask_at);

        [
            leading,
            candidate.flatten(),
            ahead,
            turn,
            self.claim_at,
            heard,
            resignation,
            self.leader_check_at,
            self.request_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The right to act as leader, if this node has it at `now`.
    #[must_use]
    pub fn lease(&self, now: Instant) -> Option<HeldLease> {
        let leading = self.role.leader().filter(|_| !self.is_late(now))?;
        let until = leading.acts_until(now.max(self.now), &self.rules, self.me)?;
        Some(HeldLease { term: leading.term, until })
    }

    /// How this node's last term as leader ended; as a resignation if there was none.
    #[must_use]
    pub fn ended(&self) -> LossReason {
        self.ended
    }

    /// Whether it gives up the leadership it holds: it leads on only until its successor is elected.
    #[must_use]
    pub fn is_handing_over(&self) -> bool {
        self.role.leader().is_some_and(|leading| leading.handing_over.is_some())
    }

    /// The term that this node holds leadership in, once it may act, and how it came to.
    #[must_use]
    pub fn leadership(&self) -> Option<(Term, Trigger)> {
        self.role.leader().filter(|leading| leading.is_told).map(|leading| (leading.term, leading.trigger))
    }

    /// The node has stopped: it holds no leadership and asks for nothing any more.
    pub fn abandon(&mut self, now: Instant) {
        self.enter(now);
        self.is_leaving = true;
        self.step_down(LossReason::Resigned);
        self.drop_candidacy();
        (self.turn, self.claim_at) = (None, None);
        self.resignations.clear();
        self.messages.clear();
    }

    /// The leader that this node knows, its term, and since when it knows it.
    #[must_use]
    pub fn leader(&self) -> Option<(NodeId, Term, Instant)> {
        self.known.as_ref().map(|known| (known.id, known.term, known.since))
    }

    /// The election's configuration.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// This node's id.
    #[must_use]
    pub fn me(&self) -> NodeId {
        self.me
    }

    /// Whether this node votes.
    #[must_use]
    pub fn is_voting(&self) -> bool {
        self.voter.is_some() && self.place.is_some()
    }

    /// The highest term that this voter voted in or followed a leader of.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        self.voter.as_ref().map(Voter::term)
    }

    /// The voters that promised this leader something it still counts on, itself included; 0 if it does not lead.
    #[must_use]
    pub fn supporters(&self) -> usize {
        let Some(leading) = self.role.leader() else { return 0 };
        let counts = |(id, _): &&(NodeId, _)| {
            let since = leading.promised(*id);
            *id == self.me || since.is_some_and(|since| since + self.rules.lease() > self.now)
        };
        self.rules.voters().iter().filter(counts).count()
    }

    /// What happened here, counted since this election was made.
    #[must_use]
    pub fn counts(&self) -> ElectionCounts {
        self.counts
    }

    /// Every call begins here: time never goes back, and leadership or an attempt that is over ends before anything
    /// else is done.
    fn enter(&mut self, now: Instant) {
        let is_late = self.is_late(now);
        self.now = self.now.max(now);
        if is_late {
            self.doubt();
        }
        self.end_what_is_over();
    }

    /// Whether this node did not run when it had to.
    fn is_late(&self, now: Instant) -> bool {
        let slack = self.rules.heartbeat();
        self.poll_timeout().is_some_and(|due| now.since(due) > slack) && !sabotage::is_off("doubts")
    }

    fn send(&mut self, to: NodeId, message: Message) {
        self.messages.push_back((to, message));
    }

    /// Sends to every other voter at whose place `wanted` holds.
    fn send_all(&mut self, message: Message, wanted: impl Fn(usize) -> bool) {
        for (place, (id, _)) in self.rules.voters().iter().enumerate() {
            if Some(place) != self.place && wanted(place) {
                self.messages.push_back((*id, message.clone()));
            }
        }
    }

    /// Asks for the ballot to be saved, unless that is under way.
    fn begin_save(&mut self, purpose: Purpose) {
        let Some(voter) = self.voter.as_mut().filter(|voter| !voter.is_saving()) else { return };
        let (number, ballot) = voter.begin_save(self.now);
        self.purpose = Some(purpose);
        self.save = Some(Save { number, ballot });
    }

    /// Notes a term that another voter is in, if there can be such a term.
    fn see(&mut self, term: Term) {
        let believes = self.voter.as_ref().is_some_and(|voter| voter.believes(self.now, term));
        if believes {
            self.seen = self.seen.max(term);
        }
    }

    fn promise_until(&self) -> Instant {
        self.now + self.rules.promise()
    }

    /// How much later than the candidate before it each candidate stands.
    fn turn_length(&self) -> Duration {
        self.timing.turn(&self.rules)
    }

    /// How long promises bind this voter.
    fn bound(&self) -> Duration {
        self.voter.as_ref().map_or(Duration::ZERO, |voter| voter.bound(self.now, None))
    }
}
