//! What a hostile reading of the core found, one test each: a verdict before its time, a state that never ends, a
//! rumour taken for more than it is.
#![allow(clippy::unwrap_used)]

use tidings::config::Config;
use tidings::event::Event;
use tidings::member::{Generation, Identity, Incarnation, Member, NodeId, State};
use tidings::protocol::Protocol;
use tidings::time::Instant;
use tidings::why::{Cause, Waiting};
use tidings_sim::forge::{self, ACK, NEWS, PING, PING_REQ, SEEN, SUSPECT, SYNC_REQUEST, Who, fields};
use tidings_sim::scenario::Scenario;
use tidings_sim::world::World;

use crate::support::{Cluster, Net, Tapped, alone, apart, cluster, deaf, id, lan, ms, read, secs, silence};

fn causes(net: &Net, n: u32, m: u32) -> Vec<Cause> {
    net.why(n, id(m)).map_or(vec![], |why| why.steps.iter().map(|step| step.what).collect())
}

/// The nonces of the pings that `n` sent to `m`, with their moments, the latest last.
fn nonces(net: &Net, n: u32, m: u32) -> Vec<(Instant, u64)> {
    let pings = net.tapped().iter().filter(|sent| (sent.from, sent.to, sent.kind()) == (n, Some(m), PING));
    pings.map(|ping| (ping.at, ping.read().words[1])).collect()
}

#[test]
fn one_that_left_alone_may_be_asked_where_it_is_seen() {
    let identity = Identity::named("a", Generation(1), "127.0.0.1:1".parse().unwrap());
    let mut protocol = Protocol::new(lan(), identity, 1, Instant::ORIGIN).unwrap();
    protocol.leave(Instant::ORIGIN);
    assert_eq!(protocol.seen_elsewhere(), None);
}

/// A late wake holds a verdict; while it is held the suspect answers. That moves the deadline, whatever releases the
/// hold.
#[test]
fn a_suspect_that_answers_while_its_verdict_is_held_is_not_convicted_by_the_release() {
    let mut tried = 0;
    for seed in 0..4 {
        let mut net = cluster(&lan(), seed, 8);
        net.listen();
        net.fail(alone(7));
        let has = |net: &Net, n: u32, wanted: fn(&Cause) -> bool| causes(net, n, 7).iter().any(wanted);
        let asked = |net: &Net, n: u32| has(net, n, |cause| matches!(cause, Cause::Unanswered { .. }));
        assert!(net.until(secs(5), |net| (0..7).any(|n| asked(net, n))));

        let h = (0..7).find(|n| asked(&net, *n)).unwrap();
        let start = net.why(h, id(7)).unwrap().start;
        let (sent, late) = nonces(&net, h, 7).into_iter().rfind(|(at, _)| *at > start && *at < net.now()).unwrap();

        assert!(net.until(secs(5), |net| has(net, h, |cause| matches!(cause, Cause::LastPing { attempt: 3 }))));
        net.inject(deaf(h), None);
        net.pause(h, ms(300));
        let held = |net: &Net| has(net, h, |cause| *cause == Cause::Waiting(Waiting::LateWake));
        if !net.until(secs(5), held) {
            continue;
        }
        tried += 1;

        // An answer of the suspect that was long under way, and then two of others.
        let suspect = net.who(7);
        net.hand(h, 7, suspect.says("c", ACK, &fields(&[late]), &[]));
        for other in (0..7).filter(|n| *n != h) {
            if let Some((_, nonce)) = nonces(&net, h, other).pop() {
                let ack = net.who(other).says("c", ACK, &fields(&[nonce]), &[]);
                net.hand(h, other, ack);
            }
        }

        net.run(ms(1));
        assert!(net.now() < sent + secs(3) + ms(300), "seed {seed}: P after the answered ping is not over");
        assert_eq!(net.state(h, 7), Some(State::Suspect), "seed {seed}: {:?}", net.why(h, id(7)));
    }
    assert!(tried > 0);
}

