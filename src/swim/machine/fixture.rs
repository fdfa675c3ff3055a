//! A machine with members of chosen addresses and states, for tests of single decisions.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::Config;
use crate::member::{Advertise, Generation, Identity, Incarnation, Record, State};
use crate::swim::machine::Machine;
use crate::swim::slot::Slot;
use crate::time::Instant;

fn record(address: SocketAddr) -> Record {
    let identity = Identity::named(&address.to_string(), Generation(1), address);
    Record::new(&identity, Incarnation(0), &[]).unwrap()
}

/// A node at this address that knows no other, a minute after its clock's origin.
pub(super) fn machine(own: &str) -> Machine {
    let rules = Config::local("test").into_rules().unwrap();
    let now = Instant::ORIGIN + Duration::from_secs(60);
    Machine::new(rules, record(own.parse().unwrap()), Advertise::AsSeen, 1, now)
}

/// Adds a member, named after its address.
pub(super) fn add(machine: &mut Machine, address: &str, state: State) -> Slot {
    let slot = machine.members.insert(record(address.parse().unwrap()));
    machine.members.set_state(slot, state);
    slot
}
