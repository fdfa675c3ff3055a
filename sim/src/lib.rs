//! A deterministic simulator for `tidings`: a whole cluster on one thread, under every fault we can name, repeatable.
//!
//! The [`Protocol`](tidings::Protocol) that runs over UDP runs here in virtual time, byte for byte, and beside it, on
//! every host, an [`App`] of yours: your failover hears the same events, its messages meet the same faults, its
//! timers keep the time of the same wrong clocks. A minute of five hosts takes milliseconds, so that what happens
//! once a year in production happens in a coffee break, and then again as often as you like.
//!
//! # Test your failover
//!
//! The first host alive is the leader, it thinks. May two hosts think so of themselves at the same time?
//!
//! ```
//! use std::time::Duration;
//! use tidings::Event;
//! use tidings_sim::fault::{Fault, Planned};
//! use tidings_sim::{App, Context, Experiment, Scenario};
//!
//! #[derive(Default)]
//! struct Leader(bool);
//!
//! impl App for Leader {
//!     type Fact = ();
//!
//!     fn on_event(&mut self, context: &mut Context<'_, Self>, _: &Event) {
//!         self.0 = context.live_hosts().first() == Some(&context.host());
//!     }
//! }
//!
//! let scenario = Scenario::new("split", 5, Duration::from_secs(60))
//!     .with(Planned::at(Duration::from_secs(10), Fault::partition(&[0, 1])).lasting(Duration::from_secs(20)));
//! let experiment = Experiment::new(scenario).with_app(|_host| Leader::default()).always("one-leader", |world| {
//!     // Hosts that come together each begin alone.
//!     let is_formed = world.now().as_nanos() > 5_000_000_000;
//!     let leaders = world.hosts().iter().filter(|host| is_formed && host.app().is_some_and(|app| app.0));
//!     let names: Vec<&str> = leaders.map(|host| host.name()).collect();
//!     if names.len() > 1 { Err(format!("{names:?} all lead")) } else { Ok(()) }
//! });
//!
//! let sweep = experiment.sweep(0..100)?;
//! let failure = sweep.failure.expect("a partition makes two leaders");
//! assert_eq!(failure.violations[0].text, r#"["n0", "n2"] all lead"#);
//!
//! // The seed is all that it takes to see it again, this time with every line of what happened.
//! let (again, trace) = experiment.trace(failure.seed)?;
//! assert_eq!(again.trace_hash, failure.trace_hash);
//! trace.story().for_each(|line| println!("{line}"));
//! # Ok::<(), tidings_sim::scenario::ScenarioError>(())
//! ```
//!
//! `examples/test_your_failover.rs` is the same at length: a primary-backup store that loses a write once in a while,
//! and the scenario of a few lines that the simulator makes of it.
//!
//! # What is asked of a run
//!
//! - *Always*, after everything that happens: the protocol's own promises, listed in [`checks::CHECKS`], and those
//!   given to [`Experiment::always`]. A promise is a function of the [`World`](world::World): it sees every host's
//!   application and protocol, true time, and [`facts`](world::World::facts), which outlive the process that put
//!   them on record.
//! - *Eventually*, when the faults are over: whether all views agree again and no member is suspected, within a bound
//!   that follows from the configuration, and what was given to [`Experiment::eventually`].
//! - *Sometimes*, over a sweep: whether the faults ever had an effect. [`Sweep::sometimes`] counts in how many runs
//!   each thing happened; a sweep in which no member was ever called dead has tested no failover.
//!
//! # What can go wrong
//!
//! Each [`Fault`](fault::Fault) is aimed at hosts or links, one-way or both, and [planned](fault::Planned) for a
//! span, on and off, again and again, or one host after the other. A [`Scenario`] is a list of them, built in Rust or
//! read from TOML.
//!
//! - the network: `loss`, `burst-loss`, `latency`, `reorder`, `duplicate`, `corrupt`, `mtu`, `bandwidth`, `clog`;
//! - its shape: `cut`, `partition` with or without bridges, `ring`;
//! - addresses: `nat` (one to one, or the ports of a gateway), `move` under a running process, and of a scenario
//!   `wildcard` binds, addresses `given` to hosts, and `families`;
//! - processes: `crash` and restart, `leave`, `pause`, `block`, `suspend`, `slow`;
//! - clocks: `drift`, `step`, and wall clocks that are behind, ahead or stuck when a process starts, and are
//!   `set-clock` right later;
//! - elections: `resign`, hosts that are `idle` for want of work, or that elections `prefer`, and the disks of voters,
//!   `disk-slow`, `disk-full`, `disk-torn`, `disk-lost`; with every second end of a process its host loses its power,
//!   and what was not synced;
//! - members: `join` storms, a `twin` of the same name, a member that can `lie`, `metadata` that changes, `writers`
//!   that never rest, `forget`.
//!
//! # Determinism and replay
//!
//! A run follows from its scenario and its seed: one thread, one queue, no clock, no entropy, no hash map. The
//! rolling [`trace_hash`](Outcome::trace_hash) takes in everything that happened, so two runs of equal hash were the
//! same run. An application has to keep to that too: see [`App`].
//!
//! What failed is replayed by the seed with [`Experiment::trace`]. [`shrink::shrink`] makes it smaller first; what is
//! left is a scenario without chance, which [`Scenario::to_toml`] prints, [`Scenario::from_toml`] reads, and
//! [`Experiment::on`] runs under the same application and promises, by the same seed. Kept as a file beside your
//! tests, it is the regression test.

pub mod app;
pub mod checks;
mod clock;
pub mod delay;
mod disk;
pub mod expect;
pub mod experiment;
pub mod explore;
pub mod fault;
pub mod forge;
pub mod lab;
pub mod network;
pub mod page;
pub mod random;
pub mod scenario;
pub mod shrink;
pub mod span;
pub mod swarm;
pub mod sweep;
pub mod trace;
pub mod violation;
pub mod watch;
pub mod world;

pub use app::{App, Context, host_of};
pub use experiment::{Experiment, Outcome};
pub use scenario::Scenario;
pub use sweep::Sweep;
