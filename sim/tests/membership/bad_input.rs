//! What an attacker or a bad network can send: it is rejected with a counter, or believed to no harm.
//!
//! The forger here knows the cluster's name, which is no secret; what it can still do until datagrams are sealed is
//! bounded by these tests.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use proptest::prelude::*;
use tidings::config::Config;
use tidings::event::Event;
use tidings::member::{Generation, Incarnation, Member, NodeId, State};
use tidings::metrics::Metrics;
use tidings::protocol::Protocol;
use tidings::time::Instant;
use tidings::wire::Rejected;
use tidings_sim::forge::{self, Item, LOOK, NEWS, PING, Who, fields};

use crate::support::{Cluster, Net, Tapped, apart, cluster, id, lan, ms, read, secs};

const STRANGER: Who = Who { id: NodeId::from_u128(77), generation: 5, incarnation: 0 };

/// All that a rejected datagram must leave as it was.
fn state_of(protocol: &Protocol) -> (Vec<Member>, Option<Instant>, Metrics) {
    let mut metrics = protocol.metrics();
    metrics.rejected = Default::default();
    (protocol.members().cloned().collect(), protocol.poll_timeout(), metrics)
}

/// Hands a datagram in and demands that it is rejected, counted, and changes nothing.
fn must_reject(net: &mut Net, n: u32, from: SocketAddr, datagram: &[u8]) -> Rejected {
    net.on(n, |protocol, now| {
        let (before, counted) = (state_of(protocol), protocol.metrics().rejected);
        let outcome = protocol.handle_datagram(now, from, &mut datagram.to_vec());
        let reason = outcome.expect_err(&format!("accepted {datagram:02x?}"));
        assert_eq!(state_of(protocol), before, "{reason:?} changed the state: {datagram:02x?}");
        let counters = protocol.metrics().rejected;
        assert_eq!((counters.of(reason), counters.total()), (counted.of(reason) + 1, counted.total() + 1));
        assert!(protocol.poll_transmit(&mut Vec::new()).is_none() && protocol.poll_event().is_none());
        reason
    })
}

/// A cluster with a past: a stall, a crash, a restart, a leave, a cut link and a heal, all recorded.
fn recorded(seed: u64) -> (Net, Vec<Tapped>) {
    let mut net = cluster(&lan(), seed, 7);
    net.listen();
    net.pause(3, ms(2_500));
    net.run(secs(6));
    net.fail(apart(1, 2));
    net.crash(6);
    net.run(secs(9));
    net.heal();
    net.leave(5);
    net.run(secs(3));
    net.start_host(6);
    net.on(1, |protocol, now| protocol.set_metadata(now, b"later")).unwrap();
    net.run(secs(10));
    assert!(net.all_agree());
    let tap = net.heard();
    (net, tap)
}

/// The host that a datagram went to, if it still runs there.
fn receiver(net: &Net, sent: &Tapped) -> Option<u32> {
    sent.to.filter(|to| net.up().contains(to))
}

#[test]
fn garbage_is_rejected_counted_and_changes_nothing() {
    let (mut net, tap) = recorded(1);
    let address = net.address(1);
    let good = &tap.iter().rev().find(|sent| sent.to == Some(0) && sent.kind() == PING).unwrap().bytes;

    for length in 0..good.len() {
        must_reject(&mut net, 0, address, &good[..length]);
    }

    assert_eq!(must_reject(&mut net, 0, address, &[good.clone(), vec![0; 65_507]].concat()), Rejected::Oversized);
    assert_eq!(must_reject(&mut net, 0, address, &[good.clone(), vec![0; 1_400]].concat()), Rejected::Tag);
    assert_eq!(must_reject(&mut net, 0, address, &[good.clone(), vec![0]].concat()), Rejected::Tag);

    for version in (0..=255).filter(|version| *version != 1) {
        let other = [&[version], &good[1..]].concat();
        assert_eq!(must_reject(&mut net, 0, address, &other), Rejected::Version);
    }

    let no_kind = forge::tagged("c", 0, &good[10..]);
    assert_eq!(must_reject(&mut net, 0, address, &no_kind), Rejected::Kind);
    let trailing = forge::tagged("c", PING, &[&good[10..], &[0]].concat());
    assert_eq!(must_reject(&mut net, 0, address, &trailing), Rejected::Malformed);

    let mut random = 1_u64;
    for length in 0..1_400 {
        let noise = std::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 56) as u8
        });
        let noise: Vec<u8> = noise.take(length).collect();
        must_reject(&mut net, 0, address, &noise);
        let almost = [&[1, PING], &noise[..]].concat();
        must_reject(&mut net, 0, address, &almost);
    }
}

