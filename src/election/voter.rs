//! What one voter has granted and may grant: its ballot, its promises, and what it may have forgotten.
//!
//! A ballot (term and vote) is saved before it is told, so that a restart cannot vote twice in a term. A promise is not
//! saved: a voter that has just started waits for the longest that it may have made. Promises bind votes alone. A voter
//! may promise itself to an elected leader whatever it promised before: that leader was elected by a quorum of which
//! each was free, so the lease before it is over.

use std::time::Duration;

use crate::election::rules::Rules;
use crate::election::store::Ballot;
use crate::leader::Term;
use crate::member::NodeId;
use crate::sabotage;
use crate::time::Instant;
use crate::voters::{Version, Voters};

/// How far a term may lie ahead of what a voter with a durable store knows: 49 days of milliseconds. It lets a quorum
/// in whose terms began at a clock, and keeps a liar from using the terms up.
const LEAP_MAX: u64 = 1 << 32;
/// How far a term may lie ahead of a voter's clock, and of all terms that it knows, before it asks for it: a minute of
/// milliseconds. Chosen: clocks that are kept are within a second of each other, and a minute has no 60,000 elections.
const ASKED_BEYOND: u64 = 60_000;
/// Promises kept apart; beyond that they are held to the latest of them, which is safe and slow.
const PROMISES_MAX: usize = 4;

/// What a voter starts from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VoterState {
    /// What its store holds, by [`Ballot::opening`] at least; none if it never held anything.
    pub ballot: Option<Ballot>,
    /// Whether what it saves outlives its process.
    pub is_durable: bool,
    /// What its wall clock says now, in Unix milliseconds: where a voter that may have forgotten its votes begins.
    pub unix_ms: u64,
}

/// A promise to help no other voter to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Promise {
    to: NodeId,
    term: Term,
    until: Instant,
}

/// One voter's ballot and promises.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Voter {
    ballot: Ballot,
    /// Whether the store holds the ballot as it stands.
    is_saved: bool,
    /// Whether the candidate it voted for has said that it does not lead in that term.
    is_void: bool,
    /// Whether it has neither voted nor followed a leader since a start at which it knew of no vote: its term is then
    /// the one that its clock began with, and no leader's.
    is_new: bool,
    /// The highest term it followed a leader in.
    followed: Term,
    /// The save under way: its number, what is saved, and when it began.
    saving: Option<(u64, Ballot, Instant)>,
    saves: u64,
    /// The configuration of voters that the store holds.
    held: Option<Voters>,
    promises: Vec<Promise>,
    /// Until when it may be bound by promises that it has forgotten.
    waits_until: Instant,
    /// Until when what it promised before it started may be counted on.
    started_until: Instant,
    is_durable: bool,
    /// What its wall clock said last, and when it was read.
    unix_ms: u64,
    read_at: Instant,
}

/// Why a vote is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct No {
    /// How long a promise still stands in its way; zero if that is not why.
    pub(super) wait: Duration,
}

impl Voter {
    pub(super) fn new(me: NodeId, now: Instant, voter_state: VoterState, rules: &Rules) -> Self {
        let is_saved = voter_state.ballot.is_some();
        let held = voter_state.ballot.as_ref().and_then(|ballot| ballot.voters.clone());
        let ballot = Ballot::opening(voter_state.ballot, me, voter_state.unix_ms, rules.promise());

        // docs/elections.md, E4: promises are not saved, so it waits for the longest that it may have made.
        let wait = if sabotage::is_off("waits_after_start") { Duration::ZERO } else { ballot.promise };
        let is_new = ballot.vote.is_none();

        Voter {
            ballot: Ballot { promise: rules.promise(), ..ballot },
            is_saved,
            is_void: false,
            is_new,
            followed: Term(0),
            saving: None,
            saves: 0,
            held,
            promises: Vec::new(),
            waits_until: now + wait,
            started_until: now + wait,
            is_durable: voter_state.is_durable,
            unix_ms: voter_state.unix_ms,
            read_at: now,
        }
    }

    /// Its wall clock was set, and says this now. One that was wrong when the voter started, and that has neither voted
    /// nor followed a leader since, is taken for a start at the right one: in terms up to there it may have voted
    /// before.
    pub(super) fn set_clock(&mut self, now: Instant, unix_ms: u64) {
        (self.unix_ms, self.read_at) = (unix_ms, now);
        let opening = Ballot::first_term(unix_ms);
        if self.is_new && self.followed == Term(0) && opening > self.ballot.term && !self.is_saving() {
            self.ballot.term = opening;
            self.is_saved = false;
        }
    }

