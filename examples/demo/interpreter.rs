//! The interpreter: does what a command says, and passes on what the nodes tell meanwhile.
//!
//! The tour and the prompt both end here. Nothing in it sleeps for correctness: a wait ends with the event that was
//! waited for, or with its deadline.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use tidings::config::{Config, ElectionConfig};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::answers;
use crate::cluster::Cluster;
use crate::commands::{Command, HELP, Number};
use crate::feed::{Clock, Happening};
use crate::leaderships::{ELECTION, voters};
use crate::names::name;
use crate::observations::Observations;
use crate::options::Options;
use crate::report::{Opening, Report};
use crate::silences::{Silences, Silent};
use crate::watch::{Cause, Goal, Succession};

/// Whether to go on after a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Flow {
    On,
    Refused(String),
    Quit,
}

pub struct Interpreter {
    pub report: Box<dyn Report>,
    pub clock: Clock,
    pub cluster: Cluster,
    pub observations: Observations,
    feed: UnboundedReceiver<Happening>,
    /// One side of the partition.
    pub side: BTreeSet<Number>,
    pub opening: Opening,
}

impl Interpreter {
    pub fn new(options: &Options, report: Box<dyn Report>) -> Self {
        let mut config = Config::local("demo");
        config.stall_tolerance = options.stall_tolerance.unwrap_or(config.stall_tolerance);
        config.elections = vec![ElectionConfig::lan(ELECTION, (1..=voters(options.nodes)).map(name))];
        let (send, feed) = unbounded_channel();
        let clock = Clock::start();
        let cluster = Cluster::new(config.clone(), options.seed, clock, send);
        let observations = Observations::new(Silences::new(config.stall_tolerance, config.probe_interval));
        let Options { nodes, interactive, seed, .. } = *options;
        let opening = Opening { nodes, interactive, config, seed };
        Interpreter { report, clock, cluster, observations, feed, side: BTreeSet::new(), opening }
    }

