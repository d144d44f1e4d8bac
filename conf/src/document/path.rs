//! Where a field stands in its document.

use serde_json::Value;

/// One step towards a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into an object.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// The steps from the decoded value to a field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FieldPath(Vec<Step>);

impl FieldPath {
    /// The field `key` of what is here.
    pub(crate) fn key(mut self, key: &str) -> Self {
        self.0.push(Step::Key(key.to_owned()));
        self
    }

    /// The item `index` of the list here.
    pub(crate) fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }

    /// The object that holds the field, and the field's name in it; `None` for list items.
    pub(crate) fn split_last(&self) -> Option<(Self, &str)> {
        match self.0.split_last()? {
            (Step::Key(key), parent) => Some((Self(parent.to_vec()), key)),
            (Step::Index(_), _) => None,
        }
    }

    /// As people read it, below `at`: `spec.routes[0].dst`.
    pub(crate) fn display(&self, at: &str) -> String {
        self.0.iter().fold(at.to_owned(), |path, step| match step {
            Step::Key(key) => child(&path, key),
            Step::Index(index) => format!("{path}[{index}]"),
        })
    }

    /// As tables of known fields have it: `routes[].dst`.
    pub(crate) fn pattern(&self) -> String {
        self.0.iter().fold(String::new(), |path, step| match step {
            Step::Key(key) => child(&path, key),
            Step::Index(_) => format!("{path}[]"),
        })
    }

    /// What stands there.
    pub(crate) fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        })
    }

    /// Removes the field, or the field whose list it is in; `false` when there is none.
    pub(crate) fn remove_from(&self, value: &mut Value) -> bool {
        let mut steps = self.0.as_slice();
        while let Some((last, parent)) = steps.split_last() {
            if let Step::Key(key) = last {
                let holder = parent.iter().try_fold(value, |value, step| match step {
                    Step::Key(key) => value.get_mut(key),
                    Step::Index(index) => value.get_mut(index),
                });
                return holder
                    .and_then(Value::as_object_mut)
                    .is_some_and(|fields| fields.remove(key).is_some());
            }
            steps = parent;
        }
        false
    }
}

/// The path of the field `key` of the object at `path`. Keys that are not plain words are quoted.
pub(crate) fn child(path: &str, key: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match (path.is_empty(), !key.is_empty() && key.len() <= 64 && key.chars().all(word)) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{}]", crate::violation::quoted(key)),
    }
}

/// Whether one of two displayed paths is the other or lies in it.
pub(crate) fn related(one: &str, two: &str) -> bool {
    let inside = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        outer.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    inside(one, two) || inside(two, one)
}
