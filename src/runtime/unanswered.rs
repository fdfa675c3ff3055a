//! What to say of contacts of which none has let this node in: the words fit what is known of each.
//!
//! A name that leads nowhere, a socket that cannot send there, a cluster of another name, a contact that answers and
//! cannot reach this node, and a node that is its own only contact all look alike from inside. The next step is another
//! for each, so the choice is a pure function of what was heard.

use std::net::SocketAddr;
use std::time::Duration;

use crate::runtime::contacts::Lookup;
use crate::runtime::listed::listed;
use crate::runtime::mistakes::UNANSWERED_AFTER;
use crate::runtime::strangers::Strangers;
use crate::time::Instant;

/// Addresses remembered at most at which this node greeted itself.
const SELVES_MAX: usize = 8;
/// A contact that answered so lately answers. Chosen: 64 contacts are dialled one after the other well within it.
const HEARD_LATELY: Duration = Duration::from_secs(60);

/// The contacts as they were looked up last, and what was heard of them while no other member is live.
#[derive(Debug)]
pub(crate) struct Contacts {
    lookups: Vec<Lookup>,
    /// Where this node's own greetings came back from.
    selves: Vec<SocketAddr>,
    /// The contact that answered last, and when.
    heard: Option<(Instant, SocketAddr)>,
}

impl Contacts {
    pub(crate) fn new(lookups: Vec<Lookup>) -> Self {
        Contacts { lookups, selves: Vec::new(), heard: None }
    }

    pub(crate) fn lookups(&self) -> &[Lookup] {
        &self.lookups
    }

    /// They were looked up again.
    pub(crate) fn replace(&mut self, found: Vec<Lookup>) {
        self.lookups = found;
        self.leave_out_selves();
    }

    /// A datagram was accepted while no other member is live.
    pub(crate) fn accepted(&mut self, now: Instant, from: SocketAddr) {
        if self.lookups.iter().any(|lookup| lookup.addresses().contains(&from)) {
            self.heard = Some((now, from));
        }
    }

    /// A datagram of this node's own came from there: a contact at this address is this node itself. That changes what
    /// is said, and not what is dialled, for a sender can be forged.
    pub(crate) fn came_back(&mut self, from: SocketAddr) {
        if self.selves.len() < SELVES_MAX && !self.selves.contains(&from) {
            self.selves.push(from);
            self.leave_out_selves();
        }
    }

    /// Another member is live: what was heard before is over.
    pub(crate) fn met(&mut self) {
        self.selves.clear();
        self.heard = None;
    }

    /// The contact that answers, if one does.
    pub(crate) fn answering(&self, now: Instant) -> Option<SocketAddr> {
        self.heard.filter(|(at, _)| now.since(*at) < HEARD_LATELY).map(|(_, contact)| contact)
    }

    /// Whether there are contacts, and each is this node itself.
    pub(crate) fn is_only_itself(&self) -> bool {
        !self.lookups.is_empty() && !self.lookups.iter().any(Lookup::is_of_use)
    }

    fn leave_out_selves(&mut self) {
        self.lookups.iter_mut().for_each(|lookup| lookup.leave_out(&self.selves));
    }
}

/// What is known of a node that no contact has let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outside<'a> {
    /// Where its socket is bound.
    pub(crate) local: SocketAddr,
    /// The address that it tells; unspecified while it knows none.
    pub(crate) own: SocketAddr,
    /// Where others see it, if that is not there.
    pub(crate) seen_at: Option<SocketAddr>,
    /// The contact that answers.
    pub(crate) answering: Option<SocketAddr>,
    pub(crate) lookups: &'a [Lookup],
    pub(crate) strangers: &'a Strangers,
}

/// What stands, and the next step.
pub(crate) fn words(outside: &Outside<'_>) -> String {
    let &Outside { own, seen_at, answering, lookups, .. } = outside;
    let Some(contact) = answering else {
        let advice = advice(outside).join("; ");
        return format!("no contact has answered for {UNANSWERED_AFTER:?} or more: {}; {advice}", listed(lookups));
    };
    let but = format!("contact {contact} answers but has not let this node in for {UNANSWERED_AFTER:?} or more");
    let advertise = "call .advertise(..) with the address that others reach this node at";
    match seen_at {
        _ if own.ip().is_unspecified() => format!("{but}: this node does not know its own address; {advertise}"),
        Some(seen) => format!("{but}: it cannot reach it at {own}, and sees it at {seen}; {advertise}"),
        None => format!(
            "{but}: it cannot reach it at {own}, or its table is full; {advertise}, and see the log of the contact"
        ),
    }
}

