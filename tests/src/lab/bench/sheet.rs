//! All figures of a run, as they come or as one JSON document.

use std::io::{IsTerminal, stdout};

use anyhow::Result;
use serde_json::{Value, json};

use crate::figure::Figure;

/// How figures are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table, line by line as it is measured.
    Table,
    /// One JSON array, when all is measured.
    Json,
}

/// Of the column that says what was measured.
const WIDTH: usize = 72;

/// The figures so far.
#[derive(Debug)]
pub(super) struct Sheet {
    format: Format,
    section: &'static str,
    all: Vec<Value>,
}

impl Sheet {
    /// An empty one.
    pub(super) fn new(format: Format) -> Self {
        Self { format, section: "", all: Vec::new() }
    }

    /// The figures to come were measured here.
    pub(super) fn begin(&mut self, section: &'static str) {
        self.section = section;
        if self.format == Format::Table {
            let heading = format!("{section:WIDTH$}  {:>11}  {:>11}  goal", "railhead", "floor");
            match stdout().is_terminal() {
                true => println!("\n\x1b[1m{heading}\x1b[0m"),
                false => println!("\n{heading}"),
            }
        }
    }

    /// Adds a figure, and shows it.
    pub(super) fn add(&mut self, figure: &Figure) -> Result<()> {
        match self.format {
            Format::Table => println!("{}", row(figure)),
            Format::Json => {
                let mut entry = json!({"where": self.section});
                if let (Value::Object(entry), Value::Object(figure)) =
                    (&mut entry, serde_json::to_value(figure)?)
                {
                    entry.extend(figure);
                }
                self.all.push(entry);
            }
        }
        Ok(())
    }

    /// All is measured.
    pub(super) fn end(self) -> Result<()> {
        if self.format == Format::Json {
            println!("{}", serde_json::to_string_pretty(&self.all)?);
        }
        Ok(())
    }
}

/// A line of the table.
fn row(Figure { what, ours, floor, goal, met }: &Figure) -> String {
    let mark = if *met { "" } else { "  MISSED" };
    format!("{what:WIDTH$}  {ours:>11}  {floor:>11}  {goal}{mark}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_goal_is_marked() {
        let figure = Figure {
            what: "w".to_owned(),
            ours: "2 ms".to_owned(),
            floor: String::new(),
            goal: "1 ms".to_owned(),
            met: false,
        };
        assert!(row(&figure).ends_with("2 ms               1 ms  MISSED"), "{}", row(&figure));
        let unwanted = Figure { goal: String::new(), met: true, ..figure };
        assert!(row(&unwanted).ends_with("2 ms"));
    }
}