/// A suspicion of a later incarnation is another suspicion: the member has spoken since the first.
#[test]
fn a_later_incarnation_suspected_has_a_clock_of_its_own() {
    for seed in 0..6 {
        let mut net = cluster(&lan(), seed, 8);
        net.fail(apart(0, 7));
        net.stop(|_, to, datagram| {
            let read = read(datagram);
            to == 0 && (read.kind == forge::RELAYED || read.items.iter().any(|item| item.about == Some(id(7))))
        });

        let (old, teller) = (net.who(7), net.who(1));
        let by = [id(1), id(2), id(3)];
        let first = old.accused(SUSPECT, 2_500, &by);
        net.hand(0, 1, teller.says("c", NEWS, &[], &[first]));
        net.run(ms(100));

        let later = Who { incarnation: old.incarnation + 1, ..old };
        net.hand(0, 1, teller.says("c", NEWS, &[], &[later.accused(SUSPECT, 0, &by)]));
        let heard = net.now();

        net.run(ms(2_900));
        assert_eq!(net.state(0, 7), Some(State::Suspect), "seed {seed}");
        let start = net.why(0, id(7)).unwrap().start;
        assert!(start >= heard, "seed {seed}: silent since {start}, but it spoke before {heard}");
    }
}

/// Three members: two are lost to one of them for a moment, and one of the two for ever. The other answers again.
#[test]
fn one_that_answers_again_is_not_suspect_for_ever() {
    for seed in 0..8 {
        let mut net = cluster(&lan(), seed, 3);
        net.fail(alone(0));
        net.run(ms(2_600));
        net.crash(2);
        net.heal();
        let settled = net.until(secs(90), |net| {
            let sees = |n: u32, m: u32| (net.state(n, m), net.state(n, 2)) == (Some(State::Alive), Some(State::Dead));
            sees(0, 1) && sees(1, 0)
        });
        assert!(settled, "seed {seed}: {:?} {:?}", net.state(0, 1), net.protocol(0).metrics());
    }
}

/// Three members: one dies, and while that is judged the other two are cut from each other for long. When they meet
/// again they are not isolated, and what waited for that is judged.
#[test]
fn isolation_ends_though_a_third_is_really_dead() {
    for seed in 0..4 {
        let mut net = cluster(&lan(), seed, 3);
        net.crash(2);
        assert!(net.until(secs(10), |net| (0..2).all(|n| net.state(n, 2) == Some(State::Suspect))));

        net.fail(silence());
        net.run(secs(40));
        net.heal();
        let healed = net.now();

        let settled = |net: &Net, n: u32| {
            let latest = |wanted: fn(&Event) -> bool| {
                net.told_to(n, Instant::ORIGIN).rev().map(|(_, event)| event).find(|event| wanted(event))
            };
            let isolation = latest(|event| matches!(event, Event::Isolated { .. } | Event::Reconnected));
            let is_isolated = matches!(isolation, Some(Event::Isolated { .. }));
            let dead = latest(|event| matches!(event, Event::Dead { member, .. } if member.name() == "n2"));
            let is_certain = matches!(dead, Some(Event::Dead { provisional: false, .. }));
            !is_isolated && is_certain && net.state(n, 2) == Some(State::Dead)
        };

        let found = net.until(secs(60), |net| (0..2).all(|n| settled(net, n)) && net.all_agree());
        assert!(found, "seed {seed}, {healed}: {:?}", net.told_to(0, Instant::ORIGIN).collect::<Vec<_>>());
    }
}

/// One whose last contact left is alone, and dials its contacts again: the one that comes back there knows no member.
#[test]
fn one_left_alone_dials_its_contacts_again() {
    let mut net = cluster(&lan(), 3, 2);
    let old = net.who(0).generation;
    net.leave(0);
    net.run(secs(25));
    // The contact comes back without contacts of its own.
    net.start_host_as(0, Generation(old + 1_000), &[]);
    assert!(net.until(secs(30), Net::all_agree), "{:?}", net.protocol(1).metrics());
}

/// A long stall makes a verdict provisional; it does not mean that no member answers.
#[test]
fn a_long_stall_is_not_isolation() {
    for seed in 0..4 {
        let mut net = cluster(&lan(), seed, 8);
        net.crash(7);
        assert!(net.until(secs(10), |net| net.state(0, 7) == Some(State::Suspect)));
        // The others must not tell of their verdicts, nor be asked for one.
        net.pause(0, secs(12));
        net.run(secs(60));
        let told = net.told_to(0, Instant::ORIGIN);
        let isolated = told.filter(|(_, event)| matches!(event, Event::Isolated { .. })).count();
        assert_eq!((isolated, net.state(0, 7)), (0, Some(State::Dead)), "seed {seed}");
    }
}

