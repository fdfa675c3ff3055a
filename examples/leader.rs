//! Three processes elect a leader, lose it, and elect the next: `cargo run --example leader`.
//!
//! Without arguments it starts the three by itself, kills the one that leads, has the next hand over, and stops them
//! (`leader/show.rs`). This file is one of them, and the part to copy.
//!
//! Each of them is `leader NAME FOLDER BIND [CONTACT..]`, and can be started by hand with a name of [`VOTERS`]: then
//! type `resign` or `leave`, and end it with Ctrl-D.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use tidings::config::{Config, ElectionConfig};
use tidings::election::FileStore;
use tidings::runtime::{Lease, Node};
use tidings::{Event, Events};

#[path = "leader/show.rs"]
mod show;

const VOTERS: [&str; 3] = ["db-1", "db-2", "db-3"];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.as_slice() {
        [name, folder, bind, contacts @ ..] if !name.starts_with('-') => serve(name, folder, bind, contacts),
        [] => show::show(),
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

/// One voter.
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
    // What this one says while it leads; a database would say where it takes writes.
    node.set_word("default", node.local_address().to_string()).await?;

    tokio::select! {
        biased; // when it has left, every one of these ends, and only the first ends well
        () = obey(&node, name) => {}
        () = listen(node.events(), name) => {}
        // Never completes, as its work does not: when a term ends, the work is dropped, and begun anew in the next.
        ended = node.lead("default", |lease| work(name, lease)) => ended?,
    }
    Ok(())
}

/// What the leader does, and no other node at the same time.
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

/// Tells of each leader, and how it came to lead: a lease says in which term, the event says why.
async fn listen(mut events: Events, name: &str) {
    while let Some(notice) = events.next().await {
        if let Event::Leader { leader, trigger } = &notice.event {
            match &*leader.name {
                me if me == name => say(name, format_args!("elected in term {}: {trigger}", leader.term)),
                other => {
                    let address = String::from_utf8_lossy(&leader.word);
                    say(name, format_args!("follows {other} in term {}, at {address}", leader.term));
                }
            }
        }
    }
}

/// Does what its standard input says, until that ends.
async fn obey(node: &Node, name: &str) {
    let (send, mut lines) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| send.blocking_send(line))
    });
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

/// A line with its moment, whole and at once: the reader of the pipe waits for it.
fn say(name: &str, what: std::fmt::Arguments<'_>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut out = std::io::stdout().lock();
    // An error means that the reader is gone.
    let _ = writeln!(out, "{} {name} {what}", now.as_micros()).and_then(|()| out.flush());
}
