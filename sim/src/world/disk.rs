//! Where voters keep their ballots: disks that take their time, fail, tear and forget.
//!
//! The store is the one of production, on a disk that is lost as far as it was not synced when the host loses its
//! power: each second end of a process is one. A ballot is saved when its write is over, whether or not the process
//! still runs to hear of it. A process that ends in the midst of one ends between any two calls of the store, or leaves
//! garbage if the disk tears.

use std::sync::Arc;

use tidings::Protocol;
use tidings::config::{ElectionConfig, Stands};
use tidings::election::{Ballot, SaveOutcome, TermStore, VoterState};

use crate::app::App;
use crate::random::{Random, nanos};
use crate::scenario::Disks;
use crate::trace::Kind;
use crate::watch::{Disk, Watch};
use crate::world::World;
use crate::world::ballots::Write;
use crate::world::host::Condition;
use crate::world::queue::What;

/// Calls of a disk that a save takes: it reads, removes what was left of an earlier one, makes, syncs and renames the
/// new one, and syncs its name.
const CALLS_OF_A_SAVE: u64 = 6;

/// All ballots on their way, in places that are used again.
#[derive(Debug)]
pub(super) struct Writes {
    under_way: Vec<Option<Write>>,
    free: Vec<u32>,
    random: Random,
}

impl Writes {
    pub(super) fn new(seed: u64) -> Self {
        Writes { under_way: Vec::new(), free: Vec::new(), random: Random::new(seed, "disks") }
    }

    fn begin(&mut self, write: Write) -> u32 {
        match self.free.pop() {
            Some(place) => {
                self.under_way[place as usize] = Some(write);
                place
            }
            None => {
                self.under_way.push(Some(write));
                self.under_way.len() as u32 - 1
            }
        }
    }
}

impl<A: App, W: Watch> World<A, W> {
    /// A process that starts reads its disk and stands in every election that it votes in.
    pub(super) fn start_voting(&mut self, host: u32, protocol: &mut Protocol) {
        let one = &mut self.hosts[host as usize];
        let (read, me) = (one.clock.read(self.now), one.id);
        one.ballots.unheard.clear();
        one.ballots.began = read;
        one.ballots.open();

        for place in 0..self.config.elections.len() {
            let election = &self.config.elections[place];
            if election.is_watched() {
                continue;
            }
            let (name, promise) = (election.name.clone(), election.promise());
            if election.stands == Stands::WithWork {
                let known = protocol.set_candidacy(read, &name, self.hosts[host as usize].candidacy(election));
                debug_assert!(known.is_ok(), "it is configured");
            }

            let found = self.load(host, &name);
            let voter_state = self.voter_state(host, found.clone());
            let opening = Ballot::opening(found.clone(), me, voter_state.unix_ms, promise);
            if self.scenario.disks == Disks::File && found.as_ref() != Some(&opening) {
                // What it may be bound by after its next start has to be safe before it promises anything.
                self.write(host, place, None, opening);
                continue;
            }

            let known = protocol.start_voting(read, &name, VoterState { ballot: Some(opening), ..voter_state });
            debug_assert!(known.is_ok(), "it is configured");
        }
    }

    /// What a voter starts from, by its disk and its wall clock.
    fn voter_state(&self, host: u32, ballot: Option<Ballot>) -> VoterState {
        let one = &self.hosts[host as usize];
        let since = one.clock.read(self.now).since(one.ballots.began);
        let unix_ms = one.wall + nanos(since) / 1_000_000;
        VoterState { ballot, is_durable: self.scenario.disks == Disks::File, unix_ms }
    }

    /// What the disk holds. One that is torn is put aside, and its voter begins as a new one.
    fn load(&mut self, host: u32, name: &str) -> Option<Ballot> {
        let one = &mut self.hosts[host as usize];
        if one.has(Condition::DiskLost) {
            one.ballots.lose();
            self.watch.disk(self.now, host, name, Disk::Taken);
        }
        let store = &mut one.ballots.store;
        let found = store.load(name).map_or_else(
            |_| {
                let aside = store.start_over(name);
                debug_assert!(aside.is_ok(), "{aside:?}");
                Disk::Torn
            },
            Disk::Found,
        );
        self.watch.disk(self.now, host, name, found.clone());
        if let Disk::Found(ballot) = found { ballot } else { None }
    }

    /// Begins to save what a host's protocol wants saved; whether there is more to carry out at once.
    pub(super) fn save(&mut self, host: u32) -> bool {
        let now = self.now;
        let one = &mut self.hosts[host as usize];
        let Some(protocol) = &mut one.protocol else { return false };
        let Some(wanted) = protocol.poll_save() else { return false };
        let Some(place) = place_of(&self.config.elections, &wanted.election) else { return false };
        let (number, ballot) = (wanted.save.number, wanted.save.ballot);
        if self.scenario.disks == Disks::Memory {
            // There is nothing to wait for.
            protocol.handle_saved(one.clock.read(now), &wanted.election, number, SaveOutcome::Done);
            self.watch.disk(now, host, &wanted.election, Disk::Saved(ballot));
        } else {
            self.write(host, place, Some(number), ballot);
        }
        true
    }

