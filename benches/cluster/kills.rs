//! How soon a crash is found: nodes are dropped without a word at random phases, and every other node's subscriber is
//! timed.

use std::time::{Duration, Instant};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use tidings::config::Config;
use tidings::runtime::Node;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::cpu::Reading;
use crate::nodes::{Home, Outcome, agreed, builder, cluster, stop};
use crate::report::{Cell, Table, seconds, spread, verdict};

/// No crash takes longer than this to be told by everyone.
const PATIENCE: Duration = Duration::from_secs(60);
/// Probe intervals that a cluster is left alone after it formed, and after each restart; up to so many more, by chance.
const REST: u32 = 4;
const PHASES: u32 = 8;

pub struct Case {
    pub profile: &'static str,
    pub nodes: usize,
    pub config: Config,
    /// Of the median first Suspect, the median and p99 first Dead, and the greatest time from the first Dead to the
    /// last.
    pub limits: [Option<Duration>; 4],
}

impl Case {
    pub fn lan(nodes: usize) -> Self {
        let limits = [1_400, 3_900, 5_000, 150].map(|ms| Some(Duration::from_millis(ms)));
        Case { profile: "lan", nodes, config: Config::lan("bench"), limits }
    }

    pub fn local(nodes: usize) -> Self {
        let limits = [None, Some(Duration::from_millis(1_400)), None, None];
        Case { profile: "local", nodes, config: Config::local("bench"), limits }
    }
}

/// What a subscriber of one node received.
struct Told {
    at: Instant,
    observer: String,
    kind: &'static str,
    about: Option<(String, u64)>,
}

struct Trial {
    config: Config,
    nodes: Vec<Node>,
    told: UnboundedReceiver<Told>,
    teller: UnboundedSender<Told>,
    random: Xoshiro256PlusPlus,
    /// The nodes that were killed, by name and generation.
    killed: Vec<(String, u64)>,
    found: Found,
}

#[derive(Default)]
struct Found {
    suspect: Vec<Duration>,
    dead: Vec<Duration>,
    spread: Vec<Duration>,
    missed: u64,
    false_suspects: u64,
    false_deaths: u64,
    stalls: u64,
}

pub async fn table(case: &Case, kills: u64, seed: u64) -> Outcome<Table> {
    let title = format!(
        "Seconds from a kill to what {} subscribers were told, {} nodes, {}(), {kills} kills at random phases",
        case.nodes - 1,
        case.nodes,
        case.profile
    );
    let columns = ["what", "min", "median", "p99", "max", "limit", "verdict", "disturbances", "others %"];
    let mut table = Table::new(&title, &columns);

    let before = Reading::now()?;
    let mut trial = Trial::start(case, seed).await?;
    for kill in 1..=kills {
        eprintln!("kill {kill} of {kills}");
        trial.rest().await;
        trial.kill().await?;
    }

    let others = Reading::now()?.since(&before).others;
    let Trial { nodes, mut found, .. } = trial;
    stop(nodes).await;

    let [suspect, dead, dead_p99, last] = case.limits;
    let disturbances = format!(
        "{} stalls, {} false Suspects, {} false Deads, {} kills missed",
        found.stalls, found.false_suspects, found.false_deaths, found.missed
    );

    let none = None;
    let rows = [
        ("first Suspect", &mut found.suspect, [suspect, none, none]),
        ("first Dead", &mut found.dead, [dead, dead_p99, none]),
        ("last Dead - first", &mut found.spread, [none, none, last]),
    ];

    for (what, values, limits) in rows {
        let [min, median, p99, max] = spread(values);
        let held = [("median", median), ("p99", p99), ("max", max)].into_iter().zip(limits);
        let held: Vec<_> = held.filter_map(|((name, value), limit)| Some((name, value, limit?))).collect();
        let is_met = found.missed == 0 && held.iter().all(|(_, value, limit)| value <= limit);
        let limits: Vec<_> = held.iter().map(|(name, _, limit)| format!("{name} {}", limit.as_secs_f64())).collect();
        let verdict = if held.is_empty() { Cell::from("") } else { verdict(is_met) };

        let mut row = vec![Cell::from(what)];
        row.extend([min, median, p99, max].map(seconds));
        row.extend([Cell::Text(limits.join(", ")), verdict]);
        row.extend([Cell::Text(disturbances.clone()), Cell::Number(others, 0)]);
        table.row(row);
    }

    Ok(table)
}

