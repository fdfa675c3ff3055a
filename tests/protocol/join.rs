//! `supersedes` is a join: reports may come in any order and any number of times, and the same one wins.

use proptest::prelude::*;
use tidings::member::{Generation, Incarnation, Standing, State};

fn standing() -> impl Strategy<Value = Standing> {
    let state = prop_oneof![Just(State::Alive), Just(State::Suspect), Just(State::Dead), Just(State::Left)];
    (0..4_u64, 0..4_u32, state).prop_map(|(generation, incarnation, state)| Standing {
        generation: Generation(generation),
        incarnation: Incarnation(incarnation),
        state,
    })
}

fn join(a: Standing, b: Standing) -> Standing {
    if b.supersedes(a) { b } else { a }
}

proptest! {
    #[test]
    fn the_join_is_associative_commutative_and_idempotent(a in standing(), b in standing(), c in standing()) {
        prop_assert_eq!(join(a, a), a);
        prop_assert_eq!(join(a, b), join(b, a));
        prop_assert_eq!(join(join(a, b), c), join(a, join(b, c)));
        prop_assert!(!(a.supersedes(b) && b.supersedes(a)));
    }

    #[test]
    fn any_order_and_multiplicity_gives_the_same(
        reports in prop::collection::vec(standing(), 1..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let expected = reports.iter().copied().reduce(join).unwrap();
        let repeated = order.iter().map(|index| *index.get(&reports));
        let shuffled: Vec<Standing> = repeated.chain(reports.iter().rev().copied()).collect();
        prop_assert_eq!(shuffled.into_iter().reduce(join).unwrap(), expected);
    }
}
