//! What a scenario expects, as plain data: an opinion at a moment, something never told, something told.
//!
//! An expectation says in a scenario's own words what makes it worth running. It is judged by what hosts told their
//! applications and by nothing else, so it holds for what a user would see. [`Expect`] judges while a world runs. An
//! expectation that found no host to ask is broken, because one that cannot fail is worth nothing.

mod judge;
mod rates;
mod words;

pub use judge::Expect;
pub use rates::{Ceiling, Flow};
pub use words::{Opinion, Word};

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::span;

/// Something that must hold, must be told, or must never be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
#[non_exhaustive]
pub enum Expectation {
    /// At a moment, observers hold an opinion: `{ is = "dead", by = "30s", about = [3] }`.
    Is {
        /// What the hosts asked have to hold.
        opinion: Opinion,
        /// The moment at which they are asked.
        by: Duration,
        /// The members it is about.
        about: Whom,
        /// The hosts that are asked; one of them that does not run then breaks it.
        seen_by: Whom,
    },
    /// Observers are never told something: `{ never = "dead", about = [1], from = "5s" }`.
    Never {
        /// What they are never told.
        word: Word,
        /// About which members; of no matter for a word of the observer about itself.
        about: Whom,
        /// To which hosts.
        seen_by: Whom,
        /// From when on.
        from: Duration,
        /// Until when; without it to the end.
        until: Option<Duration>,
        /// How often is not yet too often: each observer may be told it so many times of each.
        more_than: u32,
    },
    /// Observers are told something: `{ told = "refuted", about = [1], by = "20s" }`.
    Told {
        /// What they are told.
        word: Word,
        /// How often exactly; without it at least once.
        times: Option<u32>,
        /// About which members; of no matter for a word of the observer about itself.
        about: Whom,
        /// To which hosts, even if a process has ended since.
        seen_by: Whom,
        /// From when on.
        from: Duration,
        /// Until when; without it to the end.
        by: Option<Duration>,
    },
    /// Hosts send, or are sent, no more than so much, on average over those meant:
    /// `{ rate = "sent", about = [0], from = "5m", until = "10m", per_minute = 240 }`.
    Rate {
        /// Whether what they send or what they receive.
        flow: Flow,
        /// Which hosts; a group is that of the moment when the span is over.
        about: Whom,
        /// From when on.
        from: Duration,
        /// Until when; without it to the end.
        until: Option<Duration>,
        /// The most that is allowed.
        ceiling: Ceiling,
    },
}

/// Some of the hosts; of a host and a twin of it only the name counts when something is said about them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Whom {
    /// Each of these.
    These(Vec<u32>),
    /// Each of a group, or one of it.
    Group(Group),
}

/// A group of hosts at the moment of judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Each that ever started.
    All,
    /// Each whose process runs.
    Running,
    /// Each whose process has ended.
    Down,
    /// At least one of those that ever started.
    Some,
}

impl Whom {
    /// Each that ever started.
    pub const ALL: Whom = Whom::Group(Group::All);
    /// Each whose process runs.
    pub const RUNNING: Whom = Whom::Group(Group::Running);

    fn numbers(&self) -> &[u32] {
        if let Whom::These(these) = self { these } else { &[] }
    }
}

impl Expectation {
    /// The hosts it names by number.
    pub(crate) fn named(&self) -> impl Iterator<Item = u32> + '_ {
        let (about, seen_by) = match self {
            Expectation::Is { about, seen_by, .. }
            | Expectation::Never { about, seen_by, .. }
            | Expectation::Told { about, seen_by, .. } => (about, seen_by.numbers()),
            Expectation::Rate { about, .. } => (about, Default::default()),
        };
        about.numbers().iter().chain(seen_by).copied()
    }

    /// From when until when it matters; no end is that of the run.
    pub(crate) fn window(&self) -> (Duration, Option<Duration>) {
        match self {
            Expectation::Is { by, .. } => (*by, Some(*by)),
            Expectation::Never { from, until: end, .. }
            | Expectation::Told { from, by: end, .. }
            | Expectation::Rate { from, until: end, .. } => (*from, *end),
        }
    }

    /// What is wrong with it in a scenario of so many hosts that lasts so long.
    pub(crate) fn check(&self, host_limit: u32, lasts: Duration) -> Result<(), String> {
        if let Some(host) = self.named().find(|host| *host >= host_limit) {
            return Err(format!("there is no host {host}"));
        }
        let (from, end) = self.window();
        let end = end.unwrap_or(lasts);
        if end > lasts {
            return Err(format!("{} is after the end of the scenario", span::text(end)));
        }
        if from > end || (from == end && !matches!(self, Expectation::Is { .. })) {
            return Err(format!("from {} to {} is no time", span::text(from), span::text(end)));
        }
        Ok(())
    }
}

