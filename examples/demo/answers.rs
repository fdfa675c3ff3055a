//! Answers to questions at the prompt: what each node is, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidings::member::State;
use tidings::time::Instant;
use tidings::why::{Cause, Why};

use crate::cluster::{Cluster, Phase, Present};
use crate::commands::Number;
use crate::feed::Clock;
use crate::leaderships::ELECTION;
use crate::names::{list, name};
use crate::observations::Observations;

/// Nodes that have a line each.
const ROWS_MAX: usize = 12;
/// How long one node may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// What each node is, and what the others think of it: a line a node, or, if there are many, a line for all that are
/// alike.
pub fn members(cluster: &Cluster, observations: &Observations) -> Vec<String> {
    let present = cluster.present();
    let rows = cluster.phases().map(|(number, phase, address)| {
        let generation = present.iter().find(|present| present.node == number).map(|present| present.generation);
        let process = generation.map_or_else(String::new, |generation| generation.to_string());
        (number, phase_word(phase), opinions(&present, observations, number), format!("{address:<16} {process}"))
    });

    let mut groups: Vec<(BTreeSet<Number>, &str, String, String)> = Vec::new();
    let many = cluster.phases().count() > ROWS_MAX;
    for (number, is, opinions, details) in rows {
        match groups.iter_mut().find(|(_, as_is, alike, _)| many && *as_is == is && *alike == opinions) {
            Some((numbers, ..)) => drop(numbers.insert(number)),
            None => groups.push((BTreeSet::from([number]), is, opinions, if many { String::new() } else { details })),
        }
    }

    let line = |(numbers, is, opinions, details): &(BTreeSet<Number>, &str, String, String)| {
        format!("{:<12} {is:<8} {:<20} {details}", list(numbers), if opinions.is_empty() { "-" } else { opinions })
    };
    let details = if many { "" } else { "address          generation" };
    let head = format!("{:<12} {:<8} {:<20} {details}", "node", "is", "to the others");
    std::iter::once(head).chain(groups.iter().map(line)).collect()
}

fn opinions(present: &[Present], observations: &Observations, number: Number) -> String {
    let mut opinions: BTreeMap<&str, BTreeSet<Number>> = BTreeMap::new();
    for observer in present.iter().map(|present| present.node).filter(|observer| *observer != number) {
        opinions.entry(word(observations.state(observer, number))).or_default().insert(observer);
    }
    match opinions.len() {
        1 => opinions.into_keys().collect(),
        _ => {
            let each = opinions.iter().map(|(opinion, by)| format!("{opinion} ({})", list(by)));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

fn word(state: Option<State>) -> &'static str {
    match state {
        Some(State::Alive) => "alive",
        Some(State::Suspect) => "suspect",
        Some(State::Dead) => "dead",
        Some(State::Left) | None => "not listed",
    }
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Running => "running",
        Phase::Frozen => "frozen",
        Phase::Leaving => "leaving",
        Phase::Left => "left",
        Phase::Killed => "killed",
    }
}

/// The leader, as each node that can answer knows it.
pub fn leader(cluster: &Cluster) -> Vec<String> {
    let mut opinions: BTreeMap<String, BTreeSet<Number>> = BTreeMap::new();
    for (observer, node) in cluster.handles() {
        let Some(status) = node.election(ELECTION) else { continue };
        let leader = status.leader.map(|leader| format!("{} leads in term {}", leader.name, leader.term));
        opinions.entry(leader.unwrap_or_else(|| "nobody leads".to_owned())).or_default().insert(observer);
        if let Some(left) = status.lease {
            let mut lines = vec![format!("{} holds the lease for another {left:.0?} at least", name(observer))];
            lines.push(format!("{} of {} voters back it", status.supporters, status.voters.len()));
            opinions.entry(lines.join("; ")).or_default().insert(observer);
        }
    }
    opinions.into_iter().map(|(opinion, by)| format!("{:<12} {opinion}", list(&by))).collect()
}

/// Why a node is suspect or dead, in the words of the first other node that holds something against it.
pub async fn why(cluster: &Cluster, clock: Clock, number: Number) -> Result<Vec<String>, String> {
    cluster.knows(number)?;
    for (observer, node) in cluster.handles().filter(|(observer, _)| *observer != number) {
        let answer = tokio::time::timeout(PATIENCE, node.why(name(number))).await;
        if let Ok(Some(why)) = answer {
            let behind = clock.now().saturating_sub(node.now().since(Instant::ORIGIN));
            let mut lines = vec![format!("says {}:", name(observer))];
            lines.extend(dated(why, behind).to_string().lines().map(str::to_owned));
            return Ok(lines);
        }
    }
    Err(format!("nobody holds anything against {}", name(number)))
}

/// Each node counts time from its own start; here all times are the demo's.
fn dated(mut why: Why, behind: Duration) -> Why {
    why.wall_origin_ms = None;
    why.start += behind;
    for step in &mut why.steps {
        step.at += behind;
        match &mut step.what {
            Cause::Answered { sent } => *sent += behind,
            Cause::Verdict { since, .. } => *since += behind,
            _ => {}
        }
    }
    why
}
