//! `peak FILE PROGRAM ARGUMENT...`: runs a program and writes to FILE how much memory it had resident at most, in KiB.
//!
//! A process begins with what its parent has (the kernel keeps the maximum over an exec), so the parent has to be small;
//! and busybox's `time` takes the kernel's KiB for pages.
#![expect(clippy::expect_used, reason = "it is part of a measurement, which fails with it")]

use std::process::{Command, ExitCode};

use nix::sys::resource::{UsageWho, getrusage};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (file, program) = arguments.next().zip(arguments.next()).expect("a file and a program");
    let status = Command::new(program).args(arguments).status().expect("run the program");
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).expect("ask what it took").max_rss();
    std::fs::write(file, peak.to_string()).expect("write the peak");
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}
