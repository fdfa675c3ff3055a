//! Members that change their metadata again and again.

use std::time::Duration;

use tidings::Instant;

use crate::app::App;
use crate::fault::Fault;
use crate::watch::Watch;
use crate::world::World;
use crate::world::queue::What;

impl<A: App, W: Watch> World<A, W> {
    /// The next writer of a fault changes its metadata; they take turns, so that each does so once in `every`.
    pub(super) fn change_metadata(&mut self, id: u32) {
        let planned = self.scenario.faults[id as usize].clone();
        let Fault::Writers { hosts, bytes, every } = &planned.what else { return };
        if planned.ends().is_some_and(|end| self.now >= Instant::ORIGIN + end) {
            return;
        }

        let writers = hosts.numbers(self.hosts.len() as u32);
        if writers.is_empty() {
            return;
        }

        let written = self.written.entry(id).or_default();
        let writer = writers[(*written % writers.len() as u64) as usize];
        *written += 1;
        let mut metadata = written.to_le_bytes().repeat(bytes.div_ceil(8));
        metadata.truncate(*bytes);
        self.command(writer, &metadata, |protocol, now| {
            let _ = protocol.set_metadata(now, &metadata);
        });

        let pause = *every / writers.len() as u32;
        self.queue.push(self.now + pause.max(Duration::from_nanos(1)), What::Change(id));
    }
}
