//! What voters refuse: messages from members without a vote, about what is over, or meant for others; rejected with a
//! counter.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use tidings::config::ElectionConfig;
use tidings::event::Event;
use tidings::leader::Term;
use tidings::protocol::Protocol;
use tidings::wire::Rejected;
use tidings_sim::Scenario;
use tidings_sim::fault::Fault;
use tidings_sim::forge::{self, ELECTION, MessageRead, Who};
use tidings_sim::scenario::Start;
use tidings_sim::world::World;

use crate::support::{Cluster, Net, Tap, Tapped, id, ms, secs};

const VOTERS: [&str; 3] = ["n0", "n1", "n2"];

/// Three voters and one that has no vote, with a leader.
fn led(seed: u64) -> Net {
    let mut scenario = Scenario { start: Start::Joining, ..Scenario::new("elected", 4, secs(3_600)) };
    scenario.elections = vec![ElectionConfig::lan("default", VOTERS)];
    let mut net: Net = World::new(&scenario, seed, |_| (), Tap::default()).unwrap();
    net.keep_told();
    net.run(secs(10));
    assert!(leader(&mut net).is_some());
    net
}

fn leader(net: &mut Net) -> Option<(u32, Term)> {
    (0..4).find_map(|n| net.call(n, |protocol, now| Some((n, protocol.lease(now, "default")?.term))).flatten())
}

/// Hands a datagram in and says what became of it; a rejected one is counted, is answered by nothing and changes
/// nothing.
fn hand_in(net: &mut Net, n: u32, from: SocketAddr, datagram: &[u8]) -> Result<(), Rejected> {
    net.on(n, |protocol, now| {
        let state = |protocol: &Protocol| {
            let election = protocol.election("default").unwrap();
            let leadership = (election.leader(), election.term(), election.lease(now), election.supporters());
            (leadership, election.counts(), protocol.poll_timeout())
        };
        let before = (protocol.metrics(), state(protocol));
        let outcome = protocol.handle_datagram(now, from, &mut datagram.to_vec());
        if let Err(reason) = outcome {
            let mut after = (protocol.metrics(), state(protocol));
            assert_eq!(after.0.rejected.of(reason), before.0.rejected.of(reason) + 1);
            after.0.rejected = before.0.rejected;
            assert!(after == before, "{reason:?} changed something");
            assert!(protocol.poll_transmit(&mut Vec::new()).is_none() && protocol.poll_event().is_none());
        }
        outcome
    })
}

/// The words that a message from one host to another begins with.
fn envelope(net: &mut Net, from: u32, to: u32) -> (SocketAddr, Who, Vec<u64>) {
    let tapped = messages(net).into_iter().find(|sent| MessageRead::of(&sent.bytes).is_some()).unwrap();
    let mut who = |n| net.on(n, |protocol, _| Who::is(protocol.me()));
    let (from_who, to_who) = (who(from), who(to));
    let word = |place: usize| u64::from_le_bytes(tapped.bytes[place..place + 8].try_into().unwrap());
    (net.address(from), from_who, vec![to_who.digest(), word(26), word(34), word(42)])
}

fn messages(net: &mut Net) -> Vec<Tapped> {
    net.listen();
    net.run(ms(500));
    net.heard().into_iter().filter(|sent| sent.kind() == ELECTION).collect()
}

fn message(who: Who, words: &[u64], kind: u8, fields: (u64, u64, u64)) -> Vec<u8> {
    message_under((0, 1), who, words, kind, fields)
}

/// A message under a configuration of voters of this version.
fn message_under(
    version: (u64, u64),
    who: Who,
    words: &[u64],
    kind: u8,
    (term, round, detail): (u64, u64, u64),
) -> Vec<u8> {
    let message = MessageRead { to: 0, election: 0, version, kind, term, round, detail };
    who.says("sim", ELECTION, &[forge::fields(words), message.bytes()].concat(), &[])
}

