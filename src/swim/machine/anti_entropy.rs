//! When views are compared, and with which member (`protocol.md 8.1`, `8.2`).

use std::net::SocketAddr;
use std::time::Duration;

use crate::member::State;
use crate::sabotage;
use crate::swim::anti_entropy::{Aim, Session, answer};
use crate::swim::dissemination::gossip::sends_in_all;
use crate::swim::joining::Purpose;
use crate::swim::machine::Machine;
use crate::swim::machine::origin::Origin;
use crate::swim::members::merge::Source;
use crate::swim::slot::Slot;
use crate::time::Instant;
use crate::wire::{Datagram, Item, Message, Nonce, Rejected};

/// After so many members in a row with our view, comparisons in vain are forgotten. One is not enough: where tables are
/// full, some hold the same as we do and others never will.
const AGREED_AGAIN: usize = 16;
/// The pause between comparisons in vain doubles so often: from 2 s to 128 s.
const IN_VAIN_MAX: u32 = 6;

/// The state of our own comparison, and of what calls for one.
#[derive(Debug)]
pub(super) struct AntiEntropy {
    session: Option<Session>,
    news_at: Instant,
    differ_since: Option<Instant>,
    /// Comparisons in a row after which our view was as before it, though it still differs from others'.
    in_vain: u32,
    /// After one in vain the next waits until then.
    not_before: Instant,
    /// Our view as the comparison under way began.
    began_at: u64,
    /// Acks in a row with our own view hash since the table changed.
    agreed: usize,
    /// A joiner compares once more with its contact: the members that joined with it were not in its pages.
    follow_up: Option<(Instant, SocketAddr)>,
    /// What the other side of the exchange being answered should hear.
    give_back: Vec<Slot>,
}

impl AntiEntropy {
    pub(super) fn new(now: Instant) -> Self {
        AntiEntropy {
            session: None,
            news_at: now,
            differ_since: None,
            in_vain: 0,
            not_before: now,
            began_at: 0,
            agreed: 0,
            follow_up: None,
            give_back: Vec::new(),
        }
    }

    /// The table changed: while news flows, a difference is no cause for concern.
    pub(super) fn note_news(&mut self, now: Instant) {
        self.news_at = now;
        self.agreed = 0;
        self.forgive(now);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.session.is_some()
    }

    pub(super) fn deadline(&self) -> Instant {
        let session = self.session.as_ref().map_or(Instant::NEVER, |session| session.deadline);
        session.min(self.follow_up.map_or(Instant::NEVER, |(at, _)| at))
    }

    /// The other side holds an old word: ours is to be sent with the next step.
    pub(super) fn give_back(&mut self, slot: Slot) {
        if !self.give_back.contains(&slot) {
            self.give_back.push(slot);
        }
    }

    /// Whether a difference seen now has lasted: a second of quiet, or two of continued difference.
    fn is_due(&mut self, now: Instant, differs: bool, quiet: Duration, patience: Duration) -> bool {
        if !differs {
            self.differ_since = None;
            self.agreed += 1;
            if self.agreed >= AGREED_AGAIN {
                self.forgive(now);
            }
            return false;
        }

        self.agreed = 0;
        let since = *self.differ_since.get_or_insert(now);
        let is_due = now.since(self.news_at) >= quiet || now.since(since) >= patience;
        is_due && (self.not_before <= now || sabotage::is_off("comparisons_in_vain"))
    }

    /// Comparisons are worth their while again.
    fn forgive(&mut self, now: Instant) {
        self.in_vain = 0;
        self.not_before = self.not_before.min(now);
    }

    /// A comparison is over. One that has left our view as it was, and will again, is not worth repeating each second:
    /// a full table refuses the same members each time.
    fn compared(&mut self, now: Instant, view_hash: u64, patience: Duration) {
        if view_hash != self.began_at {
            return self.forgive(now);
        }
        self.not_before = now + patience * (1 << self.in_vain.min(IN_VAIN_MAX));
        self.in_vain = self.in_vain.saturating_add(1);
    }
}

