//! Anti-entropy: two members whose view hashes differ find the records that differ, and exchange only
//! those (`protocol.md 8.2`).
//!
//! One side asks, the other answers without remembering anything. The ring of positions is a tree: a part whose hashes
//! differ is split in sixteen until few members are left in it, whose terms are then listed. So the bytes grow with the
//! difference and the logarithm of the table, not with the table. Each request is answered by one datagram, which says
//! how many of its items it answered; the asker keeps the rest. That is all the flow control there is, and it holds in
//! both directions.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::swim::members::Members;
use crate::swim::slot::Slot;
use crate::time::Instant;
use crate::wire::{Item, Nonce, Range, Terms, Writer};

/// A part with at most so many members has its terms listed instead of being split.
const LEAF_MEMBERS: usize = 16;
/// Terms wanted in one step at most, which fit the shortest datagram that may be configured.
const WANTED_MAX: usize = 128;
/// Steps that a session keeps in mind; further differences are found by the next one.
const PENDING_MAX: usize = 16_384;
/// Requests repeated without an answer before the session is given up.
const TRIES_MAX: u8 = 4;
/// Requests of one session at most: a peer that always has one more page or part to offer must not keep us from the
/// others.
const REQUESTS_MAX: u16 = 16_384;
/// Bits of a nonce that count the session's steps; the rest salt its hashes.
const STEP_BITS: u32 = 16;
/// The whole ring is first compared in so many parts: the top bits of a position.
const TOP_BITS: u8 = 6;

/// What a session is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Aim {
    /// A joiner's first pages; they are not news.
    Join,
    /// A repair.
    Repair,
}

/// A step still to be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Step {
    Compare(Range),
    List(Range),
    Want(Range, Vec<u32>),
    Give(Slot),
    Pull(u64),
}

/// The asking side of a comparison.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) peer: SocketAddr,
    pub(crate) aim: Aim,
    pub(crate) deadline: Instant,
    nonce: u64,
    pending: VecDeque<Step>,
    in_flight: usize,
    tries: u8,
}

impl Session {
    /// A comparison of the whole ring, or for a joiner the pull of all there is.
    pub(crate) fn new(peer: SocketAddr, aim: Aim, random: u64, members: &Members) -> Self {
        let pending = match aim {
            Aim::Join => VecDeque::from([Step::Pull(0)]),
            Aim::Repair if members.counts().live() <= LEAF_MEMBERS => VecDeque::from([Step::List(Range::whole())]),
            Aim::Repair => (0..1 << TOP_BITS)
                .map(|part: u64| Step::Compare(Range { bits: TOP_BITS, prefix: part << (64 - TOP_BITS) }))
                .collect(),
        };
        Session {
            peer,
            aim,
            deadline: Instant::NEVER,
            nonce: random >> STEP_BITS << STEP_BITS,
            pending,
            in_flight: 0,
            tries: 0,
        }
    }

    /// The nonce of the step under way.
    pub(crate) fn nonce(&self) -> Nonce {
        Nonce(self.nonce)
    }

    /// Whether there is nothing left to ask.
    pub(crate) fn is_over(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether the last request may be repeated; false gives up.
    pub(crate) fn may_repeat(&mut self) -> bool {
        self.tries += 1;
        self.tries < TRIES_MAX
    }

    /// The step goes out: an answer is expected within `patience`.
    pub(crate) fn sent(&mut self, now: Instant, patience: Duration, in_flight: usize) {
        self.deadline = now + patience;
        self.in_flight = in_flight;
    }

    /// Writes as many pending steps as fit; how many there are.
    pub(crate) fn write<'a>(
        &self,
        members: &'a Members,
        writer: &mut Writer<'_>,
        tell: impl Fn(Slot) -> Option<Item<'a>>,
    ) -> usize {
        let salt = salt(self.nonce());
        let mut written = 0;

        for step in &self.pending {
            let fits = match step {
                Step::Compare(range) => writer.item(&Item::Range { range: *range, hash: hash(members, *range, salt) }),
                Step::List(range) => write_terms(members, *range, salt, writer),
                Step::Want(range, terms) => writer.item(&Item::Want { range: *range, terms: Terms::of(terms) }),
                Step::Give(slot) => tell(*slot).is_none_or(|item| writer.item(&item)),
                Step::Pull(cursor) => writer.item(&Item::Pull { cursor: *cursor }),
            };

            if !fits {
                break;
            }
            written += 1;
            if matches!(step, Step::Pull(_)) {
                break;
            }
        }
        written
    }

