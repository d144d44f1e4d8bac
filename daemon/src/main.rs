//! `railhead`: the node daemon and the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A write to sysfs that a driver may hang is done by a child of this same program.
    if let Some(code) = cni::kernel::child::serve() {
        return code;
    }
    daemon::cli::main()
}
