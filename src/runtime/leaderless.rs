//! An election without a leader for long: which voters do not answer, and how many are needed.
//!
//! A voter without a quorum stands again and again in vain, and its log shows no change. So it is told, with back-off,
//! for as long as it lasts. It changes nothing that the node does.

use std::time::Duration;

use crate::election::Rules;
use crate::member::{NodeId, State};
use crate::protocol::Protocol;
use crate::runtime::backoff::Backoff;
use crate::runtime::listed::listed;
use crate::time::Instant;

/// An election has had no leader for so long, or for several leases if that is longer. Chosen: a quorum that answers
/// elects one within a few leases.
const LEADERLESS_AFTER: Duration = Duration::from_secs(10);
const LEADERLESS_LEASES: u32 = 4;

/// How long each election has been without a leader, in the order of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Leaderless(Vec<Vacancy>);

#[derive(Debug, Default)]
struct Vacancy {
    since: Option<Instant>,
    after: Duration,
    told: Backoff,
}

impl Leaderless {
    /// What is to be said now; asked again by [`Leaderless::next_at`] at the latest.
    pub(crate) fn due(&mut self, now: Instant, protocol: &Protocol) -> Vec<Lacking> {
        let mut said = Vec::new();
        let is_leaving = protocol.leave_progress().is_some();
        for (place, election) in protocol.elections().enumerate() {
            let rules = election.rules();
            if self.0.len() <= place {
                let after = LEADERLESS_AFTER.max(rules.lease() * LEADERLESS_LEASES);
                self.0.push(Vacancy { after, ..Vacancy::default() });
            }
            let Some(vacancy) = self.0.get_mut(place) else { continue };
            if let Some(lasted) = vacancy.due(now, election.leader().is_some() || is_leaving) {
                let answers = |id| protocol.member(id).is_some_and(|member| member.state() == State::Alive);
                said.push(words(rules, lasted, answers, |id| election.is_candidate(id)));
            }
        }
        said
    }

    /// When something may have to be said.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.0.iter().filter_map(Vacancy::next_at).min()
    }
}

impl Vacancy {
    /// How long it has lasted, if that is to be said.
    fn due(&mut self, now: Instant, is_over: bool) -> Option<Duration> {
        if is_over {
            self.since = None;
            return None;
        }
        let lasted = now.since(*self.since.get_or_insert(now));
        (lasted >= self.after && self.told.takes_turn(now)).then_some(lasted)
    }

    fn next_at(&self) -> Option<Instant> {
        self.since.map(|since| (since + self.after).max(self.told.next_at()))
    }
}

/// That an election has no leader: what stands, and the next step.
#[derive(Debug)]
pub(crate) struct Lacking {
    pub(crate) words: String,
    /// Whether this may be intended: none of the voters that answer would lead.
    pub(crate) is_wanted: bool,
}

