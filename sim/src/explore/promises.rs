//! What must hold in every state of an election, and the history that it is judged by.

use std::collections::BTreeMap;
use std::fmt;

use tidings::Term;

/// A promise that was broken, and the steps that led there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Broken {
    /// Which promise, by the name that `tidings-sim checks` lists.
    pub check: &'static str,
    /// How it was broken.
    pub text: String,
    /// What happened, from the beginning.
    pub steps: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.check, self.text)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "  {step}"))
    }
}

/// What was told so far, over all restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct History {
    /// The leader of each term.
    leaders: BTreeMap<Term, usize>,
    /// The candidate that a voter said it votes for, by voter and term.
    votes: BTreeMap<(usize, Term), usize>,
    /// The highest term in which a voter could act, and that voter.
    acted: Option<(Term, usize)>,
}

impl History {
    /// A voter says that it leads.
    pub(super) fn leads(&mut self, voter: usize, term: Term) -> Result<(), (&'static str, String)> {
        match *self.leaders.entry(term).or_insert(voter) {
            known if known == voter => Ok(()),
            known => Err(("one-leader-per-term", format!("voters {known} and {voter} both lead in term {term}"))),
        }
    }

    /// A voter says that it votes for a candidate.
    pub(super) fn votes(&mut self, voter: usize, term: Term, candidate: usize) -> Result<(), (&'static str, String)> {
        match *self.votes.entry((voter, term)).or_insert(candidate) {
            known if known == candidate => Ok(()),
            known => {
                let text = format!("voter {voter} votes for {known} and for {candidate} in term {term}");
                Err(("one-vote", text))
            }
        }
    }

    /// These can act at this moment.
    pub(super) fn act(&mut self, acting: &[(usize, Term)]) -> Result<(), (&'static str, String)> {
        if let [(one, first), (other, second), ..] = acting {
            let text = format!("voter {one} acts in term {first} while {other} acts in term {second}");
            return Err(("lease-exclusive", text));
        }
        let Some(&(voter, term)) = acting.first() else { return Ok(()) };
        match self.acted {
            Some((highest, by)) if term < highest || (term == highest && voter != by) => {
                Err(("terms-rise", format!("voter {voter} acts in term {term} after {by} did in term {highest}")))
            }
            _ => {
                self.acted = Some((term, voter));
                Ok(())
            }
        }
    }

    pub(super) fn terms_led(&self) -> usize {
        self.leaders.len()
    }
}
