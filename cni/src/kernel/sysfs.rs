//! PCI functions in sysfs: what they are.
//!
//! Reading some files takes the device's lock, which a write that hangs holds: `sriov_numvfs`
//! (`sriov_numvfs_show`, drivers/pci/iov.c) and `driver_override`. The first is not read at all,
//! the VFs are counted instead; the second not by [`Sysfs::function_while_stuck`].

mod identity;
pub mod netdev;
mod read;
mod tuning;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use conf::{DriverName, IfName, PciAddress, PciId, VfIndex};

use super::Error;

/// A sysfs tree: the kernel's, or one that a test made.
#[derive(Debug, Clone)]
pub struct Sysfs {
    root: PathBuf,
}

/// One PCI function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its address.
    pub address: PciAddress,
    /// Vendor id.
    pub vendor: PciId,
    /// Device id.
    pub device: PciId,
    /// Class code, 24 bits: `0x020000` is an Ethernet controller.
    pub class: u32,
    /// The driver bound to it.
    pub driver: Option<DriverName>,
    /// The only driver that may bind to it, when one was named.
    pub driver_override: Option<String>,
    /// What a module says to be meant for it (`modalias`): modprobe takes it for a name.
    pub modalias: Option<String>,
    /// NUMA node.
    pub numa_node: Option<u32>,
    /// IOMMU group.
    pub iommu_group: Option<u32>,
    /// Its netdevs that are in the namespace of the sysfs mount. A name that [`IfName`] refuses is
    /// left out; netlink has it.
    pub net: Vec<IfName>,
    /// Whether it has netdevs, and all of them in other network namespaces. A driver that has made
    /// none yet, or makes none at all, is another matter.
    pub net_elsewhere: bool,
    /// Its PF, when it is a VF.
    pub physfn: Option<PciAddress>,
    /// Its SR-IOV capability, when it has one.
    pub sriov: Option<Sriov>,
    /// Its VFs.
    pub virtfns: BTreeMap<VfIndex, PciAddress>,
}

/// The SR-IOV capability of a PF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sriov {
    /// How many VFs it can have (`sriov_totalvfs`); 0 where the firmware allows none.
    pub total: u16,
    /// How many it has: its `virtfnN` links.
    pub num: u16,
    /// Whether new VFs are bound to their driver at once (`sriov_drivers_autoprobe`).
    pub autoprobe: bool,
    /// Routing id of VF 0 after the PF's (`sriov_offset`).
    pub offset: u16,
    /// Distance of two VFs' routing ids (`sriov_stride`).
    pub stride: u16,
    /// Device id of its VFs (`sriov_vf_device`).
    pub vf_device: PciId,
}

impl Function {
    /// Whether its class is network controller (0x02).
    pub fn is_network(&self) -> bool {
        self.class >> 16 == 0x02
    }

    /// Whether its class is InfiniBand controller (0x0207).
    pub fn is_infiniband(&self) -> bool {
        self.class >> 8 == 0x0207
    }
}

impl Sysfs {
    /// The kernel's, at `/sys`.
    pub fn system() -> Self {
        Self::at("/sys")
    }

    /// The tree at `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All PCI functions, in order of address. A kernel without PCI has none.
    pub fn pci_functions(&self) -> Result<Vec<PciAddress>, Error> {
        let mut functions: Vec<PciAddress> =
            read::names(&self.pci_devices())?.iter().filter_map(|name| name.parse().ok()).collect();
        functions.sort();
        Ok(functions)
    }

    /// One PCI function; `None` when there is none at this address.
    pub fn function(&self, address: PciAddress) -> Result<Option<Function>, Error> {
        let Some(mut function) = self.function_while_stuck(address)? else { return Ok(None) };
        function.driver_override = read::driver_override(&self.directory(address))?;
        Ok(Some(function))
    }

    /// The same without [`Function::driver_override`]: reads nothing that a write which hangs in
    /// the function's driver, or its PF's, would hang too.
    pub fn function_while_stuck(&self, address: PciAddress) -> Result<Option<Function>, Error> {
        read::function(&self.directory(address), address)
    }

    /// The driver bound to a function; `None` when it has none, or when there is no such function.
    pub fn driver(&self, function: PciAddress) -> Result<Option<DriverName>, Error> {
        read::linked(&self.directory(function).join("driver"))
    }

    /// The PF of a VF; `None` when it is not a VF or not there.
    pub fn pf_of(&self, vf: PciAddress) -> Result<Option<PciAddress>, Error> {
        read::linked(&self.directory(vf).join("physfn"))
    }

    /// [`Function::net`] of a function; none when there is no such function.
    pub fn netdevs(&self, function: PciAddress) -> Result<Vec<IfName>, Error> {
        read::netdevs(&self.directory(function))
    }

    /// The same as the kernel has them, names that [`IfName`] refuses included.
    pub fn netdev_names(&self, function: PciAddress) -> Result<Vec<String>, Error> {
        Ok(read::netdev_names(&self.directory(function))?.unwrap_or_default())
    }

    /// Whether a function has an SR-IOV capability.
    pub fn has_sriov(&self, function: PciAddress) -> bool {
        self.directory(function).join("sriov_totalvfs").exists()
    }

    /// The functions with an SR-IOV capability, in order of address, without
    /// [`Function::driver_override`], so that one that is stuck does not hold up all; what cannot
    /// be read is its own error and does not hide the others.
    pub fn physical_functions(
        &self,
    ) -> Result<BTreeMap<PciAddress, Result<Function, Error>>, Error> {
        let mut found = BTreeMap::new();
        for address in self.pci_functions()? {
            if !self.has_sriov(address) {
                continue;
            }
            if let Some(function) = self.function_while_stuck(address).transpose() {
                found.insert(address, function);
            }
        }
        Ok(found)
    }

    /// Which VF of `pf` it is; `None` when it is none of them.
    pub fn vf_index(&self, pf: PciAddress, vf: PciAddress) -> Result<Option<VfIndex>, Error> {
        let directory = self.directory(pf);
        if let Some(index) = read::likely_vf_index(&directory, vf)?
            && read::virtfn(&directory, index)? == Some(vf)
        {
            return Ok(Some(index));
        }
        let vfs = read::virtfns(&directory)?;
        Ok(vfs.into_iter().find(|(_, address)| *address == vf).map(|(index, _)| index))
    }

    fn pci_devices(&self) -> PathBuf {
        self.root.join("bus/pci/devices")
    }

    fn directory(&self, address: PciAddress) -> PathBuf {
        self.pci_devices().join(address.to_string())
    }
}

#[cfg(test)]
mod tests;
