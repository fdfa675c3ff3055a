//! The protocol under a loop of one's own: a std `UdpSocket`, no tokio, no thread.
//!
//! `embed_sync NAME BIND [CONTACT..]` runs one node until it is killed; without arguments two nodes run in one loop
//! until each has seen the other.

#![allow(clippy::disallowed_types)]

use std::error::Error;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidings::config::Config;
use tidings::member::{Generation, Identity};
use tidings::protocol::{Protocol, Reach};
use tidings::time::Instant;

struct Node {
    protocol: Protocol,
    socket: UdpSocket,
    ups: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let clock = Clock::start();
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|name| name.starts_with('-')) || args.len() == 1 {
        return Err("usage: embed_sync [NAME BIND [CONTACT..]]".into());
    }

    let mut nodes = Vec::new();
    if let [name, bind, contacts @ ..] = args.as_slice() {
        let contacts = contacts.iter().map(|contact| contact.parse()).collect::<Result<Vec<_>, _>>()?;
        nodes.push(Node::open(name, bind, &contacts, &clock)?);
    } else {
        let first = Node::open("a", "127.0.0.1:0", &[], &clock)?;
        let contact = first.socket.local_addr()?;
        nodes.extend([first, Node::open("b", "127.0.0.1:0", &[contact], &clock)?]);
    }

    while args.len() >= 2 || nodes.iter().any(|node| node.ups == 0) {
        let share = u32::try_from(nodes.len())?;
        for node in &mut nodes {
            node.turn(&clock, Duration::from_millis(10) / share)?;
        }
    }
    Ok(())
}

impl Node {
    fn open(name: &str, bind: &str, contacts: &[SocketAddr], clock: &Clock) -> Result<Self, Box<dyn Error>> {
        let socket = UdpSocket::bind(bind)?;
        let started = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let identity = Identity::named(name, Generation(started as u64), socket.local_addr()?);
        let seed = started as u64 ^ u64::from(socket.local_addr()?.port()); // an application would ask the system
        let mut protocol = Protocol::new(Config::local("embed"), identity, seed, clock.now())?;
        protocol.set_reach(clock.now(), Reach::of(socket.local_addr()?));
        protocol.join(clock.now(), contacts);
        Ok(Node { protocol, socket, ups: 0 })
    }

    /// Reads what has come before it fires timers: the answers to our own questions may be among it.
    fn turn(&mut self, clock: &Clock, longest: Duration) -> Result<(), Box<dyn Error>> {
        let now = clock.now();
        let wait = self.protocol.poll_timeout().map_or(longest, |deadline| deadline.since(now)).min(longest);
        self.socket.set_read_timeout(Some(wait.max(Duration::from_micros(1))))?;
        let mut buffer = [0; 65_535];
        loop {
            match self.socket.recv_from(&mut buffer) {
                // What is rejected is counted by the protocol and changes nothing.
                Ok((length, from)) => drop(self.protocol.handle_datagram(clock.now(), from, &mut buffer[..length])),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(_) => break, // loss
            }
            self.drain();
            self.socket.set_nonblocking(true)?;
        }
        self.socket.set_nonblocking(false)?;
        self.protocol.handle_timeout(clock.now());
        self.drain();
        Ok(())
    }

    fn drain(&mut self) {
        let mut datagram = Vec::new();
        while let Some(transmit) = self.protocol.poll_transmit(&mut datagram) {
            let _ = self.socket.send_to(&datagram, transmit.to); // an error is loss
        }
        while let Some(event) = self.protocol.poll_event() {
            let (me, peer) = (self.protocol.me(), event.member());
            self.ups += usize::from(event.kind() == "up" && peer.is_some_and(|peer| peer.id() != me.id()));
            println!("{}: {} {}", me.name(), event.kind(), peer.map_or("", |peer| peer.name()));
        }
    }
}

/// Any clock that never goes back will do.
struct Clock(std::time::Instant);

impl Clock {
    fn start() -> Self {
        Clock(std::time::Instant::now())
    }

    fn now(&self) -> Instant {
        Instant::ORIGIN + self.0.elapsed()
    }
}
