//! The pinned bytes. Fields are set apart by spaces; LONG stands for the 300 bytes of metadata.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::{DEPARTURE, ELSEWHERE, EXTENDED, NONCE, OTHER, RECORD, suspicion, verdict};
use crate::election::{Context, Message as ElectionMessage, Progress, Question, Round};
use crate::leader::{Term, Trigger};
use crate::member::Incarnation;
use crate::voters::{Version, Voters};
use crate::wire::{ChangeRef, Item, Message, Range, RecordRef, Terms};

const CONTEXT: Context = Context {
    election: 0xb8b7_b6b5_b4b3_b2b1,
    rules: 0xc8c7_c6c5_c4c3_c2c1,
    voters: 0xd8d7_d6d5_d4d3_d2d1,
    version: Version { term: Term(298), number: 3 },
};
const TERM: Term = Term(300);
const ROUND: Round = Round(70_000);
const CURSOR: u64 = 0xe8e7_e6e5_e4e3_e2e1;

/// A message, its items, and the bytes of both in hexadecimal.
pub(super) type Row = (Message, Vec<Item<'static>>, &'static str);

pub(super) fn all() -> impl Iterator<Item = Row> {
    let news = about_members().into_iter().chain(comparisons());
    let news = news.map(|(item, hex)| (Message::News, vec![item], hex));
    let election_messages = questions().into_iter().chain(resignations()).chain(answers()).chain(about_voters());
    let election_messages = election_messages.map(|(election_message, hex)| {
        let message = Message::Election { to: OTHER, context: CONTEXT, election_message };
        (message, vec![], hex)
    });
    messages().into_iter().chain(news).chain(election_messages)
}

/// Every message without an item, and one with several.
fn messages() -> Vec<Row> {
    vec![
        (
            Message::Ping { to: OTHER, nonce: NONCE },
            vec![],
            "01 01 48510725d41b9701 f1f2f3f4f5f6f7f8 1112131415161718 a1a2a3a4a5a6a7a8 05 8877665544332211 0201 \
             00",
        ),
        (
            Message::Ack { nonce: NONCE },
            vec![],
            "01 02 7cac4882b542c9c9 f1f2f3f4f5f6f7f8 a1a2a3a4a5a6a7a8 05 8877665544332211 0201 00",
        ),
        (
            Message::PingReq { nonce: NONCE, target: OTHER },
            vec![],
            "01 03 dcf7e286d8568430 f1f2f3f4f5f6f7f8 a1a2a3a4a5a6a7a8 1112131415161718 05 8877665544332211 0201 \
             00",
        ),
        (
            Message::Nack { nonce: NONCE },
            vec![],
            "01 04 9247ffa575b3c8c3 f1f2f3f4f5f6f7f8 a1a2a3a4a5a6a7a8 05 8877665544332211 0201 00",
        ),
        (
            Message::Relayed { nonce: NONCE, target: OTHER, incarnation: Incarnation(300) },
            vec![],
            "01 05 7a1c3060dffbd29f f1f2f3f4f5f6f7f8 a1a2a3a4a5a6a7a8 1112131415161718 fb2c01 05 8877665544332211 \
             0201 00",
        ),
        (Message::News, vec![], "01 06 a1fb800b360e01d3 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 00"),
        (
            Message::SyncRequest { nonce: NONCE },
            vec![],
            "01 07 97e5c603c7417423 f1f2f3f4f5f6f7f8 a1a2a3a4a5a6a7a8 05 8877665544332211 0201 00",
        ),
        (
            Message::SyncReply { nonce: NONCE, done: 9 },
            vec![],
            "01 08 3c91b01d599e4fc4 f1f2f3f4f5f6f7f8 a1a2a3a4a5a6a7a8 09 05 8877665544332211 0201 00",
        ),
        (
            Message::Ping { to: OTHER, nonce: NONCE },
            vec![
                Item::Suspect(suspicion()),
                Item::Left(DEPARTURE),
                Item::Range { range: Range::whole(), hash: 0xd4d3_d2d1 },
            ],
            "01 01 a2cbb448be8ac9e4 f1f2f3f4f5f6f7f8 1112131415161718 a1a2a3a4a5a6a7a8 05 8877665544332211 0201 \
             03 02 3f 00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 fbdc05 01 02 \
             00000000000000000000000000000001 00000000000000000000000000000002 04 1a \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 10 06 00 00 d1d2d3d4",
        ),
    ]
}

