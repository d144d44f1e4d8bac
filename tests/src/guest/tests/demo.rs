//! The demo, as a test: every command that it shows works and every claim that it makes holds.

use crate::guest::{Test, demo};

pub(super) const TESTS: &[Test] = &[("demo::every_claim_holds", demo::rehearse)];
