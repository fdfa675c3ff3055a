//! What a voter must not forget, and what a store that keeps it for the voter has to promise.
//!
//! A vote that is forgotten may be given twice, and two leaders in one term are what an election exists to rule out. So
//! a vote is durable before it is told, and where it cannot be, the voter must act as one that may have voted for any
//! candidate a moment ago: see [`MemoryStore`].

mod disk;
#[cfg(feature = "files")]
mod file;

use std::io;
use std::time::Duration;

use crate::durable::{DurableError, Kind, open, seal};
use crate::leader::Term;
use crate::member::NodeId;
use crate::sabotage;
use crate::voters::Voters;

pub use disk::DiskStore;
#[cfg(feature = "files")]
pub use file::FileStore;

/// What a voter must not forget: the highest term it voted in, its vote there, the longest promise it may still be
/// bound by, the voters, and its own id.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Ballot {
    /// The highest term it knows: it votes in no lower one.
    pub term: Term,
    /// The candidate it voted for in that term.
    pub vote: Option<NodeId>,
    /// The longest time for which it may have promised a leader to vote for no other.
    pub promise: Duration,
    /// The latest configuration of voters that it knows. None before its first vote, which it gives under the one that
    /// it was started with.
    pub voters: Option<Voters>,
    /// The voter that it belongs to. None in one that a release before wrote, until its voter has started once more.
    pub owner: Option<NodeId>,
}

/// Keeps ballots, one for each election.
///
/// A voter tells no other of a vote before [`TermStore::save`] has returned `Ok` for it, and after an error it does not
/// vote. Whether the new ballot was saved is unknown then; the old or the new one is there, whole.
pub trait TermStore: Send {
    /// What was saved last; None if nothing ever was (a new voter, or one whose disk was replaced).
    ///
    /// # Errors
    /// When there is something that cannot be read, or not be trusted. The voter must not vote then.
    fn load(&mut self, election: &str) -> io::Result<Option<Ballot>>;

    /// Returns Ok only once it is durable.
    ///
    /// # Errors
    /// When it is not known to be durable, whatever the reason.
    fn save(&mut self, election: &str, ballot: &Ballot) -> io::Result<()>;

    /// Whether what is saved outlives the process.
    fn is_durable(&self) -> bool;
}

/// Keeps nothing: for voters whose process has no disk to write to.
///
/// A voter with this store does not know what it has voted before it was started. It starts its term at the Unix
/// millisecond of its start, votes in no term beyond its own clock, so that the clock of its next start is above them
/// all, and waits one promise before it votes, so that the promises it may have made before its start are over. That
/// holds only while clocks do not step back: after a step back it may vote a second time in one term, and then there
/// may be two leaders in a term (E1), two votes of one voter (E2), and a fencing token that does not rise (E3).
/// `FileStore` needs no such clause.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStore;

impl TermStore for MemoryStore {
    fn load(&mut self, _election: &str) -> io::Result<Option<Ballot>> {
        Ok(None)
    }

    fn save(&mut self, _election: &str, _ballot: &Ballot) -> io::Result<()> {
        Ok(())
    }

    fn is_durable(&self) -> bool {
        false
    }
}

impl Ballot {
    /// What a store has to hold before its voter stands, given what it held: a term, a promise and an owner at least. A
    /// voter that never voted has none, and could not tell after a restart for how long it is bound.
    #[must_use]
    pub fn opening(held: Option<Ballot>, me: NodeId, unix_ms: u64, promise: Duration) -> Ballot {
        let term = Ballot::first_term(unix_ms);
        let held = held.unwrap_or(Ballot { term, vote: None, promise, voters: None, owner: None });
        Ballot { promise: held.promise.max(promise), owner: held.owner.or(Some(me)), ..held }
    }

    /// The term that a voter begins with which may have forgotten what it voted.
    pub(crate) fn first_term(unix_ms: u64) -> Term {
        let unix_ms = if sabotage::is_off("terms_from_clock") { 1 } else { unix_ms };
        Term(unix_ms.clamp(1, Term::LIMIT / 2))
    }

    /// Whether it is this voter's, as far as it says. With another's a voter must not vote: it has forgotten its own.
    #[must_use]
    pub fn is_of(&self, voter: NodeId) -> bool {
        self.owner.is_none_or(|owner| owner == voter)
    }

