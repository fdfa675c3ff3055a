//! Pings made on behalf of others: forward the target's echo, or say that none came (`protocol.md 4.4`).
//!
//! A relay pings once with the prober's own nonce, so that what it forwards is the target's echo and not its own
//! opinion (SWIM 3.1's indirect probe; the nack is Lifeguard's). It keeps the request for a while after a nack: a late
//! echo is still worth forwarding.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::time::Instant;
use crate::wire::{Digest, Nonce};

/// Requests at once; the oldest are dropped.
const RELAYS_MAX: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relay {
    pub(crate) nonce: Nonce,
    pub(crate) prober: SocketAddr,
    /// What the prober may be answered with: if its address is unproved, one report within the length of its request.
    pub(crate) budget: Budget,
    pub(crate) target: Digest,
    nack_at: Instant,
    drop_at: Instant,
}

/// How much a prober may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Budget {
    /// Its address is proved.
    Free,
    /// One report of so many bytes at most.
    Once(usize),
}

#[derive(Debug, Default)]
pub(crate) struct Relays {
    requests: VecDeque<Relay>,
}

impl Relays {
    pub(crate) fn start(
        &mut self,
        (nonce, prober, budget): (Nonce, SocketAddr, Budget),
        target: Digest,
        nack_at: Instant,
        drop_at: Instant,
    ) {
        if self.requests.len() == RELAYS_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back(Relay { nonce, prober, budget, target, nack_at, drop_at });
    }

    /// Takes the request that this echo from `target` fulfils.
    pub(crate) fn fulfil(&mut self, nonce: Nonce, target: Digest) -> Option<Relay> {
        let place = self.requests.iter().position(|relay| relay.nonce == nonce && relay.target == target)?;
        let is_spent = |relay: &Relay| relay.nack_at == Instant::NEVER && relay.budget != Budget::Free;
        self.requests.remove(place).filter(|relay| !is_spent(relay))
    }

    /// The next request that has gone unanswered; asking again gives the next one.
    pub(crate) fn next_nack(&mut self, now: Instant) -> Option<Relay> {
        self.requests.retain(|relay| relay.drop_at > now);
        let relay = self.requests.iter_mut().find(|relay| relay.nack_at <= now)?;
        relay.nack_at = Instant::NEVER;
        Some(*relay)
    }

    /// When `next_nack` is next worth asking.
    pub(crate) fn next_at(&self) -> Instant {
        self.requests.iter().map(|relay| relay.nack_at).min().unwrap_or(Instant::NEVER)
    }

    /// Gives all running requests more time after this node did not run.
    pub(crate) fn postpone(&mut self, by: std::time::Duration) {
        for relay in &mut self.requests {
            relay.nack_at += by;
            relay.drop_at += by;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards_or_nacks_each_once() {
        let at = Instant::from_nanos;
        let prober = "127.0.0.1:9".parse().unwrap();
        let mut relays = Relays::default();
        relays.start((Nonce(1), prober, Budget::Free), Digest(5), at(80), at(500));
        relays.start((Nonce(2), prober, Budget::Free), Digest(6), at(90), at(500));
        assert_eq!(relays.next_at(), at(80));
        assert_eq!(relays.fulfil(Nonce(1), Digest(6)), None);
        assert_eq!(relays.fulfil(Nonce(1), Digest(5)).map(|r| r.nonce), Some(Nonce(1)));
        assert_eq!(relays.fulfil(Nonce(1), Digest(5)), None);
        assert_eq!(relays.next_nack(at(90)).map(|r| r.nonce), Some(Nonce(2)));
        assert_eq!(relays.next_nack(at(90)), None);
        assert!(relays.fulfil(Nonce(2), Digest(6)).is_some(), "a late echo is still forwarded");
        relays.start((Nonce(3), prober, Budget::Once(55)), Digest(6), at(90), at(500));
        assert!(relays.next_nack(at(90)).is_some());
        assert!(relays.fulfil(Nonce(3), Digest(6)).is_none(), "but one report is all that an unproved prober gets");
    }
}
