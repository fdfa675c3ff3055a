//! The processes, what is done to them, and what they say.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc::UnboundedSender;

use crate::client::Writers;
use crate::proof::Told;

/// One process; killed, by its id, when it is dropped.
struct Host {
    child: Child,
    input: ChildStdin,
    /// Where its node answers, once it runs.
    address: Option<SocketAddr>,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// A line that a process said.
pub struct Said {
    name: &'static str,
    /// Which process of that name.
    id: u32,
    line: String,
}

pub struct Cluster {
    folder: PathBuf,
    fenced: bool,
    hosts: BTreeMap<&'static str, Host>,
    lines: UnboundedSender<Said>,
    writers: Arc<Writers>,
    pub told: Told,
}

impl Cluster {
    pub fn new(folder: PathBuf, fenced: bool, lines: UnboundedSender<Said>, writers: Arc<Writers>) -> Self {
        Cluster { folder, fenced, hosts: BTreeMap::new(), lines, writers, told: Told::default() }
    }

    /// Starts a process, told of those that run; one of the same name ends first.
    pub fn start(&mut self, name: &'static str) -> io::Result<()> {
        self.hosts.remove(name);
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["node", name]).arg(&self.folder).arg(if self.fenced { "fenced" } else { "open" });
        command.args(self.hosts.values().filter_map(|host| host.address).map(|address| address.to_string()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = pipes else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let (lines, id) = (self.lines.clone(), child.id());
        thread::spawn(move || {
            let said = BufReader::new(output).lines().map_while(Result::ok).map(|line| Said { name, id, line });
            said.map(|said| lines.send(said)).take_while(Result::is_ok).count()
        });
        self.hosts.insert(name, Host { child, input, address: None });
        Ok(())
    }

    /// Takes in what a process said.
    pub fn hear(&mut self, Said { name, id, line }: Said) {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["ready", node, clients] => {
                let Some(host) = self.hosts.get_mut(name).filter(|host| host.child.id() == id) else { return };
                host.address = node.parse().ok();
                if let Ok(clients) = clients.parse() {
                    lock(&self.writers.brokers).insert(name.to_owned(), clients);
                }
            }
            ["leader", leader, term, trigger] => self.told.leader(leader, term, trigger),
            ["refused", ..] => self.told.refused += 1,
            ["voters", ..] => self.told.voters = line["voters ".len()..].to_owned(),
            // No leader, say, or too few of them live: it is asked for again.
            ["unchanged", ..] => {}
            _ => eprintln!("{name}: {line}"),
        }
    }

    /// Whether all processes that were started have said where they are.
    pub fn has_started(&self) -> bool {
        self.hosts.values().all(|host| host.address.is_some())
    }

    /// Ends a process in the middle of whatever it does.
    pub fn kill(&mut self, name: &str) {
        self.hosts.remove(name);
    }

    /// Stops a process, or lets it go on.
    pub fn freeze(&mut self, name: &str, signal: &str) -> io::Result<()> {
        let Some(host) = self.hosts.get(name) else { return Ok(()) };
        // The library needs no such thing, and std has none; what it reaches is our own child, which is not yet reaped.
        let done = Command::new("kill").args([signal, &host.child.id().to_string()]).status()?;
        if done.success() { Ok(()) } else { Err(io::Error::other(format!("kill {signal} failed: {done}"))) }
    }

    /// Cuts these nodes from all others: no datagram passes. Clients and storage still reach both sides, which is the
    /// worse case. An empty side heals all cuts.
    pub fn cut(&mut self, side: &[&'static str]) -> io::Result<()> {
        let other = self.hosts.iter().filter(|(name, _)| !side.contains(name));
        let other: Vec<String> = other.filter_map(|(_, host)| Some(format!(" {}", host.address?))).collect();
        for (name, host) in &mut self.hosts {
            let cut = if side.contains(name) { other.concat() } else { String::new() };
            writeln!(host.input, "cut{cut}")?;
        }
        Ok(())
    }

    /// Asks a node for other voters, if it is there to hear it.
    pub fn ask_for_voters(&mut self, name: &str, voters: &str) {
        if let Some(host) = self.hosts.get_mut(name) {
            let _ = writeln!(host.input, "voters {voters}");
        }
    }

    /// Has a node say goodbye.
    pub fn leave(&mut self, name: &str) -> io::Result<()> {
        self.hosts.get_mut(name).map_or(Ok(()), |host| writeln!(host.input, "leave"))
    }

    /// Kills what runs: whatever is in the logs then stays as it is.
    pub fn end(&mut self) {
        self.hosts.clear();
    }
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
