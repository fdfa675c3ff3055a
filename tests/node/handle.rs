//! Nodes over real loopback UDP, asked through nothing but their public handle.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidings::config::{Config, ElectionConfig};
use tidings::election::MemoryStore;
use tidings::event::{DeadReason, Event};
use tidings::member::State;
use tidings::runtime::{Faults, JoinError, Node, RequestError, Stopped, View};

use crate::support::{any, block_on, cluster, drain, is, kinds, node, read_until, start, state, until, within};

fn says_the_same(a: &Node, b: &Node) -> bool {
    let rows =
        |view: &View| view.iter().map(|member| (member.id(), member.generation(), member.state())).collect::<Vec<_>>();
    rows(&a.view()) == rows(&b.view())
}

#[test]
fn three_nodes_see_each_other() {
    let nodes = cluster(3);
    for node in &nodes {
        let names: Vec<_> = node.view().iter().map(|member| member.name().to_owned()).collect();
        assert_eq!(names.len(), 3);
        assert!(
            names.contains(&"n1".to_owned()) && names.contains(&"n2".to_owned()) && names.contains(&"n3".to_owned())
        );
        assert_eq!(node.view().me().unwrap().name(), node.name());
        assert_eq!(node.view().get(node.id()).unwrap().address(), node.local_address());
        assert!(says_the_same(&nodes[0], node));
    }
    let mut events = nodes[0].events();
    let first = drain(&mut events);
    assert_eq!(first.iter().filter(|notice| notice.event.kind() == "up" && !notice.coalesced).count(), 3);
}

#[test]
fn a_killed_node_is_suspect_then_dead_and_can_be_forgotten() {
    let mut nodes = cluster(3);
    let mut events = nodes[0].events();
    let killed = nodes.pop().unwrap();
    assert!(matches!(block_on(nodes[0].forget("n3")), Err(RequestError::Forget(_))), "it lives");
    drop(killed);
    let read = read_until(&mut events, "dead", "n3");
    assert_eq!(kinds(&read, "n3"), ["up", "suspect", "dead"]);
    let suspect = read.iter().find(|notice| is(notice, "suspect", "n3")).unwrap();
    let Event::Suspect { by, dead_after, .. } = &suspect.event else { panic!("{suspect:?}") };
    assert!(!by.is_empty());
    assert!(nodes[0].now() >= *dead_after, "declared dead before its time");
    let Event::Dead { reason, member, .. } = &read.last().unwrap().event else { panic!() };
    assert!(matches!(reason, DeadReason::Silent | DeadReason::SilentUnconfirmed) && member.state() == State::Dead);

    let why = block_on(nodes[0].why("n3")).unwrap();
    assert_eq!((why.name.as_str(), why.state), ("n3", State::Dead));
    assert_eq!(block_on(nodes[0].why(why.member)).unwrap(), why);
    assert!(block_on(nodes[0].why("n2")).is_none_or(|why| why.state == State::Alive));
    assert_eq!(state(&nodes[0].view(), "n3"), Some(State::Dead));

    block_on(nodes[0].forget("n3")).unwrap();
    assert_eq!(state(&nodes[0].view(), "n3"), None, "the answer means that the view shows it");
    assert_eq!(kinds(&read_until(&mut events, "left", "n3"), "n3").last(), Some(&"left"));
    assert!(matches!(block_on(nodes[0].forget("n3")), Err(RequestError::Forget(_))));
}

#[test]
fn a_leave_is_confirmed_and_seen_as_left_and_the_name_may_return() {
    let mut nodes = cluster(3);
    let mut events = nodes[0].events();
    drain(&mut events);
    let leaver = nodes.pop().unwrap();
    let mut last_words = leaver.events();
    let generation = leaver.view().me().unwrap().generation();
    let left = block_on(leaver.leave()).unwrap();
    assert!(left.asked >= 1 && left.confirmed >= 1 && left.confirmed <= left.asked, "{left:?}");
    let read = read_until(&mut events, "left", "n3");
    assert_eq!(kinds(&read, "n3"), ["left"], "never suspected, never dead");
    assert_eq!(block_on(leaver.stopped()), Stopped::Left { confirmed: left.confirmed, asked: left.asked });
    assert_eq!(block_on(leaver.leave()).unwrap(), left, "asked again, it says how it went");
    while block_on(last_words.next()).is_some() {}
    until(&nodes[1], |view| view.len() == 2);

    let later = generation.next(); // two starts within one millisecond would have one generation by default
    let again = start(node("n3").generation(later).bind(leaver.local_address()).contacts([nodes[0].local_address()]));
    assert_eq!(again.view().me().unwrap().generation(), later);
    let read = read_until(&mut events, "up", "n3");
    assert_eq!(kinds(&read, "n3"), ["up"], "a return after leaving is an Up alone: {read:?}");
}

