//! What an idle cluster's elections send: messages between voters, and the news of who leads.

use std::time::Duration;

use tidings::config::ElectionConfig;

use crate::app::App;
use crate::random::nanos;
use crate::scenario::Scenario;
use crate::watch::Watch;
use crate::world::{Host, World};

/// Rounds of questions that a candidate asks in a lease at most: at once, and again after 1, 2, 4 and 8 turns; a lease
/// has sixteen.
const ROUNDS_ASKED: u64 = 5;
/// Rounds that it asks for votes at most, in two leases: those, and two more half a lease apart.
const ROUNDS_FOR_VOTES: u64 = 7;
/// How often a leader changes its record in a term: when it takes leadership and when it loses it.
const RECORDS_A_TERM: u64 = 2;

/// How often the hosts of a world stood and were elected so far, by election.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaderships(Vec<Leadership>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Leadership {
    /// By host.
    campaigns: Vec<u64>,
    terms: u64,
}

/// Datagrams that elections may send in an idle cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) messages: u64,
    /// Each carries a record.
    pub(super) news: u64,
}

impl Leaderships {
    pub(super) fn of<A: App, W: Watch>(world: &World<A, W>) -> Self {
        let leadership = |election: &ElectionConfig| {
            let counts = |host: &Host<A>| {
                let election = host.protocol().and_then(|protocol| protocol.election(&election.name));
                election.map(|election| election.counts()).unwrap_or_default()
            };
            Leadership {
                campaigns: world.hosts().iter().map(|host| counts(host).campaigns).collect(),
                terms: world.hosts().iter().map(|host| counts(host).terms_won).sum(),
            }
        };
        Leaderships(world.config().elections.iter().map(leadership).collect())
    }

    /// What elections may have sent since.
    pub(super) fn due<A: App, W: Watch>(&self, world: &World<A, W>, span: Duration) -> Due {
        let running = world.hosts().iter().filter(|host| host.runs()).count() as u64;
        let fanout = world.configs().all().map(|config| config.forward_fanout as u64).max().unwrap_or_default();
        let now = Leaderships::of(world);
        let pairs = self.0.iter().zip(&now.0).zip(&world.config().elections);
        pairs.fold(Due::default(), |sum, ((before, after), election)| {
            let terms =
                if is_outlasted(world.scenario(), election) { after.terms.saturating_sub(before.terms) } else { 0 };
            let rounds = after.rounds_since(before, nanos(span) / nanos(election.lease).max(1));
            let voters = voters(world, &election.name);
            let asked = messages_asked(voters, rounds, terms);
            let kept = messages_kept(world.scenario(), election, voters, span);
            // The host whose record changed tells so many, and so does each that hears it.
            Due { messages: sum.messages + kept + asked, news: sum.news + terms * RECORDS_A_TERM * running * fanout }
        })
    }
}

impl Leadership {
    /// How many rounds the candidates may have asked: an attempt lasts a lease, and one may have been under way.
    fn rounds_since(&self, before: &Leadership, leases: u64) -> u64 {
        let grown = self.campaigns.iter().zip(&before.campaigns).map(|(now, then)| now.saturating_sub(*then));
        grown.filter(|attempts| *attempts > 0).map(|attempts| (attempts + 1).min(leases + 1) * ROUNDS_ASKED).sum()
    }
}

/// How many vote, at the host that knows of most of them.
fn voters<A: App, W: Watch>(world: &World<A, W>, name: &str) -> u64 {
    let protocols = world.hosts().iter().filter_map(Host::protocol);
    let known =
        protocols.filter_map(|protocol| protocol.election(name)).map(|election| election.rules().voters().len());
    known.max().unwrap_or_default() as u64
}

/// Whether a datagram may take so long that a leader's lease runs out meanwhile: its heartbeat and the answer both do.
fn is_outlasted(scenario: &Scenario, election: &ElectionConfig) -> bool {
    scenario.latency.spike() * 2 >= election.lease
}

/// Messages of so many rounds in which a candidate asks whether it would be elected, and of so many terms: each voter
/// is asked and answers, and one that voted too late for a quorum is told that it need not keep its promise.
fn messages_asked(voters: u64, rounds: u64, terms: u64) -> u64 {
    (rounds * 2 + terms * (ROUNDS_FOR_VOTES * 2 + 1)) * voters.saturating_sub(1)
}

/// Messages that keep leadership: a heartbeat and its answer on each of a leader's links, and where some may not be
/// able to vote for long, as many again of each of a minority that asks whether it might lead.
fn messages_kept(scenario: &Scenario, election: &ElectionConfig, voters: u64, span: Duration) -> u64 {
    let rounds = nanos(span) / nanos(election.heartbeat).max(1) + 2;
    let each = if scenario.promises_leaders() { 2 } else { 2 + 2 * (voters / 2).max(1) };
    each * voters.saturating_sub(1) * rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stands_may_ask_five_times_a_lease_and_no_oftener() {
        let leadership = |campaigns: &[u64]| Leadership { campaigns: campaigns.to_vec(), terms: 0 };
        let before = leadership(&[3, 9]);
        let rows: [(&str, &[u64], u64); 4] = [
            ("no host stands", &[3, 9], 0),
            ("one stood once, another time may have been under way", &[3, 10], 10),
            ("two did", &[4, 11], 25),
            ("one stood oftener than there were leases", &[3, 509], 55),
        ];
        for (why, after, rounds) in rows {
            assert_eq!(leadership(after).rounds_since(&before, 10), rounds, "{why}");
        }
        assert_eq!(messages_asked(5, 55, 0), 440, "each of four others is asked and answers");
        assert_eq!(messages_asked(2, 0, 3), 45);
        assert_eq!(messages_asked(1, 0, 1), 0, "who is alone asks no other");
    }

    #[test]
    fn only_a_spike_as_long_as_a_lease_changes_who_leads() {
        let election = ElectionConfig::lan("default", ["n0", "n1"]).with_lease(Duration::from_millis(100));
        let with = |latency: &str| {
            let text = format!("name = \"x\"\nabout = \"x\"\nhosts = 2\nfor = \"1s\"\n[latency]\n{latency}\n");
            is_outlasted(&Scenario::from_toml(&text).unwrap(), &election)
        };
        assert!(with("spikes = { permille = 90, of = \"50ms\" }"));
        assert!(!with("spikes = { permille = 90, of = \"49ms\" }"));
        assert!(!with("constant = { is = \"80ms\" }"), "that is too slow for a leader at any time");
    }
}
