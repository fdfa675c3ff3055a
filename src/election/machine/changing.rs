//! The change of voters: the leader that carries it out, and the node that asks for it.

use std::fmt;
use std::sync::Arc;

use crate::election::message::{Message, Progress, Round};
use crate::election::transition::{OFFER_LEASES, Step, Wanted};
use crate::leader::Term;
use crate::member::NodeId;
use crate::rejected::Rejected;
use crate::sabotage;
use crate::time::Instant;
use crate::voters::{VOTERS_BYTES_MAX, Version, Voters};

use super::{Election, Purpose};

/// How many leases a leader goes on with a change that no node asks for any more, and a node goes on asking where no
/// leader answers.
const PATIENCE_LEASES: u32 = 20;
/// For how many leases a leader says why a change came to nothing.
const FAILED_LEASES: u32 = 2;

/// What a list is to follow before any leader has answered: whatever there is.
const ANY: Version = Version { term: Term(0), number: u32::MAX };

/// A change that this node asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ChangeRequest {
    round: Round,
    list: Voters,
    is_forced: bool,
    ask_at: Instant,
    /// When it gives up, if no leader answers.
    until: Instant,
}

/// Why a change of voters is not made, or not known to be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ChangeError {
    /// This node knows of no leader, and only a leader can change the voters.
    NoLeader,
    /// Another change is under way.
    Busy,
    /// The voters are others by now than those that the change was to follow: another change came first, or this one
    /// came to nothing.
    Overtaken,
    /// Too few of the new voters answer: they could not agree.
    TooFewLive,
    /// Too few voters keep their votes in a store that outlives their process.
    NotDurable,
    /// The names of the voters of before and after do not fit into a datagram together.
    TooLong,
    /// No leader has said anything of it for twenty leases: it may have been made or not.
    Unanswered,
    /// This node asks for a change already.
    Asking,
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChangeError::NoLeader => "no leader is known, and only a leader changes the voters",
            ChangeError::Busy => "another change of voters is under way",
            ChangeError::Overtaken => "the voters were changed by another meanwhile, or this change was given up",
            ChangeError::TooFewLive => {
                "too few of the new voters answer: start them, with this election in their configuration"
            }
            ChangeError::NotDurable => {
                "too few voters keep their votes in a store that outlives their process: give them a FileStore"
            }
            ChangeError::TooLong => {
                "the names of the voters of before and after are too long together: change them in two steps"
            }
            ChangeError::Unanswered => {
                "no leader has said anything of it for twenty leases; it may have been made or not"
            }
            ChangeError::Asking => "this node asks for a change of voters already",
        })
    }
}

impl std::error::Error for ChangeError {}

impl Election {
    /// Asks for other voters, of the leader or as the leader: this list is to be the only one. Ask again for what came
    /// of it with [`Election::change_outcome`].
    ///
    /// # Errors
    /// [`ChangeError::NoLeader`] or [`ChangeError::Asking`], and nothing has changed then.
    pub fn ask_change(&mut self, now: Instant, list: &[Arc<str>], is_forced: bool) -> Result<(), ChangeError> {
        self.enter(now);
        if self.request.is_some() {
            return Err(ChangeError::Asking);
        }
        if self.leading().is_none() {
            return Err(ChangeError::NoLeader);
        }
        let list = Voters::of(ANY, list, None);
        let until = self.now + self.rules.lease() * PATIENCE_LEASES;
        self.requests = self.requests.next();
        let request = ChangeRequest { round: self.requests, list, is_forced, ask_at: self.now, until };
        self.request = Some(request);
        self.outcome = None;
        self.run_request();
        Ok(())
    }

    /// What came of the change that this node asked for, once that is known.
    pub fn change_outcome(&mut self) -> Option<Result<(), ChangeError>> {
        self.outcome.take()
    }

    /// Asks no more. A leader goes on for a while with what it began.
    pub fn stop_asking(&mut self) {
        self.request = None;
    }

    /// The leader, as far as it is known: this node, the leader that it follows, or one by hearsay.
    fn leading(&self) -> Option<(NodeId, Term)> {
        self.known.as_ref().map(|known| (known.id, known.term))
    }

    pub(super) fn run_request(&mut self) {
        let Some(request) = &self.request else { return };
        if request.until <= self.now {
            return self.end_request(Err(ChangeError::Unanswered));
        }
        if request.ask_at > self.now {
            return;
        }

        let (round, is_forced, list) = (request.round, request.is_forced, request.list.clone());
        let again = self.now + self.rules.heartbeat();
        if let Some(request) = &mut self.request {
            request.ask_at = again;
        }

        match self.leading() {
            Some((id, term)) if id == self.me => {
                let progress = self.hear_request_of_change(term, is_forced, &list);
                let number = self.rules.electorate().version().number;
                progress.into_iter().for_each(|progress| self.note_progress(progress, number));
            }
            Some((id, term)) => self.send(id, Message::AskChange { term, round, is_forced, list: list.into() }),
            None => {}
        }
    }

    pub(super) fn request_deadline(&self) -> Option<Instant> {
        self.request.as_ref().map(|request| request.ask_at.min(request.until))
    }

    fn end_request(&mut self, outcome: Result<(), ChangeError>) {
        self.request = None;
        self.outcome = Some(outcome);
    }

    /// The leader has answered.
    pub(super) fn note_change(&mut self, round: Round, progress: Progress, number: u32) -> Result<(), Rejected> {
        if self.request.as_ref().is_none_or(|request| request.round != round) {
            return Err(Rejected::Stale);
        }
        self.note_progress(progress, number);
        Ok(())
    }