    /// The highest term it voted in or followed a leader of.
    pub(super) fn term(&self) -> Term {
        self.ballot.term
    }

    /// The candidate it voted for in its term.
    pub(super) fn vote(&self) -> Option<NodeId> {
        self.ballot.vote
    }

    pub(super) fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    /// How long promises still bind it, but for those to the leader of `exempt`, which wants to be relieved.
    pub(super) fn bound(&self, now: Instant, exempt: Option<Term>) -> Duration {
        if sabotage::is_off("promise") {
            return Duration::ZERO;
        }
        let binding = self.promises.iter().filter(|promise| Some(promise.term) != exempt);
        let until = binding.map(|promise| promise.until).fold(self.waits_until, Instant::max);
        until.since(now)
    }

    /// Whether it would vote for a candidate in a term.
    ///
    /// # Errors
    /// Why it would not.
    pub(super) fn may_vote(
        &self,
        now: Instant,
        rules: &Rules,
        (term, candidate): (Term, NodeId),
        hand_over: Option<Term>,
    ) -> Result<(), No> {
        let is_repeated = term == self.ballot.term && self.ballot.vote == Some(candidate) && !self.is_void;
        let is_double = term == self.ballot.term && sabotage::is_off("one_vote");
        if !(term > self.ballot.term || is_repeated || is_double) || !self.believes(now, term) {
            return Err(No { wait: Duration::ZERO });
        }

        if self.is_saving() {
            return Err(No { wait: rules.turn(Duration::ZERO) });
        }
        // Having voted, it is bound to this very candidate; asked again, it says so again.
        let wait = if is_repeated && self.is_saved { Duration::ZERO } else { self.bound(now, hand_over) };
        if wait > Duration::ZERO { Err(No { wait }) } else { Ok(()) }
    }

    /// Whether it would vote in a term. A voter that may have forgotten votes takes part in none beyond its own clock,
    /// so that after a restart its clock outbids whatever it voted in.
    pub(super) fn believes(&self, now: Instant, term: Term) -> bool {
        let is_within = self.is_durable || term.0 <= self.clock(now) || sabotage::is_off("clock_ceiling");
        is_within && self.can_be(now, term)
    }

    /// Whether a term lies further ahead than clocks explain: than its own, and than all terms that are known here.
    pub(super) fn leaps(&self, now: Instant, known: Term, term: Term) -> bool {
        let known = self.clock(now).max(self.ballot.term.0).max(known.0);
        term.0 > known.saturating_add(ASKED_BEYOND)
    }

    /// How far a term lies ahead of its wall clock.
    pub(super) fn ahead(&self, now: Instant, term: Term) -> Duration {
        Duration::from_millis(term.0.saturating_sub(self.clock(now)))
    }

    /// Whether a term can be at all.
    pub(super) fn can_be(&self, now: Instant, term: Term) -> bool {
        let highest = self.clock(now).max(self.ballot.term.0).saturating_add(LEAP_MAX);
        term.0 <= highest.min(Term::LIMIT - 1)
    }

