//! What is wrong with objects, whatever the host.

use std::path::PathBuf;

use conf::Violation;
use serde::Serialize;

use super::{Cell, Table, Tone, View};
use crate::claims::{self, Overlap, Pool};
use crate::doctor::Level;
use crate::source::{FileRefusal, Known, Notice, ObjectRef, Objects, Origin, Problem, Skipped};

/// What is wrong with a set of objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Validated {
    /// Whether nothing is wrong.
    pub valid: bool,
    /// How many objects keep every rule.
    pub objects: usize,
    /// What is wrong, in the order of the files.
    pub problems: Vec<Mistake>,
    /// How many objects were left out, by kind.
    pub skipped: Skipped,
}

/// One thing that is wrong, or surely not meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mistake {
    /// `error`, or `warning` for what keeps nothing from working.
    pub level: Level,
    /// One word: `SyntaxError`, `Unreadable`, `TooLarge`, `Invalid`, `Duplicate`, `Unsupported`,
    /// `UnknownField`, `Overlap`, `Empty`.
    pub reason: &'static str,
    /// The file; `-` for standard input.
    pub file: PathBuf,
    /// The line on which the object begins, from 1; absent where it is about a whole file.
    pub line: Option<u64>,
    /// The column of what is no YAML, in characters from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// The object's kind; empty when it claims none.
    pub kind: String,
    /// The object's name; empty when it claims none.
    pub name: String,
    /// The field: `spec.nicSelector.pfNames[1]`; empty for all of the object.
    pub path: String,
    /// What stands there.
    pub value: String,
    /// The rule, as the end of a sentence.
    pub rule: String,
}

impl Validated {
    /// What is wrong with `objects`.
    pub fn of(objects: &Objects) -> Self {
        let errors = objects.problems.iter().flat_map(of_problem);
        let warnings = objects.notices.iter().map(of_notice);
        let unsupported = objects.known.iter().flat_map(unsupported);
        let mut problems: Vec<Mistake> =
            errors.chain(warnings).chain(unsupported).chain(overlaps(objects)).collect();
        problems.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
        let mut validated = Self {
            valid: true,
            objects: objects.known.len(),
            problems,
            skipped: objects.skipped.clone(),
        };
        validated.valid = !validated.has(Level::Error);
        validated
    }

    /// Adds that `file`, a directory, holds no file that is read.
    pub fn add_empty(&mut self, file: PathBuf) {
        let at = At { file, line: None, object: ObjectRef::default() };
        let rule = "holds no *.yaml, *.yml or *.json; directories in it are not looked into";
        self.problems.push(at.told(Level::Warning, "Empty", Violation::new("", "", rule)));
    }

    /// Whether there is something of this level.
    pub fn has(&self, level: Level) -> bool {
        self.problems.iter().any(|mistake| mistake.level == level)
    }
}

/// Where something is wrong.
struct At {
    file: PathBuf,
    line: Option<u64>,
    object: ObjectRef,
}

impl At {
    fn of(origin: &Origin, object: &ObjectRef) -> Self {
        Self { file: origin.file.clone(), line: Some(origin.line), object: object.clone() }
    }

    fn told(&self, level: Level, reason: &'static str, what: Violation) -> Mistake {
        let Violation { path, value, rule } = what;
        Mistake {
            level,
            reason,
            file: self.file.clone(),
            line: self.line,
            column: None,
            kind: self.object.kind.clone(),
            name: self.object.name.clone(),
            path,
            value,
            rule,
        }
    }
}

fn of_problem(problem: &Problem) -> Vec<Mistake> {
    let reason = problem.reason();
    match problem {
        Problem::File { file, why } => {
            let (line, column, rule) = match why {
                FileRefusal::Syntax { line, column, message } => {
                    (Some(*line), Some(*column), message.clone())
                }
                why => (None, None, why.to_string().trim_start_matches(": ").to_owned()),
            };
            let at = At { file: file.clone(), line, object: ObjectRef::default() };
            let told = at.told(Level::Error, reason, Violation::new("", "", rule));
            vec![Mistake { column, ..told }]
        }
        Problem::Object { origin, object, violations } => {
            let at = At::of(origin, object);
            let told = violations.0.iter().cloned();
            told.map(|violation| at.told(Level::Error, reason, violation)).collect()
        }
        Problem::Duplicate { origin, object, first } => {
            let rule = format!("is defined already at {first}; remove one of the two");
            vec![At::of(origin, object).told(Level::Error, reason, Violation::new("", "", rule))]
        }
    }
}

fn of_notice(notice: &Notice) -> Mistake {
    let at = At::of(&notice.origin, &notice.object);
    at.told(Level::Warning, "UnknownField", notice.what.clone())
}

/// What a policy asks for that this version refuses on every PF.
fn unsupported(known: &Known) -> Vec<Mistake> {
    let conf::object::Object::Policy(policy) = &known.object else { return Vec::new() };
    let at = At::of(&known.origin, &known.at);
    let fields = policy.unsupported.iter().cloned();
    fields.map(|field| at.told(Level::Error, "Unsupported", field)).collect()
}

/// Pools that overlap, unless each is for nodes of its own, as far as can be told without them.
fn overlaps(objects: &Objects) -> Vec<Mistake> {
    let pools: Vec<Pool> = objects.pools().collect();
    let pool = |at| pools.iter().find(|pool| pool.at() == at);
    let may_meet = |overlap: &Overlap| {
        let selector = |at| pool(at).and_then(Pool::selector);
        let (one, other) = (selector(overlap.one.clone()), selector(overlap.other.clone()));
        one.is_none() || other.is_none() || one == other
    };
    let told = |overlap: Overlap| {
        let at = ObjectRef::pool(&overlap.other);
        let known = objects.known.iter().find(|known| known.at == at)?;
        let at = At::of(&known.origin, &at);
        Some(at.told(Level::Warning, "Overlap", Violation::new("", "", overlap.to_string())))
    };
    let overlaps = claims::overlaps(pools.iter().cloned());
    overlaps.into_iter().filter(may_meet).filter_map(told).collect()
}

impl View for Validated {
    fn tables(&self) -> Vec<Table> {
        let mut table = Table::new(["LEVEL", "WHERE", "OBJECT", "PROBLEM"]);
        for mistake in &self.problems {
            let (level, tone) = match mistake.level {
                Level::Error => ("error", Tone::Bad),
                Level::Warning => ("warning", Tone::Warning),
                Level::Ok => ("ok", Tone::Good),
            };
            let file = mistake.file.display();
            let place: String = [mistake.line, mistake.column]
                .into_iter()
                .flatten()
                .fold(file.to_string(), |place, number| format!("{place}:{number}"));
            let object = ObjectRef { kind: mistake.kind.clone(), name: mistake.name.clone() };
            let object =
                if object == ObjectRef::default() { Cell::new("") } else { Cell::new(object) };
            let what = Violation::new(&mistake.path, &mistake.value, &mistake.rule);
            table.row([Cell::new(level).tone(tone), Cell::new(place), object, Cell::new(what)]);
        }
        vec![table]
    }

    fn nothing(&self) -> &'static str {
        if self.objects == 0 { "No objects." } else { "Nothing is wrong." }
    }
}