    /// The leader, whose configuration has this number, says how far it has come.
    fn note_progress(&mut self, progress: Progress, number: u32) {
        let outcome = match progress {
            Progress::UnderWay => {
                let until = self.now + self.rules.lease() * PATIENCE_LEASES;
                if let Some(request) = &mut self.request {
                    request.until = until;
                    if request.list.version() == ANY {
                        request.list = request.list.at(Version { number, ..ANY });
                    }
                }
                return;
            }
            Progress::Done => Ok(()),
            Progress::Busy => Err(ChangeError::Busy),
            Progress::Overtaken => Err(ChangeError::Overtaken),
            Progress::TooFewLive => Err(ChangeError::TooFewLive),
            Progress::NotDurable => Err(ChangeError::NotDurable),
            Progress::TooLong => Err(ChangeError::TooLong),
        };

        self.end_request(outcome);
    }

    /// A node asks this leader for other voters.
    pub(super) fn answer_request(
        &mut self,
        from: NodeId,
        (term, round): (Term, Round),
        (is_forced, list): (bool, &Voters),
    ) -> Result<(), Rejected> {
        let progress = self.hear_request_of_change(term, is_forced, list).ok_or(Rejected::Stale)?;
        self.send(from, Message::Change { term, round, progress });
        Ok(())
    }

    /// Begins a change, or goes on with it; none if this node does not lead in that term.
    fn hear_request_of_change(&mut self, term: Term, is_forced: bool, asked: &Voters) -> Option<Progress> {
        let voters = self.rules.electorate().clone();
        let until = self.now + self.rules.lease() * PATIENCE_LEASES;
        let list: Vec<Arc<str>> = asked.present().cloned().collect();
        let leading = self.role.leader_mut().filter(|leading| leading.term == term && leading.is_told)?;
        let (number, transition) = (voters.version().number, &mut leading.transition);
        let is_new = asked.version() == ANY;

        if let Some(why) = transition.failed(self.now, asked).filter(|_| !is_new) {
            return Some(why);
        }
        if voters.joint(voters.version(), &list).name_bytes() > VOTERS_BYTES_MAX {
            return Some(Progress::TooLong);
        }

        let is_as_asked = [ANY.number, number].contains(&asked.version().number);
        let is_it = |wanted: &Wanted| Voters::first(&wanted.list).digest() == asked.digest();
        let is_followed_by_it = voters.is_joint() && voters.following(voters.version()).is_just(&list);

        if voters.is_just(&list) {
            let is_agreed = is_as_asked && !transition.is_busy(&voters);
            if is_agreed || transition.is_agreed(&voters) {
                return Some(Progress::Done);
            }
        } else if transition.wanted.as_ref().is_some_and(|wanted| !is_it(wanted))
            || voters.is_joint() && !is_followed_by_it
        {
            return Some(Progress::Busy);
        } else if !voters.is_joint() && transition.wanted.is_none() {
            // What came to nothing is being taken back: ask again.
            if transition.is_busy(&voters) {
                return None;
            }
            if !is_as_asked {
                return Some(Progress::Overtaken);
            }
        }

        transition.want(self.now, list, is_forced, until);
        self.run_transition();
        Some(Progress::UnderWay)
    }

    /// Takes the next step of a change of voters, if this leader may take one now.
    pub(super) fn run_transition(&mut self) {
        let lease = self.rules.lease();
        let (Some(leading), Some(voter)) = (self.role.leader_mut(), &self.voter) else { return };
        let transition = &mut leading.transition;
        if transition.wanted.as_ref().is_some_and(|wanted| wanted.until <= self.now) {
            transition.wanted = None;
        }

        if let Some(version) = voter.holds().filter(|_| voter.spoken_term(self.now) <= Some(leading.term)) {
            transition.note_saved(self.me, version, voter.is_durable());
        }

        // A leader that hands over leaves the change to its successor. One that is in a later term than its own has
        // voted for another.
        let is_in_term = voter.spoken_term(self.now) <= Some(leading.term) || sabotage::is_off("holders_in_term");
        if voter.is_saving() || !leading.is_told || leading.handing_over.is_some() || !is_in_term {
            return;
        }

        // docs/elections.md, "Why it is safe", 4 and 5: `step` decides, and what it decides is done here.
        let step = leading
            .transition
            .step((self.now, lease, leading.term), self.rules.electorate(), self.me, |id| leading.promised(id));
        let transition = &mut leading.transition;
        match step {
            Step::Wait => {}
            Step::Done => transition.wanted = None,
            Step::GiveUp(why) => {
                transition.give_up(why, self.now + lease * FAILED_LEASES);
                self.run_transition();
            }
            Step::Offer(offer) => {
                transition.offer(offer, self.now, self.now + lease * OFFER_LEASES);
                // So that the newcomers follow at once.
                leading.beat_at = self.now;
            }
            Step::Save(voters) => self.configure(voters),
            Step::HandOver(following) => {
                // It may not be known yet that a new voter stands, and one that stands may fail to be elected. After a
                // while this leader ends the change itself, and goes.
                if self.now.since(self.changed_at) > lease * OFFER_LEASES {
                    self.configure(following);
                } else {
                    self.hand_over_to_who_stays();
                }
            }
            Step::Leave => self.withdraw(),
        }
    }

    /// Saves a configuration of this leader's own.
    fn configure(&mut self, voters: Voters) {
        if let Some(voter) = &mut self.voter {
            voter.configure(voters);
            self.begin_save(Purpose::Voters(None));
        }
    }

    /// Tells the nodes that are behind which voters there are.
    pub(super) fn tell_who_is_behind(&mut self) {
        let Some(leading) = self.role.leader_mut() else { return };
        let tells = leading.transition.tells(self.now, self.rules.electorate(), self.me);
        tells.into_iter().for_each(|(to, voters)| self.tell_voters(to, voters));
    }
}
