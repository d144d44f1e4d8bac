//! What host and guest say to each other.
//!
//! The host writes [`Orders`] into the initramfs; the guest answers with [`Event`]s, one JSON object a line.

use serde::{Deserialize, Serialize};

/// Where the guest finds its orders.
pub const ORDERS: &str = "/orders.json";

/// What the guest is booted for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Orders {
    /// Run these tests, in this order.
    Tests(Vec<String>),
    /// Show what railhead does, on a terminal if there is one.
    Demo(Option<Terminal>),
    /// Measure, and show the figures.
    Bench(Option<Terminal>),
    /// Give a person a shell on the console.
    Shell(Terminal),
}

/// A terminal's size, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// Height.
    pub rows: u16,
    /// Width.
    pub columns: u16,
}

/// What happens in the guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// The guest is up and about to do what it was told.
    Ready,
    /// A test begins.
    Started {
        /// The test's name.
        name: String,
    },
    /// A line of the transcript: what was done and what came of it.
    Log {
        /// The text, of one or more lines.
        text: String,
    },
    /// The test that began last has passed.
    Passed {
        /// What it took, in seconds of the guest's clock.
        seconds: f64,
    },
    /// The test that began last has failed.
    Failed {
        /// Why.
        message: String,
    },
    /// Something to keep of a failed test.
    Exhibit {
        /// A file name.
        name: String,
        /// Its contents.
        text: String,
    },
    /// Output meant for the person who watches, printed as it comes.
    Show {
        /// The text; line ends are part of it.
        text: String,
    },
    /// The guest gives up: it cannot go on in the state it is in.
    Unusable {
        /// Why.
        message: String,
    },
    /// All done. The machine powers off.
    Finished,
}