impl Trial {
    async fn start(case: &Case, seed: u64) -> Outcome<Self> {
        let nodes = cluster(&case.config, case.nodes, Home::OwnThreads).await?;
        let (teller, told) = unbounded_channel();
        for node in &nodes {
            listen(node, &teller);
        }
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let config = case.config.clone();
        Ok(Trial { config, nodes, told, teller, random, killed: Vec::new(), found: Found::default() })
    }

    async fn rest(&mut self) {
        let interval = self.config.probe_interval;
        let more = (interval * PHASES).as_nanos() as u64;
        tokio::time::sleep(interval * REST + Duration::from_nanos(self.random.next_u64() % more)).await;
    }

    /// Kills a node, waits for every other's verdict, and starts it again.
    async fn kill(&mut self) -> Outcome<()> {
        while let Ok(told) = self.told.try_recv() {
            self.note_false(&told);
        }

        let size = self.nodes.len();
        let place = self.random.next_u64() as usize % size;
        let node = self.nodes.swap_remove(place);
        let name = node.name().to_owned();
        let generation = node.view().me().ok_or("a node that runs lists itself")?.generation().0;
        let victim = (name.clone(), generation);
        self.killed.push(victim.clone());

        let stopped = node.stopped();
        let killed_at = Instant::now();
        drop(node);

        let (mut suspect, mut deaths) = (None, Vec::new());
        while deaths.len() < size - 1 {
            let left = PATIENCE.saturating_sub(killed_at.elapsed());
            let Ok(Some(told)) = tokio::time::timeout(left, self.told.recv()).await else { break };
            let is_news = told.about.as_ref() == Some(&victim) && told.observer != name;
            match told.kind {
                "suspect" if is_news => suspect = Some(suspect.map_or(told.at, |first: Instant| first.min(told.at))),
                "dead" if is_news => deaths.push(told.at),
                _ => self.note_false(&told),
            }
        }

        let dead = (deaths.iter().min(), deaths.iter().max());
        if let (true, Some(suspect), (Some(first), Some(last))) = (deaths.len() == size - 1, suspect, dead) {
            self.found.suspect.push(suspect - killed_at);
            self.found.dead.push(*first - killed_at);
            self.found.spread.push(*last - *first);
        } else {
            self.found.missed += 1;
        }

        stopped.await;
        self.restart(&name, size).await
    }

    async fn restart(&mut self, name: &str, size: usize) -> Outcome<()> {
        let contact = self.nodes.first().ok_or("nobody is left to join")?.local_address();
        let node = builder(name, &self.config, Home::OwnThreads).contacts([contact]).start().await?;
        listen(&node, &self.teller);
        self.nodes.push(node);
        agreed(&self.nodes, size).await
    }

    /// Counts what was said of nodes that run, and by nodes that did not.
    fn note_false(&mut self, told: &Told) {
        let is_killed = told.about.as_ref().is_some_and(|about| self.killed.contains(about));
        match told.kind {
            "suspect" if !is_killed => self.found.false_suspects += 1,
            "dead" if !is_killed => self.found.false_deaths += 1,
            "self_stalled" => self.found.stalls += 1,
            _ => {}
        }
    }
}

/// Passes on what a node's subscriber receives, dated, until the node stops.
fn listen(node: &Node, teller: &UnboundedSender<Told>) {
    let (mut events, observer, teller) = (node.events(), node.name().to_owned(), teller.clone());
    tokio::spawn(async move {
        while let Some(notice) = events.next().await {
            let at = Instant::now();
            let member = notice.event.member();
            let about = member.map(|member| (member.name().to_owned(), member.generation().0));
            let told = Told { at, observer: observer.clone(), kind: notice.event.kind(), about };
            if teller.send(told).is_err() {
                return;
            }
        }
    });
}
