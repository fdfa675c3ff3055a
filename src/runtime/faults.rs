//! Faults between a node and its socket: loss, cut links and a frozen node, for tests and demonstrations.
//!
//! They need no privileges and touch neither kernel nor firewall, and the code under test is the one that runs in
//! production: the node's own task asks here before each datagram and before each turn.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;

use crate::member::canonical;

/// A handle on the faults of one node; give a clone to `Builder::faults` and keep one. Every fault ends when told to.
///
/// A crash needs no fault: drop the node's last handle, and it falls silent without a word.
#[derive(Clone, Debug)]
pub struct Faults {
    state: Arc<Mutex<State>>,
    frozen: Arc<watch::Sender<bool>>,
}

#[derive(Debug)]
struct State {
    /// Sorted; datagrams from and to these are dropped.
    cut: Vec<SocketAddr>,
    loss_percent: u8,
    random: Xoshiro256PlusPlus,
}

impl Faults {
    /// No fault yet; the seed decides which datagrams a later loss takes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let state = State { cut: Vec::new(), loss_percent: 0, random };
        Faults { state: Arc::new(Mutex::new(state)), frozen: Arc::new(watch::Sender::new(false)) }
    }

    /// Drops datagrams from and to these addresses, and no others: what was cut before is healed.
    pub fn cut(&self, peers: impl IntoIterator<Item = SocketAddr>) {
        let mut cut: Vec<_> = peers.into_iter().map(canonical).collect();
        cut.sort_unstable();
        self.state().cut = cut;
    }

    /// Loses this percentage of the datagrams the node sends (100 at most); what it receives is its peers' to lose.
    pub fn lose(&self, percent: u8) {
        self.state().loss_percent = percent.min(100);
    }

    /// Keeps the node from running, as a long garbage collection or a stopped process would: datagrams wait in its
    /// socket, requests in its channel, and its timers are overdue when it goes on. Dropping its handles takes effect
    /// then, too.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// Lets a frozen node go on.
    pub fn thaw(&self) {
        self.frozen.send_replace(false);
    }

    pub(crate) fn lets_out(&self, to: SocketAddr) -> bool {
        let mut state = self.state();
        if state.cut.binary_search(&to).is_ok() {
            return false;
        }
        state.loss_percent == 0 || state.random.next_u64() % 100 >= u64::from(state.loss_percent)
    }

    pub(crate) fn lets_in(&self, from: SocketAddr) -> bool {
        self.state().cut.binary_search(&from).is_err()
    }

    /// Returns at once unless the node is frozen, else when it is thawed.
    pub(crate) async fn thawed(&self) {
        let mut frozen = self.frozen.subscribe();
        // An error would mean that no sender is left, and `self` holds one.
        let _ = frozen.wait_for(|frozen| !frozen).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_both_ways_and_loses_its_share() {
        let (near, far) = ("127.0.0.1:1".parse().unwrap(), "[::ffff:127.0.0.1]:2".parse().unwrap());
        let faults = Faults::new(1);
        faults.cut([far]);
        let far = canonical(far);
        assert!(faults.lets_out(near) && faults.lets_in(near));
        assert!(!faults.lets_out(far) && !faults.lets_in(far));
        faults.cut([]);
        assert!(faults.lets_out(far) && faults.lets_in(far));
        faults.lose(20);
        let lost = (0..10_000).filter(|_| !faults.lets_out(far)).count();
        assert!((1_800..2_200).contains(&lost), "{lost}");
        faults.lose(200);
        assert!(!faults.lets_out(far));
    }
}
