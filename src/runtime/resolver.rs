//! Looks contacts up again and again, away from the node's task.
//!
//! A name server may take half a minute to fail, and a cluster may start before its names do; the node must not stand
//! still meanwhile, nor end. Names are looked up soon while no other member is live, and seldom otherwise, so that two
//! groups that formed apart meet; contacts given as addresses are dialled again with them.

use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::runtime::backoff::Backoff;
use crate::runtime::clock::Clock;
use crate::runtime::contacts::{Contact, Lookup};
use crate::runtime::listed::NAMED_MAX;

/// Names are resolved again this often while no other member is live, sooner at first.
const AGAIN_MAX: Duration = Duration::from_secs(30);
const AGAIN_FIRST: Duration = Duration::from_secs(1);
/// And this often while there is one. Chosen: groups that formed apart meet within minutes, for a greeting of each
/// contact in that time.
const SELDOM: Duration = Duration::from_secs(300);

/// What looks the contacts up, for as long as the node runs.
#[derive(Debug)]
pub(crate) struct Resolver {
    pub(crate) contacts: Vec<Contact>,
    pub(crate) local: SocketAddr,
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
}

impl Resolver {
    /// Looks all contacts up again and again. Ends when the node's side of either channel is gone.
    pub(crate) async fn run(self, mut alone: watch::Receiver<bool>, found: mpsc::Sender<Vec<Lookup>>) {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let (mut pace, mut warned) = (Pace::default(), Backoff::default());
        // What was given as an address was dialled at the start.
        let mut is_due = self.contacts.iter().any(|contact| matches!(contact, Contact::Name(..)));

        loop {
            if std::mem::replace(&mut is_due, true) {
                let lookups = look_up_all(&self.contacts, self.local).await;
                warn_unresolved(&lookups, || warned.takes_turn(self.clock.now()));
                if found.send(lookups).await.is_err() {
                    return;
                }
            }
            loop {
                let is_alone = *alone.borrow_and_update();
                let pause = jittered(pace.pause(is_alone), random.next_u64());
                let changed = tokio::time::timeout(pause, alone.wait_for(|now| *now != is_alone)).await;
                match changed.map(|changed| changed.is_ok()) {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(_elapsed) => break,
                }
            }
        }
    }
}

/// How long names rest between two look-ups.
#[derive(Clone, Copy, Debug)]
struct Pace {
    next: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { next: AGAIN_FIRST }
    }
}

impl Pace {
    /// The next pause: doubling while no other member is live, long and beginning anew while one is.
    fn pause(&mut self, is_alone: bool) -> Duration {
        if !is_alone {
            *self = Pace::default();
            return SELDOM;
        }
        let pause = self.next;
        self.next = (pause * 2).min(AGAIN_MAX);
        pause
    }
}

/// Says which contacts lead nowhere and what to do about it.
fn warn_unresolved(lookups: &[Lookup], may_tell: impl FnOnce() -> bool) {
    let faulty: Vec<&Lookup> = lookups.iter().filter(|lookup| lookup.fault().is_some()).collect();
    if faulty.is_empty() || !may_tell() {
        return;
    }
    for lookup in faulty.iter().take(NAMED_MAX) {
        let why = lookup.fault().unwrap_or_default();
        tracing::warn!(
            target: "tidings::node",
            contact = lookup.contact(),
            "cannot use what contact {} resolves to: {why}; check the name and the resolver, or give an address (it is \
             looked up again, soon while no other member is live)",
            lookup.contact()
        );
    }
}

/// Between three quarters and five quarters of it.
fn jittered(wait: Duration, random: u64) -> Duration {
    wait * 3 / 4 + Duration::from_millis(random % (wait.as_millis() as u64 / 2).max(1))
}

/// All contacts, looked up at once; in their order.
async fn look_up_all(contacts: &[Contact], local: SocketAddr) -> Vec<Lookup> {
    let mut running = JoinSet::new();
    for (place, contact) in contacts.iter().cloned().enumerate() {
        running.spawn(async move { (place, contact.look_up(local).await) });
    }
    let mut lookups = Vec::new();
    while let Some(Ok(lookup)) = running.join_next().await {
        lookups.push(lookup);
    }
    lookups.sort_by_key(|(place, _)| *place);
    lookups.into_iter().map(|(_, lookup)| lookup).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::contacts::addresses_of;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn parsed(text: &str) -> Contact {
        Contact::parse("contact", text, 7340).unwrap()
    }

    #[test]
    fn jitter_stays_within_a_quarter() {
        let wait = Duration::from_secs(30);
        for random in [0, 1, 14_999, u64::MAX] {
            let jittered = jittered(wait, random);
            assert!(jittered >= wait * 3 / 4 && jittered < wait * 5 / 4, "{jittered:?}");
        }
    }

    #[test]
    fn names_rest_longer_and_longer_while_alone_and_long_otherwise() {
        let mut pace = Pace::default();
        let seconds =
            [true, true, true, true, true, true, true, false, true, true].map(|alone| pace.pause(alone).as_secs());
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30, 300, 1, 2]);
    }

    #[test]
    fn names_are_resolved_at_once_and_again_while_alone() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (alone, is_alone) = watch::channel(true);
            let (send, mut found) = mpsc::channel(1);
            let contacts = vec![parsed("localhost:7"), parsed("127.0.0.2:7")];
            let local = "127.0.0.1:1".parse().unwrap();
            let resolver = Resolver { contacts, local, seed: 1, clock: Clock::start() };
            let task = tokio::spawn(resolver.run(is_alone, send));
            for _ in 0..3 {
                let lookups = tokio::time::timeout(PATIENCE, found.recv()).await.unwrap().unwrap();
                let expected: [SocketAddr; 2] = ["127.0.0.1:7".parse().unwrap(), "127.0.0.2:7".parse().unwrap()];
                assert_eq!(addresses_of(&lookups), expected);
            }
            drop(alone);
            tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
        });
    }
}
