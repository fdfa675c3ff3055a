//! Which voter is elected, what is told of it, and what is asked wrongly.

use tidings::election::MemoryStore;
use tidings::event::Event;
use tidings::leader::{Term, Trigger};
use tidings::runtime::{Builder, ElectionError, Stopped};

use crate::shelf::{Shelf, alone};
use crate::support::{block_on, drain, node, read_until, start, within};
use crate::{NAMES, PATIENCE, agree, joined, let_others_run, read_leader, split, voter, voters};

#[test]
fn three_nodes_elect_one_leader() {
    let nodes = joined(NAMES.map(voter).into_iter().chain([node("n4").election(voters(&NAMES))]));
    let leader = agree(&nodes, Term(0));
    assert!(NAMES.contains(&&*leader.name) && *leader.election == *"default");

    for node in &nodes {
        let status = node.election("default").unwrap();
        assert_eq!((status.voters.len(), status.quorum, status.is_voter), (3, 2, node.name() != "n4"));
        assert_eq!(node.elections().len(), 1);
        assert!(node.election("other").is_none());
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!((&json["name"], &json["quorum"]), (&"default".into(), &2.into()));

        // Exact, in one order with the members: the leader is there before it leads.
        let read = drain(&mut node.events());
        let led = read.iter().position(|notice| notice.event.kind() == "leader").unwrap();
        let up = read.iter().filter(|notice| notice.event.kind() == "up");
        assert!(led >= up.count(), "{read:?}");

        let smallest = node.view().iter().map(|member| member.id()).min();
        assert_eq!(node.view().coordinator().map(|member| member.id()), smallest);
    }

    let json = serde_json::to_value(&*nodes[0].view()).unwrap();
    assert_eq!(json["leaders"][0]["election"], "default");
}

#[test]
fn when_the_leader_is_killed_the_next_has_a_higher_term() {
    let nodes = joined(NAMES.map(voter));
    let first = agree(&nodes, Term(0));
    let (killed, others) = split(nodes, &first);
    let mut events = others[0].events();
    let mut watch = others[0].leader("default").unwrap();
    drop(killed);
    let second = agree(&others, first.term);
    assert_ne!(second.id, first.id);
    let (told, trigger) = read_leader(&mut events, first.term);
    // Whether the lease, the detector or a second attempt brought it about is a matter of timing.
    let said_so = matches!(trigger, Trigger::HandedOver | Trigger::Resigned | Trigger::Left);
    assert!(told.term > first.term && !said_so, "{trigger:?}");
    let changed = async { while watch.changed().await.unwrap().is_none_or(|leader| leader.term <= first.term) {} };
    assert!(within(PATIENCE, changed).is_some());
    assert!(watch.current().unwrap().term > first.term);
}

#[test]
fn no_election_across_another_list_of_voters() {
    let other = |name: &str| node(name).election(voters(&["n2", "n3", "n4"])).term_store(MemoryStore);
    let n2 = start(other("n2"));
    // Told once, so a subscriber that wants to hear it has to listen by then.
    let mut events = n2.events();
    let contact = [n2.local_address()];
    let nodes = [start(voter("n1").contacts(contact)), start(other("n3").contacts(contact)), n2];

    let differ = read_until(&mut events, "voters_differ", "");
    let Event::VotersDiffer { election, members } = &differ.last().unwrap().event else { panic!("{differ:?}") };
    assert_eq!((&**election, &members[..]), ("default", &[nodes[0].id()][..]));
    assert_ne!(&*agree(&nodes[1..], Term(0)).name, "n1", "those that agree elect one of their own");

    // Theirs was agreed and its own never was: it is told the voters and the leader.
    let leader = agree(&nodes, Term(0));
    let status = within(PATIENCE, async {
        loop {
            let status = nodes[0].election("default").unwrap();
            if !status.is_voter {
                return status;
            }
            let_others_run().await;
        }
    });
    let status = status.unwrap();
    assert!(
        &*leader.name != "n1" && !status.is_voter && status.voters.iter().all(|name| **name != *"n1"),
        "{status:?}"
    );
}

#[test]
fn who_leads_is_known_when_the_work_begins() {
    let node = start(alone(&Shelf::default()));
    let mut watch = node.leader("default").unwrap();
    assert_eq!(watch.current(), None);
    let seen = block_on(node.lead("default", |lease| {
        let led = node.view().leader("default").cloned();
        async move { Ok::<_, ElectionError>((led.unwrap(), lease.term())) }
    }));
    let (leader, term) = seen.unwrap();
    assert_eq!((leader.id, leader.term), (node.id(), term));
    assert_eq!(block_on(watch.changed()), Ok(Some(leader)));
    block_on(node.resign("default")).unwrap();
    block_on(async { while watch.changed().await.unwrap().is_none_or(|leader| leader.term <= term) {} });
}

#[test]
fn what_is_asked_wrongly_is_answered_in_words() {
    let observer = start(node("n9").election(voters(&NAMES)));
    let unknown = observer.leader("other").unwrap_err();
    assert_eq!(unknown, ElectionError::Unknown("other".to_owned()));
    assert!(["\"other\"", ".election("].iter().all(|hint| unknown.to_string().contains(hint)), "{unknown}");
    assert_eq!(block_on(observer.lead("other", |_| async {})).unwrap_err(), unknown);

    let refused = block_on(observer.lead("default", |_| async {})).unwrap_err();
    let asked =
        matches!(&refused, ElectionError::NotAVoter { election, voters } if election == "default" && voters.len() == 3);
    assert!(asked, "{refused}");

    assert_eq!(block_on(observer.resign("default")).unwrap_err(), ElectionError::NotLeading);
    let mut watch = observer.leader("default").unwrap();
    assert_eq!(watch.current(), None);
    block_on(observer.leave()).unwrap();
    assert!(matches!(block_on(watch.changed()), Err(Stopped::Left { .. })));
    assert!(matches!(block_on(observer.resign("default")), Err(ElectionError::Stopped(_))));

    let refused = |builder: Builder| block_on(builder.start()).unwrap_err().to_string();
    let no_store = refused(node("n1").election(voters(&NAMES)));
    for hint in ["\"default\"", ".term_store(FileStore::open(", ".term_store(MemoryStore)"] {
        assert!(no_store.contains(hint), "{no_store}");
    }
    let torn = refused(node("n1").election(voters(&NAMES)).term_store(Shelf::default().torn()));
    assert!(torn.contains("\"default\"") && torn.contains("the ballot is torn"), "{torn}");
    let twice = refused(voter("n1").election(voters(&NAMES)));
    assert!(twice.contains("elections.name"), "{twice}");
}
