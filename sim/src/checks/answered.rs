//! Always, of verdicts: a host that convicts was answered by another one since the suspicion began.

use std::time::Duration;

use tidings::event::DeadReason;
use tidings::{Event, Instant, Member, Protocol};

use crate::checks::fold::Folds;
use crate::scenario::{Configs, Families, Family};
use crate::violation::Violation;
use crate::watch::{Moment, Passage};

/// The kinds of `docs/wire.md` that answer something we sent: an ack, a relay's nack, an ack that a relay passed on.
const ACK: u8 = 2;
const NACK: u8 = 4;
const RELAYED: u8 = 5;

#[derive(Debug)]
pub(super) struct Answered {
    /// When each host was last answered.
    at: Vec<Instant>,
    configs: Configs,
    families: Families,
}

impl Answered {
    pub(super) fn new(configs: Configs, families: Families) -> Self {
        Answered { at: Vec::new(), configs, families }
    }

    /// No round of a host lasts longer.
    fn round(&self, host: u32) -> Duration {
        let config = self.configs.of(host);
        let round = config.probe_interval.min(config.stall_tolerance / 3);
        // And its failure may be noticed late, by a clock that is a little slow.
        round + round / 10
    }

    pub(super) fn started(&mut self, host: u32) {
        let place = host as usize;
        if self.at.len() <= place {
            self.at.resize(place + 1, Instant::ORIGIN);
        }
        self.at[place] = Instant::ORIGIN;
    }

    pub(super) fn handled(&mut self, now: Instant, host: u32, passage: Passage, datagram: &[u8]) {
        let is_answer = matches!(datagram.get(1), Some(&ACK | &NACK | &RELAYED)) && passage.is_whole;
        if let Some(at) = self.at.get_mut(host as usize).filter(|_| is_answer) {
            *at = now;
        }
    }

    /// Whether no member is left that a host can send to, beside the one just convicted: those it cannot send to never
    /// answer.
    fn is_one_of_two(&self, host: u32, protocol: &Protocol) -> bool {
        let in_reach = |member: &&Member| self.families.speaks(host, Family::of(member.address()));
        let others = protocol.members().filter(|member| member.state().is_live() && member.id() != protocol.me().id());
        !self.families.is_v4() && others.filter(in_reach).count() == 0
    }

    /// Judges a verdict before it is folded in.
    pub(super) fn told(
        &self,
        moment: Moment,
        host: u32,
        folds: &Folds,
        protocol: &Protocol,
        event: &Event,
    ) -> Option<Violation> {
        let Event::Dead { member, reason, provisional: false, .. } = event else { return None };
        // A host that leaves is not counted as present any more, and is one of them.
        let present = folds.present(host) + usize::from(!protocol.me().state().is_live());
        if *reason == DeadReason::Restarted || present <= 2 || self.is_one_of_two(host, protocol) {
            return None;
        }

        if !self.families.speaks(host, Family::of(member.address())) {
            // It rests on the word of those that could ask.
            return None;
        }

        let (suspected, _) = folds.opinion(host, member.id())?.suspected()?;
        let answered = self.at.get(host as usize).copied().unwrap_or(Instant::ORIGIN);

        // The suspicion counts from its round's first ping, and that round had to fail before anyone was told.
        (answered + self.round(host) < suspected).then(|| Violation {
            check: "answered",
            at: moment.now,
            text: format!(
                "n{host} called {} dead, suspected since {suspected}, but was last answered at {answered}",
                member.name()
            ),
            hosts: vec![host],
        })
    }
}
