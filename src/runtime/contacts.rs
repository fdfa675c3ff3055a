//! Contacts as people write them, and what came of looking them up.
//!
//! What can never work is an error when it is written: a text that is no address and no name, an address that no single
//! node has. What a name resolves to is known only later, and may be right tomorrow, so it is never one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::member::canonical;
use crate::runtime::address::{can_reach, fault, scoped};
use crate::runtime::error::StartError;
use crate::runtime::listed::listed;

/// How long one name may take to resolve.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// When the text is none of them; `given_as` says which input it was.
    pub(crate) fn parse(given_as: &'static str, text: &str, default_port: u16) -> Result<Self, StartError> {
        let refuse = |why: &str| StartError::Address { given_as, text: text.to_owned(), why: why.to_owned() };
        let contact = if let Ok(address) = text.parse::<SocketAddr>() {
            Contact::Address(canonical(address))
        } else if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            Contact::Address(canonical(SocketAddr::new(ip, default_port)))
        } else if let Some(why) = scoped(text).and_then(fault) {
            return Err(refuse(why));
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
            Contact::Address(address) => match fault(address.ip()) {
                Some(why) => Err(refuse(why)),
                None => Ok(contact),
            },
            Contact::Name(..) => Ok(contact),
        }
    }

    /// The addresses behind it that a socket bound to `local` can reach, and what was wrong if there are none.
    pub(crate) async fn look_up(&self, local: SocketAddr) -> Lookup {
        let (host, port) = match self {
            Contact::Address(_) => return Lookup::literal(self),
            Contact::Name(host, port) => (host.as_str(), *port),
        };
        let lookup = tokio::net::lookup_host((host, port));
        let found = match tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await {
            Ok(Ok(addresses)) => Ok(addresses.map(canonical).collect()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_elapsed) => Err(format!("no answer from the resolver in {LOOKUP_TIMEOUT:?}")),
        };
        Lookup::of(self, local, found)
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// A contact, and what came of looking it up last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lookup {
    /// As it was written, with its port.
    contact: String,
    /// Where it leads; a contact given as an address leads there.
    addresses: Vec<SocketAddr>,
    /// Why some or all of what was found is of no use.
    fault: Option<String>,
    /// Whether it is a name that no address is known of.
    is_unresolved: bool,
}

impl Lookup {
    /// Before a name was looked up for the first time.
    pub(crate) fn unanswered(contact: &Contact) -> Self {
        match contact {
            Contact::Address(_) => Lookup::literal(contact),
            Contact::Name(..) => {
                let fault = Some("not resolved yet".to_owned());
                Lookup { contact: contact.to_string(), addresses: Vec::new(), fault, is_unresolved: true }
            }
        }
    }

    fn literal(contact: &Contact) -> Self {
        let addresses = if let Contact::Address(address) = contact { vec![*address] } else { Vec::new() };
        Lookup { contact: contact.to_string(), addresses, fault: None, is_unresolved: false }
    }

    /// What a resolver's answer is worth to a socket bound to `local`.
    pub(crate) fn of(contact: &Contact, local: SocketAddr, found: Result<Vec<SocketAddr>, String>) -> Self {
        let contact = contact.to_string();
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                return Lookup { contact, addresses: Vec::new(), fault: Some(error), is_unresolved: true };
            }
        };

        let is_unresolved = found.is_empty();
        let why_not = |peer: &SocketAddr| match fault(peer.ip()) {
            Some(why) => Some(format!("{}: {why}", peer.ip())),
            None if peer.ip().is_unspecified() => Some(format!("{}: the unspecified address", peer.ip())),
            None if can_reach(local, *peer) => None,
            None => Some(format!("{}: a socket bound to {} cannot send there", peer.ip(), local.ip())),
        };
        let faults: Vec<String> = found.iter().filter_map(why_not).collect();

        let mut addresses: Vec<SocketAddr> = found.into_iter().filter(|peer| why_not(peer).is_none()).collect();
        addresses.sort_unstable();
        addresses.dedup();

        // A name with addresses of both families is common, and the other family's are no mistake while there are some.
        let is_fault = addresses.is_empty() || faults.iter().any(|fault| !fault.contains("cannot send there"));
        let fault = match faults.as_slice() {
            [] if addresses.is_empty() => Some("it has no address".to_owned()),
            faults => is_fault.then(|| faults.join(", ")),
        };
        Lookup { contact, addresses, fault, is_unresolved }
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether it is a name that no address is known of: the resolver failed, or knows none.
    pub(crate) fn is_unresolved(&self) -> bool {
        self.is_unresolved
    }

    /// Whether it leads, or may yet lead, to another node than this one.
    pub(crate) fn is_of_use(&self) -> bool {
        !self.addresses.is_empty() || self.fault.is_some()
    }

    /// Leaves out addresses that are this node's own.
    pub(crate) fn leave_out(&mut self, own: &[SocketAddr]) {
        self.addresses.retain(|address| !own.contains(address));
    }

    /// The contact as it was written, with its port.
    pub(crate) fn contact(&self) -> &str {
        &self.contact
    }

    /// Why some or all of what was found is of no use, if it is not.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// The first address, or what is wrong.
    pub(crate) fn first(&self) -> Result<SocketAddr, String> {
        let fault = || self.fault.clone().unwrap_or_default();
        self.addresses.first().copied().ok_or_else(fault)
    }
}