    /// The ballot as bytes, with a checksum, as a store of one's own may keep it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_record("")
    }

    /// The ballot that [`Ballot::to_bytes`] gave these bytes.
    ///
    /// # Errors
    /// For anything but exactly those bytes: torn, changed, longer, or a ballot that `FileStore` wrote for an election.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DurableError> {
        Ballot::from_body(open(Kind::Ballot, bytes)?, "")
    }

    fn to_record(&self, election: &str) -> Vec<u8> {
        seal(Kind::Ballot, &self.to_body(election))
    }

    /// Term, then 0 or 1 and the vote, then the promise as seconds and nanoseconds, all plain; then the election's
    /// name, so that a ballot which is moved to another election's place is not taken for its own. With 2 or 3 in the
    /// place of 0 or 1 the configuration of voters stands before the name: its length in 2 bytes, and as many. With 4
    /// more the owner stands after that.
    fn to_body(&self, election: &str) -> Vec<u8> {
        let mut body = self.term.0.to_le_bytes().to_vec();
        let parts = [self.vote.is_some(), self.voters.is_some(), self.owner.is_some()];
        body.push((0..).zip(parts).map(|(bit, is_there)| u8::from(is_there) << bit).sum());
        body.extend(self.vote.iter().flat_map(|id| id.to_bytes()));
        body.extend_from_slice(&self.promise.as_secs().to_le_bytes());
        body.extend_from_slice(&self.promise.subsec_nanos().to_le_bytes());
        if let Some(voters) = self.voters.as_ref().map(Voters::to_bytes) {
            // 18 names of 64 bytes at most.
            body.extend_from_slice(&(voters.len() as u16).to_le_bytes());
            body.extend_from_slice(&voters);
        }
        body.extend(self.owner.iter().flat_map(|id| id.to_bytes()));
        body.extend_from_slice(election.as_bytes());
        body
    }

    fn from_body(body: &[u8], election: &str) -> Result<Self, DurableError> {
        let (ballot, name) = Ballot::take_from(body).ok_or(DurableError::Body)?;
        if name == election.as_bytes() { Ok(ballot) } else { Err(DurableError::Misplaced) }
    }

    fn take_from(body: &[u8]) -> Option<(Self, &[u8])> {
        let (term, rest) = body.split_first_chunk()?;
        let (&holds, rest) = rest.split_first()?;
        if holds > 7 {
            return None;
        }
        let (vote, rest) = take_id(holds & 1 != 0, rest)?;

        let (seconds, rest) = rest.split_first_chunk()?;
        let (nanos, rest) = rest.split_first_chunk()?;
        let nanos = u32::from_le_bytes(*nanos);
        if nanos >= 1_000_000_000 {
            return None;
        }
        let promise = Duration::new(u64::from_le_bytes(*seconds), nanos);

        let (voters, rest) = if holds & 2 == 0 {
            (None, rest)
        } else {
            let (length, rest) = rest.split_first_chunk()?;
            let (voters, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            (Some(Voters::from_bytes(voters)?), rest)
        };

        let (owner, rest) = take_id(holds & 4 != 0, rest)?;
        Some((Ballot { term: Term(u64::from_le_bytes(*term)), vote, promise, voters, owner }, rest))
    }
}

fn take_id(is_there: bool, bytes: &[u8]) -> Option<(Option<NodeId>, &[u8])> {
    if !is_there {
        return Some((None, bytes));
    }
    let (id, rest) = bytes.split_first_chunk()?;
    Some((Some(NodeId::from_bytes(*id)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voters::Version;

    const ME: NodeId = NodeId::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);

    fn ballots() -> [Ballot; 7] {
        let second = Duration::from_secs(1);
        let version = Version { term: Term(6), number: 3 };
        let joint = Voters::first(["a", "b"]).joint(version, &["b".into(), "c".into()]);
        [
            Ballot { term: Term(0), vote: None, promise: Duration::ZERO, voters: None, owner: None },
            Ballot { term: Term(7), vote: Some(ME), promise: Duration::from_millis(550), voters: None, owner: None },
            Ballot { term: Term(7), vote: None, promise: second, voters: None, owner: None },
            Ballot {
                term: Term(u64::MAX),
                vote: Some(NodeId::from_u128(0)),
                promise: Duration::MAX,
                voters: None,
                owner: None,
            },
            Ballot { term: Term(7), vote: None, promise: second, voters: Some(joint.following(version)), owner: None },
            Ballot { term: Term(7), vote: Some(ME), promise: second, voters: Some(joint), owner: Some(ME) },
            Ballot { term: Term(7), vote: None, promise: second, voters: None, owner: Some(ME) },
        ]
    }

    #[test]
    fn a_ballot_reads_back_as_it_was() {
        for ballot in ballots() {
            assert_eq!(Ballot::from_bytes(&ballot.to_bytes()), Ok(ballot));
        }
    }

    #[test]
    fn a_ballot_is_these_bytes() {
        let bytes = ballots()[1].to_bytes();
        let body = [
            &[7, 0, 0, 0, 0, 0, 0, 0, 1][..],
            &ME.to_bytes(),
            &[0, 0, 0, 0, 0, 0, 0, 0],
            &550_000_000_u32.to_le_bytes(),
        ]
        .concat();
        assert_eq!(bytes, seal(Kind::Ballot, &body));
        assert_eq!(bytes[..13], *b"tidingsb\x01\x25\0\0\0");
    }

    #[test]
    fn nothing_else_is_a_ballot() {
        let good = ballots()[1].clone();
        let body = good.to_body("");
        let with = |at: usize, to: &[u8]| {
            let mut body = body.clone();
            body[at..at + to.len()].copy_from_slice(to);
            seal(Kind::Ballot, &body)
        };
        let table = [
            (with(8, &[8]), DurableError::Body),
            (with(33, &1_000_000_000_u32.to_le_bytes()), DurableError::Body),
            (seal(Kind::Ballot, &body[..body.len() - 1]), DurableError::Body),
            (seal(Kind::Ballot, &[]), DurableError::Body),
            (good.to_record("default"), DurableError::Misplaced),
            (seal(Kind::Fence, &body), DurableError::OtherKind),
        ];
        for (bytes, error) in table {
            assert_eq!(Ballot::from_bytes(&bytes), Err(error));
        }
    }

    #[test]
    fn every_bit_counts() {
        for ballot in ballots() {
            let good = ballot.to_bytes();
            for bit in 0..good.len() * 8 {
                let mut bytes = good.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(Ballot::from_bytes(&bytes).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn memory_keeps_nothing_and_says_so() {
        let mut store = MemoryStore;
        store.save("default", &ballots()[1]).unwrap();
        assert_eq!(store.load("default").unwrap(), None);
        assert!(!store.is_durable());
    }
}
