//! The order in which a node looks through what there is.

/// The most places that an order goes through: 2^64, far more than there are nodes.
pub(super) const MOST: u128 = 1 << 64;

/// All of 0 to `n` - 1, each once: `start`, `start + step`, `start + 2 × step`, … modulo `n`.
///
/// It is double hashing: two nodes that meet at one place go on in different directions. As `step`
/// and `n` have no common divisor, the order comes back to its start only after it was everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    n: u128,
    start: u128,
    step: u128,
}

impl Order {
    /// The order of a node with these hashes through the first `n` places, at most [`MOST`];
    /// `None` where there is none.
    ///
    /// The start is `start` mod `n`. The step is the first of 1 + `step` mod (`n` - 1) and the
    /// numbers after it that has no common divisor with `n`.
    pub(super) fn new(n: u128, start: u64, step: u64) -> Option<Self> {
        let n = n.min(MOST);
        let start = u128::from(start).checked_rem(n)?;
        // A single place needs no step.
        let mut step = u128::from(step).checked_rem(n - 1).map_or(1, |rest| rest + 1);
        // Ends at n - 1 at the latest, which never has one.
        while gcd(step, n) != 1 {
            step += 1;
        }
        Some(Self { n, start, step })
    }

    /// The place that is looked at after `before` others; `None` when that were all.
    pub(super) fn at(&self, before: u128) -> Option<u128> {
        // The product of two numbers below 2^64 leaves room for a third.
        (before < self.n).then(|| (self.start + before * self.step) % self.n)
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn assert_everywhere_once(n: u128, start: u64, step: u64) {
        let order = Order::new(n, start, step).unwrap();
        let places: BTreeSet<u128> = (0..n).map(|before| order.at(before).unwrap()).collect();
        assert_eq!(places.len() as u128, n, "{order:?}");
        assert_eq!(places.last(), Some(&(n - 1)), "{order:?}");
        assert_eq!(order.at(n), None);
    }

    #[test]
    fn small_orders_go_everywhere_once() {
        for n in 1..=200 {
            for hash in [0, 1, 5, 29, 210, u64::MAX / 3, u64::MAX] {
                assert_everywhere_once(n, hash, hash.rotate_left(7));
            }
        }
        // Every step of some numbers with many divisors.
        for n in [60, 64, 96, 120, 210] {
            for step in 0..n {
                assert_everywhere_once(n.into(), 7, step);
            }
        }
        assert_eq!(Order::new(0, 1, 2), None);
    }

    proptest! {
        #[test]
        fn no_order_meets_a_place_twice(n in 1..=MOST, start: u64, step: u64) {
            let order = Order::new(n, start, step).unwrap();
            prop_assert!(order.start < n && order.step >= 1 && order.step < n.max(2));
            // start + a × step = start + b × step mod n only where n divides a - b.
            prop_assert_eq!(gcd(order.step, n), 1);
            let places = [0, 1, 2, n / 2, n - 1].map(|before| order.at(before));
            for (before, place) in [0, 1, 2, n / 2, n - 1].into_iter().zip(places) {
                prop_assert_eq!(place.is_some(), before < n);
                prop_assert!(place.is_none_or(|place| place < n));
            }
            prop_assert_eq!(order.at(n), None);
        }

        #[test]
        fn orders_of_any_length_go_everywhere_once(n in 1u128..3000, start: u64, step: u64) {
            assert_everywhere_once(n, start, step);
        }
    }

    #[test]
    fn the_longest_order_does_not_overflow() {
        let order = Order::new(u128::MAX, u64::MAX, u64::MAX).unwrap();
        assert_eq!(order.n, MOST);
        assert_eq!(order.step, 1, "2^64 - 1 is the largest remainder, and 1 + 0 follows it");
        let order = Order::new(MOST, u64::MAX, u64::MAX - 1).unwrap();
        assert_eq!(order.step, u128::from(u64::MAX));
        assert_eq!(order.at(MOST - 1), Some(0));
    }
}
