//! Binding a VF to a driver: once, to the one it is meant for.

use std::time::Instant;

use cni::kernel::link::Link;
use cni::kernel::module;
use cni::kernel::monitor::{Monitor, Topic};
use cni::kernel::netlink::Route;
use cni::kernel::sysfs::Function;
use conf::{DriverName, PciAddress};

use super::error::StepError;
use super::kernel::Kernel;
use crate::plan::Binding;
use crate::vfio_ids;

/// Binds `vf` as told. What it has of it already is kept.
pub(super) fn bind(kernel: &Kernel<'_>, vf: PciAddress, to: &Binding) -> Result<(), StepError> {
    match to {
        Binding::Unbound => kernel.host.sysfs().unbind(&kernel.writer, vf).map(drop)?,
        Binding::Driver(driver) => bind_to(kernel, vf, driver)?,
        Binding::Default => bind_to_default(kernel, vf)?,
    }
    Ok(())
}

/// The override keeps any other driver away in between. It is cleared afterwards: a VF that keeps
/// it would never find its way back by itself.
fn bind_to(kernel: &Kernel<'_>, vf: PciAddress, driver: &DriverName) -> Result<(), StepError> {
    let sysfs = kernel.host.sysfs();
    sysfs.set_driver_override(&kernel.writer, vf, Some(driver))?;
    if function(kernel, vf)?.driver.as_ref() != Some(driver) {
        sysfs.unbind(&kernel.writer, vf).map(drop)?;
        sysfs.bind(&kernel.writer, vf, driver).map(drop)?;
    }
    sysfs.set_driver_override(&kernel.writer, vf, None)?;
    Ok(())
}

fn bind_to_default(kernel: &Kernel<'_>, vf: PciAddress) -> Result<(), StepError> {
    let sysfs = kernel.host.sysfs();
    let before = function(kernel, vf)?;
    if before.driver_override.is_some() {
        sysfs.set_driver_override(&kernel.writer, vf, None)?;
    }
    if !is_default(&before) {
        sysfs.unbind(&kernel.writer, vf).map(drop)?;
        sysfs.probe(&kernel.writer, vf)?;
        await_driver(kernel, vf)?;
    }
    if kernel.makes_netdevs {
        await_netdev(kernel, vf)?;
    }
    Ok(())
}

fn is_default(function: &Function) -> bool {
    function.driver.as_ref().is_some_and(|driver| !driver.is_userspace())
}

/// Waits until the kernel has bound a driver. Where none is loaded that knows the device, it is
/// loaded: udev does so on its own, later, and not on every host.
fn await_driver(kernel: &Kernel<'_>, vf: PciAddress) -> Result<(), StepError> {
    let found = function(kernel, vf)?;
    if is_default(&found) {
        return Ok(());
    }
    if let Some(modalias) = &found.modalias {
        module::load_for(modalias, kernel.deadlines.module)?;
        kernel.host.sysfs().probe(&kernel.writer, vf)?;
    }
    let found = function(kernel, vf)?;
    if is_default(&found) {
        return Ok(());
    }
    let is_taken = found.driver.is_some();
    if is_taken && let Some(driver) = netdev_driver(kernel, &found)? {
        return bind_to(kernel, vf, &driver);
    }
    Err(StepError::NotBound {
        vf,
        wanted: Binding::Default.to_string(),
        found: found.driver.as_ref().map_or_else(|| "no driver".to_owned(), ToString::to_string),
        why: if is_taken { taken(kernel, &found) } else { String::new() },
    })
}

/// The driver that makes the netdev of a VF which another one takes first, as vfio-pci does with the
/// ids that it was told: by the kernel's list of modules, else the one that another VF of the PF has.
fn netdev_driver(
    kernel: &Kernel<'_>,
    vf: &Function,
) -> Result<Option<DriverName>, cni::kernel::Error> {
    let sysfs = kernel.host.sysfs();
    let modalias = vf.modalias.as_deref().unwrap_or_default();
    let listed = module::drivers_for(kernel.host.root().path(), sysfs, modalias);
    if let Some(driver) = listed.into_iter().find(|driver| !driver.is_userspace()) {
        return Ok(Some(driver));
    }
    let pf = sysfs.function_while_stuck(kernel.pf)?;
    for sibling in pf.into_iter().flat_map(|pf| pf.virtfns.into_values()) {
        if let Some(driver) = sysfs.driver(sibling)?.filter(|driver| !driver.is_userspace()) {
            return Ok(Some(driver));
        }
    }
    Ok(None)
}

/// Why a driver for user space takes a VF that the kernel looks for a driver of.
fn taken(kernel: &Kernel<'_>, vf: &Function) -> String {
    let id = format!("{}:{}", vf.vendor, vf.device);
    match vfio_ids::told_by(kernel.host.root().path(), vf.vendor, vf.device) {
        Some(by) => format!(": it takes all of {id}, as {by} tells it; remove that id there"),
        None => format!(": it was told to take all of {id}, by ids= or new_id; take that back"),
    }
}

/// Waits until the VF has a netdev here, and tells which.
pub(super) fn await_netdev(kernel: &Kernel<'_>, vf: PciAddress) -> Result<Link, StepError> {
    let mut monitor = Monitor::open(&[Topic::Links])?;
    let mut route = Route::open()?;
    let waited = kernel.deadlines.netdev;
    let found =
        monitor.until(Instant::now() + waited, || route.link_by_pci(kernel.host.sysfs(), vf))?;
    found.ok_or(StepError::NoNetdev { vf, waited })
}

fn function(kernel: &Kernel<'_>, vf: PciAddress) -> Result<Function, StepError> {
    let found = kernel.host.sysfs().function(vf)?;
    found.ok_or_else(|| StepError::Gone { what: vf.to_string() })
}
