//! Always, of sizes: no datagram over the limit, no queue or table over its bound.

use tidings::{Config, Instant, Protocol};

use crate::violation::Violation;
use crate::watch::Moment;

#[derive(Debug)]
pub(super) struct Bounds {
    datagram_bytes_max: usize,
    news_max: usize,
    ghosts_max: usize,
    members_max: usize,
}

impl Bounds {
    pub(super) fn new(config: &Config) -> Self {
        Bounds {
            datagram_bytes_max: config.datagram_bytes_max,
            news_max: config.news_max,
            ghosts_max: config.ghosts_max,
            members_max: config.members_max,
        }
    }

    pub(super) fn sent(&self, now: Instant, from: u32, bytes: usize) -> Option<Violation> {
        (bytes > self.datagram_bytes_max).then(|| Violation {
            check: "datagram-size",
            at: now,
            text: format!("n{from} sent {bytes} bytes, at most {} are allowed", self.datagram_bytes_max),
            hosts: vec![from],
        })
    }

    pub(super) fn turned(&self, moment: Moment, host: u32, protocol: &Protocol) -> Option<Violation> {
        let metrics = protocol.metrics();
        let held = [
            ("news", metrics.news, self.news_max),
            ("ghosts", metrics.ghosts, self.ghosts_max),
            ("members", metrics.members_alive + metrics.members_suspect, self.members_max),
        ];
        let (what, count, most) = held.into_iter().find(|(_, count, most)| count > most)?;
        Some(Violation {
            check: "bounds",
            at: moment.now,
            text: format!("n{host} holds {count} {what}, at most {most} are allowed"),
            hosts: vec![host],
        })
    }
}
