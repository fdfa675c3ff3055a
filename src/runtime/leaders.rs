//! The leaders that a view knows, and the fewest events that lead from some to others.
//!
//! Terms never go back here: a leader of a lower term than one that was told is no news. How a leadership ended is kept
//! with it, so that a reader that comes late hears the reason.

use std::sync::Arc;

use crate::event::Event;
use crate::leader::{Leader, LossReason, Trigger};

/// The leader of each election, or the last there was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaders(Arc<Vec<Seat>>);

#[derive(Clone, Debug)]
struct Seat {
    leader: Leader,
    trigger: Trigger,
    lost: Option<LossReason>,
}

impl Seat {
    fn is_taken(&self) -> bool {
        self.lost.is_none()
    }

    fn event(&self) -> Event {
        Event::Leader { leader: self.leader.clone(), trigger: self.trigger }
    }
}

impl Leaders {
    /// Those that lead now, in the order of the elections' names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Leader> {
        self.taken().map(|seat| &seat.leader)
    }

    pub(crate) fn get(&self, election: &str) -> Option<&Leader> {
        self.seat(election).filter(|seat| seat.is_taken()).map(|seat| &seat.leader)
    }

    /// Takes in that a member leads; the answer is whether that shows.
    pub(crate) fn led(&mut self, leader: &Leader, trigger: Trigger) -> bool {
        let known = self.seat(&leader.election);
        let is_old = known.is_some_and(|seat| seat.leader.term > leader.term);
        let is_known = known.is_some_and(|seat| seat.is_taken() && seat.leader == *leader && seat.trigger == trigger);
        if is_old || is_known {
            return false;
        }
        self.put(Seat { leader: leader.clone(), trigger, lost: None });
        true
    }

    /// Takes in that the leader says something else; the answer is whether that shows.
    pub(crate) fn updated(&mut self, leader: &Leader) -> bool {
        let is_it = |seat: &&Seat| seat.is_taken() && (seat.leader.id, seat.leader.term) == (leader.id, leader.term);
        let Some(seat) = self.seat(&leader.election).filter(is_it).filter(|seat| seat.leader != *leader) else {
            return false;
        };
        let seat = Seat { leader: leader.clone(), ..seat.clone() };
        self.put(seat);
        true
    }

    /// Takes in that a leader leads no more; the answer is whether that shows.
    pub(crate) fn lost(&mut self, leader: &Leader, reason: LossReason) -> bool {
        let Some(seat) = self.seat(&leader.election).filter(|seat| seat.is_taken() && seat.leader.term <= leader.term)
        else {
            return false;
        };
        let seat = Seat { lost: Some(reason), leader: leader.clone(), trigger: seat.trigger };
        self.put(seat);
        true
    }

    pub(crate) fn says_the_same(&self, other: &Leaders) -> bool {
        let told = |seat: &Seat| (seat.leader.clone(), seat.trigger);
        Arc::ptr_eq(&self.0, &other.0) || self.taken().map(told).eq(other.taken().map(told))
    }

    /// What leads a reader from here to there.
    pub(crate) fn until(&self, later: &Leaders) -> Vec<Event> {
        if Arc::ptr_eq(&self.0, &later.0) {
            return Vec::new();
        }

        let mut events = Vec::new();
        for old in self.taken().filter(|old| later.get(&old.leader.election).is_none()) {
            let reason = later.seat(&old.leader.election).and_then(|seat| seat.lost).unwrap_or(LossReason::Gone);
            events.push(Event::LeaderLost { leader: old.leader.clone(), reason });
        }

        for new in later.taken() {
            let is_same = |old: &&Leader| (old.id, old.term) == (new.leader.id, new.leader.term);
            match self.get(&new.leader.election).filter(is_same) {
                None => events.push(new.event()),
                Some(old) if *old != new.leader => events.push(Event::LeaderUpdated { leader: new.leader.clone() }),
                Some(_) => {}
            }
        }
        events
    }

    fn taken(&self) -> impl Iterator<Item = &Seat> {
        self.0.iter().filter(|seat| seat.is_taken())
    }

    fn place(&self, election: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|seat| (*seat.leader.election).cmp(election))
    }

    fn seat(&self, election: &str) -> Option<&Seat> {
        self.0.get(self.place(election).ok()?)
    }

    fn put(&mut self, seat: Seat) {
        let place = self.place(&seat.leader.election);
        let seats = Arc::make_mut(&mut self.0);
        match place {
            Ok(place) => {
                if let Some(known) = seats.get_mut(place) {
                    *known = seat;
                }
            }
            Err(place) => seats.insert(place, seat),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leader::Term;
    use crate::member::NodeId;
    use crate::time::Instant;

    fn leader(election: &str, name: &str, term: u64) -> Leader {
        let since = Instant::from_nanos(term);
        Leader {
            election: election.into(),
            id: NodeId::from_name(name),
            name: name.into(),
            term: Term(term),
            since,
            word: Arc::default(),
        }
    }

    #[test]
    fn terms_never_go_back() {
        let mut leaders = Leaders::default();
        assert!(leaders.led(&leader("e", "a", 5), Trigger::NoLeader));
        assert!(!leaders.led(&leader("e", "a", 5), Trigger::NoLeader), "known");
        assert!(!leaders.led(&leader("e", "b", 4), Trigger::NoLeader), "older");
        assert!(!leaders.lost(&leader("e", "b", 4), LossReason::Gone), "another's end");
        assert!(leaders.led(&leader("e", "b", 6), Trigger::Dead));
        assert_eq!(leaders.get("e").map(|leader| leader.term), Some(Term(6)));
        assert!(leaders.lost(&leader("e", "b", 6), LossReason::Resigned));
        assert!(leaders.get("e").is_none() && !leaders.lost(&leader("e", "b", 6), LossReason::Resigned));
        assert!(!leaders.led(&leader("e", "a", 5), Trigger::NoLeader), "older than one that is gone");
        assert_eq!(leaders.iter().count(), 0);
    }

    #[test]
    fn the_way_from_some_to_others_is_short() {
        let (mut old, mut new) = (Leaders::default(), Leaders::default());
        for election in ["gone", "moved", "stays"] {
            assert!(old.led(&leader(election, "a", 5), Trigger::NoLeader));
            assert!(new.led(&leader(election, "a", 5), Trigger::NoLeader));
        }
        assert!(new.lost(&leader("gone", "a", 5), LossReason::LeaseRanOut));
        assert!(new.led(&leader("moved", "b", 7), Trigger::Dead));
        assert!(new.led(&leader("new", "b", 7), Trigger::Left));
        let said = Leader { word: b"here".as_slice().into(), ..leader("stays", "a", 5) };
        assert!(new.updated(&said) && !new.updated(&said), "once");
        let another = Leader { term: Term(4), ..said.clone() };
        assert!(!new.updated(&another) && !new.updated(&Leader { election: "other".into(), ..said.clone() }));
        let events = old.until(&new);
        let expected = [
            Event::LeaderLost { leader: leader("gone", "a", 5), reason: LossReason::LeaseRanOut },
            Event::Leader { leader: leader("moved", "b", 7), trigger: Trigger::Dead },
            Event::Leader { leader: leader("new", "b", 7), trigger: Trigger::Left },
            Event::LeaderUpdated { leader: said },
        ];
        assert_eq!(events, expected);
        for event in &events {
            match event {
                Event::Leader { leader, trigger } => assert!(old.led(leader, *trigger)),
                Event::LeaderUpdated { leader } => assert!(old.updated(leader)),
                Event::LeaderLost { leader, reason } => assert!(old.lost(leader, *reason)),
                other => panic!("{other:?}"),
            }
        }
        assert!(old.says_the_same(&new) && old.until(&new).is_empty());
    }
}