#[test]
fn what_was_not_meant_for_us_is_rejected() {
    let (mut net, _) = recorded(2);
    let (me, address) = (net.who(0), net.address(1));
    let member = net.who(1);
    let foreign = member.says("d", PING, &fields(&[me.digest(), 1]), &[]);
    assert_eq!(must_reject(&mut net, 0, address, &foreign), Rejected::Tag);
    for (kind, words) in [(PING, 2), (forge::ACK, 1), (forge::PING_REQ, 2), (NEWS, 0), (forge::SYNC_REQUEST, 1)] {
        let own = me.says("c", kind, &fields(&[7; 2][..words]), &[]);
        assert_eq!(must_reject(&mut net, 0, address, &own), Rejected::FromSelf, "{kind}");
    }
    for (kind, words) in [(forge::ACK, 1), (forge::NACK, 1), (forge::RELAYED, 2), (forge::SYNC_REPLY, 1)] {
        let tail = if words == 2 || kind == forge::SYNC_REPLY { &[0][..] } else { &[] };
        let body = [&fields(&[7; 2][..words]), tail].concat();
        let unasked = member.says("c", kind, &body, &[]);
        assert_eq!(must_reject(&mut net, 0, address, &unasked), Rejected::UnknownNonce, "{kind}");
    }
    let greeting_of_nobody = STRANGER.says("c", PING, &fields(&[0, 1]), &[]);
    assert_eq!(must_reject(&mut net, 0, address, &greeting_of_nobody), Rejected::Misdirected);
}

#[test]
fn every_flipped_byte_of_a_recorded_run_is_noticed() {
    let (mut net, tap) = recorded(3);
    let mut kinds = [0; 9];
    let mut flips = 0;

    for sent in tap {
        let Some(n) = receiver(&net, &sent) else { continue };
        let kind = usize::from(sent.kind());
        kinds[kind] += 1;
        if kinds[kind] > 25 {
            continue;
        }

        let from = net.address(sent.from);
        for place in 0..sent.bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = sent.bytes.clone();
                damaged[place] ^= flip;
                must_reject(&mut net, n, from, &damaged);
                flips += 1;
            }
        }
    }

    eprintln!("datagrams by kind: {:?}; {flips} damaged ones, all rejected", &kinds[1..]);
    assert!(kinds[1..].iter().all(|seen| *seen > 0), "a kind was never recorded: {kinds:?}");
}

#[test]
fn a_replayed_run_costs_at_most_one_refuted_suspicion() {
    for seed in 0..3 {
        let (mut net, tap) = recorded(seed);
        let since = net.now();
        for (at, mut sent) in tap.into_iter().enumerate() {
            let Some(n) = receiver(&net, &sent) else { continue };
            let from = net.address(sent.from);
            net.on(n, |protocol, now| protocol.handle_datagram(now, from, &mut sent.bytes).ok());
            if at % 16 == 0 {
                net.run(ms(5));
            }
        }

        net.run(secs(15));
        assert_eq!(net.false_dead(since), 0, "seed {seed}");
        assert!(net.all_agree(), "seed {seed}");

        for n in net.up() {
            for m in 0..7 {
                let kinds = net.kinds(n, m, since);
                assert!(kinds.is_empty() || kinds == ["suspect", "refuted"], "seed {seed}: {n} about {m}: {kinds:?}");
            }
        }
    }
}

