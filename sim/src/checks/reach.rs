//! Always, of families: no host accuses a member that it cannot send to.

use tidings::event::{DeadReason, SuspectReason};
use tidings::member::Accusers;
use tidings::{Event, Protocol};

use crate::scenario::{Families, Family, Scenario};
use crate::violation::Violation;
use crate::watch::Moment;

#[derive(Debug)]
pub(super) struct Reach {
    families: Families,
    /// The hosts in whose names accusations are invented, which come back to them.
    liars: Vec<u32>,
}

impl Reach {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let liars = (0..scenario.host_limit()).filter(|host| scenario.is_liar(*host)).collect();
        Reach { families: scenario.families.clone(), liars }
    }

    pub(super) fn told(&self, moment: Moment, host: u32, protocol: &Protocol, event: &Event) -> Option<Violation> {
        let me = protocol.me().id();
        let is_named = |by: &Accusers| by.contains(me) && !self.liars.contains(&host);

        let (member, accuses) = match event {
            Event::Suspect { member, by, reason, .. } => {
                (member, is_named(by) || *reason == SuspectReason::ProbeFailed)
            }
            // With the word of others alone it waits for 3 P, and is certain of it or says nothing.
            Event::Dead { member, by, reason, provisional } => {
                (member, is_named(by) || *provisional || *reason == DeadReason::Silent)
            }
            _ => return None,
        };

        let in_reach = self.families.is_v4() || self.families.speaks(host, Family::of(member.address()));
        (accuses && !in_reach).then(|| Violation {
            check: "in-reach",
            at: moment.now,
            text: format!("n{host} accuses {}, to whose address {} it cannot send", member.name(), member.address()),
            hosts: vec![host],
        })
    }
}
