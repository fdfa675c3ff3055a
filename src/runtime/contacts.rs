//! Contacts as people write them, and host names turned into addresses away from the protocol's task.
//!
//! A name server may take half a minute to fail; the node must not stand still meanwhile. Names are resolved again,
//! with jitter, for as long as the node is alone: a cluster that starts together finds its names appear one by one.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::member::canonical;
use crate::runtime::error::StartError;
use crate::runtime::socket::can_reach;

/// How long one name may take to resolve.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Names are resolved again this often while the node is alone, sooner at first.
const AGAIN_MAX: Duration = Duration::from_secs(30);
const AGAIN_FIRST: Duration = Duration::from_secs(1);

/// An address to join or to advertise: known, or a name to be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    Address(SocketAddr),
    Name(String, u16),
}

impl Contact {
    /// Reads `10.0.0.1:7340`, `[::1]:7340`, `db-0.example:7340`, or any of them without the port.
    ///
    /// # Errors
    /// When the text is none of them; `given_as` says to the user which of his inputs it was.
    pub(crate) fn parse(given_as: &'static str, text: &str, default_port: u16) -> Result<Self, StartError> {
        let refuse = |why: &str| StartError::Address { given_as, text: text.to_owned(), why: why.to_owned() };
        let contact = if let Ok(address) = text.parse::<SocketAddr>() {
            Contact::Address(canonical(address))
        } else if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            Contact::Address(canonical(SocketAddr::new(ip, default_port)))
        } else {
            let (host, port) = match text.rsplit_once(':') {
                Some((host, port)) => {
                    (host, port.parse().map_err(|_| refuse("the port is no number from 1 to 65535"))?)
                }
                None => (text, default_port),
            };
            if !is_host_name(host) {
                return Err(refuse("neither an address nor a host name; write 10.0.0.1:7340, [::1]:7340 or db-0:7340"));
            }
            Contact::Name(host.to_owned(), port)
        };
        match contact {
            Contact::Address(address) if address.ip().is_unspecified() => {
                Err(refuse("the unspecified address names no one; give the address others reach it at"))
            }
            Contact::Address(address) if address.port() == 0 => Err(refuse("port 0 cannot be dialled; give the port")),
            Contact::Name(_, 0) => Err(refuse("port 0 cannot be dialled; give the port")),
            contact => Ok(contact),
        }
    }

    /// The addresses behind it that a socket bound to `local` can reach; none if it does not resolve in time.
    pub(crate) async fn resolve(&self, local: SocketAddr) -> Vec<SocketAddr> {
        let found = match self {
            Contact::Address(address) => vec![*address],
            Contact::Name(host, port) => {
                let lookup = tokio::net::lookup_host((host.as_str(), *port));
                match tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await {
                    Ok(Ok(addresses)) => addresses.map(canonical).collect(),
                    Ok(Err(_)) | Err(_) => Vec::new(),
                }
            }
        };
        found.into_iter().filter(|peer| can_reach(local, *peer)).collect()
    }
}