    /// What its wall clock says, in Unix milliseconds, if it went on since it was read as time did.
    fn clock(&self, now: Instant) -> u64 {
        let elapsed = now.since(self.read_at).as_millis();
        self.unix_ms.saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// Gives its vote under the voters in effect; it may be told once [`Voter::is_saved`] says so. With its first it
    /// agrees to the list that it was configured with.
    pub(super) fn give(&mut self, term: Term, candidate: NodeId, voters: &Voters) {
        self.is_new = false;
        let agreed = || voters.at(voters.version().max(Version { term: Term(0), number: 1 }));
        let held = self.ballot.voters.clone().unwrap_or_else(agreed);
        let ballot = Ballot { term, vote: Some(candidate), voters: Some(held), ..self.ballot.clone() };
        self.is_saved &= ballot == self.ballot;
        self.is_void &= ballot == self.ballot;
        self.ballot = ballot;
    }

    /// Whether the candidate it voted for has said that it does not lead in that term.
    pub(super) fn is_void(&self) -> bool {
        self.is_void
    }

    /// Whether its vote is safely kept, so that it may be told.
    pub(super) fn is_saved(&self) -> bool {
        self.is_saved || sabotage::is_off("durable_vote")
    }

    /// Whether it may promise itself to the leader of a term: not below one it followed, and not below one in which the
    /// candidate it voted for may lead. One that is new may have forgotten a vote, and waits until no candidate counts
    /// on it any more.
    ///
    /// # Errors
    /// How long it waits; zero if it never may.
    pub(super) fn may_follow(&self, now: Instant, term: Term) -> Result<(), Duration> {
        if term >= self.followed && (term >= self.ballot.term || self.is_void) {
            return Ok(());
        }
        if term < self.followed || !self.is_new {
            return Err(Duration::ZERO);
        }
        let wait = if sabotage::is_off("new_waits") { Duration::ZERO } else { self.started_until.since(now) };
        if wait > Duration::ZERO { Err(wait) } else { Ok(()) }
    }

    /// Follows a leader into its term.
    pub(super) fn adopt(&mut self, term: Term) {
        self.followed = self.followed.max(term);
        if term > self.ballot.term {
            self.is_new = false;
            // Not saved: a leader of that term has a quorum of saved votes, and two quorums share a voter.
            self.ballot = Ballot { term, vote: None, ..self.ballot.clone() };
            self.is_saved = false;
            self.is_void = false;
        }
    }

    /// What is to be saved now, with its number.
    pub(super) fn begin_save(&mut self, now: Instant) -> (u64, Ballot) {
        self.saves += 1;
        self.saving = Some((self.saves, self.ballot.clone(), now));
        (self.saves, self.ballot.clone())
    }

    /// The store has answered: how long it took. None if that was not about the save under way.
    pub(super) fn end_save(&mut self, now: Instant, number: u64, is_done: bool) -> Option<Duration> {
        let (_, saved, began) = self.saving.take_if(|(under_way, ..)| *under_way == number)?;
        self.is_saved |= is_done && saved == self.ballot;
        if is_done {
            self.held = saved.voters;
        }
        Some(now.since(began))
    }

    /// Takes a later configuration of voters over, to be saved. The leader that made it led in its term, so this voter
    /// is in that one at least. One that is later still stays: its save has failed, and the store may hold it.
    pub(super) fn configure(&mut self, voters: Voters) {
        let term = voters.version().term;
        if term > self.ballot.term {
            self.ballot = Ballot { term, vote: None, ..self.ballot.clone() };
            (self.is_void, self.is_new) = (false, false);
        }
        self.followed = self.followed.max(term);
        if self.voters().is_none_or(|own| own.version() <= voters.version()) || sabotage::is_off("failed_save_stays") {
            self.ballot.voters = Some(voters);
        }
        self.is_saved = false;
    }

    /// The configuration that it saves with its next vote, if not before.
    pub(super) fn voters(&self) -> Option<&Voters> {
        self.ballot.voters.as_ref()
    }

    /// The configuration that its store holds.
    pub(super) fn held(&self) -> Option<&Voters> {
        self.held.as_ref()
    }

    /// Where that stands in the order of all.
    pub(super) fn holds(&self) -> Option<Version> {
        self.held().map(Voters::version)
    }

    /// The term in which it says what it holds: the highest that it voted in or followed a leader of. A vote that is
    /// void elects no leader. A voter that is new names none until no candidate counts any more on what it may have
    /// forgotten; then the highest that it followed a leader in.
    pub(super) fn spoken_term(&self, now: Instant) -> Option<Term> {
        match (self.is_new, self.is_void) {
            (false, false) => Some(self.ballot.term),
            (false, true) => Some(self.followed),
            (true, _) => (self.started_until <= now).then_some(self.followed),
        }
    }

    /// Whether what it saves outlives its process.
    pub(super) fn is_durable(&self) -> bool {
        self.is_durable
    }

    /// Promises to help no other voter until then.
    pub(super) fn promise(&mut self, now: Instant, to: NodeId, term: Term, until: Instant) {
        self.promises.retain(|promise| promise.until > now && (promise.to, promise.term) != (to, term));
        if self.promises.len() >= PROMISES_MAX {
            let oldest = self.promises.remove(0);
            self.waits_until = self.waits_until.max(oldest.until);
        }
        self.promises.push(Promise { to, term, until });
    }

    /// The candidate or leader that was promised something wants it no more.
    pub(super) fn free(&mut self, from: NodeId, term: Term) {
        self.promises.retain(|promise| (promise.to, promise.term) != (from, term));
        self.is_void |= (self.ballot.term, self.ballot.vote) == (term, Some(from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ElectionConfig;

    const NEW: VoterState = VoterState { ballot: None, is_durable: false, unix_ms: 1_000 };

    fn rules() -> Rules {
        Rules::new(&ElectionConfig::lan("default", ["a", "b", "c"]))
    }

    fn at(ms: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(ms)
    }

    fn id(name: &str) -> NodeId {
        NodeId::from_name(name)
    }

    #[test]
    fn a_voter_that_may_have_forgotten_waits_and_keeps_to_its_clock() {
        let (rules, voter) = (rules(), Voter::new(id("c"), at(0), NEW, &rules()));
        let asked = |ms, term| voter.may_vote(at(ms), &rules, (Term(term), id("a")), None);
        assert_eq!(asked(0, 1_001).unwrap_err().wait, Duration::ZERO, "that term is ahead of its clock");
        assert!(asked(500, 1_001).unwrap_err().wait > Duration::ZERO);
        assert_eq!(asked(511, 1_001), Ok(()));
        assert!(asked(511, 1_000).is_err(), "it may have voted in that one");
        assert!(asked(511, 2_000).is_err());
        assert_eq!(asked(1_000, 2_000), Ok(()));
    }

    #[test]
    fn one_vote_a_term_saved_before_it_is_told() {
        let rules = rules();
        let held = Ballot { term: Term(7), vote: Some(id("a")), promise: rules.promise(), voters: None, owner: None };
        let mut voter =
            Voter::new(id("c"), at(0), VoterState { ballot: Some(held.clone()), is_durable: true, unix_ms: 0 }, &rules);
        let now = at(1_000);
        assert!(voter.may_vote(now, &rules, (Term(7), id("b")), None).is_err());
        assert!(voter.may_vote(now, &rules, (Term(7), id("a")), None).is_ok());
        assert!(voter.is_saved());
        voter.give(Term(8), id("b"), rules.electorate());
        assert!(!voter.is_saved());
        let (number, ballot) = voter.begin_save(now);
        assert_eq!((ballot.term, ballot.vote), (Term(8), Some(id("b"))));
        assert!(voter.may_vote(now, &rules, (Term(9), id("a")), None).is_err(), "one save at a time");
        assert_eq!(voter.end_save(now, number + 1, true), None);
        assert!(voter.end_save(now, number, false).is_some() && !voter.is_saved(), "the store failed: nothing is told");
        let (number, _) = voter.begin_save(now);
        let took = voter.end_save(now + Duration::from_millis(7), number, true);
        assert_eq!((took, voter.is_saved()), (Some(Duration::from_millis(7)), true));
        assert!(voter.may_follow(now, Term(7)).is_err());
        voter.free(id("b"), Term(8));
        assert!(voter.may_follow(now, Term(7)).is_ok(), "nobody leads in the term it voted in");
        voter.adopt(Term(8));
        assert_eq!(voter.vote(), Some(id("b")));
        assert!(voter.may_follow(now, Term(7)).is_err());
        voter.adopt(Term(9));
        assert_eq!((voter.term(), voter.vote()), (Term(9), None));
    }

    #[test]
    fn promises_bind_until_they_end_or_are_freed() {
        let (rules, mut voter) = (rules(), Voter::new(id("c"), at(0), NEW, &rules()));
        let now = at(10_000);
        voter.promise(now, id("a"), Term(5), at(10_500));
        assert_eq!(voter.bound(now, None), Duration::from_millis(500));
        assert_eq!(voter.bound(now, Some(Term(5))), Duration::ZERO);
        voter.promise(now, id("b"), Term(6), at(10_100));
        voter.free(id("b"), Term(5));
        voter.free(id("a"), Term(6));
        assert_eq!(voter.bound(now, None), Duration::from_millis(500));
        voter.free(id("a"), Term(5));
        assert_eq!(voter.bound(now, None), Duration::from_millis(100));
        assert!(voter.may_vote(now, &rules, (Term(2_000), id("c")), None).unwrap_err().wait > Duration::ZERO);
        for n in 0..10 {
            voter.promise(now, id("a"), Term(100 + n), at(10_200 + n));
        }
        (0..10).for_each(|n| voter.free(id("a"), Term(100 + n)));
        assert_eq!(voter.bound(now, None), Duration::from_millis(205), "those beyond the bound are not freed");
    }

    #[test]
    fn terms_that_leap_are_not_believed() {
        let rules = rules();
        let durable = VoterState { ballot: None, is_durable: true, unix_ms: 1_000 };
        let voter = Voter::new(id("c"), at(0), durable, &rules);
        assert!(voter.believes(at(0), Term(1_000 + LEAP_MAX)));
        assert!(!voter.believes(at(0), Term(1_001 + LEAP_MAX)));
        assert!(!voter.believes(at(0), Term(Term::LIMIT)));
        // (the highest term seen, a term, whether it leaps), with a clock and a ballot at 1,000
        for (seen, term, leaps) in
            [(0, 61_000, false), (0, 61_001, true), (90_000, 150_000, false), (90_000, 150_001, true)]
        {
            assert_eq!(voter.leaps(at(0), Term(seen), Term(term)), leaps, "{term} after {seen}");
        }
        assert!(!voter.leaps(at(1), Term(0), Term(61_001)), "its clock went on");
    }

    #[test]
    fn a_clock_that_is_set_opens_the_terms_and_closes_those_it_may_have_forgotten() {
        let rules = rules();
        let asked = |voter: &Voter, ms, term| voter.may_vote(at(ms), &rules, (Term(term), id("a")), None).is_ok();
        for is_durable in [false, true] {
            // Since 1970, and then two years on.
            let mut voter = Voter::new(id("c"), at(0), VoterState { is_durable, ..NEW }, &rules);
            let later = 2 * 365 * 86_400_000;
            assert!(!asked(&voter, 600, later - 5) && !voter.can_be(at(600), Term(later)));
            voter.set_clock(at(1_000), later);
            assert!(!asked(&voter, 1_100, later) && asked(&voter, 1_100, later + 1), "durable: {is_durable}");
            assert_eq!(asked(&voter, 1_100, later + 200), is_durable, "beyond its clock only what it cannot forget");
            voter.give(Term(later + 1), id("a"), rules.electorate());
            // It has voted, so it knows its term; a clock that is set back takes part in what it then may know of.
            voter.set_clock(at(1_200), later + 50_000);
            assert_eq!(voter.term(), Term(later + 1));
            voter.set_clock(at(1_300), later - 9_000);
            assert_eq!(voter.believes(at(1_300), Term(later + 2)), is_durable);
        }
        let held = Ballot { term: Term(7), vote: Some(id("a")), promise: rules.promise(), voters: None, owner: None };
        let mut voter =
            Voter::new(id("c"), at(0), VoterState { ballot: Some(held.clone()), is_durable: true, unix_ms: 0 }, &rules);
        voter.set_clock(at(0), 1_000_000);
        assert_eq!(voter.term(), Term(7), "what it holds it has not forgotten");
    }

    #[test]
    fn a_new_voter_follows_a_leader_of_a_lower_term_once_nobody_counts_on_what_it_forgot() {
        let rules = rules();
        let opening = Ballot { term: Term(1_000), vote: None, promise: rules.promise(), voters: None, owner: None };
        let voted = Ballot { vote: Some(id("a")), ..opening.clone() };
        // (what its store held, milliseconds since its start, the leader's term, how long it waits)
        let rows = [
            (None, 100, 900, Some(410)),
            (None, 600, 900, None),
            (None, 100, 1_001, None),
            (Some(opening.clone()), 100, 900, Some(410)),
            (Some(opening), 600, 900, None),
            (Some(voted.clone()), 600, 900, Some(0)),
            (Some(voted), 100, 1_000, None),
        ];
        for (ballot, ms, term, expected) in rows {
            let voter = Voter::new(
                id("c"),
                at(0),
                VoterState { is_durable: ballot.is_some(), ballot: ballot.clone(), ..NEW },
                &rules,
            );
            let waits = voter.may_follow(at(ms), Term(term)).err().map(|wait| wait.as_millis());
            assert_eq!(waits, expected, "{ballot:?} at {ms} ms, term {term}");
        }
        let mut voter = Voter::new(id("c"), at(0), NEW, &rules);
        voter.adopt(Term(900));
        assert!(voter.may_follow(at(600), Term(899)).is_err(), "below one that it followed");
        assert!(voter.may_follow(at(600), Term(950)).is_ok());
        assert_eq!(voter.term(), Term(1_000), "it votes in none below its clock all the same");
        voter.give(Term(1_200), id("b"), rules.electorate());
        assert!(voter.may_follow(at(600), Term(950)).is_err());
    }
}
