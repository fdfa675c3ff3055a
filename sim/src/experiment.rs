//! One seed, run from its beginning to its end under all checks, and what came of it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tidings::Instant;

use crate::app::App;
use crate::checks::{Checks, Settling, Sometimes, is_estranged, put_off, unled, unsettled};
use crate::scenario::{Scenario, ScenarioError};
use crate::trace::Trace;
use crate::violation::Violation;
use crate::world::World;

/// How often a cluster is looked at while it settles.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A run ends here, unless told otherwise: datagrams that cause ever more datagrams shall not hold up a sweep.
const HAPPENINGS_MAX: u64 = 50_000_000;

/// What to run: a scenario, or one drawn from each seed, with an application on every host if one is wanted.
pub struct Experiment<A: App = ()> {
    source: Source,
    new_app: fn(u32) -> A,
    always: Vec<(&'static str, Promise<A>)>,
    eventually: Vec<(&'static str, Promise<A>)>,
    hosts_min: u32,
    happenings_max: u64,
}

/// A promise of one's own about a world; the error is what was seen. Being a mere function, it can carry nothing from
/// one run into another: what it judges stands in the world, and what went before in [`World::facts`].
pub type Promise<A> = fn(&World<A, Checks>) -> Result<(), String>;

#[derive(Clone)]
enum Source {
    Scenario(Box<Scenario>),
    Drawn(fn(u64) -> Scenario),
}

// Not derived, which would ask the same of the application.
impl<A: App> Clone for Experiment<A> {
    fn clone(&self) -> Self {
        Experiment {
            source: self.source.clone(),
            new_app: self.new_app,
            always: self.always.clone(),
            eventually: self.eventually.clone(),
            hosts_min: self.hosts_min,
            happenings_max: self.happenings_max,
        }
    }
}

impl<A: App> std::fmt::Debug for Experiment<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let always: Vec<_> = self.always.iter().map(|(name, _)| name).collect();
        f.debug_struct("Experiment").field("always", &always).finish_non_exhaustive()
    }
}

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed that it ran with.
    pub seed: u64,
    /// What ran, with everything decided that was left to chance.
    pub scenario: Scenario,
    /// The names of all hosts that ever started, by their number; twins share one.
    pub hosts: Vec<String>,
    /// The rolling hash of all that happened.
    pub trace_hash: u64,
    /// Virtual time that passed.
    pub lasted: Duration,
    /// Inputs to protocols, and faults applied.
    pub happenings: u64,
    /// Datagrams sent.
    pub datagrams: u64,
    /// Bytes sent, of UDP payload.
    pub bytes: u64,
    /// Promises broken, the first first.
    pub violations: Vec<Violation>,
    /// Which things ever happened in it.
    pub sometimes: Sometimes,
    /// How long after the faults everything was in order, if it was.
    pub settled_after: Option<Duration>,
}

impl Experiment {
    /// Runs this scenario.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        Experiment::of(Source::Scenario(Box::new(scenario)), |_| ())
    }

    /// Runs whatever is drawn from each seed.
    #[must_use]
    pub fn drawn(draw: fn(u64) -> Scenario) -> Self {
        Experiment::of(Source::Drawn(draw), |_| ())
    }

    /// With an application on every host; it is made anew, from the host's number, at every start of a process.
    /// Comes before the promises, which speak of it.
    #[must_use]
    pub fn with_app<A: App>(self, new_app: fn(u32) -> A) -> Experiment<A> {
        Experiment::of(self.source, new_app).happenings_max(self.happenings_max)
    }
}

impl<A: App> Experiment<A> {
    fn of(source: Source, new_app: fn(u32) -> A) -> Self {
        Experiment {
            source,
            new_app,
            always: Vec::new(),
            eventually: Vec::new(),
            hosts_min: 1,
            happenings_max: HAPPENINGS_MAX,
        }
    }

    /// Holds every run to a promise of one's own, asked after every happening.
    #[must_use]
    pub fn always(mut self, name: &'static str, promise: Promise<A>) -> Self {
        self.always.push((name, promise));
        self
    }

    /// Holds every run to a promise that may be broken while something is wrong: it is asked once a second when the
    /// faults are over, has to hold together with the protocol's own within their bound, and at the end of the run.
    /// Not asked in a run whose faults do not end before it does.
    #[must_use]
    pub fn eventually(mut self, name: &'static str, promise: Promise<A>) -> Self {
        self.eventually.push((name, promise));
        self
    }

    /// Says that the application means nothing on fewer hosts, so that a failing run is not shrunk below.
    #[must_use]
    pub fn needs_hosts(self, hosts_min: u32) -> Self {
        Experiment { hosts_min, ..self }
    }

    pub(crate) fn hosts_min(&self) -> u32 {
        self.hosts_min
    }

    /// Ends a run that is not over after so many happenings, and counts that as a broken promise (`ends`).
    #[must_use]
    pub fn happenings_max(self, happenings_max: u64) -> Self {
        Experiment { happenings_max, ..self }
    }