/// What a relay is told of an earlier start is not said of the later one.
#[test]
fn a_late_echo_of_an_earlier_start_says_nothing_of_the_later() {
    let mut net = cluster(&lan(), 1, 4);
    let (old, prober, address) = (net.who(3), net.who(1), net.address(3));
    net.fail(silence());
    net.hand(0, 1, prober.says("c", PING_REQ, &fields(&[77, old.digest()]), &[]));
    let new = Who { generation: old.generation + 1, incarnation: 0, ..old };
    net.hand(0, 1, prober.says("c", NEWS, &[], &[new.alive(address, "n3", &[])]));
    let late = Who { incarnation: old.incarnation + 5, ..old };
    net.hand(0, 3, late.says("c", ACK, &fields(&[77]), &[]));
    let known = net.protocol(0).member(id(3)).unwrap();
    assert_eq!((known.generation(), known.incarnation()), (Generation(new.generation), Incarnation(0)));
}

/// That a later start of our name is suspected does not say that it is our past.
#[test]
fn a_suspicion_of_a_later_twin_starts_no_tug_of_war() {
    let mut net = cluster(&lan(), 1, 4);
    let (me, teller) = (net.who(0), net.who(1));
    let later = Who { generation: me.generation + 9, ..me };
    net.hand(0, 1, teller.says("c", NEWS, &[], &[later.accused(SUSPECT, 100, &[])]));
    assert_eq!(net.protocol(0).me().generation(), Generation(me.generation));
    // Said to be dead or to come from our own address, it is.
    let address = net.address(0);
    net.hand(0, 1, teller.says("c", NEWS, &[], &[later.alive(address, "n0", &[])]));
    assert_eq!(net.protocol(0).me().generation(), Generation(later.generation + 1));
}

/// A restart whose clock is behind outranks its past also when that was only suspected.
#[test]
fn a_restart_with_the_clock_behind_outranks_a_suspected_past() {
    for seed in 0..4 {
        let mut net = cluster(&lan(), seed, 5);
        let old = net.who(2).generation;
        net.crash(2);
        assert!(net.until(secs(10), |net| [0, 1, 3, 4].iter().all(|n| net.state(*n, 2) == Some(State::Suspect))));
        net.restart(2, 10);
        assert!(net.until(secs(10), Net::all_agree), "seed {seed}");
        assert_eq!(net.who(2).generation, old + 1);
    }
}

/// A member that was dead and answers is asked for its view at once.
#[test]
fn the_answer_of_a_ghost_starts_a_comparison() {
    let mut net = cluster(&lan(), 2, 5);
    let dead = net.who(4);
    net.crash(4);
    assert!(net.until(secs(20), |net| net.state(0, 4) == Some(State::Dead)));
    net.run(secs(30));
    net.listen();
    assert!(net.until(secs(120), |net| !nonces(net, 0, 4).is_empty()));
    let (_, nonce) = nonces(&net, 0, 4).pop().unwrap();
    // Other news has just come, which is a reason to wait with comparisons that only repair.
    let (news, teller) = (Who { incarnation: net.who(2).incarnation + 1, ..net.who(2) }, net.who(1));
    let of = net.address(2);
    net.hand(0, 1, teller.says("c", NEWS, &[], &[news.alive(of, "n2", b"new")]));
    let back = Who { incarnation: dead.incarnation + 1, ..dead };
    net.hand(0, 4, back.says("c", ACK, &fields(&[nonce]), &[]));
    assert_eq!(net.state(0, 4), Some(State::Alive));
    let is_it = |sent: &&Tapped| (sent.from, sent.to, sent.kind()) == (0, Some(4), SYNC_REQUEST);
    let asked = net.tapped().iter().filter(is_it);
    assert_eq!(asked.count(), 1);
}

/// An address that has proved nothing gets pings and what concerns itself, whatever else there is to tell.
#[test]
fn an_unproved_member_is_told_of_nobody_else() {
    for seed in 0..40 {
        let mut net = cluster(&Config { indirect_checks: (seed % 2) as usize * 3, ..lan() }, seed, 6);
        let victim = net.add("victim");
        let address = net.address(victim);
        let forged = Who { id: NodeId::from_name("victim"), generation: 1_000, incarnation: 0 };
        let teller = net.who(1);

        net.listen();
        net.crash(5);
        net.hand(0, 1, teller.says("c", NEWS, &[], &[forged.alive(address, "victim", &[])]));

        for step in 0..40_u8 {
            net.on(2, |protocol, now| protocol.set_metadata(now, &[step])).unwrap();
            net.run(ms(100));
        }

        for sent in net.tapped().iter().filter(|sent| sent.to == Some(victim)) {
            let items = sent.read().items;
            let strange = items.iter().find(|item| item.kind != SEEN && item.about != Some(forged.id));
            assert!(strange.is_none(), "seed {seed}: {sent:?} with {strange:?}");
        }
    }
}