/// Everything that `n` sends to `to` while one datagram is handed in at one moment.
fn provoked(net: &mut Net, n: u32, from: SocketAddr, datagram: &[u8]) -> (Vec<Vec<u8>>, bool) {
    net.on(n, |protocol, now| {
        let mut buf = Vec::new();
        while protocol.poll_transmit(&mut buf).is_some() {}
        let accepted = protocol.handle_datagram(now, from, &mut datagram.to_vec()).is_ok();
        let mut sent = Vec::new();
        while let Some(transmit) = protocol.poll_transmit(&mut buf) {
            if transmit.to == from {
                sent.push(buf.clone());
            }
        }
        (sent, accepted)
    })
}

/// Every kind of message in one name, with the items that ask for most.
fn one_of_each(who: Who, me: Who, address: SocketAddr, others: &[Who]) -> Vec<Vec<u8>> {
    let record = who.alive(address, "v", &[]);
    let old = Who { generation: me.generation - 1, ..me };
    let accused = |kind| me.accused_with(LOOK, kind, 10, &[others[0].id, others[1].id, who.id]);
    let pull = [vec![20, 8], vec![0; 8]].concat();
    let says = |kind, words: &[u64], tail: &[u8], items: &[Vec<u8>]| {
        who.says("c", kind, &[&fields(words), tail].concat(), items)
    };

    let mut all = vec![
        says(PING, &[0, 9], &[], std::slice::from_ref(&record)),
        says(PING, &[0, 9], &[], &[]),
        says(PING, &[me.digest(), 9], &[], &[]),
        says(PING, &[me.digest(), 9], &[], std::slice::from_ref(&record)),
        says(PING, &[old.digest(), 9], &[], &[]),
        says(PING, &[12_345, 9], &[], &[]),
        says(forge::ACK, &[9], &[], &[]),
        says(forge::PING_REQ, &[9, others[0].digest()], &[], &[]),
        says(forge::PING_REQ, &[9, who.digest()], &[], &[]),
        says(forge::NACK, &[9], &[], &[]),
        says(forge::RELAYED, &[9, others[0].digest()], &[0], &[]),
        says(forge::SYNC_REQUEST, &[9], &[], &[]),
        says(forge::SYNC_REQUEST, &[9], &[], &[pull]),
        says(forge::SYNC_REPLY, &[9], &[0], &[]),
        says(NEWS, &[], &[], &[]),
        says(NEWS, &[], &[], &[record]),
        says(NEWS, &[], &[], &[who.left()]),
    ];

    for kind in [forge::SUSPECT, forge::DEAD] {
        all.push(says(NEWS, &[], &[], &[accused(kind)]));
        all.push(says(NEWS, &[], &[], &[who.accused(kind, 10, &[])]));
        all.push(says(PING, &[me.digest(), 9], &[], &[others[1].accused_with(LOOK, kind, 10, &[])]));
    }

    all
}

/// An address at which no host runs, to which datagrams may be provoked.
const VICTIM: u32 = 8;

/// A cluster of eight whose first has much to tell, and whose incarnation has grown or not.
fn talkative(updates: u32) -> Net {
    let mut net = cluster(&lan(), 9, 8);
    for n in 0..8 {
        net.on(n, |protocol, now| protocol.set_metadata(now, &[n as u8; 500])).unwrap();
    }
    net.run(ms(1));
    for n in 0..updates {
        net.on(0, |protocol, now| protocol.set_metadata(now, &n.to_le_bytes())).unwrap();
    }
    assert!(net.protocol(0).metrics().news > 0);
    assert_eq!(net.add("victim"), VICTIM);
    net
}

