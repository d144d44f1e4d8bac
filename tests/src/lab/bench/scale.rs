//! Looking at a big host and planning for it: the daemon's own bench, `daemon/benches/scale.rs`.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::sheet::Sheet;
use crate::lab::{build, place};

/// Has it measured, in the profile that cargo has for benches.
pub(super) fn measure(sheet: &mut Sheet) -> Result<()> {
    sheet.begin("a host with 2048 VFs, as files");
    let mut bench = Command::new(build::cargo());
    bench.args(["bench", "--quiet", "--locked", "--package", "daemon", "--bench", "scale"]);
    bench.arg("--target-dir").arg(place::target()).args(["--", "--json"]);
    bench.current_dir(place::workspace()).stderr(Stdio::inherit());
    let output = bench.output().context("run cargo bench")?;
    ensure!(output.status.success(), "the bench of the daemon failed");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        sheet
            .add(&serde_json::from_str(line).with_context(|| format!("read a figure: {line}"))?)?;
    }
    Ok(())
}