/// A liar may bring us to the last incarnation of a start, as another process of our name and start; our Left is heard
/// all the same.
#[test]
fn a_left_after_the_last_incarnation_is_heard() {
    let mut net = cluster(&lan(), 1, 4);
    let me = net.who(0);
    let last = Who { incarnation: Incarnation::LIMIT - 2, ..me };
    net.hand(0, 1, last.says("c", PING, &fields(&[last.digest(), 1]), &[]));
    assert_eq!(net.protocol(0).me().incarnation(), Incarnation(Incarnation::LIMIT - 1));
    net.run(secs(3));
    let since = net.now();
    net.leave(0);
    net.run(secs(20));
    for n in 1..4 {
        assert_eq!(net.kinds(n, 0, since), ["left"], "{n}");
    }
}

/// Words that a process never said are those of an earlier one with its start, told in a record or in an accusation: it
/// takes the next start, because any incarnation that it could say now may be one that was used.
#[test]
fn words_that_a_process_never_said_are_an_earlier_ones() {
    for is_accused in [false, true] {
        let mut net = cluster(&lan(), 1, 4);
        let (me, teller) = (net.who(0), net.who(1));
        let earlier = Who { incarnation: 4, ..me };
        let told =
            if is_accused { earlier.accused(SUSPECT, 100, &[]) } else { earlier.alive(net.address(0), "n0", b"old") };
        net.hand(0, 1, teller.says("c", NEWS, &[], &[told]));
        assert_eq!(net.protocol(0).me().generation(), Generation(me.generation + 1), "accused: {is_accused}");
        net.run(secs(3));
        for n in 1..4 {
            let seen = net.protocol(n).member(NodeId::from_name("n0")).unwrap();
            assert_eq!((seen.generation().0, seen.metadata()), (me.generation + 1, &[][..]), "{n}");
        }
    }
}

/// A newcomer's answer is a sign of the newcomer's life and of no other's.
#[test]
fn a_newcomer_does_not_raise_the_provisionally_dead() {
    let mut net = cluster(&lan(), 21, 3);
    net.crash(1);
    net.fail(alone(2));
    net.run(secs(30));
    assert_eq!((net.state(0, 1), net.state(0, 2)), (Some(State::Dead), Some(State::Dead)));
    let since = net.now();
    net.newcomer();
    assert!(net.until(secs(10), |net| net.protocol(0).metrics().members_alive == 2));
    net.run(secs(30));
    for silent in [1, 2] {
        let ups = net.events_about(0, silent, since).into_iter().filter(|event| matches!(event, Event::Up(_))).count();
        assert_eq!(ups, 0, "n{silent} was silent throughout");
        let certain =
            net.events_about(0, silent, since).into_iter().any(|e| matches!(e, Event::Dead { provisional: false, .. }));
        assert!(certain, "n{silent}: with somebody to answer us the verdict becomes certain");
    }
    net.heal();
    assert!(net.until(secs(60), Net::all_agree));
}

/// The application's list comes from the events alone: this node's own row is in it.
#[test]
fn a_refutation_of_our_own_is_told_to_our_application() {
    let mut net = cluster(&lan(), 3, 3);
    let (teller, me) = (net.who(1), net.who(0));
    net.hand(0, 1, teller.says("c", NEWS, &[], &[me.accused(SUSPECT, 0, &[id(1)])]));
    net.run(ms(1));
    let updated = net.told_to(0, Instant::ORIGIN).rev().find_map(|(_, event)| match event {
        Event::Updated(member) if member.id() == id(0) => Some(member.incarnation()),
        _ => None,
    });
    assert_eq!(updated, Some(net.protocol(0).me().incarnation()));
    assert_eq!(updated, Some(Incarnation(me.incarnation + 1)));
}