#[test]
fn messages_that_are_not_for_this_election_are_rejected() {
    let mut net = led(1);
    let (leader, term) = leader(&mut net).unwrap();
    let voter = (leader + 1) % 3;
    let (from, who, words) = envelope(&mut net, leader, voter);
    let ask = |words: &[u64], who| message(who, words, 2, (term.0 + 1, 1, 0));
    assert_eq!(hand_in(&mut net, voter, from, &ask(&words, who)), Ok(()), "the message that is varied is a good one");

    let mut others = words.clone();
    others[0] ^= 1;
    assert_eq!(hand_in(&mut net, voter, from, &ask(&others, who)), Err(Rejected::Misdirected));

    let mut others = words.clone();
    others[1] ^= 1;
    assert_eq!(hand_in(&mut net, voter, from, &ask(&others, who)), Err(Rejected::Election));

    let stranger = Who { id: id(77), ..who };
    assert_eq!(hand_in(&mut net, voter, from, &ask(&words, stranger)), Err(Rejected::NoVoter));

    let (from, spectator, words) = envelope(&mut net, 3, voter);
    assert_eq!(hand_in(&mut net, voter, from, &ask(&words, spectator)), Err(Rejected::NoVoter));

    let (from, who, words) = envelope(&mut net, leader, 3);
    let ask = message_under((0, 0), who, &words, 2, (term.0 + 1, 1, 0));
    assert_eq!(hand_in(&mut net, 3, from, &ask), Err(Rejected::NoVoter), "it has no vote itself");

    for bad in [0, Term::LIMIT, u64::MAX] {
        let (from, who, words) = envelope(&mut net, leader, voter);
        let datagram = message(who, &words, 2, (bad, 1, 0));
        assert_eq!(hand_in(&mut net, voter, from, &datagram), Err(Rejected::Malformed), "term {bad}");
    }
}

#[test]
fn a_term_near_its_end_moves_nobody() {
    let mut net = led(2);
    let (leader, _) = leader(&mut net).unwrap();
    let voter = (leader + 1) % 3;
    let (from, who, words) = envelope(&mut net, leader, voter);
    // A voter that began at a later reading of its clock than the leader is in a higher term.
    let own = |net: &mut Net, voter| net.on(voter, |protocol, _| protocol.election("default").unwrap().term().unwrap());
    let term = (0..3).map(|voter| own(&mut net, voter)).max().unwrap();
    for kind in [1, 2, 3, 4, 16, 17, 18, 19, 24, 25, 26] {
        let datagram = message(who, &words, kind, (Term::LIMIT - 1, 1, 0));
        let _ = hand_in(&mut net, voter, from, &datagram);
        net.run(secs(2));
    }
    let known = own(&mut net, voter);
    assert!(known.0 < term.0 + 20, "a liar moved the term from {term} to {known}");
    assert!(net.on(voter, |protocol, _| protocol.election("default").unwrap().is_voting()));
}

#[test]
fn a_voter_list_that_differs_is_told_and_elects_nobody() {
    let mut net = led(3);
    let (leader, term) = leader(&mut net).unwrap();
    let voter = (leader + 1) % 3;
    let (from, who, mut words) = envelope(&mut net, leader, voter);
    words[2] ^= 1;
    let datagram = message(who, &words, 3, (term.0 + 1, 1, 0));
    let outcome = net.on(voter, |protocol, now| protocol.handle_datagram(now, from, &mut datagram.clone()));
    assert_eq!(outcome, Err(Rejected::Voters));
    net.run(ms(10));
    let told = net.told().iter().filter(|(_, host, _)| *host == voter);
    let differing = told.filter_map(|(.., event)| match event {
        Event::VotersDiffer { election, members } => Some((election.to_string(), members.clone())),
        _ => None,
    });
    assert_eq!(differing.collect::<Vec<_>>(), [("default".to_owned(), vec![id(leader)])]);
}

#[test]
fn replayed_messages_change_nothing() {
    let mut net = led(4);
    let before = leader(&mut net).unwrap();
    let old: Vec<Tapped> = messages(&mut net);

    let replay = |net: &mut Net, old: &[Tapped]| {
        for sent in old {
            let (from, to) = (net.address(sent.from), sent.to.unwrap());
            // Where no process runs, none hears it.
            let _ = net.call(to, |protocol, now| protocol.handle_datagram(now, from, &mut sent.bytes.clone()));
        }
    };

    replay(&mut net, &old);
    net.run(secs(2));
    assert_eq!(leader(&mut net), Some(before));

    let handed = net.on(before.0, |protocol, now| protocol.resign(now, "default", None));
    assert_eq!(handed, Ok(()));
    net.run(secs(2));
    let after = leader(&mut net).unwrap();
    assert!(after.0 != before.0 && after.1 > before.1);

    for _ in 0..20 {
        replay(&mut net, &old);
        net.run(ms(50));
        assert_eq!(leader(&mut net), Some(after), "old messages bring no leader back");
    }

    let fault = net.inject(Fault::crash(&[after.0]), None);
    net.run(ms(900));
    replay(&mut net, &old);
    net.run(secs(2));
    let third = leader(&mut net).unwrap();
    assert!(third.1 > after.1);
    net.lift(fault);
}