    fn write(&mut self, host: u32, election: usize, number: Option<u64>, ballot: Ballot) {
        let usual = self.scenario.save_time;
        let takes = self.writes.random.span(usual / 2, usual + usual / 2) + self.hosts[host as usize].disk_delay();
        let start = self.hosts[host as usize].starts;
        let place = self.writes.begin(Write { host, start, election, number, ballot });
        self.queue.push(self.now + takes, What::Saved(place));
    }

    /// A write is over.
    pub(super) fn written(&mut self, place: u32) {
        self.writes.free.push(place);
        let Some(write) = self.writes.under_way[place as usize].take() else { return };
        let name = self.config.elections[write.election].name.clone();
        let one = &mut self.hosts[write.host as usize];
        let is_full = one.has(Condition::DiskFull);
        // From any of its calls on.
        let fails_after = is_full.then(|| self.writes.random.below(CALLS_OF_A_SAVE) as u32);
        one.ballots.store.disk_mut().fail_after(fails_after);
        let saved = one.ballots.store.save(&name, &write.ballot);
        one.ballots.store.disk_mut().fail_after(None);
        let (outcome, disk) = match saved {
            Ok(()) => (SaveOutcome::Done, Disk::Saved(write.ballot.clone())),
            Err(_) if is_full => (SaveOutcome::Failed, Disk::Failed),
            Err(error) => (SaveOutcome::Failed, Disk::Refused(error.to_string())),
        };
        self.trace.happening(self.now, write.host, Kind::Disk, &[u8::from(outcome == SaveOutcome::Failed)]);
        self.watch.disk(self.now, write.host, &name, disk);
        self.hear_of_write(write, outcome);
    }

    /// The process hears what came of a write, when it runs again if it is stopped.
    fn hear_of_write(&mut self, write: Write, outcome: SaveOutcome) {
        let (host, now) = (write.host, self.now);
        let voter_state = self.voter_state(host, Some(write.ballot.clone()));
        let name: Arc<str> = self.config.elections[write.election].name.as_str().into();

        let one = &mut self.hosts[host as usize];
        if one.is_stopped() {
            one.ballots.unheard.push((write, outcome));
            return;
        }

        let Some((protocol, local)) = one.running(now) else { return };
        match (write.number, outcome) {
            (Some(number), _) => protocol.handle_saved(local, &name, number, outcome),
            (None, SaveOutcome::Done) => {
                let known = protocol.start_voting(local, &name, voter_state);
                debug_assert!(known.is_ok(), "it is configured");
            }
            // It tries again until it can.
            (None, SaveOutcome::Failed) => self.write(host, write.election, None, write.ballot),
        }

        self.drain(host);
    }

    /// A process that was stopped hears what was saved meanwhile.
    pub(super) fn hear_of_writes(&mut self, host: u32) {
        for (write, outcome) in std::mem::take(&mut self.hosts[host as usize].ballots.unheard) {
            self.hear_of_write(write, outcome);
        }
    }

    /// A process has ended, perhaps in the midst of what it was saving, and perhaps because its host lost its power.
    pub(super) fn break_off_writes(&mut self, host: u32) {
        let one = &mut self.hosts[host as usize];
        one.ballots.unheard.clear();
        let is_torn = one.has(Condition::DiskTorn);

        for place in 0..self.writes.under_way.len() {
            // Its turn comes nonetheless, and finds nothing.
            let Some(write) = self.writes.under_way[place].take_if(|write| write.host == host) else { continue };
            debug_assert_eq!(write.start, one.starts, "an earlier process's are over");
            let (name, calls) =
                (&self.config.elections[write.election].name, self.writes.random.below(CALLS_OF_A_SAVE + 1));
            one.ballots.store.disk_mut().fail_after((!is_torn).then_some(calls as u32));
            // No process is there to hear of it.
            let _ = one.ballots.store.save(name, &write.ballot);
            one.ballots.store.disk_mut().fail_after(None);

            if is_torn {
                one.ballots.store.disk_mut().tear();
                self.watch.disk(self.now, host, name, Disk::Taken);
            }
        }

        // Each second end of a process is one of the host's power, and takes what was not synced.
        if self.writes.random.permille(500) {
            one.ballots.store.disk_mut().lose_power(&mut self.writes.random);
        }
    }
}

fn place_of(elections: &[ElectionConfig], name: &str) -> Option<usize> {
    elections.iter().position(|election| election.name == name)
}