impl Machine {
    /// A member's ack told its view hash. The pinged member leaves the comparison to the pinger, or both would begin.
    pub(super) fn compare_views(&mut self, origin: Origin, theirs: u64) {
        let is_live = origin.slot.is_some_and(|slot| self.members.row(slot).is_live());
        if !is_live || !origin.is_proved || self.leaving.is_some() {
            return;
        }

        let differs = theirs != self.members.view_hash();
        let (quiet, patience) = (self.rules.sync_quiet, self.rules.sync_patience);
        if self.anti_entropy.is_due(self.now, differs, quiet, patience) {
            self.begin_repair(origin.address);
        } else if !differs {
            self.hush_what_all_know();
        }
    }

    /// Members with our view hash hold every record that we hold. After as many of them in a row as a news has sends,
    /// the records need not ride any more: the news of a thousand joins at once would ride for minutes. A suspicion or
    /// a death moves no hash.
    fn hush_what_all_know(&mut self) {
        let enough = sends_in_all(self.rules.retransmit_mult, self.members.counts().present());
        if self.anti_entropy.agreed == enough && self.gossip.len() > 0 {
            let members = &self.members;
            self.gossip.hush_all(|slot| members.member(slot).state() == State::Alive);
        }
    }

    /// Compares views with a member, unless a comparison is under way.
    pub(super) fn begin_repair(&mut self, peer: SocketAddr) {
        if !self.anti_entropy.is_busy() && !sabotage::is_off("comparison") {
            self.begin_session(peer, Aim::Repair);
        }
    }

    pub(super) fn begin_session(&mut self, peer: SocketAddr, aim: Aim) {
        self.metrics.syncs += 1;
        self.anti_entropy.differ_since = None;
        self.anti_entropy.began_at = self.members.view_hash();
        let random = self.random.nonces.draw();
        self.anti_entropy.session = Some(Session::new(peer, aim, random, &self.members));
        self.ask();
    }

    /// No answer came in time: the request is repeated, or the session given up.
    pub(super) fn repeat_sync(&mut self) {
        match &mut self.anti_entropy.session {
            Some(session) if session.deadline <= self.now => {
                if session.may_repeat() {
                    if session.aim == Aim::Join {
                        // A contact's datagrams may come from where it does not receive.
                        session.peer = self.joining.next_contact().unwrap_or(session.peer);
                    }
                    self.ask();
                } else {
                    self.anti_entropy.session = None;
                }
            }
            Some(_) | None => {}
        }

        if let Some((_, peer)) = self.anti_entropy.follow_up.take_if(|(at, _)| *at <= self.now) {
            self.begin_repair(peer);
        }
    }

    /// Sends the session's next request, or ends it.
    fn ask(&mut self) {
        let Some(mut session) = self.anti_entropy.session.take() else { return };
        if session.is_over() {
            self.anti_entropy.compared(self.now, self.members.view_hash(), self.rules.sync_patience);
            if session.aim == Aim::Join {
                self.anti_entropy.follow_up = Some((self.now + self.rules.probe_timeout, session.peer));
            }
            return;
        }

        let mut datagram = Vec::new();
        let message = Message::SyncRequest { nonce: session.nonce() };
        let limit = self.rules.datagram_bytes_max;
        let mut writer = self.codec.writer(&mut datagram, limit, self.my_digest(), self.sender_state(), message);
        let news = self.news();
        let written = session.write(&self.members, &mut writer, |slot| news.record(slot));
        writer.finish();

        session.sent(self.now, self.rules.probe_timeout, written);
        self.outbox.push_prepared(session.peer, datagram);
        self.anti_entropy.session = Some(session);
    }

