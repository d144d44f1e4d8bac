//! Where the lab keeps its things: `target/lab/`, filled by `tests/setup.sh`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The workspace.
pub fn workspace() -> PathBuf {
    // The package sits in the workspace's root.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// `target/`: built here, whatever `CARGO_TARGET_DIR` says, since the set-up script puts its things here too.
pub fn target() -> PathBuf {
    workspace().join("target")
}

/// `target/lab/`.
pub fn lab() -> PathBuf {
    target().join("lab")
}

/// The image of a Debian with systemd.
pub(super) fn debian() -> PathBuf {
    lab().join("debian/root.img")
}

/// The reference plugin for addresses, of Debian's package containernetworking-plugins.
pub fn host_local() -> PathBuf {
    lab().join("peers/host-local")
}

/// The directory of the reference plugins, built from `tests/reference/`.
pub fn reference() -> PathBuf {
    lab().join("reference")
}

/// The plugin for VFs that ours stands beside, built from `tests/peers/`.
pub fn sriov_cni() -> PathBuf {
    lab().join("peers/sriov-cni")
}

/// Makes sure that all is there that the lab needs, by the script that also installs it.
///
/// # Errors
/// When something is missing and cannot be brought; the script has said what by then.
pub fn set_up() -> Result<()> {
    bring(&[])
}

/// The same, with what figures are held against.
///
/// # Errors
/// Those of [`set_up`].
pub fn set_up_for_figures() -> Result<()> {
    bring(&["bench"])
}

fn bring(what: &[&str]) -> Result<()> {
    let script = workspace().join("tests/setup.sh");
    // What it says is news, and no result.
    let mut command = Command::new(&script);
    let status = command.args(what).stdout(std::io::stderr()).status();
    let status = status.with_context(|| format!("run {}", script.display()))?;
    ensure!(status.success(), "the lab is not set up: see above");
    Ok(())
}
