//! The node as an admin sees it: PFs, VFs, drivers, and files in /sys and /etc.
//!
//! Everything here looks at the kernel from outside, by sysfs and `ip`, never through railhead's own code: a test
//! that compared railhead with itself would prove nothing.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::program::run;
use super::transcript::log;
use super::wait::wait_for;

const PCI: &str = "/sys/bus/pci/devices";

/// A physical function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pf {
    /// Its network interface, named as udev would: `enp1s0`.
    pub name: String,
    /// Its PCI address.
    pub address: String,
}

/// A virtual function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vf {
    /// The network interface of its PF.
    pub pf: String,
    /// Its index on that PF.
    pub index: u16,
    /// Its PCI address.
    pub address: String,
}

/// All PFs with SR-IOV, by PCI address. The machine has two: `enp1s0` and `enp2s0`, on one switch.
pub fn pfs() -> Vec<Pf> {
    let mut pfs: Vec<Pf> = pci_functions()
        .into_iter()
        .filter(|address| Path::new(PCI).join(address).join("sriov_totalvfs").exists())
        .map(|address| Pf { name: netdev_of(&address).unwrap_or_default(), address })
        .collect();
    pfs.sort_by(|a, b| a.address.cmp(&b.address));
    pfs
}

/// The PF of that number in [`pfs`].
#[track_caller]
pub fn pf(number: usize) -> Pf {
    pfs().into_iter().nth(number).unwrap_or_else(|| panic!("the machine has no PF {number}"))
}

impl Pf {
    /// Makes VFs as an admin would, by sysfs, and waits for their network interfaces.
    #[track_caller]
    pub fn make_vfs(&self, count: u16) -> Vec<Vf> {
        write(&format!("{PCI}/{}/sriov_numvfs", self.address), &count.to_string());
        let vfs = self.vfs();
        assert_eq!(vfs.len(), usize::from(count), "VFs of {}", self.name);
        for vf in &vfs {
            vf.wait_for_netdev();
        }
        vfs
    }

    /// Removes all VFs.
    #[track_caller]
    pub fn remove_vfs(&self) {
        write(&format!("{PCI}/{}/sriov_numvfs", self.address), "0");
    }

    /// How many VFs it has.
    #[track_caller]
    pub fn num_vfs(&self) -> u16 {
        read(&format!("{PCI}/{}/sriov_numvfs", self.address)).parse().expect("a number")
    }

    /// Its VFs by index.
    pub fn vfs(&self) -> Vec<Vf> {
        (0..)
            .map_while(|index| {
                let address = link_name(&format!("{PCI}/{}/virtfn{index}", self.address))?;
                Some(Vf { pf: self.name.clone(), index, address })
            })
            .collect()
    }

    /// A file of its PCI function.
    #[track_caller]
    pub fn attribute(&self, name: &str) -> String {
        read(&format!("{PCI}/{}/{name}", self.address))
    }
}

impl Vf {
    /// Its network interface in the host's namespace; none while a pod has it or another driver than the network one.
    pub fn netdev(&self) -> Option<String> {
        netdev_of(&self.address)
    }

    /// Its network interface, as soon as there is one in the host's namespace.
    #[track_caller]
    pub fn wait_for_netdev(&self) -> String {
        wait_for(&format!("a network interface of {}", self.address), || self.netdev())
    }

    /// The driver it is bound to.
    pub fn driver(&self) -> Option<String> {
        link_name(&format!("{PCI}/{}/driver", self.address))
    }

    /// Its IOMMU group.
    #[track_caller]
    pub fn iommu_group(&self) -> String {
        link_name(&format!("{PCI}/{}/iommu_group", self.address)).expect("an IOMMU group")
    }

    /// Takes it from its driver.
    #[track_caller]
    pub fn unbind(&self) {
        write(&format!("{PCI}/{}/driver/unbind", self.address), &self.address);
    }

    /// Binds it to a driver as an admin would: driver_override, unbind, probe.
    #[track_caller]
    pub fn bind(&self, driver: &str) {
        write(&format!("{PCI}/{}/driver_override", self.address), &format!("{driver}\n"));
        if self.driver().is_some() {
            self.unbind();
        }
        write("/sys/bus/pci/drivers_probe", &self.address);
        assert_eq!(self.driver().as_deref(), Some(driver), "driver of {}", self.address);
    }

    /// What the PF says about it: its entry of `vfinfo_list`, as `ip -j -d link` prints it.
    #[track_caller]
    pub fn info(&self) -> Value {
        link(&self.pf)["vfinfo_list"][usize::from(self.index)].clone()
    }
}

/// One network interface of the host's namespace, as `ip -j -d link` prints it.
#[track_caller]
pub fn link(name: &str) -> Value {
    run(&format!("ip -j -d link show dev {name}")).ok().json()[0].clone()
}

/// The PCI addresses of all functions.
pub fn pci_functions() -> Vec<String> {
    let mut functions: Vec<String> = fs::read_dir(PCI)
        .expect("list PCI functions")
        .map(|entry| entry.expect("a PCI function").file_name().to_string_lossy().into_owned())
        .collect();
    functions.sort();
    functions
}

/// The network interface of a PCI function.
pub fn netdev_of(address: &str) -> Option<String> {
    let mut entries = fs::read_dir(format!("{PCI}/{address}/net")).ok()?;
    Some(entries.next()?.ok()?.file_name().to_string_lossy().into_owned())
}

/// A file's text without white space at its ends.
#[track_caller]
pub fn read(path: &str) -> String {
    match fs::read_to_string(path) {
        Ok(text) => text.trim().to_owned(),
        Err(error) => panic!("read {path}: {error}"),
    }
}

/// Writes a file of /sys or /proc in one write, as `echo` does.
#[track_caller]
pub fn write(path: &str, value: &str) {
    log(format!("$ echo {} >{path}", value.trim()));
    fs::write(path, value)
        .unwrap_or_else(|error| panic!("write {:?} to {path}: {error}", value.trim()));
}

/// Whether the host hands packets on: what every interface that is made here inherits.
pub const FORWARDING: [&str; 3] = [
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/net/ipv6/conf/all/forwarding",
    "/proc/sys/net/ipv6/conf/default/forwarding",
];

/// Makes an ordinary file, and the directories above it.
#[track_caller]
pub fn put(path: &str, text: &str) {
    log(format!("$ cat >{path} <<'.'\n{}\n.", text.trim_end()));
    let parent = Path::new(path).parent().expect("an absolute path");
    fs::create_dir_all(parent).unwrap_or_else(|error| panic!("make {}: {error}", parent.display()));
    fs::write(path, text).unwrap_or_else(|error| panic!("write {path}: {error}"));
}

/// Panics when what was to be removed is there still: only that there was nothing is as good as removed.
#[track_caller]
pub(super) fn remove_if_there(removed: std::io::Result<()>, path: &str) {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("remove {path}: {error}"),
        _ => {}
    }
}

/// The last part of where a symbolic link points to.
pub(super) fn link_name(path: &str) -> Option<String> {
    Some(fs::read_link(path).ok()?.file_name()?.to_string_lossy().into_owned())
}
