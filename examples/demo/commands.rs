//! What can be typed at the demo's prompt, and what its tour is written in.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use tidings::time::parse_duration;

/// A node's number: 3 stands for n3.
pub type Number = usize;

/// How long `wait` waits unless told.
const WAIT: Duration = Duration::from_secs(10);
/// Longest freeze or wait; a slip of the finger should not take the demo away for a day.
const LONGEST: Duration = Duration::from_secs(600);

/// One thing to do to the cluster, or to ask of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Kill(Number),
    Restart(Number),
    Freeze(Number, Duration),
    Partition(BTreeSet<Number>),
    Heal,
    Loss(u8),
    Leave(Number),
    Add,
    Members,
    Leader,
    Why(Number),
    Wait(Duration),
    Help,
    Quit,
}

/// Every command: how it is typed and what it does.
pub const HELP: [(&str, &str); 14] = [
    ("kill 3", "n3 ends without a word, like a crash"),
    ("restart 3", "n3 starts again, as a new process on its old address"),
    ("freeze 3 5s", "n3 does not run for so long: a long pause, a stopped process"),
    ("partition 1,2", "cuts n1 and n2 from all others; 1-20 is a list too"),
    ("heal", "mends the partition"),
    ("loss 20", "every node loses 20 % of what it sends; loss 0 ends it"),
    ("leave 4", "n4 says goodbye and stops"),
    ("add", "starts one more node"),
    ("members", "what each node is, and what the others think of it"),
    ("leader", "who leads, in which term, and for how long even if nobody renews the lease"),
    ("why 3", "why n3 is suspect or dead, from a node that thinks so"),
    ("wait 10s", "until the others have seen what was done, or so long"),
    ("help", "this list"),
    ("quit", "ends the demo; so does the end of input"),
];

/// Reads one line; nothing on a blank line or a comment (`# ..`).
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse(line: &str) -> Result<Option<Command>, String> {
    let line = line.split('#').next().unwrap_or_default();
    let mut words = line.split_whitespace();
    let Some(verb) = words.next() else { return Ok(None) };
    let rest: Vec<&str> = words.collect();
    let verb = verb.to_ascii_lowercase();

    let command = match (verb.as_str(), rest.as_slice()) {
        ("kill", [node]) => Command::Kill(number(node)?),
        ("restart", [node]) => Command::Restart(number(node)?),
        ("leave", [node]) => Command::Leave(number(node)?),
        ("why", [node]) => Command::Why(number(node)?),
        ("freeze", [node, time]) => Command::Freeze(number(node)?, at_most(LONGEST, duration(time)?)?),
        ("partition", [_, ..]) => Command::Partition(numbers(&rest)?),
        ("loss", [percent]) => Command::Loss(percentage(percent)?),
        ("wait", []) => Command::Wait(WAIT),
        ("wait", [time]) => Command::Wait(at_most(LONGEST, duration(time)?)?),
        ("heal", []) => Command::Heal,
        ("add", []) => Command::Add,
        ("members", []) => Command::Members,
        ("leader", []) => Command::Leader,
        ("help" | "?", _) => Command::Help,
        ("quit" | "exit", []) => Command::Quit,
        _ => return Err(misunderstood(&verb)),
    };
    Ok(Some(command))
}

/// A length of time such as `5s`, `700ms`, `1.5s` or `2m`.
///
/// # Errors
/// When it is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| format!("\"{}\" is no time; write 5s, 700ms or 2m", shown(text)))
}

fn at_most(longest: Duration, time: Duration) -> Result<Duration, String> {
    if time > longest { Err(format!("{time:?} is too long; {longest:?} at most")) } else { Ok(time) }
}

fn number(text: &str) -> Result<Number, String> {
    let digits = text.strip_prefix(['n', 'N']).unwrap_or(text);
    let number = digits.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("\"{}\" is no node; write 3 or n3", shown(text)))
}

/// `1,2`, `1-20`, `n1, n2` and mixtures.
fn numbers(words: &[&str]) -> Result<BTreeSet<Number>, String> {
    let mut all = BTreeSet::new();
    for part in words.iter().flat_map(|word| word.split(',')).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if last.saturating_sub(first) > 1_000 {
            return Err(format!("{} is a long list; there are 50 nodes at most", shown(part)));
        }
        all.extend(first.min(last)..=last.max(first));
    }
    if all.is_empty() { Err("which nodes? write partition 1,2".to_owned()) } else { Ok(all) }
}