/// A member that comes back takes a place like a new one: with a full table it waits until there is space.
#[test]
fn who_comes_back_to_a_full_table_waits_for_a_place() {
    let mut net = cluster(&Config { members_max: 4, ..lan() }, 5, 4);
    let live = |net: &Net, n: u32| {
        let members = net.protocol(n).members();
        members.filter(|member| member.state().is_live()).count()
    };

    let old = net.protocol(3).me().generation();
    net.crash(3);
    assert!(net.until(secs(20), |net| (0..3).all(|n| net.state(n, 3) == Some(State::Dead))));

    net.newcomer();
    assert!(net.until(secs(20), |net| (0..3).all(|n| net.state(n, 4) == Some(State::Alive))));

    let restarted = net.twin(3, old.next().0);
    for _ in 0..200 {
        net.run(ms(100));
        assert!((0..5).filter(|n| *n != 3).all(|n| live(&net, n) <= 4));
    }

    for n in 0..3 {
        let row = net.protocol(n).member(id(3)).unwrap();
        assert_eq!((row.state(), row.generation()), (State::Dead, old), "nothing of it is half known");
    }

    net.leave(4);
    let is_in = |net: &Net| (0..3).all(|n| net.state(n, 3) == Some(State::Alive));
    assert!(net.until(secs(30), is_in), "there is space");
    assert_eq!(net.protocol(0).member(id(3)).map(|row| row.address()), Some(net.address(restarted)));
}

/// The processes of this name that still run.
fn running(net: &Net, name: &str) -> Vec<u32> {
    net.up().into_iter().filter(|n| net.hosts()[*n as usize].name() == name).collect()
}

/// Whether every host that runs holds every other one that runs where it is, and no other as live.
fn all_see_who_runs(net: &Net) -> bool {
    let row = |member: &Member| (member.id(), member.generation(), member.address(), member.state());
    let mut expected: Vec<_> = net.up().into_iter().map(|n| row(net.protocol(n).me())).collect();
    expected.sort_unstable_by_key(|row| (row.0, row.2));
    net.up().into_iter().all(|n| {
        let members = net.protocol(n).members().filter(|member| member.state() != State::Dead);
        let mut seen: Vec<_> = members.map(row).collect();
        seen.sort_unstable_by_key(|row| (row.0, row.2));
        seen == expected
    })
}

#[test]
fn a_start_with_the_clock_stuck_at_another_address_is_let_in() {
    for (seed, size) in [(1, 2), (2, 3), (3, 5), (4, 8)] {
        let mut net = cluster(&lan(), seed, size);
        let last = size - 1;
        let generation = net.who(last).generation;
        net.crash(last);
        let new = net.twin(last, generation);
        assert!(net.until(secs(20), all_see_who_runs), "seed {seed}: {:?}", net.protocol(0).member(id(last)));
        assert_eq!(running(&net, &format!("n{last}")), [new]);
    }
}

#[test]
fn of_two_processes_with_one_generation_the_newcomer_stops() {
    for seed in 0..6 {
        let mut net = cluster(&lan(), seed, 4);
        let since = net.now();
        let new = net.twin(3, net.who(3).generation);
        assert!(net.until(secs(20), |net| !net.up().contains(&new)), "seed {seed}");
        net.run(secs(20));
        assert_eq!(running(&net, "n3"), [3], "seed {seed}");
        assert!(all_see_who_runs(&net), "seed {seed}");
        assert_eq!(net.false_dead(since), 0, "seed {seed}");
    }
}

/// Each is let in by a contact of its own, and neither knows of the other until the halves meet.
#[test]
fn of_two_started_at_once_exactly_one_stays() {
    for (seed, apart) in (0..24).map(|seed| (seed, [0, 1, 200, 2_000][seed as usize % 4])) {
        let mut net = cluster(&lan(), seed, 6);
        let mut twins = [net.add("twin"), net.add("twin")];
        // Once the first to start has the lower address, and once the other.
        twins.rotate_left(seed as usize % 2);
        let side = move |n: u32| n < 3 || n == twins[0];
        net.stop(move |from, to, _| (from >= 6 || to >= 6) && side(from) != side(to));
        for twin in twins {
            let contacts: Vec<_> = (0..6).filter(|n| side(*n) == side(twin)).map(|n| net.address(n)).collect();
            net.start_host_as(twin, Generation(2_000), &contacts);
        }
        net.run(ms(apart));
        net.heal();
        let is_over = |net: &Net| running(net, "twin").len() == 1 && all_see_who_runs(net);
        assert!(net.until(secs(60), is_over), "seed {seed}, {apart} ms: {:?} run", running(&net, "twin"));
        net.run(secs(20));
        assert!(is_over(&net), "seed {seed}, {apart} ms: {:?} run", running(&net, "twin"));
    }
}

