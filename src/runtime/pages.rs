//! Rows sorted by id, in shared pages, so that a change copies one page and the spine instead of the table.
//!
//! A snapshot that readers hold must never change under them, and 10,000 members times 80 bytes is too much to copy for
//! each suspicion. A page that no reader holds is changed in place.

use std::sync::Arc;

use crate::member::{Member, NodeId};
use crate::runtime::judgement::Judgement;

/// Rows on one page at most; a page that would grow beyond it is split in half.
pub(crate) const PAGE_ROWS_MAX: usize = 64;

/// A member and, while it is Suspect or Dead, why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) member: Member,
    pub(crate) judgement: Option<Arc<Judgement>>,
}

impl Row {
    pub(crate) fn id(&self) -> NodeId {
        self.member.id()
    }
}

/// The table: pages in order, none of them empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pages {
    pages: Vec<Arc<[Row]>>,
    len: usize,
}

impl Pages {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.pages.iter().flat_map(|page| page.iter())
    }

    pub(crate) fn get(&self, id: NodeId) -> Option<&Row> {
        let page = self.pages.get(self.page_of(id))?;
        let place = page.binary_search_by_key(&id, Row::id).ok()?;
        page.get(place)
    }

    /// The rows of one page, for a reader that walks two tables side by side.
    pub(crate) fn page(&self, number: usize) -> Option<&Arc<[Row]>> {
        self.pages.get(number)
    }

    /// Puts a row in its place, over the one that was there.
    pub(crate) fn put(&mut self, row: Row) {
        let at = self.page_of(row.id());
        let Some(page) = self.pages.get_mut(at) else {
            self.pages.push(Arc::from([row]));
            self.len = 1;
            return;
        };

        match page.binary_search_by_key(&row.id(), Row::id) {
            Ok(place) => replace(page, place, row),
            Err(place) => {
                let mut rows = Vec::with_capacity(page.len() + 1);
                rows.extend_from_slice(page);
                rows.insert(place, row);
                self.len += 1;
                if rows.len() > PAGE_ROWS_MAX {
                    let upper = rows.split_off(PAGE_ROWS_MAX / 2);
                    *page = rows.into();
                    self.pages.insert(at + 1, upper.into());
                } else {
                    *page = rows.into();
                }
            }
        }
    }

    /// Takes a row out; whether it was there.
    pub(crate) fn remove(&mut self, id: NodeId) -> bool {
        let at = self.page_of(id);
        let Some(page) = self.pages.get(at) else { return false };
        let Ok(place) = page.binary_search_by_key(&id, Row::id) else { return false };
        let mut rows = page.to_vec();
        rows.remove(place);
        self.len -= 1;
        self.shrink(at, rows);
        true
    }

    /// Stores what is left of a page, joined with the next one when both are small, so that pages do not crumble.
    fn shrink(&mut self, at: usize, mut rows: Vec<Row>) {
        let next_len = self.pages.get(at + 1).map_or(usize::MAX, |next| next.len());
        if next_len.saturating_add(rows.len()) <= PAGE_ROWS_MAX / 2 {
            let next = self.pages.remove(at + 1);
            rows.extend_from_slice(&next);
        }
        if rows.is_empty() {
            self.pages.remove(at);
        } else if let Some(page) = self.pages.get_mut(at) {
            *page = rows.into();
        }
    }

    /// The page that holds `id`, or would.
    fn page_of(&self, id: NodeId) -> usize {
        let after = self.pages.partition_point(|page| page.first().is_some_and(|row| row.id() <= id));
        after.saturating_sub(1)
    }
}

fn replace(page: &mut Arc<[Row]>, place: usize, row: Row) {
    if Arc::get_mut(page).is_none() {
        *page = page.to_vec().into();
    }
    if let Some(slot) = Arc::get_mut(page).and_then(|rows| rows.get_mut(place)) {
        *slot = row;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::member::{Generation, Identity, Incarnation, Record, State};

    fn row(id: u128, incarnation: u32) -> Row {
        let mut identity = Identity::named("n", Generation(1), "127.0.0.1:1".parse().unwrap());
        identity.id = NodeId::from_u128(id);
        let record = Record::new(&identity, Incarnation(0), &[]).unwrap();
        let member = Member { record, incarnation: Incarnation(incarnation), state: State::Alive, flaps: false };
        Row { member, judgement: None }
    }

    fn copied(before: &Pages, after: &Pages) -> usize {
        let kept = |page: &Arc<[Row]>| before.pages.iter().any(|old| Arc::ptr_eq(old, page));
        after.pages.iter().filter(|page| !kept(page)).count()
    }

    #[test]
    fn one_change_of_ten_thousand_copies_one_page() {
        let mut pages = Pages::default();
        for n in 0..10_000_u128 {
            pages.put(row(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835), 0));
        }
        let some_id = pages.iter().nth(5_000).unwrap().id();
        let snapshot = pages.clone();
        pages.put(row(some_id.as_u128(), 1));
        assert_eq!(copied(&snapshot, &pages), 1);
        let snapshot = pages.clone();
        pages.remove(some_id);
        assert_eq!(copied(&snapshot, &pages), 1);
        let snapshot = pages.clone();
        pages.put(row(some_id.as_u128(), 2));
        assert!(copied(&snapshot, &pages) <= 2, "an insert may split a page");
    }

    #[test]
    fn a_page_nobody_holds_changes_in_place() {
        let mut pages = Pages::default();
        pages.put(row(1, 0));
        let before = Arc::as_ptr(&pages.pages[0]);
        pages.put(row(1, 1));
        assert!(std::ptr::addr_eq(before, Arc::as_ptr(&pages.pages[0])));
    }

    #[test]
    fn a_row_costs_at_most_160_bytes_with_its_share_of_page_and_spine() {
        assert!(size_of::<Row>() <= 80, "{}", size_of::<Row>());
        let mut pages = Pages::default();
        for n in 0..10_000_u128 {
            pages.put(row(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835), 0));
        }
        let bytes =
            10_000 * size_of::<Row>() + pages.pages.capacity() * size_of::<Arc<[Row]>>() + pages.pages.len() * 16;
        assert!(bytes / 10_000 <= 82, "{}", bytes / 10_000);
    }

    proptest! {
        #[test]
        fn behaves_like_a_sorted_map(changes in prop::collection::vec((any::<bool>(), 0..300_u128, any::<u8>()), 0..900)) {
            let mut pages = Pages::default();
            let mut model = BTreeMap::new();
            let mut snapshots = Vec::new();
            for (step, (put, id, value)) in changes.into_iter().enumerate() {
                if put {
                    pages.put(row(id, u32::from(value)));
                    model.insert(id, u32::from(value));
                } else {
                    prop_assert_eq!(pages.remove(NodeId::from_u128(id)), model.remove(&id).is_some());
                }
                if step % 100 == 0 {
                    snapshots.push((pages.clone(), model.clone()));
                }
            }
            snapshots.push((pages, model));
            for (pages, model) in snapshots {
                prop_assert_eq!(pages.len(), model.len());
                let rows: Vec<_> = pages.iter().map(|row| (row.id().as_u128(), row.member.incarnation().0)).collect();
                prop_assert_eq!(rows, model.clone().into_iter().collect::<Vec<_>>());
                prop_assert!(pages.pages.iter().all(|page| !page.is_empty() && page.len() <= PAGE_ROWS_MAX));
                for id in 0..300 {
                    let found = pages.get(NodeId::from_u128(id)).map(|row| row.member.incarnation().0);
                    prop_assert_eq!(found, model.get(&id).copied());
                }
            }
        }
    }
}
