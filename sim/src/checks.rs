//! The promises that a run is held to, in three voices: always, eventually, sometimes.
//!
//! *Always* checks run after every change of a table and every event. *Eventually* checks ask, when the faults are
//! over, whether the cluster found back within a bound. *Sometimes* counts over a sweep what ever happened, so that a
//! sweep that tried nothing fails. The names are those that `tidings-sim checks` lists.

mod answered;
mod bounds;
mod elections;
mod eventually;
mod fold;
mod fresh;
mod idle;
mod isolation;
mod leader;
mod leases;
mod opinion;
mod overtake;
mod reach;
mod register;
mod rows;
mod saved;
mod sight;
mod silence;
mod sometimes;
mod truth;
mod vacancy;
mod votes;

pub use eventually::{Settling, put_off};
pub use leader::{is_estranged, unled, unsettled};
pub use sometimes::{MUST_HAPPEN, Sometimes};

use std::net::SocketAddr;
use std::time::Duration;

use tidings::{Event, Instant, NodeId, Protocol};

use crate::expect::Expect;
use crate::fault::Planned;
use crate::network::Fate;
use crate::scenario::{Configs, Scenario};
use crate::violation::Violation;
use crate::watch::{Disk, Life, Moment, Passage, Phase, Watch};
use answered::Answered;
use bounds::Bounds;
use elections::Elections;
use fold::Folds;
use isolation::Isolation;
use reach::Reach;
use rows::Rows;
use silence::Silence;
use truth::Truth;

/// Every check by its name, with what it demands; the letters are those under which such properties go elsewhere:
/// S safety, A accuracy, V liveness, X of a scenario's or a sweep's own.
pub const CHECKS: &[(&str, &str)] = &[
    ("row-monotone", "S1: a member's (generation, incarnation) never goes back while the view or a tombstone holds it"),
    ("no-resurrection", "S2: who is certainly Dead or Left comes back only at a higher (generation, incarnation)"),
    ("owner-raises", "S3: nobody holds a (generation, incarnation) that its owner never had"),
    ("no-phantom", "S7: nobody holds a member that was never started"),
    ("same-record", "S6: equal (generation, incarnation) means equal address and metadata everywhere"),
    ("self-alive", "S5: a node that neither leaves nor left holds itself Alive"),
    (
        "fold",
        "S9: the events, folded, equal the view but for what is held back of members that flap, and each follows from the last",
    ),
    ("left-stays", "S9: Left is not followed by Dead at the same generation"),
    ("dead-after", "A1: no verdict falls before the moment that the suspicion named, start + P"),
    (
        "answered",
        "A1: no certain Dead by a node that had no answer from anyone since its suspicion began, unless n <= 2",
    ),
    (
        "isolated-truly",
        "A3: nobody says that it is isolated while as many others as a verdict needs answered its pings of the last P",
    ),
    ("silent-p", "A1: whoever was silent for less than P is not certainly Dead where nothing was lost on the way"),
    ("in-reach", "A2: nobody accuses a member of an address family that it cannot send to"),
    ("datagram-size", "S10: no datagram is longer than datagram_bytes_max"),
    ("overtakes", "S11: no ordinary news rides on a datagram that leaves out an urgent one for which it has space"),
    ("bounds", "S10: every queue and table keeps to its bound"),
    ("one-leader", "E1: at most one host ever holds a lease of an election in a term"),
    ("one-vote", "E2: a voter votes once in a term, over all its processes, in messages and on its disk"),
    (
        "saved-stays",
        "E2: the ballot that a store has saved or shown is what the next process finds there, or a later one",
    ),
    ("terms-rise", "E3: every lease has a higher term than any before it, and no host is told of lower ones later"),
    ("works", "E10: whoever is no candidate begins to lead in no term, and holds a lease no longer than one lasts"),
    ("hands-over", "E10: who hands leadership over is not elected anew by an attempt that it began before"),
    ("lease-exclusive", "E4: at no true moment do two hosts hold the lease of an election, each by its own clock"),
    (
        "acts-fresh",
        "E12: a leader that did not run for two heartbeats acts only once a quorum has answered it after that",
    ),
    ("fenced-register", "E5: a register that checks terms takes in no write of a leader after one of a later leader"),
    ("quorum", "E6: every lease has votes of more than half of the configured voters"),
    ("leads", "E7: after the faults every election of which a quorum runs has a leader, within the bound"),
    ("changes-end", "E11: after the faults no leader holds two lists of voters, within the bound"),
    (
        "fails-over",
        "E7: when the leader's process ends and nothing else is wrong, the next lease begins within a promise, an attempt and half a turn",
    ),
    ("converges", "V2: after the faults all live views are equal, within the bound"),
    ("detects", "V1: after the faults who does not run is Dead, Left or unknown to all, within the bound"),
    ("finds", "V4: after the faults whoever runs is Alive to all, within the bound"),
    ("known", "V5: after the faults whoever runs knows its address, and all hold one for it that reaches it"),
    ("calms", "V3: after the faults no suspicion is left, within the bound"),
    ("idles", "V7: after the faults the rate of datagrams, and of their bytes, is back to idle"),
    ("expect", "X: what the scenario's file expects"),
    ("drawn", "X: every scenario drawn from a seed makes sense"),
    ("panics", "X: nothing panics"),
    ("ends", "X: a run is over within the happenings allowed to it"),
    ("sometimes", "X: a sweep of the swarm sees every kind of fault, and all else that must happen once"),
];

