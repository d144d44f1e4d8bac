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
            let first = [Cell::new(level).tone(tone), Cell::new(finding.check)];
            table.row(first.into_iter().chain([Cell::new(&finding.what)]));
            let mut below = |text: String| {
                table.row([Cell::blank(), Cell::blank(), Cell::new(text)]);
            };
            if !finding.why.is_empty() {
                below(format!("why:  {}", finding.why));
            }
            for (number, line) in finding.mend.iter().enumerate() {
                below(format!("{} {line}", if number == 0 { "mend:" } else { "     " }));
            }
        }
        vec![table]
    }

    fn nothing(&self) -> &'static str {
        "Nothing was examined."
    }
}
