//! Builds what goes into the guest: static binaries, in one call of cargo.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::place;

/// Static, so that the guest needs no libraries: and it is what is shipped.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// How to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build.
    Lab,
    /// What is shipped.
    Dist,
}

/// The programs of this workspace that the guest gets.
#[derive(Debug, Clone)]
pub struct Programs {
    /// PID 1.
    pub guest: PathBuf,
    /// The daemon and command line.
    pub railhead: PathBuf,
    /// The plugins.
    pub plugins: PathBuf,
}

/// Builds the programs.
///
/// # Errors
/// When they do not compile; cargo has said why by then.
pub fn build(profile: Profile) -> Result<Programs> {
    let name = match profile {
        Profile::Lab => "lab",
        Profile::Dist => "dist",
    };
    // The cargo that runs us, when one does, so that both agree about the toolchain.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--locked", "--target", TARGET, "--profile", name];
    let binaries = ["--bin", "railhead", "--bin", "railhead-cni"];
    let mut runs = vec![(arguments.to_vec(), binaries.to_vec())];
    match profile {
        Profile::Lab => runs[0].1.extend(["--bin", "railhead-guest"]),
        // The guest's own program catches panics, which a profile that aborts on them cannot.
        Profile::Dist => runs.push((
            ["build", "--locked", "--target", TARGET, "--profile", "lab"].to_vec(),
            ["--bin", "railhead-guest"].to_vec(),
        )),
    }
    for (arguments, binaries) in runs {
        let status = Command::new(&cargo)
            .current_dir(place::workspace())
            .args(arguments)
            .args(["-p", "cni", "-p", "daemon", "-p", "tests"])
            // Whatever the caller's own setting is, we know where to find them.
            .arg("--target-dir")
            .arg(place::target())
            .args(binaries)
            // What cargo sets for the test that calls us is not meant for another build.
            .env_remove("CARGO_MANIFEST_DIR")
            .status()
            .context("run cargo")?;
        ensure!(status.success(), "cargo could not build the guest's programs");
    }
    let target = place::target().join(TARGET);
    Ok(Programs {
        guest: target.join("lab/railhead-guest"),
        railhead: target.join(name).join("railhead"),
        plugins: target.join(name).join("railhead-cni"),
    })
}
