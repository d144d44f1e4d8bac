//! The lab's command: `test [FILTER ...]`, `shell`, `demo`, `bench [-o json] [FILTER ...]`.
#![expect(clippy::print_stderr, reason = "it reports to the person who runs it")]

use std::process::ExitCode;

use anyhow::{Result, ensure};
use tests::lab::bench::{self, Format};
use tests::lab::{suite, theatre};

const USAGE: &str =
    "usage: railhead-lab test [FILTER ...] | demo | shell | bench [-o json] [FILTER ...]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["test", ref filters @ ..] => test(filters),
        ["demo"] => theatre::demo(),
        ["shell"] => theatre::shell(),
        ["bench", "-o", "json", ref filters @ ..] => bench::bench(Format::Json, filters),
        ["bench", ref filters @ ..] => bench::bench(Format::Table, filters),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    report(outcome)
}

fn test(filters: &[&str]) -> Result<bool> {
    let names = suite::select(filters, &[]);
    ensure!(
        !names.is_empty(),
        "no test has such a name; `cargo test --test vm -- --list` names all"
    );
    suite::run(&names)
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
