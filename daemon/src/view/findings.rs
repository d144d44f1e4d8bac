//! What `railhead ipam verify` found.

use serde::Serialize;

use super::{Cell, Table, Tone, View};
use crate::verify::Finding;

/// All that does not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// One by one.
    pub findings: Vec<Finding>,
}

impl View for Findings {
    fn tables(&self) -> Vec<Table> {
        let mut table = Table::new(["FINDING", "WHAT"]);
        for finding in &self.findings {
            table.row([Cell::new(finding.reason).tone(Tone::Bad), Cell::new(&finding.message)]);
        }
        vec![table]
    }

    fn nothing(&self) -> &'static str {
        "leases, attachments and live network namespaces agree"
    }
}