#[test]
fn metadata_travels() {
    let nodes = cluster(2);
    let mut events = nodes[0].events();
    drain(&mut events);
    block_on(nodes[1].set_metadata("zone=a")).unwrap();
    assert_eq!(nodes[1].view().me().unwrap().metadata(), b"zone=a", "the answer means that the view shows it");
    let read = read_until(&mut events, "updated", "n2");
    assert_eq!(read.last().unwrap().event.member().unwrap().metadata(), b"zone=a");
    assert_eq!(nodes[0].view().by_name("n2").unwrap().metadata(), b"zone=a");
    let refused = block_on(nodes[1].set_metadata(vec![0; 513])).unwrap_err();
    assert!(matches!(refused, RequestError::Metadata(_)), "{refused}");
    assert_eq!(nodes[1].view().me().unwrap().metadata(), b"zone=a");
}

#[test]
fn two_clusters_in_one_process_do_not_mix() {
    let nodes = cluster(2);
    let everyone = [nodes[0].local_address(), nodes[1].local_address()];
    let stranger = start(node("x1").cluster("other").contacts(everyone));
    let friend = start(node("x2").cluster("other").contacts([stranger.local_address()]).contacts(everyone));
    until(&stranger, |view| view.alive().count() == 2);
    until(&friend, |view| view.alive().count() == 2);
    let began = std::time::Instant::now();
    while block_on(nodes[0].metrics()).protocol.rejected.total() == 0 {
        // Each question is answered by the node's own task, after what its socket held.
        assert!(began.elapsed() < Duration::from_secs(30), "the strangers never knocked");
    }
    assert!(nodes.iter().all(|node| node.view().len() == 2 && state(&node.view(), "x1").is_none()));
    assert!(state(&friend.view(), "n1").is_none() && state(&stranger.view(), "n1").is_none());
}

#[test]
fn what_is_wrong_at_the_start_says_what_to_do() {
    let taken = start(node("n1"));
    let refused = |builder: tidings::runtime::Builder| block_on(builder.start()).unwrap_err().to_string();
    let port = taken.local_address().port();
    assert_eq!(
        refused(node("n2").bind(taken.local_address())),
        format!(
            "{port}/udp is in use on 127.0.0.1: another process, perhaps this node itself, runs there already; stop that \
             one, or choose another port (0 takes any)"
        )
    );

    for (builder, hints) in [
        (Node::builder("n2").bind("127.0.0.1:0"), ["cluster name is required", ".cluster("]),
        (node(""), ["it has 0 bytes; use 1 to 64", "choose another"]),
        (node("a\nb"), ["\"a\\nb\"", "U+000A"]),
        (node("a\u{202e}b"), ["\"a\\u{202e}b\"", "U+202E"]),
        (node("n2").cluster("c\u{200f}"), ["cluster", "U+200F"]),
        (node("n2").metadata(vec![0; 513]), ["513 bytes", "at most 512"]),
        (node("n2").stall_tolerance(Duration::from_millis(1)), ["stall_tolerance", "too low"]),
        (node("n2").bind("here"), ["bind \"here\"", "write 0.0.0.0:7340"]),
        (node("n2").bind("192.0.2.1:0"), ["192.0.2.1:0/udp", "bind 0.0.0.0"]),
        (node("n2").contacts(["db 0"]), ["contact \"db 0\"", "write 10.0.0.1:7340"]),
        (node("n2").contacts(["[::1]:7340"]), ["contact \"[::1]:7340\"", "bind [::]:0"]),
        (node("n2").advertise("0.0.0.0:1"), ["advertise", "reach"]),
        (node("n2").advertise("[::1]:7340"), ["advertise \"[::1]:7340\"", "bind [::]:0"]),
        (node("n2").advertise("[fe80::1]:7340"), ["advertise \"[fe80::1]:7340\"", "link-local"]),
        (node("n2").advertise("255.255.255.255:1"), ["advertise", "broadcast"]),
        (node("n2").contacts(["[fe80::1%1]:7340"]), ["contact \"[fe80::1%1]:7340\"", "link-local"]),
        (node("n2").contacts(["224.0.0.251:7340"]), ["contact \"224.0.0.251:7340\"", "multicast"]),
        (node("n2").bind("[fe80::1%1]:0"), ["bind \"[fe80::1%1]:0\"", "link-local"]),
        (node("n2").bind("[fe80::1%h1v]:0"), ["bind \"[fe80::1%h1v]:0\"", "link-local addresses are not supported"]),
        (node("n2").bind("239.1.1.1:0"), ["bind \"239.1.1.1:0\"", "multicast"]),
        (node("n2").advertise("no-such-host.invalid"), ["no-such-host.invalid", "check the name"]),
        (node("n2").on_this_runtime(), ["no tokio runtime", ".on_this_runtime()"]),
    ] {
        let error = refused(builder);
        assert!(hints.iter().all(|hint| error.contains(hint)), "{error}");
    }
}

