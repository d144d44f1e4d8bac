//! Fields that are in no schema: which are only warned about, and which break a rule.
//!
//! A field that nobody knows asks for nothing, so a warning is enough. But one that was to select
//! or to exclude would leave more selected than its author means: a policy whose `pfNames` is
//! spelled `pfName` would be for every PF. So where things are restricted nothing is left out.

use super::TOLD;
use super::near::{hint, holder, leaf, meant, with_holders};
use super::path::{FieldPath, child};
use crate::Violation;

/// The fields of a document by their paths, list items as `[]` (`routes[].dst`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    /// All of them; objects and lists that have fields go without saying.
    pub(crate) known: &'a [&'a str],
    /// Those that restrict what is selected, touched or given out, each with all below it.
    pub(crate) restricting: &'a [&'a str],
}

/// Parts of names that only a field has that selects or excludes.
const RESTRICTING_WORDS: &[&str] = &[
    "select",
    "match",
    "filter",
    "affinity",
    "exclu",
    "except",
    "ignore",
    "skip",
    "reserve",
    "nodename",
    "nodelabel",
];

/// Unknown fields, with the known one that was probably meant.
#[derive(Debug, Default)]
pub(crate) struct Unknown {
    /// Those that may be meant to restrict something.
    pub(crate) refused: Vec<Violation>,
    /// The others.
    pub(crate) warnings: Vec<Violation>,
}

/// One of them.
struct Found<'a> {
    path: &'a FieldPath,
    meant: Option<&'a str>,
}

impl Unknown {
    /// What to say of the fields at `paths`, below `at`.
    pub(crate) fn of(paths: &[FieldPath], at: &str, fields: Fields<'_>) -> Self {
        let found = paths.iter().map(|path| {
            let meant = meant(path, fields.known).or_else(|| fields.of_the_same_word(path));
            Found { path, meant }
        });
        let (refused, warned): (Vec<_>, Vec<_>) =
            found.partition(|found| fields.may_restrict(found));
        Self {
            refused: tell(&refused, at, " (what may restrict something is not left out)"),
            warnings: tell(&warned, at, ""),
        }
    }
}

/// The first of `unknown`, with `more` to say of each.
fn tell(unknown: &[Found<'_>], at: &str, more: &str) -> Vec<Violation> {
    let told = unknown.iter().take(TOLD).map(|found| {
        let meant = found.meant.map(|meant| shown(found.path, at, meant));
        let rule = hint("unknown field", meant.as_deref()) + more;
        Violation::new(found.path.display(at), "", rule)
    });
    let rest = unknown.len().saturating_sub(TOLD);
    let rest = (rest > 0).then(|| {
        let rule = format!("{rest} more unknown fields; these were the first{more}");
        Violation::new(at, "", rule)
    });
    told.chain(rest).collect()
}

impl<'a> Fields<'a> {
    /// Whether without an unknown field more might be selected, touched or given out than its
    /// author means: it stands where things are restricted, it was meant to be a field that does
    /// so, or its name says so.
    fn may_restrict(self, found: &Found<'_>) -> bool {
        let Some((parent, name)) = found.path.split_last() else { return false };
        self.restricts(&parent.pattern())
            || match found.meant {
                Some(meant) => self.restricts(meant),
                None => word_of(name).is_some(),
            }
    }

    /// The restricting field beside the one at `path` whose name has the same word: `exclude` is
    /// near to `exclusions` in meaning alone.
    fn of_the_same_word(self, path: &FieldPath) -> Option<&'a str> {
        let (parent, name) = path.split_last()?;
        let (word, here) = (word_of(name)?, parent.pattern());
        let beside = |field: &&str| holder(field) == here && self.restricts(field);
        let mut fields = self.known.iter().flat_map(|field| with_holders(field)).filter(beside);
        fields.find(|field| leaf(field).to_ascii_lowercase().contains(word))
    }

    /// Whether the field `pattern` restricts something, or lies in one that does.
    pub(super) fn restricts(self, pattern: &str) -> bool {
        self.restricting.iter().any(|outer| {
            let rest = pattern.strip_prefix(outer);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }
}

/// The restricting word in `name`.
fn word_of(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    RESTRICTING_WORDS.iter().copied().find(|word| name.contains(word))
}

/// The field `meant` as it is told in the place of the one at `path`: its name where it stands
/// beside it, else its whole path.
fn shown(path: &FieldPath, at: &str, meant: &str) -> String {
    let here = path.split_last().map(|(parent, _)| parent.pattern()).unwrap_or_default();
    if holder(meant) == here {
        return leaf(meant).to_owned();
    }
    meant.split('.').fold(at.to_owned(), |path, step| match step.strip_suffix("[]") {
        Some(list) => format!("{}[]", child(&path, list)),
        None => child(&path, step),
    })
}
