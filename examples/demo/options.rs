//! The demo's command line.

use std::time::Duration;

use super::commands::duration;

/// Nodes that run at most, added ones included.
pub const NODES_MAX: usize = 50;
/// Nodes that the tour needs: one to kill, and two to see it.
const TOUR_NODES_MIN: usize = 3;

pub const USAGE: &str = "\
usage: demo [--nodes N] [--interactive] [--json] [--seed S] [--stall-tolerance TIME]

Starts a cluster of real nodes on 127.0.0.1, all in this process, and plays a guided tour of under a minute:
an election, a crash of the leader, a restart, a short stall, a partition that cuts the leader off, its healing,
a node that leaves. Exits with 1 if a node did not see what it should have seen, or if two led at once.

  --nodes N               how many nodes, 3 to 50 (1 to 50 with --interactive); 5 unless told
  --interactive           a prompt in place of the tour; help lists the commands
  --json                  one JSON object per event; the last line is a summary
  --seed S                the nodes' random choices (who is pinged in turn, which datagrams are lost); not the times
  --stall-tolerance TIME  P, how long a silent node is not called dead, such as 3s; 1s unless told. The tour
                          expects what a P of 1 s promises, and fails when P is much longer.";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub nodes: usize,
    pub interactive: bool,
    pub json: bool,
    pub seed: u64,
    pub stall_tolerance: Option<Duration>,
}

impl Options {
    /// Reads the arguments; nothing when help was asked for.
    ///
    /// # Errors
    /// A sentence that names the argument and says what to write.
    pub fn read(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options =
            Options { nodes: 5, interactive: false, json: false, seed: any_seed(), stall_tolerance: None };
        while let Some(arg) = args.next() {
            let (flag, mut given) = match arg.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (arg, None),
            };
            let mut value = || given.take().or_else(|| args.next()).ok_or(format!("{flag} needs a value"));
            match flag.as_str() {
                "--nodes" => options.nodes = count(&value()?)?,
                "--seed" => options.seed = seed(&value()?)?,
                "--stall-tolerance" => options.stall_tolerance = Some(duration(&value()?)?),
                "--interactive" => options.interactive = true,
                "--json" => options.json = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("there is no option {flag}; --help lists them")),
            }
            if given.is_some() {
                return Err(format!("{flag} takes no value"));
            }
        }

        if !options.interactive && options.nodes < TOUR_NODES_MIN {
            return Err(format!(
                "the tour needs {TOUR_NODES_MIN} nodes, one to kill and two to see it; --interactive takes {}",
                options.nodes
            ));
        }
        Ok(Some(options))
    }
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=NODES_MAX).contains(count));
    count.ok_or(format!("--nodes {text}: write a number from {TOUR_NODES_MIN} to {NODES_MAX}"))
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("--seed {text}: write a number from 0 to {}", u64::MAX))
}

/// Another one each time; it is printed, so that it can be given again.
fn any_seed() -> u64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64 % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &str) -> Result<Option<Options>, String> {
        Options::read(args.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn reads_options_in_both_spellings() {
        let options = read("--nodes 50 --json --seed=7 --stall-tolerance 60s").unwrap().unwrap();
        assert_eq!((options.nodes, options.json, options.seed, options.interactive), (50, true, 7, false));
        assert_eq!(options.stall_tolerance, Some(Duration::from_secs(60)));
        assert_eq!(read("--json --help"), Ok(None));
        assert_eq!(read("").unwrap().unwrap().nodes, 5);
        assert_eq!(read("--interactive --nodes 1").unwrap().unwrap().nodes, 1);
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for (args, hint) in [
            ("--nodes 2", "needs 3 nodes"),
            ("--nodes 51", "3 to 50"),
            ("--nodes many", "3 to 50"),
            ("--nodes", "--nodes needs a value"),
            ("--json=yes", "--json takes no value"),
            ("--seed x", "--seed x"),
            ("--stall-tolerance 60", "write 5s"),
            ("--fast", "--help lists them"),
        ] {
            let error = read(args).unwrap_err();
            assert!(error.contains(hint), "{args}: {error}");
        }
    }
}