    /// Answers as many items of a request as fit one datagram, and remembers nothing.
    pub(super) fn answer_sync(&mut self, origin: Origin, heard: &Datagram<'_>, nonce: Nonce) {
        self.hear(origin, heard.sender_state);

        if !origin.is_proved {
            // protocol.md 9: it may be told more than it sent only after it has shown that it receives
            // there; then it asks again.
            if heard.items().next().is_some() {
                let first = Self::where_asked(origin);
                self.ask_for_proof(origin.address, origin.digest, Purpose::Serve, origin.bytes, first);
            }
            return;
        }

        self.anti_entropy.give_back.clear();
        for item in heard.items() {
            self.take_item(origin, &item, Source::Sync);
        }
        let back = std::mem::take(&mut self.anti_entropy.give_back);

        // Mostly all of it fits, and hashing a large table twice is dear.
        let all = u16::try_from(heard.items().count()).unwrap_or(u16::MAX);
        let mut datagram = Vec::new();
        let done = self.write_answer(heard, nonce, &back, all, &mut datagram);
        if done < all {
            self.write_answer(heard, nonce, &back, done, &mut datagram);
        }
        self.outbox.push_prepared(origin.address, datagram);
    }

    /// Writes the answer that says that it answers the first `done` items of a request; how many of those it could.
    fn write_answer(
        &self,
        heard: &Datagram<'_>,
        nonce: Nonce,
        back: &[Slot],
        done: u16,
        datagram: &mut Vec<u8>,
    ) -> u16 {
        let message = Message::SyncReply { nonce, done };
        let limit = self.rules.datagram_bytes_max;
        let mut writer = self.codec.writer(datagram, limit, self.my_digest(), self.sender_state(), message);
        let news = self.news();

        for slot in back {
            if let Some(item) = news.record(*slot) {
                writer.item(&item);
            }
        }

        let mut answered = 0;
        for item in heard.items() {
            if answered == done {
                break;
            }
            let fitted =
                answer(&self.members, &item, nonce, self.round_number.round(), &mut writer, |slot| news.record(slot));
            // An item whose whole answer does not fit is left to the asker, unless it is the first.
            if fitted || answered == 0 {
                answered += 1;
            }
            if !fitted {
                break;
            }
        }

        writer.finish();
        answered
    }

    /// The answer to our own request.
    pub(super) fn receive_sync_reply(
        &mut self,
        origin: Origin,
        heard: &Datagram<'_>,
        nonce: Nonce,
        done: u16,
    ) -> Result<(), Rejected> {
        let Some(mut session) = self.anti_entropy.session.take() else { return Err(Rejected::UnknownNonce) };
        if !session.accept(nonce, done) {
            self.anti_entropy.session = Some(session);
            return Err(Rejected::UnknownNonce);
        }

        self.hear(origin, heard.sender_state);
        self.anti_entropy.give_back.clear();

        // protocol.md 7.5: a joiner's pages are not news.
        let source = if session.aim == Aim::Join { Source::Bulk } else { Source::Sync };
        for item in heard.items() {
            match item {
                Item::Page { round, .. } if session.aim == Aim::Join => self.round_number.adopt(round),
                _ => {}
            }
            self.take_item(origin, &item, source);
            session.item(&self.members, &item, nonce);
        }

        for slot in std::mem::take(&mut self.anti_entropy.give_back) {
            session.give(slot);
        }

        self.anti_entropy.session = Some(session);
        self.ask();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_must_last() {
        let (quiet, patience) = (Duration::from_secs(1), Duration::from_secs(2));
        let at = |ms: u64| Instant::ORIGIN + Duration::from_millis(ms);
        for (news_at, differs_from, now, is_due) in
            [(0, 500, 900, false), (0, 500, 1_000, true), (2_000, 500, 2_400, false), (2_000, 500, 2_500, true)]
        {
            let mut anti_entropy = AntiEntropy::new(at(0));
            anti_entropy.note_news(at(news_at));
            anti_entropy.is_due(at(differs_from), true, quiet, patience);
            let said = anti_entropy.is_due(at(now), true, quiet, patience);
            assert_eq!(said, is_due, "news at {news_at}, differs from {differs_from}, at {now}");
            assert!(!anti_entropy.is_due(at(now), false, quiet, patience), "the views agree");
        }
    }
}
