//! A made-up trace of any number of hosts, in the shape of a real one.
//!
//! It is no simulation: members probe in turn and the story is fixed (a crash, a cut, a pause, a restart, a broken
//! check), so that the page's tests know what they must find.

use serde_json::{Value, json};

/// A trace and what is in it.
#[derive(Debug)]
pub struct Sample {
    /// Its JSON lines.
    pub text: String,
    /// How many datagrams were sent.
    pub datagrams: usize,
    /// How many of them were lost.
    pub lost: usize,
    /// How many rows the event list has.
    pub events: usize,
    /// The row of the first verdict with a chain behind it, and how many steps that has.
    pub verdict: (usize, usize),
}

const ALL: [&str; 4] = ["alive", "suspect", "dead", "left"];
const CRASH: u64 = 8_000_000;
const CUT: (u64, u64) = (15_000_000, 20_000_000);
const PAUSE: (u64, u64) = (22_000_000, 23_400_000);
const RESTART: u64 = 26_000_000;
const LEFT: u64 = 28_000_000;

struct Story {
    hosts: u64,
    rows: Vec<(u64, Value)>,
    random: u64,
    ids: u64,
}

/// `hosts` (at least 5) for `seconds` (at least 30).
pub fn sample(hosts: u64, seconds: u64) -> Sample {
    let mut story = Story { hosts, rows: Vec::new(), random: 42, ids: 0 };
    story.start();
    for round in 0..seconds {
        for host in 0..hosts {
            story.probe(round * 1_000_000 + host * 1_000_000 / hosts, host, (host + 1 + round % (hosts - 1)) % hosts);
        }
    }
    story.crash();
    story.cut();
    story.pause_and_restart();
    story.told(seconds * 1_000_000)
}

impl Story {
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    fn crashed(&self) -> u64 {
        self.hosts / 2
    }

    fn paused(&self) -> u64 {
        1
    }

    fn far_side(&self, host: u64) -> bool {
        host >= self.hosts - self.hosts.div_ceil(5) - 1
    }

    fn add(&mut self, t: u64, row: Value) {
        self.rows.push((t, row));
    }

    fn event(&mut self, t: u64, host: u64, what: &str, about: u64, state: &str, text: String) {
        let row = json!({"kind": "event", "host": host, "what": what, "about": about, "state": state, "text": text});
        self.add(t, row);
    }

    fn start(&mut self) {
        for host in 0..self.hosts {
            self.add(host * 1000, json!({"kind": "host", "host": host, "what": "up"}));
            for about in (0..self.hosts).filter(|about| *about != host) {
                let t = host.max(about) * 1000 + 2000 + self.below(9000);
                self.event(t, host, "up", about, "alive", "joined".into());
            }
        }
    }