    /// The scenario of a seed, as written; what it leaves to chance is not yet drawn.
    #[must_use]
    pub fn scenario(&self, seed: u64) -> Scenario {
        match &self.source {
            Source::Scenario(scenario) => (**scenario).clone(),
            Source::Drawn(draw) => draw(seed),
        }
    }

    /// The same experiment with another scenario.
    #[must_use]
    pub fn on(&self, scenario: Scenario) -> Self {
        Experiment { source: Source::Scenario(Box::new(scenario)), ..self.clone() }
    }

    /// Runs one seed.
    ///
    /// # Errors
    /// What is wrong with the scenario.
    pub fn run(&self, seed: u64) -> Result<Outcome, ScenarioError> {
        self.conduct(seed, World::new).map(|(outcome, _)| outcome)
    }

    /// Runs one seed and keeps every line of what happened.
    ///
    /// # Errors
    /// What is wrong with the scenario.
    pub fn trace(&self, seed: u64) -> Result<(Outcome, Trace), ScenarioError> {
        self.conduct(seed, World::traced)
    }

    fn conduct(&self, seed: u64, begin: Begin<A>) -> Result<(Outcome, Trace), ScenarioError> {
        let scenario = self.scenario(seed);
        let checks = Checks::new(&scenario, &scenario.resolve(seed).configs()?);
        let mut run = Run {
            world: begin(&scenario, seed, self.new_app, checks)?,
            experiment: self,
            broken: Vec::new(),
            turns: 0,
        };

        // A panic is the end of one seed, not of a sweep; what led to it is in the trace, which nothing writes to
        // again.
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let settled_after = run.whole();
            run.finish();
            settled_after
        }));
        let (settled_after, is_whole) = match ran {
            Ok(settled_after) => (settled_after, true),
            Err(payload) => {
                run.broken.push(panicked(run.world.now(), payload.as_ref()));
                (None, false)
            }
        };

        for violation in run.broken.iter() {
            run.world.note_violation(violation.check, &violation.text, &violation.hosts);
        }

        let lasted = run.world.now().since(Instant::ORIGIN);
        let hosts: Vec<String> = run.world.hosts().iter().map(|host| host.name().to_owned()).collect();
        let protocols = run.world.hosts().iter().filter(|_| is_whole).filter_map(|host| host.protocol());
        let metrics: Vec<_> = protocols.map(tidings::Protocol::metrics).collect();
        let (scenario, trace, mut checks) = run.world.into_parts();
        metrics.iter().for_each(|metrics| checks.sometimes_mut().counted(metrics));

        let outcome = Outcome {
            seed,
            scenario,
            hosts,
            trace_hash: trace.hash(),
            lasted,
            happenings: trace.happenings(),
            datagrams: trace.datagrams(),
            bytes: trace.bytes(),
            violations: run.broken,
            sometimes: checks.sometimes().clone(),
            settled_after,
        };

        Ok((outcome, trace))
    }
}

type Begin<A> = fn(&Scenario, u64, fn(u32) -> A, Checks) -> Result<World<A, Checks>, ScenarioError>;

struct Run<'a, A: App> {
    world: World<A, Checks>,
    experiment: &'a Experiment<A>,
    broken: Vec<Violation>,
    /// Turns of the world's queue: every happening is part of one, and each is finite.
    turns: u64,
}

/// A panic as a broken promise.
fn panicked(at: Instant, payload: &(dyn Any + Send)) -> Violation {
    let said = payload.downcast_ref::<&str>().copied();
    let said = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word");
    Violation { check: "panics", at, text: format!("something panicked: {said}"), hosts: Vec::new() }
}

