//! What the demo tells, whichever way it is told: as lines for people, or as JSON.

use std::io;
use std::time::Duration;

use tidings::config::Config;

use crate::observations::{Figures, Seen};
use crate::outcome::Outcome;

/// What the demo is made of.
pub struct Opening {
    pub nodes: usize,
    pub interactive: bool,
    pub config: Config,
    pub seed: u64,
}

/// Moments are counted from the start of the demo. An error is that of the output.
pub trait Report {
    /// What is about to run.
    fn open(&mut self, opening: &Opening) -> io::Result<()>;

    /// A step of the tour: its title, and what to watch.
    fn step(&mut self, title: &str, caption: &[String]) -> io::Result<()>;

    /// A command, as it begins.
    fn command(&mut self, at: Duration, command: &str) -> io::Result<()>;

    /// An event that a node's subscriber received.
    fn seen(&mut self, now: Duration, seen: &Seen) -> io::Result<()>;

    /// How a command went.
    fn outcome(&mut self, at: Duration, outcome: &Outcome) -> io::Result<()>;

    /// The answer to a question.
    fn answer(&mut self, at: Duration, command: &str, lines: &[String]) -> io::Result<()>;

    /// A command that cannot be done, and why.
    fn refused(&mut self, at: Duration, reason: &str) -> io::Result<()>;

    /// The end: everything that was measured.
    fn summary(&mut self, at: Duration, opening: &Opening, figures: &Figures) -> io::Result<()>;

    /// Invites a command.
    fn prompt(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// A line was typed at the prompt.
    fn entered(&mut self) {}

    /// The moment at which something gathered has to be told.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// Tells what is due.
    fn tick(&mut self, _now: Duration) -> io::Result<()> {
        Ok(())
    }
}
