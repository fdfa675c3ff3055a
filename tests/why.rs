//! Every verdict's chain is compared with what the network saw: what it names happened, and what decided is in it.

mod virtual_net;

use rand::Rng;
use tidings::config::Config;
use tidings::event::{DeadReason, Event};
use tidings::member::{Member, NodeId};
use tidings::time::Instant;
use tidings::why::{Cause, Step, Why};
use virtual_net::{Net, ms, secs};

const PING: u8 = 1;
const ACK: u8 = 2;
const PING_REQ: u8 = 3;
const NACK: u8 = 4;
const RELAYED: u8 = 5;

/// One observer's verdict about one host, held against the network's record.
struct Case<'a> {
    net: &'a Net,
    observer: usize,
    dead: usize,
    why: &'a Why,
}

impl Case<'_> {
    fn host(&self, id: NodeId) -> usize {
        self.net.hosts.iter().position(|host| NodeId::from_name(&host.name) == id).unwrap()
    }

    fn sent(&self, kind: u8, from: usize, to: usize) -> impl Iterator<Item = Instant> + '_ {
        let address = self.net.hosts[to].address;
        let tap = self.net.tap.as_ref().unwrap().iter();
        tap.filter(move |(_, n, t, bytes)| *n == from && *t == address && bytes[1] == kind).map(|(at, ..)| *at)
    }

    fn handled(&self, kind: u8, from: usize, by: usize) -> impl Iterator<Item = Instant> + '_ {
        let address = self.net.hosts[from].address;
        let all = self.net.handled.iter();
        all.filter(move |(_, f, n, k)| *f == address && *n == by && *k == kind).map(|(at, ..)| *at)
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.why.steps.iter()
    }

    /// What the chain names has happened.
    fn check_named(&self) {
        for step in self.steps() {
            let at = step.at;
            let holds = match step.what {
                Cause::Unanswered { pings } => {
                    let recent = |t: &Instant| *t <= at && *t + secs(2) > at;
                    let answered = self.handled(ACK, self.dead, self.observer).any(|t| t > self.why.start && t < at);
                    self.sent(PING, self.observer, self.dead).filter(recent).count() >= pings as usize && !answered
                }
                Cause::RelayNack(relay) => self.handled(NACK, self.host(relay), self.observer).any(|t| t <= at),
                Cause::RelaySilent(relay) => {
                    let asked = self.sent(PING_REQ, self.observer, self.host(relay)).filter(|t| *t <= at).last();
                    asked.is_some_and(|asked| {
                        !self.handled(RELAYED, self.host(relay), self.observer).any(|t| t > asked && t <= at)
                    })
                }
                Cause::Accused(accuser) => {
                    let accuser = self.host(accuser);
                    self.sent(PING, accuser, self.dead).any(|t| t >= self.why.start - secs(1) && t <= at)
                }
                Cause::LastPing { .. } => self.sent(PING, self.observer, self.dead).any(|t| t == at),
                Cause::Answered { sent } => {
                    let asked = self
                        .sent(PING, self.observer, self.dead)
                        .chain((0..self.net.hosts.len()).flat_map(|relay| self.sent(PING_REQ, self.observer, relay)));
                    asked.into_iter().any(|t| t == sent)
                }
                Cause::Suspected(_) | Cause::Unpublished | Cause::Published | Cause::Waiting(_) => true,
                Cause::Verdict { since, .. } => at.since(since) >= self.net.config.stall_tolerance,
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

#[test]
fn every_verdict_is_explained_by_what_happened() {
    let mut verdicts = 0;
    for seed in 0..200 {
        let n = 3 + (seed % 7) as usize;
        let mut net = Net::cluster(Config::lan("c"), seed, n);
        net.tap = Some(Vec::new());
        let loss = [0, 5, 15][(seed % 3) as usize];
        net.rule = Box::new(move |_, _, random| random.next_u64() % 100 < loss);
        net.run(ms(300 + seed * 13));
        let since = net.now;
        net.crash(n - 1);
        if n > 5 {
            net.crash(n - 2);
        }
        net.run(secs(16));
        for observer in net.up() {
            for (at, event) in net.hosts[observer].events.iter().filter(|(at, _)| *at > since) {
                let Event::Dead { member, by, reason, .. } = event else { continue };
                let why = net.hosts[observer].protocol.why(member.id()).unwrap();
                assert_eq!(why.omitted, 0);
                let dead = net.hosts.iter().position(|host| host.name == member.name()).unwrap();
                let case = Case { net: &net, observer, dead, why: &why };
                case.check_named();
                let by: Vec<NodeId> = by.iter().collect();
                case.check_complete(*at, member, &by, *reason, net.up().len());
                assert!(why.to_string().contains("dead: silent"), "{why}");
                let accuser =
                    &net.hosts[net.hosts.iter().position(|h| by.contains(&NodeId::from_name(&h.name))).unwrap()];
                assert!(why.to_string().contains(&format!("accused by {}\n", accuser.name)), "{why}");
                verdicts += 1;
            }
        }
    }
    assert!(verdicts > 800, "{verdicts}");
}
