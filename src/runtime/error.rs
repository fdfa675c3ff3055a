//! What can go wrong with a node, and what to do about it; and why a node ended.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::ConfigError;
use crate::member::{IdentityError, shown};
use crate::protocol::{ChangeVotersError, ForgetError, ResignError, WordError};
use crate::runtime::listed::listed;

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
        /// The text as it was given.
        text: String,
        /// What is wrong with it and what to write instead.
        why: String,
    },
    /// Another socket holds the port.
    PortInUse(SocketAddr),
    /// The socket could not be opened for another reason.
    Bind(SocketAddr, io::Error),
    /// The host name to advertise leads to no address that could be told.
    UnresolvedAdvertise {
        /// The name, with its port.
        host: String,
        /// What the resolver said, or what is wrong with what it found.
        why: String,
    },
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
                let (port, ip) = (address.port(), address.ip());
                write!(
                    f,
                    "{port}/udp is in use on {ip}: another process, perhaps this node itself, runs there already; stop \
                     that one, or choose another port (0 takes any)"
                )
            }
            StartError::Bind(address, error) => {
                let remedy = match error.kind() {
                    io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher one",
                    io::ErrorKind::AddrNotAvailable => {
                        "no interface of this machine has the address: bind 0.0.0.0 (or [::]) and advertise it"
                    }
                    _ => remedy(error).unwrap_or("bind 0.0.0.0:0 to see whether any address works"),
                };
                write!(f, "cannot bind {address}/udp: {error}; {remedy}")
            }
            StartError::UnresolvedAdvertise { host, why } => {
                write!(f, "cannot resolve {host:?} to advertise it: {why}; check the name, or advertise an address")
            }
            StartError::Entropy(error) => write!(f, "the system gave no entropy ({error}); call .seed(..)"),
            StartError::NoTermStore(election) => write!(
                f,
                "this node is a voter of {election:?} and must keep its votes over a restart: call \
                 .term_store(FileStore::open(folder)?), or, without a disk, .term_store(MemoryStore), whose \
                 documentation says what that asks of the clock"
            ),
            StartError::TermStore(election, error) => {
                write!(f, "cannot read or begin this voter's ballot of election {election:?}: {error}")?;
                remedy(error).map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
            }
            StartError::Recording(path, error) => {
                let remedy =
                    remedy(error).unwrap_or("give .record(..) a file in a directory that this process may write to");
                write!(f, "cannot record to {}: {error}; {remedy}", path.display())
            }
            StartError::Thread(error) => {
                let remedy = remedy(error).unwrap_or("raise the limit of threads (ulimit -u), or call .on_this_runtime()");
                write!(f, "cannot start the node's thread: {error}; {remedy}")
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

/// What to do about an error of the operating system, if that is known.
pub(crate) fn remedy(error: &io::Error) -> Option<&'static str> {
    if is_out_of_files(error) {
        return Some("raise the limit of open files (ulimit -n, or LimitNOFILE of the service), or close some");
    }
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("the disk is full: free some space, or use another disk")
        }
        io::ErrorKind::ReadOnlyFilesystem => Some("the disk is read-only: mount it for writing, or use another"),
        _ => None,
    }
}

#[cfg(unix)]
fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;

    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

