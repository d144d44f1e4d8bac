//! Writing: one file each.

use std::fs;
use std::path::{Path, PathBuf};

use conf::{DriverName, IfName, PciAddress};

use super::{Sysfs, read};
use crate::kernel::child::Writer;
use crate::kernel::{Cause, Change, Errno, Error};

impl Sysfs {
    /// Sets how many VFs a PF has, in a child process with a deadline. The kernel demands zero
    /// before another count (EBUSY). A driver may make fewer than it was asked for: look again.
    pub fn set_numvfs(&self, writer: &Writer, pf: PciAddress, count: u16) -> Result<(), Error> {
        let path = self.directory(pf).join("sriov_numvfs");
        let object = format!("sriov_numvfs of {pf} to {count}");
        // Read afterwards, and not from `sriov_numvfs`: what is there now is why it failed.
        let has_vfs = || read::virtfns(&self.directory(pf)).is_ok_and(|vfs| !vfs.is_empty());
        written(writer, &path, &count.to_string(), "set", object, |errno| match errno {
            Errno::EBUSY if count > 0 && has_vfs() => {
                "it has VFs already: another count goes over 0"
            }
            Errno::EBUSY => "the driver refuses it now; dmesg says why",
            Errno::ENOENT => "no driver is bound to it, or one that makes no VFs",
            Errno::ERANGE => "more than sriov_totalvfs",
            Errno::ENOMEM => {
                "too little memory space or too few bus numbers for that many, dmesg says which: \
                 switch SR-IOV on in the firmware's setup, or start the kernel with pci=realloc"
            }
            Errno::ENOSPC => "too few interrupts or queues for that many: lower numVfs",
            _ => "",
        })
    }

    /// Sets whether new VFs of a PF are bound to a driver at once.
    pub fn set_autoprobe(&self, pf: PciAddress, on: bool) -> Result<Change, Error> {
        let path = self.directory(pf).join("sriov_drivers_autoprobe");
        let wanted = u8::from(on);
        if read::value(&path)? == Some(wanted) {
            return Ok(Change::Same);
        }
        // This file takes no lock: nothing can hang.
        match write_existing(&path, &wanted.to_string()) {
            Ok(()) => Ok(Change::Changed),
            Err(error) => {
                let object = format!("sriov_drivers_autoprobe of {pf} to {wanted}");
                Err(Error::new("set", object, error))
            }
        }
    }

    /// Names the only driver that may bind to a function; `None` lifts the restriction. In a child
    /// process with a deadline.
    pub fn set_driver_override(
        &self,
        writer: &Writer,
        function: PciAddress,
        driver: Option<&DriverName>,
    ) -> Result<(), Error> {
        let path = self.directory(function).join("driver_override");
        let name = driver.map_or("", DriverName::as_str);
        let shown = if name.is_empty() { "none" } else { name };
        let object = format!("driver_override of {function} to {shown}");
        // An empty write would not reach the kernel; a newline alone clears it.
        written(writer, &path, &format!("{name}\n"), "set", object, |_| "")
    }

    /// Binds a driver to a function, in a child process with a deadline. One that has another
    /// driver is EBUSY.
    pub fn bind(
        &self,
        writer: &Writer,
        function: PciAddress,
        driver: &DriverName,
    ) -> Result<Change, Error> {
        let object = format!("{function} to {driver}");
        match self.driver(function)? {
            Some(bound) if bound == *driver => return Ok(Change::Same),
            Some(bound) => {
                let detail = format!("it is bound to {bound}");
                return Err(Error::new("bind", object, cause(Errno::EBUSY, &detail)));
            }
            None => {}
        }
        let path = self.root.join("bus/pci/drivers").join(driver.as_str()).join("bind");
        written(writer, &path, &function.to_string(), "bind", object, |errno| match errno {
            Errno::ENOENT => "the driver is not loaded",
            Errno::ENODEV => {
                "the driver does not know the device, or driver_override names another"
            }
            _ => "",
        })?;
        Ok(Change::Changed)
    }

    /// Has udev look at a netdev of a function again. One that is gone, or has another name by now,
    /// is looked at anyway.
    pub fn announce_netdev(&self, function: PciAddress, netdev: &IfName) -> Result<(), Error> {
        let path = self.directory(function).join("net").join(netdev.as_str()).join("uevent");
        // This file takes no lock: nothing can hang.
        match write_existing(&path, "change") {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::new("announce to udev", netdev.to_string(), error))
            }
            _ => Ok(()),
        }
    }

    /// Takes a function from its driver, in a child process with a deadline.
    pub fn unbind(&self, writer: &Writer, function: PciAddress) -> Result<Change, Error> {
        let Some(driver) = self.driver(function)? else { return Ok(Change::Same) };
        let path = self.directory(function).join("driver/unbind");
        let object = format!("{function} from {driver}");
        written(writer, &path, &function.to_string(), "unbind", object, |_| "")?;
        Ok(Change::Changed)
    }

    /// Lets the kernel look for a driver of a function (`drivers_probe`), in a child process with
    /// a deadline. Says nothing of whether one was found: read the function again.
    pub fn probe(&self, writer: &Writer, function: PciAddress) -> Result<(), Error> {
        let path = self.root.join("bus/pci/drivers_probe");
        written(writer, &path, &function.to_string(), "probe", function.to_string(), |_| "")
    }
}

/// Writes through the child, and tells of a failure in the words of the verb; `advice` says what
/// an error number means here.
fn written(
    writer: &Writer,
    path: &Path,
    value: &str,
    verb: &'static str,
    object: String,
    advice: impl Fn(Errno) -> &'static str,
) -> Result<(), Error> {
    writer.write(path, value).map_err(|error| {
        let cause = match error.cause {
            Cause::Errno { errno, .. } => cause(errno, advice(errno)),
            other => other,
        };
        Error::new(verb, object, cause)
    })
}

/// Writes a file that is there; nothing is created.
fn write_existing(path: &PathBuf, value: &str) -> std::io::Result<()> {
    use std::io::Write;

    fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

fn cause(errno: Errno, detail: &str) -> Cause {
    Cause::Errno { errno, detail: detail.to_owned() }
}
