//! The tests that need SR-IOV: `cargo test --test vm [FILTER ...]`, `--list`.
//!
//! Two virtual machines share them, and each is reported as it ends. When the machines cannot run, that is a
//! failure; a tree in which nobody noticed that half of the tests never ran would be worse. `RAILHEAD_SKIP_VM=1`
//! leaves them out, and says so.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it reports to the person who runs it"
)]

use std::process::ExitCode;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use tests::lab::suite;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Asked { list, filters, skipped } = asked(&arguments);
    let names = suite::select(&filters, &skipped);
    if list {
        for name in names {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    // A filter that is meant for other tests.
    if names.is_empty() {
        return ExitCode::SUCCESS;
    }
    if std::env::var("RAILHEAD_SKIP_VM").is_ok_and(|value| value == "1") {
        println!("\nSKIPPED because RAILHEAD_SKIP_VM=1: {} tests that need the VM\n", names.len());
        return ExitCode::SUCCESS;
    }
    // A cargo that is killed takes us, and with us the machines, along.
    if let Err(error) = set_pdeathsig(Signal::SIGKILL) {
        eprintln!("the machines may outlive a killed cargo: {error}");
    }
    match suite::run(&names) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the tests that need the VM did not run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for, in the words of Rust's own test runner.
#[derive(Default)]
struct Asked<'a> {
    list: bool,
    filters: Vec<&'a str>,
    skipped: Vec<&'a str>,
}

/// Its other options (`--nocapture`, `--test-threads=1`, ...) mean nothing here.
fn asked(arguments: &[String]) -> Asked<'_> {
    let mut asked = Asked::default();
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--list" => asked.list = true,
            "--skip" => asked.skipped.extend(words.next()),
            word if word.starts_with('-') => {}
            word => asked.filters.push(word),
        }
    }
    asked
}
