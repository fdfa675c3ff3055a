//! What can go wrong with a node, and what to do about it; and why a node ended.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::ConfigError;
use crate::member::IdentityError;
use crate::protocol::{ForgetError, ResignError};

/// Why a node could not start. Nothing keeps running and no port stays bound.
#[non_exhaustive]
pub enum StartError {
    /// No cluster name was given.
    NoCluster,
    /// A knob of the configuration is out of its range.
    Config(ConfigError),
    /// The node's name, metadata or generation is out of its range.
    Identity(IdentityError),
    /// A text given as an address is none.
    Address {
        /// What it was given as: `bind`, `advertise` or `contact`.
        given_as: &'static str,
        /// The text.
        text: String,
        /// What is wrong with it and what to write instead.
        why: String,
    },
    /// Another socket holds the port.
    PortInUse(SocketAddr),
    /// The socket could not be opened for another reason.
    Bind(SocketAddr, io::Error),
    /// The host name to advertise could not be resolved.
    UnresolvedAdvertise(String),
    /// None of the contacts could be resolved.
    UnresolvedContacts(Vec<String>),
    /// The operating system gave no entropy for the seed.
    Entropy(String),
    /// This node is a voter of this election, and was given no store for its votes.
    NoTermStore(String),
    /// What the store holds for this election could not be read.
    TermStore(String, io::Error),
    /// The file of the recording could not be opened.
    Recording(PathBuf, io::Error),
    /// The node's thread or runtime could not be made.
    Thread(io::Error),
    /// `on_this_runtime()` was asked for outside a tokio runtime.
    NoRuntime,
    /// The node's task ended before the node was ready.
    TaskEnded,
}

/// In words too: `main` prints an error it returns by its `Debug`, and the words say what to do.
impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NoCluster => f.write_str(
                "a cluster name is required, so that two clusters on one network stay apart; call .cluster(\"name\")",
            ),
            StartError::Config(error) => error.fmt(f),
            StartError::Identity(error) => error.fmt(f),
            StartError::Address { given_as, text, why } => write!(f, "{given_as} {text:?}: {why}"),
            StartError::PortInUse(address) => {
                write!(f, "{}/udp is in use on {}; try port 0", address.port(), address.ip())
            }
            StartError::Bind(address, error) => write!(f, "cannot bind {address}/udp: {error}; {}", remedy(error)),
            StartError::UnresolvedAdvertise(host) => {
                write!(f, "cannot resolve {host:?} to advertise it; check the name, or advertise an address")
            }
            StartError::UnresolvedContacts(contacts) => write!(
                f,
                "cannot resolve any contact ({}); check the names and the resolver, give one address, or start without \
                 contacts to be the first of the cluster",
                contacts.join(", ")
            ),
            StartError::Entropy(error) => write!(f, "the system gave no entropy ({error}); call .seed(..)"),
            StartError::NoTermStore(election) => write!(
                f,
                "this node is a voter of {election:?} and must keep its votes over a restart: call \
                 .term_store(FileStore::open(folder)?), or, without a disk, .term_store(MemoryStore), whose \
                 documentation says what that asks of the clock"
            ),
            StartError::TermStore(election, error) => {
                write!(f, "cannot read this voter's ballot of election {election:?}: {error}")
            }
            StartError::Recording(path, error) => write!(
                f,
                "cannot record to {}: {error}; give .record(..) a file in a directory that this process may write to",
                path.display()
            ),
            StartError::Thread(error) => {
                write!(f, "cannot start the node's thread: {error}; raise the limits, or call .on_this_runtime()")
            }
            StartError::NoRuntime => f.write_str(
                "no tokio runtime here; start the node inside one, or drop .on_this_runtime() to give it a thread",
            ),
            StartError::TaskEnded => f.write_str(
                "the node's task ended before it was ready; is the runtime shutting down, or built without enable_all()?",
            ),
        }
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher one",
        io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has the address: bind 0.0.0.0 (or [::]) and advertise it"
        }
        _ => "bind 0.0.0.0:0 to see whether any address works",
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Config(error) => Some(error),
            StartError::Identity(error) => Some(error),
            StartError::Bind(_, error) | StartError::Recording(_, error) | StartError::Thread(error) => Some(error),
            StartError::TermStore(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Why a node has stopped; it never starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stopped {
    /// It left by its own word.
    Left {
        /// Members that confirmed they heard it.
        confirmed: usize,
        /// Members that were asked to confirm.
        asked: usize,
    },
    /// The last handle was dropped; to the others it is silent from here on.
    Dropped,
    /// A later start of the same name is alive there.
    Superseded {
        /// Where it answers.
        by: SocketAddr,
    },
    /// Its task ended without a reason: a panic, which is a bug here, or the end of the runtime it was put on.
    Failed,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stopped::Left { confirmed, asked } => {
                write!(f, "the node has left; {confirmed} of {asked} members confirmed it")
            }
            Stopped::Dropped => f.write_str("the last handle of the node was dropped"),
            Stopped::Superseded { by } => {
                write!(f, "a later start of this name is alive at {by}; stop one of the two, or give one another name")
            }
            Stopped::Failed => f.write_str("the node's task ended: its runtime was shut down, or it panicked"),
        }
    }
}

impl std::error::Error for Stopped {}

/// Why a node did not do as asked; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The node has stopped.
    Stopped(Stopped),
    /// The metadata is too long.
    Metadata(IdentityError),
    /// The member cannot be forgotten.
    Forget(ForgetError),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::Stopped(stopped) => stopped.fmt(f),
            RequestError::Metadata(error) => error.fmt(f),
            RequestError::Forget(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RequestError {}

/// Why something asked of an election was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElectionError {
    /// No election of that name is configured here.
    Unknown,
    /// This node is no voter of the election, so it never leads.
    NotAVoter,
    /// This node does not lead.
    NotLeading,
    /// The successor that was named is no other voter.
    NoSuchVoter,
    /// The node has stopped.
    Stopped(Stopped),
}

impl fmt::Display for ElectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ElectionError::Unknown => {
                "no election of that name is configured here; give the builder .election(..), or see node.elections()"
            }
            ElectionError::NotAVoter => {
                "this node is no voter of the election and never leads; add its name to the voters, on all of them"
            }
            ElectionError::NotLeading => "this node does not lead the election; ask the leader, see node.leader(..)",
            ElectionError::NoSuchVoter => "the successor is no other voter of the election; see node.election(..)",
            ElectionError::Stopped(stopped) => return stopped.fmt(f),
        })
    }
}

impl std::error::Error for ElectionError {}

impl From<ResignError> for ElectionError {
    fn from(error: ResignError) -> Self {
        match error {
            ResignError::Unknown => ElectionError::Unknown,
            ResignError::NoVoter => ElectionError::NoSuchVoter,
            ResignError::NotLeading => ElectionError::NotLeading,
        }
    }
}