/// A node that is cut off holds the others dead provisionally, and one that starts again with its clock behind asks it.
#[test]
fn a_start_with_the_clock_behind_is_let_in_by_one_that_holds_the_later_start_provisionally_dead() {
    let mut net = cluster(&lan(), 8, 3);
    let old = net.who(2).generation;
    net.fail(alone(0));
    assert!(net.until(secs(40), |net| net.state(0, 2) == Some(State::Dead)));
    net.crash(1);
    net.crash(2);
    net.heal();
    let new = net.twin(2, old - 100);
    let is_in = |net: &Net| {
        let row = net.protocol(0).member(id(2)).unwrap();
        (row.address(), row.state()) == (net.address(new), State::Alive)
    };
    assert!(net.until(secs(30), is_in), "{:?}", net.protocol(0).member(id(2)));
    assert!(net.who(new).generation > old);
}

#[test]
fn a_claimed_silence_begins_no_earlier_than_our_own_last_answer() {
    let mut net = cluster(&lan(), 9, 3);
    let (teller, suspect) = (net.who(1), net.who(2));
    net.fail(apart(0, 2));
    let heard = net.now();
    net.hand(0, 1, teller.says("c", NEWS, &[], &[suspect.accused(SUSPECT, 8_900, &[id(1)])]));
    let start = net.why(0, id(2)).unwrap().start;
    assert!(start + secs(5) > heard, "silent since {start} at {heard}, but it answers every other second");
}

/// Leaving ends it that a member flaps, our own too: it is counted no more, and our accusation of another is told at
/// once.
#[test]
fn one_that_flaps_and_leaves_flaps_no_more() {
    let mut net = cluster(&lan(), 1, 4);
    let teller = net.who(1);
    for _ in 0..3 {
        let accused = net.who(0).accused(SUSPECT, 100, &[id(1)]);
        net.hand(0, 1, teller.says("c", NEWS, &[], &[accused]));
    }
    assert_eq!((net.protocol(0).me().is_flapping(), net.protocol(0).metrics().members_flapping), (true, 1));

    let since = net.now();
    net.leave(0);
    assert_eq!((net.protocol(0).me().is_flapping(), net.protocol(0).metrics().members_flapping), (false, 0));
    let accused = net.who(2).accused(SUSPECT, 100, &[id(0)]);
    net.hand(0, 1, teller.says("c", NEWS, &[], &[accused]));
    assert_eq!(net.state(0, 2), Some(State::Suspect));
    let told: Vec<_> = net.told_to(0, since).map(|(_, event)| event).collect();
    let left = told.iter().find_map(|event| if let Event::Left(member) = event { Some(member) } else { None });
    assert_eq!(left.map(Member::is_flapping), Some(false), "{told:?}");
    assert!(told.iter().any(|event| matches!(event, Event::Suspect { .. })), "{told:?}");
}

/// A gateway that gives each destination a port of its own leaves no address by which all reach a member: those behind
/// it know so, and say so, and no other does.
#[test]
fn who_is_seen_elsewhere_by_each_says_so() {
    let text = r#"
        name = "each-destination"
        about = "Three of 13 are behind a gateway that gives each destination a port of its own."
        hosts = 13
        for = "60s"
        wildcard = "all"
        [[fault]]
        at = "0s"
        what = { nat = { hosts = [10, 11, 12], gateway = "each-destination", back = "answers" } }
    "#;
    let scenario = Scenario::from_toml(text).unwrap();

    for seed in 0..5 {
        let mut world: World<(), ()> = World::new(&scenario, seed, |_| (), ()).unwrap();
        let mut said = [false; 13];

        for _ in 0..600 {
            world.run(ms(100));
            for (host, said) in world.hosts().iter().zip(&mut said) {
                *said |= host.protocol().is_some_and(|protocol| protocol.seen_apart().is_some());
            }
        }

        let behind: Vec<bool> = (0..13).map(|host| host >= 10).collect();
        assert_eq!(said.to_vec(), behind, "seed {seed}");
    }
}