/// Bounds are looked at after so many turns at most.
const BOUNDS_EVERY: u32 = 8;
/// Broken promises kept of one run.
const VIOLATIONS_MAX: usize = 16;

/// What the always checks know of the run they watch.
#[derive(Debug)]
pub struct Checks {
    truth: Truth,
    rows: Rows,
    folds: Folds,
    answered: Answered,
    isolation: Isolation,
    silence: Silence,
    reach: Reach,
    bounds: Bounds,
    elections: Elections,
    turns: u32,
    sometimes: Sometimes,
    expect: Expect,
    broken: Vec<Violation>,
}

impl Checks {
    /// Checks for a scenario and the configurations its hosts run with.
    #[must_use]
    pub fn new(scenario: &Scenario, configs: &Configs) -> Self {
        let lies = scenario.has_liar();
        Checks {
            truth: Truth::new(scenario, configs),
            rows: Rows::new(lies),
            folds: Folds::default(),
            answered: Answered::new(configs.clone(), scenario.families.clone()),
            isolation: Isolation::new(configs, scenario.families.clone()),
            silence: Silence::new(configs, scenario),
            reach: Reach::new(scenario),
            bounds: Bounds::new(configs.clone()),
            elections: Elections::new(scenario, configs),
            turns: 0,
            sometimes: Sometimes::default(),
            expect: Expect::new(scenario),
            broken: Vec::new(),
        }
    }

    /// The promises broken so far.
    #[must_use]
    pub fn broken(&self) -> &[Violation] {
        &self.broken
    }

    /// Which things ever happened in the run.
    #[must_use]
    pub fn sometimes(&self) -> &Sometimes {
        &self.sometimes
    }

    /// What ever happened, to be added to.
    pub fn sometimes_mut(&mut self) -> &mut Sometimes {
        &mut self.sometimes
    }

    /// The run is over: what the scenario expects and has not come has not come.
    pub fn finish(&mut self, end: Instant) {
        self.expect.finish(end);
        self.note_unexpected();
    }

    fn note_unexpected(&mut self) {
        let known = self.broken.iter().filter(|broken| broken.check == "expect").count();
        let unexpected: Vec<_> = self.expect.violations().iter().skip(known).cloned().collect();
        unexpected.into_iter().for_each(|violation| self.note(Some(violation)));
    }

    fn note(&mut self, violation: Option<Violation>) {
        if let Some(violation) = violation.filter(|_| self.broken.len() < VIOLATIONS_MAX) {
            self.broken.push(violation);
        }
    }
}

