//! The voters of an election: one configuration, and where it stands in the order of all.
//!
//! While the voters change, a configuration has two lists, and whatever is agreed is agreed by more than half of each
//! (joint consensus, section 6 of the Raft paper). Configurations are ordered as Schultz, Dardik and Tripakis order
//! them, who do without a log, too (2022): by the term of the leader that made one, then by its number.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::Serialize;
use twox_hash::XxHash3_64;

use crate::leader::Term;
use crate::member::{NameFault, NodeId, name_fault};
use crate::sabotage;

/// Most voters that a list may have.
pub const VOTERS_MAX: usize = 9;
/// Most bytes that the names of all voters of a configuration may have together, with one for each: it is told in one
/// datagram.
pub const VOTERS_BYTES_MAX: usize = 768;

/// Where a configuration of voters stands in the order of all. The first, which every voter has from its own
/// [`ElectionConfig`](crate::config::ElectionConfig), is number 0 of term 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize)]
pub struct Version {
    /// The term of the leader that made it, or made it its own.
    pub term: Term,
    /// Counts the configurations: each change takes two, or one more if it comes to nothing.
    pub number: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of term {}", self.number, self.term)
    }
}

/// A configuration of voters.
#[derive(Clone, Debug, Eq)]
pub struct Voters {
    version: Version,
    /// Ids and names of all that vote, ascending by id.
    all: Arc<[(NodeId, Arc<str>)]>,
    /// The places of the voters in the list that is agreed, a bit each.
    present: u32,
    /// The places of those that are to follow, while the voters change.
    next: Option<u32>,
    /// A hash of both lists.
    digest: u64,
}

impl Voters {
    /// The first configuration: one list, to which no voter has agreed yet. No name of it may be there twice.
    #[must_use]
    pub fn first<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Self {
        let names: Vec<Arc<str>> = names.into_iter().map(|name| Arc::from(name.as_ref())).collect();
        Voters::of(Version::default(), &names, None)
    }

    /// One list, or two while the second is to follow the first.
    pub(crate) fn of(version: Version, present: &[Arc<str>], next: Option<&[Arc<str>]>) -> Self {
        let named = |name: &Arc<str>| (NodeId::from_name(name), Arc::clone(name));
        let mut all: Vec<(NodeId, Arc<str>)> = present.iter().chain(next.unwrap_or_default()).map(named).collect();
        all.sort();
        all.dedup();
        let places = |list: &[Arc<str>]| {
            let place = |name: &Arc<str>| all.binary_search(&named(name)).unwrap_or_default();
            list.iter().fold(0, |places: u32, name| places | 1 << place(name))
        };
        let (present, next) = (places(present), next.map(places));
        Voters::with(version, all.into(), present, next)
    }

    fn with(version: Version, all: Arc<[(NodeId, Arc<str>)]>, present: u32, next: Option<u32>) -> Self {
        let mut bytes = Vec::with_capacity(all.len() * 17);
        for (place, (id, _)) in all.iter().enumerate() {
            bytes.extend_from_slice(&id.to_bytes());
            // 0 of none, and one more than what holds of it.
            let in_next = next.map_or(0, |next| 1 + u8::from(next & 1 << place != 0));
            bytes.push(u8::from(present & 1 << place != 0) | in_next << 1);
        }
        Voters { version, all, present, next, digest: XxHash3_64::oneshot(&bytes) }
    }