    /// Takes an answer to this step: the first `done` items are settled. False if it answers something else, or
    /// nothing.
    pub(crate) fn accept(&mut self, nonce: Nonce, done: u16) -> bool {
        let done = usize::from(done);
        if nonce != self.nonce() || done == 0 || done > self.in_flight {
            return false;
        }

        self.pending.drain(..done.min(self.pending.len()));
        self.in_flight = 0;
        self.tries = 0;
        let step = (self.nonce as u16).wrapping_add(1);
        if step >= REQUESTS_MAX {
            self.pending.clear();
        }
        self.nonce = self.nonce >> STEP_BITS << STEP_BITS | u64::from(step);
        true
    }

    /// Takes one item of an answer, if it is a step of the comparison.
    pub(crate) fn item(&mut self, members: &Members, item: &Item<'_>, answered: Nonce) {
        let salt = salt(answered);

        match item {
            Item::Children { range, hashes } => {
                for (child, theirs) in range.children().into_iter().zip(hashes) {
                    if hash(members, child, salt) != *theirs {
                        let few = count(members, child) <= LEAF_MEMBERS || child.bits >= Range::BITS_MAX;
                        self.push(if few { Step::List(child) } else { Step::Compare(child) });
                    }
                }
            }
            Item::Terms { range, terms } => {
                let (mine, wanted) = differ(members, *range, *terms, salt);
                for slot in mine {
                    self.push(Step::Give(slot));
                }
                // In steps that fit any datagram: theirs may be longer than ours.
                for wanted in wanted.chunks(WANTED_MAX) {
                    self.push(Step::Want(*range, wanted.to_vec()));
                }
            }
            Item::Want { range, terms } => {
                for slot in matching(members, *range, *terms, salt) {
                    self.push(Step::Give(slot));
                }
            }
            Item::Page { next: Some(next), .. } => self.push(Step::Pull(*next)),
            _ => {}
        }
    }

    /// Has something to say to the other side: it told us what we know better.
    pub(crate) fn give(&mut self, slot: Slot) {
        if !self.pending.contains(&Step::Give(slot)) {
            self.push(Step::Give(slot));
        }
    }

    fn push(&mut self, step: Step) {
        if self.pending.len() < PENDING_MAX && (self.nonce as u16) < REQUESTS_MAX {
            self.pending.push_back(step);
        }
    }
}

/// Answers one item of a request; false if not all of the answer fitted.
pub(crate) fn answer<'a>(
    members: &'a Members,
    item: &Item<'_>,
    nonce: Nonce,
    round: u64,
    writer: &mut Writer<'_>,
    tell: impl Fn(Slot) -> Option<Item<'a>>,
) -> bool {
    let salt = salt(nonce);
    let give = |slot: Slot, writer: &mut Writer<'_>| tell(slot).is_none_or(|item| writer.item(&item));

    match item {
        Item::Range { range, hash: theirs } => {
            if hash(members, *range, salt) == *theirs {
                true
            } else if count(members, *range) <= LEAF_MEMBERS || range.bits + 4 > Range::BITS_MAX {
                write_terms(members, *range, salt, writer)
            } else {
                let hashes = range.children().map(|child| hash(members, child, salt));
                writer.item(&Item::Children { range: *range, hashes })
            }
        }
        Item::Terms { range, terms } => {
            let (mine, wanted) = differ(members, *range, *terms, salt);
            let asked = wanted.is_empty() || writer.item(&Item::Want { range: *range, terms: Terms::of(&wanted) });
            asked && mine.into_iter().all(|slot| give(slot, writer))
        }
        Item::Want { range, terms } => {
            matching(members, *range, *terms, salt).into_iter().all(|slot| give(slot, writer))
        }
        Item::Pull { cursor } => write_page(members, *cursor, round, writer, tell),
        _ => true,
    }
}

/// The bytes that the end of a page takes.
const PAGE_END_BYTES: usize = 2 + 1 + 8 + 9;

fn write_page<'a>(
    members: &'a Members,
    cursor: u64,
    round: u64,
    writer: &mut Writer<'_>,
    tell: impl Fn(Slot) -> Option<Item<'a>>,
) -> bool {
    let mut next = None;
    for slot in members.live_between(cursor, u64::MAX) {
        let Some(item) = tell(slot) else { continue };
        let before = writer.bytes_left();
        if before < PAGE_END_BYTES + item_bytes(&item) || writer.count() >= 254 || !writer.item(&item) {
            next = Some(crate::swim::members::ring::position(members.member(slot).id()));
            break;
        }
    }

    writer.item(&Item::Page { next, round })
}

/// An upper bound of an item's length on the wire, for the records that pages hold.
fn item_bytes(item: &Item<'_>) -> usize {
    match item {
        Item::Alive(record) => 64 + record.name.len() + record.metadata.len() + record.extra.len(),
        _ => 128,
    }
}

