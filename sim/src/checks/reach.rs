//! Always, of families: nobody accuses a member that it cannot send to.

use tidings::event::DeadReason;
use tidings::{Event, Protocol};

use crate::scenario::{Families, Family};
use crate::violation::Violation;
use crate::watch::Moment;

#[derive(Debug)]
pub(super) struct Reach {
    families: Families,
}

impl Reach {
    pub(super) fn new(families: Families) -> Self {
        Reach { families }
    }

    pub(super) fn told(&self, moment: Moment, host: u32, protocol: &Protocol, event: &Event) -> Option<Violation> {
        let me = protocol.me().id();
        let (member, accuses) = match event {
            Event::Suspect { member, by, .. } => (member, by.contains(me)),
            // With the word of others alone it waits for 3 P, and is certain of it or says nothing.
            Event::Dead { member, by, reason, isolated } => {
                (member, by.contains(me) || *isolated || *reason == DeadReason::Silent)
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