#[test]
fn one_good_contact_among_bad_ones_is_enough() {
    let first = start(node("n1"));
    let contacts = ["no-such-host.invalid:1".to_owned(), first.local_address().to_string()];
    let second = start(node("n2").contacts(contacts));
    until(&second, |view| view.alive().count() == 2);
}

#[test]
fn a_node_starts_before_its_contacts_resolve_and_says_what_it_tried() {
    let node = start(node("n1").contacts(["no-such-host.invalid"]));
    let error = block_on(node.joined(Duration::from_millis(50))).unwrap_err();
    let JoinError::TimedOut { after, tried } = &error else { panic!("{error}") };
    assert_eq!(*after, Duration::from_millis(50));
    assert!(tried.len() == 1 && tried[0].starts_with("no-such-host.invalid:7340 ("), "{tried:?}");
    assert!(error.to_string().contains(&tried[0]), "{error}");
    let left = block_on(node.leave()).unwrap();
    let stopped = Stopped::Left { confirmed: left.confirmed, asked: left.asked };
    assert_eq!(block_on(node.joined(Duration::from_secs(9))), Err(JoinError::Stopped(stopped)));
}

#[test]
fn joined_ends_when_the_first_other_member_is_there() {
    let first = start(node("n1"));
    let alone = block_on(first.joined(Duration::ZERO)).unwrap_err().to_string();
    assert!(alone.contains("no contacts") && alone.contains(".contacts("), "{alone}");
    let second = start(node("n2").contacts([first.local_address()]));
    for node in [&first, &second] {
        block_on(node.joined(Duration::from_secs(20))).unwrap();
        assert_eq!(node.view().live().count(), 2);
    }
}

#[test]
fn metrics_and_views_are_written_with_names_throughout() {
    let nodes = cluster(2);
    let metrics = serde_json::to_value(block_on(nodes[0].metrics())).unwrap();
    assert_eq!((&metrics["address_known"], &metrics["protocol"]["rejected"]["tag"]), (&true.into(), &0.into()));
    assert_eq!(metrics["elections"], serde_json::json!({}));
    assert_eq!(serde_json::to_value(&*nodes[0].view()).unwrap()["address_known"], true);
    let unknown = start(node("n3").bind("0.0.0.0:0"));
    assert!(!unknown.view().address_known() && !block_on(unknown.metrics()).address_known);

    let rules = ElectionConfig::local("default", ["v1"]).stands_always();
    let voter = start(node("v1").cluster("other").election(rules).term_store(MemoryStore));
    let won = |metrics: &serde_json::Value| metrics["elections"]["default"]["terms_won"] == 1;
    until(&voter, |view| view.leader("default").is_some());
    let metrics = serde_json::to_value(block_on(voter.metrics())).unwrap();
    assert!(won(&metrics), "{metrics}");
}

