//! Objects that nothing is done about: whole outputs of `kubectl get`, and manifests with the pods
//! that go with a policy, may be given as they are.

use std::collections::BTreeMap;

use serde::Serialize;

/// How many there are, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Skipped {
    /// Of kinds that railhead knows, but does not handle yet.
    #[serde(rename = "notHandledYet")]
    known: BTreeMap<String, usize>,
    /// Of all others.
    #[serde(rename = "otherKinds")]
    foreign: BTreeMap<String, usize>,
}

/// That many kinds are listed by name.
const LISTED: usize = 12;

impl Skipped {
    /// Counts one more.
    pub(super) fn add(&mut self, kind: String, is_known: bool) {
        let of = if is_known { &mut self.known } else { &mut self.foreign };
        *of.entry(kind).or_default() += 1;
    }

    /// What is told of them: one line for each sort, none where there are none.
    pub fn told(&self) -> Vec<String> {
        let known = told(&self.known, "of kinds that this version does not handle yet");
        let foreign = told(&self.foreign, "of other kinds");
        known.into_iter().chain(foreign).collect()
    }
}

fn told(of: &BTreeMap<String, usize>, what: &str) -> Option<String> {
    let count: usize = of.values().sum();
    let mut kinds: Vec<&str> = of.keys().map(String::as_str).take(LISTED).collect();
    if of.len() > LISTED {
        kinds.push("…");
    }
    let objects = if count == 1 { "object" } else { "objects" };
    (count > 0).then(|| format!("skipped {count} {objects} {what}: {}", kinds.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_each_sort() {
        let mut skipped = Skipped::default();
        assert_eq!(skipped.told(), [""; 0]);
        for kind in ["Pod", "ConfigMap", "Pod"] {
            skipped.add(kind.to_owned(), false);
        }
        skipped.add("SriovNetwork".to_owned(), true);
        assert_eq!(
            skipped.told(),
            [
                "skipped 1 object of kinds that this version does not handle yet: SriovNetwork",
                "skipped 3 objects of other kinds: ConfigMap, Pod",
            ]
        );
        (0..100).for_each(|n| skipped.add(format!("K{n}"), false));
        assert!(skipped.told()[1].ends_with(", …") && skipped.told()[1].len() < 200);
    }
}
