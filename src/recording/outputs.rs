//! What comes out of a protocol, rolled into one hash.
//!
//! Two runs with equal hashes sent the same bytes to the same addresses, told the same events, answered the same calls
//! alike and asked for the same next deadline, each up to the same input.

use std::net::SocketAddr;

use twox_hash::XxHash3_64;

use crate::event::Event;
use crate::protocol::BallotSave;
use crate::recording::fields::{put_address, put_ballot, put_bytes, put_event, put_instant, put_u64};
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

    pub(super) fn save(&mut self, save: &BallotSave) {
        self.roll_made(|scratch| {
            put_bytes(scratch, save.election.as_bytes());
            put_u64(scratch, save.save.number);
            put_ballot(scratch, &save.save.ballot);
        });
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn everything_that_comes_out_moves_the_hash() {
        let at = |port| SocketAddr::from(([10, 0, 0, 1], port));
        let stalled = |secs| Event::SelfStalled { gap: Duration::from_secs(secs) };
        let runs: [&dyn Fn(&mut Outputs); 9] = [
            &|_| {},
            &|outputs| outputs.answer(0),
            &|outputs| outputs.answer(1),
            &|outputs| outputs.transmit(at(1), b"one"),
            &|outputs| outputs.transmit(at(2), b"one"),
            &|outputs| outputs.transmit(at(1), b"two"),
            &|outputs| outputs.event(&stalled(1)),
            &|outputs| outputs.event(&stalled(2)),
            &|outputs| outputs.event(&Event::Reconnected),
        ];
        let mut hashes = Vec::new();
        for run in runs {
            for deadline in [None, Some(Instant::ORIGIN), Some(Instant::from_nanos(1))] {
                let mut outputs = Outputs::default();
                run(&mut outputs);
                hashes.push(outputs.drained(deadline).hash);
                hashes.push(outputs.drained(deadline).hash);
            }
        }
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }
}