/// As a scenario file has it, on one line.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = toml::to_string(self).unwrap_or_default();
        write!(f, "{{ {} }}", written.trim_end().replace('\n', ", "))
    }
}

/// An expectation as a file has it: a flat table in which one of four words says what it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is: Option<Opinion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    never: Option<Word>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<Word>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<Flow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    more_than: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    per_minute: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes_per_s: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<Whom>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen_by: Option<Whom>,
    #[serde(with = "span::optional", default, skip_serializing_if = "Option::is_none")]
    from: Option<Duration>,
    #[serde(with = "span::optional", default, skip_serializing_if = "Option::is_none")]
    by: Option<Duration>,
    #[serde(with = "span::optional", default, skip_serializing_if = "Option::is_none")]
    until: Option<Duration>,
}

impl TryFrom<Written> for Expectation {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        if written.rate.is_some() {
            return rate(written);
        }
        if written.per_minute.is_some() || written.bytes_per_s.is_some() {
            return Err("`per_minute` and `bytes_per_s` need `rate`".to_owned());
        }

        let Written { is, never, told, more_than, times, about, seen_by, from, by, until, .. } = written;
        if more_than.is_some() && never.is_none() {
            return Err("an expectation with `more_than` has `never`".to_owned());
        }

        let about = about.unwrap_or(Whom::ALL);
        let refuse = |field: &str, is_there: bool, with: &str| {
            if is_there { Err(format!("an expectation with `{with}` has no `{field}`")) } else { Ok(()) }
        };

        match (is, never, told) {
            (Some(opinion), None, None) => {
                refuse("from", from.is_some(), "is")?;
                refuse("until", until.is_some(), "is")?;
                refuse("times", times.is_some(), "is")?;
                let by = by.ok_or("an expectation with `is` needs `by`, the moment at which it is asked")?;
                Ok(Expectation::Is { opinion, by, about, seen_by: seen_by.unwrap_or(Whom::RUNNING) })
            }
            (None, Some(word), None) => {
                refuse("by", by.is_some(), "never")?;
                refuse("times", times.is_some(), "never")?;
                let some = Whom::Group(Group::Some);
                if about == some || seen_by.as_ref() == Some(&some) {
                    return Err("an expectation with `never` means everyone; leave `some` away".to_owned());
                }
                let (seen_by, from) = (seen_by.unwrap_or(Whom::ALL), from.unwrap_or_default());
                Ok(Expectation::Never { word, about, seen_by, from, until, more_than: more_than.unwrap_or(0) })
            }
            (None, None, Some(word)) => {
                refuse("until", until.is_some(), "told")?;
                if times == Some(0) {
                    return Err("`times = 0`: write `never` instead of `told`".to_owned());
                }
                let (seen_by, from) = (seen_by.unwrap_or(Whom::RUNNING), from.unwrap_or_default());
                Ok(Expectation::Told { word, times, about, seen_by, from, by })
            }
            _ => Err("an expectation has exactly one of `is`, `never`, `told` and `rate`".to_owned()),
        }
    }
}

/// An expectation with `rate`.
fn rate(written: Written) -> Result<Expectation, String> {
    let Written { is, never, told, rate, more_than, per_minute, bytes_per_s, times, about, seen_by, from, by, until } =
        written;
    if is.is_some() || never.is_some() || told.is_some() {
        return Err("an expectation has exactly one of `is`, `never`, `told` and `rate`".to_owned());
    }
    if more_than.is_some() || times.is_some() || seen_by.is_some() || by.is_some() {
        return Err(
            "an expectation with `rate` has `about`, `from`, `until`, `per_minute` and `bytes_per_s`".to_owned()
        );
    }
    let (Some(flow), Some(about), Some(per_minute)) = (rate, about, per_minute) else {
        return Err("an expectation with `rate` needs `about` and `per_minute`".to_owned());
    };
    if about == Whom::Group(Group::Some) {
        return Err("an expectation with `rate` means everyone; leave `some` away".to_owned());
    }
    let ceiling = Ceiling { per_minute, bytes_per_s };
    Ok(Expectation::Rate { flow, about, from: from.unwrap_or_default(), until, ceiling })
}

