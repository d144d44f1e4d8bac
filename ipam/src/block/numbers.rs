//! Sets of block numbers.

/// The numbers 0 to `last` without some runs of them.
///
/// All work is on runs, so a pool of 2^64 blocks of which all are excluded is as quickly seen
/// through as one of ten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// The highest there could be; `None` for none at all.
    last: Option<u128>,
    /// What is missing: first and last of each run, in order, with a number between any two.
    missing: Vec<(u128, u128)>,
}

impl Numbers {
    /// All from 0 to `last`, without the runs in `missing` (first and last, which may overlap).
    pub fn new(last: Option<u128>, missing: impl IntoIterator<Item = (u128, u128)>) -> Self {
        Self { last, missing: union(missing) }
    }

    /// No number at all.
    pub fn none() -> Self {
        Self::new(None, [])
    }

    /// Whether `number` is one of them.
    pub fn contains(&self, number: u128) -> bool {
        self.last.is_some_and(|last| number <= last) && self.run_with(number).is_none()
    }

    /// How many there are. 2^128, which is one more than can be said, counts as 2^128 - 1.
    pub fn count(&self) -> u128 {
        let Some(last) = self.last else { return 0 };
        let within = self.missing.iter().take_while(|(first, _)| *first <= last);
        let mut missing = within.map(|(first, end)| (*end).min(last) - first);
        // Every length is one less than it seems.
        let lost = missing.try_fold(0_u128, |sum, run| sum.checked_add(run)?.checked_add(1));
        match lost {
            None => 0,
            Some(0) => last.saturating_add(1),
            Some(lost) => last - (lost - 1),
        }
    }

    /// The one with `rank` others below it.
    pub fn nth(&self, rank: u128) -> Option<u128> {
        let mut number = rank;
        for (first, end) in &self.missing {
            if *first > number {
                break;
            }
            number = number.checked_add(end - first)?.checked_add(1)?;
        }
        self.last.is_some_and(|last| number <= last).then_some(number)
    }

    /// The first of `from`, `from + step`, `from + 2 × step`, … that is one of them; none when
    /// `step` is 0.
    pub fn first_of(&self, from: u128, step: u128) -> Option<u128> {
        let mut number = from;
        while let Some((_, end)) = self.run_with(number) {
            let behind = end.checked_add(1)?.checked_sub(from)?;
            let steps = behind.checked_add(step.checked_sub(1)?)?.checked_div(step)?;
            number = from.checked_add(steps.checked_mul(step)?)?;
        }
        (step > 0 && self.contains(number)).then_some(number)
    }

    /// These without `taken`.
    pub fn without(&self, taken: impl IntoIterator<Item = u128>) -> Self {
        let taken = taken.into_iter().map(|number| (number, number));
        Self::new(self.last, self.missing.iter().copied().chain(taken))
    }

    /// The missing run that holds `number`.
    fn run_with(&self, number: u128) -> Option<(u128, u128)> {
        let at = self.missing.partition_point(|(_, end)| *end < number);
        self.missing.get(at).copied().filter(|(first, _)| *first <= number)
    }
}

/// The union of `runs` (first and last of each), in order and with a number between any two.
pub(super) fn union(runs: impl IntoIterator<Item = (u128, u128)>) -> Vec<(u128, u128)> {
    let mut sorted: Vec<(u128, u128)> = runs.into_iter().collect();
    sorted.sort_unstable();
    let mut out: Vec<(u128, u128)> = Vec::with_capacity(sorted.len());
    for (first, end) in sorted {
        match out.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(end),
            _ => out.push((first, end)),
        }
    }
    out
}

#[cfg(test)]
mod tests;
