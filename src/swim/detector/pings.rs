//! Every ping under way, by its nonce: the only evidence of life there is (`protocol.md 4.2`, `4.7`).
//!
//! An answer counts only as the echo of a nonce of ours, for the moment that ping was sent: a stalled link that
//! releases old answers cannot make a dead member look alive now. Each attempt is remembered for 3·P, so that a late
//! answer still counts for what it proves.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::random::Random;
use crate::swim::slot::Slot;
use crate::time::Instant;
use crate::wire::{Digest, Nonce};

/// Pings remembered at most; the oldest go first.
const PINGS_MAX: usize = 4_096;

/// What a ping was sent for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PingPurpose {
    /// The round with this serial number.
    Round(u32),
    /// A relay's ping for that round.
    Relay { round: u32, relay: Slot },
    /// A self-test, a last ping, a dial: the answer itself is all that is wanted.
    Look,
    /// To an address that is not proved yet; the serial number of what waits for the proof.
    Proof(u32),
    /// A challenge to another process that bears our name.
    DuplicateName,
    /// Tells a member that we leave.
    Leave,
    /// A ping to a member that is to be told news as soon as its address is proved.
    Introduction,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SentPing {
    pub(crate) nonce: Nonce,
    /// The start that the ping named, or `Digest::NOBODY` when the owner of the address is unknown.
    pub(crate) target: Digest,
    /// Where it was sent: the process that echoes the nonce receives there.
    pub(crate) to: SocketAddr,
    pub(crate) sent: Instant,
    pub(crate) purpose: PingPurpose,
    pub(crate) answered: bool,
}

/// The pings in the order they were sent; a nonce carries its place in its low 16 bits.
#[derive(Debug)]
pub(crate) struct Pings {
    sent: VecDeque<SentPing>,
    first: u16,
    keep: Duration,
}

impl Pings {
    pub(crate) fn new(keep: Duration) -> Self {
        Pings { sent: VecDeque::with_capacity(64), first: 0, keep }
    }

    /// Notes a ping that is about to be sent and names its nonce.
    pub(crate) fn start(
        &mut self,
        now: Instant,
        random: &mut Random,
        (target, to): (Digest, SocketAddr),
        purpose: PingPurpose,
    ) -> Nonce {
        while self.sent.front().is_some_and(|oldest| oldest.sent + self.keep < now) || self.sent.len() >= PINGS_MAX {
            self.sent.pop_front();
            self.first = self.first.wrapping_add(1);
        }

        let place = self.first.wrapping_add(self.sent.len() as u16);
        let nonce = Nonce(random.draw() & !0xffff | u64::from(place));
        self.sent.push_back(SentPing { nonce, target, to, sent: now, purpose, answered: false });
        nonce
    }

    /// The attempt with this nonce, marked as answered; how it was before is returned.
    pub(crate) fn answer(&mut self, now: Instant, nonce: Nonce) -> Option<SentPing> {
        let attempt = self.get_mut(nonce)?;
        let before = *attempt;
        attempt.answered = true;
        (before.sent + self.keep >= now).then_some(before)
    }

    /// The attempt with this nonce, while an answer to it counts.
    pub(crate) fn look(&self, now: Instant, nonce: Nonce) -> Option<SentPing> {
        let place = (nonce.0 as u16).wrapping_sub(self.first);
        let attempt = self.sent.get(usize::from(place)).filter(|attempt| attempt.nonce == nonce)?;
        (attempt.sent + self.keep >= now).then_some(*attempt)
    }

    fn get_mut(&mut self, nonce: Nonce) -> Option<&mut SentPing> {
        let place = (nonce.0 as u16).wrapping_sub(self.first);
        self.sent.get_mut(usize::from(place)).filter(|attempt| attempt.nonce == nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    const TO: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

    #[test]
    fn finds_each_by_nonce_until_it_expires() {
        let keep = Duration::from_secs(9);
        let at = |s: u64| Instant::ORIGIN + Duration::from_secs(s);
        let mut random = Random::fork(1, Purpose::Nonces);
        let mut pings = Pings::new(keep);
        let first = pings.start(at(1), &mut random, (Digest(7), TO), PingPurpose::Look);
        let second = pings.start(at(2), &mut random, (Digest(8), TO), PingPurpose::Round(3));
        assert_eq!(pings.answer(at(3), first).map(|a| (a.target, a.answered)), Some((Digest(7), false)));
        assert_eq!(pings.answer(at(3), first).map(|a| a.answered), Some(true));
        assert_eq!(pings.look(at(11), second).map(|a| a.purpose), Some(PingPurpose::Round(3)));
        assert_eq!(pings.look(at(12), second), None);
        assert_eq!(pings.answer(at(3), Nonce(second.0 ^ 1 << 40)), None);
    }

    #[test]
    fn stays_bounded_and_numbers_wrap() {
        let mut random = Random::fork(1, Purpose::Nonces);
        let mut pings = Pings::new(Duration::from_secs(9));
        for n in 0..200_000 {
            let nonce = pings.start(Instant::from_nanos(n), &mut random, (Digest(n), TO), PingPurpose::Look);
            assert_eq!(pings.look(Instant::from_nanos(n), nonce).map(|a| a.target), Some(Digest(n)));
        }
        assert_eq!(pings.sent.len(), PINGS_MAX);
    }
}
