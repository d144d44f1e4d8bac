//! Which known field an unknown one was probably meant to be.

use super::path::{FieldPath, child};
use crate::Violation;
use crate::spelling::distance;

/// The warning about the unknown field at `path` below `at`.
pub(crate) fn unknown_field(path: &FieldPath, at: &str, known: &[&str]) -> Violation {
    let rule = hint("unknown field", meant(path, at, known).as_deref());
    Violation::new(path.display(at), "", rule)
}

/// `rule`, and what was probably meant.
pub(crate) fn hint(rule: &str, meant: Option<&str>) -> String {
    match meant {
        Some(meant) => format!("{rule}; did you mean {meant}?"),
        None => rule.to_owned(),
    }
}

/// The known field that is spelled most alike in the same object; else one of the same name
/// elsewhere, by its whole path.
fn meant(path: &FieldPath, at: &str, known: &[&str]) -> Option<String> {
    let (parent, name) = path.split_last()?;
    let here = parent.pattern();
    let siblings = known.iter().filter_map(|field| {
        let (holder, leaf) = field.rsplit_once('.').unwrap_or(("", field));
        (holder == here).then_some(leaf)
    });
    if let Some(sibling) = nearest(name, siblings) {
        return Some(sibling.to_owned());
    }
    known
        .iter()
        .find(|field| {
            let leaf = field.rsplit_once('.').map_or(**field, |(_, leaf)| leaf);
            leaf.eq_ignore_ascii_case(name)
        })
        .map(|field| child_pattern(at, field))
}

fn child_pattern(at: &str, field: &str) -> String {
    field.split('.').fold(at.to_owned(), |path, step| match step.strip_suffix("[]") {
        Some(list) => format!("{}[]", child(&path, list)),
        None => child(&path, step),
    })
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
