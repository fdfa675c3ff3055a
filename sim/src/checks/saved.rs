//! Always, of stores: what one has saved, or has shown to a process, the next process finds, or something later.

use std::collections::BTreeMap;

use tidings::Instant;
use tidings::election::Ballot;
use tidings::voters::Voters;

use crate::scenario::{Disks, Scenario};
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
        Saved { latest: BTreeMap::new(), is_promised: scenario.disks == Disks::File }
    }

    pub(super) fn disk(&mut self, now: Instant, host: u32, election: &str, disk: &Disk) -> Option<Violation> {
        if !self.is_promised {
            return None;
        }
        let key = (host, election.to_owned());
        let broken = |text| Some(Violation { check: "saved-stays", at: now, text, hosts: vec![host] });

        let found = match disk {
            Disk::Failed => return None,
            Disk::Refused(why) => return broken(format!("n{host}'s store takes no ballot of {election}: {why}")),
            Disk::Taken => {
                self.latest.remove(&key);
                return None;
            }
            Disk::Saved(ballot) => {
                self.latest.insert(key, ballot.clone());
                return None;
            }
            Disk::Found(found) => found.as_ref(),
            Disk::Torn => None,
        };

        let before = match found {
            Some(found) => self.latest.insert(key, found.clone()),
            None => self.latest.remove(&key),
        };

        let is_kept = before.as_ref().is_none_or(|before| found.is_some_and(|found| is_kept(before, found)));
        if is_kept {
            return None;
        }
        let (before, found) = (before.as_ref().map(words), found.map(words));
        broken(format!("n{host} had saved {before:?} for {election}, and finds {found:?}"))
    }
}

fn words(ballot: &Ballot) -> String {
    let vote = ballot.vote.map_or("no vote".to_owned(), |vote| format!("a vote for {vote}"));
    let number = ballot.voters.as_ref().map_or(0, |voters| voters.version().number);
    format!("{vote} in term {}, voters {number}", ballot.term)
}

/// Whether the one ballot is still there in the other, or in a later term or configuration. The promise is not looked
/// at: a voter that has waited for the longest of before is bound by its own alone.
fn is_kept(before: &Ballot, found: &Ballot) -> bool {
    let version = |ballot: &Ballot| ballot.voters.as_ref().map(Voters::version);
    let vote = found.term > before.term || before.vote.is_none() || found.vote == before.vote;
    found.term >= before.term
        && vote
        && version(found) >= version(before)
        && (before.owner.is_none() || found.owner == before.owner)
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
