//! How a command went, in words and figures; all of it from what the other nodes' subscribers received.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::commands::Number;
use crate::names::{list, name};
use crate::watch::{Cause, Goal, Succession, Watch};

/// The figures of the summary, in the order of the table: key, command, what is measured.
pub const FIGURES: [(&str, &str, &str); 17] = [
    ("formed_ms", "start", "everyone sees everyone"),
    ("leader_ms", "start", "a leader may act"),
    ("detect_suspect_ms", "kill", "first suspect"),
    ("detect_dead_ms", "kill", "first dead"),
    ("everyone_knows_ms", "kill", "last node's dead: everyone knows"),
    ("failover_ms", "kill", "the next leader may act"),
    ("restart_ms", "restart", "everyone sees the new process"),
    ("freeze_ms", "freeze", "how long it did not run"),
    ("freeze_suspect_ms", "freeze", "first suspect"),
    ("refute_ms", "freeze", "refuted everywhere, from the thaw"),
    ("lease_over_ms", "partition", "the leader's lease is over"),
    ("majority_leads_ms", "partition", "the majority's leader may act"),
    ("partition_dead_ms", "partition", "first dead"),
    ("partition_known_ms", "partition", "each side calls the other dead"),
    ("heal_ms", "heal", "all views equal"),
    ("join_ms", "add", "everyone sees the new node"),
    ("leave_ms", "leave", "everyone knows"),
];

/// How a command went.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub command: String,
    pub met: bool,
    /// A sentence for people.
    pub text: String,
    pub figures: Vec<(&'static str, Duration)>,
}

/// How a watch ended that saw all it waited for.
pub fn reached(watch: &Watch) -> Outcome {
    let took = watch.last.saturating_sub(watch.began);
    let (suspect, dead) = (first(watch.suspect), first(watch.dead));
    let (key, mut text) = match &watch.goal {
        Goal::Formed => ("formed_ms", format!("everyone sees everyone {} after the first start", secs(took))),
        Goal::Healed(ups) => {
            let once = if ups.is_empty() { "" } else { "; each member came up once" };
            ("heal_ms", format!("all views are equal {} after the heal{once}", secs(took)))
        }
        Goal::Killed { .. } => {
            let text = format!("first suspect {suspect}, first dead {dead}, everyone knows {}", secs(took));
            ("everyone_knows_ms", format!("{text} after the kill"))
        }
        Goal::Cut { .. } => {
            let text = format!("each side calls the other dead {} after the cut, the first {dead}", secs(took));
            ("partition_known_ms", text)
        }
        Goal::Arrived { restarted: true, .. } => {
            ("restart_ms", format!("everyone sees the new process {} after the command", secs(took)))
        }
        Goal::Arrived { .. } => ("join_ms", format!("everyone sees the new node {} after the command", secs(took))),
        Goal::Led(succession) => return succeeded(watch, succession),
        Goal::Frozen { thawed, .. } => return refuted(watch, thawed.unwrap_or(watch.last)),
        Goal::Left { stopped, .. } => {
            let confirmed =
                stopped.flatten().map(|(confirmed, asked)| format!("; {confirmed} of {asked} confirmed it"));
            (
                "leave_ms",
                format!("everyone knows {} after it said that it leaves{}", secs(took), confirmed.unwrap_or_default()),
            )
        }
    };

    if !watch.wrong.is_empty() {
        text = format!("{}: {}", watch.command, watch.wrong.join("; "));
    }
    let mut figures = firsts(watch);
    figures.push((key, took));
    Outcome { command: watch.command.clone(), met: watch.wrong.is_empty(), text, figures }
}

fn succeeded(watch: &Watch, succession: &Succession) -> Outcome {
    let Succession { cause, before, ended, next } = *succession;
    let (leader, began) = next.map_or_else(Default::default, |(leadership, at)| (name(leadership.node), at));
    let term = next.map_or(0, |(leadership, _)| leadership.term);
    let after = |at: Duration| at.saturating_sub(watch.began);
    let (key, since) = match cause {
        Cause::Start => ("leader_ms", "the first start"),
        Cause::Kill => ("failover_ms", "the kill"),
        Cause::Cut => ("majority_leads_ms", "the cut"),
    };

    let mut figures = vec![(key, after(began))];
    let mut text = format!("{leader} may act as leader {} after {since}, in term {term}", secs(after(began)));
    let mut met = true;
    if let (Cause::Cut, Some(ended), Some(before)) = (cause, ended, before) {
        figures.push(("lease_over_ms", after(ended)));
        met = ended <= began;
        let old = format!("{}'s lease is over {} after the cut", name(before.node), secs(after(ended)));
        let between = match met {
            true => format!("{} with nobody, no instant with two", secs(began - ended)),
            false => format!("{} with two", secs(ended - began)),
        };
        text = format!("{old}; {text}: {between}");
    }
    Outcome { command: watch.command.clone(), met, text, figures }
}

