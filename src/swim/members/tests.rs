//! Tables: what is derived of the rows follows every change of them, and the list of changes names it.

use super::*;
use crate::member::Identity;

fn record(n: u64) -> Record {
    let identity = Identity::named(&format!("n{n}"), Generation(1), "127.0.0.1:1".parse().unwrap());
    Record::new(&identity, Incarnation(0), &[]).unwrap()
}

#[test]
fn derived_facts_follow_the_state() {
    let mut members = Members::new(record(0), 9);
    let alone = members.view_hash();
    let slot = members.insert(record(1));
    let both = members.view_hash();
    assert_ne!(alone, both);
    assert_eq!(members.counts(), Counts { alive: 2, suspect: 0, provisional: 0 });

    members.set_state(slot, State::Suspect);
    assert_eq!((members.view_hash(), members.ring_len()), (both, 2));
    members.set_provisionally_dead(slot);
    assert_eq!((members.view_hash(), members.ring_len(), members.counts().present()), (alone, 2, 2));
    members.set_state(slot, State::Dead);
    assert_eq!((members.view_hash(), members.ring_len(), members.counts().present()), (alone, 1, 1));
    members.set_state(slot, State::Alive);
    assert_eq!((members.view_hash(), members.ring_len()), (both, 2));
    members.remove(slot);
    assert_eq!((members.view_hash(), members.ring_len()), (alone, 1));
    assert_eq!(members.find(record(1).id()), None);
}

#[test]
fn many_at_once_are_as_many_one_by_one() {
    for space in [0, 5, 40, 100] {
        let (mut slowly, mut at_once) = (Members::new(record(0), 9), Members::new(record(0), 9));
        for members in [&mut slowly, &mut at_once] {
            let gone = members.insert(record(100));
            members.insert(record(7));
            members.remove(gone);
        }

        let records: Vec<Record> = (0..50).chain(20..60).map(record).collect();
        let (added, refused) = at_once.insert_all(records.iter(), space);
        let added: Vec<NodeId> = added.into_iter().map(|slot| at_once.member(slot).id()).collect();

        let mut expected = Vec::new();
        let mut unplaced = 0;
        for record in &records {
            if slowly.find(record.id()).is_none() && expected.len() < space {
                slowly.insert(record.clone());
                expected.push(record.id());
            } else if slowly.find(record.id()).is_none() {
                unplaced += 1;
            }
        }

        assert_eq!((added, refused), (expected, unplaced));

        let facts = |members: &Members| {
            let ring: Vec<_> = (0..members.ring_len()).map(|place| members.ring_at(place)).collect();
            let ids: Vec<_> = members.slots().map(|slot| members.member(slot).id()).collect();
            (ring, ids, members.counts(), members.view_hash(), members.changes().revision())
        };
        assert_eq!(facts(&at_once), facts(&slowly));

        let places = at_once.rows.capacity();
        at_once.insert_all(records.iter(), 0);
        at_once.insert_all(records[..at_once.ring_len() - 2].iter(), 1_000);
        assert_eq!(at_once.rows.capacity(), places, "no space is made for those that are known");

        for record in &records {
            let digest = Digest::of(record.id(), record.generation());
            assert_eq!(at_once.find(record.id()), slowly.find(record.id()));
            assert_eq!(at_once.find_digest(digest), slowly.find_digest(digest));
        }
    }
}

#[test]
fn this_node_knows_its_neighbours_however_the_ring_shifts() {
    let mut random = crate::random::Random::fork(4, crate::random::Purpose::Probing);
    let mut members = Members::new(record(0), 9);
    assert_eq!(members.ring_after_me(0), None);
    for _ in 0..500 {
        let other = record(1 + random.below(40));
        match members.find(other.id()) {
            Some(slot) => members.remove(slot),
            None => assert_ne!(members.insert(other), members.me()),
        }

        let mut ring: Vec<Slot> = members.slots().collect();
        ring.sort_by_key(|slot| crate::swim::members::ring::position(members.member(*slot).id()));
        let mine = ring.iter().position(|slot| *slot == members.me()).unwrap();
        ring.rotate_left(mine);
        for (offset, slot) in ring.iter().enumerate() {
            assert_eq!(members.ring_after_me(offset), Some(*slot).filter(|slot| *slot != members.me()));
        }
    }
}

