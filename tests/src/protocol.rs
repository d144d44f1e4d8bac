//! What host and guest say to each other.
//!
//! The host writes [`Orders`] into the initramfs; the guest tells [`Event`]s, one JSON object a line, and gets an
//! [`Answer`], a line too, to each [`Request`] that has one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::figure::Figure;

/// Where the guest finds its orders.
pub const ORDERS: &str = "/orders.json";

/// What the guest is booted for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Orders {
    /// Run tests.
    Tests {
        /// Their names, in order.
        names: Vec<String>,
        /// What the first of them left to itself before the power was cut; nothing when it was not.
        note: Option<Value>,
    },
    /// Show what railhead does, on a terminal if there is one.
    Demo(Option<Terminal>),
    /// Measure what has these names, and tell the figures.
    Bench(Vec<String>),
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
    Passed,
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
    /// Something was measured.
    Measured(Figure),
    /// The running test asks for something that cannot be done from inside.
    Ask {
        /// What.
        request: Request,
    },
    /// The guest gives up: it cannot go on in the state it is in.
    Unusable {
        /// Why.
        message: String,
    },
    /// All done. The machine powers off.
    Finished,
}

/// What can be done to the machine only from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Request {
    /// Cut the power and boot again on the same disk. Not answered: the test begins again, with the note.
    Cut {
        /// How long from now, in milliseconds.
        after: u64,
        /// What the test is told after the boot.
        note: Value,
        /// What that boot's kernel is told besides, for the rest of the test.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        arguments: Vec<String>,
    },
    /// Plug a card into an empty slot.
    Plug {
        /// The slot's number, from 1: the bus's too.
        slot: u8,
    },
    /// Press the button of a slot and wait until the guest has let go of the card.
    Unplug {
        /// The slot's number, from 1: the bus's too.
        slot: u8,
    },
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Why it was not done; nothing when it was.
    pub problem: Option<String>,
}
