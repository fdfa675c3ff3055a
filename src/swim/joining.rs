//! Contacts to dial, and acquaintances that wait for a proof of address (`protocol.md 3.5`, `7.5`, `9`).
//!
//! A process that claims an address must show that it receives there, by echoing a nonce, before it is told
//! more than it sent; so that a forged sender cannot turn this node against a third party. What waits for its
//! proof is bounded, oldest out.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::member::{Generation, Record};
use crate::time::Instant;
use crate::wire::Digest;

/// Acquaintances waiting at most.
const PENDING_MAX: usize = 1_024;
/// Proved strangers remembered at most.
const GUESTS_MAX: usize = 64;
/// Contacts dialled at most.
const CONTACTS_MAX: usize = 64;

/// What is done when the address is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A joiner's or a third party's record is taken in.
    TakeIn(Record),
    /// We tell it our record: it knew an earlier start of us, or another process here.
    TellUs,
    /// Its questions are answered, though we do not know it.
    Serve,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pending {
    serial: u32,
    address: SocketAddr,
    purpose: Purpose,
}

/// Another process that may bear our name and be alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DuplicateName {
    pub(crate) generation: Generation,
    pub(crate) address: SocketAddr,
    /// When its silence means that it is our past.
    pub(crate) until: Instant,
    pub(crate) stance: Stance,
}

/// Which of the two processes asked whether the other is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stance {
    /// We ask; its answer stops us.
    Asking,
    /// We answered: that stops it, and so must not stop us.
    Answered,
}

#[derive(Debug, Default)]
pub(crate) struct Joining {
    /// Senders that proved an address, the latest last: they may be no members here, or recorded at another address.
    guests: VecDeque<(Digest, SocketAddr)>,
    contacts: Vec<SocketAddr>,
    /// How many turns the contacts have had.
    turn: usize,
    /// The one that was dialled last beside living members, and when.
    pub(crate) dialled: Option<(Instant, SocketAddr)>,
    pending: VecDeque<Pending>,
    serial: u32,
    pub(crate) duplicate: Option<DuplicateName>,
    /// The earlier start of our name that was last heard of.
    pub(crate) predecessor: Option<Generation>,
    /// How often the contacts were dialled since another member was last known.
    pub(crate) dials: u32,
    /// Which contact sees us where, by the last that said so while no other member was known and nothing reached us.
    pub(crate) seen: Option<(Digest, SocketAddr)>,
}

impl Joining {
    /// Adds contacts, each once. Beyond the cap those go first that were named the longest ago: names may have come to
    /// mean other addresses since.
    pub(crate) fn add_contacts(&mut self, contacts: &[SocketAddr]) {
        for contact in contacts {
            self.contacts.retain(|known| known != contact);
            if self.contacts.len() >= CONTACTS_MAX {
                self.contacts.remove(0);
            }
            self.contacts.push(*contact);
        }
    }

    pub(crate) fn contacts(&self) -> &[SocketAddr] {
        &self.contacts
    }

    /// The contacts one after the other, again and again.
    pub(crate) fn next_contact(&mut self) -> Option<SocketAddr> {
        let place = self.turn % self.contacts.len().max(1);
        self.turn = self.turn.wrapping_add(1);
        self.contacts.get(place).copied()
    }

    /// Remembers what to do when `address` is proved; the serial number goes with the ping that asks for the proof.
    pub(crate) fn wait_for_proof(&mut self, address: SocketAddr, purpose: Purpose) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        if let Some(pending) = self.pending.iter_mut().find(|p| p.address == address && p.purpose == purpose) {
            pending.serial = self.serial;
            return self.serial;
        }

        if self.pending.len() >= PENDING_MAX {
            self.pending.pop_front();
        }
        self.pending.push_back(Pending { serial: self.serial, address, purpose });
        self.serial
    }

    /// Remembers that a stranger has proved its address.
    pub(crate) fn welcome(&mut self, guest: Digest, address: SocketAddr) {
        if !self.is_guest(guest, address) {
            if self.guests.len() >= GUESTS_MAX {
                self.guests.pop_front();
            }
            self.guests.push_back((guest, address));
        }
    }

    /// Whether a stranger has proved this address.
    pub(crate) fn is_guest(&self, guest: Digest, address: SocketAddr) -> bool {
        self.guests.contains(&(guest, address))
    }

    /// Takes what was waiting for this proof, with the address that was to be proved.
    pub(crate) fn proved(&mut self, serial: u32) -> Option<(SocketAddr, Purpose)> {
        let place = self.pending.iter().position(|pending| pending.serial == serial)?;
        self.pending.remove(place).map(|pending| (pending.address, pending.purpose))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], n))
    }

    #[test]
    fn a_repeated_request_replaces_its_serial() {
        let mut joining = Joining::default();
        let first = joining.wait_for_proof(address(1), Purpose::TellUs);
        let second = joining.wait_for_proof(address(1), Purpose::TellUs);
        assert_eq!(joining.proved(first), None);
        assert_eq!(joining.proved(second), Some((address(1), Purpose::TellUs)));
        assert_eq!(joining.proved(second), None);
    }

    #[test]
    fn pending_and_contacts_are_bounded() {
        let mut joining = Joining::default();
        let first = joining.wait_for_proof(address(0), Purpose::TellUs);
        for n in 1..=PENDING_MAX as u16 {
            joining.wait_for_proof(address(n), Purpose::TellUs);
        }
        assert_eq!((joining.pending.len(), joining.proved(first)), (PENDING_MAX, None));
        joining.add_contacts(&(0..100).map(address).collect::<Vec<_>>());
        joining.add_contacts(&[address(3)]);
        assert_eq!(joining.contacts().len(), CONTACTS_MAX);
    }
}
