//! The show: what goes wrong, when, and at which broker; a line a second; the proof.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::client::{Writers, write};
use crate::cluster::{Cluster, Said};
use crate::options::Show as Options;
use crate::proof::Proof;
use crate::voters::Plan;
use crate::{NAMES, PARTITIONS};

/// From one action to the next; and how long its effect lasts, which is more than the detector needs for a verdict.
const ACTION: Duration = Duration::from_millis(2_200);
const LASTS: Duration = Duration::from_millis(1_800);
/// For the start and the end; on a busy machine much more than they need.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Freeze,
    Kill,
    Cut,
    Leave,
}

struct Show {
    options: Options,
    folder: PathBuf,
    began: Instant,
    cluster: Cluster,
    lines: UnboundedReceiver<Said>,
    writers: Arc<Writers>,
    random: Xoshiro256PlusPlus,
    voters: Plan,
    /// Actions still to come in this round.
    deck: Vec<Action>,
    /// What was done, and to which brokers.
    actions: Vec<String>,
    /// The action whose effect lasts, and the brokers it was done to.
    present: Option<(Action, Vec<&'static str>)>,
    /// Acknowledged when the last line was printed.
    before: u64,
}

/// Runs it all; whether the proof holds.
#[tokio::main]
pub async fn play(options: &Options) -> Result<bool, Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("tidings-broker-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let options = Options { ..*options };
    let done = tokio::select! {
        done = Show::new(options, folder.clone()).play() => done,
        _ = tokio::signal::ctrl_c() => Err(io::ErrorKind::Interrupted.into()), // the processes end with the show
    };
    std::fs::remove_dir_all(&folder)?;
    Ok(done?)
}

impl Show {
    fn new(options: Options, folder: PathBuf) -> Self {
        let (send, lines) = unbounded_channel();
        let writers = Arc::new(Writers::default());
        let mut random = Xoshiro256PlusPlus::seed_from_u64(options.seed);
        Show {
            cluster: Cluster::new(folder.clone(), options.fenced, send, Arc::clone(&writers)),
            voters: Plan::new(options.time, |bound| below(&mut random, bound)),
            random,
            folder,
            began: Instant::now(),
            lines,
            writers,
            deck: Vec::new(),
            actions: Vec::new(),
            present: None,
            before: 0,
            options,
        }
    }

    async fn play(mut self) -> io::Result<bool> {
        let Options { time, seed, fenced, .. } = self.options;
        let fence = if fenced { "" } else { ", WITHOUT A FENCE" };
        println!("{} brokers, {PARTITIONS} partitions, {} s, seed {seed}{fence}", NAMES.len(), time.as_secs());
        for name in NAMES {
            self.cluster.start(name)?;
            self.complete().await?;
        }

        let mut writers = JoinSet::new();
        for partition in 0..PARTITIONS {
            writers.spawn(write(Arc::clone(&self.writers), partition, seed));
        }

        self.began = Instant::now();
        self.disturb(time).await?;

        self.writers.finish.store(true, SeqCst);
        let mut unserved = PARTITIONS as u64;
        let all = async {
            while let Some(done) = writers.join_next().await {
                unserved -= u64::from(done.is_ok());
            }
        };
        // Writers that are not done by then are counted.
        let _ = timeout(PATIENCE, all).await;
        writers.abort_all();

        let acknowledged: Vec<u64> = self.writers.acknowledged.iter().map(|last| last.load(SeqCst)).collect();
        self.cluster.end();
        while let Ok(said) = self.lines.try_recv() {
            self.cluster.hear(said);
        }
        self.line();

        let proof = Proof::read(&self.folder, &acknowledged, unserved)?;
        Ok(self.summary(&proof))
    }

    /// Listens until all that were started have said where they are.
    async fn complete(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.cluster.has_started() {
            tokio::select! {
                Some(said) = self.lines.recv() => self.cluster.hear(said),
                () = sleep_until(deadline) => return Err(io::Error::other("not all brokers started")),
            }
        }
        Ok(())
    }

    /// Does one action after the other, and undoes each, for so long; then all run again.
    async fn disturb(&mut self, time: Duration) -> io::Result<()> {
        let end = self.began + time;
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        seconds.reset();
        let mut next = self.began + Duration::from_millis(700);

        loop {
            tokio::select! {
                Some(said) = self.lines.recv() => self.hear(said),
                _ = seconds.tick() => {
                    self.line();
                    self.change_voters();
                }
                () = sleep_until(next.min(end)) => {
                    if self.present.is_some() {
                        self.undo()?;
                        next += ACTION - LASTS;
                    } else if Instant::now() + LASTS < end {
                        self.action()?;
                        next += LASTS;
                    } else if Instant::now() >= end {
                        break;
                    } else {
                        next = end;
                    }
                }
            }
        }

        self.complete().await?;
        let deadline = Instant::now() + PATIENCE;
        while !self.voters.is_done() && Instant::now() < deadline {
            tokio::select! {
                Some(said) = self.lines.recv() => self.hear(said),
                _ = seconds.tick() => self.change_voters(),
            }
        }
        Ok(())
    }

