//! What is to be sent, as small intents; bytes and news are made when the driver asks for them (`protocol.md 7.2`).
//!
//! A datagram made late carries the newest state. The queue is bounded: beyond it the newest intent is dropped, which
//! to the protocol is loss.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::swim::slot::Slot;
use crate::wire::{Accusation, Message};

/// Intents waiting at most.
const INTENTS_MAX: usize = 4_096;
/// Prepared datagrams waiting at most.
const PREPARED_MAX: usize = 64;

/// What stands first in a datagram, before the news that ride on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum First {
    Nothing,
    /// This node's own record.
    Me,
    /// What is known of this member.
    About(Slot),
    /// The words of this member that we hold, whatever we believe of it; of one that is dead or gone, that.
    Record(Slot),
    /// Our suspicion of this member, and the receiver is asked to probe it at once.
    ProbeThis(Slot),
    /// An accusation that is not our own belief, for the accused to answer.
    Accusation(Accusation),
    /// The address we see the receiver at.
    Seen(SocketAddr),
    /// The same for a receiver that is recorded elsewhere: if the address does not fit, that alone.
    SeenElsewhere(SocketAddr),
}

/// A datagram to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Intent {
    pub(crate) to: SocketAddr,
    pub(crate) message: Message,
    pub(crate) first: First,
    /// Its length at most: to an unproved address, the length of what provoked it.
    pub(crate) bytes_max: usize,
    /// Whether news may ride on it.
    pub(crate) piggyback: Piggyback,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Piggyback {
    News,
    Nothing,
}

/// The next thing to send.
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each datagram")]
#[derive(Debug)]
pub(crate) enum Outgoing {
    Intent(Intent),
    Prepared(SocketAddr, Vec<u8>),
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    intents: VecDeque<Intent>,
    prepared: VecDeque<(SocketAddr, Vec<u8>)>,
    dropped: u64,
}

impl Outbox {
    pub(crate) fn push(&mut self, intent: Intent) {
        if self.intents.len() >= INTENTS_MAX {
            self.dropped += 1;
        } else {
            self.intents.push_back(intent);
        }
    }

    /// Queues a datagram that had to be made at once, because it answers what will be gone.
    pub(crate) fn push_prepared(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        if self.prepared.len() >= PREPARED_MAX {
            self.dropped += 1;
        } else {
            self.prepared.push_back((to, datagram));
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Outgoing> {
        match self.intents.pop_front() {
            Some(intent) => Some(Outgoing::Intent(intent)),
            None => self.prepared.pop_front().map(|(to, datagram)| Outgoing::Prepared(to, datagram)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.intents.len() + self.prepared.len()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn clear(&mut self) {
        self.intents.clear();
        self.prepared.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_and_counts_what_it_drops() {
        let to = "127.0.0.1:1".parse().unwrap();
        let intent =
            Intent { to, message: Message::News, first: First::Nothing, bytes_max: 1_400, piggyback: Piggyback::News };
        let mut outbox = Outbox::default();
        for _ in 0..INTENTS_MAX + 5 {
            outbox.push(intent.clone());
        }
        for _ in 0..PREPARED_MAX + 1 {
            outbox.push_prepared(to, vec![]);
        }
        assert_eq!((outbox.len(), outbox.dropped()), (INTENTS_MAX + PREPARED_MAX, 6));
        while outbox.pop().is_some() {}
        assert_eq!(outbox.len(), 0);
    }
}