fn words(
    rules: &Rules,
    lasted: Duration,
    answers: impl Fn(NodeId) -> bool,
    stands: impl Fn(NodeId) -> bool,
) -> Lacking {
    if rules.is_watched() {
        let words = format!(
            "no leader for election {:?} is known for {} s: no member says that it leads; see whether its voters run, and \
             whether that is the election's name",
            rules.name(),
            lasted.as_secs()
        );
        // The voters know whether one of them wants to lead; a node that watches does not.
        return Lacking { words, is_wanted: true };
    }

    let (all, quorum, seconds) = (rules.voters().len(), rules.quorum(), lasted.as_secs());
    let silent = rules.voters().iter().filter(|(id, _)| !answers(*id));
    let silent: Vec<&str> = silent.map(|(_, name)| &**name).collect();
    let answering = all - silent.len();
    let none = if silent.is_empty() { String::new() } else { format!(", not {}", listed(&silent)) };

    let is_wanted = answering >= quorum && !rules.voters().iter().any(|(id, _)| answers(*id) && stands(*id));
    let advice = if is_wanted {
        "and nobody stands: call lead(..) or candidate(..) on one, and see set_eligible(..)"
    } else if answering < quorum {
        "and none can be elected before so many do: start them, or see why they do not reach this node"
    } else {
        "which is enough: see whether the voters can save their ballots, and have the same configuration of the election"
    };
    let words = format!(
        "no leader for election {:?} for {seconds} s: {answering} of {all} voters answer{none}; a quorum is {quorum}, \
         {advice}",
        rules.name()
    );
    Lacking { words, is_wanted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ElectionConfig;

    #[test]
    fn the_voters_that_do_not_answer_are_named() {
        let few = ["db-1", "db-2", "db-3"];
        let many: Vec<String> = (10..21).map(|n| format!("db-{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        // (voters, those that answer, what is said)
        let rows: [(&[&str], &[&str], &[&str]); 5] = [
            (&few, &["db-1"], &["for 12 s: 1 of 3 voters answer, not ", "db-2", "db-3", "a quorum is 2", "start them"]),
            (&few, &[], &["0 of 3 voters answer", "db-1"]),
            (
                &few,
                &["db-1", "db-3"],
                &["2 of 3 voters answer, not db-2; a quorum is 2, which is enough", "save their"],
            ),
            (&few, &few, &["3 of 3 voters answer; a quorum is 2, which is enough"]),
            (&many, &["db-10"], &["1 of 11 voters answer", "2 more", "a quorum is 6"]),
        ];
        for (voters, alive, parts) in rows {
            let rules = Rules::new(&ElectionConfig::lan("orders", voters.iter().copied()));
            let alive: Vec<NodeId> = alive.iter().map(|name| NodeId::from_name(name)).collect();
            let lacking = words(&rules, Duration::from_millis(12_900), |id| alive.contains(&id), |_| true);
            let Lacking { words, is_wanted: false } = lacking else { panic!("{lacking:?}") };
            assert!(words.starts_with("no leader for election \"orders\""), "{words}");
            assert!(parts.iter().all(|part| words.contains(part)), "{words}\nlacks one of {parts:?}");
            let named = alive.iter().filter_map(|id| rules.place_of(*id)).map(|place| &*rules.voters()[place].1);
            assert!(named.into_iter().all(|name| !words.contains(name)), "{words}\nnames one that answers");
        }
    }

    #[test]
    fn where_nobody_would_lead_that_is_said_and_may_be_wanted() {
        let rules = Rules::new(&ElectionConfig::lan("orders", ["db-1", "db-2", "db-3"]));
        let said = |answers: bool| words(&rules, Duration::from_secs(12), |_| answers, |_| false);
        let lacking = said(true);
        assert!(lacking.is_wanted && lacking.words.contains("3 of 3 voters answer; a quorum is 2, and nobody stands"));
        assert!(!said(false).is_wanted);
        let watched =
            words(&Rules::new(&ElectionConfig::watches("orders")), Duration::from_secs(12), |_| true, |_| true);
        assert!(watched.is_wanted && watched.words.contains("\"orders\" is known for 12 s"), "{watched:?}");
    }

    #[test]
    fn it_is_said_after_its_time_and_with_back_off_and_each_vacancy_waits_anew() {
        let at = |seconds| Instant::ORIGIN + Duration::from_secs(seconds);
        let mut vacancy = Vacancy { after: LEADERLESS_AFTER, ..Vacancy::default() };
        assert_eq!(vacancy.next_at(), None);
        let mut said = Vec::new();
        for second in 0..400 {
            // There is a leader from 100 s to 300 s.
            let is_over = (100..300).contains(&second);
            said.extend(vacancy.due(at(second), is_over).map(|lasted| (second, lasted.as_secs())));
            assert_eq!(vacancy.next_at().is_none(), is_over, "{second}");
            assert!(vacancy.next_at().is_none_or(|next| next > at(second)), "{second}: it would wake at once");
        }
        assert_eq!(said, [(10, 10), (70, 70), (310, 10)]);
    }
}
