//! Which known field an unknown one was probably meant to be.

use super::path::FieldPath;
use crate::spelling::distance;

/// `rule`, and what was probably meant.
pub(crate) fn hint(rule: &str, meant: Option<&str>) -> String {
    match meant {
        Some(meant) => format!("{rule}; did you mean {meant}?"),
        None => rule.to_owned(),
    }
}

/// The known field that an unknown one was probably meant to be, by its path: the one that is
/// spelled most alike in the same object, else the one elsewhere.
pub(super) fn meant<'a>(path: &FieldPath, known: &[&'a str]) -> Option<&'a str> {
    let (parent, name) = path.split_last()?;
    let here = parent.pattern();
    let (beside, elsewhere): (Vec<_>, Vec<_>) =
        known.iter().flat_map(|field| with_holders(field)).partition(|field| holder(field) == here);
    most_alike(name, &beside).or_else(|| most_alike(name, &elsewhere))
}

fn most_alike<'a>(name: &str, fields: &[&'a str]) -> Option<&'a str> {
    let found = nearest(name, fields.iter().map(|field| leaf(field)))?;
    fields.iter().copied().find(|field| leaf(field) == found)
}

/// The path of a field, and those of the objects and lists that it is in.
pub(super) fn with_holders(field: &str) -> impl Iterator<Item = &str> {
    let ends = field.match_indices('.').map(|(end, _)| end).chain([field.len()]);
    ends.filter_map(|end| field.get(..end)).map(|field| field.trim_end_matches("[]"))
}

/// The path of the object that holds a field.
pub(super) fn holder(field: &str) -> &str {
    field.rsplit_once('.').map_or("", |(holder, _)| holder)
}

/// The name of a field in the object that holds it.
pub(super) fn leaf(field: &str) -> &str {
    field.rsplit_once('.').map_or(field, |(_, leaf)| leaf)
}

/// The candidate that is spelled most like `name`, when one is near enough: a third of the
/// letters may differ, case never matters.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    if name.len() > 64 {
        return None;
    }
    let letters = |word: &str| word.to_ascii_lowercase().chars().collect::<Vec<_>>();
    let wanted = letters(name);
    candidates
        .map(|candidate| (distance(&wanted, &letters(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(name.len()) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_means_a_third_of_the_letters() {
        let known = ["numVfs", "mtu", "priority"];
        for (name, meant) in [
            ("numvfs", Some("numVfs")),
            ("numVf", Some("numVfs")),
            ("mut", None),
            ("mtus", Some("mtu")),
            ("prio", None),
            ("priorty", Some("priority")),
            ("", None),
        ] {
            assert_eq!(nearest(name, known.into_iter()), meant, "{name}");
        }
    }
}