    /// The same lists as a later configuration of no leader's term, as voters agree to with their first votes.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        self.at(Version { term: Term(0), number })
    }

    /// The same lists at another place in the order.
    #[must_use]
    pub(crate) fn at(&self, version: Version) -> Self {
        Voters { version, ..self.clone() }
    }

    /// The list that follows this one alone, once both have agreed to it; the same one if none does.
    #[must_use]
    pub(crate) fn following(&self, version: Version) -> Self {
        let names: Vec<Arc<str>> = self.names(self.next.unwrap_or(self.present)).cloned().collect();
        Voters::of(version, &names, None)
    }

    /// Both this list and another that is to follow.
    #[must_use]
    pub(crate) fn joint(&self, version: Version, next: &[Arc<str>]) -> Self {
        let names: Vec<Arc<str>> = self.names(self.present).cloned().collect();
        Voters::of(version, &names, Some(next))
    }

    /// Where it stands in the order of all.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// A hash of its lists.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Ids and names of all that vote, ascending by id: those of both lists while they change.
    #[must_use]
    pub fn all(&self) -> &[(NodeId, Arc<str>)] {
        &self.all
    }

    /// A voter's place among all.
    #[must_use]
    pub fn place_of(&self, id: NodeId) -> Option<usize> {
        self.all.binary_search_by_key(&id, |(voter, _)| *voter).ok()
    }

    /// Whether there is none: at a node that does not know the voters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether the voters change: there are two lists.
    #[must_use]
    pub fn is_joint(&self) -> bool {
        self.next.is_some()
    }

    /// The names of the list that is agreed, ascending.
    pub fn present(&self) -> impl Iterator<Item = &Arc<str>> {
        self.sorted_names(self.present)
    }

    /// The names of the list that is to follow, ascending, while the voters change.
    pub fn next(&self) -> Option<impl Iterator<Item = &Arc<str>>> {
        Some(self.sorted_names(self.next?))
    }

    fn sorted_names(&self, places: u32) -> impl Iterator<Item = &Arc<str>> {
        let mut names: Vec<&Arc<str>> = self.names(places).collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// Whether the voter at this place is in the list that is agreed.
    pub(crate) fn is_present(&self, place: usize) -> bool {
        self.present & 1 << place != 0
    }

    /// Whether the voter at this place stays one: it is in the list that is to follow, or none is.
    pub(crate) fn stays(&self, place: usize) -> bool {
        self.next.unwrap_or(self.present) & 1 << place != 0
    }

    /// Whether its only list has exactly these names.
    pub(crate) fn is_just(&self, names: &[Arc<str>]) -> bool {
        self.next.is_none()
            && self.all.len() == names.len()
            && names.iter().all(|name| self.names(self.present).any(|own| own == name))
    }

    fn names(&self, places: u32) -> impl Iterator<Item = &Arc<str>> {
        self.all.iter().enumerate().filter(move |(place, _)| places & 1 << place != 0).map(|(_, (_, name))| name)
    }

    /// How many of the list that is agreed must agree: more than half of it (docs/elections.md, E6); 0 where it is not
    /// known.
    #[must_use]
    pub fn quorum(&self) -> usize {
        quorum_of(self.present)
    }

    /// The most that more than half of each list have of something; none where the voters are not known.
    pub(crate) fn most<T: Copy + Ord>(&self, of: impl Fn(usize) -> T) -> Option<T> {
        let in_list = |list: u32| {
            // Asked with each election message, so it takes nothing from the heap.
            let mut each = [None; VOTERS_MAX];
            let places = (0..self.all.len()).filter(|place| list & 1 << place != 0);
            for (own, place) in each.iter_mut().zip(places) {
                *own = Some(of(place));
            }
            each.sort_unstable_by(|a, b| b.cmp(a));
            each.get(quorum_of(list).checked_sub(1)?).copied().flatten()
        };
        let present = in_list(self.present)?;
        let next = self.next.filter(|_| !sabotage::is_off("both_lists"));
        next.map_or(Some(present), |next| Some(present.min(in_list(next)?)))
    }

    /// Whether more than half of each list agree.
    pub(crate) fn agree(&self, does: impl Fn(usize) -> bool) -> bool {
        self.most(does) == Some(true)
    }
}

/// A configuration as bytes, on the wire and in files.
///
/// | field | form |
/// |---|---|
/// | version | its term in 8 bytes, its number in 4, least significant first |
/// | lists | 1 byte: 1, or 2 while one is to follow |
/// | voters, ascending by id, 1 to 18 | for each 1 byte (1 in the list that is agreed, 2 in the one that is to follow, 3 in both), the name's length in 1 byte, the name in UTF-8 |
impl Voters {
    /// The configuration as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.version.term.0.to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.version.number.to_le_bytes());
        bytes.push(1 + u8::from(self.is_joint()));
        for (place, (_, name)) in self.all.iter().enumerate() {
            let (present, next) =
                (self.present & 1 << place != 0, self.next.is_some_and(|next| next & 1 << place != 0));
            bytes.extend_from_slice(&[u8::from(present) | u8::from(next) << 1, name.len() as u8]);
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes
    }