/// `1,2` or `1-20`.
pub fn runs(numbers: &BTreeSet<Number>) -> String {
    let mut runs: Vec<(Number, Number)> = Vec::new();
    for number in numbers.iter().copied() {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let parts = runs.into_iter().map(|(first, last)| match last - first {
        0 => format!("{first}"),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    });
    parts.collect::<Vec<_>>().join(",")
}

fn percentage(text: &str) -> Result<u8, String> {
    let percent = text.trim_end_matches('%').parse().ok().filter(|percent| *percent <= 100);
    percent.ok_or_else(|| format!("\"{}\" is no percentage; write loss 20, and loss 0 to end it", shown(text)))
}

/// The usage of a command that was begun right, or the nearest command.
fn misunderstood(verb: &str) -> String {
    let verb_of = |usage: &'static str| usage.split(' ').next().unwrap_or(usage);
    if let Some((usage, _)) = HELP.iter().find(|(usage, _)| verb_of(usage) == verb) {
        return format!("write it like this: {usage}");
    }
    let nearest = HELP.iter().map(|(usage, _)| verb_of(usage)).min_by_key(|known| distance(known, verb));
    match nearest.filter(|known| distance(known, verb) <= 2) {
        Some(known) => format!("there is no command \"{}\"; did you mean {known}? (help lists all)", shown(verb)),
        None => format!("there is no command \"{}\"; help lists them", shown(verb)),
    }
}

/// Letters to change, add or drop to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let (other, mut row): (Vec<char>, Vec<usize>) = other.chars().take(40).enumerate().map(|(i, c)| (c, i)).unzip();
    row.push(other.len());
    for (i, a) in one.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let changed = corner + usize::from(a != *b);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

/// What was typed, short and without anything a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Kill(node) => write!(f, "kill {node}"),
            Command::Restart(node) => write!(f, "restart {node}"),
            Command::Freeze(node, time) => write!(f, "freeze {node} {time:?}"),
            Command::Partition(side) => write!(f, "partition {}", runs(side)),
            Command::Heal => f.write_str("heal"),
            Command::Loss(percent) => write!(f, "loss {percent}"),
            Command::Leave(node) => write!(f, "leave {node}"),
            Command::Add => f.write_str("add"),
            Command::Leader => f.write_str("leader"),
            Command::Members => f.write_str("members"),
            Command::Why(node) => write!(f, "why {node}"),
            Command::Wait(time) => write!(f, "wait {time:?}"),
            Command::Help => f.write_str("help"),
            Command::Quit => f.write_str("quit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_help_is_read_and_printed_alike() {
        for (usage, _) in HELP {
            let command = parse(usage).unwrap().unwrap();
            assert_eq!(command.to_string(), usage);
            assert_eq!(parse(&command.to_string()).unwrap(), Some(command));
        }
    }

    #[test]
    fn reads_what_people_type() {
        let some = |line| parse(line).unwrap();
        assert_eq!(some("  KILL n3  # now"), Some(Command::Kill(3)));
        assert_eq!(some("freeze 4 1.5s"), Some(Command::Freeze(4, Duration::from_millis(1_500))));
        assert_eq!(some("partition n1, n2 5-7"), Some(Command::Partition([1, 2, 5, 6, 7].into())));
        assert_eq!(some("partition 3-1"), Some(Command::Partition([1, 2, 3].into())));
        assert_eq!(some("loss 20%"), Some(Command::Loss(20)));
        assert_eq!((some(""), some("   "), some("# a remark")), (None, None, None));
    }

    #[test]
    fn says_what_it_expected() {
        for (line, hint) in [
            ("kil 3", "did you mean kill"),
            ("partitoin 1,2", "did you mean partition"),
            ("dance", "help lists them"),
            ("kill", "write it like this: kill 3"),
            ("heal 3", "write it like this: heal"),
            ("kill x", "write 3 or n3"),
            ("kill 0", "write 3 or n3"),
            ("kill 99999999999999999999999", "write 3 or n3"),
            ("freeze 3 5", "write 5s, 700ms or 2m"),
            ("freeze 3 .s", "write 5s"),
            ("freeze 3 99999999999999999999999s", "write 5s"),
            ("freeze 3 20m", "600s at most"),
            ("loss 101", "write loss 20"),
            ("loss -1", "write loss 20"),
            ("partition ,", "write partition 1,2"),
            ("partition 1-99999999", "50 nodes"),
            ("\u{1b}[2J", "\\u{1b}[2j"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(hint), "{line:?}: {error}");
        }
    }
}