    /// Why a datagram sent at `t` does not arrive, if so.
    fn fate(&mut self, t: u64, from: u64, to: u64) -> Option<&'static str> {
        if to == self.crashed() && (CRASH..RESTART).contains(&t) || to == self.hosts - 1 && t >= LEFT {
            return Some("host down");
        }
        if (CUT.0..CUT.1).contains(&t) && self.far_side(from) != self.far_side(to) {
            return Some("cut");
        }
        (self.below(100) < 2).then_some("loss")
    }

    fn runs(&self, t: u64, host: u64) -> bool {
        let down = host == self.crashed() && (CRASH..RESTART).contains(&t);
        let paused = host == self.paused() && (PAUSE.0..PAUSE.1).contains(&t);
        let left = host == self.hosts - 1 && t >= LEFT;
        !down && !paused && !left
    }

    /// Sends a datagram; when it arrives, if it does.
    fn send(&mut self, t: u64, from: u64, to: u64, what: &str, bytes: u64) -> Option<u64> {
        self.ids += 1;
        let (id, lost) = (self.ids, self.fate(t, from, to));
        self.add(t, json!({"kind": "send", "host": from, "peer": to, "id": id, "what": what, "bytes": bytes}));
        let flight = 4000 + self.below(30_000);
        let Some(why) = lost else {
            let at = if self.runs(t + flight, to) { t + flight } else { PAUSE.1 + self.below(2000) };
            self.add(at, json!({"kind": "recv", "host": to, "peer": from, "id": id}));
            return Some(at);
        };
        let at = if why == "host down" { t + flight } else { t };
        self.add(at, json!({"kind": "drop", "host": from, "peer": to, "id": id, "why": why}));
        None
    }

    fn probe(&mut self, t: u64, host: u64, target: u64) {
        if !self.runs(t, host) {
            return;
        }

        let asked = self.send(t, host, target, "ping", 42);
        if let Some(at) = asked {
            if self.send(at + 80, target, host, "ack", 41).is_some() && at < t + 100_000 {
                return;
            }
        }

        for k in 1..=3 {
            let relay = (target + k * 7) % self.hosts;
            if relay == host || relay == target || !self.runs(t + 150_000, relay) {
                continue;
            }
            let Some(at) = self.send(t + 150_000, host, relay, "ping-req", 66) else { continue };
            if let Some(back) = self.send(at + 90, relay, target, "ping", 42) {
                self.send(back + 80, target, relay, "ack", 41);
            } else {
                self.send(at + 240_000, relay, host, "nack", 49);
            }
        }
    }

    /// `host` suspects and convicts `about`, silent since `since`, and says why.
    fn convict(&mut self, since: u64, host: u64, about: u64) {
        let (first, dead) = (since + 350_000 + self.below(500_000), since + 3_000_000 + self.below(220_000));
        let relays: Vec<u64> = (1..=3).map(|k| (host + k * 3) % self.hosts).filter(|r| *r != about).collect();
        self.event(first, host, "suspect", about, "suspect", "its pings went unanswered".into());

        let step = |t: u64, text: String, by: Option<u64>| match by {
            Some(by) => json!({"t_us": t, "text": text, "host": by}),
            None => json!({"t_us": t, "text": text}),
        };

        let mut steps = vec![step(since + 200_000, "4 pings of ours went unanswered".into(), None)];
        for relay in &relays {
            steps.push(step(first - 40_000, format!("relay n{relay} had no answer either"), Some(*relay)));
        }
        steps.push(step(first, "suspected: its pings went unanswered".into(), None));
        for relay in &relays {
            steps.push(step(first + 300_000, format!("accused by n{relay}"), Some(*relay)));
        }
        for attempt in 1..=3 {
            steps.push(step(dead - (4 - attempt) * 110_000, format!("last ping, attempt {attempt}"), None));
        }

        steps.push(step(dead, "dead: silent for the stall tolerance".into(), None));
        self.event(dead, host, "dead", about, "dead", "silent for the stall tolerance, 3 accusers".into());
        self.add(dead, json!({"kind": "why", "host": host, "about": about, "steps": steps}));
    }

    fn crash(&mut self) {
        let crashed = self.crashed();
        self.add(CRASH, json!({"kind": "host", "host": crashed, "what": "down"}));
        for host in (0..self.hosts).filter(|host| *host != crashed) {
            self.convict(CRASH, host, crashed);
        }
    }

    fn cut(&mut self) {
        let far: Vec<u64> = (0..self.hosts).filter(|host| self.far_side(*host)).collect();
        let text = "one side hears nothing of the other";
        let fault = json!({"kind": "fault", "id": 1, "what": "cut", "text": text, "hosts": far, "until_us": CUT.1});
        self.add(CUT.0, fault);
        let slow =
            json!({"kind": "fault", "id": 2, "what": "loss", "text": "2 % loss", "hosts": [], "until_us": 28_000_000});
        self.add(CUT.0 - 3_000_000, slow);

        let up: Vec<u64> = (0..self.hosts).filter(|host| *host != self.crashed()).collect();
        for &host in &up {
            for &about in &up {
                if self.far_side(host) != self.far_side(about) {
                    self.convict(CUT.0 + 100_000, host, about);
                    let back = CUT.1 + 200_000 + self.below(900_000);
                    self.event(back, host, "up", about, "alive", "it lives after all".into());
                }
            }
        }

        let violation = json!({"kind": "violation", "check": "S3 no-false-death", "hosts": [0, self.hosts - 1],
            "text": format!("n0 says n{} is dead, which never stopped running", self.hosts - 1)});
        self.add(CUT.0 + 3_400_000, violation);
        self.add(CUT.1, json!({"kind": "note", "text": "the cut is over"}));
    }

    fn pause_and_restart(&mut self) {
        let (paused, crashed) = (self.paused(), self.crashed());
        self.add(PAUSE.0, json!({"kind": "host", "host": paused, "what": "paused"}));
        self.add(PAUSE.1, json!({"kind": "host", "host": paused, "what": "resumed"}));
        let stalled = json!({"kind": "event", "host": paused, "what": "self-stalled", "text": "did not run for 1.4 s"});
        self.add(PAUSE.1 + 20, stalled);
        self.add(RESTART, json!({"kind": "host", "host": crashed, "what": "up"}));

        for host in (0..self.hosts).filter(|host| *host != crashed) {
            if host != paused {
                let t = PAUSE.0 + 400_000 + self.below(300_000);
                self.event(t, host, "suspect", paused, "suspect", "its pings went unanswered".into());
                let t = PAUSE.1 + 5_000 + self.below(60_000);
                self.event(t, host, "refuted", paused, "alive", "incarnation 1".into());
            }
            let t = RESTART + 10_000 + self.below(80_000);
            self.event(t, host, "up", crashed, "alive", "a new process".into());
            self.event(t, crashed, "up", host, "alive", "joined".into());
        }

        let last = self.hosts - 1;
        self.add(LEFT, json!({"kind": "host", "host": last, "what": "left"}));
        for host in 0..last {
            self.event(LEFT + 10_000 + host * 100, host, "left", last, "left", "by its own word".into());
        }
    }

    fn told(mut self, end: u64) -> Sample {
        let hosts: Vec<Value> = (0..self.hosts).map(|host| json!({"host": host, "name": format!("n{host}")})).collect();
        let title = format!("a crash, a cut and a pause at {} hosts", self.hosts);
        let header = json!({"trace": "tidings", "version": 1, "title": title,
            "seed": "18446744073709551557", "end_us": end, "hosts": hosts, "states": ALL,
            "replay": "cargo run --release -p tidings-sim -- run partition-heal --seed 18446744073709551557"});

        self.rows.retain(|(t, _)| *t <= end);
        self.rows.sort_by_key(|(t, _)| *t); // stable: what was told together stays in order
        let mut sample = Sample { text: format!("{header}\n"), datagrams: 0, lost: 0, events: 0, verdict: (0, 0) };

        for (t, row) in &mut self.rows {
            row["t_us"] = json!(t);
            match row["kind"].as_str().unwrap() {
                "send" => sample.datagrams += 1,
                "recv" => {}
                "drop" => sample.lost += 1,
                "why" if sample.verdict.0 == 0 => {
                    sample.verdict = (sample.events, row["steps"].as_array().unwrap().len());
                }
                "why" => {}
                _ => sample.events += 1,
            }
            sample.text.push_str(&format!("{row}\n"));
        }

        sample
    }
}
