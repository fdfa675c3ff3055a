//! What a node is in an election: a follower, a candidate or a leader (Raft, section 5.1), each with what it has to
//! keep.

use crate::election::candidate::Candidate;
use crate::election::leader::Leader;

/// A node that only watches stays a follower.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "one for each election of a node")]
pub(super) enum Role {
    #[default]
    Follower,
    Candidate(Candidate),
    /// A leader asks to be elected anew, in a later term, when too few promises are left of its own.
    Leader {
        leader: Leader,
        reelection: Option<Candidate>,
    },
}

impl Role {
    pub(super) fn leader(&self) -> Option<&Leader> {
        match self {
            Role::Leader { leader, .. } => Some(leader),
            Role::Follower | Role::Candidate(_) => None,
        }
    }

    pub(super) fn leader_mut(&mut self) -> Option<&mut Leader> {
        match self {
            Role::Leader { leader, .. } => Some(leader),
            Role::Follower | Role::Candidate(_) => None,
        }
    }

    /// The candidacy under way, of a leader its next one.
    pub(super) fn candidate(&self) -> Option<&Candidate> {
        match self {
            Role::Follower => None,
            Role::Candidate(candidate) => Some(candidate),
            Role::Leader { reelection, .. } => reelection.as_ref(),
        }
    }

    pub(super) fn candidate_mut(&mut self) -> Option<&mut Candidate> {
        match self {
            Role::Follower => None,
            Role::Candidate(candidate) => Some(candidate),
            Role::Leader { reelection, .. } => reelection.as_mut(),
        }
    }

    /// Begins a candidacy; one that was under way is forgotten.
    pub(super) fn stand(&mut self, candidate: Candidate) {
        match self {
            Role::Follower | Role::Candidate(_) => *self = Role::Candidate(candidate),
            Role::Leader { reelection, .. } => *reelection = Some(candidate),
        }
    }

    /// Ends the candidacy; a leader stays one.
    pub(super) fn take_candidate(&mut self) -> Option<Candidate> {
        match self {
            Role::Leader { reelection, .. } => reelection.take(),
            Role::Follower => None,
            Role::Candidate(_) => match std::mem::take(self) {
                Role::Candidate(candidate) => Some(candidate),
                Role::Follower | Role::Leader { .. } => None,
            },
        }
    }

    /// Begins to lead; what it led before or stood for is over.
    pub(super) fn lead(&mut self, leader: Leader) {
        *self = Role::Leader { leader, reelection: None };
    }

    /// Ends the leadership; a candidacy under way goes on.
    pub(super) fn take_leader(&mut self) -> Option<Leader> {
        self.leader()?;
        match std::mem::take(self) {
            Role::Leader { leader, reelection } => {
                *self = reelection.map_or(Role::Follower, Role::Candidate);
                Some(leader)
            }
            Role::Follower | Role::Candidate(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::ElectionConfig;
    use crate::election::candidate::Stage;
    use crate::election::message::Round;
    use crate::election::rules::Rules;
    use crate::leader::{Term, Trigger};
    use crate::time::Instant;

    fn candidate(term: u64) -> Candidate {
        let rules = Rules::new(&ElectionConfig::lan("default", ["a", "b", "c"]));
        let pace = (&rules, Duration::from_millis(50), 0);
        Candidate::new(Instant::ORIGIN, pace, Stage::PreVote, (Term(term), Trigger::NoLeader), Round(1))
    }

    fn leader(term: u64) -> Leader {
        Leader::new(Instant::ORIGIN, Term(term), Trigger::NoLeader, Vec::new(), Round(1))
    }

    /// The terms in which it leads and stands.
    fn terms(role: &Role) -> (Option<u64>, Option<u64>) {
        (role.leader().map(|leader| leader.term.0), role.candidate().map(|candidate| candidate.term.0))
    }

    #[test]
    fn what_a_node_is_after_each_step_from_each_role() {
        let reelection = || Role::Leader { leader: leader(1), reelection: Some(candidate(2)) };
        let leads = || Role::Leader { leader: leader(1), reelection: None };
        // The role; after it stands in term 5, ends its candidacy, begins to lead in term 5, ends its leadership.
        let rows = [
            (Role::Follower, (None, Some(5)), (None, None), (Some(5), None), (None, None)),
            (Role::Candidate(candidate(2)), (None, Some(5)), (None, None), (Some(5), None), (None, Some(2))),
            (leads(), (Some(1), Some(5)), (Some(1), None), (Some(5), None), (None, None)),
            (reelection(), (Some(1), Some(5)), (Some(1), None), (Some(5), None), (None, Some(2))),
        ];
        for (role, stood, gave_up, led, ended) in rows {
            let after = |step: fn(&mut Role)| {
                let mut role = role.clone();
                step(&mut role);
                terms(&role)
            };
            assert_eq!(after(|role| role.stand(candidate(5))), stood, "{role:?}");
            assert_eq!(after(|role| drop(role.take_candidate())), gave_up, "{role:?}");
            assert_eq!(after(|role| role.lead(leader(5))), led, "{role:?}");
            assert_eq!(after(|role| drop(role.take_leader())), ended, "{role:?}");
            let (mut candidates, mut leaders) = (role.clone(), role.clone());
            assert_eq!(candidates.take_candidate().map(|candidate| candidate.term.0), terms(&role).1);
            assert_eq!(leaders.take_leader().map(|leader| leader.term.0), terms(&role).0);
        }
    }
}
