//! The rows that a protocol says have changed are all that have.
//!
//! A reader that keeps a copy of each table by asking only for those rows holds the table itself, after every single
//! input, whatever happens to the members meanwhile.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidings::config::Config;
use tidings::event::Event;
use tidings::member::{Identity, Member, NodeId, Record};
use tidings::protocol::Protocol;
use tidings::time::Instant;
use tidings_sim::scenario::Start;

use crate::support::{Cluster, Net, alone, begin, cluster, id, lan, ms, secs};

/// A table kept by its changes alone.
#[derive(Default)]
struct Copy {
    revision: u64,
    rows: BTreeMap<NodeId, Member>,
    /// How often the changes were too many and the whole table was looked at.
    whole: usize,
}

impl Copy {
    /// Whether the table has changed since.
    fn follow(&mut self, protocol: &Protocol) -> bool {
        if protocol.revision() == self.revision {
            return false;
        }
        match protocol.changed_since(self.revision) {
            Some(changed) => changed.for_each(|id| match protocol.member(id) {
                Some(member) => drop(self.rows.insert(id, member.clone())),
                None => drop(self.rows.remove(&id)),
            }),
            None => {
                self.rows = rows(protocol);
                self.whole += 1;
            }
        }
        self.revision = protocol.revision();
        true
    }
}

fn rows(protocol: &Protocol) -> BTreeMap<NodeId, Member> {
    // A node that left lists itself, but is no longer a member to ask for.
    let members = protocol.members().filter(|member| protocol.member(member.id()).is_some());
    members.map(|member| (member.id(), member.clone())).collect()
}

fn record(member: &Member) -> Record {
    let identity = Identity::named(member.name(), member.generation(), member.address());
    Record::new(&identity, member.incarnation(), &[]).unwrap()
}

/// Runs for a while and compares each copy with its table: after every change, and now and then when there is said to
/// be none.
fn run(net: &mut Net, copies: &mut Vec<Copy>, span: Duration) {
    let mut happenings = 0_u32;
    net.until(span, |net| {
        happenings += 1;
        copies.resize_with(net.hosts().len(), Copy::default);
        for (host, copy) in net.hosts().iter().zip(copies.iter_mut()) {
            let Some(protocol) = host.protocol() else { continue };
            if copy.follow(protocol) || happenings % 64 == 0 {
                assert_eq!(copy.rows, rows(protocol), "{} at {}", host.name(), net.now());
            }
        }
        false
    });
}

#[test]
fn a_copy_that_follows_the_changes_is_the_table() {
    let config = Config { ghost_retention: secs(40), ..Config::local("c") };
    let mut net = begin(&config, 3, 40, Start::Joining);
    let mut copies = Vec::new();
    run(&mut net, &mut copies, secs(8));
    assert!(net.all_agree());

    net.crash(4);
    net.on(5, |protocol, now| protocol.set_metadata(now, b"new")).unwrap();
    net.pause(6, ms(800));
    run(&mut net, &mut copies, secs(8));
    net.on(0, |protocol, now| protocol.forget(now, id(4))).unwrap();
    net.leave(7);
    // A warm restart: more changes at once than the list of changes keeps.
    let saved: Vec<Record> = net.protocol(8).members().map(record).collect();
    net.crash(8);
    net.start_host(8);
    copies[8] = Copy::default();
    net.on(8, |protocol, now| protocol.preload(now, &saved));
    run(&mut net, &mut copies, secs(8));

    // Cut off alone: provisional verdicts, and their end.
    net.fail(alone(9));
    run(&mut net, &mut copies, secs(8));
    net.heal();
    run(&mut net, &mut copies, secs(50));

    let kinds: BTreeSet<&str> = net.told().iter().map(|(_, _, event)| event.kind()).collect();
    for kind in ["up", "suspect", "refuted", "dead", "left", "updated", "isolated", "reconnected"] {
        assert!(kinds.contains(kind), "{kind} never happened: {kinds:?}");
    }
    let is_provisional = |event: &Event| matches!(event, Event::Dead { provisional: true, .. });
    assert!(net.told_to(9, Instant::ORIGIN).any(|(_, event)| is_provisional(event)));
    assert!(copies.iter().any(|copy| copy.whole > 0), "no burst outran the list of changes");
}

#[test]
fn a_quiet_cluster_changes_nothing() {
    let mut net = cluster(&lan(), 1, 5);
    let revisions = |net: &Net| (0..5).map(|n| net.protocol(n).revision()).collect::<Vec<_>>();
    let (before, sent) = (revisions(&net), net.sent_by(0));
    net.run(secs(60));
    assert!(net.sent_by(0) > sent + 60);
    assert_eq!(revisions(&net), before);
    assert_eq!(net.protocol(0).changed_since(before[0]).unwrap().count(), 0);
}
