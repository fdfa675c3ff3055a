//! Hosts, switches and routers, each a network namespace with a name of this process' own; all gone when the lab is.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::example;

/// A network namespace.
#[derive(Clone)]
pub struct Place(String);

/// What was made, to be taken away again.
pub struct Lab {
    made: Vec<Place>,
    cables: Cell<u32>,
}

static MADE: AtomicU32 = AtomicU32::new(0);

impl Lab {
    /// A lab, unless this process may make none here, which is told by the test's name, and is a failure of CI.
    pub fn open(test: &str) -> Option<Lab> {
        let missing = if run("id", &["-u"]).as_deref() != Ok("0\n") {
            "root"
        } else if run("ip", &["-V"]).is_err() {
            "ip (iproute2)"
        } else if run("nft", &["--version"]).is_err() {
            "nft (nftables)"
        } else {
            return Some(Lab { made: Vec::new(), cables: Cell::new(0) });
        };
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} needs {missing}, and CI must have it");
        eprintln!("SKIPPED: {test} needs {missing}");
        None
    }

    /// A host that knows only itself.
    pub fn host(&mut self) -> Place {
        let place = Place(format!("tdg{}x{}", std::process::id(), MADE.fetch_add(1, Ordering::SeqCst)));
        must("ip", &["netns", "add", &place.0]);
        self.made.push(place.clone());
        must("ip", &["-n", &place.0, "link", "set", "lo", "up"]);
        place
    }

    /// What hosts are plugged into.
    pub fn switch(&mut self) -> Place {
        let place = self.host();
        must("ip", &["-n", &place.0, "link", "add", "br0", "type", "bridge"]);
        must("ip", &["-n", &place.0, "link", "set", "br0", "up"]);
        place
    }

    /// A host that passes on what is not for it.
    pub fn router(&mut self) -> Place {
        let place = self.host();
        must("ip", &["netns", "exec", &place.0, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
        place
    }

    /// Puts a cable between a host and a switch.
    pub fn plug(&self, host: &Place, interface: &str, switch: &Place, address: &str) {
        let port = format!("port{}", self.cables.get());
        self.cables.set(self.cables.get() + 1);
        let ends = ["link", "add", &port, "type", "veth", "peer", "name", interface, "netns", &host.0];
        must("ip", &[&["-n", &switch.0], &ends[..]].concat());
        must("ip", &["-n", &switch.0, "link", "set", &port, "master", "br0", "up"]);
        self.also(host, interface, address);
        must("ip", &["-n", &host.0, "link", "set", interface, "up"]);
    }

    /// Gives an interface another address.
    pub fn also(&self, host: &Place, interface: &str, address: &str) {
        must("ip", &["-n", &host.0, "address", "add", address, "dev", interface]);
    }

    /// What the names that a host knows stand for.
    pub fn hosts_file(&self, host: &Place, text: &str) {
        let folder = etc(host);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("hosts"), format!("127.0.0.1 localhost\n{text}")).unwrap();
    }

    /// Gives a host packet rules.
    pub fn nft(&self, host: &Place, rules: &str) {
        let mut nft = Command::new("ip");
        nft.args(["netns", "exec", &host.0, "nft", "-f", "-"]).stdin(Stdio::piped());
        let mut nft = nft.spawn().unwrap();
        nft.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
        assert!(nft.wait().unwrap().success(), "nft refuses {rules}");
    }

    /// Runs an example on a host, after a command of the shell there.
    pub fn run(&self, host: &Place, name: &str, before: &str, program: &str, args: &[&str]) -> Process {
        let mut command = Command::new("ip");
        let script = format!("{before} && exec \"$0\" \"$@\"");
        command.args(["netns", "exec", &host.0, "sh", "-c", &script]).arg(example(program)).args(args);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Process { child, name: name.to_owned(), lines, read: Vec::new() }
    }

    /// A member of a cluster of `events`, on a host of its own with this address.
    pub fn member(
        &mut self,
        name: &str,
        switch: &Place,
        address: &str,
        gateway: Option<&str>,
        advertise: &str,
        contact: &str,
    ) -> Process {
        let host = self.host();
        self.plug(&host, "eth0", switch, address);
        if let Some(gateway) = gateway {
            must("ip", &["-n", &host.0, "route", "add", "default", "via", gateway]);
        }
        let args = [name, "--bind", "0.0.0.0:7340", "--advertise", advertise, "--contact", contact];
        self.run(&host, name, "true", "events", &args)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for place in &self.made {
            let _ = run("ip", &["netns", "del", &place.0]);
            let _ = fs::remove_dir_all(etc(place));
        }
    }
}

fn etc(host: &Place) -> PathBuf {
    Path::new("/etc/netns").join(&host.0)
}

fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let done = Command::new(program).args(args).output().map_err(|error| error.to_string())?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() { Ok(said(&done.stdout)) } else { Err(said(&done.stderr)) }
}

#[track_caller]
fn must(program: &str, args: &[&str]) {
    if let Err(error) = run(program, args) {
        panic!("{program} {args:?}: {error}");
    }
}

/// A line that a process printed.
pub struct Line(pub String);

/// A process on a host; ended, by its id, when the test lets go of it.
pub struct Process {
    child: Child,
    name: String,
    lines: Receiver<String>,
    read: Vec<String>,
}

impl Process {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next line, if one comes in this time.
    pub fn next(&mut self, within: Duration) -> Option<Line> {
        let line = self.lines.recv_timeout(within).ok()?;
        self.read.push(line.clone());
        Some(Line(line))
    }

    /// Reads until an event of one of these kinds, for so long.
    pub fn event(&mut self, within: Duration, kinds: &[&str]) -> Option<Value> {
        let deadline = Instant::now() + within;
        loop {
            let Line(line) = self.next(deadline.saturating_duration_since(Instant::now()))?;
            let event: Value = serde_json::from_str(&line).unwrap();
            if kinds.iter().any(|kind| event["event"] == *kind) {
                return Some(event);
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