fn write_terms(members: &Members, range: Range, salt: u64, writer: &mut Writer<'_>) -> bool {
    let terms: Vec<u32> = live(members, range).map(|slot| short(members.term(slot), salt)).collect();
    writer.item(&Item::Terms { range, terms: Terms::of(&terms) })
}

/// Our members whose terms are not in theirs, and the terms of theirs that we lack.
fn differ(members: &Members, range: Range, theirs: Terms<'_>, salt: u64) -> (Vec<Slot>, Vec<u32>) {
    let mut ours: Vec<(u32, Slot)> = live(members, range).map(|slot| (short(members.term(slot), salt), slot)).collect();
    ours.sort_unstable();
    let mut known: Vec<u32> = theirs.iter().collect();
    known.sort_unstable();
    let mine = ours.iter().filter(|(term, _)| known.binary_search(term).is_err()).map(|(_, slot)| *slot).collect();
    let wanted = known.iter().filter(|term| ours.binary_search_by_key(*term, |(own, _)| *own).is_err());
    (mine, wanted.copied().collect())
}

fn matching(members: &Members, range: Range, wanted: Terms<'_>, salt: u64) -> Vec<Slot> {
    live(members, range).filter(|slot| wanted.iter().any(|term| term == short(members.term(*slot), salt))).collect()
}

fn live(members: &Members, range: Range) -> impl Iterator<Item = Slot> + '_ {
    members.live_between(range.first(), range.last())
}

fn count(members: &Members, range: Range) -> usize {
    live(members, range).count()
}

fn hash(members: &Members, range: Range, salt: u64) -> u32 {
    short(live(members, range).fold(0, |sum, slot| sum.wrapping_add(members.term(slot))), salt)
}

fn salt(nonce: Nonce) -> u64 {
    nonce.0 >> STEP_BITS
}

