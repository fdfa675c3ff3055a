//! Three processes elect a leader, lose it, and elect the next: `cargo run --example leader`.
//!
//! Without arguments it starts the three by itself, kills the one that leads, has the next hand over, and stops them.
//! Each of them is `leader NAME FOLDER BIND [CONTACT..]`, and can be started by hand with a name of [`VOTERS`]: then
//! type `resign` or `leave`, and end it with Ctrl-D.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidings::config::{Config, ElectionConfig};
use tidings::election::FileStore;
use tidings::runtime::{Lease, Node};
use tidings::{Event, Events};

const VOTERS: [&str; 3] = ["db-1", "db-2", "db-3"];
/// For any single wait of the show; on a busy machine much more than it needs.
const PATIENCE: Duration = Duration::from_secs(30);

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.as_slice() {
        [name, folder, bind, contacts @ ..] => serve(name, folder, bind, contacts),
        [] => show(),
        _ => Err("usage: leader [NAME FOLDER BIND [CONTACT..]]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("leader: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One voter: the part to copy.
#[tokio::main]
async fn serve(name: &str, folder: &str, bind: &str, contacts: &[String]) -> Outcome<()> {
    let node = Node::builder(name)
        .config(Config::local("leader"))
        .bind(bind)
        .contacts(contacts)
        .election(ElectionConfig::lan("default", VOTERS)) // the same on all of them
        .term_store(FileStore::open(folder)?) // this voter's alone, kept over restarts
        .start()
        .await?;
    say(name, format_args!("runs at {}", node.local_address()));
    tokio::select! {
        biased; // when it has left, every one of these ends, and only the first ends well
        () = obey(&node, name) => {}
        () = listen(node.events(), name) => {}
        // Never completes, as its work does not: when a term ends, the work is dropped, and begun anew in the next.
        ended = node.lead("default", |lease| work(name, lease)) => ended?,
    }
    Ok(())
}

/// What the leader does, and nobody else at the same time.
async fn work(name: &str, lease: Lease) {
    say(name, format_args!("leads in term {}", lease.term()));
    let _guard = SayWhenDropped(name, &lease);
    // A database would take writes here, and send `lease.term()` with each of them to its storage, which refuses what
    // comes with a lower term than an earlier one: see `FenceGate`, and the example `broker`.
    std::future::pending().await
}

struct SayWhenDropped<'a>(&'a str, &'a Lease);

impl Drop for SayWhenDropped<'_> {
    fn drop(&mut self) {
        say(self.0, format_args!("leads no more in term {}", self.1.term()));
    }
}

/// Tells who leads, and how it came to that: a lease says in which term, the event says why.
async fn listen(mut events: Events, name: &str) {
    while let Some(notice) = events.next().await {
        if let Event::Leader { leader, trigger } = &notice.event {
            match &*leader.name {
                me if me == name => say(name, format_args!("elected in term {}: {trigger}", leader.term)),
                other => say(name, format_args!("follows {other} in term {}", leader.term)),
            }
        }
    }
}

/// Does what its standard input says, until that ends.
async fn obey(node: &Node, name: &str) {
    let (send, mut lines) = tokio::sync::mpsc::channel(1);
    thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| send.blocking_send(line)));
    while let Some(line) = lines.recv().await {
        let done = match line.trim() {
            "resign" => node.resign("default").await.map_err(|error| error.to_string()),
            "leave" => {
                let _ = node.leave().await;
                return;
            }
            _ => Err("write resign or leave".to_owned()),
        };
        if let Err(reason) = done {
            say(name, format_args!("does not: {reason}"));
        }
    }
}

/// A line with its moment, whole and at once: whoever reads the pipe waits for it.
fn say(name: &str, what: std::fmt::Arguments<'_>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut out = std::io::stdout().lock();
    // An error means that nobody listens any more.
    let _ = writeln!(out, "{} {name} {what}", now.as_micros()).and_then(|()| out.flush());
}