#[test]
fn no_reply_to_an_unproved_address_is_larger_than_what_provoked_it() {
    let names = talkative(0);
    let victim = names.address(VICTIM);
    let others: Vec<Who> = (1..8).map(|n| names.who(n)).collect();
    let planted = Who { id: NodeId::from_u128(78), generation: 5, incarnation: 0 };
    let mut worst = Vec::new();

    for updates in [0, 300] {
        let me = talkative(updates).who(0);
        let count = one_of_each(STRANGER, me, victim, &others).len();
        for who in [STRANGER, others[2], planted] {
            for which in 0..count {
                let mut net = talkative(updates);
                let teller = (others[0], net.address(1));
                if who.id == planted.id {
                    let plant = teller.0.says("c", NEWS, &[], &[planted.alive(victim, "v", &[])]);
                    provoked(&mut net, 0, teller.1, &plant);
                }

                let datagram = &one_of_each(who, me, victim, &others)[which];
                let since = net.now();
                let (mut sent, accepted) = provoked(&mut net, 0, victim, datagram);

                // A relay's report comes later than the request.
                if datagram[1] == forge::PING_REQ {
                    net.listen();
                    net.run(ms(90));
                    let is_report = |sent: &Tapped| (sent.from, sent.to) == (0, Some(VICTIM)) && sent.kind() != PING;
                    sent.extend(net.heard().into_iter().filter(is_report).map(|sent| sent.bytes));
                }

                // A member's claimed address is pinged, whatever provoked it: to look, or to be introduced, and told of
                // no member but itself.
                let is_ours = |sent: &Vec<u8>| {
                    let read = read(sent);
                    let is_named = read.words.first() == Some(&who.digest());
                    let about = |item: &Item<'_>| item.about == Some(who.id) || item.kind == forge::SEEN;
                    read.kind == PING && is_named && read.items.iter().all(about)
                };

                let is_claimed = net.protocol(0).member(who.id).is_some_and(|member| member.address() == victim);
                let looks = sent.iter().filter(|sent| is_claimed && is_ours(sent)).count();
                sent.retain(|sent| !is_claimed || !is_ours(sent));

                let (bytes, packets) = (sent.iter().map(Vec::len).sum::<usize>(), sent.len());
                if bytes > datagram.len() || packets > 1 || looks > 2 {
                    let kinds: Vec<u8> = sent.iter().map(|sent| sent[1]).collect();
                    worst.push(format!(
                        "{who:?} kind {} #{which} at incarnation {}: {} bytes in, {bytes} out in {packets}, kinds {kinds:?} {since} {accepted}",
                        datagram[1], me.incarnation, datagram.len()
                    ));
                }
            }
        }
    }

    assert!(worst.is_empty(), "{}", worst.join("\n"));
}

#[test]
fn a_full_table_refuses_the_new_and_keeps_the_old() {
    let mut net = cluster(&Config { members_max: 6, ..lan() }, 4, 6);
    let since = net.now();
    for n in 6..10 {
        net.newcomer();
        net.run(secs(n));
    }
    for n in 0..6 {
        let metrics = net.protocol(n).metrics();
        assert_eq!((metrics.members_alive, metrics.members_suspect), (6, 0), "{n}");
        let later: Vec<_> = net.told_to(n, since).map(|(_, event)| event).collect();
        assert!(later.iter().all(|event| matches!(event, Event::Full { members_max: 6 })), "{n}: {later:?}");
        assert!(later.len() <= 1, "{n}: {later:?}");
    }
    assert!(net.protocol(0).metrics().members_refused > 0);
    assert_eq!(net.told_to(0, since).filter(|(_, event)| event.kind() == "full").count(), 1);
}

