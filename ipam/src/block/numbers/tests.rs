//! Held against a set that lists every number.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn listed(last: Option<u128>, missing: &[(u128, u128)]) -> BTreeSet<u128> {
    let gone = |number: &u128| missing.iter().any(|(first, end)| (first..=end).contains(&number));
    last.map_or_else(BTreeSet::new, |last| (0..=last).filter(|number| !gone(number)).collect())
}

fn runs() -> impl Strategy<Value = Vec<(u128, u128)>> {
    proptest::collection::vec((0u128..50, 0u128..9), 0..8)
        .prop_map(|runs| runs.into_iter().map(|(first, more)| (first, first + more)).collect())
}

proptest! {
    #[test]
    fn they_are_what_a_list_of_them_is(
        last in proptest::option::of(0u128..60),
        missing in runs(),
        removed in proptest::collection::vec(0u128..70, 0..9),
        from in 0u128..9,
        step in 0u128..9,
    ) {
        let mut numbers = Numbers::new(last, missing.clone());
        let mut list = listed(last, &missing);
        let without = numbers.without(removed.iter().copied());
        for one in removed {
            numbers = numbers.without([one]);
            list.remove(&one);
            for pair in numbers.missing.windows(2) {
                prop_assert!(pair[0].1 + 1 < pair[1].0, "{:?}", numbers.missing);
            }
        }
        prop_assert_eq!(&without, &numbers);
        prop_assert_eq!(numbers.count(), list.len() as u128);
        let all: Vec<u128> = (0..80).map_while(|rank| numbers.nth(rank)).collect();
        prop_assert_eq!(&all, &list.iter().copied().collect::<Vec<_>>());
        for number in 0..80 {
            prop_assert_eq!(numbers.contains(number), list.contains(&number));
        }
        let stepped = (0..if step == 0 { 0 } else { 99 }).map(|at| from + at * step);
        prop_assert_eq!(numbers.first_of(from, step), stepped.into_iter().find(|n| list.contains(n)));
    }
}

#[test]
fn the_largest_pools_do_not_overflow() {
    let most = u128::MAX;
    let all = Numbers::new(Some(most), []);
    assert_eq!((all.count(), all.nth(most), all.first_of(most, 7)), (most, Some(most), Some(most)));
    let none = Numbers::new(Some(most), [(0, most)]);
    assert_eq!((none.count(), none.nth(0), none.first_of(3, 5)), (0, None, None));
    let ends = Numbers::new(Some(most), [(1, most - 1)]);
    assert_eq!((ends.count(), ends.nth(1), ends.nth(2)), (2, Some(most), None));
    let ends = ends.without([most]).without([0]);
    assert_eq!((ends.count(), ends), (0, none));
    assert_eq!(Numbers::none().count(), 0);
}
