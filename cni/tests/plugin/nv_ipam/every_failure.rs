//! Every single system call of a verb fails, one after the other, with EIO.
//!
//! Some failures mean nothing to the verb, some keep the program from starting, and what the rest
//! must never do is to leave an address that nobody was told of, or to tell of one that is not
//! held.

use std::process::Output;

use serde_json::{Value, json};

use super::store::held_beside;
use super::strace::at_every_call;
use super::{add, address, bystanders, call, comes_and_goes};
use crate::bed::isolated;

/// The document that the plugin answered with; null when it said nothing, or never came to run.
fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

#[test]
fn of_an_add() {
    isolated(|| {
        let others = bystanders();
        let (mut failed, mut added) = (0, 0);
        at_every_call(
            "error=EIO",
            || (),
            || call("ADD", "victim", json!({})),
            |(), output| {
                let left = held_beside(&others, "victim");
                if output.status.success() {
                    assert_eq!(left, [address(&answer(&output))]);
                    added += 1;
                } else {
                    assert!(left.is_empty(), "{left:?}");
                    failed += usize::from(answer(&output)["code"].is_number());
                }
                comes_and_goes(&others, &json!({}));
            },
        );
        // What fails before the lock is held is tried again under it.
        assert!(failed > 10 && added > 20, "{failed} were refused, {added} went through");
    });
}

#[test]
fn of_a_del() {
    isolated(|| {
        let others = bystanders();
        let (mut refused, mut freed) = (0, 0);
        at_every_call(
            "error=EIO",
            || add("victim"),
            || call("DEL", "victim", json!({})),
            |before, output| {
                let left = held_beside(&others, "victim");
                if output.status.success() {
                    assert!(left.is_empty(), "{left:?}");
                    freed += 1;
                } else {
                    assert!(left.is_empty() || left == [before.clone()], "{left:?}");
                    // Some failures keep the program from starting, as in an ADD: what loads it dies.
                    let answers = answer(&output)["code"].is_number();
                    let never_ran = left == [before] && output.stdout.is_empty();
                    assert!(answers || never_ran, "{output:?}");
                    refused += usize::from(answers);
                }
                comes_and_goes(&others, &json!({}));
            },
        );
        assert!(refused > 5 && freed > 10, "{refused} were refused, {freed} went through");
    });
}
