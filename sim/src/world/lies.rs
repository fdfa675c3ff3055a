//! Members that lie: what they say of others, forged and sent to everyone.

use std::net::SocketAddr;

use tidings::{Instant, Member, NodeId};

use crate::app::App;
use crate::fault::{Fault, Lie};
use crate::forge::{DEAD, NEWS, SUSPECT, Who};
use crate::trace::Kind;
use crate::watch::Watch;
use crate::world::World;
use crate::world::mail::Content;
use crate::world::queue::What;

impl<A: App, W: Watch> World<A, W> {
    /// The liars of a fault speak, and will again.
    pub(super) fn lie(&mut self, id: u32) {
        let planned = self.scenario.faults[id as usize].clone();
        let Fault::Lie { hosts, about, what, every } = &planned.what else { return };
        let now = self.now;
        if planned.ends().is_some_and(|end| now >= Instant::ORIGIN + end) {
            return;
        }

        let count = self.hosts.len() as u32;
        for liar in hosts.numbers(count) {
            let Some((protocol, _)) = self.hosts[liar as usize].running(now) else { continue };
            let me = Who::is(protocol.me());
            for victim in about.numbers(count).into_iter().filter(|victim| *victim != liar) {
                let (id, address) = (self.hosts[victim as usize].id, self.hosts[victim as usize].address());
                let known = self.hosts[liar as usize].protocol().and_then(|protocol| protocol.member(id));
                let Some(item) = known.map(|member| lie(*what, me, member, address)) else { continue };
                let datagram = me.says(&self.config.cluster, NEWS, &[], &[item]);
                self.trace.happening(now, liar, Kind::Command, &datagram);
                for other in (0..count).filter(|other| *other != liar) {
                    let to = self.hosts[other as usize].address();
                    self.send(liar, to, &datagram, Content::Datagram);
                }
            }
        }

        self.queue.push(now + *every, What::Lie(id));
    }
}

/// What a liar says of a member.
fn lie(what: Lie, liar: Who, member: &Member, address: SocketAddr) -> Vec<u8> {
    let truth = Who::is(member);
    // As many accusers as a verdict asks for, the others made up.
    let accusers = [liar.id, NodeId::from_name("nobody"), NodeId::from_name("no one")];
    let say = |who: Who| who.alive(address, member.name(), member.metadata());
    match what {
        Lie::Suspect => truth.accused(SUSPECT, 60_000, &accusers),
        Lie::Dead => truth.accused(DEAD, 60_000, &accusers),
        Lie::Left => Who { incarnation: truth.incarnation + 1, ..truth }.left(),
        Lie::Incarnation => say(Who { incarnation: (1 << 31) - 1, ..truth }),
        Lie::Generation => say(Who { generation: (1 << 63) - 1, ..truth }),
        Lie::Phantom => Who { id: NodeId::from_name("phantom"), ..truth }.alive(address, "phantom", &[]),
    }
}
