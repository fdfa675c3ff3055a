//! Always, of sizes: no datagram over the limit, no queue or table over its bound.

use tidings::{Instant, Protocol};

use crate::scenario::Configs;
use crate::violation::Violation;
use crate::watch::Moment;

#[derive(Debug)]
pub(super) struct Bounds {
    configs: Configs,
}

impl Bounds {
    pub(super) fn new(configs: Configs) -> Self {
        Bounds { configs }
    }

    pub(super) fn sent(&self, now: Instant, from: u32, bytes: usize) -> Option<Violation> {
        let most = self.configs.of(from).datagram_bytes_max;
        (bytes > most).then(|| Violation {
            check: "datagram-size",
            at: now,
            text: format!("n{from} sent {bytes} bytes, at most {most} are allowed"),
            hosts: vec![from],
        })
    }

    pub(super) fn turned(&self, moment: Moment, host: u32, protocol: &Protocol) -> Option<Violation> {
        let (metrics, config) = (protocol.metrics(), self.configs.of(host));
        let held = [
            ("news", metrics.news, config.news_max),
            ("ghosts", metrics.ghosts, config.ghosts_max),
            ("members", metrics.members_alive + metrics.members_suspect, config.members_max),
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