#[test]
fn why_tells_the_time_of_day_too() {
    let mut nodes = cluster(3);
    let mut events = nodes[0].events();
    drop(nodes.pop());
    read_until(&mut events, "dead", "n3");
    let why = block_on(nodes[0].why("n3")).unwrap();
    let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let verdict_ms = why.wall_origin_ms.unwrap() + why.steps.last().unwrap().at.as_nanos() / 1_000_000;
    assert!(verdict_ms <= unix_ms + 60 && unix_ms < verdict_ms + 60_000, "{verdict_ms} {unix_ms}");
    let text = why.to_string();
    assert!(text.lines().all(|line| line.contains('T') && line.contains("Z")), "{text}");
}

#[test]
fn a_name_is_resolved() {
    let first = start(node("n1"));
    let second = start(node("n2").contacts([format!("localhost:{}", first.local_address().port())]));
    until(&second, |view| view.alive().count() == 2);
}

#[test]
fn the_last_handle_dropped_stops_the_node() {
    let node = start(node("n1"));
    let (clone, mut events, stopped) = (node.clone(), node.events(), node.stopped());
    drop(node);
    assert!(block_on(clone.metrics()).view_version > 0, "a clone keeps it running");
    let address = clone.local_address();
    drop(clone);
    assert_eq!(block_on(stopped), Stopped::Dropped);
    while block_on(events.next()).is_some() {}
    UdpSocket::bind(address).expect("its port is free again");
}

#[test]
fn a_stopped_node_answers_with_the_reason() {
    let node = start(node("n1"));
    let left = block_on(node.leave()).unwrap();
    let reason = Stopped::Left { confirmed: left.confirmed, asked: left.asked };
    assert_eq!(block_on(node.wait_until(|view| view.len() == 9)).unwrap_err(), reason);
    assert_eq!(block_on(node.set_metadata("x")).unwrap_err(), RequestError::Stopped(reason));
    assert_eq!(block_on(node.why("n1")), None);
    assert!(block_on(node.metrics()).view_version > 0);
}

#[test]
fn of_two_processes_of_one_name_the_older_stops() {
    let nodes = cluster(2);
    let mut events = nodes[1].events();
    // Two starts within one millisecond would have one generation by default.
    let later = nodes[1].view().me().unwrap().generation().next();
    let newer = start(node("n2").generation(later).contacts([nodes[0].local_address()]));

    let Stopped::Superseded { by } = block_on(nodes[1].stopped()) else { panic!("stopped otherwise") };
    assert_eq!(by, newer.local_address());
    assert!(Stopped::Superseded { by }.to_string().contains(&by.to_string()));
    assert_eq!(nodes[1].view().superseded_by(), Some(by));

    let mut last = None;
    while let Some(notice) = block_on(events.next()) {
        last = Some(notice.event);
    }
    assert_eq!(last, Some(Event::Superseded { by }));

    until(&newer, |view| view.alive().count() == 2);
    let generation = newer.view().me().unwrap().generation();
    until(&nodes[0], |view| {
        view.by_name("n2").is_some_and(|n2| n2.generation() == generation && n2.state() == State::Alive)
    });
}

#[test]
fn the_older_stops_too_where_it_dials_the_newer() {
    for bind in ["127.0.0.1", "0.0.0.0"] {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let older = start(node("n1").contacts([free]));
        let later = older.view().me().unwrap().generation().next();
        let _newer = start(node("n1").generation(later).bind(format!("{bind}:{}", free.port())));
        let Stopped::Superseded { by } = block_on(older.stopped()) else { panic!("stopped otherwise") };
        assert_eq!(by, free);
    }
}

#[test]
fn a_wildcard_bind_learns_its_address_from_a_contact() {
    let first = start(node("n1"));
    let port = |node: &Node| node.local_address().port();
    let has_ipv6 = UdpSocket::bind("[::]:0").is_ok();
    for (name, bind) in [("n2", "0.0.0.0:0"), ("n3", "[::]:0")].into_iter().take(1 + usize::from(has_ipv6)) {
        let learner = start(node(name).bind(bind).contacts([first.local_address()]));
        until(&learner, |view| view.me().is_some_and(|me| !me.address().ip().is_unspecified()));
        assert_eq!(learner.address(), any(port(&learner)));
        until(&first, |view| view.by_name(name).is_some_and(|member| member.address() == any(port(&learner))));
    }
}

#[test]
fn an_advertised_address_is_told() {
    let first = start(node("n1"));
    let second = start(node("n2").bind("0.0.0.0:0").advertise("127.0.0.1").contacts([first.local_address()]));
    let told = any(second.local_address().port());
    assert_eq!(second.address(), told);
    until(&first, |view| view.by_name("n2").is_some_and(|member| member.address() == told));
}

