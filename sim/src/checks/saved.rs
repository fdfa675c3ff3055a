//! Always, of stores: what one has saved, or has shown to a process, the next process finds, or something later.

use std::collections::BTreeMap;

use tidings::Instant;
use tidings::election::Ballot;
use tidings::voters::Voters;

use crate::scenario::Scenario;
use crate::violation::Violation;
use crate::watch::Disk;

#[derive(Debug)]
pub(super) struct Saved {
    /// By host and election.
    latest: BTreeMap<(u32, String), Ballot>,
    is_promised: bool,
}

impl Saved {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Saved { latest: BTreeMap::new(), is_promised: !scenario.may_forget() }
    }

    pub(super) fn disk(&mut self, now: Instant, host: u32, election: &str, disk: &Disk) -> Option<Violation> {
        if !self.is_promised {
            return None;
        }
        let key = (host, election.to_owned());
        let found = match disk {
            Disk::Failed => return None,
            Disk::Saved(ballot) => {
                self.latest.insert(key, ballot.clone());
                return None;
            }
            Disk::Found(found) => found.as_ref(),
            Disk::Torn => None,
        };
        let before = self.latest.get(&key);
        let is_kept = before.is_none_or(|before| found.is_some_and(|found| is_kept(before, found)));
        let text = || {
            let (before, found) = (before.map(words), found.map(words));
            format!("n{host} had saved {before:?} for {election}, and finds {found:?}")
        };
        let broken = (!is_kept).then(|| Violation { check: "saved-stays", at: now, text: text(), hosts: vec![host] });
        if let Some(found) = found {
            self.latest.insert(key, found.clone());
        }
        broken
    }
}

fn words(ballot: &Ballot) -> String {
    let vote = ballot.vote.map_or("no vote".to_owned(), |vote| format!("a vote for {vote}"));
    let number = ballot.voters.as_ref().map_or(0, |voters| voters.version().number);
    format!("{vote} in term {}, voters {number}", ballot.term)
}

/// Whether the one ballot is still there in the other, or in a later term or configuration. The promise may become shorter:
/// a voter that has waited for the longest of before is bound by none but its own.
fn is_kept(before: &Ballot, found: &Ballot) -> bool {
    let version = |ballot: &Ballot| ballot.voters.as_ref().map(Voters::version);
    let vote = found.term > before.term || before.vote.is_none() || found.vote == before.vote;
    found.term >= before.term && vote && version(found) >= version(before)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidings::{NodeId, Term};

    use super::*;

    #[test]
    fn what_is_kept() {
        let ballot = |(term, vote, number): (u64, Option<u128>, u32)| Ballot {
            term: Term(term),
            vote: vote.map(NodeId::from_u128),
            promise: Duration::from_secs(1),
            voters: Some(Voters::first(["a"]).numbered(number)),
            owner: None,
        };
        // (term, vote and number of the voters before, the same as found, whether that is kept)
        let table = [
            ((5, Some(1), 2), (5, Some(1), 2), true),
            ((5, Some(1), 2), (5, Some(2), 2), false),
            ((5, Some(1), 2), (5, None, 2), false),
            ((5, Some(1), 2), (4, Some(1), 2), false),
            ((5, Some(1), 2), (6, None, 2), true),
            ((5, Some(1), 2), (6, Some(2), 1), false),
            ((5, None, 2), (5, Some(2), 3), true),
        ];
        for (before, found, kept) in table {
            assert_eq!(is_kept(&ballot(before), &ballot(found)), kept, "{before:?} {found:?}");
        }
    }
}
