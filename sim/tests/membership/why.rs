//! Every verdict's chain is compared with what the network saw: what it names happened, and what decided is in it.
#![allow(clippy::unwrap_used)]

use tidings::event::{DeadReason, Event};
use tidings::member::{Member, NodeId};
use tidings::time::Instant;
use tidings::why::{Cause, Step, Why};
use tidings_sim::fault::Fault;
use tidings_sim::forge::{ACK, NACK, PING, PING_REQ, RELAYED, Who};

use crate::support::{Cluster, Net, Tapped, cluster, lan, ms, secs};

/// One observer's verdict about one host, held against the network's record.
struct Case<'a> {
    net: &'a Net,
    observer: u32,
    dead: u32,
    why: &'a Why,
}

impl Case<'_> {
    fn host(&self, id: NodeId) -> u32 {
        host_named(self.net, id)
    }

    fn sent(&self, kind: u8, from: u32, to: u32) -> impl Iterator<Item = &Tapped> {
        self.net.tapped().iter().filter(move |sent| (sent.kind(), sent.from, sent.to) == (kind, from, Some(to)))
    }

    fn handled(&self, kind: u8, from: u32, by: u32) -> impl Iterator<Item = &Tapped> {
        let handled = self.net.watch().handled.iter();
        handled.filter(move |handled| (handled.kind(), handled.from, handled.to) == (kind, from, Some(by)))
    }

    /// Whether a relay was asked about the dead, and did not report what it heard of it.
    fn is_silent(&self, relay: u32, at: Instant) -> bool {
        let target = Who { id: self.why.member, generation: self.why.generation.0, incarnation: 0 }.digest();
        let is_about = |tapped: &&Tapped| tapped.at <= at && tapped.read().words[1] == target;
        let Some(asked) = self.sent(PING_REQ, self.observer, relay).filter(is_about).last() else { return false };
        !self.handled(RELAYED, relay, self.observer).filter(is_about).any(|report| report.at > asked.at)
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.why.steps.iter()
    }

    /// What the chain names has happened.
    fn check_named(&self) {
        let start = self.why.start;
        for step in self.steps() {
            let at = step.at;
            let holds = match step.what {
                Cause::Unanswered { pings } => {
                    let recent = |sent: &&Tapped| sent.at <= at && sent.at + secs(2) > at;
                    let answers = self.handled(ACK, self.dead, self.observer);
                    let answered = answers.into_iter().any(|ack| ack.at > start && ack.at < at);
                    self.sent(PING, self.observer, self.dead).filter(recent).count() >= pings as usize && !answered
                }
                Cause::RelayNack(relay) => {
                    self.handled(NACK, self.host(relay), self.observer).any(|nack| nack.at <= at)
                }
                Cause::RelaySilent(relay) => self.is_silent(self.host(relay), at),
                Cause::Accused(accuser) => {
                    let accuser = self.host(accuser);
                    self.sent(PING, accuser, self.dead).any(|ping| ping.at >= start - secs(1) && ping.at <= at)
                }
                Cause::LastPing { .. } => self.sent(PING, self.observer, self.dead).any(|ping| ping.at == at),
                Cause::Answered { sent } => {
                    let relays = 0..self.net.hosts().len() as u32;
                    let asked = self
                        .sent(PING, self.observer, self.dead)
                        .chain(relays.flat_map(|relay| self.sent(PING_REQ, self.observer, relay)));
                    asked.into_iter().any(|asked| asked.at == sent)
                }
                Cause::Suspected(_) | Cause::Unpublished | Cause::Published | Cause::Waiting(_) => true,
                Cause::Verdict { since, .. } => at.since(since) >= self.net.config().stall_tolerance,
                _ => panic!("a cause this test does not know: {step:?}"),
            };
            assert!(holds, "{step:?} did not happen:\n{}", self.why);
        }
    }

    /// What decided is in the chain.
    fn check_complete(&self, at: Instant, member: &Member, by: &[NodeId], reason: DeadReason, alive: usize) {
        let last = self.why.steps.last().unwrap();
        assert!(matches!(last.what, Cause::Verdict { reason: r, .. } if r == reason) && last.at == at, "{}", self.why);
        let Cause::Verdict { since, .. } = last.what else { unreachable!() };

        let answered = self.steps().filter_map(|step| match step.what {
            Cause::Answered { sent } => Some(sent),
            _ => None,
        });
        let published = self.steps().filter(|step| step.what == Cause::Published).map(|step| step.at);
        assert!(answered.chain(published).chain([self.why.start]).any(|moment| moment == since), "{}", self.why);

        for accuser in by {
            let named = self.steps().any(|step| step.what == Cause::Accused(*accuser));
            assert!(named, "{accuser} is missing:\n{}", self.why);
        }
        if reason == DeadReason::Silent && alive > 1 {
            assert!(by.len() >= 2, "{by:?}");
        }

        for attempt in 1..=3 {
            let asked = self.steps().any(|step| step.what == Cause::LastPing { attempt } && step.at + secs(2) > at);
            assert!(asked, "last ping {attempt} is missing:\n{}", self.why);
        }

        assert_eq!((self.why.member, self.why.generation), (member.id(), member.generation()));
    }
}

fn host_named(net: &Net, id: NodeId) -> u32 {
    net.hosts().iter().position(|host| host.id() == id).unwrap() as u32
}

#[test]
fn every_verdict_is_explained_by_what_happened() {
    let mut verdicts = 0;
    for seed in 0..200 {
        let n = 3 + (seed % 7) as u32;
        let mut net = cluster(&lan(), seed, n);
        net.listen();
        net.fail(Fault::loss([0, 50, 150][(seed % 3) as usize]));
        net.run(ms(300 + seed * 13));

        let since = net.now();
        net.crash(n - 1);
        if n > 5 {
            net.crash(n - 2);
        }
        net.run(secs(16));

        for observer in net.up() {
            for (at, event) in net.told_to(observer, since) {
                let Event::Dead { member, by, reason, .. } = event else { continue };
                let why = net.why(observer, member.id()).unwrap();
                assert_eq!(why.omitted, 0);
                let case = Case { net: &net, observer, dead: host_named(&net, member.id()), why: &why };
                case.check_named();
                let by: Vec<NodeId> = by.iter().collect();
                case.check_complete(at, member, &by, *reason, net.up().len());
                assert!(why.to_string().contains("dead: silent"), "{why}");
                let accuser = net.hosts().iter().find(|host| by.contains(&host.id())).unwrap();
                assert!(why.to_string().contains(&format!("accused by {}\n", accuser.name())), "{why}");
                verdicts += 1;
            }
        }
    }

    assert!(verdicts > 800, "{verdicts}");
}
