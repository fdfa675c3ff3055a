//! Always, of what rides: urgent news go before ordinary ones.
//!
//! What rides on a datagram is chosen when it is made. So the world asks before that which urgent news wait, and
//! afterwards which of them wait still: one that was left out while a record rode that took the space for it was
//! overtaken. The first item of a datagram is what the datagram is for and does not ride, nor do the items of a
//! comparison.

use std::collections::BTreeSet;

use tidings::{Instant, NodeId, Protocol, State};

use crate::forge::{self, ALIVE, CHANGE, NEWS};
use crate::violation::Violation;

/// An accusation with four accusers is the longest urgent news but for the record of a refutation: kind, length, id,
/// generation, incarnation, flags, age, and the accusers' ids.
const ACCUSATION_BYTES_MAX: usize = 2 + 16 + 8 + 5 + 1 + 9 + 1 + 4 * 16;
/// What an item takes beside a whole record, and more than a departure takes.
const RECORD_BYTES: usize = 40;
/// Further news that are tried for one datagram at most: with more urgent ones than this nothing else is tried.
const BATCH_MAX: usize = 48;

/// Looks at a datagram that a host made while these members' urgent news waited.
pub(super) fn overtaken(
    now: Instant,
    from: u32,
    datagram: &[u8],
    urgent: &[NodeId],
    protocol: &Protocol,
) -> Option<Violation> {
    let read = forge::read(datagram).filter(|read| read.kind <= NEWS)?;
    let rode = read.items.iter().skip(1);
    let is_urgent = |about: Option<NodeId>| about.is_some_and(|about| urgent.contains(&about));
    let ordinary = rode.filter(|item| matches!(item.kind, ALIVE | CHANGE) && !is_urgent(item.about));
    let (count, bytes) = ordinary.fold((0, 0), |(count, bytes), item| (count + 1, bytes + 2 + item.body.len()));
    if count == 0 {
        return None;
    }

    // A reply to an address that is not proved is shorter than others, so only the space that was taken counts.
    let told: BTreeSet<NodeId> = read.items.iter().filter_map(|item| item.about).collect();
    let waits = |id: &&NodeId| !told.contains(id) && protocol.urgent_news().any(|waiting| waiting == **id);
    let is_short = |id: &&NodeId| bytes_at_most(protocol, **id) <= bytes;
    let overtaken = urgent.iter().take(BATCH_MAX).filter(waits).find(is_short)?;
    let name = protocol.member(*overtaken).map_or_else(|| overtaken.to_string(), |member| member.name().to_owned());
    Some(Violation {
        check: "overtakes",
        at: now,
        text: format!("n{from} sent {count} ordinary news and left out an urgent one of {name} that had space"),
        hosts: vec![from],
    })
}

/// What the news of a member take at most.
fn bytes_at_most(protocol: &Protocol, id: NodeId) -> usize {
    match protocol.member(id) {
        Some(member) if member.state() == State::Alive => RECORD_BYTES + member.record().to_bytes().len(),
        Some(_) => ACCUSATION_BYTES_MAX,
        None => RECORD_BYTES,
    }
}
