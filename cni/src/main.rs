//! The CNI plugins of railhead in one binary: the name it is called by says which.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use cni::install::{self, PLUGINS};
use cni::nv_ipam::NvIpam;
use cni::protocol;
use cni::sriov::Sriov;
use ipam::Root;

const USAGE: &str = "\
railhead-cni: the CNI plugins of railhead

Usage: railhead-cni install DIR    put the binary and a link for each plugin in DIR
       railhead-cni PLUGIN         be that plugin (sriov, nv-ipam), as CNI_COMMAND says
       railhead-cni --help | --version

A container runtime calls it by the name of a plugin:
  railhead-cni install /opt/cni/bin
  CNI_COMMAND=VERSION /opt/cni/bin/sriov
";

fn main() -> ExitCode {
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
        (_, ["install", directory]) => install(Path::new(directory)),
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

fn install(directory: &Path) -> ExitCode {
    match install::install(directory) {
        Ok(placed) => {
            let lines: String =
                placed.iter().map(|path| format!("placed {}\n", path.display())).collect();
            print(&lines)
        }
        Err(error) => {
            let cause = std::error::Error::source(&error);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            complain(&format!("railhead-cni: {error}{cause}\n"));
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
