//! From what stands on a command line to what runs: a scenario's name, the swarm, or a file.

use std::path::Path;

use tidings_sim::scenario::catalogue;
use tidings_sim::swarm::{swarm, swarm_election, swarm_large};
use tidings_sim::{Experiment, Scenario};

use crate::cli::PROGRAM;
use crate::cli::trouble::Trouble;

/// Draws a scenario from a seed.
type Draw = fn(u64) -> Scenario;

/// Scenarios that are drawn anew from each seed.
const DRAWN: &[(&str, &str, Draw)] = &[
    ("swarm", "Everything drawn from the seed: 3 to 9 hosts, and some kinds of fault turned off.", swarm),
    ("swarm-election", "A few seconds of 3 or 5 voters who lose their leader in every way.", swarm_election),
    ("swarm-large", "The same with 10 to 24 hosts, and sometimes 64.", swarm_large),
];

/// Something to run.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// As it was named.
    pub(crate) name: String,
    /// The seed that is written in the file, if one is.
    pub(crate) seed: Option<u64>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Scenario(Box<Scenario>),
    Drawn(Draw),
}

impl Source {
    /// What a name or a path stands for.
    pub(crate) fn find(name: &str) -> Result<Self, Trouble> {
        if let Some((_, _, draw)) = DRAWN.iter().find(|(known, _, _)| *known == name) {
            return Ok(Source { name: name.to_owned(), seed: None, what: What::Drawn(*draw) });
        }
        let path = Path::new(name);
        if path.is_file() || name.ends_with(".toml") || name.contains(std::path::MAIN_SEPARATOR) {
            return Source::read(path);
        }
        let Some(scenario) = Scenario::named(name) else { return Err(Trouble::say(unknown(name))) };
        Ok(Source { name: name.to_owned(), seed: scenario.seed, what: What::Scenario(Box::new(scenario)) })
    }

    /// Reads the scenario file at a path.
    pub(crate) fn read(path: &Path) -> Result<Self, Trouble> {
        let text = std::fs::read_to_string(path).map_err(|error| Trouble::file("read", path, error))?;
        let scenario = Scenario::from_toml(&text).map_err(|error| Trouble::file("use", path, error))?;
        let name = path.display().to_string();
        Ok(Source { name, seed: scenario.seed, what: What::Scenario(Box::new(scenario)) })
    }

    /// Whether each seed draws a scenario of its own.
    pub(crate) fn is_drawn(&self) -> bool {
        matches!(self.what, What::Drawn(_))
    }

    /// Whether it is the swarm, whose sweeps must see everything happen.
    pub(crate) fn is_swarm(&self) -> bool {
        self.is_drawn() && self.name == "swarm"
    }

    /// The scenario of a seed.
    pub(crate) fn scenario(&self, seed: u64) -> Scenario {
        match &self.what {
            What::Scenario(scenario) => (**scenario).clone(),
            What::Drawn(draw) => draw(seed),
        }
    }

    pub(crate) fn experiment(&self) -> Experiment {
        match &self.what {
            What::Scenario(scenario) => Experiment::new((**scenario).clone()),
            What::Drawn(draw) => Experiment::drawn(*draw),
        }
    }
}

/// All that can be named, with a sentence each.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    catalogue().chain(DRAWN.iter().map(|(name, about, _)| (*name, *about)))
}

/// A scenario as a file that replays by itself.
pub(crate) fn file(scenario: &Scenario, seed: u64) -> String {
    Scenario { seed: Some(seed), ..scenario.clone() }.to_toml()
}

/// There is none of that name; which was meant, and which there are.
fn unknown(name: &str) -> String {
    let mut names: Vec<&str> = all().map(|(known, _)| known).collect();
    names.sort_by_key(|known| strsim::damerau_levenshtein(name, known));
    let meant = names.first().filter(|known| strsim::damerau_levenshtein(name, known) <= 1 + name.len() / 3);
    let meant = meant.map_or(String::new(), |known| format!("\n  did you mean {known}?"));
    names.sort_unstable();
    format!("there is no scenario {name:?}, and no such file{meant}\n  there are: {}", names.join(", "))
}

/// The command line that does something again, after the program's name.
pub(crate) fn command(words: &[impl AsRef<str>]) -> String {
    let mut line = PROGRAM.to_owned();
    for word in words.iter().map(AsRef::as_ref) {
        let is_plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c));
        line.push(' ');
        if is_plain {
            line.push_str(word);
        } else {
            line.push_str(&format!("'{}'", word.replace('\'', r"'\''")));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_shell_would_take_apart_are_quoted() {
        assert_eq!(command(&["run", "my file.toml"]), format!("{PROGRAM} run 'my file.toml'"));
        assert_eq!(command(&["it's"]), format!(r"{PROGRAM} 'it'\''s'"));
        assert_eq!(command(&["--seeds", "3..9"]), format!("{PROGRAM} --seeds 3..9"));
    }

    #[test]
    fn the_nearest_name_is_suggested_and_nothing_far_off() {
        assert!(unknown("swrm").contains("did you mean swarm?"));
        assert!(!unknown("entirely-different").contains("did you mean"));
        assert!(unknown("x").contains("steady"));
    }
}
