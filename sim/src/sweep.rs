//! Many seeds, one after the other, until one breaks a promise.
//!
//! Threads are the caller's: a seed needs nothing but its number, so an [`Experiment`] may be shared by as many threads
//! as there are, and the command line does so.

use crate::app::App;
use crate::checks::Sometimes;
use crate::experiment::{Experiment, Outcome};
use crate::scenario::ScenarioError;

/// What came of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// Seeds that ran, the failing one included.
    pub runs: u64,
    /// Inputs to protocols and applications, and faults applied, in all of them.
    pub happenings: u64,
    /// In how many runs each thing happened: a sweep in which nothing ever went wrong has tried nothing.
    pub sometimes: Sometimes,
    /// The first seed that broke a promise.
    pub failure: Option<Outcome>,
}

impl<A: App> Experiment<A> {
    /// Runs seeds in their order and stops after the first that breaks a promise.
    ///
    /// # Errors
    /// What is wrong with a scenario.
    pub fn sweep(&self, seeds: impl IntoIterator<Item = u64>) -> Result<Sweep, ScenarioError> {
        let mut sweep = Sweep::default();
        for seed in seeds {
            let outcome = self.run(seed)?;
            sweep.runs += 1;
            sweep.happenings += outcome.happenings;
            sweep.sometimes.add(&outcome.sometimes);
            if !outcome.violations.is_empty() {
                sweep.failure = Some(outcome);
                break;
            }
        }
        Ok(sweep)
    }
}
