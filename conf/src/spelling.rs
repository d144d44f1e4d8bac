//! How alike two words are spelled.

/// How many letters must be added, removed or replaced to get from `one` to `two` (Levenshtein).
pub(crate) fn distance<T: PartialEq>(one: &[T], two: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut next = vec![at + 1];
        for (other, pair) in two.iter().zip(row.windows(2)) {
            let [replaced, removed] = pair else { continue };
            let added = next.last().copied().unwrap_or(at + 1);
            let replaced = replaced + usize::from(letter != other);
            next.push(replaced.min(removed + 1).min(added + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn distances() {
        for (one, two, steps) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(one.as_bytes(), two.as_bytes()), steps, "{one} {two}");
            assert_eq!(distance(two.as_bytes(), one.as_bytes()), steps, "{two} {one}");
        }
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_zero_for_equals(a in "[a-c]{0,6}", b in "[a-c]{0,6}") {
            prop_assert_eq!(distance(a.as_bytes(), b.as_bytes()), distance(b.as_bytes(), a.as_bytes()));
            prop_assert_eq!(distance(a.as_bytes(), b.as_bytes()) == 0, a == b);
        }
    }
}
