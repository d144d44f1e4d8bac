//! All figures: those of plugins on this machine, those that need VFs in the VM, those of a host that is a tree of files.
//!
//! A plugin that only needs network namespaces is measured here, since the VM is emulated. Nothing is asserted: a busy
//! machine is no clock. A figure that misses its goal is marked, and a person decides.

mod addresses;
mod bed;
mod crowd;
mod pool;
mod scale;
mod sheet;
mod sizes;
mod start;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub use self::sheet::Format;

use self::sheet::Sheet;
use super::build::{self, Profile};
use super::{place, theatre};
use crate::figure::median;
use crate::guest;

/// Measures something on this machine, under a name to ask for it alone.
type Measurement = (&'static str, fn(&Programs, &mut Sheet) -> Result<()>);

/// In their order.
const HERE: &[Measurement] = &[
    ("nv-ipam-crowd", addresses::crowd),
    ("nv-ipam-storm", addresses::storm),
    ("nv-ipam-process", addresses::process),
    ("nv-ipam-pools", sizes::pools),
    ("nv-ipam-full", sizes::full),
    ("start", start::measure),
];

/// The daemon's own bench.
const SCALE: &str = "scale";

/// Measures what has one of `filters` in its name; all when there is none. True when it could.
///
/// # Errors
/// When nothing has such a name, something cannot be built, or a program fails that is measured.
pub fn bench(format: Format, filters: &[&str]) -> Result<bool> {
    let is_wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter));
    let here: Vec<_> = HERE.iter().filter(|(name, _)| is_wanted(name)).collect();
    let in_vm: Vec<_> = guest::bench::names().filter(|name| is_wanted(name)).collect();
    let scale = is_wanted(SCALE);
    if here.is_empty() && in_vm.is_empty() && !scale {
        let names: Vec<_> =
            HERE.iter().map(|(name, _)| *name).chain(guest::bench::names()).collect();
        bail!("nothing of that name is measured; these are: {}, {SCALE}", names.join(", "));
    }
    place::set_up_for_figures()?;
    let mut sheet = Sheet::new(format);
    let mut measured = true;
    if !here.is_empty() {
        let built = build::plugins(Profile::Dist)?;
        sheet.begin("plugins, on this machine");
        bed::isolated(|| {
            let programs = Programs::place(&built)?;
            here.iter().try_for_each(|(_, measure)| measure(&programs, &mut sheet))
        })?;
    }
    if !in_vm.is_empty() {
        let built = build::build(Profile::Dist)?;
        sheet.begin("in the VM");
        let names = in_vm.into_iter().map(str::to_owned).collect();
        measured = theatre::bench(&built, names, |figure| sheet.add(figure))?;
    }
    if scale {
        scale::measure(&mut sheet)?;
    }
    sheet.end()?;
    Ok(measured)
}

/// What is measured here.
#[derive(Debug)]
struct Programs {
    sriov: PathBuf,
    nv_ipam: PathBuf,
    host_local: PathBuf,
    nothing: PathBuf,
    peak: PathBuf,
}

impl Programs {
    /// Puts the plugins in a directory by the names that runtimes call them by.
    fn place(built: &build::Programs) -> Result<Self> {
        let directory = Path::new("/run/bench/bin");
        fs::create_dir(directory).context("make a directory")?;
        let [sriov, nv_ipam] = ["sriov", "nv-ipam"].map(|name| directory.join(name));
        for plugin in [&sriov, &nv_ipam] {
            symlink(&built.plugins, plugin).context("place a plugin")?;
        }
        let (nothing, peak) = (built.nothing.clone(), built.peak.clone());
        Ok(Self { sriov, nv_ipam, host_local: place::host_local(), nothing, peak })
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