/// A 64-bit sum or term in 32 bits; what one salt hides, the next session's shows.
fn short(long: u64, salt: u64) -> u32 {
    let mixed = (long ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{Generation, Identity, Incarnation, Record};
    use crate::wire::{Codec, Digest, Message, RecordRef, SenderState};

    fn table(records: impl Iterator<Item = (u64, u32)>) -> Members {
        let mut records = records.map(|(n, incarnation)| {
            let identity = Identity::named(&format!("node-{n:011}"), Generation(1), "127.0.0.1:1".parse().unwrap());
            Record::new(&identity, Incarnation(incarnation), &[]).unwrap()
        });
        let mut members = Members::new(records.next().unwrap(), 42);
        for record in records {
            members.insert(record);
        }
        members
    }

    fn tell(members: &Members, slot: Slot) -> Option<Item<'_>> {
        Some(Item::Alive(RecordRef::of(&members.member(slot).record)))
    }

    fn take(members: &mut Members, item: &Item<'_>) {
        if let Item::Alive(record) = item {
            match members.find(record.id) {
                None => drop(members.insert(record.to_record())),
                Some(slot) if record.incarnation > members.member(slot).record.incarnation() => {
                    members.set_record(slot, record.to_record());
                }
                Some(_) => {}
            }
        }
    }

    /// Runs one session between two tables; datagrams and bytes in both directions.
    fn run(asker: &mut Members, answerer: &mut Members, aim: Aim) -> (usize, usize) {
        let codec = Codec::new("c", 1_400);
        let mut session = Session::new("127.0.0.1:1".parse().unwrap(), aim, 0x1234_5678_9abc_def0, asker);
        let (mut datagrams, mut bytes) = (0, 0);
        while !session.is_over() {
            let (mut request, mut reply) = (Vec::new(), Vec::new());
            let message = Message::SyncRequest { nonce: session.nonce() };
            let mut writer = codec.writer(&mut request, 1_400, Digest(1), SenderState::default(), message);
            let written = session.write(asker, &mut writer, |slot| tell(asker, slot));
            writer.finish();
            session.sent(Instant::ORIGIN, Duration::ZERO, written);

            let heard = codec.decode(&request).unwrap();
            let nonce = session.nonce();
            for item in heard.items() {
                take(answerer, &item);
            }

            let mut body = Vec::new();
            let mut done = 0;
            let message = Message::SyncReply { nonce, done: 0 };
            let mut writer = codec.writer(&mut body, 1_390, Digest(2), SenderState::default(), message);
            for item in heard.items() {
                let fitted = answer(answerer, &item, nonce, 0, &mut writer, |slot| tell(answerer, slot));
                if !fitted && done > 0 {
                    break;
                }
                done += 1;
                if !fitted {
                    break;
                }
            }
            writer.finish();

            let message = Message::SyncReply { nonce, done };
            let mut writer = codec.writer(&mut reply, 1_400, Digest(2), SenderState::default(), message);
            for item in codec.decode(&body).unwrap().items() {
                assert!(writer.item(&item));
            }
            writer.finish();

            assert!(session.accept(nonce, done));
            for item in codec.decode(&reply).unwrap().items() {
                take(asker, &item);
                session.item(asker, &item, nonce);
            }

            datagrams += 2;
            bytes += request.len() + reply.len();
            assert!(datagrams < 10_000);
        }
        (datagrams, bytes)
    }

    #[test]
    fn a_peer_that_always_has_more_to_offer_does_not_hold_us_for_ever() {
        let members = table((0..1).map(|n| (n, 0)));
        let mut session = Session::new("127.0.0.1:1".parse().unwrap(), Aim::Join, 7, &members);
        let mut steps = 0;
        while !session.is_over() {
            let nonce = session.nonce();
            session.sent(Instant::ORIGIN, Duration::ZERO, 1);
            assert!(session.accept(nonce, 1));
            session.item(&members, &Item::Page { next: Some(0), round: 0 }, nonce);
            steps += 1;
            assert!(steps <= 100_000, "it never ends");
        }
    }

    #[test]
    fn what_is_wanted_of_a_longer_datagram_fits_a_short_one() {
        let members = table((0..1).map(|n| (n, 0)));
        let mut session = Session::new("127.0.0.1:1".parse().unwrap(), Aim::Repair, 7, &members);
        session.sent(Instant::ORIGIN, Duration::ZERO, 1);
        let nonce = session.nonce();
        assert!(session.accept(nonce, 1));

        let terms: Vec<u32> = (1..=1_000).collect();
        session.item(&members, &Item::Terms { range: Range::whole(), terms: Terms::of(&terms) }, nonce);

        let codec = Codec::new("c", 1_024);
        let mut asked = Vec::new();
        while !session.is_over() {
            let mut request = Vec::new();
            let message = Message::SyncRequest { nonce: session.nonce() };
            let mut writer = codec.writer(&mut request, 1_024, Digest(1), SenderState::default(), message);
            let written = session.write(&members, &mut writer, |slot| tell(&members, slot));
            writer.finish();
            assert!(written > 0, "a step that never fits");
            for item in codec.decode(&request).unwrap().items() {
                let Item::Want { terms, .. } = item else { continue };
                asked.extend(terms.iter());
            }
            session.sent(Instant::ORIGIN, Duration::ZERO, written);
            let nonce = session.nonce();
            assert!(session.accept(nonce, written as u16));
        }

        assert_eq!(asked, terms);
    }

    #[test]
    fn one_difference_in_ten_thousand_is_cheap() {
        let mut a = table((0..10_000).map(|n| (n, u32::from(n == 77))));
        let mut b = table((0..10_000).map(|n| (n, 0)));
        let (datagrams, bytes) = run(&mut a, &mut b, Aim::Repair);
        assert_eq!(a.view_hash(), b.view_hash());
        assert!(datagrams <= 8 && bytes <= 6_144, "{datagrams} datagrams, {bytes} bytes");
    }

    #[test]
    fn bytes_grow_with_the_difference_not_the_table() {
        let repair = |size: u64, different: u64| {
            let mut a = table((0..size).map(|n| (n, u32::from(n * 7_919 % size < different))));
            let mut b = table((0..size).map(|n| (n, 0)));
            let mut bytes = 0;
            for _ in 0..3 {
                bytes += run(&mut a, &mut b, Aim::Repair).1;
            }
            assert_eq!(a.view_hash(), b.view_hash());
            bytes
        };
        let few = repair(10_000, 50);
        let many = repair(10_000, 500);
        let twice_the_table = repair(20_000, 500);
        assert!(many < few * 14, "{few} {many}");
        assert!(twice_the_table < many * 3 / 2, "{many} {twice_the_table}");
    }

    #[test]
    fn both_sides_gain_and_a_joiner_pulls_everything() {
        let mut a = table((0..600).map(|n| (n, 0)));
        let mut b = table((300..900).map(|n| (n, 0)));
        run(&mut a, &mut b, Aim::Repair);
        assert_eq!((a.counts().alive, a.view_hash()), (900, b.view_hash()));

        let mut joiner = table((5_000..5_001).map(|n| (n, 0)));
        run(&mut joiner, &mut b, Aim::Join);
        assert_eq!(joiner.counts().alive, 901);
    }
}