impl Watch for Checks {
    fn sent(&mut self, now: Instant, from: u32, to: Option<u32>, datagram: &[u8], fate: &Fate) {
        self.truth.sent(now, from, to, fate);
        self.isolation.sent(now, from, to, datagram);
        self.expect.sent(now, from, to, datagram, fate);
        let violation = self.bounds.sent(now, from, datagram.len());
        self.note(violation);
        let violation = self.elections.sent(now, from, datagram, &mut self.sometimes);
        self.note(violation);
    }

    fn made(
        &mut self,
        now: Instant,
        from: u32,
        to: SocketAddr,
        datagram: &[u8],
        urgent: &[NodeId],
        protocol: &Protocol,
    ) {
        self.isolation.made(from, to, datagram, protocol);
        let violation = overtake::overtaken(now, from, datagram, urgent, protocol);
        self.note(violation);
    }

    fn missed(&mut self, now: Instant, from: u32, to: Option<u32>) {
        self.truth.missed(now, from, to);
    }

    fn handled(&mut self, now: Instant, host: u32, passage: Passage, datagram: &[u8]) {
        self.truth.handled(host, passage);
        self.answered.handled(now, host, passage, datagram);
        self.isolation.handled(now, host, passage, &self.truth, datagram);
        self.elections.handled(host, passage, datagram);
        self.sometimes.handled(datagram);
    }

    fn told(&mut self, moment: Moment, host: u32, protocol: &Protocol, event: &Event) {
        self.sometimes.told(event);
        let found = [
            self.answered.told(moment, host, &self.folds, protocol, event),
            self.silence.told(moment, host, &self.truth, event),
            self.reach.told(moment, host, protocol, event),
            self.isolation.told(moment, host, protocol, &self.truth, event),
            self.folds.told(moment, host, event),
            self.elections.told(moment.now, host, protocol, event, &mut self.sometimes),
        ];
        found.into_iter().for_each(|violation| self.note(violation));
        self.sometimes.healed(self.folds.healed());
        self.expect.told(moment, host, protocol, event);
        self.note_unexpected();
    }

    fn turned(&mut self, moment: Moment, host: u32, protocol: &Protocol) {
        self.folds.read(moment, host);
        let violation = self.elections.turned(moment, host, protocol, &mut self.sometimes);
        self.note(violation);

        let changed = self.rows.changed(host, protocol);
        // Queues grow without a row that changes; looking each time would cost more than all else.
        self.turns = self.turns.wrapping_add(1);
        if changed.is_some() || self.turns % BOUNDS_EVERY == 0 {
            let violation = self.bounds.turned(moment, host, protocol);
            self.note(violation);
        }

        // Most turns change no row, and what follows is about rows.
        let Some(changed) = changed else { return };
        let mut found = Vec::new();
        if !self.truth.issue(host, protocol) {
            found.extend(self.rows.said_otherwise(moment, host, protocol));
        }
        for id in changed {
            found.extend(self.rows.look(moment, host, protocol, id, &self.truth));
            found.extend(self.folds.compare(moment, host, protocol, id));
        }
        found.into_iter().for_each(|violation| self.note(Some(violation)));
    }

    fn disk(&mut self, now: Instant, host: u32, election: &str, disk: Disk) {
        let violation = self.elections.disk(now, host, election, disk, &mut self.sometimes);
        self.note(violation);
    }

    fn lives(&mut self, now: Instant, host: u32, life: Life, protocol: Option<&Protocol>) {
        self.elections.lives(now, host, life, protocol);
        self.truth.lives(now, host, life, protocol);
        self.expect.lives(now, host, life, protocol);
        self.note_unexpected();
        if life == Life::Started {
            self.rows.started(host);
            self.folds.started(host);
            self.answered.started(host);
            self.isolation.started(host);
        }
    }

    fn fault(&mut self, now: Instant, id: u32, fault: &Planned, phase: Phase) {
        self.sometimes.fault(fault, phase);
        self.truth.fault(now, id, &fault.what, phase);
        self.elections.fault(now, fault, phase);
    }
}

/// A span as texts of violations write it.
fn span(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}
