//! When a fault happens: once or again and again, for a while or for ever, to all at once or one after the other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Fault, Hosts};
use crate::random::Random;
use crate::span;

/// A fault with its time, measured from the scenario's beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// When it begins.
    #[serde(with = "span")]
    pub at: Duration,
    /// How long it lasts; without it to the end.
    #[serde(rename = "for", with = "span::optional", default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Duration>,
    /// While it lasts it comes and goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flap: Option<Flap>,
    /// It hits its hosts one after the other, so far apart.
    #[serde(with = "span::optional", default, skip_serializing_if = "Option::is_none")]
    pub stagger: Option<Duration>,
    /// It happens again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Repeat>,
    /// What happens.
    pub what: Fault,
}

/// How a fault comes and goes within its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flap {
    /// How long it is in force, the first time from its beginning.
    #[serde(with = "span")]
    pub on: Duration,
    /// How long it pauses then.
    #[serde(with = "span")]
    pub off: Duration,
}

/// Again and again; what is left to chance is drawn anew each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How long after the time before.
    #[serde(with = "span")]
    pub every: Duration,
    /// How often in all.
    pub times: u32,
}

impl Planned {
    /// A fault that begins then and lasts to the end.
    #[must_use]
    pub fn at(at: Duration, what: Fault) -> Self {
        Planned { at, lasts: None, flap: None, stagger: None, again: None, what }
    }

    /// The same for a while.
    #[must_use]
    pub fn lasting(self, span: Duration) -> Self {
        Planned { lasts: Some(span), ..self }
    }

    /// The same, coming and going.
    #[must_use]
    pub fn flapping(self, on: Duration, off: Duration) -> Self {
        Planned { flap: Some(Flap { on, off }), ..self }
    }

    /// When it is over for good; none if never.
    #[must_use]
    pub fn ends(&self) -> Option<Duration> {
        self.lasts.map(|lasts| self.at.saturating_add(lasts))
    }

    /// When it begins for the last time: again and again, and at one of so many hosts after the other.
    #[must_use]
    pub fn begins_last(&self, hosts: u32) -> Duration {
        let again = self.again.map_or(Duration::ZERO, |again| again.every * again.times.saturating_sub(1));
        let apart = self.stagger.map_or(Duration::ZERO, |apart| apart * hosts.saturating_sub(1));
        self.at + again + apart
    }

    /// The single faults this stands for: repetitions, staggered hosts and chance resolved.
    pub(crate) fn resolve(&self, random: &mut Random, hosts: u32) -> Vec<Planned> {
        let (every, times) = self.again.map_or((Duration::ZERO, 1), |again| (again.every, again.times));
        let mut resolved = Vec::new();
        for time in 0..times {
            let mut one = Planned { at: self.at + every * time, again: None, stagger: None, ..self.clone() };
            draw(&mut one.what, random, hosts);
            resolved.extend(stagger(one, self.stagger, hosts));
        }
        resolved
    }
}

fn draw(fault: &mut Fault, random: &mut Random, hosts: u32) {
    if let Some(aimed) = fault.hosts_mut() {
        aimed.draw(random, hosts);
    }
    if let Some(links) = fault.links_mut() {
        links.draw(random, hosts);
    }
    match fault {
        Fault::Lie { about: others, .. } | Fault::Forget { whom: others, .. } => others.draw(random, hosts),
        _ => {}
    }
}

fn stagger(one: Planned, apart: Option<Duration>, hosts: u32) -> Vec<Planned> {
    let mut probe = one.clone();
    let (Some(apart), Some(aimed)) = (apart, probe.what.hosts_mut()) else { return vec![one] };
    let numbers = aimed.numbers(hosts);
    let each = numbers.into_iter().zip(0..).map(|(host, place)| {
        let mut single = Planned { at: one.at + apart * place, ..one.clone() };
        if let Some(aimed) = single.what.hosts_mut() {
            *aimed = Hosts::These(vec![host]);
        }
        single
    });
    each.collect()
}