impl std::fmt::Display for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Contact::Address(address) => address.fmt(f),
            Contact::Name(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// Letters, digits, hyphens, underscores and dots, as resolvers take them.
fn is_host_name(host: &str) -> bool {
    let fits = (1..=253).contains(&host.len()) && !host.starts_with(['.', '-']);
    fits && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// All contacts' addresses, each once, and the contacts that gave none. All names are asked for at once.
pub(crate) async fn resolve_all(contacts: &[Contact], local: SocketAddr) -> (Vec<SocketAddr>, Vec<String>) {
    let mut lookups = JoinSet::new();
    for contact in contacts.iter().cloned() {
        lookups.spawn(async move { (contact.resolve(local).await, contact) });
    }
    let mut addresses = Vec::new();
    let mut failed = Vec::new();
    while let Some(Ok((found, contact))) = lookups.join_next().await {
        if found.is_empty() {
            failed.push(contact.to_string());
        }
        addresses.extend(found);
    }
    addresses.sort_unstable();
    addresses.dedup();
    failed.sort_unstable();
    (addresses, failed)
}

/// Resolves the names again and again while the node is alone. Ends when the node's side of either channel is gone.
pub(crate) async fn keep_resolving(
    contacts: Vec<Contact>,
    local: SocketAddr,
    seed: u64,
    mut alone: watch::Receiver<bool>,
    found: mpsc::Sender<Vec<SocketAddr>>,
) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut wait = AGAIN_FIRST;
    while alone.wait_for(|alone| *alone).await.is_ok() {
        let pause = jittered(wait, random.next_u64());
        match tokio::time::timeout(pause, alone.wait_for(|alone| !*alone)).await.map(|joined| joined.is_ok()) {
            Ok(true) => wait = AGAIN_FIRST,
            Ok(false) => return,
            Err(_still_alone) => {
                wait = (wait * 2).min(AGAIN_MAX);
                let (addresses, failed) = resolve_all(&contacts, local).await;
                if !failed.is_empty() {
                    warn_unresolved(&failed);
                }
                if found.send(addresses).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Says which contacts could not be resolved and what to do about it.
pub(crate) fn warn_unresolved(failed: &[String]) {
    let contacts = failed.join(", ");
    tracing::warn!(
        target: "tidings::node",
        contacts,
        "cannot resolve these contacts; check the names and the resolver (tried again while this node is alone)"
    );
}

/// Between three quarters and five quarters of it.
fn jittered(wait: Duration, random: u64) -> Duration {
    wait * 3 / 4 + Duration::from_millis(random % (wait.as_millis() as u64 / 2).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Contact, String> {
        Contact::parse("contact", text, 7340).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_addresses_and_names_with_and_without_a_port() {
        for (text, address) in [
            ("10.0.0.1:7", "10.0.0.1:7"),
            ("10.0.0.1", "10.0.0.1:7340"),
            ("[2001:db8::1]:7", "[2001:db8::1]:7"),
            ("[2001:db8::1]", "[2001:db8::1]:7340"),
            ("2001:db8::1", "[2001:db8::1]:7340"),
            ("[::ffff:10.0.0.1]:7", "10.0.0.1:7"),
        ] {
            assert_eq!(parsed(text), Ok(Contact::Address(address.parse().unwrap())), "{text}");
        }
        assert_eq!(parsed("db-0"), Ok(Contact::Name("db-0".to_owned(), 7340)));
        assert_eq!(parsed("db_0.svc.:7"), Ok(Contact::Name("db_0.svc.".to_owned(), 7)));
    }

    #[test]
    fn refuses_the_rest_and_says_what_to_write() {
        for (text, hint) in [
            ("", "host name"),
            ("db 0:7340", "host name"),
            ("http://db-0:7340", "host name"),
            ("db-0:port", "from 1 to 65535"),
            ("db-0:70000", "from 1 to 65535"),
            ("db-0:0", "give the port"),
            ("10.0.0.1:0", "give the port"),
            ("0.0.0.0:7340", "reach"),
            ("[::]", "reach"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.starts_with("contact") && error.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn jitter_stays_within_a_quarter() {
        let wait = Duration::from_secs(30);
        for random in [0, 1, 14_999, u64::MAX] {
            let jittered = jittered(wait, random);
            assert!(jittered >= wait * 3 / 4 && jittered < wait * 5 / 4, "{jittered:?}");
        }
    }

    #[test]
    fn names_are_resolved_again_while_alone() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (alone, is_alone) = watch::channel(true);
            let (send, mut found) = mpsc::channel(1);
            let contacts = vec![parsed("localhost:7").unwrap()];
            let local = "127.0.0.1:1".parse().unwrap();
            let task = tokio::spawn(keep_resolving(contacts, local, 1, is_alone, send));
            let expected = Some(vec!["127.0.0.1:7".parse().unwrap()]);
            assert_eq!(tokio::time::timeout(LOOKUP_TIMEOUT, found.recv()).await.unwrap(), expected);
            assert_eq!(tokio::time::timeout(LOOKUP_TIMEOUT, found.recv()).await.unwrap(), expected, "and again");
            drop(alone);
            tokio::time::timeout(LOOKUP_TIMEOUT, task).await.unwrap().unwrap();
        });
    }
}
