//! What a snapshot's file holds.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::member::{NodeId, Record};

/// Members read of a file at most: as many as a table may hold.
const MEMBERS_MAX: usize = 65_536;
/// Addresses of an old file that are dialled.
const CONTACTS_MAX: usize = 64;
/// How old a view may be whose members are taken for present: half of what any node remembers a death for.
const FRESH_MS: u64 = 300_000;

#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) cluster: String,
    pub(super) records: Vec<Record>,
    /// When it was saved, in Unix milliseconds by the wall clock; 0 if that is not known.
    pub(super) saved_ms: u64,
}

impl Body {
    /// The cluster's name (its length in 1 byte), how many records (4 bytes, least significant first), each with its
    /// length (2 bytes) before it, and when it was saved (8 bytes).
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut body = vec![self.cluster.len() as u8];
        body.extend_from_slice(self.cluster.as_bytes());
        let records = self.records.get(..MEMBERS_MAX).unwrap_or(&self.records);
        body.extend_from_slice(&(records.len() as u32).to_le_bytes());
        for record in records {
            let bytes = record.to_bytes();
            body.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
            body.extend_from_slice(&bytes);
        }
        body.extend_from_slice(&self.saved_ms.to_le_bytes());
        body
    }

    /// None if this is no body. A record that a later release wrote otherwise is passed over.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (&length, rest) = bytes.split_first()?;
        let (cluster, rest) = rest.split_at_checked(usize::from(length))?;
        let (&count, mut rest) = rest.split_first_chunk()?;
        let mut records = Vec::new();
        for _ in 0..usize::try_from(u32::from_le_bytes(count)).ok()?.min(MEMBERS_MAX) {
            let (&length, behind) = rest.split_first_chunk()?;
            let (bytes, behind) = behind.split_at_checked(usize::from(u16::from_le_bytes(length)))?;
            records.extend(Record::from_bytes(bytes));
            rest = behind;
        }
        let saved_ms = rest.split_first_chunk().map_or(0, |(bytes, _)| u64::from_le_bytes(*bytes));
        Some(Body { cluster: std::str::from_utf8(cluster).ok()?.to_owned(), records, saved_ms })
    }

    /// Whether it was saved so lately that no member can have died and been forgotten since. A clock that stands before
    /// that moment tells nothing.
    pub(super) fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms.checked_sub(self.saved_ms).is_some_and(|age| age < FRESH_MS)
    }

    /// Where some of the members were.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.records.iter().map(Record::address).take(CONTACTS_MAX).collect()
    }
}

/// The saved members and those given besides, each once: of two records of one member the later.
pub(crate) fn merge(given: Vec<Record>, saved: Vec<Record>, me: NodeId) -> Vec<Record> {
    let mut merged: Vec<Record> = Vec::new();
    let mut places = BTreeMap::new();
    for record in given.into_iter().chain(saved).filter(|record| record.id() != me) {
        let age = |record: &Record| (record.generation(), record.incarnation());
        match places.get(&record.id()).and_then(|place: &usize| merged.get_mut(*place)) {
            Some(known) if age(known) < age(&record) => *known = record,
            Some(_) => {}
            None => {
                places.insert(record.id(), merged.len());
                merged.push(record);
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{Generation, Identity, Incarnation};

    fn record(n: u64, incarnation: u32) -> Record {
        let identity = Identity::named(&format!("n{n}"), Generation(n), "127.0.0.1:7".parse().unwrap());
        Record::new(&identity, Incarnation(incarnation), &[]).unwrap()
    }

    #[test]
    fn of_two_records_of_one_member_the_later_is_taken() {
        let merged =
            merge(vec![record(2, 1), record(3, 5)], vec![record(1, 9), record(2, 2), record(3, 4)], record(1, 0).id());
        assert_eq!(merged, [record(2, 2), record(3, 5)]);
    }

    #[test]
    fn what_says_no_moment_or_one_to_come_is_not_fresh() {
        let now = 1_800_000_000_000;
        let body = |saved_ms| Body { cluster: "c".to_owned(), records: vec![record(2, 0)], saved_ms };
        for (saved_ms, is_fresh) in
            [(now, true), (now - 299_999, true), (now - 300_000, false), (now + 1, false), (0, false)]
        {
            assert_eq!(body(saved_ms).is_fresh(now), is_fresh, "{saved_ms}");
        }
        let mut earlier = body(now).to_bytes();
        earlier.truncate(earlier.len() - 8);
        assert_eq!(Body::read(&earlier).unwrap().saved_ms, 0);
    }
}