/// Tells every host but the teller (3) an item, three times over.
fn spread(net: &mut Net, item: &[u8]) {
    let rumour = net.who(3).says("c", NEWS, &[], &[item.to_vec()]);
    for round in 0..3 {
        for n in [0, 1, 2, 4] {
            net.hand(n, 3, rumour.clone());
        }
        net.run(ms(700 * round));
    }
}

/// What is wrong with host 4 after a while, if anything.
fn wrong_with_victim(net: &mut Net) -> Option<Vec<String>> {
    let is_well = net.until(secs(40), Net::all_agree) && net.up().contains(&4);
    let seen = |n: u32| format!("{:?}", net.protocol(n).member(id(4)));
    (!is_well).then(|| net.up().into_iter().map(seen).collect())
}

#[test]
fn absurd_generations_and_incarnations_end_with_the_victim_alive_everywhere() {
    let real = cluster(&lan(), 6, 5).who(4).generation;
    let absurd = [0, 1, 1 << 31, 1 << 62, (1 << 63) - 2, (1 << 63) - 1];
    let near = [real - 1, real + 1, real + 1_000_000, real + (1 << 31), real + (1 << 32) + 1];
    let generations: Vec<u64> = absurd.into_iter().chain(near).collect();
    let incarnations = [0, 1, 1 << 16, (1 << 16) + 2, (1 << 30) + 7, (1 << 31) - 2, (1 << 31) - 1];
    let nowhere = SocketAddr::from(([192, 0, 2, 1], 53));
    let accusers = [id(0), id(1), id(2)];
    let mut wrong = Vec::new();

    for (kind, generation) in (0..5).flat_map(|kind| generations.iter().map(move |generation| (kind, *generation))) {
        for incarnation in incarnations {
            let mut net = cluster(&lan(), 6, 5);
            let who = Who { id: id(4), generation, incarnation };
            let item = match kind {
                0 => who.alive(nowhere, "n4", &[]),
                1 => who.alive(net.address(4), "n4", &[]),
                2 => who.accused(forge::SUSPECT, 9_000, &accusers),
                3 => who.accused(forge::DEAD, 9_000, &accusers),
                _ => who.left(),
            };

            spread(&mut net, &item);
            if let Some(seen) = wrong_with_victim(&mut net) {
                wrong.push(format!("kind {kind} {generation}.{incarnation}: {seen:?}"));
            }
        }
    }

    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_member_driven_to_the_end_of_its_numbers_still_ends_alive_everywhere() {
    let mut net = cluster(&lan(), 6, 5);
    let last = (1 << 63) - 1;
    for (generation, incarnation) in [(last - 1, 0), (last, (1 << 31) - 1), (last, (1 << 31) - 1)] {
        let who = Who { id: id(4), generation, incarnation };
        spread(&mut net, &who.accused(forge::DEAD, 9_000, &[id(0), id(1), id(2)]));
        assert_eq!(wrong_with_victim(&mut net), None, "after {generation}.{incarnation}");
    }
    assert_eq!(net.protocol(4).me().generation(), Generation(last));
}

/// A small cluster, and what it is sent: datagrams forged in the names of five, of which two are not there.
fn survive(datagrams: impl FnOnce(&[Who; 5]) -> Vec<Vec<u8>>) {
    let mut net = cluster(&lan(), 8, 3);
    let absent = |n| Who { id: id(n), generation: 1_000, incarnation: 0 };
    let datagrams = datagrams(&[net.who(0), net.who(1), net.who(2), absent(3), absent(4)]);
    let addresses = [net.address(1), SocketAddr::from(([192, 0, 2, 1], 53))];
    for (at, mut datagram) in datagrams.into_iter().enumerate() {
        let from = addresses[at % 2];
        net.on(0, |protocol, now| protocol.handle_datagram(now, from, &mut datagram).ok());
    }
    net.run(secs(15));
    assert_eq!(net.protocol(0).me().state(), State::Alive);
}

/// An item about one of five.
#[derive(Clone, Debug)]
struct AnyItem {
    about: usize,
    /// None when it is the generation that runs.
    generation: Option<u64>,
    incarnation: u32,
    kind: u8,
    age: u32,
    flags: u8,
    noise: Vec<u8>,
}

impl AnyItem {
    fn forged(&self, names: &[Who; 5]) -> Vec<u8> {
        let real = names[self.about];
        let generation = self.generation.unwrap_or(real.generation);
        let who = Who { generation, incarnation: self.incarnation, ..real };
        let (age, noise) = (u64::from(self.age), &self.noise);
        let address = SocketAddr::from(([10, 0, 0, noise.len() as u8], 7_340));
        let accusers = [id(1), id(2), NodeId::from_u128(9)];
        match self.kind {
            0..=2 => who.alive(address, &format!("n{}", self.about), noise),
            3 | 4 => who.accused_with(self.flags, forge::SUSPECT, age, &accusers),
            5 | 6 => who.accused_with(self.flags, forge::DEAD, age, &[id(0)]),
            7 => who.left(),
            kind => [&[kind, noise.len() as u8], &noise[..]].concat(),
        }
    }
}

fn any_item() -> impl Strategy<Value = AnyItem> {
    let who = (0_usize..5, prop::option::of(any::<u64>()), prop_oneof![0_u32..4, any::<u32>()]);
    (who, 0_u8..24, any::<u32>(), 0..=LOOK, prop::collection::vec(any::<u8>(), 0..60)).prop_map(
        |((about, generation, incarnation), kind, age, flags, noise)| AnyItem {
            about,
            generation,
            incarnation,
            kind,
            age,
            flags,
            noise,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_with_a_valid_tag_never_panic(
        bodies in prop::collection::vec((0_u8..10, prop::collection::vec(any::<u8>(), 0..200)), 1..12)
    ) {
        survive(|_| bodies.iter().map(|(kind, body)| forge::tagged("c", *kind, body)).collect());
    }

    #[test]
    fn arbitrary_items_in_valid_messages_never_panic(
        bodies in prop::collection::vec((1_usize..5, 1_u8..9, any::<u64>(), prop::collection::vec(any_item(), 0..6)), 1..12)
    ) {
        let forged = |names: &[Who; 5]| bodies.iter().map(|(n, kind, word, items)| {
            let (me, who) = (names[0], names[*n]);
            let words = match kind {
                1 => fields(&[[0, me.digest()][*word as usize % 2], *word]),
                3 => fields(&[*word, names[2].digest()]),
                5 => [fields(&[*word, who.digest()]), vec![0]].concat(),
                6 => vec![],
                8 => [fields(&[*word]), vec![1]].concat(),
                _ => fields(&[*word]),
            };
            let items: Vec<_> = items.iter().map(|item| item.forged(names)).collect();
            who.says("c", *kind, &words, &items)
        }).collect();
        survive(forged);
    }
}

#[test]
fn the_forger_writes_what_the_protocol_reads() {
    let mut net = cluster(&lan(), 1, 2);
    let address = "[2001:db8::1]:9".parse().unwrap();
    net.hand(0, 1, net.who(1).says("c", NEWS, &[], &[STRANGER.alive(address, "new", &[1, 2])]));
    let member = net.protocol(0).member(STRANGER.id).unwrap();
    assert_eq!((member.name(), member.address(), member.metadata()), ("new", address, &[1, 2][..]));
    assert_eq!((member.generation(), member.incarnation()), (Generation(5), Incarnation(0)));
}

#[test]
fn what_was_sent_is_read_whole_and_not_in_part() {
    let (_, tap) = recorded(1);
    for sent in tap {
        assert!(forge::read(&sent.bytes).is_some(), "{sent:?}");
        let part = (0..sent.bytes.len()).find(|length| forge::read(&sent.bytes[..*length]).is_some());
        assert_eq!(part, None, "{sent:?}");
    }
}
