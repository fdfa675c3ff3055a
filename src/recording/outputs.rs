//! What comes out of a protocol, rolled into one hash.
//!
//! Two runs with equal hashes sent the same bytes to the same addresses, told the same events, answered the same calls
//! alike and asked for the same next deadline, each up to the same input.

use std::net::SocketAddr;

use twox_hash::XxHash3_64;

use crate::event::Event;
use crate::recording::fields::{put_address, put_event, put_instant};
use crate::recording::{Drained, Told};
use crate::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Outputs {
    hash: u64,
    transmits: u64,
    events: Vec<Told>,
    scratch: Vec<u8>,
}

impl Outputs {
    /// What a call answered: 0 for a success, else which error.
    pub(super) fn answer(&mut self, code: u8) {
        self.roll(&[code]);
    }

    pub(super) fn transmit(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.transmits += 1;
        self.roll_made(|scratch| put_address(scratch, to));
        self.roll(datagram);
    }

    pub(super) fn event(&mut self, event: &Event) {
        let member = event.member().map(|member| (member.id(), member.generation(), member.incarnation()));
        self.events.push(Told { kind: event.kind().into(), member });
        self.roll_made(|scratch| put_event(scratch, event));
    }

    /// All is drained, and this is the next deadline: what has come of everything until now.
    pub(super) fn drained(&mut self, deadline: Option<Instant>) -> Drained {
        self.roll_made(|scratch| put_instant(scratch, deadline.unwrap_or(Instant::NEVER)));
        let (transmits, events) = (std::mem::take(&mut self.transmits), std::mem::take(&mut self.events));
        Drained { hash: self.hash, transmits, events }
    }

    fn roll_made(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        fill(&mut scratch);
        self.roll(&scratch);
        self.scratch = scratch;
    }

    fn roll(&mut self, bytes: &[u8]) {
        self.hash = XxHash3_64::oneshot_with_seed(self.hash, bytes);
    }
}