fn refuted(watch: &Watch, thawed: Duration) -> Outcome {
    let (frozen, after) = (thawed.saturating_sub(watch.began), watch.last.saturating_sub(thawed));
    let mut figures = firsts(watch);
    figures.push(("freeze_ms", frozen));
    let expected = matches!(&watch.goal, Goal::Frozen { limits, .. } if limits.suspect_expected);
    let met = watch.wrong.is_empty() && (watch.suspect.is_some() || !expected);
    let did = format!("it did not run for {}", secs(frozen));
    let text = match (watch.suspect, watch.dead) {
        _ if !watch.wrong.is_empty() => format!("{}: {}", watch.command, watch.wrong.join("; ")),
        (None, None) if !met => format!("{}: nobody suspected it", watch.command),
        (None, None) => format!("{did}; too short for anyone to notice"),
        (suspect, None) => {
            figures.push(("refute_ms", after));
            let refuted = format!("refuted {} after the thaw", secs(after));
            format!("{did}: suspected after {}, {refuted}, never called dead", first(suspect))
        }
        (_, dead) => format!("{did}: called dead after {}, seen alive {} after the thaw", first(dead), secs(after)),
    };
    Outcome { command: watch.command.clone(), met, text, figures }
}

/// How a watch ended that is not waited for any longer.
pub fn given_up(watch: &Watch, waited: Duration) -> Outcome {
    let missing = match &watch.goal {
        Goal::Formed | Goal::Healed(_) => "not everyone sees everyone".to_owned(),
        Goal::Killed { node, pending } => format!("{} did not call {} dead", list(pending), name(*node)),
        Goal::Cut { pending } => {
            let observers: BTreeSet<Number> = pending.iter().map(|(observer, _)| *observer).collect();
            format!("{} did not call all of the other side dead", list(&observers))
        }
        Goal::Arrived { node, pending, .. } => {
            let blind: BTreeSet<Number> = pending.iter().map(|(observer, _)| *observer).collect();
            match blind.contains(node) {
                true => format!("{} did not see all others", name(*node)),
                false => format!("{} did not see {} come up", list(&blind), name(*node)),
            }
        }
        Goal::Frozen { node, thawed: None, .. } => format!("{} is still frozen", name(*node)),
        Goal::Frozen { node, .. } => format!("not everyone sees {} alive, and all others", name(*node)),
        Goal::Led(Succession { next: None, .. }) => "nobody leads".to_owned(),
        Goal::Led(_) => "the leader before still holds its lease".to_owned(),
        Goal::Left { node, pending, .. } if pending.is_empty() => format!("{} did not stop", name(*node)),
        Goal::Left { node, pending, .. } => format!("{} did not hear {} leave", list(pending), name(*node)),
    };

    let text = format!("{}: {missing} within {}", watch.command, secs(waited));
    Outcome { command: watch.command.clone(), met: false, text, figures: firsts(watch) }
}

/// The first suspicion and the first verdict, as far as there are figures for them.
fn firsts(watch: &Watch) -> Vec<(&'static str, Duration)> {
    let (suspect, dead) = match &watch.goal {
        Goal::Killed { .. } => (Some("detect_suspect_ms"), Some("detect_dead_ms")),
        Goal::Frozen { .. } => (Some("freeze_suspect_ms"), None),
        Goal::Cut { .. } => (None, Some("partition_dead_ms")),
        _ => (None, None),
    };
    suspect.zip(watch.suspect).into_iter().chain(dead.zip(watch.dead)).collect()
}

fn first(time: Option<Duration>) -> String {
    time.map_or_else(|| "never".to_owned(), secs)
}

/// `310 ms`, `1 s`, `1.31 s`.
pub fn secs(time: Duration) -> String {
    match time.as_millis() {
        0 => "under 1 ms".to_owned(),
        ms if ms < 1_000 => format!("{ms} ms"),
        ms if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}
