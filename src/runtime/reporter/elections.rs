//! What a node writes to the log of its elections.

use std::io;
use std::time::Duration;

use tracing::{debug, info, warn};

use crate::event::Event;
use crate::protocol::Protocol;
use crate::runtime::backoff::Backoff;
use crate::runtime::error::remedy;
use crate::runtime::leaderless::{Lacking, Leaderless};
use crate::runtime::mistakes::Facts;
use crate::runtime::reporter::names::Names;
use crate::time::{Instant, Utc};
use crate::voters::Voters;

/// Terms that lie so far beyond a voter's clock are told; clocks of one cluster may differ by less.
const BEYOND_CLOCK: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// Remembers what was told of elections, and when.
#[derive(Debug, Default)]
pub(crate) struct OfElections {
    saves_failed: u64,
    saves: Backoff,
    leaderless: Leaderless,
    beyond: Backoff,
}

/// A line about an event of an election; none about others.
pub(super) fn event(event: &Event, protocol: &Protocol) {
    match event {
        Event::Leader { leader, trigger } => {
            let (election, term, peer) = (&*leader.election, leader.term.0, &*leader.name);
            info!(target: "tidings::election", election, term, peer, "leader: {trigger}");
        }
        Event::LeaderUpdated { leader } => {
            let (election, term, peer) = (&*leader.election, leader.term.0, &*leader.name);
            debug!(target: "tidings::election", election, term, peer, "the leader says something else");
        }
        Event::LeaderLost { leader, reason } => {
            let (election, term, peer) = (&*leader.election, leader.term.0, &*leader.name);
            info!(target: "tidings::election", election, term, peer, "leader lost: {reason}");
        }
        Event::VotersDiffer { election, members } if members.contains(&protocol.me().id()) => {
            let voters = protocol.election(election).map(|election| election.rules().electorate().clone());
            let voters: Vec<_> = voters.iter().flat_map(Voters::present).map(|name| &**name).collect();
            let (election, voters) = (&**election, voters.join(", "));
            warn!(target: "tidings::election", election, "this node's configuration names other voters than those that \
                are agreed, {voters}: these count; configure them, or call change_voters(..)");
        }
        Event::VotersDiffer { election, members } => {
            let members = Names { ids: members.clone(), protocol };
            warn!(target: "tidings::election", election = &**election, %members, "these members have another configuration of the election: give all the same voters, lease and drift");
        }
        Event::VotersChanged { election, voters, next } => {
            let (election, voters) = (&**election, voters.join(", "));
            match next {
                None => info!(target: "tidings::election", election, "the voters are {voters}"),
                Some(next) => {
                    let next = next.join(", ");
                    info!(target: "tidings::election", election, "the voters change from {voters} to {next}");
                }
            }
        }
        _ => {}
    }
}

impl OfElections {
    /// Says what looks like a mistake of operation, if it is time to.
    pub(super) fn look(&mut self, now: Instant, facts: Facts, protocol: &Protocol) {
        for election in protocol.elections() {
            let beyond = election.beyond_clock().filter(|beyond| *beyond >= BEYOND_CLOCK);
            if let Some(beyond) = beyond.filter(|_| self.beyond.takes_turn(now)) {
                let (election, ours) = (&**election.rules().name(), Utc::from_unix_ms(facts.unix_ms));
                let beyond = roughly(beyond);
                warn!(target: "tidings::election", election, "the terms of the other voters are {beyond} ahead of this \
                    node's wall clock, which says {ours}: it takes no part in the election until its clock is right; set \
                    it, by NTP, and no restart is needed");
            }
        }
        for Lacking { words, is_wanted } in self.leaderless.due(now, protocol) {
            if is_wanted {
                info!(target: "tidings::election", "{words}");
            } else {
                warn!(target: "tidings::election", "{words}");
            }
        }
    }

    /// When [`OfElections::look`] may have something to say.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.leaderless.next_at()
    }

    /// This node leads and no work runs: it gives leadership up, and says why.
    pub(crate) fn unattended(&self, election: &str, lease: Duration) {
        warn!(target: "tidings::election", election, "this node has led for {lease:?} and nobody took its lease up, so it \
            hands over: poll the future of lead(..), or call elected() of the candidate, on a task that is not blocked");
    }

    /// An even number of voters bears the loss of no more of them than one fewer does.
    pub(crate) fn even_voters(&self, election: &str, voters: usize) {
        warn!(target: "tidings::election", election, voters, "an even number of voters bears no more losses than one fewer: configure an odd one");
    }

    /// Counts a ballot that could not be saved, and tells of it unless that was done a while ago.
    pub(crate) fn save_failed(&mut self, now: Instant, election: &str, error: &io::Error) {
        self.saves_failed += 1;
        if self.saves.takes_turn(now) {
            let remedy = remedy(error).unwrap_or("see to the folder of its term store");
            warn!(target: "tidings::election", election, count = self.saves_failed, "this voter could not save its ballot, so it does not vote: {error}; {remedy}");
            self.saves_failed = 0;
        }
    }
}

/// A time in words, for an operator who has to set a clock.
fn roughly(span: Duration) -> String {
    match span.as_secs() / DAY.as_secs() {
        0 | 1 => format!("{:?}", Duration::from_millis(span.as_millis() as u64)),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::reporter::tests::lines_of_ten_minutes;

    #[test]
    fn a_store_that_fails_is_told_with_back_off() {
        let error = io::Error::from(io::ErrorKind::StorageFull);
        let lines = lines_of_ten_minutes(|reporter, now, _| reporter.elections.save_failed(now, "default", &error));
        assert_eq!(lines, 4);
    }

    #[test]
    fn a_clock_that_is_years_behind_is_told_in_days() {
        let table = [
            (Duration::from_micros(1_500_700), "1.5s"),
            (Duration::from_secs(90_000), "90000s"),
            (DAY * 2, "2 days"),
            (DAY * 20_778 + Duration::from_millis(7), "20778 days"),
        ];
        for (span, said) in table {
            assert_eq!(roughly(span), said);
        }
    }
}