/// The next steps for contacts that are silent.
fn advice(outside: &Outside<'_>) -> Vec<String> {
    let &Outside { local, lookups, strangers, .. } = outside;
    let mut advice = Vec::new();
    let rejected = strangers.total();
    if rejected > 0 {
        advice.push(format!(
            "{rejected} datagrams of another cluster or damaged came from {strangers}: give all members the same \
             cluster name and release"
        ));
    }

    let unresolved = lookups.iter().filter(|lookup| lookup.is_unresolved());
    let unresolved: Vec<&str> = unresolved.map(Lookup::contact).collect();
    if !unresolved.is_empty() {
        advice.push(format!("check the name in {} and the resolver (DNS), or give an address", listed(&unresolved)));
    }
    let is_unusable = |lookup: &Lookup| lookup.addresses().is_empty() && lookup.fault().is_some();
    if lookups.iter().any(|lookup| is_unusable(lookup) && !lookup.is_unresolved()) {
        advice.push(format!("give an address that this socket can send to, or bind [::]:{}", local.port()));
    }
    let beyond = beyond_loopback(local, lookups);
    if !beyond.is_empty() {
        advice.push(cannot_leave(local, &beyond));
    }

    let is_silent = |peer: &SocketAddr| !beyond.contains(peer);
    if rejected == 0 && lookups.iter().flat_map(Lookup::addresses).any(is_silent) {
        let who = if advice.is_empty() { "they" } else { "the others" };
        advice.push(format!("check that {who} run under the same cluster name, and that UDP passes both ways"));
    }
    advice
}

/// The addresses of contacts that a socket bound to a loopback address cannot send to, unless they are this machine's.
pub(crate) fn beyond_loopback(local: SocketAddr, lookups: &[Lookup]) -> Vec<SocketAddr> {
    let all = lookups.iter().flat_map(Lookup::addresses).copied();
    all.filter(|peer| local.ip().is_loopback() && !peer.ip().is_loopback()).collect()
}

