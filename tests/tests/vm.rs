//! The tests that need SR-IOV: `cargo test --test vm [FILTER]`, `--list`.
//!
//! All of them run in one virtual machine and each is reported as it ends. When the machine cannot run, that is a
//! failure; a tree in which nobody noticed that half of the tests never ran would be worse. `RAILHEAD_SKIP_VM=1`
//! leaves them out, and says so.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it reports to the person who runs it"
)]

use std::process::ExitCode;

use tests::lab::suite;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filter = arguments.iter().find(|word| !word.starts_with('-')).map_or("", String::as_str);
    let names = suite::select(filter);
    if arguments.iter().any(|word| word == "--list") {
        for name in names {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    if std::env::var("RAILHEAD_SKIP_VM").is_ok_and(|value| value == "1") {
        println!("\nSKIPPED because RAILHEAD_SKIP_VM=1: {} tests that need the VM\n", names.len());
        return ExitCode::SUCCESS;
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
