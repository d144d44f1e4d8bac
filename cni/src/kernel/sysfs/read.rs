//! Reading one function's directory.
//!
//! Nothing here trusts what it reads: a file may be of any size and hold any octets, a link may
//! lead anywhere. Functions come and go; one that goes while it is read was never there.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::str::FromStr;

use conf::{IfName, PciAddress, PciId, VfIndex};

use super::{Function, Sriov};
use crate::kernel::{Cause, Error};

/// One page: the most that a sysfs attribute can hold.
const PAGE: u64 = 4096;

/// The function in `directory`; `None` when there is no such directory.
pub(super) fn function(directory: &Path, address: PciAddress) -> Result<Option<Function>, Error> {
    let Some(vendor) = value::<PciId>(&directory.join("vendor"))? else {
        return if directory.exists() { Err(missing(directory, "vendor")) } else { Ok(None) };
    };
    let required = |name| value(&directory.join(name))?.ok_or_else(|| missing(directory, name));
    let virtfns = virtfns(directory)?;
    let net = netdev_names(directory)?;
    let found = Function {
        address,
        vendor,
        device: required("device")?,
        class: hex(directory, "class")?,
        driver: linked(&directory.join("driver"))?,
        driver_override: None,
        modalias: value(&directory.join("modalias"))?,
        // -1: the firmware does not say.
        numa_node: value::<i64>(&directory.join("numa_node"))?
            .and_then(|node| node.try_into().ok()),
        iommu_group: linked(&directory.join("iommu_group"))?,
        net_elsewhere: net.as_ref().is_some_and(Vec::is_empty),
        net: interfaces(&net.unwrap_or_default()),
        physfn: linked(&directory.join("physfn"))?,
        sriov: sriov(directory, virtfns.len())?,
        virtfns,
    };
    // Whatever vanished in the middle looks like a function without it.
    Ok(directory.exists().then_some(found))
}

/// The driver that was named as the only one; the kernel shows none as `(null)`.
pub(super) fn driver_override(directory: &Path) -> Result<Option<String>, Error> {
    let found: Option<String> = value(&directory.join("driver_override"))?;
    Ok(found.filter(|name| !name.is_empty() && name != "(null)"))
}

/// The VFs of the PF in `directory`.
pub(super) fn virtfns(directory: &Path) -> Result<BTreeMap<VfIndex, PciAddress>, Error> {
    let mut found = BTreeMap::new();
    for name in names(directory)? {
        let number = name.strip_prefix("virtfn").and_then(|digits| digits.parse().ok());
        if let Some(number) = number
            && let Some(address) = linked(&directory.join(&name))?
        {
            found.insert(VfIndex(number), address);
        }
    }
    Ok(found)
}

/// One VF of the PF in `directory`; `None` when it has none of this number.
pub(super) fn virtfn(directory: &Path, index: VfIndex) -> Result<Option<PciAddress>, Error> {
    linked(&directory.join(format!("virtfn{index}")))
}

/// Which VF of the PF in `directory` is probably at `vf`. A PF's VFs lie at even distances, so its
/// first two tell, however many there are.
pub(super) fn likely_vf_index(directory: &Path, vf: PciAddress) -> Result<Option<VfIndex>, Error> {
    let Some(first) = virtfn(directory, VfIndex(0))? else { return Ok(None) };
    let Some(distance) = first.distance_to(vf) else { return Ok(None) };
    if distance == 0 {
        return Ok(Some(VfIndex(0)));
    }
    let second = virtfn(directory, VfIndex(1))?;
    let stride = second.and_then(|second| first.distance_to(second));
    let index = stride.and_then(|stride| distance.checked_div(stride));
    Ok(index.and_then(|index| u16::try_from(index).ok()).map(VfIndex))
}

/// What the last component of the path that a symbolic link leads to names; `None` when there is
/// no such link.
pub(super) fn linked<T: FromStr<Err: Display>>(link: &Path) -> Result<Option<T>, Error> {
    let target = match fs::read_link(link) {
        Ok(target) => target,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(unreadable(link, error)),
    };
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    parsed(link, &name).map(Some)
}