    /// Starts the first nodes.
    ///
    /// # Errors
    /// That of the output; or, within, why a node could not start.
    pub async fn open(&mut self) -> io::Result<Result<(), String>> {
        self.report.open(&self.opening)?;
        let began = self.clock.now();
        for _ in 0..self.opening.nodes {
            match self.cluster.add().await {
                Ok(number) => self.observations.starts(number, self.cluster.starts(number)),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        self.observations.watch("start".to_owned(), began, Goal::Formed);
        self.observations.watch("start".to_owned(), began, Goal::Led(Succession::of(Cause::Start, None)));
        Ok(Ok(()))
    }

    /// Does one command and tells of it.
    pub async fn obey(&mut self, command: Command) -> io::Result<Flow> {
        let (at, text) = (self.clock.now(), command.to_string());
        if !matches!(command, Command::Wait(_)) {
            self.report.command(at, &text)?;
        }

        let done = match command {
            Command::Kill(node) => self.kill(text, node).await,
            Command::Restart(node) => self.restart(text, node).await,
            Command::Freeze(node, time) => self.freeze(text, node, time),
            Command::Partition(side) => self.partition(text, side),
            Command::Heal => self.heal(text),
            Command::Leave(node) => self.leave(text, node),
            Command::Add => self.add(text).await,
            Command::Loss(percent) => {
                self.cluster.lose(percent);
                let says = format!("every node loses {percent} % of what it sends");
                return self.report.answer(at, &text, &[says]).map(|()| Flow::On);
            }
            Command::Members => {
                let lines = answers::members(&self.cluster, &self.observations);
                return self.report.answer(self.clock.now(), &text, &lines).map(|()| Flow::On);
            }
            Command::Leader => {
                let lines = answers::leader(&self.cluster);
                return self.report.answer(self.clock.now(), &text, &lines).map(|()| Flow::On);
            }
            Command::Why(node) => match answers::why(&self.cluster, self.clock, node).await {
                Ok(lines) => return self.report.answer(self.clock.now(), &text, &lines).map(|()| Flow::On),
                Err(reason) => Err(reason),
            },
            Command::Help => {
                let lines: Vec<_> = HELP.iter().map(|(usage, does)| format!("{usage:<14} {does}")).collect();
                return self.report.answer(at, &text, &lines).map(|()| Flow::On);
            }
            Command::Wait(time) => return self.wait(time).await.map(|()| Flow::On),
            Command::Quit => return Ok(Flow::Quit),
        };

        match done {
            Ok(()) => Ok(Flow::On),
            Err(reason) => {
                self.refuse(&reason)?;
                Ok(Flow::Refused(reason))
            }
        }
    }

    pub fn refuse(&mut self, reason: &str) -> io::Result<()> {
        self.report.refused(self.clock.now(), reason)
    }

    /// Something that should have gone otherwise.
    pub fn fail(&mut self, reason: String) {
        self.observations.figures.failed.push(reason);
    }

    /// Until the others have seen all that was done, or so long.
    pub async fn wait(&mut self, time: Duration) -> io::Result<()> {
        let deadline = self.clock.at(self.clock.now() + time);
        while self.observations.is_waiting() {
            tokio::select! {
                turned = self.turn() => turned?,
                () = tokio::time::sleep_until(deadline) => {
                    for outcome in self.observations.give_up(time) {
                        self.report.outcome(self.clock.now(), &outcome)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Until a node may act as leader, or so long.
    pub async fn wait_for_leader(&mut self, time: Duration) -> io::Result<()> {
        let deadline = self.clock.at(self.clock.now() + time);
        while self.cluster.leaderships.current().is_none() {
            tokio::select! {
                turned = self.turn() => turned?,
                () = tokio::time::sleep_until(deadline) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Tells what comes in for so long.
    pub async fn run_for(&mut self, time: Duration) -> io::Result<()> {
        let deadline = self.clock.at(self.clock.now() + time);
        loop {
            tokio::select! {
                turned = self.turn() => turned?,
                () = tokio::time::sleep_until(deadline) => return Ok(()),
            }
        }
    }

    /// Takes in the next thing that happens, or tells what is due; dropping the future loses nothing.
    pub async fn turn(&mut self) -> io::Result<()> {
        let due = self.report.due().map(|due| self.clock.at(due));
        tokio::select! {
            happening = self.feed.recv() => match happening {
                Some(happening) => self.take(happening),
                None => Ok(()), // never: the cluster holds a sender
            },
            () = sleep_until(due) => self.report.tick(self.clock.now()),
        }
    }

    fn take(&mut self, happening: Happening) -> io::Result<()> {
        match happening {
            Happening::Told(told) => {
                if let Some(seen) = self.observations.take(*told) {
                    self.report.seen(self.clock.now(), &seen)?;
                }
            }
            Happening::Thawed { at, node } => {
                self.cluster.thawed(node);
                self.observations.silences.ends(&Silent::Frozen(node), at);
                self.observations.thawed(node, at);
            }
            Happening::Began { at, leadership, beside } => self.observations.began(at, leadership, beside),
            Happening::Ended { at, leadership } => self.observations.ended(at, leadership),
            Happening::Departed { node, departure, .. } => {
                self.cluster.departed(node);
                self.observations.departed(node, departure.map(|left| (left.confirmed, left.asked)));
            }
        }

        for outcome in self.observations.outcomes(|| self.cluster.present()) {
            self.report.outcome(self.clock.now(), &outcome)?;
        }
        Ok(())
    }

    /// Tells the figures; whether everything was as expected.
    pub fn summary(&mut self) -> io::Result<bool> {
        self.report.summary(self.clock.now(), &self.opening, &self.observations.figures)?;
        Ok(self.observations.figures.passed())
    }

    pub async fn close(&mut self) {
        self.cluster.close().await;
    }
}

async fn sleep_until(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
