//! Events that many observers received alike, told in one line.
//!
//! Fifty nodes that see one die are two lines, a suspicion and a verdict, not a hundred. Events of one kind that come
//! within a moment of each other are gathered; then all that the same observers saw is a line, and if that makes many
//! lines, those that overlap are one, which says how much of it happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::commands::Number;

/// How long a kind of event is gathered before it is told.
const WINDOW: Duration = Duration::from_millis(250);

/// Sets of observers that have a line each for what they saw; if there are more, those that overlap share one.
const ALIKE_MAX: usize = 3;

/// One event, as much as a line needs of it.
#[derive(Clone, Debug)]
pub struct Item {
    pub at: Duration,
    pub observer: Number,
    pub member: Option<Number>,
    pub by: Vec<Number>,
    /// Whether the observer found out for itself.
    pub noticed: bool,
    pub note: String,
}

/// What several observers received about several members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub kind: &'static str,
    pub first: Duration,
    pub last: Duration,
    pub observers: BTreeSet<Number>,
    pub members: BTreeSet<Number>,
    pub by: BTreeSet<Number>,
    /// The observers that found out for themselves.
    pub noticed: BTreeSet<Number>,
    /// The note of the first.
    pub note: String,
    /// Of how many pairs of observer and member it tells, and how many there are, if not of all.
    pub partly: Option<(usize, usize)>,
}

#[derive(Default)]
pub struct Groups {
    /// In the order of their first items.
    open: Vec<Group>,
}

struct Group {
    kind: &'static str,
    /// Keeps apart what must not share a line though it is of one kind.
    shade: &'static str,
    /// When it is told.
    due: Duration,
    items: Vec<Item>,
}

impl Groups {
    /// `now` may be later than the item: the reader was busy.
    pub fn add(&mut self, now: Duration, (kind, shade): (&'static str, &'static str), item: Item) {
        match self.open.iter_mut().find(|group| group.kind == kind && group.shade == shade) {
            Some(group) => group.items.push(item),
            None => self.open.push(Group { kind, shade, due: now + WINDOW, items: vec![item] }),
        }
    }

    /// More accusers of a suspicion that may still be untold.
    pub fn accuse(&mut self, observer: Number, member: Option<Number>, by: &[Number]) {
        let open = self.open.iter_mut().filter(|group| group.kind == "suspect").flat_map(|group| &mut group.items);
        for item in open.filter(|item| (item.observer, item.member) == (observer, member)) {
            item.by.extend(by);
        }
    }

    /// When the oldest has been gathered long enough.
    pub fn due(&self) -> Option<Duration> {
        self.open.iter().map(|group| group.due).min()
    }

    /// The lines that are due by now, or all of them.
    pub fn take(&mut self, now: Option<Duration>) -> Vec<Line> {
        let is_due = |group: &Group| now.is_none_or(|now| group.due <= now);
        let (due, open) = std::mem::take(&mut self.open).into_iter().partition(is_due);
        self.open = open;
        let due: Vec<Group> = due;
        let mut lines: Vec<Line> = due.into_iter().flat_map(Group::lines).collect();
        lines.sort_by_key(|line| line.first);
        lines
    }
}

impl Group {
    fn lines(self) -> Vec<Line> {
        let mut alike: BTreeMap<BTreeSet<Number>, Vec<Item>> = BTreeMap::new();
        for (_, items) in by_member(&self.items) {
            alike.entry(items.iter().map(|item| item.observer).collect()).or_default().extend(items);
        }
        // No node sees itself come up, so no two members are seen by the same.
        if alike.len() <= ALIKE_MAX && self.kind != "up" {
            return alike.into_values().map(|items| Line::of(self.kind, items)).collect();
        }
        let mut lines: Vec<Vec<Item>> = Vec::new();
        for item in self.items {
            let meets = |line: &Vec<Item>| {
                line.iter().any(|other| other.observer == item.observer || other.member == item.member)
            };
            let (met, apart): (Vec<_>, Vec<_>) = std::mem::take(&mut lines).into_iter().partition(meets);
            lines = apart;
            lines.push(met.into_iter().flatten().chain([item]).collect());
        }
        lines.into_iter().map(|items| Line::of(self.kind, items)).collect()
    }
}

fn by_member(items: &[Item]) -> BTreeMap<Option<Number>, Vec<Item>> {
    let mut members: BTreeMap<_, Vec<Item>> = BTreeMap::new();
    for item in items {
        members.entry(item.member).or_default().push(item.clone());
    }
    members
}

impl Line {
    fn of(kind: &'static str, mut items: Vec<Item>) -> Line {
        items.sort_by_key(|item| item.at);
        let observers: BTreeSet<Number> = items.iter().map(|item| item.observer).collect();
        let members: BTreeSet<Number> = items.iter().filter_map(|item| item.member).collect();
        let told: BTreeSet<_> = items.iter().map(|item| (item.observer, item.member)).collect();
        // No node tells of itself.
        let all = observers.len() * members.len() - observers.intersection(&members).count();
        let partly = (told.len() < all).then_some((told.len(), all));
        let first = items.first().map_or(Duration::ZERO, |item| item.at);
        let last = items.last().map_or(first, |item| item.at);
        let by = items.iter().flat_map(|item| item.by.iter().copied()).collect();
        let noticed = items.iter().filter(|item| item.noticed).map(|item| item.observer).collect();
        let note = items.into_iter().next().map(|item| item.note).unwrap_or_default();
        Line { kind, first, last, observers, members, by, noticed, note, partly }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(ms: u64, observer: Number, member: Number) -> Item {
        Item {
            at: Duration::from_millis(ms),
            observer,
            member: Some(member),
            by: vec![observer],
            noticed: false,
            note: format!("{ms}"),
        }
    }

    #[test]
    fn what_all_see_alike_is_one_line() {
        let mut groups = Groups::default();
        for observer in 1..=50 {
            groups.add(Duration::from_millis(101), ("dead", ""), item(100 + observer as u64, observer, 51));
        }
        assert!(groups.take(Some(Duration::from_millis(350))).is_empty());
        assert_eq!(groups.due(), Some(Duration::from_millis(351)));
        let lines = groups.take(groups.due());
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((line.observers.len(), line.members.len(), line.partly), (50, 1, None));
        assert_eq!((line.first.as_millis(), line.last.as_millis(), line.note.as_str()), (101, 150, "101"));
        assert_eq!(groups.due(), None);
    }

    #[test]
    fn the_two_sides_of_a_partition_are_two_lines() {
        let mut groups = Groups::default();
        let (small, large) = ([1, 2, 6], [3, 4, 5]);
        for (one, other) in small.iter().flat_map(|one| large.iter().map(move |other| (*one, *other))) {
            groups.add(Duration::ZERO, ("dead", ""), item(10, one, other));
            if (one, other) != (2, 5) && (one, other) != (6, 3) {
                groups.add(Duration::ZERO, ("dead", ""), item(20, other, one));
            }
        }
        let lines = groups.take(None);
        let [line, other] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((&line.observers, &line.members, line.partly), (&small.into(), &large.into(), None));
        assert_eq!((&other.observers, &other.members, other.partly), (&large.into(), &small.into(), Some((7, 9))));
    }
}
