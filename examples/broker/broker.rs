//! One broker: a member, a voter or one that may become a voter, the leader when elected, and the owner of the
//! partitions that a leader gives to it.
//!
//! The leader alone decides which broker owns what, under its term; owners write under a token made of that term; the
//! logs refuse lower ones. So it does not matter for safety what a broker believes, how long one stands still, or that
//! two may both think they own a partition for a while: only that the log has one newest owner.

use std::error::Error;
use std::fmt::Arguments;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings::config::{Config, ElectionConfig};
use tidings::election::FileStore;
use tidings::runtime::{Faults, Lease, Node};
use tidings::{Event, Events, View};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::assignment::{Assignment, Card};
use crate::log::{AppendError, Log};
use crate::options::Broker as Options;
use crate::{ELECTION, NAMES, PARTITIONS, VOTERS};

/// What the connections of one broker share.
struct Broker {
    name: String,
    /// The newest assignment it has heard of.
    assignment: Mutex<Option<Assignment>>,
    logs: Vec<Mutex<Log>>,
}

#[tokio::main]
pub async fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    let Options { name, folder, fenced, contacts } = options;
    let clients = TcpListener::bind("127.0.0.1:0").await?;
    let address = clients.local_addr()?;
    let faults = Faults::new(0);

    let node = Node::builder(name)
        .config(Config::local("broker"))
        .bind("127.0.0.1:0")
        .contacts(contacts)
        .metadata(Card { clients: address, assignment: None }.to_bytes())
        .election(ElectionConfig::lan(ELECTION, NAMES[..VOTERS].iter().copied()))
        .term_store(FileStore::open(folder.join(name))?)
        .faults(faults.clone())
        .start()
        .await?;

    let logs = (0..PARTITIONS).map(|partition| Mutex::new(Log::new(folder, partition, *fenced))).collect();
    let broker = Arc::new(Broker { name: name.clone(), assignment: Mutex::new(None), logs });
    say(format_args!("ready {} {address}", node.local_address()));

    tokio::select! {
        biased; // a broker that has left ends by the first
        () = obey(&node, &faults) => {}
        ended = node.lead(ELECTION, |lease| assign(&node, address, lease)) => ended?,
        () = follow(node.events(), &broker) => {}
        failed = accept(clients, &broker) => failed?,
    }
    Ok(())
}

/// The leader's work: an assignment at the start of the term, and another after each change of the members.
///
/// `live` counts a Suspect in: it may only stall, and to move its partitions to and fro costs more than to wait for the
/// verdict. Up, Dead and Left are what changes the names.
async fn assign(node: &Node, clients: SocketAddr, lease: Lease) {
    let names = |view: &View| view.live().map(|member| member.name().to_owned()).collect::<Vec<_>>();
    for number in 1.. {
        let members = names(&node.view());
        let assignment = Some(Assignment::spread(lease.token().with_sequence(number), &members));
        let told = node.set_metadata(Card { clients, assignment }.to_bytes()).await;
        if told.is_err() || node.wait_until(|view| names(view) != members).await.is_err() {
            return; // it has stopped
        }
    }
}

/// Takes in what leaders assign, and takes over at once what is its own.
async fn follow(mut events: Events, broker: &Arc<Broker>) {
    while let Some(notice) = events.next().await {
        if let Event::Leader { leader, trigger } = &notice.event {
            say(format_args!("leader {} {} {trigger}", leader.name, leader.term));
        }
        let card = notice.event.member().and_then(Card::of);
        let Some(assignment) = card.and_then(|card| card.assignment) else { continue };
        if broker.believe(assignment) {
            let broker = Arc::clone(broker);
            tokio::task::spawn_blocking(move || broker.take_over());
        }
    }
}

async fn accept(clients: TcpListener, broker: &Arc<Broker>) -> std::io::Result<()> {
    loop {
        let (client, _) = clients.accept().await?;
        tokio::spawn(answer(client, Arc::clone(broker)));
    }
}

/// `put PARTITION NUMBER` is answered by `ok`, `ask NAME` (the owner, as far as is known), or `retry`.
async fn answer(client: TcpStream, broker: Arc<Broker>) -> std::io::Result<()> {
    let (read, mut write) = client.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let words: Vec<&str> = line.split(' ').collect();
        let ["put", partition, number] = words.as_slice() else { return Ok(()) };
        let (Ok(partition), Ok(number)) = (partition.parse::<usize>(), number.parse()) else { return Ok(()) };
        let broker = Arc::clone(&broker);
        let answer = tokio::task::spawn_blocking(move || broker.put(partition, number)).await?;
        write.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

impl Broker {
    /// Whether an assignment is newer than the one that was believed; a deposed leader's is not.
    fn believe(&self, assignment: Assignment) -> bool {
        let mut believed = lock(&self.assignment);
        let is_newer = believed.as_ref().is_none_or(|believed| assignment.is_newer_than(believed));
        if is_newer {
            *believed = Some(assignment);
        }
        is_newer
    }

    fn take_over(&self) {
        let Some(assignment) = lock(&self.assignment).clone() else { return };
        let token = assignment.token;
        let owned = self.logs.iter().zip(&assignment.owners).filter(|(_, owner)| **owner == self.name);
        for (log, _) in owned {
            // If it is busy or refused, the next write meets the same and tells its client.
            if let Err(AppendError::Io(error)) = lock(log).take_over(token) {
                say(format_args!("trouble {error}"));
            }
        }
    }

    fn put(&self, partition: usize, number: u64) -> String {
        let assignment = lock(&self.assignment).clone();
        let owner = assignment.as_ref().and_then(|assignment| assignment.owners.get(partition));
        let (Some(owner), Some(assignment), Some(log)) = (owner, &assignment, self.logs.get(partition)) else {
            return "retry\n".to_owned();
        };

        if *owner != self.name {
            return format!("ask {owner}\n");
        }

        // Anything may have changed since the look at the assignment; the log's fence sees to it.
        match lock(log).append(assignment.token, number) {
            Ok(()) => "ok\n".to_owned(),
            Err(AppendError::Busy) => "retry\n".to_owned(),
            Err(AppendError::Fenced { highest }) => {
                say(format_args!("refused {partition} {} {}", assignment.token.term, highest.0));
                "retry\n".to_owned()
            }
            Err(AppendError::Io(error)) => {
                say(format_args!("trouble {error}"));
                "retry\n".to_owned()
            }
        }
    }
}

/// What the show asks for on standard input: `cut ADDRESS..` (of nothing: heal), `voters NAME..`, `leave`, or its end.
async fn obey(node: &Node, faults: &Faults) {
    let (send, mut lines) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| send.blocking_send(line))
    });
    while let Some(line) = lines.recv().await {
        if line == "leave" {
            let _ = node.leave().await;
            return;
        }
        if let Some(names) = line.strip_prefix("voters ") {
            tokio::spawn(change_voters(node.clone(), names.to_owned()));
            continue;
        }
        faults.cut(line.split(' ').filter_map(|word| word.parse().ok()));
    }
}

async fn change_voters(node: Node, names: String) {
    match node.change_voters(ELECTION, names.split(' ')).await {
        Ok(()) => say(format_args!("voters {names}")),
        Err(error) => say(format_args!("unchanged {error}")),
    }
}

/// Whole lines, at once: the reader of the pipe waits for them.
fn say(what: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    // An error means that the reader is gone.
    let _ = writeln!(out, "{what}").and_then(|()| out.flush());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
