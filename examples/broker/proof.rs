//! What the processes told, what the logs hold, and whether the one bears out the other.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use serde::Serialize;
use tidings::Term;

use super::log::read_all;

/// What the processes told while they ran.
#[derive(Debug, Default)]
pub struct Told {
    /// The leader of each term, and what started its election.
    pub leaders: BTreeMap<u64, (String, String)>,
    /// Terms that two were said to lead in.
    pub disputed: BTreeSet<u64>,
    /// Writes that a fence refused.
    pub refused: u64,
    /// The voters that a broker asked for and got last.
    pub voters: String,
}

impl Told {
    pub fn leader(&mut self, name: &str, term: &str, trigger: &str) {
        let Ok(term) = term.parse() else { return };
        let known = self.leaders.entry(term).or_insert_with(|| (name.to_owned(), trigger.to_owned()));
        if known.0 != name {
            self.disputed.insert(term);
        }
    }

    /// The latest leader, its term, and what started its election.
    pub fn latest(&self) -> Option<(u64, &str, &str)> {
        self.leaders.iter().next_back().map(|(term, (name, trigger))| (*term, name.as_str(), trigger.as_str()))
    }
}

/// What the logs hold, against what was acknowledged.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Proof {
    pub acknowledged: u64,
    /// Acknowledged records that are not there.
    pub lost: u64,
    /// Records that are there more than once.
    pub twice: u64,
    /// Records in the log after one by a newer owner.
    pub stale: u64,
    /// What is no record.
    pub damaged: u64,
    /// Records that no client sent.
    pub unsent: u64,
    /// Partitions whose last record was not acknowledged in time.
    pub unserved: u64,
}

impl Proof {
    /// Reads every log; `acknowledged` has the last record of each, `unserved` those whose writer did not finish.
    pub fn read(folder: &Path, acknowledged: &[u64], unserved: u64) -> io::Result<Self> {
        let mut proof = Proof { acknowledged: acknowledged.iter().sum(), unserved, ..Proof::default() };
        for (partition, last) in acknowledged.iter().enumerate() {
            let (mut seen, mut newest) = (BTreeSet::new(), (Term(0), 0));
            for record in read_all(folder, partition)? {
                let Some(record) = record else {
                    proof.damaged += 1;
                    continue;
                };
                proof.twice += u64::from(!seen.insert(record.number));
                proof.stale += u64::from(record.token < newest);
                newest = newest.max(record.token);
            }
            proof.lost += (1..=*last).filter(|number| !seen.contains(number)).count() as u64;
            // A writer that did not finish has one more under way.
            proof.unsent += seen.iter().filter(|number| !(1..=*last + 1).contains(number)).count() as u64;
        }
        Ok(proof)
    }

    pub fn holds(&self) -> bool {
        let wrong = self.lost + self.twice + self.stale + self.damaged + self.unsent + self.unserved;
        wrong == 0 && self.acknowledged > 0
    }
}
