//! The rows that a protocol says have changed are all that have.
//!
//! Whoever keeps a copy of each table by asking only for those rows holds the table itself, after every single input,
//! whatever happens to the members meanwhile.
#![allow(clippy::unwrap_used)]

mod virtual_net;

use std::collections::BTreeMap;
use std::time::Duration;

use tidings::config::Config;
use tidings::event::Event;
use tidings::member::{Member, NodeId};
use tidings::protocol::Protocol;
use virtual_net::{Net, id, ms, secs};

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

/// Runs for a while and compares each copy with its table: after every change, and now and then when there is said to
/// be none.
fn run(net: &mut Net, copies: &mut Vec<Copy>, span: Duration) {
    let mut happenings = 0_u32;
    net.run_until(span, |net| {
        happenings += 1;
        copies.resize_with(net.hosts.len(), Copy::default);
        for (host, copy) in net.hosts.iter().zip(copies.iter_mut()) {
            if copy.follow(&host.protocol) || happenings % 64 == 0 {
                assert_eq!(copy.rows, rows(&host.protocol), "{} at {}", host.name, net.now);
            }
        }
        false
    });
}

#[test]
fn a_copy_that_follows_the_changes_is_the_table() {
    let config = Config { ghost_retention: secs(40), ..Config::local("c") };
    let mut net = Net::new(config, 3);
    let mut copies = Vec::new();
    for _ in 0..40 {
        net.add();
    }
    run(&mut net, &mut copies, secs(8));
    assert!(net.all_agree());

    net.crash(4);
    net.call(5, |protocol, now| protocol.set_metadata(now, b"new")).unwrap();
    net.pause(6, ms(800));
    run(&mut net, &mut copies, secs(8));
    net.call(0, |protocol, now| protocol.forget(now, id(4))).unwrap();
    net.call(7, |protocol, now| protocol.leave(now));
    net.add_as("n8", tidings::member::Generation(2_000), 8);
    run(&mut net, &mut copies, secs(8));

    // Cut off alone: provisional verdicts, and their end.
    net.rule = Box::new(|from, to, _| from == 9 || to == 9);
    run(&mut net, &mut copies, secs(8));
    net.rule = Box::new(|_, _, _| false);
    run(&mut net, &mut copies, secs(50));

    let mut kinds: Vec<&str> = net.hosts.iter().flat_map(|host| &host.events).map(|(_, event)| event.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in ["up", "suspect", "refuted", "dead", "left", "updated", "isolated", "reconnected"] {
        assert!(kinds.contains(&kind), "{kind} never happened: {kinds:?}");
    }
    let is_provisional = |event: &Event| matches!(event, Event::Dead { isolated: true, .. });
    assert!(net.hosts[9].events.iter().any(|(_, event)| is_provisional(event)));
    assert!(copies.iter().any(|copy| copy.whole > 0), "no burst outran the journal");
}

#[test]
fn a_quiet_cluster_changes_nothing() {
    let mut net = Net::cluster(Config::lan("c"), 1, 5);
    let revisions = |net: &Net| net.hosts.iter().map(|host| host.protocol.revision()).collect::<Vec<_>>();
    let (before, sent) = (revisions(&net), net.hosts[0].sent.0);
    net.run(secs(60));
    assert!(net.hosts[0].sent.0 > sent + 60);
    assert_eq!(revisions(&net), before);
    assert_eq!(net.hosts[0].protocol.changed_since(before[0]).unwrap().count(), 0);
}
