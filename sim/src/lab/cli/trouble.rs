//! Errors of commands, in words for the person who typed them.
//!
//! A broken promise is none of these: it is what the simulator is for.

use std::fmt::Display;
use std::io;
use std::path::Path;

/// Why a command could not be carried out.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The command or a file makes no sense; the text says what to do.
    Said(String),
    /// Standard output cannot be written to.
    Output(io::Error),
}

impl Trouble {
    /// A sentence of one's own.
    pub(crate) fn say(text: impl Into<String>) -> Self {
        Trouble::Said(text.into())
    }

    /// Something is wrong with a file.
    pub(crate) fn file(verb: &str, path: &Path, error: impl Display) -> Self {
        Trouble::Said(format!("cannot {verb} {}: {error}", path.display()))
    }

    /// What to print; nothing when the reader has gone, as `head` does.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Trouble::Said(text) => Some(text.clone()),
            Trouble::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
            Trouble::Output(error) => Some(format!("cannot write the answer: {error}")),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Output(error)
    }
}
