//! The CNI plugins of railhead in one binary: the name it is called by says which.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cni::install::{self, InstallError, PLUGINS};
use cni::nv_ipam::NvIpam;
use cni::protocol;
use cni::sriov::Sriov;
use conf::chain::Chain;
use conf::printable::Printable;
use ipam::Root;

const USAGE: &str = "\
railhead-cni: the CNI plugins of railhead

Usage: railhead-cni install DIR              put the binary and a link for each plugin in DIR
       railhead-cni uninstall [--force] DIR  take them away, unless containers will need them
       railhead-cni PLUGIN                   be that plugin (sriov, nv-ipam), as CNI_COMMAND says
       railhead-cni --help | --version

A container runtime calls it by the name of a plugin:
  railhead-cni install /opt/cni/bin
  CNI_COMMAND=VERSION /opt/cni/bin/sriov
";

fn main() -> ExitCode {
    // A write to sysfs that a driver can hang is done by a child of this binary.
    if let Some(code) = cni::kernel::child::serve() {
        return code;
    }
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    let called = Path::new(&called).file_name().and_then(OsStr::to_str).unwrap_or_default();
    let arguments: Vec<String> =
        arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match (called, words.as_slice()) {
        (_, ["--version" | "-v" | "-V"]) => {
            print(&format!("railhead-cni {}\n", env!("CARGO_PKG_VERSION")))
        }
        (_, ["--help" | "-h"]) => print(USAGE),
        (plugin, _) if PLUGINS.contains(&plugin) => serve(plugin),
        (_, [plugin]) if PLUGINS.contains(plugin) => serve(plugin),
        (_, ["install", directory]) => report("placed", install::install(Path::new(directory))),
        (_, ["uninstall", directory]) => uninstall(Path::new(directory)),
        (_, ["uninstall", "--force", directory]) => {
            report("removed", install::uninstall(Path::new(directory)))
        }
        _ if std::env::var_os("CNI_COMMAND").is_some() => protocol::refuse_name(called),
        _ => {
            complain(USAGE);
            ExitCode::from(2)
        }
    }
}

fn serve(plugin: &str) -> ExitCode {
    match plugin {
        "nv-ipam" => protocol::serve(&NvIpam::new(Root::system())),
        _ => protocol::serve(&Sriov::new(Root::system())),
    }
}

fn uninstall(directory: &Path) -> ExitCode {
    let why = match install::users(&Root::system()) {
        Ok(0) => return report("removed", install::uninstall(directory)),
        Ok(users) => format!("{users} containers will call the plugins when they end"),
        Err(error) => format!("nobody knows who uses them: {}", Chain(&error)),
    };
    complain(&format!(
        "railhead-cni: what is in {} stays, since {why}. When they are gone: {} uninstall \
         {}\n",
        directory.display(),
        directory.join(install::BINARY).display(),
        directory.display()
    ));
    ExitCode::FAILURE
}

/// Prints what was done to which file.
fn report(done: &str, outcome: Result<Vec<PathBuf>, InstallError>) -> ExitCode {
    match outcome {
        Ok(paths) => {
            let lines: String = paths
                .iter()
                .map(|path| format!("{done} {}\n", Printable(path.display())))
                .collect();
            print(&lines)
        }
        Err(error) => {
            complain(&format!("railhead-cni: {}\n", Printable(Chain(&error))));
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(text: &str) {
    // With stderr closed there is nobody to tell.
    std::io::stderr().lock().write_all(text.as_bytes()).ok();
}