/// The names in a directory, which may be absent.
pub(super) fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(directory, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(directory, error))?;
        // A name that is not UTF-8 is none that anybody looks for.
        found.extend(entry.file_name().into_string());
    }
    found.sort();
    Ok(found)
}

/// The netdevs' names; `None` where there is no directory for any. The kernel makes it with the
/// first netdev and removes it with the last, so it is there, and empty, when they are in another
/// namespace. Those of virtio lie one level down, in the device that the function carries.
pub(super) fn netdev_names(directory: &Path) -> Result<Option<Vec<String>>, Error> {
    let net = directory.join("net");
    if net.is_dir() {
        return names(&net).map(Some);
    }
    let mut found = None;
    for name in names(directory)? {
        let number = name.strip_prefix("virtio");
        let net = directory.join(&name).join("net");
        if number.is_some_and(|number| number.parse::<u32>().is_ok()) && net.is_dir() {
            found.get_or_insert_with(Vec::new).extend(names(&net)?);
        }
    }
    if let Some(found) = &mut found {
        found.sort();
    }
    Ok(found)
}

/// The same without those that [`IfName`] refuses.
pub(super) fn netdevs(directory: &Path) -> Result<Vec<IfName>, Error> {
    Ok(interfaces(&netdev_names(directory)?.unwrap_or_default()))
}

fn interfaces(names: &[String]) -> Vec<IfName> {
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

/// The SR-IOV capability; `None` when the function has none.
fn sriov(directory: &Path, vfs: usize) -> Result<Option<Sriov>, Error> {
    let Some(total) = value(&directory.join("sriov_totalvfs"))? else { return Ok(None) };
    let number = |name| value(&directory.join(name))?.ok_or_else(|| missing(directory, name));
    Ok(Some(Sriov {
        total,
        num: u16::try_from(vfs).unwrap_or(u16::MAX),
        autoprobe: number("sriov_drivers_autoprobe")? != 0,
        offset: number("sriov_offset")?,
        stride: number("sriov_stride")?,
        // `%x`: shorter than other ids where it begins with zeros.
        vf_device: PciId::new(hex(directory, "sriov_vf_device")?),
    }))
}

/// A number in hexadecimal digits, with or without `0x`.
fn hex<T: TryFrom<u32, Error: Display>>(directory: &Path, name: &str) -> Result<T, Error> {
    let path = directory.join(name);
    let text: String = value(&path)?.ok_or_else(|| missing(directory, name))?;
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    let number = u32::from_str_radix(digits, 16);
    let number = number.map_err(|error| malformed(&path, &text, &error))?;
    T::try_from(number).map_err(|error| malformed(&path, &text, &error))
}

/// The value of a file, without the newline; `None` when there is no such file.
pub(super) fn value<T: FromStr<Err: Display>>(path: &Path) -> Result<Option<T>, Error> {
    let mut octets = Vec::new();
    let read = File::open(path).and_then(|file| file.take(PAGE).read_to_end(&mut octets));
    match read {
        Ok(_) => {}
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(unreadable(path, error)),
    }
    let text = String::from_utf8_lossy(&octets);
    parsed(path, text.trim_end_matches('\n')).map(Some)
}

fn parsed<T: FromStr<Err: Display>>(path: &Path, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error| malformed(path, text, &error))
}

/// Not there, or gone while it was looked at (ENODEV is what a read of a removed device says).
fn is_absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new("read", path.display(), error)
}

fn malformed(path: &Path, text: &str, rule: &dyn Display) -> Error {
    let shown: String = text.chars().take(64).collect();
    Error::new("read", path.display(), Cause::Malformed(format!("{shown:?} {rule}")))
}

fn missing(directory: &Path, name: &str) -> Error {
    Error::new("read", directory.join(name).display(), crate::kernel::Errno::ENOENT)
}