impl From<Expectation> for Written {
    fn from(expectation: Expectation) -> Self {
        let written = Written::default();
        match expectation {
            Expectation::Is { opinion, by, about, seen_by } => Written {
                is: Some(opinion),
                by: Some(by),
                about: Some(about),
                seen_by: Some(seen_by).filter(|whom| *whom != Whom::RUNNING),
                ..written
            },
            Expectation::Never { word, about, seen_by, from, until, more_than } => Written {
                never: Some(word),
                more_than: Some(more_than).filter(|count| *count > 0),
                about: Some(about).filter(|whom| *whom != Whom::ALL),
                seen_by: Some(seen_by).filter(|whom| *whom != Whom::ALL),
                from: Some(from).filter(|from| !from.is_zero()),
                until,
                ..written
            },
            Expectation::Told { word, times, about, seen_by, from, by } => Written {
                told: Some(word),
                times,
                about: Some(about).filter(|whom| *whom != Whom::ALL),
                seen_by: Some(seen_by).filter(|whom| *whom != Whom::RUNNING),
                from: Some(from).filter(|from| !from.is_zero()),
                by,
                ..written
            },
            Expectation::Rate { flow, about, from, until, ceiling } => Written {
                rate: Some(flow),
                per_minute: Some(ceiling.per_minute),
                bytes_per_s: ceiling.bytes_per_s,
                about: Some(about),
                from: Some(from).filter(|from| !from.is_zero()),
                until,
                ..written
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        let refused = |text: &str| toml::from_str::<Expectation>(text).unwrap_err().to_string();
        for (text, word) in [
            ("is = \"dead\"\nabout = [1]", "needs `by`"),
            ("is = \"dead\"\nnever = \"up\"", "exactly one"),
            ("about = [1]", "exactly one"),
            ("never = \"dead\"\nby = \"3s\"", "no `by`"),
            ("never = \"dead\"\nabout = \"some\"", "leave `some` away"),
            ("told = \"dead\"\nuntil = \"3s\"", "no `until`"),
            ("told = \"dead\"\ntimes = 0", "write `never`"),
            ("is = \"ded\"\nby = \"3s\"", "unknown variant `ded`"),
            ("told = \"dead\"\nseen = [1]", "unknown field `seen`"),
            ("rate = \"sent\"\nabout = [1]", "needs `about` and `per_minute`"),
            ("rate = \"sent\"\nnever = \"up\"", "exactly one"),
            ("told = \"dead\"\nper_minute = 3", "need `rate`"),
            ("told = \"dead\"\nmore_than = 3", "has `never`"),
        ] {
            assert!(refused(text).contains(word), "{text}: {}", refused(text));
        }

        let read = |text: &str| toml::from_str::<Expectation>(text).unwrap().check(3, Duration::from_secs(9));
        assert_eq!(read("is = \"dead\"\nby = \"3s\"\nabout = [3]").unwrap_err(), "there is no host 3");
        assert_eq!(read("told = \"up\"\nby = \"10s\"").unwrap_err(), "10s is after the end of the scenario");
        assert_eq!(read("never = \"up\"\nfrom = \"9s\"").unwrap_err(), "from 9s to 9s is no time");
    }

    #[test]
    fn it_prints_as_it_is_written() {
        for text in [
            "{ is = \"dead\", about = [3], by = \"30s\" }",
            "{ never = \"dead\", about = \"running\", seen_by = [1], from = \"3s\", until = \"5s\" }",
            "{ never = \"suspect\", more_than = 12, about = [7] }",
            "{ rate = \"sent\", per_minute = 240, bytes_per_s = 90, about = [0], from = \"5m\", until = \"10m\" }",
            "{ told = \"self_stalled\", times = 1, seen_by = [0, 2], by = \"20s\" }",
        ] {
            let file = format!("expect = {text}");
            let read: std::collections::BTreeMap<String, Expectation> = toml::from_str(&file).unwrap();
            assert_eq!(read["expect"].to_string(), text);
        }
    }
}
