//! Always, of what leaders do: a register behind a fence takes in no write of a leader after one of a later leader.
//!
//! The register knows terms alone, by the gate that an application would use. The order in which leaders came is known
//! here only. Writes take their time on the way, so that many arrive when their leader is none any more.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings::election::FenceGate;
use tidings::leader::{Holder, Token};
use tidings::{Instant, Term};

use crate::checks::Sometimes;
use crate::checks::leases::Leases;
use crate::random::Random;
use crate::violation::Violation;

/// How often a leader writes, of a thousand turns of its protocol.
const WRITES_PERMILLE: u32 = 30;
/// Writes on their way at most; beyond that no leader writes.
const UNDER_WAY_MAX: usize = 16;

#[derive(Debug)]
pub(super) struct Register {
    random: Random,
    /// By arrival: election, term, the leadership's number and the host that wrote.
    under_way: BTreeMap<(Instant, u64), Write>,
    writes: u64,
    /// The number of each leadership, in the order in which they began.
    begun: BTreeMap<(usize, u32, Term), u64>,
    /// By election: the gate, the number of the latest leadership whose write was taken in, and that write.
    accepted: BTreeMap<usize, (FenceGate, u64, Write)>,
    next: Instant,
    is_promised: bool,
}

#[derive(Clone, Copy, Debug)]
struct Write {
    election: usize,
    term: Term,
    leadership: u64,
    host: u32,
}

impl Write {
    fn token(&self) -> Token {
        Token { term: self.term, sequence: 0, holder: Holder(u128::from(self.host)) }
    }
}

impl Register {
    pub(super) fn new(seed: u64, is_promised: bool) -> Self {
        Register {
            random: Random::new(seed, "register"),
            under_way: BTreeMap::new(),
            writes: 0,
            begun: BTreeMap::new(),
            accepted: BTreeMap::new(),
            next: Instant::NEVER,
            is_promised,
        }
    }

    pub(super) fn lease_begins(&mut self, election: usize, host: u32, term: Term) {
        let number = self.begun.len() as u64;
        self.begun.entry((election, host, term)).or_insert(number);
    }

    /// A host that may hold a lease has been looked at: perhaps its application writes.
    pub(super) fn turned(&mut self, now: Instant, host: u32, leases: &Leases, delay_max: Duration) {
        if self.under_way.len() >= UNDER_WAY_MAX || !self.random.permille(WRITES_PERMILLE) {
            return;
        }
        for (election, held) in leases.holders(now).filter(|(_, held)| held.host == host) {
            let Some(leadership) = self.begun.get(&(election, host, held.term)).copied() else { continue };
            let write = Write { election, term: held.term, leadership, host };
            let arrives = now + self.random.span(Duration::ZERO, delay_max);
            self.writes += 1;
            self.under_way.insert((arrives, self.writes), write);
            self.next = self.next.min(arrives);
        }
    }

    /// What has arrived by now is taken in or refused.
    pub(super) fn advance(&mut self, now: Instant, sometimes: &mut Sometimes) -> Option<Violation> {
        if self.next > now {
            return None;
        }

        let mut found = None;
        while let Some(first) = self.under_way.first_entry().filter(|first| first.key().0 <= now) {
            let at = first.key().0;
            let write = first.remove();

            let new = || (FenceGate::new(), 0, write);
            let (gate, latest, last) = self.accepted.entry(write.election).or_insert_with(new);
            let highest = gate.highest();
            if gate.admit(write.token()).is_err() {
                sometimes.note("write fenced off");
                continue;
            }
            sometimes.note("write admitted");

            let (host, by) = (write.host, last.host);
            // Whatever disks, clocks and twins do, a term is one process's.
            let is_shared = write.term == last.term && host != by;
            if is_shared || write.leadership < *latest && self.is_promised {
                found = found.or(Some(Violation {
                    check: "fenced-register",
                    at,
                    text: format!("a write of n{host} in term {} after one of n{by} in {highest}", write.term),
                    hosts: vec![host, by],
                }));
            }
            (*latest, *last) = (write.leadership, write);
        }

        self.next = self.under_way.keys().next().map_or(Instant::NEVER, |(at, _)| *at);
        found
    }
}
