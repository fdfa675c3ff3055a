//! A trace as JSON lines, in the format of `docs/trace.md`.

use std::io::{self, Write};

use serde_json::{Value, json};
use tidings::{Event, Instant, Member, NodeId, Why};

use crate::trace::text::describe;
use crate::trace::{Line, Trace, What};

/// What stands before the lines.
#[derive(Clone, Debug)]
pub struct Header {
    /// The scenario's name.
    pub title: String,
    /// The seed that ran.
    pub seed: u64,
    /// The hosts' names, in order; one name may occur twice.
    pub hosts: Vec<String>,
    /// When the run ended.
    pub end: Instant,
    /// The command that runs it again.
    pub replay: String,
}

impl Trace {
    /// Writes the kept lines as JSON.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_json(&self, header: &Header, out: &mut impl Write) -> io::Result<()> {
        let hosts: Vec<Value> =
            (0_u32..).zip(&header.hosts).map(|(host, name)| json!({"host": host, "name": name})).collect();
        let first = json!({
            "trace": "tidings",
            "version": 1,
            "title": header.title,
            "seed": header.seed.to_string(),
            "end_us": us(header.end),
            "hosts": hosts,
            "states": ["alive", "suspect", "dead", "left"],
            "replay": header.replay,
        });
        writeln!(out, "{first}")?;
        for line in self.lines() {
            writeln!(out, "{}", object(line, &header.hosts))?;
        }
        Ok(())
    }
}

fn us(at: Instant) -> u64 {
    at.as_nanos() / 1_000
}

fn host_of(id: NodeId, hosts: &[String]) -> Option<usize> {
    hosts.iter().position(|name| NodeId::from_name(name) == id)
}

fn object(line: &Line, hosts: &[String]) -> Value {
    let mut object = json!({"t_us": us(line.at)});
    if let Some(host) = line.host {
        object["host"] = host.into();
    }

    let fields = match &line.what {
        What::Sent { to, id, message, bytes } => {
            json!({"kind": "send", "peer": to, "id": id, "what": message, "bytes": bytes})
        }
        What::Handled { from, id } => json!({"kind": "recv", "peer": from, "id": id}),
        What::Lost { to, id, why } => json!({"kind": "drop", "peer": to, "id": id, "why": why}),
        What::Told(event) => told(event, hosts),
        What::Why(why) => because(why, hosts),
        What::Life(what) => json!({"kind": "host", "what": what}),
        What::Fault { id, name, text, hosts, until } => {
            json!({"kind": "fault", "id": id, "what": name, "text": text, "hosts": hosts, "until_us": us(*until)})
        }
        What::Note(text) => json!({"kind": "note", "text": text}),
        What::Violation { check, text, hosts } => {
            json!({"kind": "violation", "check": check, "text": text, "hosts": hosts})
        }
    };

    if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
        object.extend(fields.into_iter().filter(|(name, value)| !value.is_null() || name == "state"));
    }
    object
}

fn told(event: &Event, hosts: &[String]) -> Value {
    let mut object = json!({"kind": "event", "what": event.kind(), "text": describe(event)});
    if let Some(about) = event.member().and_then(|member| host_of(member.id(), hosts)) {
        object["about"] = about.into();
        object["state"] = match event {
            Event::Up(_) | Event::Refuted(_) => "alive".into(),
            Event::Suspect { .. } => "suspect".into(),
            Event::Dead { .. } => "dead".into(),
            Event::Left(_) => "left".into(),
            _ => json!(event.member().map(|member| member.state())),
        };
        if event.member().is_some_and(Member::is_flapping) {
            object["flapping"] = true.into();
        }
    }
    let Some(leader) = event.leader() else { return object };
    object["about"] = host_of(leader.id, hosts).into();
    object["term"] = leader.term.0.into();
    object
}

fn because(why: &Why, hosts: &[String]) -> Value {
    let steps = why.steps.iter().map(|step| {
        let mut object = json!({"t_us": us(step.at), "text": why.in_words(step)});
        if let Some(host) = step.what.other().and_then(|id| host_of(id, hosts)) {
            object["host"] = host.into();
        }
        object
    });
    let steps: Vec<Value> = steps.collect();
    json!({"kind": "why", "about": host_of(why.member, hosts), "steps": steps})
}