    /// The configuration that [`Voters::to_bytes`] gave these bytes; none for any others.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (term, rest) = bytes.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let version = Version { term: Term(u64::from_le_bytes(*term)), number: u32::from_le_bytes(*number) };

        let (&lists, mut rest) = rest.split_first()?;
        let (mut present, mut next) = (Vec::new(), Vec::new());
        while let Some(([list, length], more)) =
            rest.split_first_chunk().filter(|_| present.len() + next.len() <= VOTERS_MAX * 2)
        {
            let (name, more) = more.split_at_checked(usize::from(*length))?;
            let name: Arc<str> = std::str::from_utf8(name).ok()?.into();
            present.extend((list & 1 != 0).then(|| Arc::clone(&name)));
            next.extend((list & 2 != 0).then_some(name));
            rest = more;
        }

        let next = if lists == 1 && next.is_empty() { None } else { Some(&next[..]) };
        let is_list = check_list(&present).is_ok() && next.is_none_or(|next| check_list(next).is_ok());
        if !is_list || version.term.0 >= Term::LIMIT {
            return None;
        }

        let voters = Voters::of(version, &present, next);
        (voters.to_bytes() == bytes).then_some(voters)
    }

    /// How many bytes its names take, as [`VOTERS_BYTES_MAX`] counts them.
    pub(crate) fn name_bytes(&self) -> usize {
        self.all.iter().map(|(_, name)| name.len() + 1).sum()
    }
}

impl PartialEq for Voters {
    fn eq(&self, other: &Self) -> bool {
        (self.version, self.digest) == (other.version, other.digest)
    }
}

impl Ord for Voters {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.version, self.digest).cmp(&(other.version, other.digest))
    }
}

impl PartialOrd for Voters {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Voters {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.version, self.digest).hash(hasher);
    }
}

fn quorum_of(list: u32) -> usize {
    let voters = list.count_ones() as usize;
    if voters == 0 {
        return 0;
    }
    if sabotage::is_off("quorum") { (voters / 2).max(1) } else { voters / 2 + 1 }
}

/// Why names are no list of voters.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ListFault {
    /// There are so many, and not 1 to 9.
    Length(usize),
    /// This one is no member's name.
    Name(String, NameFault),
    /// This one is there twice; one voter has one vote.
    Twice(String),
}

impl fmt::Display for ListFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListFault::Length(0) => f.write_str("no voter at all: an election needs one at least"),
            ListFault::Length(length) => write!(f, "{length} voters are too many: use 1 to {VOTERS_MAX}"),
            ListFault::Name(name, fault) => write!(f, "{name:?} is no member's name: {fault}"),
            ListFault::Twice(name) => write!(f, "{name:?} is there twice; one voter has one vote"),
        }
    }
}