#[test]
fn a_frozen_node_is_suspected_and_refutes_when_it_goes_on() {
    let first = start(node("n1").stall_tolerance(Duration::from_secs(20)));
    let faults = Faults::new(1);
    let patient = |name| node(name).stall_tolerance(Duration::from_secs(20)).contacts([first.local_address()]);
    let (second, frozen) = (start(patient("n2")), start(patient("n3").faults(faults.clone())));
    for node in [&first, &second, &frozen] {
        until(node, |view| view.alive().count() == 3);
    }
    let (mut events, mut own) = (first.events(), frozen.events());
    drain(&mut events);
    faults.freeze();
    read_until(&mut events, "suspect", "n3");
    faults.thaw();
    let read = read_until(&mut events, "refuted", "n3");
    assert!(!kinds(&read, "n3").contains(&"dead"));
    let own = read_until(&mut own, "self_stalled", "n3");
    assert!(own.iter().all(|notice| notice.event.kind() != "dead"), "who did not run judges nobody");
    let incarnation = first.view().by_name("n3").unwrap().incarnation();
    until(&frozen, |view| view.me().is_some_and(|me| me.incarnation() >= incarnation));
}

#[test]
fn a_cut_off_node_is_isolated_and_returns_when_the_cut_heals() {
    let faults = Faults::new(1);
    let first = start(node("n1"));
    let contact = [first.local_address()];
    let (second, cut) =
        (start(node("n2").contacts(contact)), start(node("n3").contacts(contact).faults(faults.clone())));
    for node in [&first, &second, &cut] {
        until(node, |view| view.alive().count() == 3);
    }

    let (mut events, mut own) = (first.events(), cut.events());
    faults.cut([first.local_address(), second.local_address()]);
    block_on(first.set_metadata("unheard")).unwrap();

    read_until(&mut events, "dead", "n3");
    read_until(&mut own, "isolated", "");
    assert_eq!(cut.view().by_name("n1").unwrap().metadata(), b"", "a cut goes both ways");
    until(&cut, |view| view.is_isolated() && view.live().count() == 1);
    assert_eq!(second.view().alive().filter(|member| member.name() != "n3").count(), 2, "the others saw nothing else");

    faults.cut([]);
    read_until(&mut events, "up", "n3");
    read_until(&mut own, "reconnected", "");
    for node in [&first, &second, &cut] {
        until(node, |view| view.alive().count() == 3 && !view.is_isolated());
    }
}

#[test]
fn a_flood_of_nonsense_changes_nothing() {
    let nodes = cluster(2);
    let (view, before) = (nodes[0].view(), block_on(nodes[0].metrics()).protocol.rejected.total());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..5_000_u32 {
        let nonsense: Vec<u8> =
            (0..n % 200).map(|k| (n.wrapping_mul(2_654_435_761).wrapping_add(k * 40_503) >> 8) as u8).collect();
        let _ = socket.send_to(&nonsense, nodes[0].local_address());
    }
    let rejected = || block_on(nodes[0].metrics()).protocol.rejected.total() - before;
    assert!(within(Duration::from_secs(20), async { while rejected() < 100 {} }).is_some());
    block_on(nodes[1].set_metadata("still here")).unwrap();
    until(&nodes[0], |view| view.by_name("n2").is_some_and(|n2| n2.metadata() == b"still here"));
    assert_eq!(nodes[0].view().len(), view.len());
}

#[test]
fn a_node_on_the_callers_runtime_works_the_same() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let first = runtime.block_on(node("n1").on_this_runtime().start()).unwrap();
    let second = runtime.block_on(node("n2").on_this_runtime().contacts([first.local_address()]).start()).unwrap();
    until(&first, |view| view.alive().count() == 2);
    until(&second, |view| view.alive().count() == 2);
    drop(runtime);
    assert_eq!(block_on(first.stopped()), Stopped::Failed, "its runtime is gone");
}

#[test]
fn views_are_shared_not_copied() {
    let node = start(node("n1"));
    assert!(Arc::ptr_eq(&node.view(), &node.view()));
    let json = serde_json::to_value(&*node.view()).unwrap();
    assert_eq!((&json["members"][0]["name"], &json["isolated"]), (&"n1".into(), &false.into()));
}

