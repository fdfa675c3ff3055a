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
