//! A trace as text, an aligned line for each happening.

use std::fmt::{self, Display};

use tidings::{Event, Member};

use crate::trace::{Line, What};

/// An event in a few words.
#[must_use]
pub fn describe(event: &Event) -> String {
    match event {
        Event::Up(member) | Event::Refuted(member) | Event::Left(member) | Event::Updated(member) => {
            let place = format!("generation {}, incarnation {}", member.generation(), member.incarnation());
            format!("{} {} ({place}){}", member.name(), event.kind(), mark(member))
        }
        Event::Suspect { member, by, reason, dead_after, .. } => {
            let (name, accusers) = (member.name(), by.len());
            format!("{name} suspect: {reason}, {accusers} accuse it, dead after {dead_after}{}", mark(member))
        }
        Event::Dead { member, by, reason, provisional } => {
            let mark = if *provisional { ", provisional" } else { "" };
            format!("{} dead: {reason}, {} accused it{mark}", member.name(), by.len())
        }
        Event::SelfStalled { gap } => format!("did not run for {gap:?}"),
        Event::Isolated { reachable, known } => format!("isolated: {reachable} of {known} answer"),
        Event::Reconnected => "reconnected".to_owned(),
        Event::Superseded { by } => format!("superseded by a later start at {by}"),
        Event::Full { members_max } => format!("full at {members_max} members"),
        Event::Leader { leader, trigger } => {
            format!("{} leads {} in term {}: {trigger}", leader.name, leader.election, leader.term)
        }
        Event::LeaderUpdated { leader } => {
            let word = String::from_utf8_lossy(&leader.word);
            format!("{}, which leads {} in term {}, says {word:?}", leader.name, leader.election, leader.term)
        }
        Event::LeaderLost { leader, reason } => {
            format!("{} does not lead {} in term {} any more: {reason}", leader.name, leader.election, leader.term)
        }
        Event::VotersDiffer { election, members } => {
            format!("{} members have another configuration of {election}", members.len())
        }
        Event::VotersChanged { election, voters, next: None } => {
            format!("the voters of {election} are {}", voters.join(" "))
        }
        Event::VotersChanged { election, voters, next: Some(next) } => {
            format!("the voters of {election} change from {} to {}", voters.join(" "), next.join(" "))
        }
        other => other.kind().to_owned(),
    }
}

fn mark(member: &Member) -> &'static str {
    if member.is_flapping() { ", flapping" } else { "" }
}

impl Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.as_nanos() / 1_000;
        write!(f, "{:>4}.{:06}  ", at / 1_000_000, at % 1_000_000)?;
        match self.host {
            Some(host) => write!(f, "n{host:<4} ")?,
            None => write!(f, "{:<6}", "-")?,
        }

        match &self.what {
            What::Sent { to, id, message, bytes } => {
                let to = to.map_or_else(|| "nobody".to_owned(), |to| format!("n{to}"));
                write!(f, "sends    {message} to {to}, {bytes} bytes (#{id})")
            }
            What::Handled { from, id } => write!(f, "handles  #{id} from n{from}"),
            What::Lost { to, id, why } => {
                let to = to.map_or_else(|| "nobody".to_owned(), |to| format!("n{to}"));
                write!(f, "loses    #{id} to {to}: {why}")
            }
            What::Told(event) => write!(f, "told     {}", describe(event)),
            What::Why(why) => write!(f, "because  {}", why.to_string().trim_end().replace('\n', "\n              ")),
            What::Life(what) => write!(f, "is       {what}"),
            What::Fault { text, until, .. } => write!(f, "fault    until {until}: {text}"),
            What::Note(text) => write!(f, "note     {text}"),
            What::Violation { check, text, .. } => write!(f, "BROKEN   {check}: {text}"),
        }
    }
}