/// The three processes, and what is done to them.
fn show() -> Outcome<()> {
    let folder = std::env::temp_dir().join(format!("tidings-leader-{}", std::process::id()));
    let done = play(&folder);
    std::fs::remove_dir_all(&folder)?;
    done
}

fn play(folder: &std::path::Path) -> Outcome<()> {
    let (send, receive) = channel();
    let mut lines = Lines { receive, kept: Vec::new() };
    let mut processes = Vec::new();
    let mut contact = None;
    for name in VOTERS {
        processes.push(Process::start(name, &folder.join(name), contact.as_deref(), &send)?);
        let (_, _, said) = lines.next(name, "runs at ")?;
        contact.get_or_insert(said);
    }
    let (_, first, term, trigger) = lines.elected(2)?;
    println!("{first} leads in term {term}: {trigger}");

    let at = unix_micros();
    let place = processes.iter().position(|process| process.name == first).ok_or("a stranger leads")?;
    drop(processes.remove(place));
    println!("{first} is killed");
    let (began, second, term, trigger) = lines.elected(1)?;
    println!("{second} leads in term {term}: {trigger}; {} without a leader", ms(at, began));

    let leader = processes.iter_mut().find(|process| process.name == second).ok_or("a stranger leads")?;
    writeln!(leader.input, "resign")?;
    println!("{second} resigns");
    let (ended, ..) = lines.next(&second, "leads no more in term ")?;
    let (began, third, term, trigger) = lines.elected(1)?;
    println!("{third} leads in term {term}: {trigger}; {} without a leader", ms(ended, began));

    for process in &mut processes {
        writeln!(process.input, "leave")?;
        process.child.wait()?;
    }
    println!("all have left");
    Ok(())
}

/// What the processes say, in whatever order it comes.
struct Lines {
    receive: Receiver<String>,
    kept: Vec<String>,
}

impl Lines {
    /// When one of them (or any, if that is empty) said something that begins so, who, and the rest of what it said.
    fn next(&mut self, who: &str, begin: &str) -> Outcome<(u128, String, String)> {
        let mut at = 0;
        loop {
            if self.kept.len() == at {
                let line = self.receive.recv_timeout(PATIENCE);
                self.kept.push(line.map_err(|_| format!("nobody said \"{begin}..\", but {:#?}", self.kept))?);
            }
            let mut words = self.kept[at].splitn(3, ' ');
            if let (Some(moment), Some(name), Some(said)) = (words.next(), words.next(), words.next()) {
                if let Some(rest) = said.strip_prefix(begin).filter(|_| who.is_empty() || who == name) {
                    let found = (moment.parse()?, name.to_owned(), rest.to_owned());
                    self.kept.remove(at);
                    return Ok(found);
                }
            }
            at += 1;
        }
    }

    /// When the next leader began, its name, its term, and what started its election; once so many others follow it.
    fn elected(&mut self, followers: usize) -> Outcome<(u128, String, String, String)> {
        let (began, name, term) = self.next("", "leads in term ")?;
        let (_, _, trigger) = self.next(&name, &format!("elected in term {term}: "))?;
        for _ in 0..followers {
            self.next("", &format!("follows {name} in term {term}"))?;
        }
        Ok((began, name, term, trigger))
    }
}

fn unix_micros() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()
}

fn ms(from: u128, to: u128) -> String {
    let micros = to.saturating_sub(from);
    format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10)
}

/// One voter's process; killed, by its id, when it is dropped.
struct Process {
    name: &'static str,
    child: Child,
    input: ChildStdin,
}

impl Process {
    fn start(
        name: &'static str,
        folder: &std::path::Path,
        contact: Option<&str>,
        lines: &Sender<String>,
    ) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(name).arg(folder).arg("127.0.0.1:0").args(contact);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("no pipe".into());
        };
        let lines = lines.clone();
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
        });
        Ok(Process { name, child, input })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