#[cfg(not(unix))]
fn is_out_of_files(error: &io::Error) -> bool {
    const WSAEMFILE: i32 = 10_024;
    error.raw_os_error() == Some(WSAEMFILE)
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElectionError {
    /// No election of this name is configured here.
    Unknown(String),
    /// This node is no voter of the election, so it never leads.
    NotAVoter {
        /// The election's name.
        election: String,
        /// The names of its voters, in the order of their ids.
        voters: Vec<Arc<str>>,
    },
    /// This node votes and never leads, by its configuration.
    VotesOnly(String),
    /// This node does not lead.
    NotLeading,
    /// The successor that was named is no other voter.
    NoSuchVoter,
    /// The successor that was named does not stand: it has no future of `lead` and no candidate, is not eligible, or
    /// rests.
    NoCandidate,
    /// The word does not fit into this node's record.
    Word(WordError),
    /// Other voters are not there, or not known to be.
    Voters(ChangeVotersError),
    /// The node has stopped.
    Stopped(Stopped),
}

/// In words too, as of [`StartError`].
impl fmt::Debug for ElectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ElectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ElectionError::Unknown(election) => {
                let election = shown(election);
                return write!(
                    f,
                    "no election {election} is configured here; give the builder .election(..), or see node.elections()"
                );
            }
            ElectionError::NotAVoter { election, voters } if voters.is_empty() => {
                let election = shown(election);
                return write!(f, "this node watches election {election} and never leads; name the voters to take part");
            }
            ElectionError::VotesOnly(election) => {
                let election = shown(election);
                return write!(f, "this node only votes in election {election}; leave votes_only() out to let it lead");
            }
            ElectionError::Word(error) => return error.fmt(f),
            ElectionError::Voters(error) => return error.fmt(f),
            ElectionError::NotAVoter { election, voters } => {
                let (election, voters) = (shown(election), listed(voters));
                return write!(
                    f,
                    "this node is no voter of election {election} and never leads; its voters are {voters}: add the name \
                     of this node to them, on all of them"
                );
            }
            ElectionError::NotLeading => "this node does not lead the election; ask the leader, see node.leader(..)",
            ElectionError::NoSuchVoter => "the successor is no other voter of the election; see node.election(..)",
            ElectionError::NoCandidate => "the successor does not stand: call lead(..) there, and see set_eligible(..)",
            ElectionError::Stopped(stopped) => return stopped.fmt(f),
        })
    }
}

impl std::error::Error for ElectionError {}

impl ElectionError {
    /// What an election of this name answered.
    pub(crate) fn refused(error: ResignError, election: &str) -> Self {
        match error {
            ResignError::Unknown => ElectionError::Unknown(election.to_owned()),
            ResignError::NoVoter => ElectionError::NoSuchVoter,
            ResignError::NoCandidate => ElectionError::NoCandidate,
            ResignError::NotLeading => ElectionError::NotLeading,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_say_what_to_do() {
        let address = "10.0.0.1:1".parse().unwrap();
        let kind = |kind: io::ErrorKind| io::Error::from(kind);
        let rows = [
            (StartError::Bind(address, kind(io::ErrorKind::PermissionDenied)), ["10.0.0.1:1/udp", "ports below 1024"]),
            (StartError::Bind(address, kind(io::ErrorKind::AddrNotAvailable)), ["10.0.0.1:1/udp", "bind 0.0.0.0"]),
            (StartError::Bind(address, kind(io::ErrorKind::Other)), ["10.0.0.1:1/udp", "any address works"]),
            (StartError::Recording("/r".into(), kind(io::ErrorKind::StorageFull)), ["/r", "disk is full"]),
            (StartError::Recording("/r".into(), kind(io::ErrorKind::PermissionDenied)), ["/r", "may write to"]),
            (StartError::TermStore("e".into(), kind(io::ErrorKind::QuotaExceeded)), ["\"e\"", "disk is full"]),
            (StartError::TermStore("e".into(), kind(io::ErrorKind::ReadOnlyFilesystem)), ["\"e\"", "read-only"]),
            (StartError::Thread(kind(io::ErrorKind::WouldBlock)), ["thread", "on_this_runtime"]),
        ];
        for (error, hints) in rows {
            let text = error.to_string();
            assert!(hints.iter().all(|hint| text.contains(hint)), "{text}");
        }
    }

    #[test]
    fn whoever_is_no_voter_is_told_who_is() {
        let error = ElectionError::NotAVoter { election: "e".into(), voters: vec!["db-1".into(), "db-2".into()] };
        let text = error.to_string();
        assert!(text.contains("election \"e\"") && text.contains("its voters are db-1, db-2:"), "{text}");
        assert_eq!(format!("{error:?}"), text, "as main prints it");
    }

    #[cfg(unix)]
    #[test]
    fn a_process_without_files_left_is_told_which_limit() {
        for errno in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE] {
            let bind = StartError::Bind("10.0.0.1:1".parse().unwrap(), errno.into());
            let thread = StartError::Thread(errno.into());
            for text in [bind.to_string(), thread.to_string()] {
                assert!(text.contains("ulimit -n"), "{text}");
            }
        }
    }
}