#[test]
fn configurations_of_all_profiles_start() {
    for config in [Config::lan("test"), Config::wan("test"), Config::local("test")] {
        start(Node::builder("n1").config(config).bind("127.0.0.1:0"));
    }
}

#[test]
fn a_socket_that_refuses_to_send_only_loses() {
    // A socket on loopback cannot send elsewhere, so each greeting is an error of the socket.
    let first = start(node("n1").contacts(["192.0.2.1:9"]));
    let failed = async { while block_on(first.metrics()).sends_failed == 0 {} };
    assert!(within(Duration::from_secs(20), failed).is_some());
    let second = start(node("n2").contacts([first.local_address()]));
    until(&second, |view| view.alive().count() == 2);
    until(&first, |view| view.alive().count() == 2);
}

/// A folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tidings-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Waits until a file holds a whole snapshot with this name in it.
fn until_saved(path: &Path, name: &str) {
    let holds = || std::fs::read(path).is_ok_and(|bytes| bytes.windows(name.len()).any(|part| part == name.as_bytes()));
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "{name} was never saved");
        std::thread::yield_now();
    }
}

#[test]
fn a_warm_restart_needs_no_contact() {
    let folder = folder("warm");
    let path = folder.join("view");
    let first = start(node("n1"));
    let again = || node("n2").snapshot(&path);
    let second = start(again().contacts([first.local_address()]));
    until(&second, |view| view.alive().count() == 2);
    until_saved(&path, "n1");
    let left = second.view().me().unwrap().generation();
    drop(second);
    let later = (1..3).fold(left, |generation, _| generation.next());
    // Another address too, so that the other cannot find it by itself.
    let second = start(again().generation(later));
    until(&first, |view| view.by_name("n2").is_some_and(|n2| n2.generation() == later && n2.state() == State::Alive));
    until(&second, |view| view.alive().count() == 2);

    let third = start(node("n3").contacts([first.local_address()]));
    until(&second, |view| view.alive().count() == 3);
    block_on(second.leave()).unwrap();
    let saved = std::fs::read(&path).unwrap();
    assert!(saved.windows(2).any(|part| part == b"n3"), "what is told last is saved before the node has stopped");
    drop((first, third));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_snapshot_that_cannot_be_used_or_saved_stops_nothing() {
    let folder = folder("full");
    let first = start(node("n1"));
    let joins = |name: &str, path: PathBuf| {
        let joiner = start(node(name).snapshot(path).contacts([first.local_address()]));
        until(&joiner, |view| view.by_name("n1").is_some_and(|n1| n1.state() == State::Alive));
        joiner
    };

    let nowhere = folder.join("missing");
    let unsaved = joins("n2", nowhere.join("view"));

    let damaged = folder.join("damaged");
    std::fs::write(&damaged, b"tidingss\x01\x05").unwrap();
    let replacing = joins("n3", damaged.clone());
    until_saved(&damaged, "n1");

    let foreign = folder.join("foreign");
    let other = start(node("x1").cluster("other").snapshot(&foreign));
    let friend = start(node("x2").cluster("other").contacts([other.local_address()]));
    until(&other, |view| view.alive().count() == 2);
    until_saved(&foreign, "x2");
    block_on(other.leave()).unwrap();
    let theirs = std::fs::read(&foreign).unwrap();

    let misled = joins("n4", foreign.clone());
    block_on(misled.leave()).unwrap();
    assert_eq!(std::fs::read(&foreign).unwrap(), theirs, "another cluster's is left alone");

    // What could not be saved is, as soon as there is space for it and something changes.
    std::fs::create_dir(&nowhere).unwrap();
    block_on(first.set_metadata("there is space")).unwrap();
    until_saved(&nowhere.join("view"), "there is space");
    for node in [unsaved, replacing, friend] {
        // A node that has left writes no more.
        block_on(node.leave()).unwrap();
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_start_that_nobody_waits_for_leaves_nothing_behind() {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(within(Duration::ZERO, node("n1").bind(free).advertise("localhost").start()).is_none());
    let released = async { while UdpSocket::bind(free).is_err() {} };
    assert!(within(Duration::from_secs(20), released).is_some(), "the port is free again");
}