/// Whether names are a list of voters.
///
/// # Errors
/// Why they are none.
pub(crate) fn check_list<N: AsRef<str>>(names: &[N]) -> Result<(), ListFault> {
    if !(1..=VOTERS_MAX).contains(&names.len()) {
        return Err(ListFault::Length(names.len()));
    }
    for (at, name) in names.iter().map(AsRef::as_ref).enumerate() {
        if let Some(fault) = name_fault(name) {
            return Err(ListFault::Name(name.to_owned(), fault));
        }
        if names.iter().take(at).any(|before| before.as_ref() == name) {
            return Err(ListFault::Twice(name.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Version = Version { term: Term(7), number: 3 };

    fn names(list: &str) -> Vec<Arc<str>> {
        list.chars().map(|name| name.to_string().into()).collect()
    }

    fn joint(present: &str, next: &str) -> Voters {
        Voters::of(LATER, &names(present), Some(&names(next)))
    }

    #[test]
    fn more_than_half_of_each_list_agree() {
        // Lists, the voters that agree, whether that is enough.
        let rows = [
            ("abc", None, "ab", true),
            ("abc", None, "a", false),
            ("abcd", None, "ab", false),
            ("a", None, "a", true),
            ("abc", Some("abcde"), "abc", true),
            ("abc", Some("abcde"), "ab", false),
            ("abc", Some("abcde"), "ade", false),
            ("abc", Some("abcde"), "cde", false),
            ("abc", Some("abcde"), "bcd", true),
            ("ab", Some("cde"), "abcd", true),
            ("ab", Some("cde"), "acde", false),
            ("abc", Some("a"), "bc", false),
            ("abc", Some("a"), "ab", true),
        ];
        for (present, next, agree, expected) in rows {
            let voters = Voters::of(LATER, &names(present), next.map(names).as_deref());
            let agrees = |place: usize| agree.contains(&*voters.all()[place].1);
            assert_eq!(voters.agree(agrees), expected, "{present} {next:?}: {agree}");
        }
        assert!(!Voters::first([""; 0]).agree(|_| true), "where nobody is known nobody agrees");
    }

    #[test]
    fn the_most_that_a_quorum_has() {
        let voters = joint("abc", "cde");
        let of = |place: usize| match &*voters.all()[place].1 {
            "a" => 9,
            "b" => 5,
            "c" => 7,
            "d" => 6,
            _ => 1,
        };
        assert_eq!(voters.most(of), Some(6), "7 of the first list, 6 of the second");
        assert!(!voters.stays(voters.place_of(NodeId::from_name("a")).unwrap()));
        assert!(voters.stays(voters.place_of(NodeId::from_name("c")).unwrap()));
    }

    #[test]
    fn lists_are_told_apart_and_their_order_is_not() {
        assert_eq!(Voters::first(["a", "b"]), Voters::first(["b", "a"]));
        let digests = [joint("ab", "bc"), joint("bc", "ab"), joint("abc", "abc"), Voters::first(["a", "b", "c"])];
        for (place, one) in digests.iter().enumerate() {
            assert!(digests.iter().skip(place + 1).all(|other| other.digest() != one.digest()), "{one:?}");
        }
        let all = Voters::first(["d", "b", "a", "c"]);
        assert_eq!(all.present().map(|name| &**name).collect::<String>(), "abcd", "for people, not by id");
        assert!(Voters::first(["a", "b"]).is_just(&names("ba")) && !Voters::first(["a", "b"]).is_just(&names("a")));
        assert!(!joint("ab", "ab").is_just(&names("ab")));
    }

    #[test]
    fn a_configuration_reads_back_and_nothing_else_does() {
        for voters in [Voters::first(["a"]), joint("abc", "cde"), joint("abcdefghi", "jklmnopqr")] {
            let bytes = voters.to_bytes();
            let read = Voters::from_bytes(&bytes).unwrap();
            assert!(read == voters && read.all() == voters.all());
            for length in 0..bytes.len() {
                // A whole voter fewer may be a configuration as well.
                let read = Voters::from_bytes(&bytes[..length]);
                assert!(read.is_none_or(|read| read.all().len() < voters.all().len()), "{length} of {bytes:?}");
            }
        }
        let good = Voters::first(["a", "b"]).to_bytes();
        let with = |place: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[place] = byte;
            bytes
        };
        // Without lists; with too many; a list that is none; a voter in none, in one that is none; a name that is none.
        for bytes in
            [with(12, 0), with(12, 3), with(12, 2), with(13, 0), with(13, 2), with(15, 7), with(14, 9), with(7, 0xff)]
        {
            assert_eq!(Voters::from_bytes(&bytes), None, "{bytes:?}");
        }
        let many: Vec<u8> = (b'!'..b'z').flat_map(|name| [1, 1, name]).collect();
        assert_eq!(Voters::from_bytes(&[&good[..13], &many].concat()), None);
        let swapped = [&good[..13], &good[16..19], &good[13..16]].concat();
        assert_eq!(Voters::from_bytes(&swapped), None, "not in the order of their ids");
    }

    #[test]
    fn what_is_no_list() {
        let of = |names: &[&str]| check_list(names).map_err(|fault| fault.to_string());
        assert_eq!(of(&["a", "b"]), Ok(()));
        assert!(of(&[]).unwrap_err().contains("one at least"));
        assert!(of(&["n"; 10]).unwrap_err().contains("1 to 9"));
        assert!(of(&["a", "b", "a"]).unwrap_err().contains("\"a\" is there twice"));
        assert!(of(&["a", ""]).unwrap_err().contains("no member's name"));
    }
}