/// Every item that says something of a member, each in a message of its own.
fn about_members() -> Vec<(Item<'static>, &'static str)> {
    vec![
        (
            Item::Alive(RECORD),
            "01 06 0e1238cbeafee6cd f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 01 2a \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 04 c0000201 ac1c 04 64622d31 03 010203",
        ),
        (
            Item::Alive(EXTENDED),
            "01 06 8fe600c3d8eac320 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 01 fb6a01 \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 06 20010db8000000000000000000000001 ac1c 07 \
             64c3a92d312078 fb2c01 LONG 09 02 aabb c8 00",
        ),
        (
            Item::Alive(ELSEWHERE),
            "01 06 f2dff187d4ba2405 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 01 27 \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 04 00000000 ac1c 04 64622d31 00",
        ),
        (
            Item::Suspect(suspicion()),
            "01 06 0cb4963c128f4542 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 02 3f \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 fbdc05 01 02 00000000000000000000000000000001 \
             00000000000000000000000000000002",
        ),
        (
            Item::Dead(verdict()),
            "01 06 401477530196d511 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 03 1d \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 00 00 00",
        ),
        (
            Item::Left(DEPARTURE),
            "01 06 82c1e913f87f8838 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 04 1a \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07",
        ),
        (
            Item::Seen(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)), 40_000)),
            "01 06 8c942c60a54b45a6 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 05 07 04 c6336407 409c",
        ),
        (
            Item::Change(ChangeRef::of(RecordRef { extra: EXTENDED.extra, ..RECORD }, Incarnation(3))),
            "01 06 4521b960172d8e23 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 06 22 \
             00112233445566778899aabbccddeeff fd0068e5cf8b010000 07 03 06 0902aabb c800",
        ),
        (Item::SeenElsewhere, "01 06 b7fcc1c97d5cb142 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 07 00"),
    ]
}

/// Every item by which views are compared, each in a message of its own.
fn comparisons() -> Vec<(Item<'static>, &'static str)> {
    vec![
        (
            Item::Range { range: Range::whole(), hash: 0xd4d3_d2d1 },
            "01 06 7e20674f13b94059 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 10 06 00 00 d1d2d3d4",
        ),
        (
            Item::Range { range: Range { bits: 12, prefix: 0xabc << 52 }, hash: 0xd4d3_d2d1 },
            "01 06 dd9f154932b651be f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 10 08 0c fbbc0a d1d2d3d4",
        ),
        (
            Item::Children {
                range: Range { bits: 4, prefix: 5 << 60 },
                hashes: std::array::from_fn(|part| part as u32 * 0x0101_0101),
            },
            "01 06 dc0ce255e687b055 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 11 42 04 05 00000000 01010101 \
             02020202 03030303 04040404 05050505 06060606 07070707 08080808 09090909 0a0a0a0a 0b0b0b0b 0c0c0c0c \
             0d0d0d0d 0e0e0e0e 0f0f0f0f",
        ),
        (
            Item::Terms { range: Range { bits: 60, prefix: !0 << 4 }, terms: Terms::of(&[1, 0xffff_fffe]) },
            "01 06 9454745628e8943a f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 12 13 3c fdffffffffffffff0f \
             02 01000000 feffffff",
        ),
        (
            Item::Want { range: Range { bits: 8, prefix: 0xfe << 56 }, terms: Terms::of(&[]) },
            "01 06 755239fb0eff976a f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 13 05 08 fbfe00 00",
        ),
        (
            Item::Pull { cursor: CURSOR },
            "01 06 6f31f5bb17deca52 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 14 08 e1e2e3e4e5e6e7e8",
        ),
        (
            Item::Page { next: Some(CURSOR), round: 1 << 40 },
            "01 06 cc858c676b4db954 f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 15 12 01 e1e2e3e4e5e6e7e8 \
             fd0000000000010000",
        ),
        (
            Item::Page { next: None, round: 70_000 },
            "01 06 808c89445b21d6fb f1f2f3f4f5f6f7f8 05 8877665544332211 0201 01 15 06 00 fc70110100",
        ),
    ]
}

