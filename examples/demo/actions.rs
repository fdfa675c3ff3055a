//! What is done to the cluster, and what is expected of it from then on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::commands::Number;
use crate::interpreter::Interpreter;
use crate::leaderships::Leadership;
use crate::names;
use crate::silences::Silent;
use crate::watch::{Cause, Goal, Limits, Succession};

/// Each starts a watch under the text of its command; an error says why the thing cannot be done.
impl Interpreter {
    pub async fn kill(&mut self, text: String, node: Number) -> Result<(), String> {
        let at = self.clock.now();
        let led = self.cluster.leaderships.current().filter(|leadership| leadership.node == node);
        self.cluster.kill(node).await?;
        self.stopped(node, at);
        let pending = self.observers(node);
        self.observations.watch(text.clone(), at, Goal::Killed { node, pending });
        self.succeed(text, at, Cause::Kill, led);
        Ok(())
    }

    /// A leader is gone, or cut off: another one is expected if enough voters can still meet.
    fn succeed(&mut self, text: String, at: Duration, cause: Cause, led: Option<Leadership>) {
        let Some(led) = led else { return };
        let config = &self.opening.config.elections;
        let Some(voters) = config.first().map(|election| &election.voters) else { return };
        let present = self.cluster.present().into_iter().map(|present| present.node);
        let others = present.filter(|node| *node != led.node && (cause == Cause::Kill || self.is_across(*node, led)));
        let (mut sides, quorum) = ([0, 0], voters.len() / 2 + 1);
        for node in others.filter(|node| voters.contains(&names::name(*node))) {
            sides[usize::from(self.side.contains(&node))] += 1;
        }
        if sides.iter().any(|voters| *voters >= quorum) {
            self.observations.watch(text, at, Goal::Led(Succession::of(cause, Some(led))));
        }
    }

    fn is_across(&self, node: Number, led: Leadership) -> bool {
        self.side.contains(&node) != self.side.contains(&led.node)
    }

    pub async fn restart(&mut self, text: String, node: Number) -> Result<(), String> {
        let at = self.clock.now();
        self.cluster.restart(node).await?;
        self.observations.silences.ends(&Silent::Gone(node), self.clock.now());
        self.arrived(text, at, node, true);
        Ok(())
    }

    pub async fn add(&mut self, text: String) -> Result<(), String> {
        let at = self.clock.now();
        let node = self.cluster.add().await?;
        self.arrived(text, at, node, false);
        Ok(())
    }

    fn arrived(&mut self, text: String, at: Duration, node: Number, restarted: bool) {
        self.observations.forget_node(node);
        self.observations.starts(node, self.cluster.starts(node));
        let present = self.cluster.present().into_iter().find(|present| present.node == node);
        let generation = present.map(|present| present.generation).unwrap_or_default();
        let pending = self.observers(node).into_iter().flat_map(|other| [(other, node), (node, other)]).collect();
        let goal = Goal::Arrived { node, generation, restarted, pending };
        self.observations.watch(text, at, goal);
    }

    pub fn freeze(&mut self, text: String, node: Number, time: Duration) -> Result<(), String> {
        let at = self.clock.now();
        self.cluster.freeze(node, time)?;
        self.observations.forget_node(node);
        self.observations.silences.ends(&Silent::Frozen(node), at);
        self.observations.silences.begins(Silent::Frozen(node), at);
        let tolerance = self.opening.config.stall_tolerance;
        let limits = Limits { suspect_expected: time * 2 >= tolerance, dead_allowed: time >= tolerance };
        self.observations.watch(text, at, Goal::Frozen { node, limits, thawed: None });
        Ok(())
    }

    pub fn partition(&mut self, text: String, side: BTreeSet<Number>) -> Result<(), String> {
        let at = self.clock.now();
        let led = self.cluster.leaderships.current();
        self.cluster.partition(&side)?;
        self.observations.forget_cuts();
        self.observations.silences.ends(&Silent::Cut(self.side.clone()), at);
        self.observations.silences.begins(Silent::Cut(side.clone()), at);
        self.side = side;
        let nodes: Vec<Number> = self.cluster.present().iter().map(|present| present.node).collect();
        let pairs = nodes.iter().flat_map(|one| nodes.iter().map(move |other| (*one, *other)));
        let pending = pairs.filter(|(one, other)| self.cluster.is_cut(*one, *other)).collect();
        self.observations.watch(text.clone(), at, Goal::Cut { pending });
        self.succeed(text, at, Cause::Cut, led);
        Ok(())
    }

    pub fn heal(&mut self, text: String) -> Result<(), String> {
        let at = self.clock.now();
        self.cluster.heal()?;
        self.observations.forget_cuts();
        self.observations.silences.ends(&Silent::Cut(std::mem::take(&mut self.side)), self.clock.now());
        self.observations.watch(text, at, Goal::Healed(BTreeMap::new()));
        Ok(())
    }

    pub fn leave(&mut self, text: String, node: Number) -> Result<(), String> {
        let at = self.clock.now();
        self.cluster.leave(node)?;
        self.stopped(node, at);
        let pending = self.observers(node);
        self.observations.watch(text, at, Goal::Left { node, pending, stopped: None });
        Ok(())
    }

    fn stopped(&mut self, node: Number, at: Duration) {
        self.observations.forget_node(node);
        self.observations.stops(node);
        self.observations.silences.ends(&Silent::Frozen(node), at);
        self.observations.silences.begins(Silent::Gone(node), at);
    }

    /// The nodes that can see what happens to this one now: those that run, on its side if it was cut off.
    fn observers(&self, node: Number) -> BTreeSet<Number> {
        let others = self.cluster.present().into_iter().map(|present| present.node);
        others.filter(|other| *other != node && !self.cluster.is_cut(node, *other)).collect()
    }
}