    fn hear(&mut self, said: Said) {
        self.cluster.hear(said);
        self.voters.note(&self.cluster.told.voters);
    }

    /// Asks any broker, again and again until one says that it is done: the one that was asked may be killed, or cut
    /// off.
    fn change_voters(&mut self) {
        if let Some(list) = self.voters.wanted(self.began.elapsed()) {
            let whom = NAMES[below(&mut self.random, NAMES.len())];
            self.cluster.ask_for_voters(whom, list);
        }
    }

    fn action(&mut self) -> io::Result<()> {
        if self.deck.is_empty() {
            self.deck = vec![Action::Kill, Action::Cut, Action::Leave];
            if cfg!(unix) {
                self.deck.push(Action::Freeze);
            }
        }

        let place = below(&mut self.random, self.deck.len());
        let action = self.deck.remove(place);
        let leader = self.cluster.told.latest().map(|(_, name, _)| name);
        let leader = NAMES.iter().position(|name| Some(*name) == leader).unwrap_or(0);
        // The leader every other time.
        let first = if below(&mut self.random, 2) == 0 { leader } else { below(&mut self.random, NAMES.len()) };
        let mut whom = vec![NAMES[first]];
        if action == Action::Cut {
            whom.push(NAMES[(first + 1 + below(&mut self.random, NAMES.len() - 1)) % NAMES.len()]);
        }

        match action {
            Action::Freeze => self.cluster.freeze(whom[0], "-STOP")?,
            Action::Kill => self.cluster.kill(whom[0]),
            Action::Cut => self.cluster.cut(&whom)?,
            Action::Leave => self.cluster.leave(whom[0])?,
        }
        self.actions.push(format!("{} {}", format!("{action:?}").to_lowercase(), whom.join(" ")));
        self.present = Some((action, whom));
        Ok(())
    }

    fn undo(&mut self) -> io::Result<()> {
        let Some((action, whom)) = self.present.take() else { return Ok(()) };
        match action {
            Action::Freeze => self.cluster.freeze(whom[0], "-CONT"),
            Action::Cut => self.cluster.cut(&[]),
            Action::Kill | Action::Leave => self.cluster.start(whom[0]),
        }
    }

    fn line(&mut self) {
        let total = self.writers.total();
        let new = total - std::mem::replace(&mut self.before, total);
        let leader = self.cluster.told.latest().map_or_else(
            || "nobody leads".to_owned(),
            |(term, name, trigger)| format!("{name} leads in term {term} ({trigger})"),
        );
        let refused = self.cluster.told.refused;
        let present = if self.present.is_some() { self.actions.last().map_or("", String::as_str) } else { "" };
        let at = self.began.elapsed().as_secs_f64();
        println!("{at:>5.1} s  {total:>6} written (+{new:<4}) {refused:>3} refused  {present:<12}  {leader}");
    }
}

impl Show {
    /// Tells how it went; whether all is as it should be.
    fn summary(&self, proof: &Proof) -> bool {
        let Show { options, actions, .. } = self;
        let told = &self.cluster.told;
        let passed = proof.holds() && told.disputed.is_empty() && self.voters.is_done();
        let (longest, again) = (self.writers.longest_ms.load(SeqCst), self.writers.again.load(SeqCst));
        println!("\ndone to them: {}", actions.join(", "));
        println!("voters: {}", self.voters.past().join("; then "));
        println!("leaders: {}, in as many terms; stale writes refused: {}", told.leaders.len(), told.refused);
        println!("records: {} acknowledged, {again} after more than one attempt, the longest wait {longest} ms", {
            proof.acknowledged
        });

        let Proof { lost, twice, stale, damaged, unsent, unserved, .. } = *proof;
        println!("in the logs: {lost} lost, {twice} twice, {stale} stale, {damaged} damaged, {unsent} never sent");
        if unserved + told.disputed.len() as u64 > 0 {
            println!("{unserved} partitions without an answer in the end; terms with two leaders: {:?}", told.disputed);
        }
        if !self.voters.is_done() {
            println!("the voters did not become those that were asked for");
        }
        println!(
            "{}",
            if passed { "proved: nothing acknowledged is lost or written twice" } else { "THE PROOF FAILS" }
        );

        if options.json {
            let leaders: Vec<_> =
                told.leaders.iter().map(|(term, (name, _))| json!({ "term": term, "name": name })).collect();
            let summary = json!({
                "passed": passed, "seed": options.seed, "fenced": options.fenced, "seconds": options.time.as_secs(),
                "actions": actions, "voters": self.voters.past(), "leaders": leaders, "disputed": told.disputed,
                "refused": told.refused, "again": again, "longest_ms": longest, "proof": proof,
            });
            println!("{summary}");
        }
        passed
    }
}

fn below(random: &mut Xoshiro256PlusPlus, bound: usize) -> usize {
    (random.next_u64() % bound as u64) as usize
}
