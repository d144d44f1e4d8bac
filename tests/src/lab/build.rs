//! Builds what goes into the guest: static binaries, in one call of cargo.

use std::ffi::OsString;
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
    /// The empty program, for figures.
    pub nothing: PathBuf,
    /// Tells how much memory a program has resident.
    pub peak: PathBuf,
    /// Other projects' plugins, for figures.
    pub peers: Vec<PathBuf>,
}

impl Profile {
    /// Cargo's name for it.
    fn name(self) -> &'static str {
        match self {
            Self::Lab => "lab",
            Self::Dist => "dist",
        }
    }
}

/// Builds the programs.
///
/// # Errors
/// When they do not compile; cargo has said why by then.
pub fn build(profile: Profile) -> Result<Programs> {
    match profile {
        Profile::Lab => build_in(profile, &["daemon", "cni", "nothing", "tests"])?,
        // Of the guest's own program there is nothing to ship, and it catches panics, which dist does not.
        Profile::Dist => {
            build_in(Profile::Dist, &["daemon", "cni", "nothing"])?;
            build_in(Profile::Lab, &["tests"])?;
        }
    }
    Ok(Programs::of(profile))
}

/// Builds the plugins, and the empty program.
///
/// # Errors
/// Those of [`build`].
pub(super) fn plugins(profile: Profile) -> Result<Programs> {
    build_in(profile, &["cni", "nothing"])?;
    build_in(Profile::Lab, &["tests"])?;
    Ok(Programs::of(profile))
}

impl Programs {
    /// Where they are once they are built.
    fn of(profile: Profile) -> Self {
        let target = place::target().join(TARGET);
        Self {
            guest: target.join("lab/railhead-guest"),
            railhead: target.join(profile.name()).join("railhead"),
            plugins: target.join(profile.name()).join("railhead-cni"),
            nothing: target.join(profile.name()).join("nothing"),
            peak: target.join("lab/peak"),
            peers: match profile {
                Profile::Lab => Vec::new(),
                Profile::Dist => vec![place::host_local(), place::sriov_cni()],
            },
        }
    }
}

/// The cargo that runs us, when one does, so that both agree about the toolchain.
pub(super) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Builds the guest's programs of these packages.
fn build_in(profile: Profile, packages: &[&str]) -> Result<()> {
    let mut command = Command::new(cargo());
    command.current_dir(place::workspace());
    command.args(["build", "--locked", "--target", TARGET, "--profile", profile.name()]);
    if profile == Profile::Dist {
        command.args(["--config", ".cargo/dist.toml"]);
    }
    // Whatever the caller's own setting is, we know where to find them.
    command.arg("--target-dir").arg(place::target());
    for package in packages {
        let binaries: &[&str] = match *package {
            "daemon" => &["railhead"],
            "cni" => &["railhead-cni"],
            "nothing" => &["nothing"],
            _ => &["railhead-guest", "peak"],
        };
        command.args(["--package", package]);
        command.args(binaries.iter().flat_map(|binary| ["--bin", binary]));
    }
    let status = command.status().context("run cargo")?;
    ensure!(status.success(), "cargo could not build the guest's programs");
    Ok(())
}
