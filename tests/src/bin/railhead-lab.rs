//! The lab's command: `test [FILTER]`, `shell`, `demo`, `bench`.
#![expect(clippy::print_stderr, reason = "it reports to the person who runs it")]

use std::process::ExitCode;

use anyhow::Result;
use tests::lab::{suite, theatre};

const USAGE: &str = "usage: railhead-lab test [FILTER] | demo | shell | bench";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["test"] => suite::run(&suite::select("")),
        ["test", filter] => suite::run(&suite::select(filter)),
        ["demo"] => theatre::demo(),
        ["shell"] => theatre::shell(),
        ["bench"] => theatre::bench(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    report(outcome)
}

fn report(outcome: Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("railhead-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}
