//! What people and machines see: each view is a table and a JSON document of the same facts.
//!
//! ```text
//! Snapshot --------------------> discover ------------------+
//! Situation, Plan, Outcome ----> plan | status | explain ---+--> Output --> terminal, pipe, file
//! store, blocks ---------------> attachments | ipam --------+    table | json | yaml
//! findings --------------------> doctor | findings ---------+
//!                                (pure)
//! ```

pub mod attachments;
pub mod discover;
pub mod doctor;
pub mod explain;
pub mod findings;
pub mod ipam;
mod output;
mod plan;
pub mod status;
mod table;
pub mod validate;

pub use output::{Format, Output};
pub use plan::Planned;
pub use table::{Cell, Table, Tone};

use serde::Serialize;

/// Facts that can be shown. As JSON and YAML they are what `Serialize` makes of them.
pub trait View: Serialize {
    /// For people: tables, one after the other.
    fn tables(&self) -> Vec<Table>;

    /// For people, where there is nothing to list: what that means.
    fn nothing(&self) -> &str;

    /// For people, after what is listed: what it all comes to.
    fn conclusion(&self) -> Option<&'static str> {
        None
    }
}

/// A span of time as `kubectl` shows it: `42s`, `7m`, `3h`, `12d`.
pub fn age(span: std::time::Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
