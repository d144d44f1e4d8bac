//! What an examination found, as a table: below each finding that is not well, why it matters and
//! how to mend it.

use serde::Serialize;

use super::{Cell, Table, Tone, View};
use crate::doctor::{Finding, Level};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// Each finding, in the order in which things are looked at.
    pub findings: Vec<Finding>,
}

impl View for Examination {
    fn tables(&self) -> Vec<Table> {
        let mut table = Table::new(["LEVEL", "CHECK", "FINDING"]);
        for finding in &self.findings {
            let (level, tone) = match finding.level {
                Level::Ok => ("ok", Tone::Good),
                Level::Warning => ("warning", Tone::Warning),
                Level::Error => ("error", Tone::Bad),
            };
            let mut told = vec![finding.what.clone()];
            if !finding.why.is_empty() {
                told.push(format!("why:  {}", finding.why));
            }
            for (number, line) in finding.mend.iter().enumerate() {
                told.push(format!("{} {line}", if number == 0 { "mend:" } else { "     " }));
            }
            table.row_with([Cell::new(level).tone(tone), Cell::new(&finding.check)], told);
        }
        vec![table]
    }

    fn nothing(&self) -> &'static str {
        "Nothing was examined."
    }
}