impl<A: App> Run<'_, A> {
    /// Safety first, then, when the faults are over, liveness; how long the cluster took to settle, if it did.
    fn whole(&mut self) -> Option<Duration> {
        self.elect();
        let scenario = self.world.scenario();
        let end = Instant::ORIGIN + scenario.lasts;
        let over = scenario.faults_end().filter(|_| scenario.never_settles().is_none());
        let Some(over) = over.map(|over| Instant::ORIGIN + over) else {
            self.until(end);
            return None;
        };

        self.until(over);

        // Now liveness: from the end of the faults on, the cluster has to find back within its bound.
        let mut settling = Settling::new(over, self.world.scenario(), self.world.configs());
        while self.broken.is_empty() {
            self.until(self.world.now() + LOOK_EVERY);
            let disorder = self.look(&mut settling);
            if settling.settled.is_some() {
                break;
            }
            if settling.is_overdue(self.world.now()) {
                self.broken.extend(disorder);
            }
        }

        // In the end it sends no more than an idle cluster does.
        let idle = settling.idle_window(self.world.configs());
        let quiet = over + put_off(&self.world);
        self.until((end - idle).max(self.world.now()).max(quiet));
        settling.begin_idle(&self.world);
        self.until((self.world.now() + idle).max(end));

        if self.broken.is_empty() {
            let settled = settling.settled;
            self.broken.extend(self.look(&mut settling).or_else(|| settling.is_idle(&self.world)));
            return settled.map(|at| at.since(over));
        }
        None
    }

    /// Runs until the faults have been over for as long as an election may take, from when a quorum knows where to
    /// write or must have come to know it, and asks for leaders.
    fn elect(&mut self) {
        let scenario = self.world.scenario();
        let over = scenario.faults_end().filter(|_| scenario.promises_leaders());
        let Some(over) = over.map(|over| Instant::ORIGIN + over) else { return };

        let bound = scenario.election_bound(self.world.config());
        let settling = Settling::new(over, scenario, self.world.configs());
        self.until(over);

        // Counted from when the voters know each other: a late change may bring voters that do not.
        let mut acquainted = over;
        while self.broken.is_empty() {
            let now = self.world.now();
            if is_estranged(&self.world) && !settling.is_overdue(now) {
                acquainted = now + LOOK_EVERY;
            } else if now >= acquainted + bound {
                break;
            }
            self.until((now + LOOK_EVERY).min((acquainted + bound).max(now)));
        }

        let Some(change) = self.ask_for_leaders(None) else { return };
        // It may have begun just now, under a leader that came late.
        self.until(self.world.now() + bound);
        self.ask_for_leaders(Some(change));
    }

    /// Asks for leaders, unless a promise is broken already, and for the end of the change of voters to these lists;
    /// the lists of a change that is under way.
    fn ask_for_leaders(&mut self, before: Option<u64>) -> Option<u64> {
        if !self.broken.is_empty() {
            return None;
        }
        let unled = unled(&self.world);
        let (lists, unsettled) = unsettled(&self.world).unzip();
        let is_same = before.is_some() && before == lists;
        self.broken.extend(unled.or(unsettled.filter(|_| is_same)));
        lists.filter(|_| self.broken.is_empty())
    }

    /// Judges what the scenario expects and has not come.
    fn finish(&mut self) {
        if self.broken.is_empty() {
            let end = self.world.now();
            self.world.watch_mut().finish(end);
            self.broken = self.world.watch().broken().to_vec();
        }
    }

    /// Runs until a moment, or until a promise is broken.
    fn until(&mut self, end: Instant) {
        while self.broken.is_empty() && self.world.step(end) {
            self.turns += 1;
            let most = self.experiment.happenings_max;
            if self.turns.max(self.world.trace().happenings()) > most {
                let text = format!("not over after {most} happenings");
                self.broken.push(Violation { check: "ends", at: self.world.now(), text, hosts: Vec::new() });
            }
            let broken = self.world.watch().broken();
            if !broken.is_empty() {
                self.broken = broken.to_vec();
            }
            let unkept: Vec<_> = self.unkept(&self.experiment.always).collect();
            self.broken.extend(unkept);
        }
    }

    /// Looks whether everything is in order, by the protocol's promises and then by the embedder's.
    fn look(&self, settling: &mut Settling) -> Option<Violation> {
        let disorder = settling.look(&self.world).or_else(|| self.unkept(&self.experiment.eventually).next());
        if disorder.is_some() {
            settling.settled = None;
        }
        disorder
    }

    fn unkept(&self, promises: &[(&'static str, Promise<A>)]) -> impl Iterator<Item = Violation> {
        let at = self.world.now();
        promises.iter().filter_map(move |(check, promise)| {
            let text = promise(&self.world).err()?;
            Some(Violation { check, at, text, hosts: Vec::new() })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Experiment {
        Experiment::new(Scenario::new("t", 3, Duration::from_secs(20)))
    }

    #[test]
    fn a_panic_is_the_failure_of_its_seed_and_keeps_its_trace() {
        let experiment = quiet().always("calm", |world| {
            assert!(world.now() < Instant::ORIGIN + Duration::from_secs(5), "it is {} already", world.now());
            Ok(())
        });
        let (outcome, trace) = experiment.trace(1).unwrap();
        let (again, _) = experiment.trace(1).unwrap();
        assert_eq!(outcome.violations[0].check, "panics");
        assert!(outcome.violations[0].text.contains("already"), "{:?}", outcome.violations);
        assert_eq!((again.trace_hash, again.violations), (outcome.trace_hash, outcome.violations));
        assert!(trace.lines().len() > 10 && outcome.lasted >= Duration::from_secs(5));
    }

    #[test]
    fn a_run_that_does_not_end_is_ended() {
        let outcome = quiet().happenings_max(50).run(1).unwrap();
        assert_eq!(outcome.violations[0].check, "ends");
        assert!(outcome.happenings <= 51 && outcome.lasted < Duration::from_secs(20), "{outcome:?}");
        assert_eq!(quiet().run(1).unwrap().violations, []);
    }
}