/// `db-2:7340 (10.0.0.2:7340)`, or what is wrong with it, or that it is this node itself; a contact given as an address
/// is that address.
impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.contact)?;
        match (self.addresses.as_slice(), &self.fault) {
            ([], Some(fault)) => write!(f, " ({fault})"),
            ([], None) => f.write_str(" (this node itself)"),
            ([address], _) if address.to_string() == self.contact => Ok(()),
            (addresses, _) => write!(f, " ({})", listed(addresses)),
        }
    }
}

/// All addresses, each once.
pub(crate) fn addresses_of(lookups: &[Lookup]) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = lookups.iter().flat_map(Lookup::addresses).copied().collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
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
            ("255.255.255.255:7340", "broadcast"),
            ("224.0.0.1", "multicast"),
            ("[ff02::1]:7340", "multicast"),
            ("fe80::1", "link-local"),
            ("[fe80::1]:7340", "link-local"),
            ("[fe80::1%2]:7340", "link-local"),
            ("[fe80::1%eth0]:7340", "link-local addresses are not supported, with or without"),
            ("fe80::1%eth0", "link-local"),
        ] {
            let error = parsed(text).unwrap_err();
            let names_it = error.starts_with("contact") && error.contains(&format!("{text:?}"));
            assert!(names_it && error.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn a_resolvers_answer_is_kept_as_far_as_it_is_of_use() {
        let contact = parsed("db-2").unwrap();
        let at = |text: &str| SocketAddr::new(text.parse().unwrap(), 7340);
        type Row = (&'static str, &'static [&'static str], &'static [&'static str], Option<&'static str>);
        let rows: [Row; 7] = [
            ("0.0.0.0", &["10.0.0.2"], &["10.0.0.2"], None),
            ("0.0.0.0", &["10.0.0.2", "2001:db8::2"], &["10.0.0.2"], None),
            ("0.0.0.0", &["2001:db8::2"], &[], Some("cannot send there")),
            ("0.0.0.0", &[], &[], Some("no address")),
            ("::", &["2001:db8::2", "10.0.0.2", "10.0.0.2"], &["10.0.0.2", "2001:db8::2"], None),
            ("::", &["fe80::1", "10.0.0.2"], &["10.0.0.2"], Some("link-local")),
            ("::", &["224.0.0.1"], &[], Some("multicast")),
        ];
        for (local, found, kept, fault) in rows {
            let found: Vec<_> = found.iter().copied().map(at).collect();
            let lookup = Lookup::of(&contact, at(local), Ok(found));
            assert_eq!(lookup.addresses(), kept.iter().copied().map(at).collect::<Vec<_>>(), "{lookup:?}");
            assert_eq!(lookup.fault.is_some(), fault.is_some(), "{lookup:?}");
            assert!(fault.is_none_or(|fault| lookup.fault.as_ref().unwrap().contains(fault)), "{lookup:?}");
        }
        let failed = Lookup::of(&contact, at("::"), Err("no such host".to_owned()));
        assert_eq!(failed.to_string(), "db-2:7340 (no such host)");
        assert_eq!(Lookup::unanswered(&contact).to_string(), "db-2:7340 (not resolved yet)");
        let found = Lookup::of(&contact, at("::"), Ok(vec![at("10.0.0.2"), at("10.0.0.3")]));
        assert_eq!(found.to_string(), "db-2:7340 (10.0.0.2:7340, 10.0.0.3:7340)");
        assert_eq!(Lookup::unanswered(&parsed("10.0.0.2").unwrap()).to_string(), "10.0.0.2:7340");
    }
}
