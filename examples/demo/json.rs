//! The demo as JSON, one object a line: every event as a subscriber received it, commands and outcomes, then the
//! summary.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tidings::event::Event;

use crate::names::name;
use crate::observations::{Figures, Seen};
use crate::outcome::{FIGURES, Outcome};
use crate::report::{Opening, Report};

pub struct Json;

impl Report for Json {
    fn open(&mut self, opening: &Opening) -> io::Result<()> {
        let mut out = described(opening);
        out.insert("t_ms".to_owned(), json!(0));
        out.insert("event".to_owned(), json!("demo"));
        print(&Value::Object(out))
    }

    fn step(&mut self, _title: &str, _caption: &[String]) -> io::Result<()> {
        Ok(())
    }

    fn command(&mut self, at: Duration, command: &str) -> io::Result<()> {
        print(&json!({ "t_ms": ms(at), "event": "command", "command": command }))
    }

    fn seen(&mut self, _now: Duration, seen: &Seen) -> io::Result<()> {
        let mut out = json!({ "t_ms": ms(seen.at), "observer": name(seen.observer), "event": seen.event.kind() });
        if let Some(member) = seen.event.member() {
            out["name"] = json!(member.name());
            out["generation"] = json!(member.generation());
            out["incarnation"] = json!(member.incarnation());
        }

        let by = || seen.by.iter().map(|number| name(*number)).collect::<Vec<_>>();
        match &seen.event {
            Event::Suspect { reason, .. } => {
                out["by"] = json!(by());
                out["reason"] = json!(reason);
            }
            Event::Dead { reason, provisional, .. } => {
                out["by"] = json!(by());
                out["reason"] = json!(reason);
                out["provisional"] = json!(provisional);
            }
            Event::Leader { leader, trigger } => {
                out["name"] = json!(*leader.name);
                out["term"] = json!(leader.term);
                out["trigger"] = json!(trigger);
            }
            Event::LeaderLost { leader, reason } => {
                out["name"] = json!(*leader.name);
                out["term"] = json!(leader.term);
                out["reason"] = json!(reason);
            }
            Event::SelfStalled { gap } => out["gap_ms"] = json!(ms(*gap)),
            Event::Isolated { reachable, known } => {
                out["reachable"] = json!(reachable);
                out["known"] = json!(known);
            }
            Event::Superseded { by } => out["address"] = json!(by),
            Event::Full { members_max } => out["members_max"] = json!(members_max),
            _ => {}
        }

        if seen.coalesced {
            out["coalesced"] = json!(true);
        }
        print(&out)
    }

    fn outcome(&mut self, at: Duration, outcome: &Outcome) -> io::Result<()> {
        let mut out = json!({
            "t_ms": ms(at), "event": "outcome", "command": outcome.command, "met": outcome.met, "text": outcome.text,
        });
        for (key, time) in &outcome.figures {
            out[key] = json!(ms(*time));
        }
        print(&out)
    }

    fn answer(&mut self, at: Duration, command: &str, lines: &[String]) -> io::Result<()> {
        print(&json!({ "t_ms": ms(at), "event": "answer", "command": command, "lines": lines }))
    }

    fn refused(&mut self, at: Duration, reason: &str) -> io::Result<()> {
        print(&json!({ "t_ms": ms(at), "event": "refused", "reason": reason }))
    }

    fn summary(&mut self, at: Duration, opening: &Opening, figures: &Figures) -> io::Result<()> {
        let mut out = described(opening);
        out.insert("t_ms".to_owned(), json!(ms(at)));
        out.insert("event".to_owned(), json!("summary"));
        for (key, _, _) in FIGURES {
            out.insert(key.to_owned(), json!(figures.times.get(key).map(|time| ms(*time))));
        }
        out.insert("false_dead".to_owned(), json!(figures.false_dead));
        out.insert("two_leaders".to_owned(), json!(figures.two_leaders));
        out.insert("met".to_owned(), json!(figures.met));
        out.insert("failed".to_owned(), json!(figures.failed));
        out.insert("passed".to_owned(), json!(figures.passed()));
        print(&Value::Object(out))
    }
}

fn described(opening: &Opening) -> Map<String, Value> {
    let config = &opening.config;
    let parts = [
        ("nodes", json!(opening.nodes)),
        ("profile", json!("local")),
        ("probe_interval_ms", json!(ms(config.probe_interval))),
        ("stall_tolerance_ms", json!(ms(config.stall_tolerance))),
        ("seed", json!(opening.seed)),
    ];
    parts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Whole lines, at once: the reader of the pipe waits for them.
fn print(line: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