#[test]
fn digest_follows_the_generation_and_the_hash_the_record() {
    let mut members = Members::new(record(0), 9);
    let slot = members.insert(record(1));
    let old = members.row(slot).digest();
    let hash = members.view_hash();
    members.raise_incarnation(slot, Incarnation(5));
    assert_eq!((members.view_hash(), members.member(slot).incarnation()), (hash, Incarnation(5)));
    let mut next = record(1);
    next.set_generation(Generation(2));
    members.set_record(slot, next);
    assert_eq!(members.find_digest(old), None);
    assert_eq!(members.find_digest(members.row(slot).digest()), Some(slot));
    assert_eq!(members.member(slot).incarnation(), Incarnation(0));
    assert_ne!(members.view_hash(), hash);
}

#[test]
fn the_journal_names_whoever_looks_different() {
    type Step = fn(&mut Members, Slot);
    let dead: Step = |members, slot| members.set_state(slot, State::Dead);
    let steps: [(&str, bool, Step); 12] = [
        ("suspected", true, |members, slot| members.set_state(slot, State::Suspect)),
        ("answered", false, |members, slot| members.note_alive(slot, Instant::from_nanos(9))),
        ("timed", false, |members, slot| members.sample_rtt(slot, std::time::Duration::from_millis(1))),
        ("raised", true, |members, slot| members.raise_incarnation(slot, Incarnation(5))),
        ("raised no further", false, |members, slot| members.raise_incarnation(slot, Incarnation(5))),
        ("provisionally dead", true, Members::set_provisionally_dead),
        ("certainly dead", true, dead),
        ("restarted", true, |members, slot| {
            let mut next = record(1);
            next.set_generation(Generation(2));
            members.set_record(slot, next);
        }),
        ("left", true, |members, slot| members.set_state(slot, State::Left)),
        ("dead again", true, dead),
        ("removed", true, Members::remove),
        ("inserted", true, |members, _| assert_ne!(members.insert(record(1)), members.me())),
    ];

    let mut members = Members::new(record(0), 9);
    let slot = members.insert(record(1));

    for (what, is_seen, step) in steps {
        let before = members.changes().revision();
        step(&mut members, slot);
        let changed: Vec<NodeId> = members.changes().since(before).unwrap().collect();
        assert_eq!(changed, vec![record(1).id(); usize::from(is_seen)], "{what}");
    }

    let mine: [Step; 2] = [
        |members, _| members.set_my_generation(Generation(7)),
        |members, _| members.change_my_record(Incarnation(1), |record| record.set_metadata(b"m")),
    ];

    for step in mine {
        let before = members.changes().revision();
        step(&mut members, slot);
        assert_eq!(members.changes().since(before).unwrap().collect::<Vec<_>>(), [record(0).id()]);
    }
}

#[test]
fn members_are_counted_by_the_family_of_their_address() {
    let (me, other) = (record(0), record(1));
    let mut members = Members::new(me, 1);
    let slot = members.insert(other.clone());
    let counts = |members: &Members| [Reach::V4, Reach::V6, Reach::Both].map(|reach| members.counts_in(reach).alive);
    assert_eq!(counts(&members), [2, 0, 2]);
    let mut moved = other;
    moved.set_address("[fd00::1]:1".parse().unwrap());
    members.set_record(slot, moved);
    assert_eq!(counts(&members), [1, 1, 2]);
    members.set_state(slot, State::Dead);
    assert_eq!(counts(&members), [1, 0, 1]);
}
