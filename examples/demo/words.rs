//! What a line says of an event, in few words, and in which colour.

use std::collections::BTreeSet;

use tidings::event::{DeadReason, Event};
use tidings::member::{ACCUSERS_MAX, State};

use crate::groups::Line;
use crate::names::list;
use crate::observations::Seen;
use crate::outcome::secs;

pub const BOLD: &str = "1";
pub const DIM: &str = "2";
pub const RED: &str = "31";
pub const GREEN: &str = "32";
pub const YELLOW: &str = "33";
pub const BLUE: &str = "34";
pub const MAGENTA: &str = "35";
pub const CYAN: &str = "36";

pub fn kind(event: &Event) -> &'static str {
    match event {
        Event::SelfStalled { .. } => "stalled",
        Event::Reconnected => "reached",
        Event::LeaderLost { .. } => "unled",
        _ => event.kind(),
    }
}

pub fn colour(kind: &str) -> &'static str {
    match kind {
        "up" | "reached" | "leader" => GREEN,
        "suspect" => YELLOW,
        "refuted" => CYAN,
        "dead" => RED,
        "left" => BLUE,
        _ => MAGENTA,
    }
}

/// What a line says after the observers, the kind and the time.
pub fn said(line: &Line) -> String {
    // More accusers than one suspect has are those of several.
    let by = if line.by.len() > ACCUSERS_MAX { BTreeSet::new() } else { line.by.clone() };
    let agree: BTreeSet<_> = by.difference(&line.noticed).copied().collect();
    match line.kind {
        "suspect" if line.noticed.len() > ACCUSERS_MAX => format!("{} noticed", list(&line.noticed)),
        "suspect" if line.noticed.is_empty() => line.note.clone(),
        "suspect" if agree.is_empty() => format!("{} noticed", list(&line.noticed)),
        "suspect" => format!("{} noticed; {} agree", list(&line.noticed), list(&agree)),
        "dead" if !by.is_empty() => format!("{}, say {}", line.note, list(&by)),
        _ => line.note.clone(),
    }
}

/// What keeps the event apart from others of its kind, and what is said of it.
pub fn note(seen: &Seen) -> (&'static str, String) {
    match (&seen.event, seen.was) {
        (Event::Suspect { reason, .. }, _) => ("", reason.to_string()),
        (Event::Dead { provisional: true, .. }, _) => ("provisional", "provisional: nobody answers".to_owned()),
        (Event::Dead { reason: DeadReason::Silent, .. }, _) => ("silent", "silent for P".to_owned()),
        (Event::Dead { reason: DeadReason::SilentUnconfirmed, .. }, _) => ("unconfirmed", "silent for 3 P".to_owned()),
        (Event::Dead { reason, .. }, _) => ("restarted", reason.to_string()),
        (Event::Up(member), Some((generation, _))) if member.generation() > generation => {
            ("new process", format!("a new process, generation {}", member.generation()))
        }
        (Event::Up(_), Some((_, State::Dead))) => ("back", "back from the dead".to_owned()),
        (Event::Refuted(member), _) => ("", format!("it lives: incarnation {}", member.incarnation())),
        (Event::Left(_), _) => ("", "by its own word".to_owned()),
        (Event::SelfStalled { gap }, _) => ("", format!("{} late: judges nobody until answered", secs(*gap))),
        (Event::Isolated { reachable, known }, _) => ("", format!("{reachable} of {known} others answer it")),
        (Event::Leader { leader, trigger }, _) => ("", format!("term {}: {trigger}", leader.term)),
        (Event::LeaderLost { leader, reason }, _) => ("", format!("term {}: {reason}", leader.term)),
        (Event::Reconnected, _) => ("", "enough others answer it again".to_owned()),
        _ => ("", String::new()),
    }
}