/// That a socket bound to a loopback address sends to no other host.
pub(crate) fn cannot_leave(local: SocketAddr, beyond: &[SocketAddr]) -> String {
    let (ip, port) = (local.ip(), local.port());
    let wildcard = if local.is_ipv4() { "0.0.0.0" } else { "[::]" };
    format!("a socket bound to {ip} cannot send to another host, as to {}: bind {wildcard}:{port}", listed(beyond))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::contacts::Contact;
    use crate::wire::Rejected;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A contact as it was written, and what a resolver found for it, or what it said.
    fn lookup(local: &str, contact: &str, found: Result<&[&str], &str>) -> Lookup {
        let contact = Contact::parse("contact", contact, 7340).unwrap();
        let found = found.map(|found| found.iter().copied().map(at).collect());
        Lookup::of(&contact, at(local), found.map_err(str::to_owned))
    }

    #[test]
    fn the_words_fit_what_is_known_of_the_contacts() {
        const ANY: &str = "0.0.0.0:7340";
        const HOST: &str = "127.0.0.1:7340";
        let found = |local, address: &'static str| lookup(local, address, Ok(&[address]));
        let nowhere = |local| lookup(local, "nowhere.internal", Err("failed to look up"));
        // (bound to, contacts, the one that answers and where it sees us, strangers, what is said, what is not)
        type Row<'a> = (&'a str, Vec<Lookup>, Option<(&'a str, Option<&'a str>)>, u64, Vec<&'a str>, Vec<&'a str>);
        let (answers, called) = (Some(("10.0.0.2:7340", None)), Some(("10.0.0.2:7340", Some("10.0.0.9:7340"))));
        let none = || vec!["UDP passes", "DNS", "bind", "advertise", "cluster"];
        let but = |said: &[&'static str]| none().into_iter().filter(|word| !said.contains(word)).collect::<Vec<_>>();
        let rows: Vec<Row<'_>> = vec![
            (
                ANY,
                vec![found(ANY, "10.0.0.2:7340")],
                None,
                0,
                vec!["10.0.0.2:7340; check that they"],
                but(&["UDP passes", "cluster"]),
            ),
            (
                ANY,
                vec![nowhere(ANY)],
                None,
                0,
                vec!["(failed to look up); check the name in nowhere.internal:7340"],
                but(&["DNS"]),
            ),
            (
                ANY,
                vec![lookup(ANY, "db-2", Ok(&[]))],
                None,
                0,
                vec!["(it has no address); check the name in db-2:7340"],
                but(&["DNS"]),
            ),
            (
                ANY,
                vec![lookup(ANY, "db-2", Ok(&["[2001:db8::1]:7340"]))],
                None,
                0,
                vec!["bind [::]:7340"],
                but(&["bind"]),
            ),
            (
                HOST,
                vec![found(HOST, "10.0.0.2:7340")],
                None,
                0,
                vec!["bound to 127.0.0.1 cannot send", "bind 0.0.0.0:7340"],
                but(&["bind"]),
            ),
            (
                "[::1]:7",
                vec![found("[::1]:7", "[fd00::1]:7")],
                None,
                0,
                vec!["bound to ::1 cannot send", "bind [::]:7"],
                but(&["bind"]),
            ),
            (
                HOST,
                vec![found(HOST, "127.0.0.1:7341")],
                None,
                0,
                vec!["check that they"],
                but(&["UDP passes", "cluster"]),
            ),
            (
                HOST,
                vec![found(HOST, "10.0.0.2:7340"), nowhere(HOST), found(HOST, "127.0.0.1:7341")],
                None,
                0,
                vec!["DNS", "bind 0.0.0.0:7340", "check that the others run"],
                vec!["advertise"],
            ),
            (
                ANY,
                vec![found(ANY, "10.0.0.2:7340")],
                None,
                3,
                vec!["3 datagrams", "10.0.0.8:1 (3)", "same cluster name"],
                but(&["cluster"]),
            ),
            (
                ANY,
                vec![found(ANY, "10.0.0.2:7340")],
                answers,
                0,
                vec!["contact 10.0.0.2:7340 answers but has not let", "reach it at 10.0.0.1:7340", ".advertise(..)"],
                vec!["no contact", "UDP passes", "cluster"],
            ),
            (
                ANY,
                vec![found(ANY, "10.0.0.2:7340")],
                called,
                3,
                vec!["reach it at 10.0.0.1:7340, and sees it at 10.0.0.9:7340; call .advertise(..)"],
                vec!["no contact", "UDP passes", "cluster"],
            ),
        ];
        for (local, lookups, answers, rejected, said, unsaid) in rows {
            let mut strangers = Strangers::default();
            (0..rejected).for_each(|_| strangers.note(at("10.0.0.8:1"), Rejected::Tag));
            let words = words(&Outside {
                local: at(local),
                own: at("10.0.0.1:7340"),
                seen_at: answers.and_then(|(_, seen)| seen).map(at),
                answering: answers.map(|(contact, _)| at(contact)),
                lookups: &lookups,
                strangers: &strangers,
            });
            assert!(said.iter().all(|part| words.contains(part)), "{words}\nlacks one of {said:?}");
            assert!(!unsaid.iter().any(|part| words.contains(part)), "{words}\nhas one of {unsaid:?}");
        }
    }

    #[test]
    fn who_answers_is_forgotten_in_time_and_a_contact_that_is_this_node_is_known() {
        let (one, two) = ("10.0.0.1:7340", "10.0.0.2:7340");
        let literal = |text| lookup("0.0.0.0:7340", text, Ok(&[text]));
        let second = |seconds| Instant::ORIGIN + Duration::from_secs(seconds);
        let mut contacts = Contacts::new(vec![literal(one), literal(two)]);
        contacts.accepted(second(1), at("10.0.0.3:7340"));
        assert_eq!(contacts.answering(second(1)), None, "no contact");
        contacts.accepted(second(1), at(two));
        assert_eq!((contacts.answering(second(60)), contacts.answering(second(61))), (Some(at(two)), None));
        assert!(!contacts.is_only_itself());

        contacts.came_back(at(one));
        assert!(!contacts.is_only_itself(), "one of two");
        contacts.replace(vec![literal(one)]);
        assert!(contacts.is_only_itself(), "known again after it was looked up");
        assert_eq!(listed(contacts.lookups()), "10.0.0.1:7340 (this node itself)");
        contacts.met();
        contacts.replace(vec![literal(one)]);
        assert!(!contacts.is_only_itself(), "forgotten with the first member");
        assert!(!Contacts::new(Vec::new()).is_only_itself(), "no contacts at all");
    }
}