/// Every election message that asks for an answer.
fn questions() -> Vec<(ElectionMessage, &'static str)> {
    vec![
        (
            ElectionMessage::LeaderCheck { term: TERM, round: ROUND },
            "01 09 f5a4e56d1856e110 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 01 fb2c01fc7011010000 05 8877665544332211 020100",
        ),
        (
            ElectionMessage::PreVote { term: TERM, round: ROUND },
            "01 09 21b9ca9925e5a0e4 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 02 fb2c01fc7011010000 05 8877665544332211 020100",
        ),
        (
            ElectionMessage::Vote { term: TERM, round: ROUND, hand_over: None },
            "01 09 0b30ba0d5b5ca369 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 03 fb2c01fc7011010000 05 8877665544332211 020100",
        ),
        (
            ElectionMessage::Vote { term: TERM, round: ROUND, hand_over: Some(Term(299)) },
            "01 09 8a65c577526b488a f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 03 fb2c01fc70110100fb2b01 05 8877665544332211 020100",
        ),
        (
            ElectionMessage::Heartbeat {
                term: TERM,
                round: ROUND,
                trigger: Trigger::LeaseRanOut,
                turn: Duration::from_micros(31_250),
            },
            "01 09 87c01c2e84981e69 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 04 fb2c01fc70110100fc01127a00 05 8877665544332211 020100",
        ),
    ]
}

/// Every election message about giving leadership up.
fn resignations() -> Vec<(ElectionMessage, &'static str)> {
    vec![
        (
            ElectionMessage::Resign { term: TERM },
            "01 09 33c394be8a2eafe8 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 18 fb2c010000 05 8877665544332211 020100",
        ),
        (
            ElectionMessage::HandOver { term: TERM },
            "01 09 08dac7e8c8b49d49 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 19 fb2c010000 05 8877665544332211 020100",
        ),
        (
            ElectionMessage::AskHandOver { term: TERM, priority: None },
            "01 09 8be5dcc83b1a2c03 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 1a fb2c010000 05 8877665544332211 020100",
        ),
    ]
}

/// Both answers to every question.
fn answers() -> Vec<(ElectionMessage, &'static str)> {
    let granted = |asked| ElectionMessage::Granted { asked, term: TERM, round: ROUND };
    let refused =
        |asked| ElectionMessage::Refused { asked, term: TERM, round: ROUND, wait: Duration::from_micros(1_500) };
    vec![
        (
            granted(Question::LeaderCheck),
            "01 09 e3acb2e542edec60 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 08 fb2c01fc7011010000 05 8877665544332211 020100",
        ),
        (
            refused(Question::LeaderCheck),
            "01 09 9ab1a424fd0b6062 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 10 fb2c01fc70110100fbdc05 05 8877665544332211 020100",
        ),
        (
            granted(Question::PreVote),
            "01 09 c899c6f85ba26f49 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 09 fb2c01fc7011010000 05 8877665544332211 020100",
        ),
        (
            refused(Question::PreVote),
            "01 09 bffa33c09b9a69f1 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 11 fb2c01fc70110100fbdc05 05 8877665544332211 020100",
        ),
        (
            granted(Question::Vote),
            "01 09 2c8b298baebf7cd3 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 0a fb2c01fc7011010000 05 8877665544332211 020100",
        ),
        (
            refused(Question::Vote),
            "01 09 fd1156927d1da3c5 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 12 fb2c01fc70110100fbdc05 05 8877665544332211 020100",
        ),
        (
            granted(Question::Heartbeat),
            "01 09 e281182f575dcea5 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 0b fb2c01fc7011010000 05 8877665544332211 020100",
        ),
        (
            refused(Question::Heartbeat),
            "01 09 34f487d361b51939 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 13 fb2c01fc70110100fbdc05 05 8877665544332211 020100",
        ),
    ]
}

/// Every election message about the voters.
fn about_voters() -> Vec<(ElectionMessage, &'static str)> {
    let joint = Voters::first(["a", "b"]).joint(Version { term: Term(298), number: 4 }, &["b".into(), "c".into()]);
    vec![
        (
            ElectionMessage::Voters { term: TERM, voters: joint.into() },
            "01 09 4ab50760af4493fc f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 1b fb2c010000162a010000000000000400000002020163030162010161 05 8877665544332211 020100",
        ),
        (
            ElectionMessage::AskChange { term: TERM, round: ROUND, is_forced: true, list: Voters::first(["a"]).into() },
            "01 09 2ba2b6f99142578c f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 1c fb2c01fc70110100011000000000000000000000000001010161 05 8877665544332211 020100",
        ),
        (
            ElectionMessage::Holds { term: TERM, is_durable: true },
            "01 09 8f29784066fe9a8f f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 1d fb2c010001 05 8877665544332211 020100",
        ),
        (
            ElectionMessage::Change { term: TERM, round: ROUND, progress: Progress::Busy },
            "01 09 3e53d514459f4705 f1f2f3f4f5f6f7f8 1112131415161718 b1b2b3b4b5b6b7b8 c1c2c3c4c5c6c7c8 d1d2d3d4d5d6d7d8 fb2a01 03 1e fb2c01fc7011010002 05 8877665544332211 020100",
        ),
    ]
}
