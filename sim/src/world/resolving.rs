//! Names that resolve to something else later: when a host asks again where its contacts are.
//!
//! As a driver does: while the protocol knows no other member, again and again with a wait that doubles; otherwise
//! every few minutes, so that groups that formed apart meet. A name leads to wherever its host is now.

use std::time::Duration;

use tidings::Instant;

use crate::app::App;
use crate::random::nanos;
use crate::watch::Watch;
use crate::world::World;
use crate::world::queue::What;

/// How often the world looks which hosts are to resolve. The shortest wait of a host that is alone.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The longest wait of a host that is alone.
const ALONE_MAX: Duration = Duration::from_secs(30);
/// How long a host waits that is not alone, at least and at most.
const SELDOM: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(240));

impl<A: App, W: Watch> World<A, W> {
    /// A process has started that has contacts.
    pub(super) fn begin_resolving(&mut self, host: u32) {
        let seldom = self.now + self.resolving.span(SELDOM.0, SELDOM.1);
        let resolves = &mut self.hosts[host as usize].resolves;
        (resolves.wait, resolves.seldom) = (Duration::ZERO, seldom);
        if !std::mem::replace(&mut self.resolves, true) {
            self.queue.push(self.now + LOOK_EVERY, What::Resolve);
        }
    }

    /// Hosts whose wait is over ask for their contacts' addresses again.
    pub(super) fn resolve_contacts(&mut self) {
        for host in 0..self.hosts.len() as u32 {
            if self.is_to_resolve(host) {
                let contacts = self.contacts_for(host);
                self.command(host, b"join", |protocol, now| protocol.join(now, &contacts));
            }
        }
        self.queue.push(self.now + LOOK_EVERY, What::Resolve);
    }

    /// Whether a host resolves now; notes when it will again.
    fn is_to_resolve(&mut self, host: u32) -> bool {
        let now = self.now;
        let one = &mut self.hosts[host as usize];
        let Some(is_alone) = one.protocol().filter(|_| one.runs()).map(tidings::Protocol::is_alone) else {
            return false;
        };

        let resolves = &mut one.resolves;
        if is_alone && (resolves.wait.is_zero() || resolves.alone <= now) {
            resolves.wait = (resolves.wait * 2).clamp(LOOK_EVERY, ALONE_MAX);
            // A little less, so that jitter does not make it one look more.
            let jitter = self.resolving.below(nanos(resolves.wait / 4));
            resolves.alone = now + resolves.wait - Duration::from_nanos(jitter);
            return true;
        }

        if !is_alone {
            resolves.wait = Duration::ZERO;
        }

        // A host that began with a saved view waits from the first look on.
        let is_due = resolves.seldom <= now && resolves.seldom != Instant::ORIGIN;
        if is_due || resolves.seldom == Instant::ORIGIN {
            resolves.seldom = now + self.resolving.span(SELDOM.0, SELDOM.1);
        }
        is_due
    }
}
